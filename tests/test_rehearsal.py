"""A class from start to end: notebooks made, solved rightly, wrongly and not at all, collected, marked."""

import ast
import os
from collections import Counter

import nbformat
import pytest

from tools import classroom
from tools.execute import CHAPTERS
from tools.mark import mark

# Chapter 2 stands for all, which CLASS=all tries.
CHOSEN = CHAPTERS if os.environ.get("CLASS") == "all" else CHAPTERS[1:2]


def exercise(cell):
    return cell.metadata.get("exercise", {})


def solved(handed_out, solutions):
    """What a student hands in who has found all solutions: theirs in place of the stubs."""
    by_place = {}
    for cell in solutions.cells:
        if exercise(cell) and cell.cell_type == "code":
            by_place.setdefault(tuple(exercise(cell).values()), []).append(cell.source)
    for cell in handed_out.cells:
        if exercise(cell).get("role") in ("predict", "answer", "experiment", "compare"):
            sources = by_place[tuple(exercise(cell).values())]
            cell.source = sources.pop(0) if exercise(cell)["role"] == "answer" else "\n\n\n".join(sources)
    return handed_out


def mistaken(handed_out, solutions):
    """The same, but every function returns a number that is never right."""
    for cell in solved(handed_out, solutions).cells:
        if exercise(cell).get("role") == "answer":
            names = [node.name for node in ast.parse(cell.source).body if isinstance(node, ast.FunctionDef)]
            cell.source = "\n".join(f"def {name}(*arguments, **options):\n    return -1.5" for name in names)
        elif exercise(cell).get("role") in ("experiment", "compare"):
            cell.source = "pass"
    return handed_out


STUDENTS = {
    "ada": ("student", solved, "right"),
    "ben": ("student", mistaken, "wrong"),
    "cyd": ("student", lambda handed_out, _: handed_out, "not attempted"),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """The class, as `make class` writes it."""
    folder = tmp_path_factory.mktemp("room") / "class"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classroom, "CHAPTERS", CHOSEN)
        classroom.write(folder)
    return folder


@pytest.mark.parametrize("student", STUDENTS)
def test_each_student_gets_what_they_deserve(room, tmp_path, student):
    kind, works, deserved = STUDENTS[student]
    for path in CHOSEN:
        made = [nbformat.read(room / one / path.name, as_version=4) for one in (kind, "solutions")]
        file = tmp_path / student / path.name
        file.parent.mkdir(exist_ok=True)
        file.write_text(nbformat.writes(works(*made)), encoding="utf-8", newline="\n")
    rows = mark(tmp_path, handed_out=room)
    assert Counter(row.verdict for row in rows) == {deserved: len(rows)}, rows
    assert len(rows) >= 3 * len(CHOSEN)
    assert {row.prediction for row in rows} == {"no" if deserved == "not attempted" else "yes"}
    assert not any(row.tampered for row in rows)
    assert all(row.sentence for row in rows if row.verdict == "wrong")
