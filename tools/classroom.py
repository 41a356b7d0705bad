"""The chapters as notebooks for a class: to be solved, with gaps to be filled, solved, and for the teacher.

`make class` writes them into `class/`, anew each time. The chapters are the only source: exercises with the
tags of their cells (`predict`, `answer`, `check`, `compare`), and margin notes in the metadata `teacher`.
"""

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.images import catalogue
from tools.execute import CHAPTERS, METADATA, ROOT
from tools.plain import Names, Plain, names

CLASS = ROOT / "class"
KINDS = ("student", "gaps", "solutions", "teacher")
COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
ROLES = ("predict", "answer", "check", "compare")  # tags; a solution's other cells are its experiment
REFLECTION = (
    "*In two sentences:* what did you find, and why? Which result would have changed your mind?\n\n"
    "*Your answer:* …"
)
START = re.compile(r"^:::\{solution-start\} (\S+)\n:class: dropdown\n:::\n", re.MULTILINE)
END = ":::{solution-end}\n:::"


@dataclass(frozen=True)
class Part:
    """A cell of a chapter, with the exercise whose solution it belongs to and its role there ("" outside)."""

    cell: NotebookNode
    label: str = ""
    role: str = ""


def parts(notebook: NotebookNode) -> Iterator[Part]:
    """The cells of a chapter; one that ends a solution and begins another exercise becomes several."""
    label = ""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            role = next((tag for tag in cell.metadata.get("tags", []) if tag in ROLES), "experiment")
            yield Part(cell, label, role if label else "")
            continue
        source = cell.source
        if label and END in source:
            inside, source = source.split(END, 1)
            if inside.strip():
                yield Part(new_markdown_cell(inside.strip("\n")), label, "explanation")
            yield Part(new_markdown_cell(""), label, "end")
            label = ""
        if match := START.search(source):
            yield Part(_with_notes(source[: match.start()].strip("\n"), cell))
            label = match[1]
            yield Part(
                new_markdown_cell("**Solution.** " + source[match.end() :].strip("\n")), label, "explanation"
            )
        elif source.strip():
            yield Part(_with_notes(source.strip("\n"), cell), label, "explanation" if label else "")


def _with_notes(source: str, cell: NotebookNode) -> NotebookNode:
    return new_markdown_cell(source, metadata={k: v for k, v in cell.metadata.items() if k == "teacher"})


# ---- What is left of a cell to be solved


def stub(source: str) -> str:
    """A cell with answers whose functions have a signature, a docstring and the size of what is missing."""
    return _rewritten(source, [_emptied(source, node) for node in _functions(source)])


def with_gaps(source: str, gaps: Sequence[str]) -> str:
    """The same cell, with only the values of some names left out ("return": of what is returned)."""
    values = [
        node.value
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Return) and "return" in gaps and node.value)
        or (isinstance(node, ast.Assign) and gaps and _assigned(node) & set(gaps))
    ]
    return _rewritten(source, [(*_place(source, value), "...") for value in values if value])


def without_values(source: str) -> str:
    """The call of `predict` or `compare` with nothing said yet, without what computes its values."""
    (statement,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.Expr) and _asks(node.value)
    )
    call = statement.value
    assert isinstance(call, ast.Call)
    changes = [(*_place(source, keyword.value), "...") for keyword in call.keywords]
    predicts = getattr(call.func, "id", "") == "predict"
    start, stop = _place(source, statement if predicts else call)
    after = source[stop:].split("\n", 1)[0]  # a remark on the last line
    rewritten = _rewritten(source, changes)
    return rewritten[start : len(rewritten) - len(source) + stop] + after


def _asks(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("predict", "compare")


def _functions(source: str) -> list[ast.FunctionDef]:
    """The outermost functions, and the methods of classes."""
    found: list[ast.FunctionDef] = []
    for node in ast.parse(source).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        found += [one for one in inside if isinstance(one, ast.FunctionDef)]
    return found


def _emptied(source: str, node: ast.FunctionDef) -> tuple[int, int, str]:
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    start, stop = _place(source, body[0])[0], _place(source, body[-1])[1]
    count = sum(bool(line.strip()) for line in source[start:stop].splitlines())
    return start, stop, f"...  # {about(count)}"


def about(count: int) -> str:
    """The size of what is missing, in words."""
    word = COUNTS[count] if count < len(COUNTS) else str(count)
    return f"about {word} line" + ("s" if count > 1 else "")


def _assigned(node: ast.Assign) -> set[str]:
    return {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def _place(source: str, node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Where a node stands in the source, in characters."""
    lines = source.splitlines(keepends=True)

    def at(line: int, column: int) -> int:
        before = sum(map(len, lines[: line - 1]))
        return before + len(lines[line - 1].encode()[:column].decode())

    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return at(node.lineno, node.col_offset), at(node.end_lineno, node.end_col_offset)


def _rewritten(source: str, changes: Sequence[tuple[int, int, str]]) -> str:
    for start, stop, text in sorted(changes, reverse=True):
        source = source[:start] + text + source[stop:]
    return source


# ---- The notebooks


class Writer:
    """Writes one chapter in each of its forms."""

    def __init__(self, path: Path, known: Names) -> None:
        """Read the chapter."""
        self.notebook = nbformat.read(path, as_version=4)
        self.plain = Plain(path.stem, known)
        self.parts = list(parts(self.notebook))

    def written(self, kind: str) -> NotebookNode | None:
        """The notebook of one kind, or None where this chapter has no gaps to fill."""
        if kind == "gaps" and not any(part.cell.metadata.get("gaps") for part in self.parts):
            return None
        cells = list(self._solved(kind) if kind in ("solutions", "teacher") else self._unsolved(kind))
        cells.append(new_markdown_cell(credits_of(self.notebook)))
        made = new_notebook(cells=cells, metadata=METADATA)
        _number(cells)
        nbformat.validate(made)
        return made

    def _solved(self, kind: str) -> Iterator[NotebookNode]:
        for part in self.parts:
            if part.role == "end":
                continue
            if kind == "teacher" and (note := part.cell.metadata.get("teacher")):
                yield new_markdown_cell(f"> **For the teacher.** {note}")
            yield from self._shown(part)

    def _unsolved(self, kind: str) -> Iterator[NotebookNode]:
        experiment = 0
        for part in self.parts:
            if part.role in ("", "check"):
                yield from self._shown(part, outputs=False)
            elif part.role == "predict":
                yield _of(part, new_code_cell(without_values(part.cell.source)))
            elif part.role == "answer":
                gaps = part.cell.metadata.get("gaps", []) if kind == "gaps" else []
                yield _of(
                    part, new_code_cell(with_gaps(part.cell.source, gaps) if gaps else stub(part.cell.source))
                )
            elif part.role == "experiment":
                experiment += sum(bool(line.strip()) for line in part.cell.source.splitlines())
            elif part.role in ("compare", "end"):
                if experiment:
                    space = new_code_cell(f"# Your experiment: {about(experiment)}.")
                    yield _of(Part(part.cell, part.label, "experiment"), space)
                    experiment = 0
                if part.role == "compare":
                    yield _of(part, new_code_cell(without_values(part.cell.source)))
                else:
                    yield _of(Part(part.cell, part.label, "reflection"), new_markdown_cell(REFLECTION))

    def _shown(self, part: Part, outputs: bool = True) -> Iterator[NotebookNode]:
        if part.cell.cell_type == "markdown":
            if source := self.plain.text(part.cell.source):
                yield _of(part, new_markdown_cell(source))
            return
        about_cell = part.cell.metadata.get("mystnb", {})
        shown = new_code_cell(part.cell.source)
        if outputs:
            shown.outputs, shown.execution_count = part.cell.outputs, part.cell.execution_count
        yield _of(part, shown)
        if name := about_cell.get("figure", {}).get("name"):
            yield new_markdown_cell(
                self.plain.text(self.plain.captioned(name, about_cell["figure"]["caption"]))
            )


def _of(part: Part, cell: NotebookNode) -> NotebookNode:
    """The cell, which says what it is in an exercise."""
    if part.label:
        cell.metadata["exercise"] = {"label": part.label, "role": part.role}
    return cell


def _number(cells: Sequence[NotebookNode]) -> None:
    """Give each cell an id that stays the same from one `make class` to the next."""
    counts: dict[str, int] = {}
    for cell in cells:
        about_exercise = cell.metadata.get("exercise")
        stem = f"{about_exercise['role']}-{about_exercise['label']}" if about_exercise else cell.cell_type
        counts[stem] = counts.get(stem, 0) + 1
        cell.id = stem if about_exercise and counts[stem] == 1 else f"{stem}-{counts[stem]}"


def credits_of(notebook: NotebookNode) -> str:
    """Who took the photos of a chapter; who hands copies out must know where that is not known."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    everything = "catalogue()" in code
    used = [
        photo
        for name, photo in catalogue().items()
        if (everything and photo.package) or re.search(rf"[\"']{re.escape(name)}[\"']", code)
    ]
    lines = [f"- {photo.name}: {photo.credit} ({photo.package or photo.page})" for photo in used]
    unknown = [photo.name for photo in used if "not known" in photo.credit]
    warning = (
        f"\n\nBefore you hand out copies: the author or the licence of {', '.join(unknown)} is not known."
        if unknown
        else ""
    )
    shown = "## Photos in this notebook\n\n" + ("\n".join(lines) if lines else "None.")
    return (
        f"{shown}{warning}\n\nText: CC BY 4.0, code: MIT, the authors of *Seeing what a CNN sees*. "
        "This notebook was made from a chapter of the book."
    )


def write(folder: Path) -> None:
    """Write all notebooks into a folder, which is replaced when all of them are there."""
    known = names()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".class-") as name:
        for path in CHAPTERS:
            writer = Writer(path, known)
            for kind in KINDS:
                if made := writer.written(kind):
                    file = Path(name, "new", kind, path.name)
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(nbformat.writes(made) + "\n", encoding="utf-8", newline="\n")
        if folder.exists():
            folder.rename(Path(name, "old"))
        shutil.move(Path(name, "new"), folder)


def main() -> None:
    """Write the class."""
    write(CLASS)
    for kind in KINDS:
        print(f"{len(list((CLASS / kind).glob('*.ipynb'))):2} notebooks in {CLASS / kind}")


if __name__ == "__main__":
    main()
