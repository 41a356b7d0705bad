"""The notebooks for a class: what is left out, what is not, and that they run as they are handed out."""

import ast
import os
import random
import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import classroom
from tools.classroom import Writer, about, parts, stub, with_gaps, without_values
from tools.execute import CHAPTERS, ROOT
from tools.plain import Plain, names

KNOWN = names()
LOT = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))  # the same in all of xdist's processes
SOME = CHAPTERS if os.environ.get("CLASS") == "all" else LOT.sample(CHAPTERS, 1)


@pytest.fixture(scope="module", params=CHAPTERS, ids=lambda path: path.stem)
def writer(request):
    return Writer(request.param, KNOWN)


def role(cell):
    return cell.metadata.get("exercise", {}).get("role", "")


def exercises(notebook):
    """The cells of each exercise, by label and role."""
    found = {}
    for cell in notebook.cells:
        if label := cell.metadata.get("exercise", {}).get("label"):
            found.setdefault(label, {}).setdefault(role(cell), []).append(cell)
    return found


def test_every_exercise_has_all_of_its_cells(writer):
    solved, unsolved = exercises(writer.written("solutions")), exercises(writer.written("student"))
    assert list(solved) == list(unsolved)
    assert len(solved) >= 3
    for label in solved:
        assert {"explanation", "predict", "answer", "check", "compare"} <= set(solved[label])
        assert {"predict", "answer", "check", "compare", "reflection"} <= set(unsolved[label])
        assert "explanation" not in unsolved[label]
        assert len(unsolved[label]["check"]) == len(solved[label]["check"]) >= 1


def test_every_exercise_says_how_hard_it_is_how_important_and_how_long(writer):
    text = "\n".join(cell.source for cell in writer.notebook.cells if cell.cell_type == "markdown")
    heads = re.findall(
        r"^\*Level [123] of 3 · (?:for all|if you have time) · \d+ minutes\*$", text, re.MULTILINE
    )
    titles = re.findall(r"^:::\{exercise\}", text, re.MULTILINE)
    hints = re.findall(r"^:::\{dropdown\} Hint$", text, re.MULTILINE)
    symptoms = re.findall(r"^:::\{dropdown\} It does not work: \S", text, re.MULTILINE)
    assert len(heads) == len(titles) == len(hints) == len(symptoms)


def quoted(source):
    """For each question of a prediction the answers that the remark on it, or above it, puts in quotes."""
    found, above = {}, ""
    for line in source.splitlines():
        said = re.match(r"\s*(?:(?P<name>\w+)=.*?,\s*)?(?:#(?P<remark>.*))?$", line)
        if said and said["name"]:
            remark = above + (said["remark"] or "")
            found[said["name"]] = [] if "such as" in remark else re.findall(r'"([^"]+)"', remark)
        above = said["remark"] or "" if said and not said["name"] else ""
    return found


def said(source):
    """The answers in words of a call of `predict` or `compare`, by question."""
    (call,) = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and classroom._asks(node)
    )
    return {
        one.arg: one.value.value
        for one in call.keywords
        if isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
    }


def test_a_prediction_that_offers_answers_offers_all_of_them(writer):
    for cells in exercises(writer.written("solutions")).values():
        offered = quoted(cells["predict"][0].source)
        for cell in (cells["predict"][0], cells["compare"][0]):
            for question, answer in said(cell.source).items():
                assert not offered[question] or answer in offered[question], (question, answer, offered)


def test_the_answers_on_offer_are_read_from_the_remarks():
    lines = ["mine = predict(", '"ex-a",', '# "x" or "y"', 'one="x",', 'two=3,  # "p", "q"', "three=1,", ")"]
    cell = "\n".join(lines)
    assert quoted(cell) == {"one": ["x", "y"], "two": ["p", "q"], "three": []}
    assert said(cell) == {"one": "x"}


def test_no_solution_is_handed_out(writer):
    handed_out = "\n".join(cell.source for cell in writer.written("student").cells)
    for part in writer.parts:
        if part.role == "answer":
            assert part.cell.source not in handed_out
            assert stub(part.cell.source) in handed_out
        if part.role == "experiment" and part.cell.cell_type == "code":
            assert part.cell.source not in handed_out
    assert "Solution." not in handed_out


def test_what_is_handed_out_has_no_outputs(writer):
    cells = [cell for cell in writer.written("student").cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


def test_no_mark_of_the_book_is_left(writer):
    for kind in classroom.KINDS:
        made = writer.written(kind)
        for cell in made.cells if made else []:
            if cell.cell_type == "markdown":
                shown = re.sub(r"\(data:[^)]*\)", "", cell.source)
                assert not re.search(r"^:::|^```\{|\{[a-z:]+\}`|\$\$ \(|^\(\S+\)=$", shown, re.MULTILINE), (
                    shown
                )


def test_cells_have_ids_that_stay(writer):
    for kind in classroom.KINDS:
        if made := writer.written(kind):
            ids = [cell.id for cell in made.cells]
            assert len(ids) == len(set(ids))
            assert ids == [cell.id for cell in writer.written(kind).cells]
            nbformat.validate(made)


def test_stubs_run_and_every_check_says_what_is_missing(writer, capsys):
    """The cells of the exercises, without the chapter before them."""
    for kind in ("student", "gaps"):
        if made := writer.written(kind):
            for label, cells in exercises(made).items():
                names_there = {}
                exec("from helpers.exercises import check, compare, predict", names_there)
                for name in ("predict", "answer"):
                    for cell in cells[name]:
                        exec(cell.source, names_there)
                capsys.readouterr()
                for cell in cells["check"]:
                    *before, last = ast.parse(cell.source).body
                    exec(compile(ast.Module(before, []), "check", "exec"), names_there)
                    unpredicted = eval(ast.unparse(last), names_there)
                    assert not unpredicted
                    assert re.match(rf"{label}: not yet\. Predict first", capsys.readouterr().out)
                    without = re.sub(r", mine\)$", ")", ast.unparse(last))
                    assert without != ast.unparse(last)
                    assert not eval(without, names_there)
                    told = {"student": r"(nothing|`\.\.\.`)", "gaps": r"(nothing|`\.\.\.`|NameError)"}[kind]
                    assert re.match(rf"{label}: not yet\. .*{told}", capsys.readouterr().out)
                for cell in cells["compare"]:
                    assert "nothing to compare yet" in eval(cell.source, names_there).data


@pytest.mark.parametrize("path", SOME, ids=lambda path: path.stem)
def test_a_student_notebook_runs_to_its_end_as_it_is(path, tmp_path):
    """One by lot; CLASS=all runs all of them."""
    made = Writer(path, KNOWN).written("student")
    NotebookClient(made, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    checks = [cell for cell in made.cells if role(cell) == "check"]
    assert len(checks) >= 3
    for cell in checks:
        assert "not yet" in cell.outputs[0].text


# ---- What is left of a cell


def test_a_function_is_left_with_its_signature_its_docstring_and_a_size():
    source = (
        'def f(x):\n    """Twice."""\n    y = 2\n\n    # so\n    return y * x\n\n\ndef g():\n    return 1'
    )
    assert stub(source) == (
        'def f(x):\n    """Twice."""\n    ...  # about three lines\n\n\ndef g():\n    ...  # about one line'
    )


def test_methods_and_letters_beyond_ascii():
    source = 'class A:\n    def f(self):\n        """Größe → α."""\n        return "α" + "β"\n\n\nx = 1'
    assert (
        stub(source)
        == 'class A:\n    def f(self):\n        """Größe → α."""\n        ...  # about one line\n\n\nx = 1'
    )


def test_gaps_leave_out_values_only():
    source = "def f(a):\n    b = a + 1\n    c, d = b, 2\n    return c * d"
    assert with_gaps(source, ["b", "return"]) == "def f(a):\n    b = ...\n    c, d = b, 2\n    return ..."
    assert with_gaps(source, ["d"]) == "def f(a):\n    b = a + 1\n    c, d = ...\n    return c * d"


def test_predictions_lose_their_values_and_keep_their_questions():
    source = 'mine = predict(\n    "ex-a",\n    best="ä",  # "grows" or "shrinks"\n    at=28,\n)'
    assert (
        without_values(source)
        == 'mine = predict(\n    "ex-a",\n    best=...,  # "grows" or "shrinks"\n    at=...,\n)'
    )
    assert without_values('compare(mine, a=f(1), b="x")') == "compare(mine, a=..., b=...)"
    assert (
        without_values('mine = predict("ex-a", at=1)  # 1 or 2') == 'mine = predict("ex-a", at=...)  # 1 or 2'
    )


def test_what_computes_the_values_is_left_out():
    source = "best = max(scores)\nshown = compare(\n    mine,\n    best=best,\n)  # so\nprint(1)"
    assert without_values(source) == "compare(\n    mine,\n    best=...,\n)  # so"


@pytest.mark.parametrize(("count", "said"), [(1, "one line"), (4, "four lines"), (12, "12 lines")])
def test_sizes_are_said_in_words(count, said):
    assert about(count) == f"about {said}"


def test_a_solution_has_its_roles_and_what_follows_has_none():
    cells = [
        new_markdown_cell(
            ":::{exercise} A\n:label: ex-a\n\nDo.\n:::\n\n"
            ":::{solution-start} ex-a\n:class: dropdown\n:::\n\nSo."
        ),
        new_code_cell("def f(): ...", metadata={"tags": ["answer"]}),
        new_code_cell("f()"),
        new_markdown_cell("It shows."),
        new_markdown_cell(":::{solution-end}\n:::\n\n## Further reading"),
        new_code_cell("1"),
    ]
    found = [(part.label, part.role) for part in parts(new_notebook(cells=cells))]
    inside = ["explanation", "answer", "experiment", "explanation", "end"]
    assert found == [("", ""), *(("ex-a", name) for name in inside), ("", ""), ("", "")]


def test_margin_notes_are_for_the_teacher_only():
    notebook = nbformat.read(CHAPTERS[0], as_version=4)
    notebook.cells[3].metadata["teacher"] = "Ask for a show of hands."
    writer = Writer(CHAPTERS[0], KNOWN)
    writer.parts = list(parts(notebook))
    told = {
        kind: "Ask for a show of hands." in str(writer.written(kind))
        for kind in ("student", "solutions", "teacher")
    }
    assert told == {"student": False, "solutions": False, "teacher": True}


def test_the_folder_is_replaced_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(classroom, "CHAPTERS", CHAPTERS[1:2])
    folder = tmp_path / "class"
    (folder / "student").mkdir(parents=True)
    (folder / "student" / "old.ipynb").touch()
    classroom.write(folder)
    assert [path.name for path in (folder / "student").iterdir()] == [CHAPTERS[1].name]
    first = (folder / "student" / CHAPTERS[1].name).read_bytes()
    classroom.write(folder)
    assert (folder / "student" / CHAPTERS[1].name).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["class"]


@pytest.mark.parametrize(
    ("code", "shown", "warned"),
    [
        ('load_image("mastiff")', ["- mastiff: Foxcroft Academy, CC BY 2.0 (foolbox)"], False),
        ('load_image("pug")', ["- pug: not known, not known (https://commons.wikimedia.org/"], True),
        ("photos = catalogue()", ["- mastiff: Foxcroft", "- coins: Brooklyn Museum"], False),
        ("1", ["None."], False),
    ],
)
def test_photos_are_credited_and_unknown_origins_are_named(code, shown, warned):
    told = classroom.credits_of(new_notebook(cells=[new_code_cell(code)]))
    assert all(line in told for line in shown)
    assert ("Before you hand out copies" in told) is warned


# ---- Plain text


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("see {doc}`06_cam`", r"see \[.*\]\(06_cam\.ipynb\)"),
        ("{doc}`the form <six_steps>`", r"\[the form\]\(https://.*/chapters/six_steps\.html\)"),
        ("{term}`logits <logit>`", r"\[logits\]\(.*glossary\.html\)"),
        ("{cite}`selvaraju2017`", r"\(\[Selvaraju et al\., 2017\]\(.*\)\)"),
        ("{cite:t}`selvaraju2017`", r"\[Selvaraju et al\. \(2017\)\]\(.*\)"),
        ("{eq}`eq-weights`", r"\(equation 2\)"),
        ("{eq}`eq-size`", r"\(equation 1 of \[.*\]\(03_feature_maps\.ipynb\)\)"),
        ("{ref}`ex-zebra`", r"the exercise \*The map of what is not there\*"),
        ("$$a$$ (eq-weights)", r"\$\$a \\tag\{2\}\$\$"),
        (":::{dropdown} T\nx\n:::", r"<details><summary>T</summary>\n\nx\n\n</details>"),
        (":::{admonition} T\n:class: tip\n\nx\n:::", r"> \*\*T\*\*\n>\n> x"),
    ],
)
def test_marks_become_plain(marked, plain):
    assert re.fullmatch(plain, Plain("08_grad_cam", KNOWN).text(marked))


def test_pictures_travel_with_the_text():
    text = Plain("08_grad_cam", KNOWN).text(
        ":::{drawing} six_steps\n:width: 95%\nGrad-CAM in six steps.\n:::"
    )
    picture, caption = text.split("\n\n")
    assert picture.startswith("![Grad-CAM in six steps.](data:image/svg+xml;base64,")
    assert re.fullmatch(r"\*\*Figure \d+\.\*\* Grad-CAM in six steps\.", caption)


@pytest.mark.parametrize("marked", ["{unknown}`x`", ":::{unknown}\n:::"])
def test_an_unknown_mark_is_told(marked):
    with pytest.raises(ValueError, match=r"08_grad_cam: no plain form is known .* add it to tools/plain\.py"):
        Plain("08_grad_cam", KNOWN).text(marked)


def test_the_class_is_not_in_the_repository():
    assert "class/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()
