"""The drawings: made by code, readable on a phone, and right about what they show."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
import torch
from torch import nn

from helpers import load_classifier, output_shapes
from tools import drawings

SVG = "{http://www.w3.org/2000/svg}"
NAMES = sorted(drawings.DRAWINGS)
PHONE = 358  # CSS pixels that a figure is wide on a phone of 390
SHAPES = {"rect", "circle", "ellipse", "polyline", "polygon", "path", "text", "tspan", "title", "desc"}


def drawn(name):
    return ET.fromstring((drawings.FOLDER / f"{name}.svg").read_text(encoding="utf-8"))


def words(name):
    return ["".join(text.itertext()) for text in drawn(name).iter(f"{SVG}text")]


def numbers(written):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", written)]


def width_of(letter):
    """In units of the font size, as in DejaVu Sans, the widest of the fonts that readers have."""
    if letter in " ijlft.,:;'|!()[]I":
        return 0.36
    return 0.85 if letter in "mwMWO+=×·←−" else 0.61


def extent(shape):
    """Left, upper, right and lower border; of a text as a wide font makes them."""
    kind = shape.tag.removeprefix(SVG)
    values = {key: float(value) for key, value in shape.items() if re.fullmatch(r"-?\d+(\.\d+)?", value)}
    if kind == "rect":
        x, y, w, h = (values[key] for key in ("x", "y", "width", "height"))
        return x, y, x + w, y + h
    if kind in ("circle", "ellipse"):
        rx, ry = values.get("rx", values.get("r")), values.get("ry", values.get("r"))
        return values["cx"] - rx, values["cy"] - ry, values["cx"] + rx, values["cy"] + ry
    if kind == "text":
        size = values["font-size"]
        wide = size * sum(width_of(letter) for letter in re.sub(" +", " ", "".join(shape.itertext())))
        left = values["x"] - {"middle": wide / 2, "end": wide}.get(shape.get("text-anchor"), 0)
        return left, values["y"] - 0.8 * size, left + wide, values["y"] + 0.3 * size
    path = numbers(shape.get("points") or shape.get("d"))
    return min(path[::2]), min(path[1::2]), max(path[::2]), max(path[1::2])


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def test_the_stored_files_are_what_the_code_draws(tmp_path):
    made = {path.name: path.read_bytes() for path in drawings.write_all(tmp_path)}
    stored = {path.name: path.read_bytes() for path in drawings.FOLDER.iterdir()}
    assert made.keys() == stored.keys()
    different = [name for name in made if made[name] != stored[name]]
    assert not different, "run `python -m tools.drawings` and commit what it writes"


def test_each_drawing_has_a_title_and_an_alt_text_of_its_own():
    for texts in (drawings.TITLES, drawings.ALT):
        assert texts.keys() == drawings.DRAWINGS.keys()
        assert len(set(texts.values())) == len(texts)
    assert min(len(text) for text in drawings.ALT.values()) > 80


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_names_and_describes_itself(name):
    root = drawn(name)
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert root.get("role") == "img"
    assert (title.text, told.text) == (drawings.TITLES[name], drawings.ALT[name])
    assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_needs_nothing_from_elsewhere(name):
    root = drawn(name)
    assert {shape.tag.removeprefix(SVG) for shape in root.iter()} - {"svg"} <= SHAPES
    for shape in root.iter():
        assert not [key for key in shape.attrib if "href" in key or key.startswith("on") or key == "style"]
        assert "url(" not in " ".join(shape.attrib.values())
    fonts = {shape.get("font-family") for shape in root.iter()} - {None}
    assert fonts <= {"system-ui, sans-serif", "ui-monospace, monospace"}


@pytest.mark.parametrize("name", NAMES)
def test_every_text_can_be_read_on_a_phone(name):
    root = drawn(name)
    scale = PHONE / float(root.get("viewBox").split()[2])
    sizes = [float(shape.get("font-size")) for shape in root.iter() if shape.get("font-size")]
    assert min(sizes) >= 13
    assert min(sizes) * scale >= 8


@pytest.mark.parametrize("name", NAMES)
def test_nothing_reaches_over_the_border(name):
    root = drawn(name)
    _, _, width, height = numbers(root.get("viewBox"))
    assert width == drawings.WIDTH
    for shape in root:
        if shape.tag.removeprefix(SVG) in ("title", "desc"):
            continue
        left, top, right, bottom = extent(shape)
        inside = left >= 0 and top >= 0 and right <= width and bottom <= height
        assert inside, ET.tostring(shape, encoding="unicode")


@pytest.mark.parametrize("name", NAMES)
def test_a_card_carries_the_drawing_in_dark_mode_and_text_stands_out_from_it(name):
    root = drawn(name)
    card = next(shape for shape in root if shape.tag == f"{SVG}rect")
    assert extent(card) == (1, 1, drawings.WIDTH - 1, numbers(root.get("viewBox"))[3] - 1)
    assert luminance(card.get("fill")) > 0.9
    inks = {text.get("fill") for text in root.iter(f"{SVG}text")}
    for ink in inks - {"#ffffff"}:  # white stands on ink
        for ground in (drawings.CARD, drawings.LIGHT_BLUE, drawings.LIGHT_ORANGE, drawings.PALE):
            assert contrast(ink, ground) >= 4.5


@pytest.mark.parametrize("name", NAMES)
def test_backwards_is_dashed_and_not_only_orange(name):
    for line in drawn(name).iter(f"{SVG}polyline"):
        if line.get("stroke") in (drawings.ORANGE, drawings.RUST):
            assert line.get("stroke-dasharray")


def test_rich_text_is_italic_where_a_letter_is_a_name():
    assert drawings.spans("*x* + 1") == '<tspan font-style="italic">x</tspan> + 1'
    assert drawings.spans("Σ_{ij} a") == (
        'Σ<tspan font-style="italic" font-size="13" dy="5">ij</tspan><tspan dy="-5"> a</tspan>'
    )
    assert drawings.spans("grad_input < 1") == "grad_input &lt; 1"


@pytest.mark.parametrize("levels", [drawings.STEADY, drawings.STRIDED])
def test_the_receptive_field_grows_as_the_formula_says(levels):
    for (_, seen, places, spacing, first, stride), below in pairwise(levels):
        assert below[1] == (seen - 1) * stride + 3
        assert places == (below[2] - 3) // stride + 1
        assert spacing == stride * below[3]
        middle = first + spacing / 2
        assert middle == below[4] + 1.5 * below[3]  # over the second of the three places below
    field, distance = 1, 1
    fields = []
    for _, _, _, _, _, stride in reversed(levels[:3]):
        field, distance = field + 2 * distance, distance * stride
        fields.append(field)
    assert fields[-1] == levels[-1][1]
    assert f"r = {', '.join(map(str, fields))} pixels" in words("receptive_field")[-1]


def test_the_shapes_of_the_pipeline_are_those_of_the_classifier():
    clf = load_classifier(weights=None)
    shapes = output_shapes(clf.model, torch.zeros(1, 3, 224, 224))
    activations, logits = shapes["bn2"][1:], shapes["classifier"][1:]
    for name in ("cam_forward", "grad_cam_backward"):
        text = " ".join(words(name))
        assert f"A  (N, {', '.join(map(str, activations))})" in text
        assert f"y  (N, {logits[0]})" in text


def test_the_shapes_of_the_blocks_are_those_of_resnet18():
    model = load_classifier("resnet18", weights=None).model
    shapes = output_shapes(model, torch.zeros(1, 3, 224, 224))
    text = " ".join(words("residual_block"))
    written = [f"(N, {', '.join(map(str, shapes[name][1:]))})" for name in ("layer1.0", "layer2.0")]
    assert text.count(written[0]) == 3
    assert text.count(written[1]) == 1
    convolutions = [model.layer2[0].conv1, model.layer2[0].downsample[0]]
    assert [(layer.kernel_size, layer.stride) for layer in convolutions] == [
        ((3, 3), (2, 2)),
        ((1, 1), (2, 2)),
    ]


def test_the_shapes_of_the_network_with_hooks_are_right():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten())
    assert net[:2](torch.zeros(2, 3, 8, 8)).shape == (2, 4, 8, 8)
    assert {"x  (N, 3, 8, 8)", "A  (N, 4, 8, 8)"} <= set(words("hooks"))


def test_the_hooks_are_called_what_pytorch_calls_them():
    named = [word for word in words("hooks") if word.startswith("register_")]
    assert len(named) == 4
    assert [hasattr(nn.Module, name) for name in named] == [True, True, False, True]
    assert hasattr(torch.Tensor, named[2])


def test_the_nested_classes_contain_one_another_and_the_others_do_not():
    def within(small, large):
        return math.dist(small[:2], large[:2]) + small[2] <= large[2]

    assert all(within(small, large) for small, large in pairwise(drawings.NESTED))
    assert not any(within(small, large) for small, large in pairwise(drawings.BESIDE))
    for rings in (drawings.NESTED, drawings.BESIDE):
        assert sorted(r for _, _, r in rings) == [r for _, _, r in rings]


def test_the_largest_class_is_farthest_unless_the_classes_are_nested():
    def left_over(star, rings):
        return [math.dist(star, ring[:2]) - ring[2] for ring in rings]

    beside = left_over(drawings.STARS[0], drawings.BESIDE)
    assert max(beside) == beside[2]
    nested = left_over(drawings.STARS[1], drawings.NESTED)
    assert nested == sorted(nested, reverse=True)
    assert nested[-1] > 0
