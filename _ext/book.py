"""What the book needs and Sphinx does not give: its own MathJax, credits, drawings, teasers, two repairs."""

import importlib.metadata
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

from helpers.images import catalogue

MATHJAX = "sphinx-mathjax-offline"
FONTS = "output/chtml/fonts/woff-v2"


class PhotoCredits(SphinxDirective):
    """A definition list of all photos of the catalogue with author, licence and source."""

    def run(self) -> list[nodes.Node]:
        """Make the list."""
        entries = []
        for photo in catalogue().values():
            text = nodes.paragraph("", f"{photo.alt} Photo: {photo.credit}. ")
            text += nodes.reference("", f"Source of {photo.name}", refuri=photo.page)
            text += nodes.Text(f". Comes with {photo.package}. " if photo.package else ". On the web. ")
            text += nodes.Text(photo.note)
            entries.append(
                nodes.definition_list_item(
                    "", nodes.term("", "", nodes.literal("", photo.name)), nodes.definition("", text)
                )
            )
        return [nodes.definition_list("", *entries)]


class Drawing(Figure):
    """A figure with one of the book's drawings, named fig-NAME; the alt text is the drawing's description."""

    def run(self) -> list[nodes.Node]:
        """Make the figure."""
        name, env = self.arguments[0], self.state.document.settings.env
        drawing = Path(env.srcdir, "_static", "drawings", f"{name}.svg")
        env.note_dependency(str(drawing))
        self.arguments[0] = f"/_static/drawings/{name}.svg"
        self.options["alt"] = ET.parse(drawing).findtext("{http://www.w3.org/2000/svg}desc", "")
        self.options["name"] = f"fig-{name.replace('_', '-')}"
        return super().run()


class Teaser(SphinxDirective):
    """A figure of the same page, shown in its first screen; the content is the sentence below it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Leave the figure's name for `ShowTeaser`, since the figure has not been read yet."""
        box = nodes.container(classes=["teaser"], figure=nodes.fully_normalize_name(self.arguments[0]))
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


class ShowTeaser(SphinxTransform):
    """Put a copy of the figure's picture into each teaser, once the whole page has been read."""

    default_priority = 400

    def apply(self) -> None:
        """Copy the pictures."""
        figures = {name: figure for figure in self.document.findall(nodes.figure) for name in figure["names"]}
        for box in self.document.findall(nodes.container):
            if "teaser" not in box["classes"]:
                continue
            if box["figure"] not in figures:
                raise ExtensionError(
                    f"{self.env.docname}: a teaser names no figure of its page: {box['figure']}"
                )
            pictures = [
                node.deepcopy() for node in figures[box["figure"]] if not isinstance(node, nodes.caption)
            ]
            box[0:0] = pictures


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put the one MathJax file and the fonts that pages use beside the pages, 1.6 MB."""
    if error or app.builder.format != "html":
        return
    package = importlib.metadata.distribution(MATHJAX)
    for part, folder in (("tex-mml-chtml.js", ""), (FONTS, FONTS)):
        source = package.locate_file(f"{MATHJAX}/static/mathjax/{part}")
        copy_asset(str(source), str(Path(app.outdir, "mathjax", folder)))


def mend(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Repair what a theme or an extension gets wrong, before a page is written."""
    # Thebe is off, yet its settings are declared twice, which is an error in the browser.
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body', '')}".lower()
    ]
    # The items of a list of citations must be list items for those who hear the page.
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')
    # A wide table scrolls within itself, so the keyboard must be able to reach it.
    context["body"] = context["body"].replace('<table class="table">', '<table class="table" tabindex="0">')


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    app.add_directive("photo-credits", PhotoCredits)
    app.add_directive("drawing", Drawing)
    app.add_directive("teaser", Teaser)
    app.add_transform(ShowTeaser)
    app.config.mathjax_path = "../mathjax/tex-mml-chtml.js"  # relative to _static
    app.connect("html-page-context", mend, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
