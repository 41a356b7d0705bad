"""Chapter 3: deep channels know what is in a photo, and a deep place sees most of it."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

from claims.pictures import above, below, claim, squashed, untrained
from claims.table import Experiment, Unit, Values
from helpers import catalogue, load_classifier, load_image

DEPTHS = ("bn1", "blocks.1", "blocks.2", "blocks.4", "bn2")
DRAWS = 20


def zoomed(image: Image.Image, margin: float) -> Image.Image:
    """The photo without a margin, a share of each side."""
    width, height = image.size
    box = (margin * width, margin * height, (1 - margin) * width, (1 - margin) * height)
    left, upper, right, lower = map(round, box)
    return image.crop((left, upper, right, lower))


def hue_turned(image: Image.Image) -> Image.Image:
    """The photo with all hues turned by a third of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    return Image.merge("HSV", (hue.point(lambda h: (h + 85) % 256), saturation, value)).convert("RGB")


def chapters(image: Image.Image, margin: float) -> Image.Image:
    """The chapter's second version: mirrored, without colour, zoomed in."""
    return ImageOps.grayscale(ImageOps.mirror(zoomed(image, margin))).convert("RGB")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "grey, mirrored, zoom 5 %": lambda image: chapters(image, 0.05),
    "grey, mirrored, zoom 15 %": lambda image: chapters(image, 0.15),
    "grey, mirrored, zoom 25 %": lambda image: chapters(image, 0.25),
    "grey, upside down": lambda image: ImageOps.grayscale(image.rotate(180)).convert("RGB"),
    "turned by 20 degrees, zoom": lambda image: zoomed(image.rotate(20), 0.2),
    "other hues, mirrored": lambda image: ImageOps.mirror(hue_turned(image)),
    "negative, mirrored": lambda image: ImageOps.mirror(ImageOps.invert(image)),
    "blurred, mirrored": lambda image: ImageOps.mirror(
        image.filter(ImageFilter.GaussianBlur(image.width / 80))
    ),
    "dark, mirrored, zoom": lambda image: ImageOps.mirror(
        zoomed(ImageEnhance.Brightness(image).enhance(0.3), 0.15)
    ),
    "few colours, mirrored, zoom": lambda image: ImageOps.mirror(zoomed(ImageOps.posterize(image, 2), 0.15)),
}


@cache
def photos() -> tuple[Image.Image, ...]:
    """All packaged photos."""
    return tuple(load_image(name) for name, photo in catalogue().items() if photo.package)


def channel_means(model: nn.Module, images: list[Image.Image]) -> dict[str, Tensor]:
    """The mean of each channel (N, C) at each of the depths."""
    found: dict[str, list[Tensor]] = {name: [] for name in DEPTHS}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda m, i, o, name=name: found[name].append(o.mean(dim=(2, 3)))
        )
        for name in DEPTHS
    ]
    with torch.no_grad():
        for part in squashed(load_classifier(), images).split(4):
            model(part)
    for handle in handles:
        handle.remove()
    return {name: torch.cat(parts) for name, parts in found.items()}


def right_partners(old: Tensor, new: Tensor) -> float:
    """The percentage of second versions (N, C) that are most similar to their own photo, as in chapter 3."""
    old, new = (F.normalize((d - d.mean(dim=0)) / (d.std(dim=0) + 1e-6)) for d in (old, new))
    return 100 * ((new @ old.T).argmax(dim=1) == torch.arange(len(old))).double().mean().item()


def partners(unit: Unit) -> Values:
    """How many second versions find their photo at each depth, trained and untrained."""
    number = int(unit)
    change = list(CHANGES.values())[number]
    images, second = list(photos()), [change(image) for image in photos()]
    values: Values = {}
    for prefix, model in (("", load_classifier().model), ("untrained_", untrained(number))):
        old, new = channel_means(model, images), channel_means(model, second)
        values |= {f"{prefix}{name}": right_partners(old[name], new[name]) for name in DEPTHS}
        if not prefix:
            lot = np.random.default_rng(number)
            for name in DEPTHS:
                draws = [torch.from_numpy(lot.permutation(old[name].shape[1])[:16]) for _ in range(DRAWS)]
                shares = [right_partners(old[name][:, draw], new[name][:, draw]) for draw in draws]
                values[f"sixteen_{name}"] = float(np.mean(shares))
    return values | {
        "rise": values["blocks.4"] - values["bn1"],
        "sixteen_rise": values["sixteen_blocks.4"] - values["sixteen_bn1"],
        "learned": values["bn2"] - values["untrained_bn2"],
        "untrained_rise": values["untrained_blocks.4"] - values["untrained_bn1"],
        "sixteen_fall": values["sixteen_bn2"] - values["sixteen_blocks.4"],
    }


def half_width(map_: Tensor) -> int:
    """The side of the square around the centre of an influence (224, 224) that holds half of it."""
    share = map_ / map_.sum()
    rows = torch.arange(224.0)
    row = int((share.sum(dim=1) * rows).sum().round())
    column = int((share.sum(dim=0) * rows).sum().round())
    half, held = -1, 0.0
    while held < 0.5:
        half += 1
        top, left = max(row - half, 0), max(column - half, 0)
        held = share[top : row + half + 1, left : column + half + 1].sum().item()
    return 2 * half + 1


def influence(unit: Unit) -> Values:
    """How wide a square must be to hold half of the influence of the pixels on the middle place."""
    clf, values = load_classifier(), Values()
    for name in ("blocks.4", "bn2"):
        x = squashed(clf, [load_image(str(unit))]).requires_grad_()
        kept: list[Tensor] = []
        handle = clf.model.get_submodule(name).register_forward_hook(
            lambda m, i, o, kept=kept: kept.append(o)
        )
        clf.model(x)
        handle.remove()
        middle = kept[0].shape[-1] // 2
        (gradient,) = torch.autograd.grad(kept[0][0, :, middle, middle].sum(), x)
        values[name] = half_width(gradient[0].abs().sum(dim=0))
    return values


EXPERIMENTS = (
    Experiment(
        "ch03_partners",
        3,
        tuple(range(len(CHANGES))),
        partners,
        (
            claim("bn1", "First layer: under 60 % of changed photos find their original (%).", below(60), 4),
            claim("blocks.4", "Fifth stage: over 90 % find their original (%).", above(90), 4),
            claim("bn2", "Last map: over 90 % find their original (%).", above(90), 4),
            claim("rise", "From the first layer to the fifth stage the share rises (points).", above(0), 4),
            claim("sixteen_rise", "With 16 channels of each it rises, too (points).", above(0), 4),
            claim(
                "sixteen_fall",
                "With 16 channels it falls from the fifth stage to the last map (points).",
                below(0),
                4,
            ),
            claim(
                "untrained_bn2",
                "Untrained network, last map: under 60 % find their original (%).",
                below(60),
                4,
            ),
            claim(
                "untrained_rise",
                "Untrained network: to the fifth stage the share rises (points).",
                above(0),
                4,
            ),
            claim(
                "learned",
                "Last map: the trained network finds more than an untrained one (points).",
                above(0),
                4,
            ),
        ),
        6,
    ),
    Experiment(
        "ch03_influence",
        3,
        tuple(name for name, photo in catalogue().items() if photo.package),
        influence,
        (
            claim(
                "bn2",
                "Last map: half of the middle place's influence needs over 96 pixels a side.",
                above(96),
                2,
            ),
            claim(
                "blocks.4",
                "Fifth stage: half of it needs under 113 of the 339 pixels that it can see.",
                below(113),
                2,
            ),
        ),
        0.3,
    ),
)
