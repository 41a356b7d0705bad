"""The teacher's kit: what it says about the chapters, the photos and the questionnaire is so."""

import csv
import re

import nbformat
import pytest

from helpers import catalogue
from tools import execute, repository

CHAPTERS = execute.ROOT / "chapters"
PAGE = (CHAPTERS / "teaching.md").read_text(encoding="utf-8")
SHEET = (CHAPTERS / "teaching" / "questionnaire.md").read_text(encoding="utf-8")
FORM = CHAPTERS / "teaching" / "project.ipynb"
PLANS = {
    "90 minutes": [90],
    "A day: 6 hours": [6 * 60],
    "A week: 5 lessons of 90 minutes": [90] * 5,
    "A term: 14 weeks of 90 minutes": [90] * 14,
}


@pytest.fixture(scope="module")
def cells():
    return {path.stem: nbformat.read(path, as_version=4).cells for path in execute.CHAPTERS}


@pytest.fixture(scope="module")
def labels(cells):
    """The chapter of each exercise and of each figure."""
    found = {}
    for name, its in cells.items():
        for cell in its:
            found |= dict.fromkeys(re.findall(r"^:label: (ex-\S+)", cell.source, re.MULTILINE), name)
            if figure := cell.metadata.get("mystnb", {}).get("figure"):
                found[figure.name] = name
    return found


def section(title):
    """The text below a heading that begins so, as far as the next of its rank or above."""
    start = re.search(rf"^(#+) {re.escape(title)}.*\n", PAGE, re.MULTILINE)
    rest = PAGE[start.end() :]
    end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text):
    """The rows of the tables in a text, without their heads."""
    found, head = [], True
    for line in text.splitlines():
        if re.match(r"\|[-|]+\|$", line):
            head = False
        elif not line.startswith("|"):
            head = True
        elif not head:
            found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def headings(its):
    """The headings of a chapter, as they read."""
    text = "\n".join(cell.source for cell in its if cell.cell_type == "markdown")
    return {re.sub(r"[*`]", "", line) for line in re.findall(r"^#{2,4} (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("plan", PLANS)
def test_the_minutes_of_a_plan_add_up(plan):
    minutes = [[int(n) for n in re.findall(r"\*\*(\d+)\*\*", " ".join(row))] for row in rows(section(plan))]
    if len(PLANS[plan]) == 1:
        assert sum(map(sum, minutes)) == PLANS[plan][0]
    else:
        assert list(map(sum, minutes)) == PLANS[plan]


def test_every_chapter_has_outcomes_that_an_exercise_of_its_own_shows(labels):
    chapter, seen = "", {}
    for name, can, where in rows(section("What students will be able to do")):
        chapter = re.sub(r"\{doc\}`(\w+)`", r"\1", name) or chapter
        exercises = re.findall(r"\{ref\}`(ex-[\w-]+)`", where)
        assert can
        assert exercises or "quiz" in where or "project" in where, can
        assert {labels[label] for label in exercises} <= {chapter}, can
        seen.setdefault(chapter, []).extend(exercises)
    assert list(seen) == [path.stem for path in execute.CHAPTERS]
    assert all(seen.values())


def test_every_exercise_is_assigned_to_an_outcome(labels):
    assigned = set(re.findall(r"\{ref\}`(ex-[\w-]+)`", section("What students will be able to do")))
    assert assigned == {label for label in labels if label.startswith("ex-")}


def test_every_label_exists(labels):
    assert set(re.findall(r"\{(?:num)?ref\}`((?:ex|fig)-[\w-]+)`", PAGE)) <= set(labels)
    for name in re.findall(r"\{doc\}`(?:[^`<]*<)?([\w/]+)>?`", PAGE):
        assert (CHAPTERS / f"{name}.md").exists() or (CHAPTERS / f"{name}.ipynb").exists(), name


def test_sections_that_the_page_names_are_in_their_chapters(cells):
    """Headings stand in italics behind their chapter, before the next chapter of the same cell of a table."""
    for text in ("90 minutes", "A day", "A week", "A term", "Misconceptions"):
        for cell in (cell for row in rows(section(text)) for cell in row):
            for part in re.split(r"(?=\{doc\}`)", cell)[1:]:
                name = re.match(r"\{doc\}`(?:[^`<]*<)?([\w/]+)>?`", part)[1]
                for words in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", part) if name in cells else []:
                    assert words in headings(cells[name]), (name, words)


def test_there_are_misconceptions_enough_and_each_has_a_cure():
    found = rows(section("Misconceptions"))
    assert len(found) >= 20
    assert len({said for said, _ in found}) == len(found)
    assert all(re.search(r"\{(doc|ref)\}`", cure) for _, cure in found)


def test_the_rubric_has_the_points_that_it_promises():
    text = section("A project")
    levels = re.search(r"^\| criterion \| (\d) \| (\d) \| (\d) \|$", text, re.MULTILINE)
    assert re.search(r"(\d+) in all", text)[1] == str(int(levels[1]) * len(rows(text)))
    assert all(all(row) and len(row) == 4 for row in rows(text))


def test_the_questionnaire_has_ten_questions_with_one_right_answer_each():
    numbers = re.findall(r"^\*\*(\d+)\*\* ", SHEET, re.MULTILINE)
    assert numbers == [str(k) for k in range(1, 11)]
    for question in re.split(r"^\*\*\d+\*\* ", SHEET, flags=re.MULTILINE)[1:]:
        options = re.findall(r"^- ☐ ([A-D])\. (.+)$", question, re.MULTILINE)
        assert [letter for letter, _ in options] == list("ABCD")
        assert len({text for _, text in options}) == 4
    key = rows(section("Before and after"))
    assert [number for number, *_ in key] == numbers
    assert all(right in "ABCD" and len(right) == 1 for _, right, *_ in key)
    assert {right for _, right, *_ in key} == set("ABCD")
    assert all(measures for _, _, measures, _ in key)


def test_the_key_is_not_on_the_sheet():
    assert not re.search(r"☑|☒|\[x\]|right answer is", SHEET)


def test_photos_without_author_or_licence_are_named():
    rest = section("Citing")
    named = set(re.findall(r"(?<!\})`(\w+)`", rest[rest.index("Photos are not") :]))
    photos = catalogue().values()
    unknown = {photo.name for photo in photos if photo.author == "not known"}
    doubtful = {photo.name for photo in photos if "not known" in photo.licence}
    shared = {photo.name for photo in photos if "SA" in photo.licence}
    assert named == unknown | doubtful | shared | {"drum"}
    assert not any(photo.package for photo in photos if photo.name in unknown | doubtful)
    words = {2: "two", 3: "three", 6: "six"}
    assert f"{words[len(unknown)]} have no known author" in " ".join(rest.split())
    assert f"leave these {words[len(doubtful)]} off handouts" in " ".join(rest.split())
    assert "credit burned in" in catalogue()["drum"].note


def test_the_table_of_memory_is_that_of_the_measurement():
    (file,) = re.findall(r":file: (\S+)", PAGE)
    with (CHAPTERS / file).open(encoding="utf-8", newline="") as table:
        measured = [row["chapter"] for row in csv.DictReader(table)]
    assert measured == [path.stem for path in execute.CHAPTERS]


def test_the_form_is_normalised_and_opens_in_colab():
    notebook = nbformat.read(FORM, as_version=4)
    assert FORM.read_text(encoding="utf-8") == execute.text(execute.normalised(notebook))
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert setup.metadata.tags == ["hide-input"]
    assert f"git+{repository.address()}" in setup.source
    owner_and_name = repository.address().removeprefix("https://github.com/")
    assert f"github/{owner_and_name}/blob/main/chapters/teaching/{FORM.name}" in PAGE


def test_the_form_runs_to_its_end_and_has_the_six_steps():
    """nbval compares its outputs; here it runs as students run it, and every step is there."""
    notebook = execute.executed(FORM)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert [int(n) for n in re.findall(r"^## (\d) ", text, re.MULTILINE)] == [1, 2, 3, 4, 5, 6]
    tables = [o.data for cell in code for o in cell.outputs if "text/markdown" in o.get("data", {})]
    assert len(tables) == 2
