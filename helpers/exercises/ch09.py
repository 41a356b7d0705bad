"""The checks of chapter 9."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from helpers.exercises.judging import Draw, by_cases

Place = tuple[int, int]


def _two_maps(draw: Draw) -> tuple[Tensor, Tensor]:
    """Maps of both signs; where they differ most, the second is the larger."""
    rows, columns = draw.size(3, 4), draw.size(6, 8)
    one, other = draw.normal(rows, columns), draw.normal(rows, columns)
    place = draw.size(1, rows - 1), draw.size(1, columns - 1)
    one[place] -= 5
    other[place] += 5
    one[0, 0] = 6.0  # the first map's maximum, where the second has more
    other[0, 0] = 6.5
    return one, other


def _decided(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor, Place]:
    difference = one - other
    return difference.relu().sum(), (-difference).relu().sum(), _place(difference.abs())


def _place(values: Tensor) -> Place:
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column


three_cats = by_cases(
    right=_decided,
    cases=lambda draw: [_two_maps(draw) for _ in range(3)],
    wrong={
        "the sign": (
            lambda one, other: (*_decided(one, other)[:2], _place(one - other)),
            "You look for the largest difference and miss one that is more negative: leave the sign out.",
        ),
        "the first map's maximum": (
            lambda one, other: (*_decided(one, other)[:2], _place(one)),
            "Your place is the first map's largest: look for that of the difference.",
        ),
        "one number": (
            lambda one, other: (*_decided(one, other)[:2], int((one - other).abs().argmax())),
            "Your place is a number that counts through all places: make row and column of it.",
        ),
        "divided by the rows": (
            lambda one, other: (
                *_decided(one, other)[:2],
                divmod(int((one - other).abs().argmax()), len(one)),
            ),
            "Your row and column are wrong: a row is as long as there are columns.",
        ),
        "positive parts": (
            lambda one, other: _decided(one.relu(), other.relu()),
            "You cut the maps before you subtract: what speaks against a class counts here, too.",
        ),
        "turned round": (
            lambda one, other: _decided(other, one),
            "You take the first map from the second: plus is what speaks for the first.",
        ),
        "minus below zero": (
            lambda one, other: (
                (one - other).relu().sum(),
                (one - other).clamp(max=0).sum(),
                _place((one - other).abs()),
            ),
            "Your minus is negative: return how much speaks for the second, without a sign.",
        ),
        "means": (
            lambda one, other: (
                (one - other).relu().mean(),
                (other - one).relu().mean(),
                _place((one - other).abs()),
            ),
            "You take means: the places are already divided by their number, so add them up.",
        ),
    },
)


def _shares(draw: Draw) -> tuple[list[float], list[float]]:
    """Two lists of shares in pairs; three of the pairs are equal."""
    count = draw.size(9, 12)
    ours, theirs = draw.uniform(count), draw.uniform(count) * 0.9
    theirs[1:4] = ours[1:4]
    return ours.tolist(), theirs.tolist()


def _compared(ours: list[float], theirs: list[float]) -> tuple[float, int]:
    return float(np.mean(theirs) - np.mean(ours)), int((np.array(theirs) > np.array(ours)).sum())


squeeze = by_cases(
    right=_compared,
    cases=lambda draw: [_shares(draw) for _ in range(4)],
    wrong={
        "turned round": (
            lambda ours, theirs: _compared(theirs, ours),
            "You ask how much better ours is: ask how much better theirs is.",
        ),
        "the mean turned round": (
            lambda ours, theirs: (-_compared(ours, theirs)[0], _compared(ours, theirs)[1]),
            "Your difference has the wrong sign: it is above zero where theirs is better on average.",
        ),
        "equal ones counted": (
            lambda ours, theirs: (
                _compared(ours, theirs)[0],
                int((np.array(theirs) >= np.array(ours)).sum()),
            ),
            "You count equal shares as better.",
        ),
        "not in pairs": (
            lambda ours, theirs: (
                _compared(ours, theirs)[0],
                _compared(sorted(ours), sorted(theirs))[1],
            ),
            "You sorted the lists: the two shares of one map are to be compared with each other.",
        ),
        "a share": (
            lambda ours, theirs: (_compared(ours, theirs)[0], _compared(ours, theirs)[1] / len(ours)),
            "Your second result is a share: return a number of maps.",
        ),
        "against the mean": (
            lambda ours, theirs: (
                _compared(ours, theirs)[0],
                int((np.array(theirs) > np.mean(ours)).sum()),
            ),
            "You compare with the mean of all: compare the two shares of each map.",
        ),
        "the sum": (
            lambda ours, theirs: (sum(theirs) - sum(ours), _compared(ours, theirs)[1]),
            "Your first result is a sum: divide by the number of maps.",
        ),
    },
)


def _seamed(draw: Draw) -> tuple[Image.Image, int, int]:
    """A picture whose seam is not in its middle."""
    width = draw.size(40, 50)
    return draw.picture(width, draw.size(20, 30)), width // 2 - draw.size(6, 10), draw.size(5, 9)


def _apart(picture: Image.Image, seam: int, bar: int, grey: int = 0) -> Image.Image:
    result = Image.new("RGB", (picture.width + bar, picture.height), (grey,) * 3)
    result.paste(picture.crop((0, 0, seam, picture.height)), (0, 0))
    result.paste(picture.crop((seam, 0, picture.width, picture.height)), (seam + bar, 0))
    return result


def _covered(picture: Image.Image, start: int, bar: int) -> Image.Image:
    result = picture.copy()
    result.paste((0, 0, 0), (start, 0, start + bar, picture.height))
    return result


def _at_the_end(picture: Image.Image, seam: int, bar: int) -> Image.Image:
    result = Image.new("RGB", (picture.width + bar, picture.height))
    result.paste(picture, (0, 0))
    return result


def _exchanged(picture: Image.Image, seam: int, bar: int) -> Image.Image:
    result = Image.new("RGB", (picture.width + bar, picture.height))
    result.paste(picture.crop((seam, 0, picture.width, picture.height)), (0, 0))
    result.paste(picture.crop((0, 0, seam, picture.height)), (picture.width - seam + bar, 0))
    return result


swap = by_cases(
    right=_apart,
    cases=lambda draw: [_seamed(draw) for _ in range(2)],
    wrong={
        "painted over": (
            _covered,
            "You paint the bar over the picture: insert it, so that nothing is hidden.",
        ),
        "painted over the middle": (
            lambda picture, seam, bar: _covered(picture, seam - bar // 2, bar),
            "You paint the bar over the seam: insert it, so that nothing is hidden.",
        ),
        "hidden behind the bar": (
            lambda picture, seam, bar: _at_the_end(_covered(picture, seam, bar), seam, bar),
            "The bar still hides a part of the right photo: move that by the bar's width.",
        ),
        "in the middle": (
            lambda picture, seam, bar: _apart(picture, picture.width // 2, bar),
            "You cut in the middle of the picture: cut at the seam.",
        ),
        "not black": (
            lambda picture, seam, bar: _apart(picture, seam, bar, grey=255),
            "Your bar is white: make it black.",
        ),
        "grey": (
            lambda picture, seam, bar: _apart(picture, seam, bar, grey=128),
            "Your bar is grey: make it black.",
        ),
        "at the end": (
            _at_the_end,
            "Your bar is at the right border: it belongs between the two photos.",
        ),
        "swapped once more": (
            _exchanged,
            "The photos have changed places: keep the left one on the left.",
        ),
    },
)


def _levels(picture: Image.Image, width: int, height: int) -> Tensor:
    """The pixels, (height, width, 3), 0 to 255."""
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    levels: Tensor = torch.from_numpy(np.array(resized)).double()
    return levels


def _pixels(picture: Image.Image, width: int, height: int) -> Tensor:
    return _levels(picture, width, height).permute(2, 0, 1)[None] / 127.5 - 1


def _imagenet(picture: Image.Image, width: int, height: int) -> Tensor:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((_levels(picture, width, height) / 255 - mean) / deviation).permute(2, 0, 1)[None]


unsquashed = by_cases(
    right=_pixels,
    cases=lambda draw: [
        (draw.picture(draw.size(20, 30), draw.size(20, 30)), draw.size(32, 40), draw.size(12, 20))
        for _ in range(2)
    ],
    wrong={
        "rows and columns exchanged": (
            lambda picture, width, height: _pixels(picture, height, width),
            "Width and height have changed places: `resize` takes width first, a tensor has rows first.",
        ),
        "turned": (
            lambda picture, width, height: _pixels(picture, width, height).transpose(2, 3),
            "Your picture lies on its side: the axes are pictures, channels, rows, columns.",
        ),
        "not around zero": (
            lambda picture, width, height: _levels(picture, width, height).permute(2, 0, 1)[None] / 255,
            "Your pixels run from 0 to 1: this network wants -1 to 1.",
        ),
        "grey levels": (
            lambda picture, width, height: _levels(picture, width, height).permute(2, 0, 1)[None],
            "Your pixels run from 0 to 255: this network wants -1 to 1.",
        ),
        "another network's": (
            _imagenet,
            "You use the means and deviations of other networks: this one takes 0.5 and 0.5.",
        ),
        "reshaped": (
            lambda picture, width, height: (
                _levels(picture, width, height).reshape(1, 3, height, width) / 127.5 - 1
            ),
            "You reshaped: that mixes pixels and colours. Put the axes into another order.",
        ),
        "channels last": (
            lambda picture, width, height: _levels(picture, width, height)[None] / 127.5 - 1,
            "Your channels come last, as in an array of a picture: a network has them before the rows.",
        ),
        "no batch": (
            lambda picture, width, height: _pixels(picture, width, height)[0],
            "The axis of pictures is missing: a network takes a batch, also of one.",
        ),
    },
)


def _asked(draw: Draw) -> tuple[nn.Sequential, Tensor, int]:
    """A small network, a picture with black and white places in it, and a class."""
    rows, columns, classes = draw.size(4, 5), draw.size(6, 7), draw.size(3, 4)
    head = nn.Linear(4 * (rows - 1) * (columns - 1), classes)
    model = draw.filled(nn.Sequential(nn.Conv2d(3, 4, 2), nn.Softplus(), nn.Flatten(), head))
    return model, (1.2 * draw.normal(1, 3, rows, columns)).clamp(-1, 1), draw.size(1, classes - 1)


def _slope(model: nn.Module, pixels: Tensor, k: int) -> Tensor:
    pixels = pixels.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(pixels)[0, k], pixels)
    return slope


def _slope_of_all(model: nn.Module, pixels: Tensor) -> Tensor:
    pixels = pixels.clone().requires_grad_()
    (slope,) = torch.autograd.grad(model(pixels).sum(), pixels)
    return slope


def _step(pixels: Tensor, direction: Tensor, low: float = -1, high: float = 1) -> Tensor:
    return (pixels + direction / 127.5).clamp(low, high)


car = by_cases(
    right=lambda model, pixels, k: _step(pixels, _slope(model, pixels, k).sign()),
    cases=lambda draw: [_asked(draw) for _ in range(2)],
    wrong={
        "downhill": (
            lambda model, pixels, k: _step(pixels, -_slope(model, pixels, k).sign()),
            "You step against the gradient: then the score falls.",
        ),
        "no sign": (
            lambda model, pixels, k: _step(pixels, _slope(model, pixels, k)),
            "Your steps are as long as the gradient: each pixel moves one grey level, whatever its slope.",
        ),
        "half a level": (
            lambda model, pixels, k: _step(pixels, _slope(model, pixels, k).sign() / 2),
            "Your step is half a grey level: the 255 levels reach from -1 to 1 here.",
        ),
        "far too large": (
            lambda model, pixels, k: _step(pixels, 127.5 * _slope(model, pixels, k).sign()),
            "Your step is 1, half of all grey levels: make it one level.",
        ),
        "not kept inside": (
            lambda model, pixels, k: pixels + _slope(model, pixels, k).sign() / 127.5,
            "Some pixels are now blacker than black or whiter than white: keep them from -1 to 1.",
        ),
        "kept from 0 to 1": (
            lambda model, pixels, k: _step(pixels, _slope(model, pixels, k).sign(), low=0),
            "You cut at 0: the pixels of this network run from -1 to 1.",
        ),
        "all scores": (
            lambda model, pixels, k: _step(pixels, _slope_of_all(model, pixels).sign()),
            "You follow the sum of all scores: follow the one of the class.",
        ),
        "the step alone": (
            lambda model, pixels, k: _slope(model, pixels, k).sign() / 127.5,
            "You return the step: add it to the pixels.",
        ),
    },
)

JUDGES = {
    "ex-three-cats": three_cats,
    "ex-squeeze": squeeze,
    "ex-swap": swap,
    "ex-unsquashed": unsquashed,
    "ex-car": car,
}
