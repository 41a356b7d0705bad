"""The class as a course of nbgrader: `make nbgrader` writes `course` from the notebooks of `make class`.

Each chapter with a check becomes an assignment. A cell to be written holds its solution between marks, which
nbgrader takes out; a check becomes an assertion worth one point, locked as the setup cell is. What else is in
the folder `course`, such as nbgrader's grades, is left alone.
"""

import ast
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
CLASS = ROOT / "class"
COURSE = ROOT / "course"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = re.compile(r"( *)\.\.\.  (# about .*)")  # as tools.classroom leaves it
CONFIG = '''"""How nbgrader treats the book's exercises."""

c = get_config()  # noqa: F821, nbgrader defines it

c.CourseDirectory.course_id = "seeing-what-a-cnn-sees"
c.ClearSolutions.code_stub = {"python": "..."}
c.Execute.timeout = 120  # seconds a cell
c.Execute.iopub_timeout = 60  # a busy machine prints late
'''
NEXT = """{0} holds {1} assignments. With {2} in front of PATH, from there:
  nbgrader generate_assignment NAME    writes release/NAME, to be handed out
  nbgrader autograde NAME --create     grades submitted/STUDENT/NAME/NAME.ipynb
  nbgrader export                      writes grades.csv"""


def assignment(student: NotebookNode, solved: NotebookNode) -> NotebookNode:
    """A chapter as nbgrader wants its source, from the notebook to be solved and the one that is solved.

    Raises:
        ValueError: a cell of the two does not fit the other, or a check is more than a call.
    """
    solutions = {cell.id: cell.source for cell in solved.cells}
    made = nbformat.from_dict(student)
    setup = next(cell for cell in made.cells if cell.cell_type == "code")
    setup.metadata["nbgrader"] = _role(setup, locked=True)
    for cell in made.cells:
        role = cell.metadata.get("exercise", {}).get("role")
        if role == "answer":
            cell.source = _marked(cell.source, solutions[cell.id])
            cell.metadata["nbgrader"] = _role(cell, solution=True)
        elif role == "check":
            cell.source = _asserted(cell.source)
            cell.metadata["nbgrader"] = _role(cell, grade=True, locked=True) | {"points": 1}
    return made


def _role(
    cell: NotebookNode, grade: bool = False, solution: bool = False, locked: bool = False
) -> NotebookNode:
    """What nbgrader has to know of a cell."""
    return NotebookNode(
        schema_version=3, grade_id=cell.id, grade=grade, solution=solution, locked=locked, task=False
    )


def _marked(stub: str, solution: str) -> str:
    """The solution, with marks around what the stub leaves out."""
    lines = stub.splitlines()
    gaps = [STUB.fullmatch(line) for line in lines]
    pattern = "\n".join("(.*?)" if gap else re.escape(line) for line, gap in zip(lines, gaps, strict=True))
    found = re.fullmatch(pattern, solution, re.DOTALL)
    if not found:
        raise ValueError(f"This is no stub of its solution, say `make class` first:\n{stub}\n---\n{solution}")
    bodies = iter(found.groups())
    for k, gap in enumerate(gaps):
        if gap:
            indent, size = gap.groups()
            lines[k] = "\n".join([indent + size, indent + BEGIN, next(bodies), indent + END])
    return "\n".join(lines)


def _asserted(source: str) -> str:
    """A check, which nbgrader counts as failed where it raises."""
    body = ast.parse(source).body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise ValueError(f"A check has to be one call, for nbgrader to grade it: {source!r}.")
    return f"assert {source}"


def export(folder: Path = COURSE, made: Path = CLASS) -> list[str]:
    """Write the course; the names of its assignments.

    Raises:
        ValueError: the class was not made yet, or its notebooks do not fit each other.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
        new = Path(name, "source")
        for path in sorted((made / "student").glob("*.ipynb")):
            student = nbformat.read(path, as_version=4)
            solved = nbformat.read(made / "solutions" / path.name, as_version=4)
            chapter = assignment(student, solved)
            if not any(cell.metadata.get("nbgrader", {}).get("grade") for cell in chapter.cells):
                continue
            names.append(path.stem)
            file = new / path.stem / path.name
            file.parent.mkdir(parents=True)
            file.write_text(nbformat.writes(chapter) + "\n", encoding="utf-8", newline="\n")
        if not names:
            raise ValueError(f"{made / 'student'} has no notebooks with checks: say `make class` first.")
        if (folder / "source").exists():
            (folder / "source").rename(Path(name, "old"))
        shutil.move(new, folder / "source")
        config = Path(name, "nbgrader_config.py")
        config.write_text(CONFIG, encoding="utf-8", newline="\n")
        config.replace(folder / config.name)
    return names


def main() -> None:
    """Write the course, and say what comes next."""
    try:
        names = export()
    except ValueError as error:
        sys.exit(str(error))
    print(NEXT.format(COURSE, len(names), Path(sys.executable).parent))


if __name__ == "__main__":
    main()
