"""Explorables: figures with controls, and a static figure on paper and where there are no scripts."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
from beside import once_built, save_webp
from docutils import nodes
from docutils.parsers.rst import directives
from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from helpers.images import catalogue, load_image
from helpers.plotting import GREYS

LIVE = Path(__file__).parents[1] / "_static" / "live"
WIDTH = 448  # of a photo in pixels: two for each that a network sees


class explorable(nodes.General, nodes.Element):  # noqa: N801, docutils names its nodes so
    """The figure of an explorable: its static part and its caption."""


class saying(nodes.Part, nodes.TextElement):  # noqa: N801
    """What an explorable says below."""


class Explorable(SphinxDirective):
    """An explorable with its caption; the content is shown where there are no scripts, and on paper.

    A picture of `_static/explorables` without an alt text gets the description that stands in its file.
    """

    required_arguments = 1
    has_content = True
    option_spec = {"caption": directives.unchanged_required}  # noqa: RUF012, as docutils reads it

    def run(self) -> list[nodes.Node]:
        """Make the figure."""
        name = self.arguments[0]
        if not (LIVE / "explorables" / f"{name}.js").exists():
            raise ExtensionError(f"{self.env.docname}: no script for the explorable {name}")
        still = nodes.container(classes=["static"])
        self.state.nested_parse(self.content, self.content_offset, still)
        for image in still.findall(nodes.image):
            drawing = Path(self.env.srcdir, image["uri"].lstrip("/"))
            if drawing.parent.name == "explorables" and not image.get("alt"):
                self.env.note_dependency(str(drawing))
                image["alt"] = ET.parse(drawing).findtext("{http://www.w3.org/2000/svg}desc", "")
        words, _ = self.state.inline_text(self.options["caption"], self.lineno)
        return [explorable("", still, saying("", "", *words), ids=[f"explore-{name}"], name=name)]


def open_figure(writer: HTML5Translator, node: explorable) -> None:
    """The figure's start; its script finds it by its id."""
    writer.body.append(writer.starttag(node, "figure", CLASS="explorable", **{"data-name": node["name"]}))


def close_figure(writer: HTML5Translator, node: explorable) -> None:
    """The figure's end."""
    writer.body.append("</figure>\n")


def open_caption(writer: HTML5Translator, node: saying) -> None:
    """The caption's start."""
    writer.body.append("<figcaption><p>")


def close_caption(writer: HTML5Translator, node: saying) -> None:
    """The caption's end."""
    writer.body.append("</p></figcaption>\n")


def add_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """The base, then data and script of each explorable of the page."""
    names = [node["name"] for node in doctree.findall(explorable)] if doctree else []
    if not names:
        return
    files = ["base.js", *(f"{folder}/{name}.js" for name in names for folder in ("data", "explorables"))]
    for file in files:
        if (LIVE / file).exists():
            app.add_js_file(f"live/{file}")
    app.add_css_file("live/explorables.css")


def put_photos(app: Sphinx) -> None:
    """Each packaged photo beside the scripts, in colour and in the grey that a map is laid over."""
    folder, (dark, bright) = Path(app.outdir, "_static", "live", "photos"), GREYS
    for photo in catalogue().values():
        if photo.package and not (folder / f"{photo.name}-grey.webp").exists():
            picture = load_image(photo.name)
            grey = Image.fromarray(np.uint8(255 * dark + (bright - dark) * np.asarray(picture.convert("L"))))
            save_webp(picture, folder / f"{photo.name}.webp", WIDTH)
            save_webp(grey, folder / f"{photo.name}-grey.webp", WIDTH)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive, its parts, its scripts and the photos."""
    app.add_node(explorable, html=(open_figure, close_figure))
    app.add_node(saying, html=(open_caption, close_caption))
    app.add_directive("explorable", Explorable)
    app.connect("html-page-context", add_scripts)
    once_built(app, put_photos)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
