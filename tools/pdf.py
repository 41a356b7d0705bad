"""The whole book as one PDF, printed by Chromium from the built pages: outline, page numbers, links."""

import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag
from playwright.sync_api import sync_playwright

HTML = Path(__file__).parents[1] / "_build" / "html"
NAME = "seeing-what-a-cnn-sees.pdf"
FOOTER = """<div style="width: 100%; font: 8px sans-serif; text-align: center">
<span class="pageNumber"></span></div>"""
STYLE = """
html { font-size: 13px; }
.whole > section { break-before: page; }
.whole > section:first-child { break-before: auto; }
.whole a.headerlink, .whole .copybtn { display: none; }
"""


def in_order(folder: Path) -> dict[Path, BeautifulSoup]:
    """The pages in reading order, parsed: each names its next."""
    found, path = {}, (folder / "index.html").resolve()
    while True:
        found[path] = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        following = found[path].find("link", rel="next")
        if not isinstance(following, Tag):
            return found
        path = (path.parent / unquote(str(following["href"]))).resolve()


def key(path: Path) -> str:
    """What stands before each id of a page, so that no two pages share one."""
    return path.stem


def rewritten(path: Path, pages: dict[Path, BeautifulSoup]) -> Tag:
    """A page's article with its ids, links and pictures as they are in one document, all folds open."""
    article = pages[path].find("article")
    if not isinstance(article, Tag):
        raise ValueError(f"{path}: expected an article; run make book first")
    for tag in article.find_all(id=True):
        tag["id"] = f"{key(path)}-{tag['id']}"
    for link in article.find_all("a", href=True):
        target, _, anchor = unquote(str(link["href"])).partition("#")
        goal = (path.parent / target).resolve() if target else path
        if "://" not in target and goal in pages:
            link["href"] = f"#{key(goal)}-{anchor}" if anchor else f"#{key(goal)}"
    for picture in article.find_all("img"):
        picture["src"] = (path.parent / unquote(str(picture["src"]))).resolve().as_uri()
        for hint in ("loading", "fetchpriority", "srcset", "sizes"):
            picture.attrs.pop(hint, None)
    for fold in article.find_all("details"):
        fold["open"] = ""
    for end in article.select(".report, .ways"):
        end.decompose()
    article.name, article["id"] = "section", key(path)
    return article


def whole(folder: Path) -> str:
    """One document with all pages."""
    pages = in_order(folder)
    first = next(iter(pages.values()))
    styles = [
        folder / re.sub(r"[?].*", "", str(link["href"])) for link in first.select("link[rel=stylesheet]")
    ]
    sheets = "".join(f'<link rel="stylesheet" href="{path.resolve().as_uri()}">' for path in styles)
    body = "".join(str(rewritten(path, pages)) for path in pages)
    return (
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>Seeing what a CNN sees</title>{sheets}<style>{STYLE}</style></head>"
        f'<body><main class="whole bd-content bd-article">{body}</main></body></html>'
    )


def main() -> None:
    """Write the PDF beside the pages (of the folder named, or of make book): it is published with them."""
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else HTML
    target = folder / NAME
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("expected Chromium, found none: install chromium (Debian: apt install chromium)")
    source = folder / "_whole.html"
    source.write_text(whole(folder), encoding="utf-8", newline="\n")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(source.as_uri(), wait_until="load")
        page.evaluate("document.fonts.ready")
        page.pdf(
            path=target,
            format="A4",
            outline=True,
            tagged=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            margin={"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
        )
        browser.close()
    source.unlink()
    print(f"The whole book is at {target}, {target.stat().st_size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
