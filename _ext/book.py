"""What the book needs and Sphinx does not give: its own MathJax, the photo credits, two repairs."""

import importlib.metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    app.add_directive("photo-credits", PhotoCredits)
    app.config.mathjax_path = "../mathjax/tex-mml-chtml.js"  # relative to _static
    app.connect("html-page-context", mend, priority=900)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
