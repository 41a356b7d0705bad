"""Notebooks that were handed out and handed in: their cells, each with its place in an exercise.

Submissions are a folder for each student with notebooks in it, or single files whose names end in the
chapter's, such as `ada_08_grad_cam.ipynb`; both may lie side by side.
"""

import difflib
import json
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

MASTERS = Path(__file__).parents[1] / "class"
COPY = re.compile(r"(copy of|kopie von|copie de|copia de)\b", re.IGNORECASE)  # as Colab names copies
LARGEST = 30  # MB of a submission; a chapter with all its figures has three


@dataclass(frozen=True)
class Cell:
    """A cell, and its place in an exercise where it has one."""

    source: str
    code: bool = True
    label: str = ""
    role: str = ""
    id: str = ""

    @cached_property
    def plain(self) -> str:
        """Its text without white space, which editors change."""
        return "".join(self.source.split())


@dataclass(frozen=True)
class Master:
    """A chapter as it was handed out."""

    chapter: str
    cells: list[Cell]
    stubs: frozenset[str]  # the exercises' cells, plain, in all editions that were handed out

    @cached_property
    def setup(self) -> Cell:
        """Its first cell of code, which imports what the others need."""
        return next(cell for cell in self.cells if cell.code)

    @cached_property
    def labels(self) -> list[str]:
        """Its exercises, in order."""
        return list(dict.fromkeys(cell.label for cell in self.cells if cell.label))

    def of(self, label: str, *roles: str) -> list[Cell]:
        """The cells of an exercise that have one of the roles."""
        return [cell for cell in self.cells if cell.label == label and cell.role in roles]

    def known(self, cell: Cell) -> Cell:
        """The cell with its place, also where an editor kept no more than its id."""
        if cell.label in self.labels:
            return cell
        own = (one for one in self.cells if one.id and one.id == cell.id)
        return next((replace(cell, label=one.label, role=one.role) for one in own), cell)


@dataclass
class Submission:
    """What a student handed in for a chapter; where it cannot be marked, a verdict that says why."""

    student: str
    chapter: str
    cells: list[Cell] = field(default_factory=list)
    verdict: str = ""
    fault: str = ""


def masters(folder: Path = MASTERS) -> dict[str, Master]:
    """The chapters as they were handed out.

    Raises:
        ValueError: there are none.
    """
    found = {}
    for path in sorted((folder / "student").glob("*.ipynb")):
        editions = [path, folder / "gaps" / path.name]
        read = [cells_of(one.read_text(encoding="utf-8")) for one in editions if one.is_file()]
        stubs = frozenset(cell.plain for cells in read for cell in cells if cell.label)
        found[path.stem] = Master(path.stem, read[0], stubs)
    if not found:
        raise ValueError(f"{folder / 'student'} has no notebooks to compare with: say `make class` first.")
    return found


def submissions(folder: Path, chapters: dict[str, Master]) -> list[Submission]:
    """All that was handed in, by student and chapter; also what is missing or cannot be marked.

    Raises:
        ValueError: the folder has nothing to mark.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: say make mark SUBMISSIONS=folder, with notebooks in it.")
    found: dict[tuple[str, str], Submission] = {}
    names: dict[tuple[str, str], list[str]] = {}
    others: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if any(part.startswith((".", "__MACOSX")) for part in inside.parts):
            continue
        if path.suffix.lower() != ".ipynb":
            if path.is_file() and (len(inside.parts) > 1 or _chapter(path, chapters)):
                others.setdefault(_student(path, inside, chapters), []).append(path.name)
            continue
        one = _read(path, inside, chapters)
        key = one.student, one.chapter
        names.setdefault(key, []).append(path.name)
        if key in found:
            fault = f"There are several notebooks of this chapter, {' and '.join(names[key])}: keep one."
            one = Submission(*key, verdict="unreadable", fault=fault)
        found[key] = one
    if not found:
        raise ValueError(
            f"{folder} has no notebooks: put in a folder a student, or files name_chapter.ipynb."
        )
    students = {student for student, _ in found} | others.keys()
    students |= {
        one.name for one in folder.iterdir() if one.is_dir() and not one.name.startswith((".", "__"))
    }
    for chapter in {chapter for _, chapter in found if chapter in chapters}:
        for student in students:
            there = ", ".join(others.get(student, []))
            fault = f"There is no notebook of it, but {there}: ask for the .ipynb." if there else ""
            missing = Submission(student, chapter, verdict="not handed in", fault=fault)
            found.setdefault((student, chapter), missing)
    return [found[key] for key in sorted(found)]


def _chapter(path: Path, chapters: dict[str, Master]) -> str:
    return next((name for name in chapters if name in path.stem), "")


def _student(path: Path, inside: Path, chapters: dict[str, Master]) -> str:
    """Who handed a file in: its folder says so, or what its name has beside the chapter's."""
    if len(inside.parts) > 1:
        return inside.parts[0]
    before, _, behind = path.stem.partition(_chapter(path, chapters) or path.stem)
    return COPY.sub("", before, count=1).strip(" _-") or behind.strip(" _-()0123456789") or path.stem


def _read(path: Path, inside: Path, chapters: dict[str, Master]) -> Submission:
    """One notebook; its student and chapter are in its path."""
    chapter = _chapter(path, chapters)
    one = Submission(_student(path, inside, chapters), chapter or str(inside))
    try:
        if not chapter:
            near = difflib.get_close_matches(path.stem, chapters, n=1)
            wanted = f"{near[0]}.ipynb" if near else "as it was handed out"
            raise ValueError(f"Its name has no chapter's name in it: name it {wanted}.")
        if path.is_symlink() or not path.is_file():
            raise ValueError("It is no file: ask for it again.")
        if path.stat().st_size > LARGEST * 1_000_000:
            raise ValueError(f"It has more than {LARGEST} MB: ask for it again, with its outputs cleared.")
        one.cells = cells_of(path.read_text(encoding="utf-8-sig", errors="replace"))
    except (ValueError, OSError) as fault:
        one.verdict, one.fault = "unreadable", str(fault)
    return one


def cells_of(text: str) -> list[Cell]:
    """The cells of a notebook, whichever editor wrote it.

    Raises:
        ValueError: it is no notebook of format 4, or has no code.
    """
    try:
        cells = [_cell(cell) for cell in json.loads(text)["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("It is no Jupyter notebook of format 4: ask for it again, as .ipynb.") from None
    if not any(cell.code for cell in cells):
        raise ValueError("It has no code cells: ask for it again.")
    return cells


def _cell(stored: dict[str, Any]) -> Cell:
    metadata = stored.get("metadata", {})
    place = metadata.get("exercise", {})
    return Cell(
        source="".join(stored["source"]).encode("utf-8", "replace").decode(),
        code=stored["cell_type"] == "code",
        label=str(place.get("label", "")),
        role=str(place.get("role", "")),
        id=str(stored.get("id") or metadata.get("id") or ""),  # some editors keep only the second
    )
