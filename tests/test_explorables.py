"""The explorables of chapters 1, 3 and 5, and what all explorables stand on."""

import base64
import json
import re
import shutil
import urllib.parse
import xml.etree.ElementTree as ET

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from torch import nn
from torch.nn import functional as F

from claims.ch01 import mark, sheet
from helpers import digits, grad_cam, load_classifier, load_image
from tools import drawings, execute, explorables

LIVE = explorables.STATIC / "live"
NAMES = {"kernel": 3, "receptive-field": 3, "batch-norm": 5, "corner-mark": 1}
PHONE = 358  # CSS pixels that a figure is wide on a phone of 390
SVG = "{http://www.w3.org/2000/svg}"
WIDTHS, THEMES = (390, 1280), ("light", "dark")


def printed(chapter):
    """What the cells of a chapter print, in one text."""
    (path,) = (path for path in execute.CHAPTERS if path.name.startswith(f"{chapter:02d}_"))
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def singles(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def each_bytes(text):
    return np.frombuffer(base64.b64decode(text), np.uint8).astype(int)


# ---- What is stored is what the code computes


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_stored_figures_are_what_the_code_draws(name):
    stored = (explorables.STATIC / "explorables" / f"{name}.svg").read_text(encoding="utf-8")
    assert stored == explorables.FIGURES[name](), "run `make explorables`"


@pytest.mark.parametrize("name", ["kernel", "batch-norm"])
def test_the_stored_settings_are_those_of_the_code(name):
    stored = (LIVE / "data" / f"{name}.js").read_text(encoding="utf-8")
    assert stored == explorables.script(name, explorables.DATA[name]())


def test_the_stored_fields_are_what_the_code_computes():
    stored, now = explorables.stored("receptive-field"), explorables.receptive_fields()
    assert stored.keys() == now.keys()
    for one, other in zip(stored["layers"], now["layers"], strict=True):
        for kept, made in zip(one.pop("places"), other.pop("places"), strict=True):
            apart = np.abs(each_bytes(kept.pop("cells")) - each_bytes(made.pop("cells")))
            assert apart.max() <= 3
            assert kept == json.loads(json.dumps(made))
        assert one == other


def test_the_stored_networks_are_what_training_gives():
    stored, now = explorables.stored("corner-mark"), explorables.corner_mark()
    assert stored["digits"] == now["digits"]
    assert stored["top"] == pytest.approx(now["top"], abs=1e-3)
    for name, network in stored["networks"].items():
        made = now["networks"][name]
        assert network["label"] == made["label"]
        np.testing.assert_allclose(singles(network["weights"]), singles(made["weights"]), atol=2e-3)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_explorable_is_small(name):
    files = [LIVE / "base.js", LIVE / "explorables.css", LIVE / "explorables" / f"{name}.js"]
    files.append(LIVE / "data" / f"{name}.js")
    assert sum(path.stat().st_size for path in files) < 100_000
    assert files[0].stat().st_size <= 12_000


# ---- The numbers are the chapter's


def test_the_picture_and_the_kernel_are_the_chapters():
    data = explorables.kernel()
    text = printed(3)
    picture = torch.tensor(data["pictures"]["edge"]["pixels"]).float()
    weights = torch.tensor(data["kernels"]["vertical"]["weights"]).float().reshape(3, 3)
    assert f"{picture}\n{weights}\n" in text
    assert f"\n{F.conv2d(picture[None, None], weights[None, None])[0, 0]}\n" in text


def test_fields_and_halves_are_the_chapters():
    layers = explorables.stored("receptive-field")["layers"]
    told = re.findall(r"(\S+) +can see +(\d+) pixels a side, half of its influence within +(\d+)", printed(3))
    found = [(layer["name"], str(layer["field"]), str(layer["places"][4]["half"])) for layer in layers]
    assert found == told
    assert len(told) == 5


def test_the_fields_begin_where_the_chapter_finds_them():
    last = explorables.stored("receptive-field")["layers"][-1]
    (middle,) = re.findall(r"middle of the field ([\d.]+)", printed(3))
    assert last["start"] + 14 * last["distance"] + (last["field"] - 1) / 2 == float(middle)


@pytest.mark.parametrize("name", ["bn1", "blocks.1", "blocks.2", "blocks.4"])
def test_no_pixel_outside_of_a_field_has_influence_and_its_rim_has(name):
    """In a network in which nothing can cancel, as in the chapter."""
    (layer,) = (one for one in explorables.stored("receptive-field")["layers"] if one["name"] == name)
    model = load_classifier(weights=None).model
    for part in model.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.constant_(part.weight, 1 / part.weight[0].numel())
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
            nn.init.ones_(part.weight)
            nn.init.zeros_(part.bias)
            part.act = nn.Identity()
    x, kept = torch.zeros(1, 3, 224, 224, requires_grad=True), []
    handle = model.get_submodule(name).register_forward_hook(lambda m, i, o: kept.append(o))
    model(x)
    handle.remove()
    for place in (layer["places"][k]["place"] for k in (0, 4, 8)):
        (gradient,) = torch.autograd.grad(kept[0][0, 0][tuple(place)], x, retain_graph=True)
        seen = gradient[0].sum(dim=0)
        for axis, at in enumerate(place):
            hit = seen.sum(dim=1 - axis).nonzero().flatten()
            start = layer["start"] + layer["distance"] * at
            assert (hit.min(), hit.max()) == (max(start, 0), min(start + layer["field"], 224) - 1)


@pytest.fixture(scope="module")
def networks():
    stored = explorables.stored("corner-mark")["networks"]
    return {name: explorables.network(network["weights"]) for name, network in stored.items()}


def shares(text, form):
    return [float(share) for share in re.findall(form, text)]


def test_the_stored_networks_give_the_chapters_numbers(networks):
    text, data = printed(1), digits()
    valid, even = sheet(data.test_images).double(), data.test_labels % 2 == 0

    @torch.no_grad()
    def right(name, images, truth):
        return 100 * ((networks[name](images).argmax(dim=1) == 1) == truth).double().mean().item()

    for name, plain, marked in re.findall(r"(cheat|repaired) +no marks +(\d+)% +all marked +(\d+)%", text):
        assert right(name, valid, even) == pytest.approx(float(plain), abs=0.51)
        assert right(name, mark(valid), even) == pytest.approx(float(marked), abs=0.51)
    odd, corner = valid[~even], slice(-2, None)
    turned = [right("cheat", images, True) for images in (odd, mark(odd), mark(odd, corner))]
    told = shares(text, r"odd digits, .* ([\d.]+)% called even")
    assert turned == pytest.approx(told, abs=0.051)
    evens = mark(valid[even])
    for name, share in zip(("cheat", "repaired"), shares(text, r"(\d+)% (?:before|after)"), strict=True):
        maps = grad_cam(networks[name], networks[name][5], evens, target=1)
        held = 100 * (maps[:, :5, :5].sum(dim=(1, 2)) / maps.sum(dim=(1, 2))).mean().item()
        assert held == pytest.approx(share, abs=0.51)


# ---- Colours and static figures


def hexes(text):
    return np.array([[int(text[k + j : k + j + 2], 16) for j in (0, 2, 4)] for k in range(0, len(text), 6)])


@pytest.mark.parametrize("name", ["inferno", "plasma"])
def test_the_palettes_are_matplotlibs(name):
    script = (LIVE / "base.js").read_text(encoding="utf-8")
    (lines,) = re.findall(rf'{name}: ("[^,]+),', script)
    stops = hexes("".join(re.findall("[0-9a-f]{6,}", lines)))
    assert len(stops) <= 32
    shares = np.linspace(0, 1, 256)
    mixed = [np.interp(shares, np.linspace(0, 1, len(stops)), stops[:, part]) for part in range(3)]
    exact = 255 * mpl.colormaps[name](np.arange(256))[:, :3]
    assert np.abs(np.stack(mixed, axis=1) - exact).max() < 4


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_static_figure_names_itself_and_can_be_read_on_a_phone(name):
    root = ET.parse(explorables.STATIC / "explorables" / f"{name}.svg").getroot()
    assert root.get("role") == "img"
    assert len(root.findtext(f"{SVG}title")) > 20
    assert len(root.findtext(f"{SVG}desc")) > 80
    width, height = (float(number) for number in root.get("viewBox").split()[2:])
    assert width == drawings.WIDTH
    sizes = [float(text.get("font-size")) for text in root.iter(f"{SVG}text")]
    assert min(sizes) * PHONE / width >= 9
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(key)) for key in ("x", "y", "width", "height"))
        assert x >= 0 <= y
        assert x + w <= width
        assert y + h <= height


# ---- In the browser, each on a page of its own

PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<title>{name}</title><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="book.css">
<link rel="stylesheet" href="live/explorables.css"><style>
html {{ --pst-color-border: #d1d5da; --pst-color-text-muted: #48566b; --pst-color-background: #fff;
  --pst-color-text-base: #222832; --pst-color-surface: #f3f4f5; }}
html[data-theme="dark"] {{ --pst-color-border: #48566b; --pst-color-text-muted: #9ca4af;
  --pst-color-background: #14181e; --pst-color-text-base: #ced6dd; --pst-color-surface: #222832; }}
body {{ background: var(--pst-color-background); color: var(--pst-color-text-base); font: 16px sans-serif;
  max-width: 704px; margin: 16px; }}
figure {{ margin: 0; }} *, ::before {{ box-sizing: border-box; }}
.visually-hidden {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }}
</style></head><body><main><h1>{name}</h1><div class="bd-article">
<figure class="explorable" id="explore-{name}" data-name="{name}"><div class="static">
<img src="explorables/{name}.svg" alt="The static figure." width="300"></div>
<figcaption><p>Try it.</p></figcaption></figure></div></main>
<script defer src="live/base.js"></script><script defer src="live/data/{name}.js"></script>
<script defer src="live/explorables/{name}.js"></script></body></html>"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The files of the explorables, a page for each in both themes, and the photo that the build adds."""
    at = tmp_path_factory.mktemp("explorables")
    shutil.copytree(LIVE, at / "live")
    shutil.copytree(explorables.STATIC / "explorables", at / "explorables")
    shutil.copy(explorables.STATIC / "book.css", at)
    (at / "live" / "photos").mkdir()
    load_image("mastiff").resize((224, 224)).save(at / "live" / "photos" / "mastiff-grey.webp")
    for name in NAMES:
        for theme in THEMES:
            text = PAGE.format(name=name, theme=theme)
            (at / f"{name}-{theme}.html").write_text(text, encoding="utf-8")
    return at


@pytest.fixture
def shown(folder, chromium):
    """Open an explorable; no script may fail, and every file must be there."""
    contexts, faults = [], []

    def show(name, width=1280, theme="light", hash_="", **more):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: said.type == "error" and faults.append(said.text))
        page.goto(f"{folder.as_uri()}/{name}-{theme}.html{hash_}", wait_until="load")
        if more.get("java_script_enabled", True):
            page.wait_for_selector(".explorable.begun .again")
        return page

    yield show
    for context in contexts:
        context.close()
    assert faults == []


everywhere = [
    pytest.mark.browser,
    pytest.mark.parametrize("theme", THEMES),
    pytest.mark.parametrize("width", WIDTHS),
    pytest.mark.parametrize("name", sorted(NAMES)),
]


def on_every_screen(test):
    for one in everywhere:
        test = one(test)
    return test


@on_every_screen
def test_axe_finds_nothing_and_nothing_is_cut(shown, name, width, theme):
    page = shown(name, width, theme)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(broken["id"], broken["nodes"][0]["html"]) for broken in violations] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "(frames) => frames.filter((one) => one.scrollWidth > one.clientWidth + 1).length"
    assert page.locator(".table-frame").evaluate_all(cut) == 0


@pytest.mark.browser
@pytest.mark.parametrize("name", sorted(NAMES))
def test_it_fits_on_the_narrowest_phone(shown, name):
    page = shown(name, 320)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    small = """[...document.querySelectorAll('.live :is(input, button, select, [tabindex="0"])')]
      .filter((one) => one.checkVisibility() && Math.min(one.offsetWidth, one.offsetHeight) < 20).length"""
    assert page.evaluate(small) == 0
    letters = """[...document.querySelectorAll('.live svg text')].map((text) =>
      parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a)"""
    assert min(page.evaluate(letters), default=12) >= 12


@pytest.mark.browser
@pytest.mark.parametrize("name", sorted(NAMES))
def test_without_scripts_and_on_paper_the_static_figure_is_seen(shown, name):
    bare = shown(name, java_script_enabled=False)
    assert bare.locator(".static img").is_visible()
    page = shown(name)
    still, live = page.locator(".static img"), page.locator(".live")
    assert (still.is_visible(), live.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (still.is_visible(), live.is_visible()) == (True, False)


@pytest.mark.browser
def test_an_explorable_begins_when_it_comes_near(shown, folder):
    far = PAGE.format(name="kernel", theme="light").replace("<h1>", '<h1 style="height: 5000px">')
    (folder / "far-light.html").write_text(far, encoding="utf-8")
    page = shown("kernel")
    page.goto(f"{folder.as_uri()}/far-light.html", wait_until="load")
    page.wait_for_timeout(300)
    assert page.locator(".begun").count() == 0
    page.locator("figcaption").scroll_into_view_if_needed()
    page.wait_for_selector(".begun")
    page.goto("about:blank")
    page.goto(f"{folder.as_uri()}/far-light.html#explore-kernel&padding=1")
    page.wait_for_function("scrollY > 4000")
    assert page.get_by_label("Padding").input_value() == "1"


def address_of(page):
    page.wait_for_timeout(300)
    return dict(urllib.parse.parse_qsl(page.evaluate("location.hash.slice(1)"), keep_blank_values=True))


STATES = {
    "kernel": "&padding=1&stride=2&row=1&column=2&picture=square&weights=0%2C1%2C0%2C1%2C-4%2C1%2C0%2C1%2C0",
    "receptive-field": "&layer=blocks.4&place=8&measured=false",
    "batch-norm": "&x1=2.5&shift=-1&spread=1.5&gamma=2&beta=3&passes=3&mean=0.5&variance=1.25&eps=0.1",
    "corner-mark": "&digit=7&network=repaired&row=3&column=9&mark=false",
}
WRONG = {
    "kernel": "&padding=7&stride=x&row=-1&column=1.5&picture=toString&weights=1%2C2",
    "receptive-field": "&layer=blocks.9&place=9&measured=",
    "batch-norm": "&x1=900&shift=&spread=NaN&gamma=-1&beta=1e9&passes=0.5&variance=-1&eps=3",
    "corner-mark": "&digit=10&network=constructor&row=11&column=%F0",
}


def whole(page):
    """Everything that an explorable shows, in one text."""
    values = (
        "[...document.querySelectorAll('.live input, .live select')].map((one) => one.value + one.checked)"
    )
    return page.locator(".live").inner_text(), page.evaluate(values)


@pytest.mark.browser
@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_address_restores_the_state_and_ignores_what_is_wrong(shown, name):
    fresh, restored = (shown(name, hash_=f"#explore-{name}{state}") for state in ("", STATES[name]))
    first = whole(fresh)
    assert whole(restored) != first
    restored.get_by_role("button", name="Start again").click()
    assert whole(restored) == first
    assert address_of(restored) == {f"explore-{name}": ""}
    assert restored.evaluate("document.activeElement.className") == "again"
    restored.evaluate("(state) => { location.hash = state; }", f"explore-{name}{STATES[name]}")
    restored.wait_for_timeout(100)
    assert whole(restored) != first
    if name != "receptive-field":
        assert whole(shown(name, hash_=f"#explore-{name}{WRONG[name]}")) == first
    else:  # what is neither true nor false is false
        assert whole(shown(name, hash_=f"#explore-{name}&layer=blocks.9&place=9")) == first


@pytest.mark.browser
def test_what_changes_is_read_aloud_once_the_reader_rests(shown):
    page = shown("kernel")
    heard = page.get_by_role("status")
    assert heard.inner_text() == ""
    for _ in range(2):
        page.get_by_label("Padding").press("ArrowRight")
    assert heard.inner_text() == ""
    page.wait_for_timeout(900)
    assert heard.inner_text() == page.locator(".readout").inner_text() != ""


# ---- Kernel

DRIVE = """([picture, kernel, stride, padding, dilation]) => {
  const set = (input, value) => { input.value = value; input.dispatchEvent(new Event("input")); };
  for (const value of [picture, kernel]) document.querySelector(`.live input[value="${value}"]`).click();
  const sliders = document.querySelectorAll("input[type=range]");
  [stride, padding, dilation].forEach((value, k) => set(sliders[k], value));
  const rows = [...document.querySelectorAll(".places tr")];
  return rows.map((row) => [...row.cells].map((cell) => cell.textContent));
}"""


def as_numbers(texts):
    return torch.tensor([[float(text.replace("−", "-")) for text in row] for row in texts])


def convolved(picture, weights, stride, padding, dilation):
    weights = torch.tensor(weights).float().reshape(1, 1, 3, 3)
    picture = torch.tensor(picture).float()[None, None]
    return F.conv2d(picture, weights, stride=stride, padding=padding, dilation=dilation)[0, 0]


@pytest.mark.browser
def test_every_result_is_torchs(shown):
    page, data = shown("kernel"), explorables.kernel()
    for picture, one in data["pictures"].items():
        for kernel, other in data["kernels"].items():
            for stride, padding, dilation in np.ndindex(3, 3, 2):
                how = (stride + 1, padding, dilation + 1)
                seen = as_numbers(page.evaluate(DRIVE, [picture, kernel, *how]))
                expected = convolved(one["pixels"], other["weights"], *how)
                assert torch.equal(seen, expected), (picture, kernel, how)
                assert page.locator(".size").inner_text().endswith(f"= {len(expected)}")


@pytest.mark.browser
def test_the_nine_products_add_up_wherever_the_arrows_lead(shown):
    page = shown("kernel", hash_="#explore-kernel&padding=1")
    page.locator(".places td").first.focus()
    for key in ["ArrowRight"] * 5 + ["ArrowDown", "ArrowLeft", "ArrowDown", "ArrowUp"] * 2:
        page.keyboard.press(key)
        chosen = page.locator("[aria-selected=true]")
        assert chosen.evaluate("cell => cell === document.activeElement")
        rows = page.locator("table.numbers tr").all_inner_texts()
        factors = re.findall(r"\(?([−\d]+)\)?·(\d+)", " ".join(rows))
        products = [int(weight.replace("−", "-")) * int(pixel) for weight, pixel in factors]
        assert len(products) == 9
        assert sum(products) == int(chosen.inner_text().replace("−", "-"))
        assert int(rows[-1].split()[-1].replace("−", "-")) == sum(products)
    assert address_of(page)["row"] == "2"


@pytest.mark.browser
def test_a_kernel_can_be_typed(shown):
    page, weights = shown("kernel"), [0, 1, 0, 1, -4, 1, 0, 1, 0]
    for field, weight in zip(page.get_by_role("spinbutton").all(), weights, strict=True):
        field.fill(str(weight))
    seen = as_numbers([row.split("\t") for row in page.locator(".places tr").all_inner_texts()])
    assert torch.equal(seen, convolved(explorables.EDGE, weights, 1, 0, 1))
    assert page.locator("input[type=radio]:checked").count() == 1  # the picture; no kernel of the list
    page.get_by_role("spinbutton").first.fill("40")  # out of range: the last valid kernel stays
    assert torch.equal(
        as_numbers([row.split("\t") for row in page.locator(".places tr").all_inner_texts()]), seen
    )


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("touch", [False, True])
def test_a_place_of_the_result_is_chosen_by_mouse_and_by_touch(shown, width, touch):
    page = shown("kernel", width, has_touch=touch)
    cell = page.locator(".places td").nth(5)
    cell.tap() if touch else cell.click()
    assert page.locator(".readout").inner_text().endswith("row 2, column 3 is 0.")
    middles = "rects => rects.map((one) => [one.x.baseVal.value, one.y.baseVal.value])"
    window = page.locator("svg .window").evaluate_all(middles)
    pixels = page.locator("svg .pixel").evaluate_all(middles)
    x, y = pixels[5 * 1 + 2]  # the window's first pixel: row 2, column 3 of the picture
    assert window[0] == [x + 2, y + 2]


# ---- Receptive field


@pytest.mark.browser
def test_each_layer_shows_its_squares(shown):
    page, data = shown("receptive-field", hash_="#explore-receptive-field&layer=bn1"), None
    data = explorables.stored("receptive-field")
    for number, layer in enumerate(data["layers"]):
        if number:
            page.get_by_label("Layer").press("ArrowRight")
        for k, place in enumerate(layer["places"]):
            page.get_by_label("Place", exact=True).select_option(str(k))
            at = "([one]) => ['x', 'y', 'width', 'height'].map((key) => one[key].baseVal.value)"
            x, y, w, h = page.locator("svg .field:not(.under)").evaluate_all(at)
            top, left = (layer["start"] + layer["distance"] * one for one in place["place"])
            assert (x, y) == (max(left, 0), max(top, 0))
            assert (x + w, y + h) == tuple(min(one + layer["field"], 224) for one in (left, top))
            cells = page.locator("table.numbers tbody td").all_inner_texts()
            assert cells[::2] == [str(layer["distance"]), str(layer["field"]), str(place["half"])]
            assert cells[3] == f"{w:.0f} × {h:.0f}"


@pytest.mark.browser
def test_the_influence_lies_where_it_was_measured(shown):
    """Its centre, read off the canvas, is that of the measured influence's root, to about a cell."""
    data = explorables.stored("receptive-field")
    opacity = """canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
      .filter((_, k) => k % 4 === 3)"""
    for name, k in [("bn2", 0), ("blocks.4", 8), ("blocks.2", 1)]:
        (layer,) = (one for one in data["layers"] if one["name"] == name)
        page = shown("receptive-field", hash_=f"#explore-receptive-field&layer={name}&place={k}")
        drawn = np.array(page.locator("canvas").evaluate(opacity), float).reshape(672, 672)
        place = layer["places"][k]
        cells = each_bytes(place["cells"]).reshape(32, 32)
        for axis, corner in enumerate((place["top"], place["left"])):
            middle = (drawn.sum(axis=1 - axis) * (np.arange(672) + 0.5)).sum() / drawn.sum() / 3
            expected = (cells.sum(axis=1 - axis) * (np.arange(32) + 0.5)).sum() / cells.sum()
            assert middle == pytest.approx(corner + layer["cell"] * expected, abs=layer["cell"] / 2)


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("touch", [False, True])
def test_a_place_of_the_photo_is_chosen_by_mouse_and_by_touch(shown, width, touch):
    page = shown("receptive-field", width, has_touch=touch)
    desk = page.locator(".laid")
    (desk.tap if touch else desk.click)(position={"x": 10, "y": desk.bounding_box()["height"] - 10})
    assert page.get_by_label("Place", exact=True).input_value() == "6"
    assert page.locator(".readout").inner_text().startswith("The bottom left place of blocks.2")
    toggle = page.get_by_label("Show what it looks at")
    toggle.tap() if touch else toggle.click()
    assert page.locator("svg .half").count() == 0


# ---- Batch normalisation


def table(page, caption):
    rows = page.locator("table.numbers", has_text=caption).locator("tbody tr")
    numbers = [re.findall(r"−?\d+\.\d\d", text) for text in rows.all_inner_texts()]
    return [[float(number.replace("−", "-")) for number in row] for row in numbers]


@pytest.mark.browser
@pytest.mark.parametrize("seed", range(4))
def test_the_outputs_and_the_running_statistics_are_torchs(shown, seed):
    lot = np.random.default_rng(seed)
    page = shown("batch-norm")
    page.locator("summary").click()
    gamma, beta, momentum = lot.integers(1, 21) / 10, lot.integers(-8, 21) / 2, lot.integers(1, 20) / 20
    eps = float(lot.choice([1e-5, 0.1, 1.0]))
    layer = nn.BatchNorm1d(1, eps=eps, momentum=momentum).double()
    nn.init.constant_(layer.weight, gamma)
    nn.init.constant_(layer.bias, beta)
    for label, value in [("γ", gamma), ("β", beta), ("momentum", momentum)]:
        page.get_by_label(label, exact=True).fill(str(value))
    page.locator(f"input[type=radio][value='{eps:g}'], input[type=radio][value='{eps:.5f}']").first.check()
    for count in (1, 10, 1):
        numbers, shift, spread = lot.integers(0, 17, 4) / 2, lot.integers(-8, 9) / 2, lot.integers(1, 21) / 10
        for k, number in enumerate(numbers):
            page.get_by_label(f"Picture {k + 1}").fill(str(number))
        page.get_by_label("Add to all").fill(str(shift))
        page.get_by_label("Multiply all by").fill(str(spread))
        x = torch.tensor(spread * numbers + shift)[:, None]
        page.get_by_role("button", name="Pass 10" if count == 10 else "Pass once").click()
        with torch.no_grad():
            train = [layer.train()(x) for _ in range(count)][-1].flatten()
            evaluated = layer.eval()(x).flatten()
        expected = [x.flatten().tolist(), train.tolist(), evaluated.tolist()]
        np.testing.assert_allclose(table(page, "One number"), expected, atol=0.00501)
        running = [layer.running_mean.item(), layer.running_var.item()]
        batch = [[x.mean(), x.var(correction=correction)] for correction in (0, 1)]
        np.testing.assert_allclose(table(page, "Statistics"), [*batch, running], atol=0.00501)


@pytest.mark.browser
def test_the_first_view_is_the_chapters_example(shown):
    page, text = shown("batch-norm"), printed(5)
    assert "normalised [-1.0, -1.0, 1.0, 1.0]" in text
    assert table(page, "One number") == [[1, 1, 3, 3], [-1, -1, 1, 1], [1, 1, 3, 3]]
    page.get_by_label("Picture 4").fill("7")
    (told,) = re.findall(r"\n\[(-0.82, .*)\]", text)
    assert table(page, "One number")[1] == [float(number) for number in told.split(", ")]


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("touch", [False, True])
def test_a_number_moves_by_keyboard_mouse_and_touch(shown, width, touch):
    page = shown("batch-norm", width, has_touch=touch)
    slider = page.get_by_label("Picture 1")
    slider.press("ArrowRight")
    assert table(page, "One number")[0][0] == 1.5
    box = slider.bounding_box()
    (slider.tap if touch else slider.click)(position={"x": box["width"] - 2, "y": box["height"] / 2})
    assert table(page, "One number")[0][0] == 8
    dot = "(dots) => dots.map((one) => one.cx.baseVal.value)"
    places = page.locator("svg circle").evaluate_all(dot)
    assert max(places[:4]) == places[0]
    assert address_of(page)["x1"] == "8"


# ---- Corner mark


def expected_of(networks, name, digit, place):
    pixels = explorables.stored("corner-mark")["digits"][digit]
    image = sheet(torch.tensor(pixels).double().reshape(1, 1, 8, 8) / 16)
    if place is not None:
        row, column = place
        image[:, :, row : row + 2, column : column + 2] = 1
    with torch.no_grad():
        even = networks[name](image).softmax(dim=1)[0, 1].item()
    return even, grad_cam(networks[name], networks[name][5], image, target=1)[0]


PIXELS = """canvas => [...Array(144).keys()].map((k) => {
  const [x, y] = [k % 12, Math.floor(k / 12)].map((at) => Math.round((at + 0.5) * canvas.width / 12));
  return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data].slice(0, 3);
})"""


@pytest.mark.browser
@pytest.mark.parametrize("name", ["cheat", "repaired"])
def test_answers_and_maps_are_torchs(shown, networks, name):
    lot, top = np.random.default_rng(0), explorables.stored("corner-mark")["top"]
    cases = [(3, (0, 0)), (3, None), (8, (0, 0))]
    cases += [(int(lot.integers(10)), tuple(map(int, lot.integers(0, 11, 2)))) for _ in range(12)]
    for digit, place in cases:
        where = f"&row={place[0]}&column={place[1]}" if place else "&mark=false"
        page = shown("corner-mark", hash_=f"#explore-corner-mark&network={name}&digit={digit}{where}")
        even, cam = expected_of(networks, name, digit, place)
        (told,) = re.findall(
            r"the probability of “even” is ([\d.]+\d)", page.locator(".readout").inner_text()
        )
        assert float(told) == pytest.approx(even, abs=0.00501)
        assert (
            f"calls this {digit} {'even' if even > 0.5 else 'odd'}" in page.locator(".readout").inner_text()
        )
        colours = np.array(page.locator("canvas").last.evaluate(PIXELS)).reshape(12, 12, 3)
        exact = 255 * mpl.colormaps["inferno"]((cam / top).clamp(0, 1).numpy())[..., :3]
        assert np.abs(colours - exact).max() < 7  # the colours between two stops, and 256 steps


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("theme", THEMES)
def test_the_mark_moves_by_the_arrow_keys(shown, networks, width, theme):
    page = shown("corner-mark", width, theme)
    handle = page.get_by_role("slider", name="The mark")
    handle.focus()
    for key in ("ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert handle.get_attribute("aria-valuetext") == "row 2, column 3"
    even, _ = expected_of(networks, "cheat", 3, (1, 2))
    assert f"“even” is {even:.2f}" in page.locator(".readout").inner_text()
    assert (address_of(page)["row"], address_of(page)["column"]) == ("1", "2")


def middle_of(page, row, column):
    box = page.locator(".laid").bounding_box()
    return box["x"] + (column + 1) * box["width"] / 12, box["y"] + (row + 1) * box["height"] / 12


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("touch", [False, True])
def test_the_mark_is_dragged_by_mouse_and_by_touch(shown, width, touch):
    page = shown("corner-mark", width, has_touch=touch)
    page.locator(".laid").scroll_into_view_if_needed()
    way = [middle_of(page, *place) for place in ((0, 0), (3, 2), (10, 10))]
    if touch:
        client = page.context.new_cdp_session(page)
        for kind, points in [
            ("touchStart", way[:1]),
            *(("touchMove", [at]) for at in way[1:]),
            ("touchEnd", []),
        ]:
            touches = [{"x": x, "y": y} for x, y in points]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    else:
        page.mouse.move(*way[0])
        page.mouse.down()
        for at in way[1:]:
            page.mouse.move(*at)
        page.mouse.up()
    handle = page.get_by_role("slider", name="The mark")
    assert handle.get_attribute("aria-valuetext") == "row 11, column 11"
    page.mouse.move(*middle_of(page, 0, 0))  # let go: it stays
    assert handle.get_attribute("aria-valuetext") == "row 11, column 11"
    box, desk = handle.bounding_box(), page.locator(".laid").bounding_box()
    assert box["x"] + box["width"] == pytest.approx(desk["x"] + desk["width"], abs=1)


# ---- In the book


@pytest.mark.browser
def test_its_page_and_no_other_loads_the_scripts_of_an_explorable(book):
    pages = {path.name: path.read_text(encoding="utf-8") for path in (book / "chapters").glob("*.html")}
    for name, chapter in NAMES.items():
        holding = [page for page, text in pages.items() if f"live/explorables/{name}.js" in text]
        assert [int(page[:2]) for page in holding] == [chapter]
        assert f'id="explore-{name}"' in pages[holding[0]]
        assert re.search(rf'<script defer="defer" src="[^"]*live/explorables/{name}\.js', pages[holding[0]])
    assert "live/" not in "".join(re.findall("<script[^>]*>", pages["02_image_classifier.html"]))


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_in_the_book_it_works_from_the_disk(book, chromium, name, width):
    (path,) = (book / "chapters").glob(f"{NAMES[name]:02d}_*.html")
    context = chromium.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda failed: faults.append(failed.url))
    page.goto(f"{path.as_uri()}#explore-{name}{STATES[name]}")
    page.wait_for_selector(f"#explore-{name}.begun .again")
    page.wait_for_timeout(500)
    top = page.locator(f"#explore-{name}").bounding_box()["y"]
    assert 0 <= top < 200
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.emulate_media(media="print")
    page.locator(f"#explore-{name} .static img").wait_for(state="visible")
    context.close()
    assert faults == []
