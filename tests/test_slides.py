"""The decks: their sentences, their figures and credits, and that they load nothing from elsewhere."""

import re
import shutil

import nbformat
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

from helpers import catalogue
from tools import execute, slides

FEWEST, MOST, WORDS = 8, 14, 20


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    """The built decks of all chapters."""
    folder = tmp_path_factory.mktemp("decks") / "slides"
    slides.build(execute.CHAPTERS, folder)
    return folder


def test_a_chapter_has_one_short_sentence_a_slide(path, notebook):
    found = slides.slides_of(notebook, path.stem)
    assert FEWEST <= len(found) <= MOST
    assert len({slide.sentence for slide in found}) == len(found)
    for slide in found:
        assert len(slide.sentence.split()) <= WORDS, slide.sentence
        assert re.search(r"\w`?\)?[.?]$", slide.sentence), slide.sentence
        assert not re.search(r"[$*{}]", slide.sentence), slide.sentence


def test_it_begins_with_its_question_and_ends_with_its_summary(notebook):
    places = [k for k, cell in enumerate(notebook.cells) if "slide" in cell.metadata]
    assert places[0] == 0
    assert notebook.cells[0].metadata["slide"].endswith("?")
    assert re.search("^## Summary$", notebook.cells[places[-1]].source, re.MULTILINE)


def test_every_chapter_has_notes_for_its_teacher(notebook):
    notes = [cell.metadata["teacher"] for cell in notebook.cells if "teacher" in cell.metadata]
    assert 3 <= len(notes) <= 6
    minutes = [note for note in notes if re.search(r"\d+ minutes?\b", note)]
    assert len(minutes) >= 2
    assert all("estimated" in note or "measured" in note for note in minutes[:1])


def test_executing_a_chapter_keeps_sentences_and_notes(notebook):
    before = [(cell.metadata.get("slide"), cell.metadata.get("teacher")) for cell in notebook.cells]
    after = execute.normalised(notebook)
    assert [(cell.metadata.get("slide"), cell.metadata.get("teacher")) for cell in after.cells] == before


def test_every_slide_stands_in_the_deck_with_its_figure_and_its_alt_text(decks, path, notebook):
    page = BeautifulSoup((decks / f"{path.stem}.html").read_text(encoding="utf-8"), "html.parser")
    shown = page.select("section > section")
    expected = slides.slides_of(notebook, path.stem)
    assert len(shown) == len(expected) + 2  # the title before, the credits after
    for section, slide in zip(shown[1:-1], expected, strict=True):
        heading = section.h2.get_text().replace(slides.WORD_JOINER, "")
        assert heading == slide.sentence.replace("`", "")
        assert [image["alt"] for image in section.select("img")] == (
            [" ".join(slide.figure.alt.split())] if slide.figure else []
        )
        for image in section.select("img"):
            assert len(image["alt"]) > 40
            assert (decks / image["src"]).stat().st_size > 500
        notes = section.select_one("aside.notes")
        assert bool(notes) == bool(slide.notes)
        assert all(" ".join(note.split()) in " ".join(notes.get_text().split()) for note in slide.notes)


def test_photos_keep_their_credits(decks, path, notebook):
    page = BeautifulSoup((decks / f"{path.stem}.html").read_text(encoding="utf-8"), "html.parser")
    last = page.select("section > section")[-1]
    assert last.h2.get_text() == "Credits"
    credited = " ".join(last.get_text().split())
    assert "CC BY 4.0" in credited
    figures = [slide.figure for slide in slides.slides_of(notebook, path.stem) if slide.figure]
    captions = " ".join(figure.caption for figure in figures)
    for photo in catalogue().values():
        author = re.split(r" ~|,", photo.author)[0]
        if author.casefold() in captions.casefold() and f'"{photo.name}"' in str(notebook.cells):
            assert author.casefold() in credited.casefold()
    for licence in re.findall(r"CC BY \d\.\d|CC0|public domain", captions):
        assert licence in credited


def test_nothing_is_loaded_from_elsewhere(decks):
    for file in decks.glob("*.html"):
        page = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
        for tag in page.select("script[src], link[href], img[src], iframe"):
            assert not re.match(r"(https?:)?//", tag.get("src") or tag.get("href")), file.name
        for style in page.select("link[rel=stylesheet]"):
            sheet = (decks / style["href"].partition("?")[0]).read_text(encoding="utf-8")
            assert not re.search(r"(@import|url\()\s*[\"']?(url\()?[\"']?(https?:)?//", sheet), style["href"]


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium is installed")
def test_a_deck_runs_from_the_disk_and_every_slide_fits(decks):
    outside, faults, cut = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.context.set_offline(True)
        page.on("request", lambda asked: outside.append(asked.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda asked: faults.append(asked.url))
        for file in sorted(decks.glob("*.html")):
            page.goto(file.as_uri(), wait_until="load")
            cut += page.evaluate(
                """async (name) => {
                  const cut = [];
                  for (let k = 0; k < Reveal.getTotalSlides(); k++) {
                    Reveal.slide(k);
                    const slide = Reveal.getCurrentSlide();
                    for (const image of slide.querySelectorAll("img")) await image.decode();
                    if (slide.scrollHeight > 722 || slide.scrollWidth > 1282) cut.push([name, k]);
                  }
                  return cut;
                }""",
                file.name,
            )
        browser.close()
    assert [address for address in outside if not address.startswith(decks.as_uri())] == []
    assert (faults, cut) == ([], [])


def small_notebook(*sentences):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# A\n\n{text}") for text in sentences]
    for cell, text in zip(notebook.cells, sentences, strict=True):
        cell.metadata["slide"] = text
    return notebook


def test_a_chapter_without_sentences_is_named_and_nothing_is_written(tmp_path):
    empty = tmp_path / "03_empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A")]), empty)
    target = tmp_path / "slides"
    target.mkdir()
    (target / "old.html").write_text("old", encoding="utf-8")
    with pytest.raises(SystemExit, match="03_empty: expected cells with a sentence"):
        slides.build([empty], target)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    assert (target / "old.html").read_text(encoding="utf-8") == "old"


def test_signs_of_markdown_stand_as_they_are(tmp_path):
    sentence = "Is `a_b` 2 * 3 * 4, x_1 [sic] or <b>, and is #1 dear at $5?"
    path = tmp_path / "03_signs.ipynb"
    nbformat.write(small_notebook(sentence, "A *b*."), path)
    slides.build([path], tmp_path / "slides")
    page = BeautifulSoup((tmp_path / "slides" / "03_signs.html").read_text(encoding="utf-8"), "html.parser")
    assert [heading.get_text() for heading in page.select("h2")][:2] == [sentence.replace("`", ""), "A *b*."]
    assert page.select_one("h2 code").get_text() == "a_b"
