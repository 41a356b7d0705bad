"""Every page in a real browser, wide and on a phone. Run by `make browser`."""

import functools
import http.server
import re
import shutil
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

pytestmark = pytest.mark.browser

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def site(book):
    """The book behind a local web server: its address and its pages."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=book))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = [str(path.relative_to(book)) for path in sorted(book.rglob("*.html"))]
    names = [name for name in names if name != "index.html" and not name.startswith("_static")]
    yield f"http://127.0.0.1:{server.server_port}/", names
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def chromium():
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        installed = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=installed, args=options)
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def visit(request, site, chromium):
    """Open a page and note what goes wrong: script errors, failed requests, requests to other hosts."""
    address, _ = site
    width, height = WIDTHS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height})
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
    page.on("requestfailed", lambda failed: faults.append(f"failed: {failed.url}"))
    page.on(
        "request", lambda sent: sent.url.startswith((address, "data:")) or faults.append(f"to: {sent.url}")
    )

    def note_console(message):
        if message.type == "error":
            faults.append(f"console: {message.text} {message.location['url']}")

    page.on("console", note_console)

    def visit(name, until="load"):
        page.goto(address + name, wait_until=until)
        page.evaluate("window.MathJax?.startup?.promise")
        return page

    yield visit, faults
    context.close()


def test_no_script_fails_and_no_other_host_is_asked(visit, site):
    visit, faults = visit
    for name in site[1]:
        page = visit(name, until="networkidle")
        for image in page.locator("article img").all():
            image.scroll_into_view_if_needed()
            assert image.evaluate("image => image.complete && image.naturalWidth > 0"), name
        assert faults == [], name


def test_the_front_door_leads_to_the_introduction(visit):
    visit, _ = visit
    page = visit("index.html", until="networkidle")
    page.wait_for_url("**/chapters/intro.html")


def test_maths_is_rendered(visit, site):
    visit, _ = visit
    rendered = 0
    for name in site[1]:
        page = visit(name)
        formulas = page.locator("article .math").count()
        if formulas:
            assert page.locator("article .math:not(:has(mjx-container))").count() == 0, name
        assert page.locator("mjx-merror").count() == 0, name
        rendered += formulas
    assert rendered > 20


def test_no_page_scrolls_sideways(visit, site):
    visit, _ = visit
    for name in site[1]:
        page = visit(name)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name


def test_figures_keep_their_proportions(visit, site):
    visit, _ = visit
    for name in site[1]:
        for image in visit(name).locator("article img").all():
            image.scroll_into_view_if_needed()
            shown, true = image.evaluate(
                "image => [image.clientWidth / image.clientHeight, image.naturalWidth / image.naturalHeight]"
            )
            assert shown == pytest.approx(true, rel=0.02), name


def test_axe_finds_nothing_critical_or_serious(visit, site):
    visit, _ = visit
    for name in site[1]:
        page = visit(name)
        found = [
            (violation["id"], [node["html"][:200] for node in violation["nodes"]])
            for violation in Axe().run(page).response["violations"]
            if violation["impact"] in ("critical", "serious")
        ]
        assert found == [], name


def test_the_six_steps_print_on_one_sheet(visit):
    visit, _ = visit
    sheets = visit("chapters/six_steps.html", until="networkidle").pdf(format="A4")
    assert len(re.findall(rb"/Type\s*/Page\b", sheets)) == 1


def test_a_solution_opens_with_the_keyboard(visit):
    visit, _ = visit
    page = visit("chapters/08_grad_cam.html")
    solution = page.locator("div.solution").first
    code = solution.locator("div.cell_input").first
    assert not code.is_visible()
    solution.locator("button").first.focus()
    page.keyboard.press("Enter")
    assert code.is_visible()
