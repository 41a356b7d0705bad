"""The explorables about maps: their numbers are those of helpers and of the chapters; the controls work."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from helpers import class_maps, load_classifier, load_image, mosaic, randomise
from tools import execute, explorables, explorables_maps

sys.path.insert(0, str(Path(__file__).parents[1] / "_ext"))
from beside import save_webp

LIVE = explorables.STATIC / "live"
NAMES = sorted(explorables_maps.DATA)
CHAPTERS = {
    "bill": "06_cam",
    "this-rather-than-that": "09_cat_and_dog",
    "own-or-common-scale": "09_cat_and_dog",
    "completeness": "13_pixel_gradients",
    "edge-detector": "15_can_we_trust_it",
}


def notebook(name):
    return nbformat.read(execute.ROOT / "chapters" / f"{CHAPTERS[name]}.ipynb", as_version=4)


def outputs(name):
    """What the chapter prints, tables included."""
    found = []
    for output in (output for cell in notebook(name).cells for output in cell.get("outputs", [])):
        found.append(output.get("text", "") + output.get("data", {}).get("text/markdown", ""))
    return "\n".join(found)


def rows(text):
    """The rows of all tables in a text, by their first cells; minus signs are made hyphens."""
    found = {}
    for line in text.replace("−", "-").splitlines():
        if line.startswith("| "):
            first, *others = [cell.strip() for cell in line.strip("| ").split("|")]
            found.setdefault(first, []).append(others)
    return found


def static(name):
    """The part of the chapter that is shown without scripts."""
    text = "\n".join(cell.source for cell in notebook(name).cells if cell.cell_type == "markdown")
    return re.search(rf":::{{explorable}} {name}\n(.*?)\n:::", text, re.DOTALL)[1]


def by_name(classes):
    return {one["name"]: one for one in classes}


@pytest.mark.parametrize("name", NAMES)
def test_all_that_an_explorable_loads_is_small(name):
    files = [
        LIVE / "base.js",
        LIVE / "explorables.css",
        LIVE / "data" / f"{name}.js",
        LIVE / "explorables" / f"{name}.js",
    ]
    assert sum(file.stat().st_size for file in files) < 100_000


@pytest.mark.parametrize("name", NAMES)
def test_its_chapter_shows_it_with_a_caption_and_something_static(name):
    caption, *content = static(name).splitlines()
    assert re.fullmatch(r":caption: \S.{80,}\.", caption)
    assert len("".join(content)) > 30
    drawn = f"/_static/explorables/{name}.svg" in static(name)
    assert drawn == (name in explorables_maps.FIGURES)


@pytest.mark.parametrize("name", explorables_maps.FIGURES)
def test_the_static_figures_are_what_the_code_draws_from_the_data(name):
    stored = (explorables.STATIC / "explorables" / f"{name}.svg").read_text(encoding="utf-8")
    assert explorables_maps.FIGURES[name]() == stored, "run `python -m tools.explorables`"


@pytest.mark.parametrize("total", [-3, 0, 10, 17])
def test_parts_are_rounded_up_or_down_so_that_they_add_up(total):
    parts = np.random.default_rng(0).normal(size=13)
    parts += (total - parts.sum()) / 13 + 0.02
    whole = np.array(explorables_maps.whole_parts(parts, total))
    assert whole.sum() == total
    assert (np.abs(whole - parts) < 1).all()
    losses = parts - np.floor(parts)
    assert losses[whole > parts].min() >= losses[whole <= parts].max()


# ---- The bill, and this rather than that


@pytest.fixture(scope="module", params=["bill", "this-rather-than-that"])
def voted(request):
    """Name, stored votes, and exact maps (divided by 49), logits and biases of all classes."""
    alone = request.param == "bill"
    picture = load_image("mastiff") if alone else mosaic(load_image("cat"), load_image("mastiff"))[0]
    clf = load_classifier()
    x = clf.preprocess(picture)[None]
    with torch.no_grad():
        maps = class_maps(clf.model.forward_features(x), clf.model.classifier)[0] / 49
        logits = clf.model(x)[0]
    return request.param, explorables.stored(request.param), maps, logits


def test_each_bill_adds_up_to_the_last_digit(voted):
    for one in voted[1]["classes"]:
        assert sum(one["votes"]) + one["bias"] == one["logit"]


def test_each_vote_is_that_of_the_network(voted):
    _, stored, maps, logits = voted
    clf = load_classifier()
    for one in stored["classes"]:
        index = clf.class_index(one["name"])
        exact = 1000 * maps[index].flatten().numpy()
        assert np.abs(exact - one["votes"]).max() < 1.1
        assert abs(1000 * logits[index].item() - one["logit"]) < 0.6
        assert abs(1000 * clf.model.classifier.bias[index].item() - one["bias"]) < 0.6
    assert abs(logits.logsumexp(dim=0).item() - stored["all"]) < 1e-3


def test_the_bill_is_the_one_of_chapter_6():
    text, mastiff = outputs("bill"), explorables.stored("bill")["classes"][0]
    for words, number in [
        ("mean of the map", sum(mastiff["votes"])),
        ("bias", mastiff["bias"]),
        ("logit", mastiff["logit"]),
    ]:
        assert re.search(rf"{words} +{number / 1000:.3f}\b", text), words
    printed = re.search(r"\[\[ 0 +6 .*?\]\]", text, re.DOTALL)[0]
    exact = 49 * np.array(mastiff["votes"]) / 1000
    assert np.abs(exact - [int(n) for n in re.findall(r"-?\d+", printed)]).max() < 0.55


def test_the_hill_of_chapter_6_moves_the_hottest_place():
    votes = np.array(explorables.stored("bill")["classes"][0]["votes"]).reshape(7, 7)
    lifted = votes.copy()
    lifted[4:, 4:] += 820
    text = outputs("bill")
    for when, numbers in [("before", votes), ("after", lifted)]:
        row, column = divmod(int(numbers.argmax()), 7)
        assert re.search(rf"{when} +hottest place: row {row}, column {column}", text)


def test_the_static_table_of_two_classes_is_computed():
    found = by_name(explorables.stored("this-rather-than-that")["classes"])
    cat, dog = found["Egyptian cat"], found["bull mastiff"]
    table = rows(static("this-rather-than-that"))
    parts = {"0–2, the cat": slice(0, 3), "3, the seam": slice(3, 4), "4–6, the dog": slice(4, 7)}
    for words, columns in parts.items():
        sums = [np.array(one["votes"]).reshape(7, 7)[:, columns].sum() for one in (cat, dog)]
        assert table[words] == [[f"{n / 1000:.3f}" for n in (*sums, sums[0] - sums[1])]]
    for key in ("bias", "logit"):
        numbers = cat[key], dog[key], cat[key] - dog[key]
        assert table[key] == [[f"{n / 1000:.3f}" for n in numbers]]


# ---- Own or common scale


def test_the_six_maps_are_those_of_the_network_and_of_the_chapter():
    stored, again = explorables.stored("own-or-common-scale"), explorables_maps.own_or_common_scale()
    printed, static_rows = rows(outputs("own-or-common-scale")), rows(static("own-or-common-scale"))
    for one, other in zip(stored, again, strict=True):
        assert (one["name"], one["rank"]) == (other["name"], other["rank"])
        np.testing.assert_allclose(one["map"], other["map"], atol=2e-3)
        logit, highest = f"{one['logit']:.2f}", f"{max(one['map']):.2f}"
        assert static_rows[one["name"]] == [[logit, str(one["rank"]), highest]]
        if one["name"] in ("Egyptian cat", "sliding door", "dogsled", "street sign"):
            assert printed[one["name"]][0][:2] == [logit, highest]
    tops = [max(one["map"]) for one in stored]
    assert min(tops) < max(tops) / 10  # else the two scales would show much the same


# ---- Completeness


def test_logits_and_slopes_are_those_of_the_network():
    x = load_classifier().preprocess(load_image("mastiff"))[None]
    places = [0, 30, 200, 450, 600]
    for name, start in explorables_maps.starts(x).items():
        stored = explorables.stored("completeness")[name]
        parts = torch.tensor(places) / explorables_maps.FINEST
        logits, slopes = explorables_maps.along(start, x, parts)
        np.testing.assert_allclose([stored["logits"][k] for k in places], logits, atol=0.02)
        np.testing.assert_allclose([stored["slopes"][k] for k in places], slopes, atol=0.2, rtol=0.02)


def error_of(name, steps):
    stored = explorables.stored("completeness")[name]
    return explorables_maps.error_of(np.array(stored["logits"]), np.array(stored["slopes"]), steps)


def test_the_sums_in_steps_are_those_of_chapter_13():
    printed = rows(outputs("completeness"))
    for steps in (10, 20, 50, 100):
        assert abs(error_of("grey", steps) - float(printed[str(steps)][0][0])) < 0.2
    for name in ("grey", "black", "white", "blurred"):
        logits = explorables.stored("completeness")[name]["logits"]
        ((to_share, error, _),) = printed[name]
        assert abs(logits[-1] - logits[0] - float(to_share)) < 0.1
        assert abs(error_of(name, 50) - float(error)) < 0.2


# ---- Edge detector


def test_a_picture_keeps_its_map_to_a_64th():
    values = np.random.default_rng(0).random((48, 48)).astype(np.float32)
    letters = explorables_maps.small_picture(values)
    levels = np.array([explorables_maps.LETTERS.index(letter) for letter in letters]) / 64
    assert np.abs(levels - values.flatten() / values.max()).max() < 1 / 63
    assert set(explorables_maps.small_picture(np.zeros((7, 7)))) == {"A"}


@pytest.mark.parametrize("stage", [0, 1, 4, 10])
def test_a_stage_is_that_of_the_network(stage):
    stored = explorables.stored("edge-detector")["stages"][stage]
    what, layers = list(explorables_maps.forgotten().items())[stage]
    assert stored["new"] == what
    clf = load_classifier()
    x, target = clf.preprocess(load_image("mastiff"))[None], clf.class_index("bull mastiff")
    model, drawn = randomise(clf.model, layers), explorables_maps.edges(x)
    for name, method in explorables_maps.METHODS.items():
        found, kept = method(model, x, target), stored["maps"][name]
        likeness = explorables_maps.likeness(found, method(clf.model, x, target))
        assert abs(likeness - kept["kept"]) < 0.02
        if len(found) == len(drawn):
            assert abs(explorables_maps.likeness(found, drawn) - kept["edges"][0]) < 0.02
        again = explorables_maps.small_picture(found)
        levels = [[explorables_maps.LETTERS.index(letter) for letter in p] for p in (again, kept["picture"])]
        assert np.mean(np.abs(np.subtract(*levels))) < 0.5


def test_three_stages_are_those_of_chapter_15():
    printed = rows(outputs("edge-detector").partition("| correlation with the trained map |")[2])
    stages = {stage["new"]: stage["maps"] for stage in explorables.stored("edge-detector")["stages"]}
    for name in explorables_maps.METHODS:
        kept = [stages[new][name]["kept"] for new in ("head", "head to block 5", "all")]
        assert np.abs(np.subtract(kept, [float(n) for n in printed[name][0]])).max() < 0.01


# ---- In a browser, on a page of their own

PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}"><head><meta charset="utf-8"><title>{name}</title>
<meta name="viewport" content="width=device-width">
<style>
  html {{ --book: #4c0a74; --book-soft: #f4eef8; --pst-color-background: #fff; --pst-color-text-base: #222;
    --pst-color-text-muted: #48566b; --pst-color-border: #ccc; background: #fff; color: #222; }}
  html[data-theme="dark"] {{ --book: #fcc26b; --book-soft: #2a2431; --pst-color-background: #121212;
    --pst-color-text-base: #ced6dd; --pst-color-text-muted: #9ca4af; background: #121212; color: #ced6dd; }}
  figure {{ margin-inline: 0; }}
  body {{ max-width: 690px; margin: 0 auto; font: 15px system-ui, sans-serif; }}
  .visually-hidden {{ position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }}
</style>
<link rel="stylesheet" href="live/explorables.css">
<script defer src="live/base.js"></script><script defer src="live/data/{name}.js"></script>
<script defer src="live/explorables/{name}.js"></script></head>
<body><main><h1>{name}</h1>
<figure class="explorable" id="explore-{name}" data-name="{name}">
<div class="static"><p>Static part.</p></div><figcaption>Caption.</figcaption>
</figure></main></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The scripts and the photos that the build puts beside them."""
    made = tmp_path_factory.mktemp("pages")
    shutil.copytree(LIVE, made / "live")
    for photo in ("cat", "mastiff"):
        for name in (photo, f"{photo}-grey"):
            save_webp(load_image(photo), made / "live" / "photos" / f"{name}.webp", 448)
    return made


@pytest.fixture
def show(folder, chromium):
    """Open the page of an explorable as a file; no script may fail."""
    contexts, faults = [], []

    def open_page(name, width=1280, theme="light", said="", **more):
        path = folder / f"{name}-{theme}.html"
        path.write_text(PAGE.format(name=name, theme=theme), encoding="utf-8")
        context = chromium.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda failed: faults.append(failed.url))
        page.goto(f"{path.as_uri()}{said and f'#explore-{name}&{said}'}")
        if more.get("java_script_enabled", True):
            page.wait_for_selector(".explorable.begun")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def table_of(page):
    """The numbers of the table, by row, as they are printed."""
    lines = page.locator("table.numbers tr").all()
    cells = [[cell.inner_text() for cell in line.locator("th, td").all()] for line in lines]
    return {first: others for first, *others in cells}


def number(text):
    return float(text.replace("−", "-"))


def move(page, label, times, key="ArrowRight"):
    """Move a slider by the keyboard."""
    slider = page.get_by_label(label, exact=True)
    slider.focus()
    for _ in range(times):
        slider.press(key)


WITH_SMALL_FAULTS = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
  for (const text of document.querySelectorAll(".live *")) {
    const own = [...text.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const svg = text.ownerSVGElement;
    const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
    const size = parseFloat(getComputedStyle(text).fontSize) * scale;
    if (own && size < 12) found.push(`small: ${text.textContent}`);
    if (svg && own) {
      const [in_, out] = [text.getBoundingClientRect(), svg.getBoundingClientRect()];
      if (in_.left < out.left - 1 || in_.right > out.right + 1) found.push(`cut: ${text.textContent}`);
    }
  }
  for (const input of document.querySelectorAll(".live :is(button, input, select)")) {
    const { width, height } = (input.closest("label") ?? input).getBoundingClientRect();
    if (Math.min(width, height) < 24) found.push(`small target: ${input.outerHTML.slice(0, 60)}`);
  }
  for (const frame of document.querySelectorAll(".live .table-frame, .live [role=group] button")) {
    if (frame.scrollWidth > frame.clientWidth + 1) found.push(`cut: ${frame.textContent}`);
  }
  for (const drawn of document.querySelectorAll(".live .drawn")) {
    if (!(drawn.getAttribute("aria-label").length > 30)) found.push("a drawing without words");
  }
  return found;
}"""


OPACITIES = """() => [...document.querySelectorAll("canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let top = 0;
  for (let n = 3; n < data.length; n += 4) top = Math.max(top, data[n]);
  return top / 255;
})"""


@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("width", "theme"), [(320, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_it_can_be_read_and_touched(show, name, width, theme):
    widest = {"bill": "than=boxer", "own-or-common-scale": "numbers=true"}
    page = show(name, width, theme, widest.get(name, ""))
    assert page.evaluate(WITH_SMALL_FAULTS) == []
    broken = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(one["id"], [node["html"][:150] for node in one["nodes"]]) for one in broken] == []


@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
def test_paper_and_pages_without_scripts_show_the_static_part(show, name):
    page = show(name)
    still, live = page.locator(".static"), page.locator(".live")
    assert (still.is_visible(), live.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (still.is_visible(), live.is_visible()) == (True, False)
    assert show(name, java_script_enabled=False).locator(".static").is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("name", explorables_maps.FIGURES)
def test_no_words_of_a_static_figure_are_cut_or_too_small(chromium, name):
    page = chromium.new_page()
    page.goto((explorables.STATIC / "explorables" / f"{name}.svg").as_uri())
    words = page.evaluate(
        """[...document.querySelectorAll("text")].map((text) => {
          const { x, y, width, height } = text.getBBox();
          return [x, y, x + width, y + height, parseFloat(text.getAttribute("font-size"))];
        })"""
    )
    lefts, tops, rights, bottoms, sizes = np.transpose(words)
    width, height = page.evaluate(
        "[document.rootElement.viewBox.baseVal].flatMap((v) => [v.width, v.height])"
    )
    page.close()
    assert min(lefts.min(), tops.min()) > 0
    assert (rights.max() < width, bottoms.max() < height) == (True, True)
    assert sizes.min() >= 13


@pytest.mark.browser
def test_the_bill_by_slider_mouse_touch_and_keyboard(show):
    page = show("bill", 390, has_touch=True)
    votes = np.array(explorables.stored("bill")["classes"][0]["votes"])
    place = page.get_by_role("group").get_by_role("button")
    move(page, "Largest taken", 6)
    seven = np.sort(votes)[-7:].sum()
    assert table_of(page)["taken: 7"] == [f"{seven / 1000:.3f}"]
    assert f"{100 * seven / 10340:.0f} %" in page.locator(".readout").inner_text()
    place.nth(17).tap()
    assert number(table_of(page)["taken: 6"][0]) == pytest.approx((seven - votes[17]) / 1000)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert place.nth(10).get_attribute("aria-pressed") == "true"
    place.nth(10).click()
    assert place.nth(10).get_attribute("aria-pressed") == "false"
    assert page.get_by_label("Largest taken").input_value() == "6"
    assert page.evaluate("document.querySelectorAll('[role=group] [tabindex=\"0\"]').length") == 1


@pytest.mark.browser
@pytest.mark.parametrize("voted", ["bill"], indirect=True)
def test_every_bill_on_the_page_is_that_of_the_network(show, voted):
    _, _, maps, logits = voted
    clf, page = load_classifier(), show("bill")
    for name in explorables_maps.ALONE:
        page.get_by_label("Logit of").select_option(name)
        index, printed = clf.class_index(name), table_of(page)
        items = [number(printed[key][0]) for key in ("taken: 1", "others: 48", "bias")]
        assert round(sum(items), 3) == number(printed["logit"][0])
        assert number(printed["logit"][0]) == pytest.approx(logits[index].item(), abs=6e-4)
        likely = logits.softmax(dim=0)[index].item()
        small = printed["probability"] == ["below 0.001"]
        assert likely < 1e-3 if small else abs(number(printed["probability"][0]) - likely) < 1e-3
        row, column = divmod(maps[index].argmax().item(), 7)
        assert printed["largest place"] == [f"row {row}, column {column}"]


@pytest.mark.browser
def test_a_hill_lifts_the_logits_and_neither_the_probability_nor_the_difference(show):
    page = show("bill", said="than=boxer")
    before = table_of(page)
    move(page, "Hill", 82)
    after = table_of(page)
    assert after["probability"] == before["probability"]
    assert [number(a) - number(b) for a, b in zip(after["logit"], before["logit"], strict=True)] == (
        pytest.approx([7.38, 7.38, 0])
    )
    assert (before["largest place"][0], after["largest place"][0]) == ("row 2, column 3", "row 4, column 4")
    assert after["largest place"][2] == before["largest place"][2]


@pytest.mark.browser
def test_two_classes_and_their_difference_add_up(show):
    page = show("this-rather-than-that", 390)
    found = by_name(explorables.stored("this-rather-than-that")["classes"])
    for one, other in [("Egyptian cat", "bull mastiff"), ("tabby", "tiger cat")]:
        page.get_by_label("This class").select_option(one)
        page.get_by_label("Rather than that").select_option(other)
        printed = table_of(page)
        *items, logit = [[number(cell) for cell in printed[key]] for key in list(printed)[1:]]
        np.testing.assert_allclose(np.sum(items, axis=0), logit, atol=1e-9)
        assert logit[:2] == [found[one]["logit"] / 1000, found[other]["logit"] / 1000]
        assert logit[2] == pytest.approx(logit[0] - logit[1])
    colours = (
        "() => document.querySelectorAll('canvas')[2].getContext('2d').getImageData(300, 300, 1, 1).data[3]"
    )
    faint = page.evaluate(colours)
    move(page, "Strongest colour", 20, "ArrowLeft")
    assert page.evaluate(colours) > faint


@pytest.mark.browser
def test_a_common_scale_takes_the_colour_from_what_is_not_there(show):
    page = show("own-or-common-scale", 390)
    tops = np.array([max(one["map"]) for one in explorables.stored("own-or-common-scale")])
    np.testing.assert_allclose(page.evaluate(OPACITIES), 0.8, atol=0.01)
    page.get_by_label("one for all maps").check()
    np.testing.assert_allclose(page.evaluate(OPACITIES), 0.8 * tops / tops.max(), atol=0.01)
    assert not page.locator("table").is_visible()
    page.get_by_label("Show the numbers").check()
    for one, top in zip(explorables.stored("own-or-common-scale"), tops, strict=True):
        logit, rank, highest, strongest = table_of(page)[one["name"]]
        assert (number(logit), int(rank)) == (round(one["logit"], 2), one["rank"])
        assert (highest, strongest) == (f"{top:.2f}", f"{tops.max():.2f}")
    move(page, "Opacity", 20, "ArrowLeft")
    assert page.locator("canvas").first.evaluate("canvas => canvas.style.opacity") == "0"


@pytest.mark.browser
def test_the_sums_on_the_page_are_those_of_integrated_gradients(show):
    page = show("completeness", 390)
    for name in ("grey", "white"):
        page.get_by_label(name, exact=True).check()
        for steps in (10, 50, 300):
            place = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 25, 30, 50, 60, 75, 100, 150, 300].index(steps)
            page.get_by_label("Steps", exact=True).fill(str(place))
            printed = table_of(page)
            assert printed[f"from {name}"] == [f"{steps} steps"]
            assert number(printed["error of the sum"][0]) == pytest.approx(error_of(name, steps), abs=0.06)
    assert page.locator("rect").count() == 300
    page.get_by_label("Only the first tenth of the way").check()
    assert page.locator("rect").count() == 30


@pytest.mark.browser
def test_a_network_forgets_and_the_edges_stay(show):
    page = show("edge-detector", 390)
    picture = "n => document.querySelectorAll('canvas')[n].toDataURL()"
    before = [page.evaluate(picture, n) for n in range(5)]
    move(page, "Drawn anew", 10)
    after = [page.evaluate(picture, n) for n in range(5)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, False, False, False]
    stage = explorables.stored("edge-detector")["stages"][-1]["maps"]
    for name, one in stage.items():
        printed = [number(cell) for cell in table_of(page)[name]]
        np.testing.assert_allclose(printed, [one["kept"], *one["edges"]], atol=0.0051)
    move(page, "Drawn anew", 2, "ArrowLeft")
    assert table_of(page)["Grad-CAM"] == ["empty"] * 3


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "said", "shown"),
    [
        ("bill", "class=zebra&than=pug&taken=3.4&hill=500", ["taken: 2", "row 0, column 2"]),
        ("this-rather-than-that", "this=tabby&that=tiger+cat", ["0.087"]),
        ("own-or-common-scale", "scale=common&numbers=true", ["0.61"]),
        ("completeness", "from=black&steps=100&early=true", ["from black", "100 steps"]),
        ("edge-detector", "stage=4", ["0.88"]),
    ],
)
def test_the_address_brings_a_state_back(show, name, said, shown):
    page = show(name, said=said)
    text = page.locator("table").inner_text()
    assert all(words in text for words in shown), text
    changed = page.locator(".live input[type=range]").first
    changed.press("ArrowLeft")
    page.wait_for_function("said => location.hash !== said", arg=f"#explore-{name}&{said}")
    kept = page.locator(".live").inner_text()
    page.reload()
    page.wait_for_selector(".explorable.begun")
    assert page.locator(".live").inner_text() == kept
    page.get_by_role("button", name="Start again").click()
    again = page.locator(".live").inner_text()
    assert again == show(name).locator(".live").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_makes_no_sense_is_the_first_one(show, name):
    said = "class=x&than=y&hill=-1&this=x&that=&top=x&scale=x&opacity=900&numbers=x&from=x&steps=7&stage=77"
    assert show(name, said=said).locator(".live").inner_text() == show(name).locator(".live").inner_text()


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", NAMES)
def test_in_the_book_it_works_from_the_disk(book, chromium, name, width):
    context = chromium.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda failed: faults.append(failed.url))
    page.goto(f"{(book / 'chapters' / CHAPTERS[name]).as_uri()}.html#explore-{name}")
    page.wait_for_selector(f"#explore-{name}.begun .again")
    cut = "(parts) => parts.filter((part) => part.scrollWidth > part.clientWidth + 1).length"
    assert page.locator(f"#explore-{name} :is(.live, .table-frame)").evaluate_all(cut) == 0
    page.emulate_media(media="print")
    assert page.locator(f"#explore-{name} .static").is_visible()
    context.close()
    assert faults == []
