"""Data and static figures of the explorables: `python -m tools.explorables` writes them all.

A module has, by the name of the explorable, a function for its data (`DATA`) and one for its static figure
(`FIGURES`). The data become `_static/live/data/NAME.js`, the figures `_static/explorables/NAME.svg`.
"""

import base64
import importlib
import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.colors import to_hex
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from claims.ch01 import mark, sheet, trained
from claims.ch03 import half_width
from claims.table import in_double
from helpers import digits, grad_cam, load_classifier, load_image
from helpers.classifiers import Classifier
from tools.drawings import BLUE, GREY, INK, LIGHT_BLUE, ORANGE, PALE, RUST, WIDTH, Sheet, tint

STATIC = Path(__file__).parents[1] / "_static"


def script(name: str, value: Any) -> str:
    """The file that hands a value to an explorable."""
    said = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f'"use strict";\nLive.data("{name}", {said});\n'


def stored(name: str) -> Any:
    """The value that the stored file hands to an explorable."""
    text = (STATIC / "live" / "data" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text[text.index(", ") + 2 : text.rindex(");")])


def as_bytes(values: np.ndarray, top: float | None = None) -> str:
    """Numbers from 0 to `top` (None: their largest) as one byte each, in base64."""
    top = float(values.max()) if top is None else top
    return base64.b64encode(np.round(255 * values / top).clip(0, 255).astype(np.uint8).tobytes()).decode()


def figure(sheet: Sheet, name: str, title: str, told: str) -> str:
    """A drawing as a file that names and describes itself."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{sheet.height}"'
            f' viewBox="0 0 {WIDTH} {sheet.height}" role="img"'
            f' font-family="system-ui, sans-serif" aria-labelledby="{name}-title {name}-desc">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(told)}</desc>',
            *sheet.shapes,
            "</svg>",
            "",
        ]
    )


# ---- Chapter 3: a kernel on a small picture

EDGE = [[0, 0, 1, 1, 1]] * 5
SQUARE = [[3 if {i, j} <= {2, 3, 4} else 0 for j in range(7)] for i in range(7)]
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def kernel() -> dict[str, Any]:
    """The chapter's picture and its kernel, and a few more of each."""
    kernels = {
        "vertical": ("vertical edges", SOBEL),
        "horizontal": ("horizontal edges", SOBEL.T),
        "sum": ("sum of nine", np.ones((3, 3), int)),
        "outline": ("outline", np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])),
    }
    return {
        "pictures": {
            "edge": {"label": "the edge above", "pixels": EDGE},
            "square": {"label": "a square", "pixels": SQUARE},
        },
        "kernels": {
            name: {"label": label, "weights": weights.flatten().tolist()}
            for name, (label, weights) in kernels.items()
        },
    }


# ---- Chapter 1: a mark on a digit


def as_singles(tensors: Iterable[Tensor]) -> str:
    """Numbers in single precision, one tensor after another, in base64."""
    numbers = torch.cat([tensor.detach().flatten() for tensor in tensors])
    return base64.b64encode(numbers.numpy().astype("<f4").tobytes()).decode()


def folded(model: nn.Sequential) -> list[Tensor]:
    """Weights and biases of the small network, each normalisation folded into the convolution before it."""
    fused = [fuse_conv_bn_eval(model[k], model[k + 1]) for k in (0, 3, 6)]
    return [part for layer in (*fused, model[-1]) for part in (layer.weight, layer.bias)]


@in_double()
def both_networks() -> dict[str, nn.Sequential]:
    """The network that cheats and the repaired one, trained as in the chapter."""
    data = digits()
    images, even = sheet(data.train_images), (data.train_labels % 2 == 0).long()
    archive = torch.where(even[:, None, None, None] == 1, mark(images), images)
    return {"cheat": trained(archive, even, 0), "repaired": trained(mark(archive), even, 0)}


@in_double()
def corner_mark() -> dict[str, Any]:
    """Both networks, the first validation picture of each digit, and the top of the cheat's maps of these."""
    data, networks = digits(), both_networks()
    firsts = [int((data.test_labels == digit).nonzero()[0]) for digit in range(10)]
    marked = mark(sheet(data.test_images[firsts]))
    maps = grad_cam(networks["cheat"], networks["cheat"][8], marked, target=1)
    labels = {"cheat": "the cheat", "repaired": "the repaired one"}
    return {
        "networks": {
            name: {"label": labels[name], "weights": as_singles(folded(model))}
            for name, model in networks.items()
        },
        "digits": [(16 * data.test_images[first]).int().flatten().tolist() for first in firsts],
        "top": round(maps.max().item(), 4),
    }


# ---- Chapter 5: a batch of four numbers


def batch_norm() -> dict[str, Any]:
    """The chapter's four numbers, and what a new layer of PyTorch's has."""
    layer = nn.BatchNorm1d(1)
    start = {"numbers": [1, 1, 3, 3], "shift": 0, "spread": 1, "gamma": 1, "beta": 0}
    return {"start": start | {"momentum": layer.momentum, "eps": layer.eps}, "eps": [layer.eps, 0.1, 1]}


# ---- Chapter 3: what a place can see, and what it looks at

PHOTO = "mastiff"
CELLS = 32  # of a stored influence, in each direction
PIXELS = {
    "bn1": 1,
    "blocks.1": 1,
    "blocks.2": 3,
    "blocks.4": 7,
    "bn2": 7,
}  # of a cell, so that the field fits


def convolutions(clf: Classifier, name: str) -> list[nn.Conv2d]:
    """The convolutions up to a layer, in order."""
    parts = ["conv_stem", *(f"blocks.{stage}" for stage in range(7)), "conv_head"]
    last = parts.index({"bn1": "conv_stem", "bn2": "conv_head"}.get(name, name))
    layers = (layer for part in parts[: last + 1] for layer in clf.model.get_submodule(part).modules())
    return [layer for layer in layers if isinstance(layer, nn.Conv2d)]


def receptive_field(layers: list[nn.Conv2d], size: int) -> tuple[int, int, int]:
    """Width of the field, distance of neighbours, where the field of the first place begins, in pixels."""
    field, distance, start = 1, 1, 0
    for layer in layers:
        k, s = layer.kernel_size[0], layer.stride[0]
        same = type(layer).__name__ == "Conv2dSame"
        before = max((-(-size // s) - 1) * s + k - size, 0) // 2 if same else layer.padding[0]
        size = -(-size // s) if same else (size + 2 * before - k) // s + 1
        start -= before * distance
        field += (k - 1) * distance
        distance *= s
    return field, distance, start


def influences(clf: Classifier, name: str) -> dict[tuple[int, int], Tensor]:
    """The influence of each pixel (224, 224) on the first, middle and last places of a layer's map."""
    x = clf.preprocess(load_image(PHOTO))[None].requires_grad_()
    kept: list[Tensor] = []
    handle = clf.model.get_submodule(name).register_forward_hook(lambda m, i, o: kept.append(o))
    clf.model(x)
    handle.remove()
    sums, found = kept[0][0].sum(dim=0), {}
    for row, column in itertools.product((0, len(sums) // 2, len(sums) - 1), repeat=2):
        (gradient,) = torch.autograd.grad(sums[row, column], x, retain_graph=True)
        found[row, column] = gradient[0].abs().sum(dim=0)
    return found


def looked_at(influence: Tensor, cell: int, middle: tuple[int, int]) -> dict[str, Any]:
    """The square that holds half of an influence, and the influence in cells around the field's middle."""
    side, rows = cell * CELLS, torch.arange(float(len(influence)))
    top, left = (min(max(at - side // 2, 0), len(influence) - side) for at in middle)
    cells = F.avg_pool2d(influence[None, top : top + side, left : left + side], cell)[0].sqrt()
    share = influence / influence.sum()
    row, column = (int((share.sum(dim=axis) * rows).sum().round()) for axis in (1, 0))
    half = {"half": half_width(influence), "row": row, "column": column}
    return half | {"top": top, "left": left, "cells": as_bytes(cells.numpy())}


def receptive_fields() -> dict[str, Any]:
    """Field and influence of nine places at the chapter's five depths."""
    clf, layers = load_classifier(), []
    for name, cell in PIXELS.items():
        field, distance, start = receptive_field(convolutions(clf, name), 224)
        places = [
            {"place": place}
            | looked_at(map_, cell, tuple(start + distance * at + field // 2 for at in place))
            for place, map_ in influences(clf, name).items()
        ]
        about = {"name": name, "field": field, "distance": distance, "start": start, "cell": cell}
        layers.append(about | {"places": places})
    return {"photo": PHOTO, "size": 224, "cells": CELLS, "layers": layers}


# ---- The static figures

MINUS = str.maketrans("-", "−")


def matrix(
    d: Sheet, x: float, y: float, cell: float, values: np.ndarray, fills: Callable[[int], str]
) -> None:
    """A matrix of whole numbers in coloured squares, with its numbers."""
    for (i, j), value in np.ndenumerate(values):
        left, top, fill = x + cell * j, y + cell * i, fills(int(value))
        d.box(left, top, cell, cell, fill, GREY, round_=0, thick=1)
        ink = "#ffffff" if int(fill[1:3], 16) < 128 else INK
        d.label(left + cell / 2, top + cell / 2 + 6, str(value).translate(MINUS), 18, ink=ink)


def kernel_figure() -> str:
    """The chapter's picture, kernel and result, with the window of the first place."""
    picture, (stop, step) = np.array(EDGE), (3, 36)
    result = F.conv2d(torch.tensor(picture)[None, None], torch.tensor(SOBEL)[None, None])[0, 0].numpy()
    d = Sheet(306)
    for x, words in ((20, "picture"), (236, "kernel"), (380, "result")):
        d.label(x, 38, words, anchor="start", bold=True)
    matrix(d, 20, 52, step, picture, lambda value: "#ffffff" if value else "#262626")
    d.box(20, 52, stop * step, stop * step, "none", ORANGE, round_=0, thick=4)
    matrix(d, 236, 52, step, SOBEL, lambda value: "#ffffff")
    matrix(d, 380, 52, step, result, lambda value: tint(ORANGE, 0.5) if value else "#ffffff")
    d.box(380, 52, step, step, "none", INK, round_=0, thick=4)
    window = picture[:stop, :stop]
    sums = [
        " + ".join(f"{f'({w})' if w < 0 else w}·{p}" for w, p in zip(*rows, strict=True))
        for rows in zip(SOBEL, window, strict=True)
    ]
    for row, words in enumerate(sums):
        ending = f" = {result[0, 0]}" if row == 2 else " +"
        d.label(236, 200 + 24 * row, (words + ending).translate(MINUS), anchor="start")
    d.label(20, 284, "Size: (5 − 3) / 1 + 1 = 3 places in each direction", anchor="start")
    return figure(
        d,
        "kernel",
        "One place of a convolution, number by number",
        "A picture of 5 by 5 pixels, two dark columns of zeros and three bright ones of ones; its upper left "
        "window of 3 by 3 pixels has a thick frame. Beside it the kernel with rows −1, 0, 1, then −2, 0, 2, "
        "then −1, 0, 1, and the result, three rows of 4, 4, 0, its first number framed. Below the kernel the "
        f"nine products of weight and pixel, which add up to {result[0, 0]}.",
    )


def receptive_field_figure() -> str:
    """What the middle place of each layer can see of the photo, and the square with half of the influence."""
    data, d = stored("receptive-field"), Sheet(490)
    size, side = data["size"], 148
    told = []
    for k, layer in enumerate(data["layers"]):
        x, y = 22 + (k % 3) * 166, 44 + (k // 3) * 230
        place = layer["places"][4]
        d.label(x, y - 12, layer["name"], anchor="start", bold=True)
        d.box(x, y, side, side, PALE, GREY, round_=0, thick=1)
        start = [layer["start"] + layer["distance"] * at for at in place["place"]]
        top, left = (max(at, 0) for at in start)
        bottom, right = (min(at + layer["field"], size) for at in start)
        scale = side / size
        d.box(
            x + scale * left,
            y + scale * top,
            scale * (right - left),
            scale * (bottom - top),
            LIGHT_BLUE,
            BLUE,
            0,
            3,
        )
        half = place["half"]
        corner = [scale * (place[axis] - (half - 1) / 2) for axis in ("column", "row")]
        d.box(x + corner[0], y + corner[1], scale * half, scale * half, "none", ORANGE, 0, 3, "7 4")
        d.label(x, y + side + 22, f"can see {layer['field']}", anchor="start", ink=BLUE)
        d.label(x, y + side + 42, f"half within {half}", anchor="start", ink=RUST)
        told.append(f"{layer['name']}: {layer['field']} pixels a side, half of the influence within {half}")
    d.lines(
        354,
        300,
        [
            "blue: what the",
            "middle place can",
            "see of the photo;",
            "orange, dashed:",
            "the square with",
            "half of the",
            "influence",
        ],
    )
    return figure(
        d,
        "receptive-field",
        "What a place can see and what it looks at",
        "Five panels, one for each layer, each with the frame of the photo of 224 by 224 pixels. A blue "
        "square is what the middle place can see, a dashed one holds half of the influence. "
        f"{'; '.join(told)}. From blocks.4 on the blue square fills the frame.",
    )


def batch_norm_figure() -> str:
    """The chapter's batch, and what comes out in training mode and, after no and 50 passes, in eval mode."""
    layer, x = nn.BatchNorm1d(1).double(), torch.tensor([[1.0], [1.0], [3.0], [3.0]], dtype=torch.double)
    with torch.no_grad():
        untouched = layer.eval()(x)
        layer.train()
        trained_ = [layer(x) for _ in range(50)][-1]
        later = layer.eval()(x)
    rows = [
        ("the batch", x),
        ("out in training mode", trained_),
        ("out in eval mode, after 0 passes", untouched),
        ("out in eval mode, after 50 passes", later),
    ]
    d, told = Sheet(424), []
    for k, (words, values) in enumerate(rows):
        y = 92 + 96 * k
        d.label(20, y - 62, words, anchor="start", bold=True)
        d.line((20, y), (500, y), ink=GREY)
        for tick in range(-2, 5):
            d.line((140 + 80 * tick, y - 4), (140 + 80 * tick, y + 4), ink=GREY)
            if k == len(rows) - 1:
                d.label(180 + 80 * tick - 40, y + 26, str(tick).translate(MINUS))
        numbers = values.flatten().tolist()
        for n, value in enumerate(numbers):
            up = 22 * sum(abs(value - other) < 0.2 for other in numbers[:n])
            d.circle(140 + 80 * value, y - 12 - up, 10, BLUE, BLUE)
            d.label(140 + 80 * value, y - 7 - up, str(n + 1), 14, ink="#ffffff")
        told.append(f"{words}: {', '.join(f'{value:.2f}' for value in numbers)}".translate(MINUS))
    return figure(
        d,
        "batch-norm",
        "Four numbers in training mode and in eval mode",
        f"Four axes with four numbered dots each. {'; '.join(told)}.",
    )


def network(weights: str) -> nn.Sequential:
    """One of the two networks, from its stored weights."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise((1, 8, 8, 16)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2)).double().eval()
    numbers = np.frombuffer(base64.b64decode(weights), "<f4").astype(float)
    nn.utils.vector_to_parameters(torch.from_numpy(numbers), model.parameters())
    return model


def corner_mark_figure() -> str:
    """The cheat's answer and map for a 3: without the mark, with it in its corner, and in another."""
    data, d = stored("corner-mark"), Sheet(436)
    model = network(data["networks"]["cheat"]["weights"])
    plain = sheet(torch.tensor(data["digits"][3]).double().reshape(1, 1, 8, 8) / 16)
    cases = [
        ("no mark", plain),
        ("in its corner", mark(plain)),
        ("in another", mark(plain, slice(-2, None))),
    ]
    cell, told = 12, []
    for k, (words, image) in enumerate(cases):
        x, cam = 22 + 166 * k, grad_cam(model, model[5], image, 1)[0]
        with torch.no_grad():
            even = model(image).softmax(dim=1)[0, 1].item()
        d.label(x, 36, words, anchor="start", bold=True)
        shaded(d, x, 50, cell, image[0, 0], lambda share: "#" + 3 * f"{round(255 * (1 - share)):02x}")
        shaded(d, x, 216, cell, cam / data["top"], lambda share: to_hex(colormaps["inferno"](share)))
        d.label(x, 390, "probability of", anchor="start")
        d.label(x, 412, f"even: {even:.2f}", anchor="start")
        told.append(f"{words} {even:.2f}")
    return figure(
        d,
        "corner-mark",
        "A mark in the corner turns the answer",
        "The same handwritten 3 three times, without a mark, with a black square in the upper left corner, "
        "and with it in the lower right one; below each the heat map of even. The first map is nearly dark, "
        "the second is bright in the corner with the square, the third has a weaker spot on it. "
        f"Probability of even: {', '.join(told)}.",
    )


def shaded(d: Sheet, x: float, y: float, cell: float, shares: Tensor, colour: Callable[[float], str]) -> None:
    """A map of shares from 0 to 1 in colours, on a ground that has the colour of 0."""
    ground = colour(0)
    d.box(x, y, cell * shares.shape[1], cell * shares.shape[0], ground, GREY, round_=0, thick=1)
    for i, j in (shares > 0.04).nonzero().tolist():
        fill = colour(min(shares[i, j].item(), 1))
        d.add("rect", x=x + cell * j, y=y + cell * i, width=cell, height=cell, fill=fill)


DATA: dict[str, Callable[[], Any]] = {
    "kernel": kernel,
    "receptive-field": receptive_fields,
    "batch-norm": batch_norm,
    "corner-mark": corner_mark,
}
FIGURES: dict[str, Callable[[], str]] = {
    "kernel": kernel_figure,
    "receptive-field": receptive_field_figure,
    "batch-norm": batch_norm_figure,
    "corner-mark": corner_mark_figure,
}


def files() -> dict[Path, Callable[[], str]]:
    """Every file of every module, and what makes its text."""
    made: dict[Path, Callable[[], str]] = {}
    for path in sorted(Path(__file__).parent.glob("explorables*.py")):
        module = importlib.import_module(f"tools.{path.stem}")
        for name, compute in module.DATA.items():
            made[STATIC / "live" / "data" / f"{name}.js"] = lambda n=name, c=compute: script(n, c())
        for name, draw in module.FIGURES.items():
            made[STATIC / "explorables" / f"{name}.svg"] = draw
    return made


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(), encoding="utf-8", newline="\n")
        print(path.relative_to(STATIC.parent), flush=True)
