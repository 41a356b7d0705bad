"""The first page: a photo that becomes its map, and a card for each chapter; the head of each chapter.

The pictures are made while the book is built, from the packaged photo and from the chapters' own figures.
"""

import base64
import functools
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import yaml
from beside import once_built, save_webp
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective

from helpers import catalogue, grad_cam, load_classifier, load_image
from helpers.plotting import show_cam

CHAPTERS = Path(__file__).parents[1] / "chapters"
DRAWINGS = Path(__file__).parents[1] / "_static" / "drawings"
FOLDER = "_static/landing"
HERO, SIDE = "mastiff", 560  # the photo and its side in pixels
CARD = 480  # the width of a card's picture in pixels
LEVELS = {1: "first steps", 2: "some mathematics", 3: "for the curious"}


@dataclass(frozen=True)
class Chapter:
    """What the head and the card of a chapter say."""

    name: str
    number: int
    title: str
    minutes: int
    level: str
    answers: str
    picture: str  # the file of its card

    def colab(self, config: Config) -> str:
        """Where Colab opens it."""
        repository = config.html_theme_options["repository_url"].removeprefix("https://github.com/")
        return f"https://colab.research.google.com/github/{repository}/blob/main/chapters/{self.name}.ipynb"


@functools.cache
def cells(name: str) -> list[nbformat.NotebookNode]:
    """The cells of a chapter."""
    return list(nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4).cells)


def shown_first(name: str, kind: str) -> str | None:
    """The name of the teaser or the drawing in a chapter's first cell, if there is one."""
    found = re.search(rf":::\{{{kind}\}} (\S+)", cells(name)[0].source)
    return found[1] if found else None


@functools.cache
def chapters() -> dict[str, Chapter]:
    """All chapters by the name of their file, in order."""
    told = yaml.safe_load((CHAPTERS / "chapters.yml").read_text(encoding="utf-8"))
    found = {}
    for name, about in told.items():
        first = cells(name)[0].source
        title, minutes = re.search(r"^# (.+)$", first, re.M), re.search(r"about (\d+) minutes", first)
        if title is None or minutes is None:
            raise ValueError(f"{name}: expected a title and 'about N minutes' in the first cell")
        found[name] = Chapter(
            name=name,
            number=int(name[:2]),
            title=title[1],
            minutes=int(minutes[1]),
            level=LEVELS[about["difficulty"]],
            answers=about["answers"],
            picture=f"{name}.svg" if isinstance(first_picture(name), str) else f"{name}.webp",
        )
    return found


@functools.cache
def first_picture(name: str) -> str | Image.Image:
    """The drawing or the teaser in a chapter's first cell: an SVG's text, or a picture."""
    if drawing := shown_first(name, "drawing"):
        return (DRAWINGS / f"{drawing}.svg").read_text(encoding="utf-8")
    wanted = shown_first(name, "teaser")
    for cell in cells(name):
        if wanted and cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == wanted:
            for data in (output.get("data", {}) for output in cell.outputs):
                if "image/svg+xml" in data:
                    return str(data["image/svg+xml"])
                if "image/jpeg" in data:
                    return Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"])))
    raise ValueError(f"{name}: expected a drawing or a teaser of a figure in the first cell")


def card_pictures(folder: Path) -> None:
    """A picture for each card."""
    for name, chapter in chapters().items():
        path, picture = folder / chapter.picture, first_picture(name)
        if isinstance(picture, str):
            path.write_text(picture, encoding="utf-8", newline="\n")
        else:
            save_webp(picture, path, CARD)


def hero_pictures(folder: Path) -> None:
    """The photo, and its map over it."""
    photo, clf = load_image(HERO), load_classifier()
    cam = grad_cam(clf.model, clf.layer, clf.preprocess(photo)[None], clf.predict(photo, k=1)[0].index)
    save_webp(photo, folder / "photo.webp", SIDE)
    figure = plt.figure(figsize=(SIDE / 100, SIDE / 100), dpi=100)
    show_cam(photo.resize((SIDE, SIDE)), cam, figure.add_axes((0, 0, 1, 1)))
    drawn = io.BytesIO()
    figure.savefig(drawn)
    plt.close(figure)
    save_webp(Image.open(drawn), folder / "map.webp", SIDE)


def put_pictures(app: Sphinx) -> None:
    """Make the pictures of the first page beside the pages."""
    folder = Path(app.outdir, FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    card_pictures(folder)
    if not (folder / "map.webp").exists():
        hero_pictures(folder)


HERO_HTML = """
<figure class="hero">
  <div class="compare" style="--shown: 50%">
    <img src="_static/landing/photo.webp" width="{side}" height="{side}" fetchpriority="high"
      alt="A bull mastiff sits on a lawn beside a person in jeans; the photo without any map.">
    <img class="over" src="_static/landing/map.webp" width="{side}" height="{side}"
      alt="The same photo in grey with its Grad-CAM map for bull mastiff: yellow on the dog's head and
      shoulders, nothing on most of the lawn and the person.">
    <input type="range" min="0" max="100" value="50" hidden
      aria-label="How much of the photo is covered by its map, from the right, in per cent">
  </div>
  <figcaption>The photo, and what its map says: the brighter, the more a place adds to the answer.
  <a href="chapters/08_grad_cam.html">Chapter 8</a> computes it. Photo: {credit}.</figcaption>
</figure>
"""


class Hero(SphinxDirective):
    """The photo that becomes its map, with the promise (the content) and three ways on."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Make the head of the first page."""
        box, words = nodes.container(classes=["landing"]), nodes.container(classes=["promise"])
        self.state.nested_parse(self.content, self.content_offset, words)
        first = next(iter(chapters().values()))
        words += nodes.raw(
            "",
            f'<p class="ways"><a class="way first" href="chapters/{first.name}.html">Start</a>'
            f'<a class="way" href="{first.colab(self.config)}">Open in Colab</a>'
            '<a class="way" href="#for-teachers">For teachers</a></p>',
            format="html",
        )
        box += [
            words,
            nodes.raw("", HERO_HTML.format(side=SIDE, credit=catalogue()[HERO].credit), format="html"),
        ]
        return [box]


class ChapterCards(SphinxDirective):
    """One card a chapter: picture, number and title, what it answers, time."""

    def run(self) -> list[nodes.Node]:
        """Make the cards."""
        cards = "".join(
            f'<li class="card-of-chapter"><a href="chapters/{chapter.name}.html">'
            f'<img src="{FOLDER}/{chapter.picture}" alt="" loading="lazy" decoding="async">'
            f'<span class="card-title">{chapter.number} {chapter.title}</span></a>'
            f"<p>{chapter.answers}</p>"
            f'<p class="card-facts">{chapter.minutes} minutes · {chapter.level}</p></li>'
            for chapter in chapters().values()
        )
        return [nodes.raw("", f'<ul class="cards-of-chapters">{cards}</ul>', format="html")]


def head(app: Sphinx, pagename: str, _: str, context: dict[str, Any], __: nodes.document | None) -> None:
    """Below a chapter's title: time, difficulty, and the way to Colab."""
    chapter = chapters().get(Path(pagename).name)
    if chapter is None or "</h1>" not in context.get("body", ""):
        return
    facts = (
        f'<p class="chapter-facts"><span>{chapter.minutes} minutes</span><span>{chapter.level}</span>'
        f'<a class="way" href="{chapter.colab(app.config)}">Open in Colab</a></p>'
    )
    context["body"] = context["body"].replace("</h1>", f"</h1>\n{facts}", 1)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives, the heads and the pictures."""
    app.add_directive("hero", Hero)
    app.add_directive("chapter-cards", ChapterCards)
    app.connect("html-page-context", head, priority=800)
    once_built(app, put_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
