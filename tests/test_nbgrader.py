"""The export to nbgrader: what it writes, and what nbgrader makes of it, where it is installed beside."""

import csv
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.nbgrader_export import BEGIN, END, assignment, export

ROOT = Path(__file__).parents[1]
PROGRAMS = ROOT / ".nbgrader" / ("Scripts" if os.name == "nt" else "bin")
SETUP = "def check(label, function):\n    return function(7) == {'ex-double': 14, 'ex-square': 49}[label]"
STUBS = {
    "double": 'def double(x):\n    """Twice."""\n    ...  # about two lines',
    "square": "def square(x):\n    ...  # about one line",
}
SOLUTIONS = {
    "double": 'def double(x):\n    """Twice."""\n    y = x + x\n\n    return y',
    "square": "def square(x):\n    return x * x",
}


def notebook(answers):
    cells = [new_markdown_cell("# A chapter"), new_code_cell(SETUP)]
    for name, source in answers.items():
        for role, code in (("answer", source), ("check", f'check("ex-{name}", {name})')):
            cell = new_code_cell(code, metadata={"exercise": {"label": f"ex-{name}", "role": role}})
            cell.id = f"{role}-ex-{name}"
            cells.append(cell)
    made = new_notebook(cells=cells)
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


@pytest.fixture
def made(tmp_path):
    """A class with one chapter that has checks, and one that has none."""
    for kind, answers in (("student", STUBS), ("solutions", SOLUTIONS)):
        folder = tmp_path / "class" / kind
        folder.mkdir(parents=True)
        nbformat.write(notebook(answers), folder / "01_first.ipynb")
        nbformat.write(notebook({}), folder / "02_second.ipynb")
    return tmp_path / "class"


def test_solutions_stand_between_marks_and_checks_are_graded():
    found = assignment(notebook(STUBS), notebook(SOLUTIONS))
    _, setup, double, check, *_ = found.cells
    assert double.source.splitlines() == [
        "def double(x):",
        '    """Twice."""',
        "    # about two lines",
        f"    {BEGIN}",
        "    y = x + x",
        "",
        "    return y",
        f"    {END}",
    ]
    assert check.source == 'assert check("ex-double", double)'
    common = {"schema_version": 3, "task": False}
    assert setup.metadata.nbgrader == common | {
        "grade_id": setup.id,
        "grade": False,
        "solution": False,
        "locked": True,
    }
    assert double.metadata.nbgrader == common | {
        "grade_id": "answer-ex-double",
        "grade": False,
        "solution": True,
        "locked": False,
    }
    assert check.metadata.nbgrader == common | {
        "grade_id": "check-ex-double",
        "grade": True,
        "solution": False,
        "locked": True,
        "points": 1,
    }


def test_the_methods_of_a_class_are_marked_one_by_one():
    method = "    def {}(self):\n        ...  # about one line\n"
    stub = "class A:\n" + method.format("f") + "\n" + method.format("g")
    solved = stub.replace("...  # about one line", "return 1")
    found = assignment(notebook({"A": stub}), notebook({"A": solved})).cells[2].source
    assert found.count(BEGIN) == found.count(END) == found.count("return 1") == 2


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no stub of its solution"):
        assignment(notebook(STUBS), notebook(SOLUTIONS | {"square": "def cube(x):\n    return x"}))
    two = notebook(STUBS)
    two.cells[3].source = "ready = 1\ncheck('ex-double', double)"
    with pytest.raises(ValueError, match="has to be one call"):
        assignment(two, notebook(SOLUTIONS))


def test_a_course_has_the_chapters_with_checks_and_keeps_the_grades(made, tmp_path):
    course = tmp_path / "course"
    assert export(course, made) == ["01_first"]
    (course / "gradebook.db").write_text("grades", encoding="utf-8")
    first = (course / "source" / "01_first" / "01_first.ipynb").read_bytes()
    assert export(course, made) == ["01_first"]
    assert (course / "source" / "01_first" / "01_first.ipynb").read_bytes() == first
    assert sorted(path.name for path in course.iterdir()) == ["gradebook.db", "nbgrader_config.py", "source"]
    compile((course / "nbgrader_config.py").read_text(encoding="utf-8"), "config", "exec")


def test_without_a_class_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match="say `make class` first"):
        export(tmp_path / "course", tmp_path / "class")
    assert not list((tmp_path / "course").iterdir())


@pytest.mark.skipif(not (PROGRAMS / "alembic").exists(), reason="no nbgrader: say `make nbgrader`")
def test_nbgrader_grades_right_wrong_crashing_and_endless_submissions(made, tmp_path):
    course = tmp_path / "course"
    export(course, made)
    config = course / "nbgrader_config.py"
    config.write_text(config.read_text(encoding="utf-8") + "c.Execute.timeout = 15\n", encoding="utf-8")
    environment = os.environ | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}

    def nbgrader(*arguments):
        command = [PROGRAMS / "nbgrader", *arguments]
        done = subprocess.run(
            command, cwd=course, env=environment, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    said = nbgrader("generate_assignment", "01_first")
    released = course / "release" / "01_first" / "01_first.ipynb"
    assert released.exists(), said
    assert "return" not in nbformat.read(released, as_version=4).cells[2].source
    submissions = {
        "right": SOLUTIONS,
        "wrong": SOLUTIONS | {"square": "def square(x):\n    return x"},
        "crashing": SOLUTIONS | {"square": "import os; os.abort()"},
        "endless": SOLUTIONS | {"square": "while True:\n    pass"},
        "empty": {},
    }
    for student, answers in submissions.items():
        handed_in = nbformat.read(released, as_version=4)
        for cell in handed_in.cells:
            name = cell.id.removeprefix("answer-ex-")
            cell.source = answers.get(name, cell.source)
        path = course / "submitted" / student / "01_first" / "01_first.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(handed_in, path)
    said = nbgrader("autograde", "01_first", "--create") + nbgrader("export")
    with (course / "grades.csv").open(encoding="utf-8") as file:
        grades = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert grades == {"right": 2, "wrong": 1, "crashing": 0, "endless": 1, "empty": 0}, said
