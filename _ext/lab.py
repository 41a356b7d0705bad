"""The live lab: its page's form, scripts and data, and what its page may load."""

import base64
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

from beside import once_built
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[1]))  # jupyter-book starts elsewhere
from tools import live

PARTS = ("base", "pillow", "kernels", "network", "square", "bill", "beat", "stage", "camera", "report")
DATA = ("model", "photos")  # written by the build
FOLDER = "lab"  # beside the scripts, below _static
CHAPTERS = {"link6": ("06_cam", "chapter 6"), "link10": ("10_misclassified", "chapter 10")}


class lab(nodes.General, nodes.Element):  # noqa: N801, docutils names its nodes so
    """The form of the lab."""


class Lab(SphinxDirective):
    """The lab itself; the content stands in its place where there are no scripts."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Leave a mark for the form, since a page's templates are known when it is written."""
        still = nodes.container(classes=["lab-still"])
        self.state.nested_parse(self.content, self.content_offset, still)
        return [still, lab()]


def show_form(writer: Any, node: lab) -> None:
    """Write the form."""
    links = {key: f'<a href="{file}.html">{text}</a>' for key, (file, text) in CHAPTERS.items()}
    form = writer.builder.templates.render("lab.html", {"base": f"../_static/{FOLDER}/", **links})
    writer.body.append(form)
    raise nodes.SkipNode


def add_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """The lab's own files, on its page only."""
    if doctree and next(doctree.findall(lab), None):
        for name in PARTS:
            app.add_js_file(f"live/{name}.js")
        for name in DATA:
            app.add_js_file(f"{FOLDER}/{name}.js")
        app.add_js_file("live/lab.js")
        app.add_css_file("live/lab.css")


def put_data(app: Sphinx) -> None:
    """The network's weights and the packaged photos beside the pages."""
    live.write(Path(app.outdir, "_static", FOLDER))


def policy(page: BeautifulSoup) -> str:
    """What a page may load: its own files, and the inline scripts that stand in it now and no others."""
    inline = [script.string or "" for script in page("script") if not script.get("src")]
    handlers = [
        value for tag in page.find_all(True) for name, value in tag.attrs.items() if name.startswith("on")
    ]
    digests = {hashlib.sha256(code.encode()).digest() for code in inline + handlers}
    hashes = sorted(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'wasm-unsafe-eval' 'unsafe-hashes' {' '.join(hashes)}",
            "worker-src blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
        ]
    )


def restrict(app: Sphinx) -> None:
    """Write the policy into the finished page of the lab, whose scripts all stand in it now."""
    path = Path(app.outdir, "chapters", "live_lab.html")
    written = path.read_text(encoding="utf-8")
    rule = policy(BeautifulSoup(written, "html.parser"))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{rule}">'
    if meta not in written:
        bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", written)
        path.write_text(bare.replace("<head>", f"<head>\n{meta}", 1), encoding="utf-8", newline="\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    app.add_node(lab, html=(show_form, None))
    app.add_directive("lab", Lab)
    app.connect("html-page-context", add_scripts)
    once_built(app, put_data)
    once_built(app, restrict, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
