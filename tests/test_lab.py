"""The live lab: what it computes against torch and `helpers`, and what a reader does, on the page itself."""

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import torch
import websocket
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from helpers import grad_cam, load_classifier, load_image, upsample

pytestmark = pytest.mark.browser

LIVE = Path(__file__).parents[1] / "_static" / "live"
PURE = ("base", "square", "bill", "beat", "report")
SIDE = 224


@pytest.fixture(scope="module")
def pure(chromium):
    """An empty page with the functions that need no network."""
    page = chromium.new_page()
    for name in PURE:
        page.add_script_tag(path=LIVE / f"{name}.js")
    yield page
    page.close()


def numbers(found):
    """A typed array as it comes from the page."""
    return np.array(list(found.values()) if isinstance(found, dict) else found, dtype=np.float64)


def noise(seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def sent(pixels):
    """Bytes as a page can read them quickly."""
    return base64.b64encode(pixels.tobytes()).decode()


READ = "const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));"


# ---- What it computes


@pytest.mark.parametrize("digits", [1, 2, 4])
def test_printed_parts_add_up_to_the_printed_sum(pure, digits):
    draw = np.random.default_rng(digits)
    for size in (2, 3, 50):
        parts = draw.normal(scale=3, size=size)
        found = pure.evaluate("([parts, digits]) => Live.addingUp(parts, digits)", [parts.tolist(), digits])
        assert round(sum(found["parts"]), digits) == found["sum"]
        assert found["sum"] == pytest.approx(parts.sum(), abs=0.5001 * 10**-digits)
        assert np.abs(np.array(found["parts"]) - parts).max() < 10**-digits


def test_probabilities_are_torchs(pure):
    logits = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    found = numbers(pure.evaluate("(logits) => [...Live.softmax(logits)]", logits.tolist()))
    np.testing.assert_allclose(found, logits.softmax(dim=0).numpy(), atol=1e-12)
    assert pure.evaluate("Live.largest([1, 3, 3, 0], 3)") == [1, 2, 0]


@pytest.mark.parametrize(("height", "width"), [(7, 7), (224, 224), (50, 300), (3, 5)])
def test_a_map_is_enlarged_as_helpers_does_it(pure, height, width):
    cam = torch.rand(7, 7, generator=torch.Generator().manual_seed(1))
    found = pure.evaluate(
        "([map, width, height]) => [...Live.enlarged(map, width, height, true)]",
        [cam.flatten().tolist(), width, height],
    )
    wanted = upsample(cam, (height, width)).flatten().numpy()
    np.testing.assert_allclose(numbers(found), wanted, atol=1e-5)


def test_the_49_places_stay_squares(pure):
    found = pure.evaluate("[...Live.enlarged([...Array(49).keys()], 14, 21, false)]")
    assert np.array_equal(
        numbers(found).reshape(21, 14), np.arange(49).reshape(7, 7).repeat(3, 0).repeat(2, 1)
    )


def test_the_hill_is_that_of_chapter_6(pure):
    hill = torch.zeros(7, 7)
    hill[4:, 4:] = 40
    assert pure.evaluate("[...Live.hill(40)]") == hill.flatten().tolist()


def test_the_highest_part_has_a_name(pure):
    names = pure.evaluate(
        "[0, 3, 6, 24, 45].map((place) => Live.region([...Array(49).keys()].map((n) => Number(n === place))))"
    )
    assert names == ["upper left", "top", "upper right", "middle", "bottom"]


def test_a_stroke_is_a_row_of_discs(pure):
    found = pure.evaluate("[...Live.painted([{ radius: 10, points: [50, 60, 90, 60] }])]")
    rows, columns = np.mgrid[:SIDE, :SIDE]
    within = np.hypot(columns - np.clip(columns, 50, 90), rows - 60)
    cover = np.array(found).reshape(SIDE, SIDE)
    assert (cover[within <= 9] == 1).all()
    assert (cover[within > 10] == 0).all()
    assert pure.evaluate("Live.area(Live.painted([]))") == 0


def test_places_are_covered_whole(pure):
    cover = np.array(pure.evaluate("[...Live.ofPlaces([0, 48])]")).reshape(SIDE, SIDE)
    assert cover[:32, :32].all()
    assert cover[192:, 192:].all()
    assert cover.sum() == 2 * 32 * 32


def test_soft_edges_keep_the_area_and_fade_over_eight_pixels(pure):
    hard = np.zeros((SIDE, SIDE), dtype=np.float32)
    hard[100:140, 80:150] = 1
    soft = np.array(
        pure.evaluate("(cover) => [...Live.softened(Float32Array.from(cover))]", hard.ravel().tolist())
    )
    soft = soft.reshape(SIDE, SIDE)
    assert soft.sum() == pytest.approx(hard.sum(), rel=1e-4)
    assert soft[120, 80] + soft[120, 79] == pytest.approx(1, abs=1e-4)
    assert (np.diff(soft[120, 60:110]) >= -1e-6).all()


FILLED = f"""([photo, cover, name]) => {{
  {READ}
  const [pixels, plane] = [bytes(photo), Float32Array.from(cover)];
  return [...Live.covered(pixels, plane, Live.fill(name, pixels, plane))];
}}"""


def filled(pure, pixels, cover, name):
    return np.array(pure.evaluate(FILLED, [sent(pixels), cover.ravel().tolist(), name])).reshape(
        SIDE, SIDE, 3
    )


@pytest.mark.parametrize("name", ["grey", "surroundings", "blur", "noise", "black", "white"])
def test_a_fill_stands_under_the_cover_and_nowhere_else(pure, name):
    pixels = noise()
    pixels[:, :112] //= 2
    cover = np.zeros((SIDE, SIDE))
    cover[50:90, 20:60] = 1
    found = filled(pure, pixels, cover, name)
    assert np.array_equal(found[cover == 0], pixels[cover == 0])
    inside = found[cover == 1].astype(float)
    plain = {"grey": 128, "black": 0, "white": 255}
    if name in plain:
        assert (inside == plain[name]).all()
    elif name == "surroundings":
        near = np.zeros_like(cover)
        near[34:106, 4:76] = 1
        assert inside.std(axis=0).max() == 0
        np.testing.assert_allclose(inside[0], pixels[(near == 1) & (cover == 0)].mean(axis=0), atol=2)
    elif name == "blur":
        assert inside.std() < 10
        np.testing.assert_allclose(inside.mean(), pixels[50:90, 20:60].mean(), atol=5)
    else:
        assert 60 < inside.std() < 90
        assert np.array_equal(inside, filled(pure, 255 - pixels, cover, name)[cover == 1])


def test_half_a_cover_mixes(pure):
    pixels = noise()
    found = filled(pure, pixels, np.full((SIDE, SIDE), 0.5), "black")
    assert np.abs(found - pixels / 2).max() <= 0.5


def test_a_cover_over_everything_has_the_photo_itself_as_surroundings(pure):
    pixels = noise()
    found = filled(pure, pixels, np.ones((SIDE, SIDE)), "surroundings")
    np.testing.assert_allclose(found[0, 0], pixels.mean(axis=(0, 1)), atol=0.51)


MOVED = f"""([photo, move, tall]) => {{
  {READ}
  return [...Live.moved(bytes(photo), move, tall)];
}}"""


@pytest.mark.parametrize(
    ("angle", "across", "down", "tall"),
    [(30, 0, 0, 1), (-75, 0.1, -0.2, 0.66), (0, 0.25, 0, 2), (180, 0, 0, 1)],
)
def test_a_photo_turns_as_torch_turns_it(pure, angle, across, down, tall):
    x = torch.from_numpy(noise(2)).permute(2, 0, 1)[None].double()
    x = torch.nn.functional.avg_pool2d(x, 5, stride=1, padding=2).round()
    pixels = x[0].permute(1, 2, 0).to(torch.uint8).numpy()
    t = np.deg2rad(angle)
    turn = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    photo = np.diag([1, tall])  # the square as the photo is: as wide, and so much as tall
    theta = np.linalg.inv(photo) @ turn @ photo
    shift = -theta @ np.array([2 * across, 2 * down])
    grid = torch.nn.functional.affine_grid(
        torch.tensor(np.column_stack([theta, shift]))[None], (1, 3, SIDE, SIDE), align_corners=False
    )
    # grey where the photo ends: zero is made grey
    wanted = torch.nn.functional.grid_sample(x - 128, grid, align_corners=False)[0].permute(1, 2, 0) + 128
    move = {"angle": angle, "across": across, "down": down}
    found = np.array(pure.evaluate(MOVED, [sent(pixels), move, tall])).reshape(SIDE, SIDE, 3)
    assert np.abs(found - wanted.numpy()).max() <= 0.51


def test_a_mirror_is_numpys(pure):
    pixels = noise(3, 20)[:, :13]
    code = f"""(photo) => {{ {READ}
      return [...Live.mirrored({{ width: 13, height: 20, data: bytes(photo) }}).data]; }}"""
    found = np.array(pure.evaluate(code, sent(np.ascontiguousarray(pixels)))).reshape(20, 13, 3)
    assert np.array_equal(found, pixels[:, ::-1])


def test_lots_are_orders_of_all_places_and_repeat(pure):
    orders = pure.evaluate("[1, 2, 1].map((seed) => Live.beat.shuffled(seed))")
    assert all(sorted(order) == list(range(49)) for order in orders)
    assert orders[0] == orders[2] != orders[1]


def test_the_curves_follow_their_orders(pure):
    """Where the score is a sum over places, the occlusion map has the best order, as a perfect map has."""
    found = pure.evaluate("""async () => {
      const worth = [...Array(49).keys()].map((n) => (n * 30) % 49);
      const asked = async (places) => 1000 - places.reduce((sum, place) => sum + worth[place], 0);
      let last = [0, 1];
      const curves = await Live.beat.curves(worth, asked, (...done) => (last = done));
      return { ...curves, last };
    }""")
    best = [1000 - sum(range(48, 48 - count, -1)) for count in (0, 1, 2, 3, 5, 7, 10, 14, 20)]
    assert found["gradCam"] == found["occlusion"] == best
    assert all(a >= b for lot in found["lots"] for a, b in zip(lot, best, strict=True))
    assert found["last"][0] == found["last"][1]


def test_a_curve_is_read_between_its_steps(pure):
    scores = [9, 8, 7, 6, 4, 2, 1, 0, -2]
    found = pure.evaluate(
        "(scores) => [0, 1, 1.5, 4, 20, 44].map((places) => Live.beat.between(scores, places / 49))",
        scores,
    )
    assert found == pytest.approx([9, 8, 7.5, 5, -2, -2])


# ---- What a reader does


def lab(page, address, photo=None, state=""):
    """The lab, loaded, with a photo of the book or the first one."""
    page.goto(f"{address}#{f'photo={photo}&' if photo else ''}{state}")
    page.click("#lab-load")
    page.wait_for_selector("#lab-guesses button", timeout=60_000)
    return page


@pytest.fixture(scope="module")
def address(site):
    return f"{site[0]}chapters/live_lab.html"


@pytest.fixture(scope="module")
def file_address(book):
    return (book / "chapters" / "live_lab.html").as_uri()


def until(page, condition, given=None):
    """Wait for a condition; the page's policy forbids Playwright's own way."""
    deadline = time.monotonic() + 60
    while not page.evaluate(condition, given):
        assert time.monotonic() < deadline, f"not in a minute: {condition}, {given}"
        page.wait_for_timeout(50)


def tells(page, name, words):
    """Wait until a part of the lab holds some words."""
    until(
        page,
        "([id, words]) => document.getElementById(`lab-${id}`).textContent.includes(words)",
        [name, words],
    )


def guesses(page):
    return page.eval_on_selector_all(
        "#lab-guesses button", "all => all.map((one) => [...one.children].map((part) => part.textContent))"
    )


def settled(page, words=""):
    """Wait until the network has answered the last change; the status, which speaks once all rests."""
    page.wait_for_timeout(500)
    tells(page, "effect", words)
    return page.inner_text("#lab-status")


def choose(page, name, value):
    page.eval_on_selector_all(
        f"#lab [name={name}]",
        """(all, value) => {
          const one = all[0].type === "radio" ? all.find((box) => box.value === value) : all[0];
          if (one.type === "radio") one.click();
          else {
            one.value = value;
            one.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }""",
        value,
    )


@pytest.mark.parametrize("way", ["http", "file"])
@pytest.mark.parametrize("name", ["mastiff", "rocket"])
def test_the_lab_says_what_the_notebook_says(opened, address, file_address, way, name):
    open_page, faults = opened
    page = lab(open_page(), address if way == "http" else file_address, name)
    clf, image = load_classifier(), load_image(name)
    wanted = clf.predict(image)
    found = guesses(page)
    assert [label for label, _, _ in found] == [guess.label for guess in wanted]
    for (_, probability, logit), guess in zip(found, wanted, strict=True):
        assert float(probability) == pytest.approx(guess.probability, abs=0.0055)
        assert float(logit.replace("−", "-")) == pytest.approx(guess.logit, abs=0.065)
    cam = grad_cam(clf.model, clf.layer, clf.preprocess(image)[None], wanted[0].index)[0]
    place = int(cam.argmax())
    assert f"highest row {place // 7 + 1}, column {place % 7 + 1}" in settled(page)
    votes = page.eval_on_selector_all("#lab-all td", "all => all.map((one) => one.textContent)")
    printed = np.array([float(vote.replace("−", "-")) for vote in votes]).clip(min=0)
    np.testing.assert_allclose(printed, cam.flatten().numpy(), atol=0.011 + 0.01 * cam.max().item())
    bill = page.eval_on_selector_all("#lab-sum td", "all => all.map((one) => one.textContent)")
    parts = [round(100 * float(part.replace("−", "-").replace("+", ""))) for part in bill]
    assert sum(parts[:3]) == parts[3] == round(100 * float(found[0][2].replace("−", "-")))
    assert not [fault for fault in faults if not fault.startswith(("to: file:", "to: blob:null"))]


def test_nothing_is_fetched_before_the_click(opened, address):
    page = opened[0]()
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.goto(address, wait_until="networkidle")
    assert not [url for url in sent if "weights" in url or "/photos/" in url]
    page.click("#lab-load")
    page.wait_for_selector("#lab-guesses button", timeout=60_000)
    assert [url for url in sent if "weights" in url]
    assert page.is_visible("#lab-canvas")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_has_nothing_to_say_and_nothing_is_too_wide(opened, address, width, theme):
    open_page, faults = opened
    page = lab(open_page(width, theme), address, state="tool=paint&strokes=EAABcHA")
    settled(page, "covered")
    page.click("details:has(#lab-all) summary")
    assert not faults  # before axe asks for styles of its own
    found = Axe().run(
        page, context="article", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}
    )
    assert not [(one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate("""() => [...document.querySelectorAll(".lab :is(button, input, select, textarea)")]
      .filter((one) => one.checkVisibility() && one.type !== "hidden" && one.type !== "file")
      .map((one) => (["radio", "checkbox"].includes(one.type) ? one.closest("label") : one))
      .filter((one) => one.getBoundingClientRect().height < 24).map((one) => one.outerHTML)""")
    assert not small


def test_painting_lowers_the_score_and_undo_brings_it_back(opened, address):
    page = lab(opened[0](), address, "mastiff")
    before = guesses(page)
    page.check("[name=tool][value=paint]")
    box = page.locator("#lab-canvas").bounding_box()

    def at(x, y):
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    choose(page, "radius", 40)
    page.mouse.move(*at(0.35, 0.4))
    page.mouse.down()
    page.mouse.move(*at(0.6, 0.55), steps=12)
    page.mouse.up()
    settled(page, "covered")
    effect = page.inner_text("#lab-effect")
    assert "logit of bull mastiff goes from 10.3" in effect
    assert "(−" in effect
    strokes = parse_qs(urlsplit(page.url).fragment)["strokes"]
    assert len(strokes[0]) > 8
    page.click("#lab-undo")
    settled(page, "Nothing is covered")
    assert guesses(page) == before
    assert "strokes" not in page.url


def test_an_effect_is_the_difference_of_the_printed_numbers(opened, address):
    page = lab(opened[0](), address, "mastiff", "strokes=KAABcFA")
    for cover in ("KAABcFA", "FAABcFA", "MAABQFA", "CAABcHA"):
        page.evaluate("(hash) => { location.hash = hash; }", f"photo=mastiff&hill=30&strokes={cover}")
        page.wait_for_timeout(700)
        said = page.inner_text("#lab-effect").replace("−", "-")
        before, now, change = (float(found) for found in re.findall(r"[-+]?\d+\.\d\d", said))
        assert round(now - before, 2) == change
        assert before == pytest.approx(13.34, abs=0.07)  # the hill adds three


def test_the_newest_photo_wins(opened, address):
    page = opened[0]()
    page.goto(address)
    page.click("#lab-load")
    give(page, "coffee", "drop")
    page.wait_for_selector("#lab-guesses button", timeout=60_000)
    page.wait_for_timeout(1000)
    assert guesses(page)[0][0] == load_classifier().predict(load_image("coffee"))[0].label
    page.select_option("#lab-photos", "cannon")
    page.select_option("#lab-photos", "goose")
    page.select_option("#lab-photos", "drum")
    tells(page, "guesses", "drum")
    page.wait_for_timeout(1000)
    assert "drum" in guesses(page)[0][0]


def test_a_new_photo_begins_without_cover_and_notes(opened, address):
    open_page, faults = opened
    page = lab(open_page(), address, "mastiff", "strokes=KAABcFA")
    settled(page, "covered")
    page.click("#lab-note")
    page.select_option("#lab-photos", "goose")
    tells(page, "guesses", "goose")
    settled(page, "Nothing is covered")
    assert page.locator("#lab-tried li").count() == 0
    assert "strokes" not in page.url
    assert not faults


def test_the_focus_is_never_behind_the_picture(opened, address):
    page = lab(opened[0](390), address, "mastiff")
    page.focus("#lab-photos")
    for _ in range(40):
        page.keyboard.press("Tab")
        hidden = page.evaluate("""() => {
          const one = document.activeElement;
          if (!one.closest(".lab-panels") || one.type === "file") return "";
          const { top, bottom } = one.getBoundingClientRect();
          const edge = document.getElementById("lab-drop").getBoundingClientRect().bottom;
          return bottom < edge || top > innerHeight ? one.outerHTML.slice(0, 100) : "";
        }""")
        assert not hidden


def test_text_is_dropped_and_pasted_as_anywhere(opened, address):
    page = lab(opened[0](), address, "mastiff")
    allowed = page.evaluate("""() => {
      const held = new DataTransfer();
      held.setData("text/plain", "words");
      const given = { bubbles: true, cancelable: true, dataTransfer: held };
      return document.querySelector("[name=verdict]").dispatchEvent(new DragEvent("drop", given));
    }""")
    assert allowed


def test_a_cover_is_the_same_to_torch(opened, address):
    """The whole way, from the brush to the logit, computed again in Python."""
    page = lab(opened[0](), address, "mastiff", "strokes=KAACUFCAeA&fill=black")
    settled(page, "covered")
    clf, image = load_classifier(), load_image("mastiff")
    pixels = np.array(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    cover = np.array(page.evaluate("[...Live.painted(Live.strokesFrom('KAACUFCAeA'))]")).reshape(SIDE, SIDE)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    assert cover[np.hypot(columns - 80, rows - 80) <= 39].all()
    assert cover[np.hypot(columns - 128, rows - 120) <= 39].all()
    pixels[cover == 1] = 0
    wanted = clf.predict(Image.fromarray(pixels))
    found = guesses(page)
    assert [label for label, _, _ in found] == [guess.label for guess in wanted]
    assert float(found[0][2]) == pytest.approx(wanted[0].logit, abs=0.065)


@pytest.mark.parametrize("state", ["left=10&top=20&right=5&bottom=30", "mirror=yes", "mirror=yes&left=30"])
def test_a_crop_and_a_mirror_are_pillows(opened, address, state):
    page = lab(opened[0](), address, "drum", state)
    image = load_image("drum")
    parts = {key: int(value[0]) for key, value in parse_qs(state).items() if key != "mirror"}
    box = (
        round(parts.get("left", 0) / 100 * image.width),
        round(parts.get("top", 0) / 100 * image.height),
        image.width - round(parts.get("right", 0) / 100 * image.width),
        image.height - round(parts.get("bottom", 0) / 100 * image.height),
    )
    image = image.crop(box)
    if "mirror" in state:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    wanted = load_classifier().predict(image)
    found = guesses(page)
    assert [label for label, _, _ in found][:2] == [guess.label for guess in wanted][:2]
    assert float(found[0][2]) == pytest.approx(wanted[0].logit, abs=0.065)


def test_a_turn_is_the_same_on_the_page_and_for_the_network(opened, address):
    page = lab(opened[0](), address, "mastiff", "turn=90&opacity=0")
    image = load_image("mastiff").transpose(Image.Transpose.ROTATE_270)  # clockwise
    wanted = load_classifier().predict(image)
    found = guesses(page)
    assert [label for label, _, _ in found][:3] == [guess.label for guess in wanted][:3]
    assert float(found[0][2]) == pytest.approx(wanted[0].logit, abs=0.1)
    drawn = page.evaluate("document.getElementById('lab-canvas').toDataURL().split(',')[1]")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn))).convert("RGB"), dtype=float)
    assert np.abs(shown - np.asarray(image, dtype=float)).mean() < 3


def test_the_keyboard_suffices(opened, address):
    page = lab(opened[0](390), address, "mastiff")
    page.focus("#lab-stage")
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    assert "row 2, column 3" in page.inner_text("#lab-sum")
    page.wait_for_timeout(500)
    assert "row 2, column 3" in page.inner_text("#lab-status")
    page.focus("[name=tool][value=look]")
    page.keyboard.press("ArrowDown")
    page.focus("#lab-stage")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    settled(page, "covered")
    page.focus("#lab-guesses li:nth-child(2) button")
    page.keyboard.press("Enter")
    assert page.get_attribute("#lab-guesses li:nth-child(2) button", "aria-pressed") == "true"
    assert page.evaluate(
        "document.activeElement.closest('li') === document.querySelector('#lab-guesses').children[1]"
    )


def test_a_finger_paints_and_taps(opened, address):
    page = lab(opened[0](390, has_touch=True, is_mobile=True), address, "mastiff")
    page.locator("#lab-canvas").scroll_into_view_if_needed()
    box = page.locator("#lab-canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.36)
    assert "row 3, column 4" in page.inner_text("#lab-sum")
    page.locator("[name=tool][value=paint]").tap()
    box = page.locator("#lab-canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.36)
    settled(page, "covered")


def test_the_picture_stays_in_sight_on_a_phone(opened, address):
    page = lab(opened[0](390), address)
    page.locator("[name=fill]").scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    box = page.locator("#lab-canvas").bounding_box()
    assert 0 <= box["y"] < 300
    assert box["y"] + box["height"] < page.locator("[name=fill]").bounding_box()["y"]


def test_two_classes_and_their_difference(opened, address):
    page = lab(opened[0](), address, "mastiff", "class=boxer&minus=bull mastiff&sign=signed")
    found = {label: float(logit) for label, _, logit in guesses(page)}
    bill = page.eval_on_selector_all(
        "#lab-sum td", "all => all.map((one) => one.textContent.replace('−', '-'))"
    )
    assert float(bill[-1]) == pytest.approx(found["boxer"] - found["bull mastiff"], abs=0.011)
    assert "boxer rather than bull mastiff" in page.inner_text("#lab-bill-of")
    assert page.inner_text("#lab-low").startswith("−")


def test_an_unknown_class_is_said_so(opened, address):
    page = lab(opened[0](), address)
    page.fill("[name=class]", "unicorn")
    assert page.get_attribute("[name=class]", "aria-invalid") == "true"
    page.fill("[name=class]", "ZEBRA")
    assert page.get_attribute("[name=class]", "aria-invalid") == "false"
    assert "zebra" in page.inner_text("#lab-bill-of")


def test_the_zebra_fades_on_a_common_scale(opened, address):
    page = lab(opened[0](), address, "mastiff", "class=zebra")
    own = page.inner_text("#lab-high")
    choose(page, "scale", "common")
    common = page.inner_text("#lab-high")
    assert float(own.split()[0]) < float(common.split()[0])


def test_a_random_network_and_back(opened, address):
    page = lab(opened[0](), address, "mastiff")
    before = guesses(page)
    for kind in ("head", "network"):
        choose(page, "network", kind)
        until(
            page,
            "(text) => document.getElementById('lab-guesses').textContent !== text",
            "".join(part for guess in before for part in guess),
        )
        settled(page)
        assert guesses(page) != before
        assert "by lot" in page.inner_text("#lab-random")
        assert float(page.inner_text("#lab-high").split()[0]) > 0
    choose(page, "network", "none")
    tells(page, "guesses", "bull mastiff")
    settled(page)
    assert guesses(page) == before


def test_the_hill_moves_the_map_and_no_probability(opened, address):
    page = lab(opened[0](), address, "mastiff")
    before = guesses(page)
    choose(page, "hill", 300)
    after = guesses(page)
    assert [one[:2] for one in after] == [one[:2] for one in before]
    assert float(after[0][2]) == pytest.approx(float(before[0][2]) + 30, abs=0.011)
    assert "lower right" in page.inner_text("#lab-hill")
    assert "below 0.000000001" in page.inner_text("#lab-hill")
    bill = page.eval_on_selector_all("#lab-sum td", "all => all.map((one) => one.textContent)")
    assert float(bill[-1]) == float(after[0][2])


def test_the_map_can_be_beaten_or_not(opened, address):
    page = lab(opened[0](), address, "mastiff", "tool=paint&strokes=KAABcFA")
    settled(page, "covered")
    page.click("#lab-race")
    page.wait_for_selector("#lab-chart path.gradCam", timeout=120_000)
    assert page.locator("#lab-chart circle.mine").count() == 1
    verdict = page.inner_text("#lab-verdict")
    assert "your cover leaves" in verdict
    assert "lots" in verdict
    label = page.get_attribute("#lab-chart", "aria-label")
    clf, image = load_classifier(), load_image("mastiff")
    x = clf.preprocess(image)[None]
    order = grad_cam(clf.model, clf.layer, x, 243)[0].flatten().argsort(descending=True)
    pixels = np.array(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    for place in order[:10].tolist():
        row, column = 32 * (place // 7), 32 * (place % 7)
        pixels[row : row + 32, column : column + 32] = 128
    with torch.no_grad():
        wanted = clf.model(clf.preprocess(Image.fromarray(pixels))[None])[0, 243].item()
    assert float(label.split("Grad-CAM ")[1].split(", ")[1]) == pytest.approx(wanted, abs=0.07)
    page.check("[name=tool][value=paint]")
    page.focus("#lab-stage")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    until(page, "() => document.querySelectorAll('#lab-chart circle.mine').length === 2")
    page.eval_on_selector(
        "[name=opacity]", "(one) => one.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    assert page.locator("#lab-chart circle.mine").count() == 2
    choose(page, "fill", "white")
    page.wait_for_selector("#lab-chart", state="hidden")


def test_the_address_holds_all_settings_and_never_the_photo(opened, address):
    open_page = opened[0]
    page = lab(
        open_page(),
        address,
        "goose",
        "class=goose&sign=signed&look=squares&opacity=60&fill=noise&edge=soft&hill=20",
    )
    page.fill("[name=hypothesis]", "It is the beak & the water.")
    settled(page)
    shared = page.url
    again = lab(open_page(), shared.partition("#")[0], state=shared.partition("#")[2])
    settled(again)
    assert again.input_value("[name=hypothesis]") == "It is the beak & the water."
    assert again.is_checked("[name=sign][value=signed]")
    assert guesses(again) == guesses(page)
    assert again.url == shared
    drawn = "document.getElementById('lab-canvas').toDataURL()"
    assert again.evaluate(drawn) == page.evaluate(drawn)
    own = io.BytesIO()
    load_image("coffee").save(own, format="PNG")
    page.set_input_files(
        "#lab-file", {"name": "<img src=x>.png", "mimeType": "image/png", "buffer": own.getvalue()}
    )
    tells(page, "guesses", "espresso")
    settled(page)
    assert "photo=own" in page.url
    assert len(page.url) < 1000
    stranger = lab(open_page(), address, state=page.url.partition("#")[2] + "&strokes=KAABcFA")
    tells(stranger, "message", "not in it")
    assert guesses(stranger)[0][0] == "bull mastiff"
    assert "Nothing is covered" in stranger.inner_text("#lab-effect")


def test_nonsense_in_the_address_is_left_aside(opened, address):
    open_page, faults = opened
    page = lab(
        open_page(),
        address,
        "nobody",
        "strokes=%%%&place=900&fill=glue&radius=x&turn=9999&class=%3Cimg%20src=x%3E&left=99&right=99",
    )
    assert guesses(page)[0][0]
    assert not faults


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.txt", b"no picture", "no picture"),
        ("empty.png", b"", "empty"),
        ("photo.heic", b"\0\0\0\x18ftypheic" + b"\0" * 40, "HEIC"),
        ("cut.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "damaged"),
    ],
)
def test_what_is_no_photo_gets_a_sentence(opened, address, name, content, words):
    page = lab(opened[0](), address, "mastiff")
    before = guesses(page)
    page.set_input_files("#lab-file", {"name": name, "mimeType": "image/png", "buffer": content})
    tells(page, "message", words)
    assert guesses(page) == before


def give(page, name, kind):
    """Drop or paste a photo as a file."""
    file = io.BytesIO()
    load_image(name).save(file, format="PNG")
    page.evaluate(
        f"""([text, kind]) => {{
          {READ}
          const held = new DataTransfer();
          held.items.add(new File([bytes(text)], "x.png", {{ type: "image/png" }}));
          const given = kind === "drop" ? {{ dataTransfer: held }} : {{ clipboardData: held }};
          const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
          document.body.dispatchEvent(new Kind(kind, {{ bubbles: true, ...given }}));
        }}""",
        [base64.b64encode(file.getvalue()).decode(), kind],
    )


def test_a_photo_can_be_dropped_and_pasted(opened, address):
    page = lab(opened[0](), address, "mastiff")
    for name, kind in (("coffee", "drop"), ("cat", "paste")):
        give(page, name, kind)
        wanted = load_classifier().predict(load_image(name))[0].label
        until(
            page,
            "(label) => document.querySelector('#lab-guesses button').textContent.includes(label)",
            wanted,
        )
    assert "stays on this device" in page.inner_text("#lab-credit")


@pytest.fixture
def with_camera(chromium):
    """A browser whose camera is a drawing."""
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox"]
    browser = chromium.browser_type.launch(executable_path=shutil.which("chromium"), args=fake)
    yield browser.new_page()
    browser.close()


@pytest.mark.parametrize("way", ["take", "close", "Escape"])
def test_the_camera_takes_a_photo_or_is_closed(with_camera, address, way):
    page = lab(with_camera, address, "mastiff")
    page.set_default_timeout(60_000)
    page.click("#lab-camera")
    page.wait_for_selector("#lab-shutter video")
    until(page, "() => document.querySelector('#lab-shutter video').videoWidth > 0")
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        page.click("#lab-shoot" if way == "take" else "#lab-close")
    until(page, "() => !document.querySelector('#lab-shutter').open")
    until(page, "() => !document.querySelector('#lab-shutter video')")
    if way == "take":
        tells(page, "credit", "stays on this device")
        until(page, "() => location.hash.includes('photo=own')")
    else:
        assert guesses(page)[0][0] == "bull mastiff"


def refuse(page, name):
    page.evaluate(
        """(name) => {
          navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", name); };
        }""",
        name,
    )


def test_a_camera_that_is_not_there_gets_a_sentence(opened, address):
    page = lab(opened[0](), address, "mastiff")
    refuse(page, "NotFoundError")
    page.click("#lab-camera")
    tells(page, "message", "No camera")
    refuse(page, "NotAllowedError")
    page.click("#lab-camera")
    tells(page, "message", "allow it")


def test_a_case_is_exported(opened, address, tmp_path):
    page = lab(opened[0](), address, "rocket", "strokes=KAABcFA&fill=surroundings")
    settled(page, "covered")
    page.click("#lab-note")
    page.fill("[name=verdict]", "Refuted by this test.")
    with page.expect_download() as saved:
        page.click("#lab-save")
    path = tmp_path / "case.png"
    saved.value.save_as(path)
    sheet = Image.open(path).convert("L")
    assert sheet.width == 1000
    assert sheet.height > 900
    dark = np.asarray(sheet) < 128
    assert dark[-120:].any()  # the last sentence is on the sheet
    assert not dark[-10:].any()
    assert page.locator("#lab-tried li").count() == 1


def test_without_webassembly_the_network_runs_in_plain_javascript(opened, address):
    page = opened[0]()
    page.add_init_script("delete globalThis.WebAssembly; globalThis.Worker = undefined;")
    lab(page, address, "mastiff")
    assert guesses(page)[0][0] == "bull mastiff"
    assert page.is_visible("#lab-slow")


def test_without_scripts_there_is_a_sentence(opened, address):
    page = opened[0](java_script_enabled=False)
    page.goto(address)
    assert page.is_visible(".lab-still")
    assert page.is_hidden("#lab-load")


def test_weights_that_do_not_arrive_can_be_asked_for_again(opened, address):
    page = opened[0]()
    page.route("**/weights-03.js*", lambda route: route.abort())
    page.goto(address)
    page.click("#lab-load")
    until(page, "() => document.getElementById('lab-message').textContent.length > 20")
    assert page.is_enabled("#lab-load")
    page.unroute("**/weights-03.js*")
    page.click("#lab-load")
    page.wait_for_selector("#lab-guesses button", timeout=60_000)
    assert page.inner_text("#lab-message") == ""


def test_the_page_may_load_and_run_only_its_own(opened, address):
    open_page, faults = opened
    page = lab(open_page(), address)
    policy = page.get_attribute("meta[http-equiv=Content-Security-Policy]", "content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "'unsafe-eval'" not in rules["script-src"]
    assert rules["connect-src"] == "'self'"
    assert not faults
    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.hurt = 1";
      document.body.append(script);
    }""")
    assert page.evaluate("globalThis.hurt") is None
    page.evaluate("() => { setTimeout('globalThis.hurt = 2'); }")
    page.wait_for_timeout(100)
    assert page.evaluate("globalThis.hurt") is None


def test_the_page_weighs_what_it_says(opened, address):
    page = opened[0]()
    weights = {}
    page.on(
        "response",
        lambda answer: weights.__setitem__(answer.url, int(answer.headers.get("content-length", 0))),
    )
    lab(page, address)
    mine = [
        size
        for url, size in weights.items()
        if "/_static/live/" in url or url.endswith(("live_lab.html", "model.js", "photos.js"))
    ]
    network = [size for url, size in weights.items() if "/weights-" in url]
    said = (
        float(page.inner_text("#lab-size").split()[0])
        if page.is_visible("#lab-size")
        else page.evaluate("Number(document.getElementById('lab-size').textContent.split(' ')[0])")
    )
    assert sum(mine) < 80_000, json.dumps(weights, indent=1)
    assert sum(network) / 1e6 == pytest.approx(said, abs=0.15)


PAINT = """async (seconds) => {
  const canvas = document.getElementById("lab-canvas");
  const box = canvas.getBoundingClientRect();
  const send = (kind, part) => canvas.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, pointerId: 1, clientX: box.left + part * box.width, clientY: box.top + 0.5 * box.height,
  }));
  document.getElementById("lab-stage").setPointerCapture = () => {};
  let [frames, answers] = [0, 0];
  const watch = new MutationObserver(() => answers++);
  watch.observe(document.getElementById("lab-effect"), { childList: true });
  const begun = performance.now();
  send("pointerdown", 0.2);
  while (performance.now() - begun < 1000 * seconds) {
    await new Promise(requestAnimationFrame);
    frames++;
    send("pointermove", 0.5 + 0.3 * Math.sin(frames / 20));
  }
  send("pointerup", 0.5);
  watch.disconnect();
  return [frames / seconds, answers / seconds];
}"""


def test_how_fast_it_is(opened, file_address, capsys):
    """From the click to the first map, and what the brush does, in a fresh profile and throttled."""
    told = []
    for rate in (1, 4):
        page = opened[0]()
        page.goto(file_address)
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": rate})
        begun = time.perf_counter()
        page.click("#lab-load")
        page.wait_for_selector("#lab-guesses button")
        first = time.perf_counter() - begun
        page.click("[name=tool][value=paint]")
        frames, answers = page.evaluate(PAINT, 4)
        assert answers > 0
        told.append(
            f"the lab, throttled {rate}×: first map {first:.2f} s after the click; the brush: "
            f"{answers:.0f} answers, {frames:.0f} frames a second"
        )
    with capsys.disabled():
        print("", *told, sep="\n")


class Firefox:
    """A Firefox without a window, driven by WebDriver BiDi, which it speaks by itself."""

    def __init__(self, profile):
        command = [
            "firefox",
            "--headless",
            "--no-remote",
            "--profile",
            str(profile),
            "--remote-debugging-port",
            "0",
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        found = (re.search(r"BiDi listening on (ws://\S+)", line) for line in self.process.stderr)
        address = next(match[1] for match in found if match)
        self.socket = websocket.create_connection(f"{address}/session", timeout=60, suppress_origin=True)
        self.numbers = itertools.count(1)
        self.call("session.new", capabilities={})
        self.context = self.call("browsingContext.getTree")["contexts"][0]["context"]

    def call(self, method, **params):
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address):
        self.call("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def evaluate(self, code):
        """The value of an expression, through JSON."""
        target = {"context": self.context}
        code = f"Promise.resolve({code}).then((found) => JSON.stringify(found ?? null))"
        answer = self.call("script.evaluate", expression=code, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def until(self, condition):
        deadline = time.monotonic() + 60
        while not self.evaluate(condition):
            assert time.monotonic() < deadline, f"not in a minute: {condition}"
            time.sleep(0.1)

    def drag(self, *points):
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        first, *others = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in points]
        pointer = {"type": "pointer", "id": "mouse", "actions": [first, down, *others, up]}
        self.call("input.performActions", context=self.context, actions=[pointer])

    def press(self, key):
        actions = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self.call("input.performActions", context=self.context, actions=[keyboard])

    def close(self):
        self.call("browser.close")
        self.socket.close()
        self.process.stderr.close()
        self.process.wait(timeout=30)


@pytest.fixture
def firefox(tmp_path):
    if not shutil.which("firefox"):
        pytest.skip("no Firefox is installed")
    browser = Firefox(tmp_path)
    yield browser
    browser.close()


def test_firefox_does_the_same_over_a_file(firefox, file_address):
    firefox.open(f"{file_address}#photo=mastiff&tool=paint&radius=30")
    firefox.evaluate("document.getElementById('lab-load').click()")
    firefox.until("document.querySelectorAll('#lab-guesses button').length === 5")
    wanted = load_classifier().predict(load_image("mastiff"))
    labels = firefox.evaluate(
        "[...document.querySelectorAll('#lab-guesses span:first-child')].map((n) => n.textContent)"
    )
    assert labels == [guess.label for guess in wanted]
    logit = firefox.evaluate("Number(document.querySelector('#lab-guesses button').lastChild.textContent)")
    assert logit == pytest.approx(wanted[0].logit, abs=0.065)
    assert firefox.evaluate("document.getElementById('lab').dataset.kernels") == "wasm"
    box = firefox.evaluate("""(() => {
      const canvas = document.getElementById("lab-canvas");
      canvas.scrollIntoView({ block: "center" });
      return canvas.getBoundingClientRect();
    })()""")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    firefox.drag(middle, (middle[0] - 40, middle[1] - 30))
    firefox.until("document.getElementById('lab-effect').textContent.includes('covered: the logit')")
    firefox.until("location.hash.includes('strokes=')")
    firefox.evaluate("document.querySelector('[name=tool][value=look]').click()")
    firefox.evaluate("document.getElementById('lab-stage').focus()")
    firefox.press("\ue012")  # the arrow to the left
    firefox.until("document.getElementById('lab-sum').textContent.includes('row 4, column 3')")
    assert firefox.evaluate("document.getElementById('lab-message').textContent") == ""


def test_firefox_moves_an_explorable_over_a_file(firefox, book):
    page = (book / "chapters" / "03_feature_maps.html").as_uri()
    firefox.open(f"{page}#explore-kernel&stride=2")
    said = "(document.querySelector('#explore-kernel .readout')?.textContent ?? '')"
    firefox.until(f"{said}.includes('2 × 2')")
    firefox.evaluate("document.querySelector('#explore-kernel input[type=range]').focus()")
    firefox.press("\ue012")
    firefox.until(f"{said}.includes('3 × 3')")
    firefox.until("!location.hash.includes('stride=2')")
