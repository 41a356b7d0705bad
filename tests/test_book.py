"""The built pages, read as files."""

import re
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from sphinx.errors import ExtensionError

from helpers import catalogue
from tools import execute, repository
from tools.drawings import ALT

sys.path.insert(0, str(Path(__file__).parents[1] / "_ext"))
import icons
from formulas import formula

SITE = repository.site(repository.address())
VERSION = tomllib.loads((execute.ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="session")
def pages(book):
    """Every page, parsed, by its path."""
    return {
        path.relative_to(book).as_posix(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
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
        assert len(page.select("article .teaser img:not(.only-dark)")) == teasers
        assert len(page.select("article img:not(.only-dark, .explorable *)")) == stored + drawings + teasers
        assert len(page.select("article figure:not(.explorable) figcaption")) == stored + drawings
        assert teasers + drawings > 0


def test_every_image_says_what_it_shows(pages):
    for name, page in pages.items():
        for image in page.select("article img"):
            if image.find_parent(class_="card-of-chapter") or "thumbnail" in image.get("class", []):
                assert image["alt"] == "", name  # the words beside it say it
                continue
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
            if name == "404.html":  # it stands for any address, so its links begin at the root
                goal = goal.removeprefix(urlsplit(SITE).path)
            if "://" in goal or goal.startswith("mailto:"):
                continue
            path = (book / name).parent / goal if goal else book / name
            assert path.exists(), (name, link["href"])
            if anchor and path.suffix == ".html":
                goal_page = pages[Path(path).resolve().relative_to(book.resolve()).as_posix()]
                assert goal_page.find(id=anchor), (name, link["href"])


def test_formulas_are_set_when_the_book_is_built(pages, book):
    assert not (book / "mathjax").exists()
    rules = (book / "_static" / "formulas" / "formulas.css").read_text(encoding="utf-8")
    fonts = set(re.findall(r'url\("\./([^"]+)"\)', rules))
    assert fonts
    assert all((book / "_static" / "formulas" / font).exists() for font in fonts)
    found = 0
    for name, page in pages.items():
        assert not page.select("script[src*=athjax i]"), name
        for one in page.select("article .math"):
            assert one.select_one("mjx-container mjx-assistive-mml math"), name
            assert not one.select("merror, mjx-merror"), name
            letters = {letter["class"][0] for letter in one.select("mjx-c")}
            assert all(f".{letter}" in rules for letter in letters), name
            found += 1
    assert found > 200


def test_formulas_that_cannot_be_read_stop_the_build():
    with pytest.raises(ExtensionError, match=r"cannot read .*Undefined control sequence"):
        formula(r"\unknown", display=False)


def test_pictures_are_quick(pages):
    for name, page in pages.items():
        for number, image in enumerate(page.select("article section img:not([src$='.svg'])")):
            assert image["decoding"] == "async", name
            assert number == 0 or image["loading"] == "lazy", name
            if "_images" in image["src"]:
                assert int(image["width"]) > int(image["height"]) * 0.3 > 0, name


def test_what_the_theme_loads_twice_is_gone(pages, book):
    for name, page in pages.items():
        scripts = " ".join(script["src"] for script in page.select("script[src]"))
        assert "frame.js" in scripts
        for unwanted in ("bootstrap", "pydata-sphinx-theme", "fontawesome", "thebe", "togglebutton"):
            assert unwanted not in scripts, name
    fonts = list((book / "_static" / "vendor" / "fontawesome" / "webfonts").glob("*.woff2"))
    assert len(fonts) == 3
    assert sum(font.stat().st_size for font in fonts) < 20_000


def test_every_icon_that_a_page_names_is_in_a_font(pages, book):
    fonts = [TTFont(path) for path in (book / "_static/vendor/fontawesome/webfonts").glob("*.woff2")]
    letters = {code for font in fonts for code in font.getBestCmap()}
    codes = icons.characters()
    named = {name for page in pages.values() for tag in page.select("[class*=fa-]") for name in tag["class"]}
    assert len(named & codes.keys()) > 8
    assert {codes[name] for name in named & codes.keys()} <= letters


def test_the_first_page_leads_to_every_chapter(pages, book):
    page = pages["index.html"]
    ways = {link.get_text(): link["href"] for link in page.select("a.way")}
    assert set(ways) == {"Start", "Open in Colab", "For teachers"}
    assert (book / ways["Start"]).exists()
    assert page.find(id=ways["For teachers"].removeprefix("#"))
    cards = page.select(".card-of-chapter")
    assert len(cards) == len(execute.CHAPTERS)
    for card, path in zip(cards, execute.CHAPTERS, strict=True):
        assert card.a["href"] == f"chapters/{path.stem}.html"
        assert card.select_one(".card-title").get_text().startswith(f"{int(path.stem[:2])} ")
        assert re.search(r"\d+ minutes", card.get_text())
        assert (book / card.img["src"]).stat().st_size > 1000
    for image in page.select(".compare img"):
        assert (book / image["src"]).stat().st_size > 1000


def test_chapters_figures_and_formulas_are_numbered_by_chapter(pages):
    for path in execute.CHAPTERS:
        page, number = pages[f"chapters/{path.stem}.html"], int(path.stem[:2])
        assert page.select_one("article h1").get_text().startswith(f"{number}. ")
        captions = [caption.get_text() for caption in page.select("figcaption .caption-number")]
        assert captions == [f"Fig. {number}.{k} " for k in range(1, len(captions) + 1)]
        formulas = [one.get_text() for one in page.select(".eqno")]
        assert [re.match(r"\([\d.]+\)", text)[0] for text in formulas] == [
            f"({number}.{k})" for k in range(1, len(formulas) + 1)
        ]
        assert page.select_one(".chapter-facts a.way")["href"].endswith(f"/chapters/{path.name}")
        assert re.search(r"\d+ minutes", page.select_one(".chapter-facts").get_text())
        for link in page.select("article a.reference.internal > em.doc"):
            if re.search(r"\d\d_\w+\.html$", link.parent["href"]):
                assert re.match(r"Chapter \d+ \w", link.parent.get_text())


def test_heads_tell_what_a_page_is(pages, book):
    titles, descriptions = [], []
    for name, page in pages.items():
        assert page.html["lang"] == "en", name
        titles.append(page.title.get_text())
        if name in ("404.html", "search.html", "genindex.html"):
            continue
        assert page.find("link", rel="canonical")["href"] == f"{SITE}{name}"
        descriptions.append(page.find("meta", attrs={"name": "description"})["content"])
        assert len(descriptions[-1]) > 30, name
        card = page.find("meta", property="og:image")["content"]
        assert (book / card.removeprefix(SITE)).exists(), name
        assert page.find("meta", attrs={"name": "author"})
        assert "Last updated on" in page.get_text(), name
        assert f"Version {VERSION}. Text: CC BY 4.0" in page.get_text(), name
        assert page.select_one(".report a")["href"].startswith(repository.address())
    assert len(set(titles)) == len(titles)
    assert pages["index.html"].title.get_text().strip() == "Seeing what a CNN sees"
    assert len(set(descriptions)) == len(descriptions)


def test_the_sitemap_lists_the_pages(pages, book):
    sitemap = (book / "sitemap.xml").read_text(encoding="utf-8")
    listed = set(re.findall(r"<loc>(.*?)</loc>", sitemap))
    left_out = {"404.html", "search.html", "genindex.html"}
    assert listed == {f"{SITE}{name}" for name in pages if name not in left_out}


def test_names_in_tables_break_behind_dots_and_underscores(pages):
    code = [code for page in pages.values() for code in page.select("td code")]
    long = [one for one in code if re.search(r"\w[._]\w", one.get_text())]
    assert len(long) > 10
    assert all(one.find("wbr") for one in long)


def test_the_glossary_knows_what_people_type(pages):
    terms = {term.get_text().rstrip("#") for term in pages["chapters/glossary.html"].select("dt")}
    assert {"batchnorm", "gradcam", "saliency map", "heatmap"} <= terms


def test_every_photo_has_its_credit(pages, book):
    text = " ".join(pages["chapters/photos.html"].get_text().split())
    for photo in catalogue().values():
        assert photo.name in text
        assert " ".join(photo.credit.split()) in text
        assert pages["chapters/photos.html"].find("a", href=photo.page), photo.name
        if photo.package:
            assert (book / "_static" / "photos" / f"{photo.name}.webp").stat().st_size > 500


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
        solutions = pages[f"chapters/{path.stem}.html"].select("details.solution")
        assert len(solutions) >= 3
        for solution in solutions:
            assert not solution.has_attr("open")
            assert solution.find(recursive=False).name == "summary"
            assert solution.summary.get_text().startswith("Solution to Exercise ")
            assert solution.select("div.cell_input")
