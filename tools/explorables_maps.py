"""The explorables about maps: what a place adds, one scale or many, sums on a way, networks that forget.

Everything is computed as in the chapter that shows it, from the same photo.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from helpers import (
    class_maps,
    grad_cam,
    grad_cam_pp,
    guided_backprop,
    load_classifier,
    load_image,
    mosaic,
    randomise,
    saliency,
)
from tools.drawings import BLUE, GREY, INK, ORANGE, RUST, Sheet, tint
from tools.explorables import figure, stored

ASKED = "bull mastiff"


def whole_parts(parts: np.ndarray, total: int) -> list[int]:
    """Parts as whole numbers that add up to the total: those are rounded up that would lose the most."""
    floors = np.floor(parts).astype(int)
    up = np.argsort(floors - parts, kind="stable")[: total - floors.sum()]
    floors[up] += 1
    return [int(part) for part in floors]


# ---- Chapters 6 and 9: the bill of the 49 places

ALONE = [ASKED, "boxer", "Rhodesian ridgeback", "pug", "Great Dane", "Egyptian cat", "zebra", "sports car"]
TOGETHER = ["Egyptian cat", "tabby", "tiger cat", ASKED, "boxer", "dogsled", "sliding door", "street sign"]


def votes(picture: Image.Image, names: list[str]) -> dict[str, Any]:
    """What each place and the bias add to each class's logit, in whole thousandths that add up."""
    clf = load_classifier()
    x, head = clf.preprocess(picture)[None], clf.model.classifier
    with torch.no_grad():
        maps = class_maps(clf.model.forward_features(x), head)[0] / 49
        logits = clf.model(x)[0]
    classes = []
    for name in names:
        index = clf.class_index(name)
        logit, bias = (round(1000 * y[index].item()) for y in (logits, head.bias))
        places = whole_parts(1000 * maps[index].flatten().double().numpy(), logit - bias)
        classes.append({"name": name, "logit": logit, "bias": bias, "votes": places})
    return {"all": round(logits.logsumexp(dim=0).item(), 4), "classes": classes}


def bill() -> dict[str, Any]:
    """The votes of the mastiff's photo."""
    return votes(load_image("mastiff"), ALONE)


def this_rather_than_that() -> dict[str, Any]:
    """The votes of the cat and the dog side by side."""
    return votes(mosaic(load_image("cat"), load_image("mastiff"))[0], TOGETHER)


# ---- Chapter 9: one scale or many

SEEN = ["Egyptian cat", ASKED, "sliding door", "dogsled", "zebra", "street sign"]


def own_or_common_scale() -> list[dict[str, Any]]:
    """Grad-CAM of six classes of one picture, in logits."""
    clf = load_classifier()
    x = clf.preprocess(mosaic(load_image("cat"), load_image("mastiff"))[0])[None]
    indices = [clf.class_index(name) for name in SEEN]
    maps = grad_cam(clf.model, clf.layer, x, torch.tensor([indices]))[0]
    with torch.no_grad():
        logits = clf.model(x)[0]
    return [
        {
            "name": name,
            "logit": round(logits[index].item(), 4),
            "rank": (logits > logits[index]).sum().item() + 1,
            "map": [round(value, 4) for value in cam.flatten().tolist()],
        }
        for name, index, cam in zip(SEEN, indices, maps, strict=True)
    ]


# ---- Chapter 13: do the shares add up?

FINEST = 600  # parts of the way; the middles of n steps are among their ends for each n that divides 300


def starts(x: Tensor) -> dict[str, Tensor]:
    """The four baselines of the chapter."""
    blurred = cv2.GaussianBlur(x[0].permute(1, 2, 0).numpy(), (0, 0), 16)
    grey = torch.zeros_like(x)
    return {
        "grey": grey,
        "black": grey - 1,
        "white": grey + 1,
        "blurred": torch.from_numpy(blurred).permute(2, 0, 1)[None],
    }


def along(start: Tensor, x: Tensor, parts: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The logit and its slope at these parts of the way from the start to x."""
    clf = load_classifier()
    target, way = clf.class_index(ASKED), x - start
    logits, slopes = [], []
    for t in parts.split(10):
        points = start + t[:, None, None, None] * way
        with torch.no_grad():
            logits.append(clf.model(points)[:, target])
        slopes.append((saliency(clf.model, points, target) * way).sum(dim=(1, 2, 3)))
    return torch.cat(logits).double().numpy(), torch.cat(slopes).double().numpy()


def completeness() -> dict[str, Any]:
    """Logits and slopes from 0 to 1, in steps of a 600th, from each baseline."""
    x = load_classifier().preprocess(load_image("mastiff"))[None]
    found = {}
    for name, start in starts(x).items():
        logits, slopes = along(start, x, torch.arange(FINEST + 1) / FINEST)
        found[name] = {"logits": logits.round(3).tolist(), "slopes": slopes.round(2).tolist()}
    return found


# ---- Chapter 15: which of them is an edge detector?

SIDE, LEVELS = 48, 64
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BLURS = (0, 4)  # pixels, before a map is compared with the edges
BLOCKS = [f"blocks.{k}" for k in range(7)]


def forgotten() -> dict[str, list[str]]:
    """What is drawn anew at each stage, from the head down; "head" and "all" as in the chapter."""
    above = ["classifier", "bn2", "conv_head"]
    stages = {"nothing": [], "head": above[:1], "head to conv_head": above}
    stages |= {f"head to block {k}": [*above, *BLOCKS[k:]] for k in range(6, -1, -1)}
    return stages | {"all": [""]}


def edges(x: Tensor) -> np.ndarray:
    """How strongly the photo's brightness changes, by Sobel's filter."""
    grey = x[0].mean(dim=0).numpy()
    return np.hypot(*(cv2.Sobel(grey, cv2.CV_32F, *way) for way in ((1, 0), (0, 1))))


def sizes(gradients: Tensor) -> np.ndarray:
    """The absolute values, added over the colours."""
    return gradients.abs().sum(dim=1)[0].numpy()


METHODS: dict[str, Callable[[torch.nn.Module, Tensor, int], np.ndarray]] = {
    "guided": lambda m, x, k: sizes(guided_backprop(m, x, k)),
    "saliency": lambda m, x, k: sizes(saliency(m, x, k)),
    "Grad-CAM": lambda m, x, k: grad_cam(m, "bn2", x, k)[0].numpy(),
    "Grad-CAM++": lambda m, x, k: grad_cam_pp(m, "bn2", x, k)[0].numpy(),
}


def likeness(one: np.ndarray, other: np.ndarray) -> float | None:
    """The correlation, place by place; None where a map is the same everywhere."""
    if one.min() == one.max():
        return None
    return round(float(np.corrcoef(one.ravel(), other.ravel())[0, 1]), 4)


def small_picture(values: np.ndarray) -> str:
    """A map as a picture of at most 48 pixels a side, one letter of base64 for each of its pixels.

    The brightest half percent of a large map is clipped, as in chapter 13.
    """
    if len(values) > SIDE:
        values = cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        values = values.clip(max=np.quantile(values, 0.995))
    top = values.max() or 1
    return "".join(LETTERS[level] for level in np.floor(values / top * (LEVELS - 0.001)).astype(int).flat)


def edge_detector() -> dict[str, Any]:
    """The maps of each stage, and how like they are to the trained network's and to the photo's edges."""
    clf = load_classifier()
    x, target = clf.preprocess(load_image("mastiff"))[None], clf.class_index(ASKED)
    drawn, first, stages = edges(x), {}, []
    blurred = [cv2.GaussianBlur(drawn, (0, 0), sigma) if sigma else drawn for sigma in BLURS]
    for what, layers in forgotten().items():
        model = randomise(clf.model, layers)
        maps = {}
        for name, method in METHODS.items():
            found = method(model, x, target)
            large = cv2.resize(found, drawn.shape)
            compared = [cv2.GaussianBlur(large, (0, 0), sigma) if sigma else large for sigma in BLURS]
            maps[name] = {
                "kept": likeness(found, first.setdefault(name, found)),
                "edges": [likeness(*pair) for pair in zip(compared, blurred, strict=True)],
                "picture": small_picture(found),
            }
        stages.append({"new": what, "maps": maps})
    return {"edges": small_picture(drawn), "stages": stages}


# ---- What is shown without scripts, and on paper

PLOT = (58, 484)  # left and right border of a plot
Height = Callable[[float], float]
MINUS = str.maketrans("-", "−")


def shown(value: float, digits: int) -> str:
    """A number as it is printed."""
    return f"{value:.{digits}f}".translate(MINUS)


def bill_figure() -> str:
    """The 49 numbers of the first class, the largest framed that make up half of the logit."""
    one = stored("bill")["classes"][0]
    largest = sorted(range(49), key=lambda place: -one["votes"][place])
    sums = np.cumsum([one["votes"][place] for place in largest])
    half = int((sums < one["logit"] / 2).sum()) + 1
    cell, left, top = 50, 16, 16
    sheet = Sheet(top + 7 * cell + 16)
    for place, vote in enumerate(one["votes"]):
        x, y = left + place % 7 * cell, top + place // 7 * cell
        sheet.box(x, y, cell, cell, tint(ORANGE, 0.7 * max(vote, 0) / max(one["votes"])), GREY, 0, 0.5)
        sheet.label(x + cell / 2, y + 30, shown(vote / 1000, 3), 13)
    for place in largest[:half]:
        sheet.box(left + place % 7 * cell + 2, top + place // 7 * cell + 2, 46, 46, "none", round_=0, thick=3)
    lines = [("places", sum(one["votes"])), ("bias", one["bias"]), ("logit", one["logit"])]
    sheet.label(386, 60, one["name"], anchor="start", bold=True)
    for row, (words, number) in enumerate(lines):
        sheet.label(386, 90 + 24 * row, words, 15, anchor="start")
        sheet.label(508, 90 + 24 * row, shown(number / 1000, 3), 15, anchor="end")
    framed = ["framed: the", f"{half} largest,", f"together {shown(sums[half - 1] / 1000, 3)}"]
    sheet.lines(386, 180, framed, 15)
    told = (
        f"The 49 places of the photo with what each adds to the logit of {one['name']}. They sum to "
        f"{shown(lines[0][1] / 1000, 3)}; the bias {shown(one['bias'] / 1000, 3)} makes the logit "
        f"{shown(one['logit'] / 1000, 3)}. The {half} largest make up half of it."
    )
    return figure(sheet, "bill", "A logit as a bill", told)


def axes(
    sheet: Sheet, top: float, bottom: float, ticks: list[float], digits: int
) -> Callable[[float], float]:
    """Lines at round values across the plot; gives the height of a value."""

    def height(value: float) -> float:
        return bottom - (bottom - top) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    for tick in ticks:
        ink = GREY if tick == 0 else "#cccccc"
        sheet.line((PLOT[0], height(tick)), (PLOT[1], height(tick)), ink=ink, thick=1)
        sheet.label(PLOT[0] - 8, height(tick) + 5, shown(tick, digits), 14, anchor="end")
    return height


def completeness_figure() -> str:
    """From grey: the logit on the way, with the middles of ten steps, and the error of more and fewer."""
    way = stored("completeness")["grey"]
    logits, slopes = np.array(way["logits"]), np.array(way["slopes"])
    sheet = Sheet(430)
    sheet.label(PLOT[0], 30, "the logit on the way from grey, ten steps marked", 15, anchor="start")
    height = axes(sheet, 46, 180, [0, 5, 10], 0)

    def across(part: float) -> float:
        return PLOT[0] + (PLOT[1] - PLOT[0]) * part

    sheet.line(*((across(k / FINEST), height(logits[k])) for k in range(0, FINEST + 1, 3)), ink=BLUE, thick=2)
    for k in range(30, FINEST, 60):
        sheet.circle(across(k / FINEST), height(logits[k]), 4, RUST, RUST)
    for percent in (0, 10, 50, 100):
        sheet.label(across(percent / 100), 204, f"{percent} %", 14)
    sheet.label(PLOT[0], 244, "error of the sum over the number of steps, in logits", 15, anchor="start")
    height = axes(sheet, 260, 384, [-20, -10, 0, 10, 20, 30], 0)
    counts = [1, 2, 5, 10, 12, 20, 30, 50, 100, 150, 300]
    errors = [error_of(logits, slopes, count) for count in counts]
    places = [across((k + 0.5) / len(counts)) for k in range(len(counts))]
    points = [(x, height(error)) for x, error in zip(places, errors, strict=True)]
    sheet.line(*points, ink=BLUE, thick=1)
    for (x, y), count in zip(points, counts, strict=True):
        sheet.circle(x, y, 4, BLUE, BLUE)
        sheet.label(x, 412, str(count), 14)
    listed = [f"{shown(error, 1)} with {count}" for count, error in zip(counts, errors, strict=True)]
    told = (
        "Above, the logit on the way from grey to the photo: it has most of its height after a tenth of "
        f"the way, where one of ten steps looks. Below, the error of the sum: {', '.join(listed)} steps."
    )
    return figure(sheet, "completeness", "Sums on a way", told)


def error_of(logits: np.ndarray, slopes: np.ndarray, steps: int) -> float:
    """How far the sum of the shares with so many steps is from what is to be shared out."""
    half = FINEST // steps // 2
    return float(slopes[half :: 2 * half].mean() - (logits[-1] - logits[0]))


def edge_detector_figure() -> str:
    """How like each map stays to the one of the trained network, stage by stage."""
    stages = stored("edge-detector")["stages"]
    short = ["none", "head", "conv", *"6543210", "all"]
    inks = {"guided": (BLUE, 3, ""), "saliency": (RUST, 2, "7 4"), "Grad-CAM": (GREY, 2, "2 4")}
    inks["Grad-CAM++"] = (INK, 1.5, "")
    sheet = Sheet(420)
    sheet.label(PLOT[0], 30, "correlation with the trained network’s map", 15, anchor="start")
    height = axes(sheet, 46, 250, [-0.5, 0, 0.5, 1], 1)
    places = [PLOT[0] + 16 + 40 * k for k in range(len(stages))]
    for name, (ink, thick, dash) in inks.items():
        run: list[tuple[float, float]] = []
        for x, stage in zip([*places, None], [*stages, None], strict=True):
            kept = stage["maps"][name]["kept"] if stage else None
            if kept is not None:
                run.append((x, height(kept)))
            elif run:
                sheet.line(*run, ink=ink, thick=thick, dash=dash)
                run = []
    for x, words in zip(places, short, strict=True):
        sheet.label(x, 272, words, 14)
    sheet.label(sum(PLOT) / 2, 294, "drawn anew, from the head down to this block", 14)
    for k, (name, (ink, thick, dash)) in enumerate(inks.items()):
        x, y = 110 + 190 * (k % 2), 324 + 24 * (k // 2)
        sheet.line((x, y), (x + 40, y), ink=ink, thick=thick, dash=dash)
        sheet.label(x + 50, y + 5, name, 14, anchor="start")
    like = ", ".join(f"{name} {shown(stages[0]['maps'][name]['edges'][0], 2)}" for name in inks)
    sheet.label(PLOT[0], 382, "the trained network’s maps with the photo’s edges:", 14, anchor="start")
    sheet.label(PLOT[0], 404, like, 14, anchor="start")
    rows = [
        f"{name}: {', '.join('empty' if kept is None else shown(kept, 2) for kept in kept_of(stages, name))}."
        for name in inks
    ]
    told = "Correlation of four maps with those of the trained network while it forgets, from the head down. "
    told += f"{' '.join(rows)} The trained network’s maps with the photo’s edges: {like}."
    return figure(sheet, "edge-detector", "A network forgets, stage by stage", told)


def kept_of(stages: list[dict[str, Any]], name: str) -> list[float | None]:
    """A map's correlation with the trained one at each stage."""
    return [stage["maps"][name]["kept"] for stage in stages]


DATA = {
    "bill": bill,
    "this-rather-than-that": this_rather_than_that,
    "own-or-common-scale": own_or_common_scale,
    "completeness": completeness,
    "edge-detector": edge_detector,
}
FIGURES = {
    "bill": bill_figure,
    "completeness": completeness_figure,
    "edge-detector": edge_detector_figure,
}
