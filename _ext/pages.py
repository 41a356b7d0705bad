"""What every page gets before it is written: quick pictures, real folds, names that break, previews."""

import copy
import functools
import html
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from beside import save_webp
from bs4 import BeautifulSoup, Tag
from docutils import nodes
from PIL import Image
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from helpers.plotting import LINES, STYLE

GLOSSARY = "chapters/glossary"
SMALL = 760  # pixels: a phone of 380 with two dots for each
INCH = 704 / 6  # pixels of the page: a figure of 6 inches takes the whole column of 44 rem
DOTS = STYLE["figure.dpi"]  # an inch of a figure that holds a picture
DARK = {
    LINES[0]: "#4aa8e0",
    "#ffffff": "#121212",
    "#000000": "#e6e6e6",
    "#808080": "#9e9e9e",
    "#cccccc": "#5a5a5a",
}
PLAIN = ".n, .p, .w, .nn, .nx"  # names, brackets, spaces: parts of code that have no colour of their own
# Before a page is drawn: else it is drawn in the light, and once more when the theme's script has run.
MODE = """<script>
if ((localStorage.getItem("mode") || "auto") === "auto")
  localStorage.setItem("theme", matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
</script>"""
NOT_FOUND = """<h1>Page not found</h1>
<p>It may have moved. Try the <a href="{0}index.html">first page</a> with all chapters, or the
<a href="{0}search.html">search</a>.</p>"""
COLUMNS = {"narrow": 358, "wide": 704}  # pixels, on a phone and elsewhere
UNSEEN = "details > :not(summary), .only-dark, mjx-assistive-mml, button"
WORDS = "p:not(td p), li:not(:has(p)), h2, h3, summary"
UNUSED = ("thebe", "togglebutton", "toggleHint", "toggleOpenOnPrint", "design-tabs")


def without_unused(scripts: list[Any]) -> list[Any]:
    """The scripts of a page but those that nothing on it uses; Thebe's settings are even declared twice."""
    return [one for one in scripts if not any(word in f"{one.filename} {one.attributes}" for word in UNUSED)]


def in_their_time(scripts: list[Any]) -> list[Any]:
    """The scripts, run once the page stands; but the settings, which a line of each page changes at once."""

    def later(one: Any) -> Any:
        if not one.filename or "documentation_options" in str(one.filename):
            return one
        # A copy, since all pages share the one.
        return type(one)(one.filename, priority=one.priority, **{**one.attributes, "defer": "defer"})

    return [later(one) for one in scripts]


@functools.cache
def inches(path: Path) -> tuple[float, float] | None:
    """Width and height of a figure; none for one of the book's drawings, whose file says them in pixels."""
    if path.suffix == ".svg":
        points = re.search(r'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"', path.read_text("utf-8"))
        return (float(points[1]) / 72, float(points[2]) / 72) if points else None
    with Image.open(path) as picture:
        return picture.width / DOTS, picture.height / DOTS


def small(path: Path, folder: Path) -> str:
    """The name of a picture's copy for narrow screens, which is made where it is not there yet."""
    shrunk = folder / f"{path.stem}-{SMALL}.webp"
    if not shrunk.exists():
        with Image.open(path) as picture:
            save_webp(picture, shrunk, SMALL)
    return shrunk.name


def in_the_dark(drawn: str) -> str:
    """A plot of Matplotlib's with the colours of its ground, its text and its greys turned."""
    turned = re.sub("|".join(DARK), lambda colour: DARK[colour[0]], drawn)
    return turned.replace("<svg ", f'<svg fill="{DARK["#000000"]}" ', 1)  # text says no colour of its own


def give_plots_a_dark_side(page: BeautifulSoup, files: dict[str, Path], folder: Path) -> None:
    """A plot that a notebook drew stands twice, and the theme shows the one that its mode asks for.

    The new files are added to those known.
    """
    for image in page.select('.cell_output img[src$=".svg"], .teaser img[src$=".svg"]'):
        path = files.get(str(image["src"]).rsplit("/", 1)[-1])
        if path is None:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        dark = folder / f"{path.stem}-dark.svg"
        dark.write_text(in_the_dark(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")
        files[dark.name] = dark
        other = copy.copy(image)
        other["src"] = f"{str(image['src']).rpartition('/')[0]}/{dark.name}"
        for one, mode in ((image, "only-light"), (other, "only-dark")):
            one["class"] = [*one.get_attribute_list("class", []), mode]
        image.insert_after(other)


def quicken(page: BeautifulSoup, files: dict[str, Path], folder: Path) -> None:
    """Pictures come when they are needed, no larger than needed, and the page knows their shape before."""
    for number, image in enumerate(page.find_all("img")):
        image["decoding"] = "async"
        if number == 0:
            image["fetchpriority"] = "high"
        else:
            image["loading"] = "lazy"
        path = files.get(unquote(str(image["src"]).rsplit("/", 1)[-1]))
        if path and (shown := inches(path)):
            image["width"], image["height"] = (str(round(side * INCH)) for side in shown)
            pixels = round(shown[0] * DOTS)
            if path.suffix != ".svg" and pixels > SMALL:
                source = str(image["src"])
                image["srcset"] = (
                    f"{source.rpartition('/')[0]}/{small(path, folder)} {SMALL}w, {source} {pixels}w"
                )
                image["sizes"] = "(max-width: 600px) calc(100vw - 2rem), 44rem"


def fold(page: BeautifulSoup) -> None:
    """A solution opens by its own title, without any script, and search in the page finds what it holds."""
    for box in page.select("div.admonition.dropdown"):
        title = box.find("p", class_="admonition-title", recursive=False)
        if not isinstance(title, Tag):
            continue
        for link in title.find_all("a"):
            link.unwrap()  # a link inside of what opens the fold could not be reached
        title.name = "summary"
        box.name = "details"
        box["class"] = [name for name in box["class"] if name != "dropdown"]


def drop_repeated_ids(page: BeautifulSoup) -> None:
    """Exercises and solutions all carry the same id within; nothing links to it."""
    for section in page.select("#exercise-content, #solution-content"):
        del section["id"]


def number_links(page: BeautifulSoup) -> None:
    """A link to a chapter says its number and its title."""
    for text in page.select("a.reference.internal[href] > span.doc"):
        number = re.search(r"(?:^|/)(\d\d)_\w+\.html$", str(text.parent["href"])) if text.parent else None
        if number:
            text.name = "em"
            text.insert_before(f"Chapter {int(number[1])} ")


def break_names(page: BeautifulSoup) -> None:
    """Long names in tables break behind a dot or an underscore, not within a word."""
    for code in page.select("td code, th code"):
        text = code.get_text()
        if not re.search(r"[._/](?=\w)", text):
            continue
        code.clear()
        for part in re.split(r"(?<=[._/])(?=\w)", text):
            if code.contents:
                code.append(page.new_tag("wbr"))
            code.append(part)


def thin_code(page: BeautifulSoup) -> None:
    """Half of a chapter's elements say that a part of code looks like the rest of it."""
    for part in page.select(f"div.highlight span:is({PLAIN})"):
        part.unwrap()


SENTENCE = 36  # a cell with more characters is read, not compared


def let_tables_scroll(page: BeautifulSoup) -> None:
    """A table scrolls in a frame of its own, so that it remains a table for those who hear it."""
    for table in page.find_all("table"):
        if (head := table.find("th")) and head.get_text() == "claim":
            table["class"] = [*table.get_attribute_list("class", []), "claims"]  # sentences need some width
        if any(len(cell.get_text()) > SENTENCE for cell in table.select("td:not(:first-child)")):
            table["class"] = [*table.get_attribute_list("class", []), "sentences"]  # which may break on paper
        frame = page.new_tag("div", attrs={"class": "table-frame"})
        table.wrap(frame)


def name_folds(page: BeautifulSoup) -> None:
    """Each fold of code has a name of its own: they are counted, for those who hear the page."""
    for number, summary in enumerate(page.select("details.hide > summary"), 1):
        summary.attrs.pop("aria-label", None)
        counted = page.new_tag("span", attrs={"class": "visually-hidden"})
        counted.string = f" {number}"
        summary.append(counted)


def foresee_heights(page: BeautifulSoup) -> None:
    """A section far from the window is not laid out until it comes near: so long it takes this height."""
    for section in (
        part for top in page("section", recursive=False) for part in top("section", recursive=False)
    ):
        seen = copy.copy(section)
        for shut in seen.select(UNSEEN):
            shut.decompose()
        section["style"] = "; ".join(
            f"--{name}: {round(height(seen, column))}px" for name, column in COLUMNS.items()
        )


def height(section: Tag, column: int) -> float:
    """About how high a section is in a column, in pixels."""

    def lines(text: str, width: float) -> int:
        return int(len(text) * 8 / width) + 1

    shapes = [(int(image["width"]), int(image["height"])) for image in section.select("img[width]")]
    return (
        sum(tall * min(1, column / wide) for wide, tall in shapes)
        + sum(20 * lines(row.get_text(), 0.8 * column) + 14 for row in section.select("tr"))
        + sum(21 * block.get_text().rstrip().count("\n") + 70 for block in section.select("pre"))
        + sum(27 * lines(words.get_text(), column) + 18 for words in section.select(WORDS))
        + sum(40 for _ in section.select("figure, div.math, h2, h3, .admonition"))
    )


@functools.cache
def definitions(env: BuildEnvironment) -> dict[str, str]:
    """The glossary's definitions by the id of their term."""
    found = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        meaning = " ".join(text.astext() for text in item.findall(nodes.definition))
        for term in item.findall(nodes.term):
            found.update(dict.fromkeys(term["ids"], " ".join(meaning.split())))
    return found


def give_previews(page: BeautifulSoup, known: dict[str, str]) -> None:
    """Terms and citations carry what a script shows where the pointer or the keyboard rests on them."""
    for link in page.select("a.reference.internal[href]"):
        anchor = unquote(str(link["href"]).partition("#")[2])
        if anchor in known:
            link["data-preview"] = known[anchor]
        elif "references.html#" in str(link["href"]) and link.has_attr("title"):
            link["data-preview"] = link["title"]
            del link["title"]


def leave_out_citations(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """What describes a page, also on its card, names no papers; the page itself is written already."""
    for cited in list(doctree.findall(nodes.inline)) if doctree else []:
        if "bibtex-citation" in cited["classes"]:
            cited.parent.remove(cited)


def ending(app: Sphinx, pagename: str, title: str) -> str:
    """Where to report an error on this page."""
    plain = re.sub(r"<[^>]+>", "", html.unescape(title))
    repository = app.config.html_theme_options["repository_url"]
    issue = f"{repository}/issues/new?title={quote(f'{plain} ({pagename}): ')}"
    return f'<p class="report"><a href="{issue}">Report an error on this page</a></p>'


def finish(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Change a page's body and head before it is written."""
    context["script_files"] = without_unused(context["script_files"])
    context["css_files"] = without_unused(context["css_files"])
    if "sd-" not in context.get("body", ""):
        context["css_files"] = [
            one for one in context["css_files"] if "sphinx-design" not in str(one.filename)
        ]
    author = f'<meta name="author" content="{app.config.author}"/>'
    context["metatags"] = context.get("metatags", "") + author + MODE
    if pagename == app.config.root_doc:
        context["docstitle"] = ""  # else the book's title stands twice
    if doctree is None or not context.get("body"):
        return
    context["script_files"] = in_their_time(context["script_files"])
    page = BeautifulSoup(context["body"], "html.parser")
    files = {name: Path(app.srcdir, source) for source, name in app.builder.images.items()}
    folder = Path(app.outdir, "_images")
    give_plots_a_dark_side(page, files, folder)
    quicken(page, files, folder)
    number_links(page)
    fold(page)
    drop_repeated_ids(page)
    name_folds(page)
    break_names(page)
    thin_code(page)
    let_tables_scroll(page)
    foresee_heights(page)
    give_previews(page, definitions(app.env))
    # The items of a list of citations must be list items for those who hear the page.
    for item in page.find_all(attrs={"role": "doc-biblioentry"}):
        item["role"] = "listitem"
    context["body"] = str(page) + ending(app, pagename, context["title"])


def add_to_theme(app: Sphinx, config: Config) -> None:
    """What Jupyter Book has no words for: the mark, date and version of a page, one address for all."""
    package = tomllib.loads(Path(app.srcdir, "pyproject.toml").read_text(encoding="utf-8"))
    config.version = config.release = package["project"]["version"]
    config.ogp_site_url = config.html_baseurl
    # Jupyter Book gives each page all scripts and styles; what is live goes to the pages that hold it.
    for files in (config.html_js_files, config.html_css_files):
        files[:] = [file for file in files if not str(file).startswith("live/")]
    start = config.notfound_urls_prefix = urlsplit(config.html_baseurl).path
    config.notfound_context = {"title": "Page not found", "body": NOT_FOUND.format(start)}
    mark = "_static/mark.png"
    config.html_theme_options |= {
        "logo": {"image_light": mark, "image_dark": mark, "text": config.project, "alt_text": ""},
        "extra_footer": f"Version {config.version}. {config.html_theme_options['extra_footer']}",
        "footer_content_items": ["author.html", "last-updated.html", "extra-footer.html"],
    }


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is done to each page."""
    app.connect("config-inited", add_to_theme)
    app.connect("html-page-context", leave_out_citations, priority=400)  # before sphinxext.opengraph
    app.connect("html-page-context", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
