"""The built pages, read as files."""

import re
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup

from helpers import catalogue
from tools import execute
from tools.drawings import ALT


@pytest.fixture(scope="session")
def pages(book):
    """Every page, parsed, by its path."""
    return {
        str(path.relative_to(book)): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(book.rglob("*.html"))
        if "_static" not in path.parts
    }


def test_every_chapter_has_its_page_with_all_its_figures(pages):
    for path in execute.CHAPTERS:
        notebook = nbformat.read(path, as_version=4)
        stored = sum(
            kind.startswith("image/")
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            for kind in output.get("data", {})
        )
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        teasers, drawings = (len(re.findall(rf":::{{{kind}}}", text)) for kind in ("teaser", "drawing"))
        page = pages[f"chapters/{path.stem}.html"]
        assert len(page.select("article .teaser img")) == teasers
        assert len(page.select("article img")) == stored + drawings + teasers
        assert len(page.select("article figure figcaption")) == stored + drawings
        assert teasers + drawings > 0


def test_every_image_says_what_it_shows(pages):
    for name, page in pages.items():
        for image in page.select("article img"):
            assert len(image.get("alt", "")) > 40, name
            assert "_images" not in image["alt"], name


def test_nothing_is_loaded_from_elsewhere(pages):
    for name, page in pages.items():
        for tag in page.select("script[src], link[href], img[src], iframe[src]"):
            address = tag.get("src") or tag["href"]
            loads = tag.name != "link" or "canonical" not in tag.get("rel", [])
            assert not (loads and re.match(r"(https?:)?//", address)), (name, address)


def test_every_link_within_the_book_has_a_goal(pages, book):
    for name, page in pages.items():
        for link in page.select("article a[href]"):
            goal, _, anchor = link["href"].partition("#")
            if "://" in goal or goal.startswith("mailto:"):
                continue
            path = (book / name).parent / goal if goal else book / name
            assert path.exists(), (name, link["href"])
            if anchor and path.suffix == ".html":
                goal_page = pages[str(Path(path).resolve().relative_to(book.resolve()))]
                assert goal_page.find(id=anchor), (name, link["href"])


def test_mathjax_comes_with_the_book(book):
    assert (book / "mathjax" / "tex-mml-chtml.js").stat().st_size > 1_000_000
    assert len(list((book / "mathjax" / "output" / "chtml" / "fonts" / "woff-v2").glob("*.woff"))) > 20


def test_every_photo_has_its_credit(pages):
    text = " ".join(pages["chapters/photos.html"].get_text().split())
    for photo in catalogue().values():
        assert photo.name in text
        assert " ".join(photo.credit.split()) in text
        assert pages["chapters/photos.html"].find("a", href=photo.page), photo.name


def test_two_papers_of_one_author_and_year_are_told_apart(pages):
    for name in ("chapters/04_resnet.html", "chapters/references.html"):
        text = pages[name].get_text()
        assert "2016a" in text
        assert "2016b" in text


def test_claims_are_shown_as_a_table(pages):
    for path in execute.CHAPTERS:
        section = pages[f"chapters/{path.stem}.html"].find(id="how-far-does-it-hold")
        heads = [head.get_text() for head in section.select("div.cell_output table thead th")]
        assert heads == ["claim", "n", "holds", "median", "quartiles", "range"]
        assert len(section.select("div.cell_output table tbody tr")) > 5


def test_every_drawing_stands_in_the_book(pages):
    shown = {
        Path(image["src"]).name for page in pages.values() for image in page.select("article figure img")
    }
    assert {f"{name}.svg" for name in ALT} <= shown


def test_every_chapter_opens_in_colab(pages):
    for path in execute.CHAPTERS:
        links = [link["href"] for link in pages[f"chapters/{path.stem}.html"].select("a[href]")]
        assert any(
            link.startswith("https://colab.research.google.com/github/")
            and link.endswith(f"/blob/main/chapters/{path.name}")
            for link in links
        )


def test_solutions_are_folded_and_hold_their_code(pages):
    for path in execute.CHAPTERS:
        solutions = pages[f"chapters/{path.stem}.html"].select("div.solution")
        assert len(solutions) >= 3
        for solution in solutions:
            assert "dropdown" in solution["class"]
            assert solution.select("div.cell_input")
