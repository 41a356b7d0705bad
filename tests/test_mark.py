"""Marking: every kind of submission gets what it deserves, and none harms the machine or the next."""

import csv
import io
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import tools.confined
from tools.confined import Limits, run
from tools.confined_cells import MIME, Outcome
from tools.mark import ELSEWHERE, Row, arranged, main, mark, page, summaries, table
from tools.submissions import Cell, cells_of, masters, submissions

ROOT = Path(__file__).parents[1]
LIMITS = Limits(cell=8, notebook=60, memory=700, output=1, file=5)
# Stands for the real package, which takes seconds to import; the last test marks with that.
HELPERS = """
def predict(label, **claims):
    return claims

def check(label, answer, prediction=None):
    if prediction is not None and ... in prediction.values():
        print(f"{label}: not yet. Predict first.")
        return False
    expected = {"ex-double": 14, "ex-square": 49}[label]
    found = answer(7)
    print(f"{label}: " + ("right." if found == expected else "not yet. You gave another number."))
    return found == expected
"""
DOUBLE, SQUARE = "def double(x):\n    return 2 * x", "def square(x):\n    return x ** 2"


def cell(source, label="", role=""):
    if not label:
        return new_code_cell(source)
    metadata = {"exercise": {"label": label, "role": role}}
    return new_code_cell(source, metadata=metadata, id=f"{role}-{label}")


def notebook(double="...", square="...", larger="..."):
    """A chapter with two exercises, the first of which asks for a prediction."""
    body = "def {0}(x):\n    ...  # one line"
    cells = [
        new_markdown_cell("# A chapter"),
        cell("from helpers.exercises import check, predict\nseven = 7"),
        cell(f'mine = predict("ex-double", larger={larger})', "ex-double", "predict"),
        cell(body.format("double") if double == "..." else double, "ex-double", "answer"),
        cell('check("ex-double", double, mine)', "ex-double", "check"),
        cell("double(seven)", "ex-double", "experiment"),
        cell(body.format("square") if square == "..." else square, "ex-square", "answer"),
        cell('check("ex-square", square)', "ex-square", "check"),
    ]
    return new_notebook(cells=cells)


def without(made, *roles):
    made.cells = [c for c in made.cells if c.metadata.get("exercise", {}).get("role") not in roles]
    return made


def edited(made, role, source):
    for one in made.cells:
        if one.metadata.get("exercise", {}).get("role") == role:
            one.source = source
    return made


def with_cell(made, source, at=2):
    made.cells.insert(at, cell(source))
    return made


def older(made):
    """As editors store it that know of no ids, and keep them in the metadata."""
    for one in made.cells:
        one.metadata = NotebookNode(id=one.pop("id"))
    return made


right = {"double": DOUBLE, "square": SQUARE, "larger": "True"}
ANOTHER = "You gave another number."
TIME = "It ran longer than 8 s, or the notebook longer than 60 s."
SLEEP = f"import time; time.sleep(987); {secrets.token_hex()}"
UNTIDY = f"""
import itertools, subprocess, sys, threading, time
threading.Thread(target=lambda: time.sleep(987)).start()
subprocess.Popen([sys.executable, "-c", {SLEEP!r}], env={{}}, start_new_session=True)
for up in range(6):
    open("../" * up + "escaped.txt", "w").write("x")
def twice(x):
    return x + x
"""

# What is handed in, then for each of both exercises: the verdict, whether it is flagged, the sentence.
CASES = {
    "right": (notebook(**right), ("right", "", ""), ("right", "", "")),
    "another editor": (
        older(edited(notebook(**right), "predict", 'mine = predict( "ex-double", larger = 1 )')),
        ("right", "", ""),
        ("right", "", ""),
    ),
    "untidy": (
        with_cell(notebook(**right | {"double": "double = twice"}), UNTIDY),
        ("right", "", ""),
        ("right", "", ""),
    ),
    "wrong, no prediction": (
        notebook("def double(x):\n    return x", SQUARE, "..."),
        ("wrong", "", ANOTHER),
        ("right", "", ""),
    ),
    "right, no prediction": (notebook(DOUBLE, SQUARE, "..."), ("right", "", ""), ("right", "", "")),
    "no prediction, which fails": (
        notebook(DOUBLE, SQUARE, "cat"),
        ("error", "", "NameError: name 'cat' is not defined"),
        ("right", "", ""),
    ),
    "answers elsewhere": (
        with_cell(with_cell(notebook(larger="1"), "square = abs\ncheck('ex-square', square)", 8), DOUBLE, 8),
        ("by hand", "", ELSEWHERE),
        ("by hand", "", ELSEWHERE),
    ),
    "answer with the prediction": (
        edited(
            notebook(square=SQUARE),
            "predict",
            'mine = predict("ex-double", larger=1)\ndef double(x):\n    return x',
        ),
        ("by hand", "", ELSEWHERE),
        ("right", "", ""),
    ),
    "empty": (notebook(), ("not attempted", "", ""), ("not attempted", "", "")),
    "emptied": (
        without(notebook(**right), "answer", "predict", "check"),
        ("not attempted", "yes", ""),
        ("not attempted", "yes", ""),
    ),
    # what ends early
    "raises": (
        notebook("def double(x):\n    raise ValueError('no\\nidea')", "def square(x) return", "1"),
        ("error", "", "ValueError: no"),
        ("error", "", "SyntaxError: expected ':' (line 1)"),
    ),
    "exits": (
        notebook("import sys; sys.exit(1)", "def square(x):\n    import sys; sys.exit('enough')", "1"),
        ("error", "", "SystemExit: 1"),
        ("error", "", "SystemExit: enough"),
    ),
    "ends the kernel": (
        notebook("import os; os.abort()", "def square(x):\n    import os; os._exit(0)", "1"),
        ("error", "", "It ended the kernel."),
        ("error", "", "It ended the kernel."),
    ),
    "ends the runner": (
        notebook("import os; os.kill(os.getppid(), 9)", "exit()", "1"),
        ("error", "", "It ended the kernel."),
        ("error", "", "It ended the kernel."),
    ),
    # what does not end
    "endless": (
        notebook("while True:\n    pass", SQUARE, "1"),
        ("time", "", TIME),
        ("right", "", ""),
    ),
    "endless in C": (
        notebook(DOUBLE, "import itertools\ndef square(x):\n    return sum(itertools.count())", "1"),
        ("right", "", ""),
        ("time", "", TIME),
    ),
    "takes all": (
        notebook("much = bytearray(2_000_000_000)", "while True:\n    print('and ' * 100)", "1"),
        ("memory", "", "It used more than 700 MB."),
        ("error", "", "It printed or showed more than 1 MB."),
    ),
    # what would have better marks
    "checks edited": (
        edited(notebook(DOUBLE, "square = int", "1"), "check", "print('right')"),
        ("right", "yes", ""),
        ("wrong", "yes", ANOTHER),
    ),
    "checks gone": (
        without(notebook(DOUBLE, "square = int", "1"), "check"),
        ("right", "yes", ""),
        ("wrong", "yes", ANOTHER),
    ),
    "check redefined": (
        notebook(
            "def check(*_): return True\ndouble = int",
            f"def square(x):\n    display({{{MIME!r}: {{'key': '', 'found': [True]}}}}, raw=True)",
            "1",
        ),
        ("wrong", "", ANOTHER),
        ("wrong", "", ANOTHER),
    ),
    "package changed": (
        notebook(
            "import helpers.exercises as e\ne.check = lambda *_: True\ndouble = int",
            "open(e.__file__, 'w').write('check = print')\nsquare = int",
            "1",
        ),
        ("wrong", "", ANOTHER),
        ("wrong", "", ANOTHER),
    ),
}
NO_NOTEBOOK = "It is no Jupyter notebook of format 4: ask for it again, as .ipynb."
UNREADABLE = {
    "not JSON": ("{", "It is no Jupyter notebook of format 4: ask for it again, as .ipynb."),
    "a list": ("[]", "It is no Jupyter notebook of format 4: ask for it again, as .ipynb."),
    "of format 3": (
        '{"worksheets": []}',
        "It is no Jupyter notebook of format 4: ask for it again, as .ipynb.",
    ),
    "deep": ("[" * 100_000, "It is no Jupyter notebook of format 4: ask for it again, as .ipynb."),
    "without code": ('{"cells": []}', "It has no code cells: ask for it again."),
    "huge": (" " * 31_000_000, "It has more than 30 MB: ask for it again, with its outputs cleared."),
}


@pytest.fixture(scope="module", autouse=True)
def temporary(tmp_path_factory):
    """Where the marker makes its folders, and nobody else; none is left."""
    folder = tmp_path_factory.mktemp("temporary").resolve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder
    assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A class: its package, what was handed out, an empty folder for what is handed in."""
    room = tmp_path_factory.mktemp("class")
    (room / "helpers" / "exercises").mkdir(parents=True)
    (room / "helpers" / "__init__.py").touch()
    (room / "helpers" / "exercises" / "__init__.py").write_text(HELPERS, encoding="utf-8")
    (room / "student").mkdir()
    nbformat.write(notebook(), room / "student" / "01_first.ipynb")
    (room / "handed_in").mkdir()
    return room


def hand_in(folder, student, made, chapter="01_first"):
    (folder / student).mkdir(parents=True, exist_ok=True)
    text = made if isinstance(made, str) else json.dumps(made)
    (folder / student / f"{chapter}.ipynb").write_text(text, encoding="utf-8")


def marks(room, folder, limits=LIMITS):
    return mark(folder, limits, room, room / "helpers")


@pytest.fixture(scope="module")
def rows(room):
    """The marks of all cases; one that is right comes last."""
    for student, (made, *_) in CASES.items():
        hand_in(room / "handed_in", student, made)
    for student, (made, _) in UNREADABLE.items():
        hand_in(room / "handed_in", student, made)
    hand_in(room / "handed_in", "zoe", notebook(**right))
    kept = files(room)
    found = marks(room, room / "handed_in")
    assert files(room) == kept
    assert not list(survivors())
    return found


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def survivors():
    """The commands of what still runs of the submissions."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command, home = " ".join(process.cmdline()), process.environ().get("HOME", "")
            if process.status() != psutil.STATUS_ZOMBIE and (
                SLEEP in command or home.startswith(tempfile.gettempdir())
            ):
                yield command


@pytest.mark.parametrize("student", CASES)
def test_a_submission_gets_what_it_deserves(rows, student):
    found = [row for row in rows if row.student == student]
    assert [(row.verdict, row.tampered, row.sentence) for row in found] == list(CASES[student][1:])
    assert [row.prediction for row in found] == [
        "no" if "no pred" in student or "empt" in student else "yes",
        "",
    ]


@pytest.mark.parametrize("student", UNREADABLE)
def test_what_is_no_notebook_says_so(rows, student):
    found = [row for row in rows if row.student == student]
    assert [row.exercise for row in found] == ["ex-double", "ex-square"]
    assert {(row.verdict, row.sentence) for row in found} == {("unreadable", UNREADABLE[student][1])}


def test_after_all_of_them_a_right_one_is_right(rows):
    assert [row.verdict for row in rows if row.student == "zoe"] == ["right", "right"]
    assert rows[-1].student == "zoe"


# --- what is read


def handed_in(room, *paths):
    """The submissions that lie at these paths, all of them right, by student and chapter."""
    for path in paths:
        (room / path).parent.mkdir(parents=True, exist_ok=True)
        (room / path).write_text(json.dumps(notebook(**right)), encoding="utf-8")
    return {(one.student, one.chapter): one for one in submissions(room, {"01_first": 1, "02_second": 2})}


def test_submissions_are_folders_or_files(tmp_path):
    found = handed_in(tmp_path, "ada/01_first.ipynb", "bob_01_first (1).ipynb", "cleo/deep/x-01_first.ipynb")
    assert list(found) == [("ada", "01_first"), ("bob", "01_first"), ("cleo", "01_first")]
    assert not any(one.verdict for one in found.values())


def test_what_is_missing_is_a_submission_too(tmp_path):
    (tmp_path / "dora").mkdir()
    found = handed_in(tmp_path, "ada/01_first.ipynb", "bob/02_second.ipynb")
    assert found["ada", "02_second"].verdict == "not handed in"
    assert [one.verdict for key, one in found.items() if key[0] == "dora"] == ["not handed in"] * 2


def test_copies_that_editors_and_archives_make_do_not_count(tmp_path):
    copies = [
        "ada/.ipynb_checkpoints/01_first-checkpoint.ipynb",
        "ada/._01_first.ipynb",
        "__MACOSX/01_first.ipynb",
    ]
    assert list(handed_in(tmp_path, "ada/01_first.ipynb", *copies)) == [("ada", "01_first")]


def test_of_two_notebooks_for_a_chapter_none_is_guessed(tmp_path):
    found = handed_in(tmp_path, "ada/01_first.ipynb", "ada/01_first (1).ipynb")
    assert found["ada", "01_first"].fault == (
        "There are several notebooks of this chapter, 01_first (1).ipynb and 01_first.ipynb: keep one."
    )


def test_an_unknown_chapter_is_named(tmp_path):
    found = handed_in(tmp_path, "ada/homework.ipynb", "bob/02 second.ipynb")
    assert found["ada", "ada/homework.ipynb"].fault.endswith("name it as it was handed out.")
    assert found["bob", "bob/02 second.ipynb"].fault.endswith("name it 02_second.ipynb.")


def test_the_student_is_beside_the_chapter_in_a_name(tmp_path):
    names = ["01_first_Zoë (2).ipynb", "Kopie von max_01_first.ipynb", "max_02_second.IPYNB"]
    found = handed_in(tmp_path, *names)
    assert list(found) == [
        ("Zoë", "01_first"),
        ("Zoë", "02_second"),
        ("max", "01_first"),
        ("max", "02_second"),
    ]
    assert not found["max", "02_second"].verdict


def test_what_came_in_another_form_is_named(tmp_path):
    for name in ("ada/01_first.py", "bob_01_first.ipynb.txt", "marks.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = handed_in(tmp_path, "cleo/01_first.ipynb")
    assert found["ada", "01_first"].fault == (
        "There is no notebook of it, but 01_first.py: ask for the .ipynb."
    )
    assert found["bob", "01_first"].verdict == "not handed in"
    assert "bob_01_first.ipynb.txt" in found["bob", "01_first"].fault
    assert len(found) == 3


def test_a_mark_at_the_beginning_of_a_file_is_passed_over(tmp_path):
    (tmp_path / "ada").mkdir()
    (tmp_path / "ada" / "01_first.ipynb").write_text(json.dumps(notebook()), encoding="utf-8-sig")
    (ada,) = submissions(tmp_path, {"01_first": 1})
    assert not ada.verdict
    assert ada.cells


def test_a_link_leads_nowhere(tmp_path):
    handed_in(tmp_path, "teacher_02_second.ipynb")
    (tmp_path / "ada").mkdir()
    try:
        (tmp_path / "ada" / "02_second.ipynb").symlink_to(tmp_path / "teacher_02_second.ipynb")
    except OSError:
        pytest.skip("this system lets no user make links")
    assert handed_in(tmp_path)["ada", "02_second"].fault == "It is no file: ask for it again."


def test_without_submissions_or_masters_a_sentence_says_what_to_do(tmp_path, room):
    with pytest.raises(ValueError, match="has no notebooks: put in a folder a student"):
        marks(room, tmp_path)
    with pytest.raises(ValueError, match="is no folder: say make mark SUBMISSIONS=folder"):
        marks(room, tmp_path / "nowhere")
    with pytest.raises(ValueError, match="say `make class` first"):
        masters(tmp_path)


def test_half_a_character_is_read():
    (found,) = cells_of('{"cells": [{"cell_type": "code", "source": ["a = \\"\\ud800\\"\\n", "b"]}]}')
    assert found.source == 'a = "?"\nb'


def test_stubs_of_both_editions_count_as_not_attempted(tmp_path):
    hand_in(tmp_path, "student", notebook())
    hand_in(tmp_path, "gaps", notebook("def double(x):\n    return ..."))
    assert {"defdouble(x):return...", "defdouble(x):...#oneline"} <= masters(tmp_path)["01_first"].stubs


def test_checks_come_after_what_they_need(room):
    master = masters(room)["01_first"]
    by_role = {(cell.label, cell.role): cell for cell in master.cells}
    check, answer = by_role["ex-double", "check"], by_role["ex-double", "answer"]
    predict, other = by_role["ex-double", "predict"], by_role["ex-square", "check"]
    helper = Cell("helper = 1")
    for cells in ([check, answer, predict], [predict, answer], [answer, predict, other]):
        found = arranged(master, cells)
        assert found[0] == master.setup
        assert found.index(check) > max(found.index(answer), found.index(predict))
        assert found.count(check) == found.count(other) == 1
    found = arranged(master, [predict, answer, helper, check, other])
    assert found == [master.setup, predict, answer, helper, check, other]


# --- what is written

ROWS = [
    Row("ada", "01_first", "ex-double", "right", "yes", "", ""),
    Row("ada", "01_first", "ex-square", "wrong", "", "yes", "You gave\nanother number."),
    Row("=1+1", "01_first", "ex-double", "error", "no", "", "<script>alert(1)</script> \x1b[31mred\ud800"),
]


def test_the_table_is_safe_to_open():
    rows = list(csv.reader(io.StringIO(table(ROWS))))
    assert rows[0] == ["student", "chapter", "exercise", "verdict", "prediction", "tampered", "sentence"]
    assert rows[2][-1] == "You gave another number."
    assert rows[3][0] == "'=1+1"
    assert rows[3][-1] == "<script>alert(1)</script> red "


def test_a_summary_counts():
    ada, _ = summaries(ROWS)
    assert (ada.right, ada.of, ada.verdicts, ada.predictions, ada.tampered) == (1, 2, "1 wrong", "1 of 1", 1)


class Tags(HTMLParser):
    """The tags of a page, and whether each is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.all = [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_two_tables_with_captions_and_without_scripts():
    text = page(ROWS)
    tags = Tags(text).all
    names = [name for name, _ in tags]
    assert names.count("table") == names.count("caption") == 2
    assert "script" not in names
    assert {attributes["scope"] for name, attributes in tags if name == "th"} == {"col", "row"}
    assert "&lt;script&gt;" in text
    text.encode()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_legible_on_a_phone(chromium, tmp_path, theme):
    (tmp_path / "marks.html").write_text(page(ROWS), encoding="utf-8")
    shown = chromium.new_page(viewport={"width": 360, "height": 800}, color_scheme=theme)
    shown.goto((tmp_path / "marks.html").as_uri())
    assert Axe().run(shown).violations_count == 0
    assert shown.evaluate("document.documentElement.scrollWidth") == 360
    shown.close()


# --- the command


def softened(body):
    """A chapter with one of the book's exercises."""
    return new_notebook(
        cells=[
            cell("from helpers.exercises import check, predict"),
            cell(
                'mine = predict("ex-temperature", order="the same", best="grows")',
                "ex-temperature",
                "predict",
            ),
            cell(f"def softened(logits, divisor):\n    {body}", "ex-temperature", "answer"),
            cell('check("ex-temperature", softened, mine)', "ex-temperature", "check"),
        ]
    )


def test_the_real_checks_decide(tmp_path):
    hand_in(tmp_path, "student", softened("..."))
    hand_in(tmp_path / "handed_in", "ada", softened("return (logits / divisor).softmax(dim=1)"))
    hand_in(tmp_path / "handed_in", "bob", softened("return logits.softmax(dim=1) / divisor"))
    ada, bob = mark(tmp_path / "handed_in", Limits(), tmp_path)
    assert (ada.verdict, ada.prediction) == ("right", "yes")
    assert (bob.verdict, bob.sentence.split(":")[0]) == ("wrong", "You divided the probabilities")


def test_the_command_writes_both_tables_or_says_why_not(room, tmp_path, monkeypatch, capsys):
    hand_in(tmp_path, "ada", "{")
    monkeypatch.setattr("tools.mark.MASTERS", room)
    monkeypatch.setattr(sys, "argv", ["mark", str(tmp_path)])
    main()
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert set(written) == {"marks.csv", "marks.html"}
    assert b"unreadable" in written["marks.csv"]
    assert written["marks.csv"].decode("utf-8-sig").startswith("student,")
    main()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == written
    monkeypatch.setattr(sys, "argv", ["mark", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="is no folder"):
        main()


def test_one_that_breaks_the_marker_does_not_keep_the_others_from_their_marks(room, tmp_path, monkeypatch):
    def broken(sources, *_):
        raise RuntimeError("No kernel started.") if "break" in "".join(sources) else AssertionError

    hand_in(tmp_path, "ada", notebook("break"))
    hand_in(tmp_path, "bob", "{")
    monkeypatch.setattr("tools.mark.run", broken)
    ada, *bob = marks(room, tmp_path)
    assert ada.sentence == "The marker failed: RuntimeError: No kernel started."
    assert len(bob) == 2


def test_where_no_kernel_starts_it_says_so():
    with pytest.raises(RuntimeError, match=r"No kernel started \(memory\)"):
        run(["1"], Limits(memory=1))


def test_when_the_time_of_a_notebook_is_over_the_rest_is_not_tried_again(monkeypatch):
    def attempt(sources, outcomes, *_):
        outcomes[0] = Outcome(printed="1")
        return 1, "memory"

    monkeypatch.setattr(tools.confined, "_attempt", attempt)
    found = run(["print(1)", "much = bytearray(10**11)", "print(2)"], Limits(notebook=0))
    assert [one.stopped for one in found] == ["", "memory", "time"]


def test_nothing_of_the_environment_reaches_a_cell(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    (found,) = run(["import os; print('SECRET_TOKEN' in os.environ, os.path.expanduser('~'))"], LIMITS)
    assert found.printed.startswith("False ")
    assert str(Path.home()) not in found.printed.split()


def test_when_the_marker_is_killed_its_notebooks_end_too(temporary):
    script = "from tools.confined import *; run(['import itertools; sum(itertools.count())'], Limits())"
    marker = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | {"TMPDIR": str(temporary)}
    )
    while not any("ipykernel" in one for one in survivors()):
        time.sleep(0.2)
    marker.kill()
    marker.wait()
    while list(survivors()):  # it ends, or the test does not
        time.sleep(0.2)
    for folder in temporary.iterdir():
        shutil.rmtree(folder)


def test_an_interrupt_ends_all(monkeypatch):
    monkeypatch.setattr("tools.confined.STOP", threading.Event())
    tools.confined.STOP.set()
    with pytest.raises(InterruptedError):
        run(["while True: pass"], LIMITS)
    assert not list(survivors())
