"""A chapter's text as plain Markdown, which Jupyter and Colab show without the book's own marks."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode
from pybtex.database import Entry, parse_file

from tools.execute import CHAPTERS, ROOT
from tools.quiz import quiz_as_details

BLOCK = re.compile(r"^(:{3,}|`{3,})\{([\w-]+)\} ?(.*?)\n(.*?)^\1 *(?:\n|\Z)", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"^:([\w-]+): ?(.*)\n", re.MULTILINE)
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`", re.DOTALL)
EQUATION = re.compile(r"^\$\$(.*?)\$\$ \(([\w-]+)\)", re.MULTILINE | re.DOTALL)
EXERCISE = re.compile(r"^:::\{exercise\} (.*)\n:label: (\S+)", re.MULTILINE)
BASE = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]["html_baseurl"]
KINDS = {".svg": "svg+xml", ".png": "png", ".webp": "webp", ".jpg": "jpeg"}


@dataclass
class Names:
    """What the labels of all chapters stand for: chapter and number, or chapter and title."""

    titles: dict[str, str] = field(default_factory=dict)
    figures: dict[str, tuple[str, int]] = field(default_factory=dict)
    equations: dict[str, tuple[str, int]] = field(default_factory=dict)
    exercises: dict[str, tuple[str, str]] = field(default_factory=dict)
    references: dict[str, Entry] = field(default_factory=dict)


def names() -> Names:
    """Read all chapters and the other pages once."""
    found = Names(references=dict(parse_file(ROOT / "chapters" / "references.bib").entries))
    for path in CHAPTERS:
        _read_names(path.stem, nbformat.read(path, as_version=4), found)
    for path in (ROOT / "chapters").glob("*.md"):
        found.titles[path.stem] = title(path.read_text(encoding="utf-8"))
    return found


def _read_names(stem: str, notebook: NotebookNode, found: Names) -> None:
    found.titles[stem] = title(notebook.cells[0].source)
    figures = list(figures_of(notebook))
    found.figures |= {name: (stem, number) for number, name in enumerate(figures, start=1)}
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    labels = [match[2] for match in EQUATION.finditer(text)]
    found.equations |= {label: (stem, number) for number, label in enumerate(labels, start=1)}
    found.exercises |= {label: (stem, title) for title, label in EXERCISE.findall(text)}


def title(markdown: str) -> str:
    """The title of a page, or of a chapter by its first cell."""
    (title,) = re.findall(r"^# (.*)$", markdown, re.MULTILINE)[:1]
    return str(title)


def figures_of(notebook: NotebookNode) -> Iterator[str]:
    """The names of the figures of a chapter, in their order."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"):
                yield name
            continue
        for match in BLOCK.finditer(cell.source):
            if match[2] == "drawing":
                yield f"fig-{match[3].replace('_', '-')}"
            elif match[2] == "explorable":
                yield f"explore-{match[3]}"


class Plain:
    """Rewrites the Markdown of one chapter."""

    def __init__(self, stem: str, known: Names) -> None:
        """Of the chapter with this file name, with the names of all."""
        self.stem = stem
        self.known = known

    def text(self, markdown: str) -> str:
        """The text of a cell; raises ValueError where a mark is not known."""
        return self._roles(self._equations(self._blocks(quiz_as_details(markdown)))).strip("\n")

    def _blocks(self, markdown: str) -> str:
        return BLOCK.sub(self._block, markdown)

    def _block(self, match: re.Match[str]) -> str:
        _, kind, argument, body = match.groups()
        options = dict(OPTION.findall(body))
        content = self._blocks(OPTION.sub("", body).strip("\n") + "\n").strip("\n")
        writers: dict[str, Callable[[], str]] = {
            "teaser": lambda: content,
            "drawing": lambda: self._drawing(argument, content),
            "explorable": lambda: self._explorable(argument, options["caption"], content),
            "image": lambda: _embedded(ROOT / argument.lstrip("/"), ""),
            "admonition": lambda: _quoted(f"**{argument}**\n\n{content}"),
            "dropdown": lambda: _fold(argument, content),
            "exercise": lambda: f"### Exercise: {argument}\n\n{content}",
            "solution-start": lambda: "**Solution.**",
            "solution-end": lambda: "",
        }
        if kind not in writers:
            raise ValueError(
                f"{self.stem}: no plain form is known for the block {kind}: add it to tools/plain.py."
            )
        return writers[kind]() + "\n"

    def _drawing(self, name: str, caption: str) -> str:
        path = ROOT / "_static" / "drawings" / f"{name}.svg"
        return self.captioned(f"fig-{name.replace('_', '-')}", caption, _embedded(path, caption))

    def _explorable(self, name: str, caption: str, content: str) -> str:
        moved = f"It can be moved on [the book's page]({BASE}chapters/{self.stem}.html#explore-{name})."
        return self.captioned(f"explore-{name}", f"{caption} {moved}", content)

    def captioned(self, name: str, caption: str, picture: str = "") -> str:
        """A figure's number and caption, below its picture."""
        return f"{picture}\n\n**Figure {self.known.figures[name][1]}.** {caption}".strip("\n")

    def _equations(self, markdown: str) -> str:
        def numbered(match: re.Match[str]) -> str:
            return f"$${match[1]} \\tag{{{self.known.equations[match[2]][1]}}}$$"

        return EQUATION.sub(numbered, markdown)

    def _roles(self, markdown: str) -> str:
        return ROLE.sub(self._role, markdown)

    def _role(self, match: re.Match[str]) -> str:
        kind, said = match[1], " ".join(match[2].split())
        words, target = said, said
        if named := re.fullmatch(r"(.*?) ?<(.+)>", said):
            words, target = named.groups()
        writers: dict[str, Callable[[], str]] = {
            "doc": lambda: self._page(target, words if named else self.known.titles[target]),
            "term": lambda: f"[{words}]({BASE}chapters/glossary.html)",
            "numref": lambda: self._numbered("figure", self.known.figures[target]),
            "eq": lambda: f"({self._numbered('equation', self.known.equations[target])})",
            "ref": lambda: self._exercise(target, words if named else ""),
            "cite": lambda: f"({'; '.join(self._cited(key, '{}, {}') for key in target.split(','))})",
            "cite:t": lambda: ", ".join(self._cited(key, "{} ({})") for key in target.split(",")),
        }
        if kind not in writers:
            raise ValueError(
                f"{self.stem}: no plain form is known for the role {kind}: add it to tools/plain.py."
            )
        return writers[kind]()

    def _page(self, target: str, words: str) -> str:
        name = Path(target).name
        there = f"{name}.ipynb" if re.match(r"\d\d_", name) else f"{BASE}chapters/{name}.html"
        return f"[{words}]({there})"

    def _numbered(self, what: str, place: tuple[str, int]) -> str:
        stem, number = place
        return f"{what} {number}" + (
            "" if stem == self.stem else f" of {self._page(stem, self.known.titles[stem])}"
        )

    def _exercise(self, label: str, words: str) -> str:
        stem, title = self.known.exercises[label]
        said = words or f"the exercise *{title}*"
        return said if stem == self.stem else f"{said} of {self._page(stem, self.known.titles[stem])}"

    def _cited(self, key: str, form: str) -> str:
        entry = self.known.references[key.strip()]
        people = [str(person.last_names[-1]) for person in entry.persons.get("author", [])] or [
            entry.fields.get("organization", entry.fields["title"])
        ]
        who = " and ".join(people) if len(people) < 3 else f"{people[0]} et al."
        who = re.sub(r"[{}\\]", "", who)
        return f"[{form.format(who, entry.fields.get('year', 'no year'))}]({BASE}chapters/references.html)"


def _embedded(path: Path, alt: str) -> str:
    """A picture inside the text, so that the notebook is one file."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    spoken = re.sub(r"[\[\]`{}]", "", ROLE.sub("", alt))
    return f"![{spoken}](data:image/{KINDS[path.suffix]};base64,{data})"


def _quoted(markdown: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in markdown.splitlines())


def _fold(title: str, markdown: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{markdown}\n\n</details>\n"
