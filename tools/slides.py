"""A deck of slides for each chapter, from the sentences in the metadata of its cells.

A cell with `"slide": "A sentence."` becomes a slide with that sentence and the cell's figure, if it has one;
`"teacher": "A note."` becomes the speaker's note of the last slide before it.
"""

import base64
import io
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from PIL import Image

from helpers import catalogue
from tools import execute, repository
from tools.plain import title

SETTINGS = execute.ROOT / "slides"
SLIDES = execute.ROOT / "_build" / "slides"
ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/svg+xml": ".svg"}
WORD_JOINER = "\u2060"
CREDIT = re.compile(r"CC[ 0]|public domain|copyright")


@dataclass(frozen=True)
class Figure:
    """A picture with its alt text, and what its caption says."""

    data: bytes
    ending: str
    alt: str
    caption: str

    @property
    def is_tall(self) -> bool:
        """Whether the figure is higher than wide, so that the sentence stands beside it."""
        if self.ending == ".svg":
            _, _, width, height = map(float, ET.fromstring(self.data).attrib["viewBox"].split())
        else:
            width, height = Image.open(io.BytesIO(self.data)).size
        return height > width


@dataclass
class Slide:
    """A sentence, its figure, and what only the speaker sees."""

    sentence: str
    figure: Figure | None
    notes: list[str] = field(default_factory=list)


def from_output(cell: NotebookNode) -> Figure | None:
    """The figure that a code cell has drawn."""
    for data in (output.get("data", {}) for output in cell.get("outputs", [])):
        for kind in ENDINGS.keys() & data.keys():
            is_text = kind == "image/svg+xml"
            drawn = data[kind].encode() if is_text else base64.b64decode(data[kind])
            about = cell.metadata.mystnb
            return Figure(drawn, ENDINGS[kind], about.image.alt, about.figure.caption)
    return None


def from_text(cell: NotebookNode, named: dict[str, Figure]) -> Figure | None:
    """The drawing, the still picture of an explorable, or the teaser that a cell of text shows first."""
    found = re.search(r"^:::\{(drawing|teaser|explorable)\} (\S+)((?:\n:\w+:.*)*)", cell.source, re.M)
    if not found:
        return None
    kind, name, options = found.groups()
    if kind == "teaser":
        return named[name]
    drawing = execute.ROOT / "_static" / f"{kind}s" / f"{name}.svg"
    if not drawing.exists():
        return None  # an explorable that shows a table where there are no scripts
    about = ET.parse(drawing).findtext("{http://www.w3.org/2000/svg}desc", "")
    caption = re.search(r":caption: (.*)", options)
    return Figure(drawing.read_bytes(), ".svg", about, caption[1] if caption else "")


def slides_of(notebook: NotebookNode, name: str) -> list[Slide]:
    """The slides of a chapter, in the order of its cells."""
    named = {
        cell.metadata.mystnb.figure.name: figure
        for cell in notebook.cells
        if "mystnb" in cell.metadata and (figure := from_output(cell))
    }
    found: list[Slide] = []
    for cell in notebook.cells:
        if "slide" in cell.metadata:
            figure = from_output(cell) if cell.cell_type == "code" else from_text(cell, named)
            found.append(Slide(cell.metadata["slide"], figure))
        if "teacher" in cell.metadata and found:
            found[-1].notes.append(cell.metadata["teacher"])
    if not found:
        raise SystemExit(
            f'{name}: expected cells with a sentence for a slide, found none: write "slide": "A sentence." '
            "into the metadata of some of its cells."
        )
    return found


def credit_of(figures: list[Figure], notebook: NotebookNode) -> list[str]:
    """The sentences of captions that give credit, each once; known authors lead to their sources."""
    parts = [part for figure in figures for part in re.split(r"(?<=[.?]) (?=[A-Z])", figure.caption)]
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    found = []
    for sentence in dict.fromkeys(part for part in parts if CREDIT.search(part)):
        linked = in_markdown(sentence)
        for photo in catalogue().values():
            author = re.split(r" ~|,", photo.author)[0]
            if f'"{photo.name}"' in code:
                linked = re.sub(f"({re.escape(author)})", rf"[\1]({photo.page})", linked, flags=re.I)
        found.append(linked)
    return found


def in_markdown(text: str) -> str:
    """A text in which only code keeps its marks."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>#$])", r"\\\1", part) for part in parts
    )


def unbroken(text: str) -> str:
    """A text whose lines do not end at a hyphen."""
    return re.sub(r"(?<=\w)-(?=\w)", f"{WORD_JOINER}-{WORD_JOINER}", text)


def deck(notebook: NotebookNode, name: str, folder: Path) -> str:
    """The source of a deck; its figures are written into the folder."""
    head = f"# {int(name[:2])} {in_markdown(title(notebook.cells[0].source))}"
    slides, lines = slides_of(notebook, name), [head, ""]
    for number, slide in enumerate(slides, start=1):
        lines += [f"## {unbroken(in_markdown(slide.sentence))}", ""]
        if slide.figure:
            file = f"{name}_{number}{slide.figure.ending}"
            (folder / file).write_bytes(slide.figure.data)
            shape = "tall" if slide.figure.is_tall else "wide"
            alt = " ".join(slide.figure.alt.split())
            lines += [f"```{{image}} {file}", f":alt: {alt}", f":class: {shape}", "```", ""]
        if slide.notes:
            lines += ["```{revealjs-notes}", *(f"{in_markdown(note)}\n" for note in slide.notes), "```", ""]
    figures = [slide.figure for slide in slides if slide.figure]
    return "\n".join(lines + last_slide(figures, notebook))


def last_slide(figures: list[Figure], notebook: NotebookNode) -> list[str]:
    """Who made the book, its figures and the photos in them."""
    book = f"[Seeing what a CNN sees]({repository.site(repository.address())})"
    licence = "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)"
    lines = [f"Text and figures: {book}, {licence}.", *credit_of(figures, notebook)]
    return ["## Credits", "", *(f"- {line}" for line in lines), ""]


def first_page(titles: dict[str, str]) -> str:
    """A page that leads to all decks."""
    links = [f"- [{int(name[:2])} {in_markdown(title)}]({name}.md)" for name, title in titles.items()]
    entries = ["```{toctree}", ":hidden:", "", *titles, "```"]
    return "\n".join(["# Seeing what a CNN sees", "", "## One deck a chapter", "", *links, "", *entries, ""])


def build(chapters: list[Path], target: Path) -> None:
    """Write all decks into a folder; where something fails, an older folder stays as it was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".slides-") as temporary:
        sources, built = Path(temporary, "sources"), Path(temporary, "built")
        sources.mkdir()
        titles = {}
        for path in chapters:
            notebook = nbformat.read(path, as_version=4)
            titles[path.stem] = title(notebook.cells[0].source)
            source = deck(notebook, path.stem, sources)
            (sources / f"{path.stem}.md").write_text(source, encoding="utf-8", newline="\n")
        (sources / "index.md").write_text(first_page(titles), encoding="utf-8", newline="\n")
        asked = ["-b", "revealjs", "-c", SETTINGS, "-d", f"{temporary}/read", "-q", "-W", "--keep-going"]
        if subprocess.run([sys.executable, "-m", "sphinx", *asked, sources, built], check=False).returncode:
            raise SystemExit(f"expected decks without a warning, see above; {target} was left as it was.")
        shutil.rmtree(built / "_sources", ignore_errors=True)
        if target.exists():
            shutil.rmtree(target)
        built.replace(target)


def main() -> None:
    """Write the decks of all chapters, or of those named."""
    build([Path(name).resolve() for name in sys.argv[1:]] or execute.CHAPTERS, SLIDES)
    print(f"The slides are at {SLIDES / 'index.html'}")


if __name__ == "__main__":
    main()
