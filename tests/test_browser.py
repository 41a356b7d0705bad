"""Every page in a real browser: narrow and wide, light and dark, on paper. Run by `make browser`."""

import io
import re
import subprocess
import sys
import time

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from pypdf import PdfReader

from tools import execute, pdf
from tools.plain import title

pytestmark = pytest.mark.browser

WIDTHS = (320, 390, 820, 1280, 1920)
THEMES = ("light", "dark")
READ_BY_AXE = (390, 1280)
# What axe finds in the theme itself: a button whose visible hint "Ctrl+K" is not in its name, and a link to
# skip the head, which stands before all landmarks.
OF_THE_THEME = {"label-content-name-mismatch", "region"}
BYTES, REQUESTS = 1_000_000, 45  # of a page before scrolling
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}


READ_THROUGH = """async () => {
  for (let y = 0; y < document.documentElement.scrollHeight; y += 2 * innerHeight) {
    scrollTo(0, y);
    await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  }
  scrollTo(0, 0);
  await document.fonts.ready;
  await new Promise((rested) => requestIdleCallback(rested, { timeout: 1000 })); // behind the page's own
}"""


def unfold(page, address):
    """Open a page with all of its folds, scroll through it, and wait for all of its pictures."""
    page.goto(address, wait_until="load")
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    page.evaluate("document.querySelectorAll('img').forEach((image) => (image.loading = 'eager'))")
    page.evaluate(READ_THROUGH)
    page.wait_for_function("[...document.images].every((image) => image.complete)")


WITH_SMALL_FAULTS = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
  for (const image of document.querySelectorAll("article img")) {
    if (!image.complete || !image.naturalWidth) found.push(`not loaded: ${image.src}`);
    if (image.closest(".card-of-chapter, dialog") || !image.clientHeight) continue;
    // a browser rounds the natural size of a picture from a srcset to whole pixels, too
    const height = (image.clientWidth * image.naturalHeight) / image.naturalWidth;
    const apart = Math.abs(image.clientHeight - height);
    const cut = getComputedStyle(image).objectFit === "cover";
    if (apart > 2 + height / 200 && !cut) found.push(`out of proportion: ${image.src}`);
    if (getComputedStyle(image).filter !== "none") found.push(`filtered: ${image.src}`);
  }
  for (const frame of document.querySelectorAll("article pre, .table-frame")) {
    const more = frame.scrollWidth - frame.clientWidth;
    if (more > 1 && frame.tabIndex !== 0) found.push(`no way by keyboard: ${frame.textContent.slice(0, 50)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((tag) => tag.id);
  for (const id of new Set(ids.filter((id, place) => ids.indexOf(id) !== place))) found.push(`two of #${id}`);
  return found;
}"""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_whole(opened, site, width, theme):
    open_page, faults = opened
    page, wrong = open_page(width, theme), []
    for name in site[1]:
        unfold(page, site[0] + name)
        wrong += [(name, fault) for fault in page.evaluate(WITH_SMALL_FAULTS)]
        if width in READ_BY_AXE:
            wrong += [
                (name, broken["id"], [node["html"][:150] for node in broken["nodes"]])
                for broken in Axe().run(page, options={"preload": False}).response["violations"]
                if broken["id"] not in OF_THE_THEME
            ]
    assert (wrong, faults) == ([], [])


def test_a_page_that_is_not_there_leads_back(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/nowhere.html")
    assert "not found" in page.locator("article h1").inner_text().lower()
    page.locator("nav a", has_text="Grad-CAM by hand").first.click()
    assert "Grad-CAM" in page.locator("article h1").inner_text()


def test_pages_come_quickly(opened, site, capsys):
    """Bytes and requests before scrolling are limited; times are told, since they depend on the machine."""
    open_page, _ = opened
    lines, wrong = [], []
    for name in site[1]:
        page = open_page(390, device_scale_factor=2)
        client, sizes = page.context.new_cdp_session(page), []
        client.send("Network.enable")
        client.send("Network.emulateNetworkConditions", SLOW_4G)
        client.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        client.on(
            "Network.loadingFinished", lambda done, sizes=sizes: sizes.append(done["encodedDataLength"])
        )
        page.add_init_script(
            """window.lcp = 0; window.blocked = 0;
            new PerformanceObserver((list) => { for (const one of list.getEntries()) lcp = one.startTime; })
              .observe({ type: "largest-contentful-paint", buffered: true });
            new PerformanceObserver((list) => {
              for (const one of list.getEntries()) blocked += Math.max(0, one.duration - 50);
            }).observe({ type: "longtask", buffered: true });"""
        )
        page.goto(site[0] + name, wait_until="networkidle")
        time.sleep(0.3)
        largest, blocked = page.evaluate("[lcp, blocked]")
        lines.append(
            f"{name:36} {sum(sizes) / 1000:6.0f} kB {len(sizes):4} requests"
            f"   LCP {largest / 1000:5.2f} s   blocked {blocked:5.0f} ms"
        )
        if sum(sizes) > BYTES or len(sizes) > REQUESTS:
            wrong.append(lines[-1])
        page.context.close()
    with capsys.disabled():
        print("\nslow 4G, a processor four times slower, cold, 390 px:", *lines, sep="\n")
    assert wrong == []


def test_a_phone_gets_the_small_pictures(opened, site):
    open_page, _ = opened
    page = open_page(390, device_scale_factor=2)
    page.goto(site[0] + "chapters/05_batch_norm.html", wait_until="networkidle")
    assert page.locator(".teaser img").evaluate("image => image.currentSrc").endswith("-760.webp")


WITH_SMALL_TEXT = """async () => {
  const found = [];
  for (const image of document.querySelectorAll("article .cell_output img, article .teaser img")) {
    if (!image.clientWidth) continue;  // the other mode's plot
    let width = image.naturalWidth, text = 25;  // ten points at 180 dots an inch
    const sources = [...image.srcset.matchAll(/ (\\d+)w/g)].map((found) => Number(found[1]));
    if (sources.length) width = Math.max(...sources);
    if (image.src.endsWith(".svg")) {
      const drawn = await (await fetch(image.src)).text();
      width = Number(drawn.match(/viewBox="0 0 ([\\d.]+)/)[1]);
      const sizes = (form) => [...drawn.matchAll(form)].map((found) => Number(found[1]));
      const smaller = sizes(/translate\\([^)]*\\) scale\\(([\\d.]+)\\)/g);  // exponents
      text = 100 * Math.min(...sizes(/ scale\\(([\\d.]+) -/g)) * Math.min(1, ...smaller);
    }
    const pixels = text * image.clientWidth / width;
    if (!(pixels >= 8 && Number.isFinite(pixels))) found.push(`${pixels} px: ${image.alt.slice(0, 60)}`);
  }
  return found;
}"""


def test_the_text_of_figures_can_be_read_on_a_phone(opened, site):
    open_page, _ = opened
    page, wrong = open_page(390), []
    for name in (name for name in site[1] if "/" in name):
        unfold(page, site[0] + name)
        wrong += [(name, fault) for fault in page.evaluate(WITH_SMALL_TEXT)]
    assert wrong == []


@pytest.mark.parametrize("theme", THEMES)
def test_a_page_has_its_mode_before_it_is_drawn(opened, site, theme):
    open_page, _ = opened
    page = open_page(theme=theme)
    page.route("**/*.js*", lambda route: route.abort())
    page.goto(site[0] + "chapters/intro.html")
    assert page.locator("html").get_attribute("data-theme") == theme


@pytest.mark.parametrize(("theme", "scripts"), [("light", True), ("dark", True), ("light", False)])
def test_a_plot_is_drawn_in_the_colours_of_its_mode(opened, site, theme, scripts):
    open_page, _ = opened
    page = open_page(theme=theme, java_script_enabled=scripts)
    page.goto(site[0] + "chapters/05_batch_norm.html")
    shown = page.locator(".cell_output img[src$='.svg']:visible")
    assert shown.count() == 2
    for image in shown.all():
        assert image.get_attribute("src").endswith("-dark.svg") == (theme == "dark")


def test_formulas_need_no_script(opened, site):
    open_page, _ = opened
    page = open_page(java_script_enabled=False)
    page.goto(site[0] + "chapters/08_grad_cam.html")
    formula = page.locator("article div.math mjx-container").first
    assert formula.bounding_box()["height"] > 20
    font = formula.locator("mjx-c").first
    assert "MJXTEX" in font.evaluate("letter => getComputedStyle(letter).fontFamily")


def test_menus_open_and_close(opened, site):
    open_page, faults = opened
    page = open_page(390)
    page.goto(site[0] + "chapters/08_grad_cam.html")
    button = page.locator(".dropdown-download-buttons > button")
    menu = page.locator(".dropdown-download-buttons > .dropdown-menu")
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    box = menu.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    menu.locator("a").focus()
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-expanded") == "false"
    assert not menu.is_visible()
    assert button.evaluate("button => button === document.activeElement")
    button.press("Enter")
    page.locator(".teaser p").click()
    assert not menu.is_visible()
    assert faults == []


def test_the_mode_is_chosen_and_kept(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/intro.html")
    modes = []
    for _ in range(3):
        page.locator(".theme-switch-button").click()
        modes.append(page.evaluate("[document.documentElement.dataset.mode, localStorage.mode]"))
    assert modes == [["dark", "dark"], ["light", "light"], ["auto", "auto"]]
    assert page.locator("html").get_attribute("data-theme") == "light"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.locator(".theme-switch-button").click()
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_the_search_opens_and_closes_by_the_keyboard(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/intro.html")
    field = page.locator("#pst-search-dialog input")
    page.keyboard.press("Control+k")
    assert field.evaluate("field => field === document.activeElement")
    page.keyboard.press("Escape")
    assert not field.is_visible()
    page.locator(".search-button__button:visible").first.click()
    assert field.is_visible()
    page.mouse.click(5, 5)
    assert not field.is_visible()
    page.goto(site[0] + "search.html")
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.name") == "q"


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_a_sidebar_opens_on_a_phone(opened, site, side):
    open_page, _ = opened
    page = open_page(390)
    page.goto(site[0] + "chapters/08_grad_cam.html")
    dialog, link = page.locator(f"#pst-{side}-sidebar-modal"), page.locator(f"#pst-{side}-sidebar a").first
    place = link.get_attribute("href")
    outside = (385, 450) if side == "primary" else (5, 450)
    for leave in (lambda: page.keyboard.press("Escape"), lambda: page.mouse.click(*outside)):
        page.locator(f".{side}-toggle").click()
        assert dialog.locator(f"a[href='{place}']").first.is_visible()
        leave()
        dialog.wait_for(state="hidden")
        assert link.get_attribute("href") == place  # it is back


def test_the_contents_follow_the_reader(opened, site):
    open_page, _ = opened
    page = open_page(1920)
    page.goto(site[0] + "chapters/08_grad_cam.html", wait_until="networkidle")
    for goal in ("step-5-relu", "a-photo-that-is-not-square"):
        page.locator(f"#{goal} > :first-child").scroll_into_view_if_needed()
        page.evaluate("goal => document.getElementById(goal).scrollIntoView()", goal)
        page.locator(f"#pst-page-toc-nav a.active[href='#{goal}']").wait_for()
        assert page.locator("#pst-page-toc-nav a.active").count() == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_a_link_leads_to_its_section_and_stays_there(opened, site, width):
    """Sections before it that have not been laid out take about their height."""
    open_page, _ = opened
    page = open_page(width)
    page.goto(site[0] + "chapters/10_misclassified.html#exercises", wait_until="networkidle")
    title = page.locator("#exercises > h2")
    assert 0 <= title.bounding_box()["y"] < 200
    page.evaluate(READ_THROUGH)
    page.evaluate("location.hash = '#summary'")
    page.wait_for_timeout(300)
    assert 0 <= page.locator("#summary > h2").bounding_box()["y"] < 200
    page.goto(site[0] + "chapters/10_misclassified.html")
    foreseen = page.evaluate("document.documentElement.scrollHeight")
    page.evaluate(READ_THROUGH)
    assert foreseen == pytest.approx(page.evaluate("document.documentElement.scrollHeight"), rel=0.25)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_folds_are_open_on_paper(opened, site, scripts):
    open_page, _ = opened
    page = open_page(java_script_enabled=scripts)
    page.goto(site[0] + "chapters/08_grad_cam.html")
    printed = PdfReader(io.BytesIO(page.pdf(format="A4")))
    text = "".join("".join(sheet.extract_text() for sheet in printed.pages).split())
    for code in page.locator("details pre").all_text_contents():
        assert "".join(code.split("\n")[0].split()) in text


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_a_solution_opens_by_its_title(opened, site, scripts):
    open_page, faults = opened
    page = open_page(java_script_enabled=scripts)
    page.goto(site[0] + "chapters/08_grad_cam.html")
    titles = page.locator("details.solution > summary")
    names = titles.all_text_contents()
    assert len(set(names)) == len(names) >= 4
    for number, act in enumerate((lambda title: title.click(), lambda title: title.press("Enter"))):
        code = page.locator("details.solution").nth(number).locator("div.cell_input").first
        assert not code.is_visible()
        act(titles.nth(number))
        assert code.is_visible()
    assert faults == []


def test_a_link_into_a_solution_opens_it(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/08_grad_cam.html")
    inside = page.evaluate(
        """() => {
          const part = document.querySelector("details.solution .cell");
          return part.id ||= "inside";
        }"""
    )
    page.evaluate("goal => { location.hash = goal; }", inside)
    page.wait_for_function("document.querySelector('details.solution').open")


def test_a_figure_is_enlarged_and_closed_by_the_keyboard(opened, site):
    open_page, _ = opened
    page = open_page(390)
    page.goto(site[0] + "chapters/08_grad_cam.html")
    link = page.locator("article figure a.image-reference").first
    before = link.locator("img").bounding_box()["width"]
    link.press("Enter")
    enlarged = page.locator("dialog.enlarged img")
    assert enlarged.bounding_box()["width"] > before
    page.keyboard.press("Escape")
    assert not page.locator("dialog.enlarged").is_visible()
    assert link.evaluate("link => link === document.activeElement")


def test_terms_citations_and_figures_are_previewed(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/08_grad_cam.html")
    tip = page.locator("#preview")
    page.locator("article a[href*='glossary.html#term-heat-map']").first.focus()
    assert "evidence for one class" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.locator("article a[href*='references.html#']").first.hover()
    assert "Selvaraju" in tip.inner_text()
    page.locator("article a[href='#fig-overlay']").first.hover()
    tip.locator("img").wait_for()


def test_focus_is_seen_and_formulas_are_skipped(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/06_cam.html", wait_until="networkidle")
    for _ in range(60):
        page.keyboard.press("Tab")
        where = page.evaluate(
            """() => { const tag = document.activeElement, style = getComputedStyle(tag);
            return [tag.outerHTML.slice(0, 90), style.outlineStyle, parseFloat(style.outlineWidth),
                    Boolean(tag.closest("mjx-container:not([display])"))]; }"""
        )
        assert where[1] != "none", where
        assert where[2] >= 2, where
        assert not where[3], where


def test_only_inputs_can_be_copied(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/08_grad_cam.html", wait_until="networkidle")
    assert page.locator("div.cell_input button.copybtn").count() > 20
    assert page.locator("div.cell_output button.copybtn").count() == 0


@pytest.mark.parametrize("word", ["batchnorm", "gradcam", "saliency map", "heatmap"])
def test_the_search_finds_what_people_type(opened, site, word):
    open_page, faults = opened
    page = open_page()
    page.goto(f"{site[0]}search.html?q={word}", wait_until="networkidle")
    page.locator("#search-results li a", has_text="Glossary").first.wait_for()
    text = page.locator("#search-results").inner_text()
    assert "\\" not in text
    assert faults == []


def test_the_first_page_shows_photo_and_map(opened, site):
    open_page, _ = opened
    page = open_page(390)
    page.goto(site[0] + "index.html", wait_until="networkidle")
    over = page.locator(".compare .over")
    before = over.evaluate("image => getComputedStyle(image).clipPath")
    page.locator(".compare input").press("End")
    assert over.evaluate("image => getComputedStyle(image).clipPath") != before
    still = open_page(390, java_script_enabled=False)
    still.goto(site[0] + "index.html")
    boxes = [still.locator(".compare img").nth(k).bounding_box() for k in (0, 1)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]


def test_it_works_from_the_disk(opened, book):
    open_page, faults = opened
    page = open_page()
    page.goto((book / "chapters" / "08_grad_cam.html").as_uri(), wait_until="load")
    page.locator("details.solution > summary").first.click()
    assert page.locator("details.solution div.cell_input").first.is_visible()
    assert [fault for fault in faults if not fault.startswith("to: file://")] == []


@pytest.mark.parametrize("name", [path.stem for path in execute.CHAPTERS])
def test_a_page_prints_light_and_uncut(opened, site, name):
    open_page, _ = opened
    page = open_page(theme="dark")
    page.goto(f"{site[0]}chapters/{name}.html", wait_until="networkidle")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})  # the width of A4 between its margins
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("article pre, .table-frame, article mjx-container[display]")]
          .filter((frame) => frame.scrollWidth > frame.clientWidth + 2 && frame.clientWidth)
          .map((frame) => frame.textContent.slice(0, 60))"""
    )
    assert cut == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
    assert page.evaluate("[...document.querySelectorAll('article details')].every((fold) => fold.open)")


def test_the_six_steps_print_on_one_sheet(opened, site):
    open_page, _ = opened
    page = open_page()
    page.goto(site[0] + "chapters/six_steps.html", wait_until="networkidle")
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == 1


def test_the_whole_book_prints(book):
    subprocess.run([sys.executable, "-m", "tools.pdf", str(book)], check=True)
    assert f"/{pdf.NAME}" in (book / "chapters" / "intro.html").read_text(encoding="utf-8")
    printed = PdfReader(book / pdf.NAME)
    titles = [entry.title for entry in printed.outline if not isinstance(entry, list)]
    assert titles[0] == "Seeing what a CNN sees"
    assert [title for title in titles if title[0].isdigit()] == [
        f"{int(path.stem[:2])}. {title}"
        for path, title in zip(execute.CHAPTERS, chapter_titles(), strict=True)
    ]
    text = "".join(page.extract_text() for page in printed.pages)
    assert "Solution to Exercise 8.1" in text
    assert "Selvaraju" in text
    for page in printed.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            parts = font.get_object().get("/DescendantFonts", [font])
            for part in parts:
                kind = part.get_object()
                descriptor = kind.get("/FontDescriptor")
                embedded = kind["/Subtype"] == "/Type3" or any(
                    name in descriptor.get_object() for name in ("/FontFile", "/FontFile2", "/FontFile3")
                )
                assert embedded, kind
    links = [
        annotation.get_object()
        for page in printed.pages
        for annotation in page.get("/Annots", [])
        if annotation.get_object().get("/Subtype") == "/Link"
    ]
    assert sum("/Dest" in link or "/D" in link.get("/A", {}) for link in links) > 500


def chapter_titles():
    first_cells = [nbformat.read(path, as_version=4).cells[0].source for path in execute.CHAPTERS]
    return [title(source) for source in first_cells]
