"""Formulas are set by MathJax while the book is built: pages carry its letters and MathML, and no script.

MathJax comes from the package that carries it and runs in dukpy's interpreter. What pages need of its style
sheet and fonts is put beside them, under `_static/formulas`.
"""

import functools
import importlib.metadata
import re
from pathlib import Path

import dukpy
from beside import once_built
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset_file
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

PACKAGE = "sphinx-mathjax-offline"
PARTS = (
    *("startup", "core", "adaptors/liteDOM", "input/tex-full"),
    *("output/chtml", "output/chtml/fonts/tex", "a11y/assistive-mml"),
)
FOLDER = "_static/formulas"
START = """
var window = this, global = this;
var MathJax = {
  loader: {load: []},
  startup: {
    typeset: false, ready() {}, document: "",
    input: ["tex"], output: "chtml", adaptor: "liteAdaptor",  // what the loader would find out
  },
  tex: {packages: ["base", "ams"], formatError(_, error) { throw Error(error.message); }},
  chtml: {fontURL: ".", adaptiveCSS: true},
};
0
"""
READY = """
MathJax.startup.getComponents();
MathJax.startup.makeMethods();
function formula(tex, display) {
  const made = MathJax.tex2chtml(tex, {display, em: 16, ex: 8, containerWidth: 700});
  return MathJax.startup.adaptor.outerHTML(made);
}
function style() { return MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet()); }
0
"""


def packaged(name: str) -> Path:
    """A file of the package that carries MathJax."""
    return Path(str(importlib.metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}/static/mathjax/{name}")))


@functools.cache
def mathjax() -> dukpy.JSInterpreter:
    """MathJax, started once."""
    engine = dukpy.JSInterpreter()
    engine.evaljs(START)
    for part in PARTS:
        engine.evaljs(packaged(f"{part}.js").read_text(encoding="utf-8") + "; 0")
    engine.evaljs(READY)
    return engine


@functools.cache
def formula(tex: str, display: bool) -> str:
    """The HTML of a formula in TeX."""
    try:
        return str(mathjax().evaljs("formula(dukpy.tex, dukpy.display)", tex=tex, display=display))
    except dukpy.JSRuntimeError as error:
        raise ExtensionError(f"MathJax cannot read {tex!r}: {str(error).splitlines()[0]}") from error


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(f'<span class="math notranslate nohighlight">{formula(node.astext(), False)}</span>')
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own, with its number and a link to it where it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(f"{formula(node.astext(), True)}</div>\n")
    raise nodes.SkipNode


def put_style_and_fonts(app: Sphinx) -> None:
    """The rules and fonts that the formulas of all pages need, also of pages that are not made anew."""
    for name in sorted(app.env.found_docs):
        tree = app.env.get_doctree(name)
        for node in [*tree.findall(nodes.math), *tree.findall(nodes.math_block)]:
            formula(node.astext(), isinstance(node, nodes.math_block))
    rules = str(mathjax().evaljs("style()"))
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for font in sorted(set(re.findall(r'url\("\./([^"]+\.woff)"\)', rules))):
        copy_asset_file(str(packaged(f"output/chtml/fonts/woff-v2/{font}")), str(folder))
    (folder / "formulas.css").write_text(rules, encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer; `html_math_renderer: built` chooses it."""
    app.add_html_math_renderer("built", (visit_inline, None), (visit_block, None))
    app.add_css_file("formulas/formulas.css")
    once_built(app, put_style_and_fonts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
