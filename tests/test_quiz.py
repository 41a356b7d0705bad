"""The quizzes: how they are read, what each chapter asks, how pages, print and Jupyter show them."""

import io
import re
import subprocess
import sys
import unicodedata

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt
from pypdf import PdfReader

from tools import execute
from tools.quiz import QuizError, options_of, questions_of, quiz_as_details

PAGE = """# A page

(here)=
## Below

$$a = b$$ (eq-page)

:::{quiz} What is `x` in {eq}`eq-page`, or $a_1$?
- [ ] The size of $|x_1|$, see {ref}`here`. *Size for sign.*
  It has a *sign*, see {doc}`other`.
- [ ] The `mean`. *Mean for sum.*
  Not one of {eq}`eq-page`,
  in two lines.
- [x] The sum.
  As $a_1 * b_1 * c_1$ says.
:::

The end.
"""
CONF = """import sys
sys.path.insert(0, {folder!r})
extensions = ["{parser}", "quiz"]
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
html_theme, html_math_renderer, nb_execution_mode = "basic", "mathjax", "off"
"""

A, B, C = (f"- [ ] Option {k}. *A wrong idea.*" for k in "ABC")
SURE, BECAUSE = "- [x] The right one.", "  Because."


def test_a_quiz_is_read():
    (question,) = questions_of(PAGE)
    assert question.text == "What is `x` in {eq}`eq-page`, or $a_1$?"
    first, second, right = question.options
    assert (first.text, first.misconception) == ("The size of $|x_1|$, see {ref}`here`.", "Size for sign.")
    assert second.reply == "Not one of {eq}`eq-page`, in two lines."
    assert (right.right, right.misconception, right.verdict) == (True, "", "Right.")
    assert first.verdict == "Not so."


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ([A, BECAUSE, SURE, BECAUSE], 0, "expected 3 or 4 options, got 2"),
        ([A, BECAUSE] * 4 + [SURE, BECAUSE], 0, "expected 3 or 4 options, got 5"),
        ([A, BECAUSE, B, BECAUSE, C, BECAUSE], 0, "expected one right option, marked [x], got 0"),
        ([A, BECAUSE, SURE, BECAUSE, SURE, BECAUSE], 0, "marked [x], got 2"),
        ([A, BECAUSE, B, SURE, BECAUSE], 2, "expected an indented reply"),
        ([A, BECAUSE, "- [ ] Nameless.", BECAUSE, SURE, BECAUSE], 2, "expected *the misconception.*"),
        ([A, BECAUSE, B, BECAUSE, f"{SURE} *Named.*", BECAUSE], 4, "expected no misconception"),
        ([A, BECAUSE, "- [X] The right one.", BECAUSE], 2, 'expected "- [x] option"'),
        ([A, BECAUSE, "", "Some text.", SURE, BECAUSE], 3, "'Some text.'"),
    ],
)
def test_a_quiz_that_cannot_be_read_says_what_and_where(lines, line, says):
    with pytest.raises(QuizError) as caught:
        options_of(lines)
    assert says in str(caught.value)
    assert caught.value.line == line


# What the chapters ask.


def cells(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def asked(paths=execute.CHAPTERS):
    return [question for path in paths for question in questions_of("\n\n".join(cells(path)))]


def sentences(text):
    return len(re.findall(r"[.!?](?=\s|$)", text))


@pytest.mark.parametrize("path", execute.CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_ends_with_a_quiz(path):
    text = "\n\n".join(cells(path))
    assert 3 <= len(asked([path])) <= 4
    places = [text.index(part) for part in ("\n## Summary", "\n## Quiz", ":::{quiz}", "\n## Exercises")]
    assert places == sorted(places)
    assert text.rindex(":::{quiz}") < places[-1]


@pytest.mark.parametrize("path", execute.CHAPTERS, ids=lambda path: path.stem)
def test_every_option_is_answered_by_one_sentence_and_every_wrong_one_is_named(path):
    for question in asked([path]):
        assert question.text.endswith("?")
        assert len({option.text for option in question.options}) == len(question.options)
        for option in question.options:
            assert "{" not in re.sub(r"\$[^$]*\$|`[^`]*`", "", option.text), "a role opens no fold in Jupyter"
            assert option.reply.endswith("."), option.reply
            assert sentences(option.reply) == 1, option.reply
            if not option.right:
                assert 2 <= len(option.misconception.split()) <= 5, option.misconception


def test_neither_place_nor_length_gives_the_right_option_away():
    questions = asked()
    sizes = [[len(option.text) for option in question.options] for question in questions]
    places = [[option.right for option in question.options].index(True) for question in questions]
    half = len(questions) / 2
    assert all(places.count(k) <= half for k in range(4))
    assert sum(size[k] == max(size) for size, k in zip(sizes, places, strict=True)) < half
    assert sum(size[k] == min(size) for size, k in zip(sizes, places, strict=True)) < half


# How they are shown.


def build(folder, builder, text=PAGE, name="page.md"):
    source = folder / "source"
    source.mkdir()
    parser = "myst_nb" if name.endswith(".ipynb") else "myst_parser"
    conf = CONF.format(folder=str(execute.ROOT / "_ext"), parser=parser)
    contents = "# First\n\n```{toctree}\npage\nother\n```\n"
    for file, written in {
        "conf.py": conf,
        "index.md": contents,
        "other.md": "# Another\n",
        name: text,
    }.items():
        (source / file).write_text(written, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", builder, source, folder / builder]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The page as a browser gets it."""
    folder = tmp_path_factory.mktemp("quiz")
    done = build(folder, "html")
    assert done.returncode == 0, done.stderr
    return BeautifulSoup((folder / "html" / "page.html").read_text(encoding="utf-8"), "html.parser")


def test_options_are_folds_and_need_no_script(shown):
    (quiz,) = shown.select(".quiz")
    assert quiz["role"] == "group"
    assert shown.find(id=quiz["aria-labelledby"]).get_text().startswith("What is x in (1), or")
    assert not quiz.select("script, form, input, button")
    folds = quiz.find_all("details", recursive=False)
    assert [fold.summary.b.get_text() for fold in folds] == ["A", "B", "C"]
    assert not any(fold.has_attr("open") for fold in folds)
    # With a name in common only one of them could be open, on paper as well.
    assert not any(fold.has_attr("name") for fold in folds)
    replies = [fold.select_one(".quiz-reply") for fold in folds]
    assert [reply["data-letter"] for reply in replies] == ["A", "B", "C"]
    assert [reply.strong.get_text() for reply in replies] == ["Not so.", "Not so.", "Right."]
    assert [reply.em.get_text() for reply in replies[:2]] == ["Size for sign.", "Mean for sum."]


def test_formulas_code_and_links_work_within_options(shown):
    first, second, right = shown.select(".quiz details")
    assert "|x_1|" in first.summary.select_one(".math").get_text()
    assert "see Below." in first.summary.get_text()
    assert not first.summary.find("a")  # what opens a fold holds nothing else to be reached
    assert first.select_one(".quiz-reply a")["href"] == "other.html"
    assert second.summary.code.get_text() == "mean"
    assert second.select_one(".quiz-reply a")["href"] == "#equation-eq-page"
    assert "a_1 * b_1 * c_1" in right.select_one(".quiz-reply .math").get_text()


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_other_builders_show_a_plain_list(tmp_path, builder):
    done = build(tmp_path, builder)
    assert done.returncode == 0, done.stderr
    text = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / builder).glob("*.t*x*"))
    places = [text.index(part) for part in ("What is", "The size of", "Not so.", "The sum.", "Right.")]
    assert places == sorted(places)
    assert "details" not in text


def test_a_wrong_quiz_stops_the_build_and_names_page_and_line(tmp_path):
    done = build(tmp_path, "html", PAGE.replace("  As $", "As $"))
    assert done.returncode != 0
    line = PAGE[: PAGE.index("As $")].count("\n") + 1
    assert f"page, line {line}: expected " in done.stderr


def test_a_wrong_quiz_of_a_notebook_names_cell_and_line(tmp_path):
    quiz = PAGE[PAGE.index(":::{quiz}") :].replace(" *Mean for sum.*", "")
    parts = [nbformat.v4.new_markdown_cell(part) for part in ("# A page", f"Text.\n\n{quiz}")]
    done = build(tmp_path, "html", nbformat.writes(nbformat.v4.new_notebook(cells=parts)), "page.ipynb")
    assert done.returncode != 0
    assert "page, cell 2, line 6: expected *the misconception.*" in done.stderr


# In Jupyter.


def test_jupyter_gets_the_same_as_html_folds():
    text = quiz_as_details(PAGE)
    start, end = PAGE.index(":::{quiz}"), PAGE.index("The end.")
    assert text.startswith(PAGE[:start])
    assert text.endswith(PAGE[end - 2 :])
    assert quiz_as_details(text) == text
    page = BeautifulSoup(MarkdownIt("commonmark").render(text), "html.parser")
    (question,) = questions_of(PAGE)
    folds = page.select("details")
    for fold, letter, option in zip(folds, "ABC", question.options, strict=True):
        name, _, shown = fold.summary.get_text().partition(" ")
        assert (name, shown) == (letter, option.text.replace("`", ""))
        assert fold.p.get_text().startswith(option.verdict)
        assert [em.get_text() for em in fold.select("p > em")][:1] == (
            [] if option.right else [option.misconception]
        )
        assert fold.p.find_previous_sibling() is fold.summary
    assert folds[1].summary.code.get_text() == "mean"
    assert "$|x_1|$" in folds[0].summary.get_text()


def test_a_text_without_a_quiz_stays_as_it_is():
    text = "# A title\n\n:::{dropdown} Hint\n- [ ] no option\n:::\n"
    assert quiz_as_details(text) == text


def test_the_chapters_become_folds():
    questions = asked()
    text = quiz_as_details("\n\n".join(source for path in execute.CHAPTERS for source in cells(path)))
    page = BeautifulSoup(MarkdownIt("commonmark").render(text), "html.parser")
    assert len(page.select("details")) == sum(len(question.options) for question in questions) > 0
    assert "{quiz}" not in text


# In a browser.

CHAPTER = "chapters/06_cam.html"


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_options_open_and_close_by_the_keyboard(opened, site, scripts):
    open_page, faults = opened
    page = open_page(390, java_script_enabled=scripts)
    page.goto(site[0] + CHAPTER)
    options, replies = page.locator(".quiz summary"), page.locator(".quiz .quiz-reply")
    options.nth(0).focus()
    for key in ("Enter", " "):
        page.keyboard.press(key)
        assert replies.nth(0).is_visible() == (key == "Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert replies.nth(1).is_visible()
    focused = options.nth(1).evaluate(
        "tag => [tag === document.activeElement, getComputedStyle(tag).outlineStyle]"
    )
    assert focused == [True, "solid"]
    assert faults == []


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_axe_finds_nothing_in_a_quiz(opened, site, width, theme):
    open_page, _ = opened
    page = open_page(width, theme)
    page.goto(site[0] + CHAPTER, wait_until="load")
    page.locator(".quiz").last.scroll_into_view_if_needed()
    folds = page.locator(".quiz details")
    for state in (False, True):
        folds.evaluate_all("(folds, state) => folds.forEach((fold) => (fold.open = state))", state)
        assert Axe().run(page, ".quiz", options={"preload": False}).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def together(text):
    """Without spaces, and with ligatures taken apart."""
    return "".join(unicodedata.normalize("NFKC", text).split())


@pytest.mark.browser
@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_on_paper_the_answers_stand_below_the_options(opened, site, scripts):
    open_page, _ = opened
    page = open_page(java_script_enabled=scripts)
    page.goto(site[0] + CHAPTER)
    printed = PdfReader(io.BytesIO(page.pdf(format="A4")))
    text = together("".join(sheet.extract_text() for sheet in printed.pages))
    for quiz in page.locator(".quiz").all():
        parts = [
            *quiz.locator("summary > span").all_text_contents(),
            *quiz.locator(".quiz-reply").all_text_contents(),
        ]
        places = [text.find(together(part), text.find("Quiz")) for part in parts]
        assert -1 not in places
        assert places[: len(places) // 2][-1] < places[len(places) // 2 :][0]
