"""The checks of chapter 10."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from helpers.exercises.judging import Answer, Draw, Wrong, any_of, by_cases

Box = tuple[int, int, int, int]


def _some_maps(draw: Draw) -> Tensor:
    """Maps with a mean that have much in common, one of them against the others."""
    count, rows, columns = draw.size(3, 4), draw.size(5, 6), draw.size(7, 8)
    maps = draw.normal(1, rows, columns) + draw.normal(count, rows, columns) + 1
    maps[1] *= -2
    return maps


def _correlated(maps: Tensor) -> Tensor:
    return torch.corrcoef(maps.flatten(1))


def _cosine(maps: Tensor) -> Tensor:
    rows = maps.flatten(1) / maps.flatten(1).norm(dim=1, keepdim=True)
    products: Tensor = rows @ rows.T
    return products


colour_of_cover = by_cases(
    right=_correlated,
    cases=lambda draw: [(_some_maps(draw),) for _ in range(2)],
    wrong={
        "means left in": (
            _cosine,
            "You leave the means in, so that any two positive maps look alike: subtract them.",
        ),
        "not divided": (
            lambda maps: torch.cov(maps.flatten(1)),
            "Your numbers are covariances: divide by both spreads, so that a map has 1 with itself.",
        ),
        "places compared": (
            lambda maps: torch.corrcoef(maps.flatten(1).T),
            "You compare places with each other: each row is to be a whole map.",
        ),
        "positive parts": (
            lambda maps: _correlated(maps.relu()),
            "You cut off what is below zero: a cover that raises the score counts as well.",
        ),
        "without the sign": (
            lambda maps: _correlated(maps).abs(),
            "You left out the sign of the correlation: two maps can be opposed.",
        ),
        "squared": (
            lambda maps: _correlated(maps) ** 2,
            "You squared the correlation, and its sign is lost: leave it as it is.",
        ),
        "of the row means": (
            lambda maps: torch.corrcoef(maps.mean(dim=2)),
            "You took means over the columns first: compare the maps place by place.",
        ),
    },
)


def _pictures(draw: Draw) -> list[tuple[Tensor, tuple[int, int], int]]:
    """Covers inside and at two corners of pictures with more columns than rows."""
    rows, columns = 4, draw.size(6, 7)
    places = [(draw.size(1, 2), draw.size(3, 4)), (0, 0), (rows - 1, columns - 1)]
    return [
        (draw.normal(2, 3, 32 * rows, 32 * columns), place, side)
        for place, side in zip(places, (32, 64, 48), strict=True)
    ]


def _hidden(x: Tensor, top: int, left: int, bottom: int, right: int) -> Tensor:
    x = x.clone()
    x[:, :, top:bottom, left:right] = 0
    return x


def _cover_at(x: Tensor, place: Sequence[int], side: int, middle: int = 16, reach: int = 1) -> Tensor:
    """Hide a square whose middle is `middle` pixels from the beginning of its place."""
    top, left = (32 * number + middle - reach * side // 2 for number in place)
    return _hidden(x, max(top, 0), max(left, 0), max(top + reach * side, 0), max(left + reach * side, 0))


def _negative_start(x: Tensor, place: Sequence[int], side: int) -> Tensor:
    top, left = (32 * number + 16 - side // 2 for number in place)
    return _hidden(x, top, left, top + side, left + side)


def _pushed_inside(x: Tensor, place: Sequence[int], side: int) -> Tensor:
    top, left = (max(32 * number + 16 - side // 2, 0) for number in place)
    return _hidden(x, top, left, top + side, left + side)


size_of_cover_by_cases = by_cases(
    right=_cover_at,
    cases=_pictures,
    wrong={
        "from the corner": (
            lambda x, place, side: _cover_at(x, place, side, middle=side // 2),
            "Your cover begins at the corner of its place: its centre is to be the centre of the place.",
        ),
        "centre on a corner": (
            lambda x, place, side: _cover_at(x, place, side, middle=0),
            "Your cover lies around the corner of its place: the centre is 16 pixels further.",
        ),
        "twice as wide": (
            lambda x, place, side: _cover_at(x, place, side, reach=2),
            "Your cover is twice as wide: it reaches half a side to each direction.",
        ),
        "rows and columns exchanged": (
            lambda x, place, side: _cover_at(x, place[::-1], side),
            "Row and column have changed places: rows count from the top.",
        ),
        "lost at the border": (
            _negative_start,
            "At the border your cover is lost: a slice that begins below zero counts from the end.",
        ),
        "pushed inside": (
            _pushed_inside,
            "At the border your cover is pushed inside: cut off what hangs over.",
        ),
        "the rest covered": (
            lambda x, place, side: x - _cover_at(x, place, side),
            "You keep the square and cover the rest: turn it round.",
        ),
        "the first picture only": (
            lambda x, place, side: torch.cat([_cover_at(x[:1], place, side), x[1:]]),
            "You cover the first picture of the batch only: cover them all.",
        ),
    },
)


def size_of_cover(answer: Answer) -> None:
    """A square hidden in a copy."""
    x, place, side = _pictures(Draw())[0]
    before = x.clone()
    answer(x, place, side)
    if not x.equal(before):
        raise Wrong("the photo itself", "You painted over the pixels that you were given: paint a copy.")
    size_of_cover_by_cases(answer)


def _photo(draw: Draw) -> tuple[Image.Image, list[Box], int, int]:
    """A photo with two boxes, a level far from grey, and an edge of a few pixels."""
    width, height = draw.size(80, 90), draw.size(60, 70)
    boxes = [(5, 8, 5 + draw.size(20, 25), 40), (50, 20, 75, 20 + draw.size(20, 30))]
    return draw.picture(width, height), boxes, draw.size(10, 60), draw.size(3, 5)


def _mask(size: tuple[int, int], boxes: Sequence[Box], inside: int = 0) -> Image.Image:
    mask = Image.new("L", size, 255 - inside)
    for box in boxes:
        mask.paste(inside, box)
    return mask


def _composed(image: Image.Image, mask: Image.Image, level: int) -> Image.Image:
    return Image.composite(image, Image.new("RGB", image.size, (level,) * 3), mask)


def _softly(image: Image.Image, boxes: Sequence[Box], level: int, edge: float) -> Image.Image:
    return _composed(image, _mask(image.size, boxes).filter(ImageFilter.GaussianBlur(edge)), level)


def _turned_round(image: Image.Image, boxes: Sequence[Box], level: int, edge: float) -> Image.Image:
    mask = _mask(image.size, boxes, inside=255).filter(ImageFilter.GaussianBlur(edge))
    return _composed(image, mask, level)


def _blurred_photo(image: Image.Image, boxes: Sequence[Box], level: int, edge: float) -> Image.Image:
    hard = _composed(image, _mask(image.size, boxes), level)
    return hard.filter(ImageFilter.GaussianBlur(edge))


def _blurred_boxes(image: Image.Image, boxes: Sequence[Box], level: int, edge: float) -> Image.Image:
    blurred = image.filter(ImageFilter.GaussianBlur(edge))
    return Image.composite(image, blurred, _mask(image.size, boxes))


_bobsled = by_cases(
    right=_softly,
    cases=lambda draw: [_photo(draw) for _ in range(2)],
    wrong={
        "a hard edge": (
            lambda image, boxes, level, edge: _softly(image, boxes, level, 0),
            "Your edge is hard: blur the mask before you use it.",
        ),
        "the photo blurred": (
            _blurred_photo,
            "You blurred the photo: blur the mask alone, so that the rest stays sharp.",
        ),
        "blurred instead of covered": (
            _blurred_boxes,
            "You blurred what is in the boxes: paint it over.",
        ),
        "turned round": (
            _turned_round,
            "You kept the boxes and covered the rest: the mask is 0 where the paint goes.",
        ),
        "the last box only": (
            lambda image, boxes, level, edge: _softly(image, boxes[-1:], level, edge),
            "Only the last box is covered: all boxes belong into one mask.",
        ),
        "the first box only": (
            lambda image, boxes, level, edge: _softly(image, boxes[:1], level, edge),
            "Only the first box is covered: all boxes belong into one mask.",
        ),
        "always grey": (
            lambda image, boxes, level, edge: _softly(image, boxes, 128, edge),
            "Your paint is grey whatever the level: use the level.",
        ),
        "always eight pixels": (
            lambda image, boxes, level, edge: _softly(image, boxes, level, 8),
            "Your edge is 8 pixels wide whatever `edge` says: use it.",
        ),
    },
)
# `rectangle` of Pillow takes the last row and column into the box.
bobsled = any_of(
    _bobsled,
    by_cases(
        right=lambda image, boxes, level, edge: _softly(
            image, [(left, top, right + 1, bottom + 1) for left, top, right, bottom in boxes], level, edge
        ),
        cases=lambda draw: [_photo(draw) for _ in range(2)],
        wrong={},
    ),
)


def _levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _image(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(levels.astype(np.uint8))


def _lighter(image: Image.Image, by: int) -> Image.Image:
    return _image(np.minimum(_levels(image) + by, 255))


def _negative(image: Image.Image) -> Image.Image:
    return _image(255 - _levels(image))


fifth_case = by_cases(
    right=lambda image, by: (_lighter(image, by), _negative(image)),
    cases=lambda draw: [(draw.picture(draw.size(20, 30), 40), draw.size(60, 120)) for _ in range(2)],
    wrong={
        "round the corner": (
            lambda image, by: (_image((_levels(image) + by) % 256), _negative(image)),
            "Your light places became dark: above 255 the levels begin again at 0. Cut them at 255.",
        ),
        "multiplied": (
            lambda image, by: (_image(np.minimum(_levels(image) * (1 + by / 255), 255)), _negative(image)),
            "You multiplied: that leaves the dark ground dark. Add the levels.",
        ),
        "darker": (
            lambda image, by: (_image(np.maximum(_levels(image) - by, 0)), _negative(image)),
            "Your lighter picture is darker: 255 is white.",
        ),
        "mixed with white": (
            lambda image, by: (_image(_levels(image) + (255 - _levels(image)) * by // 255), _negative(image)),
            "You mixed the picture with white, so that contrasts shrink: add the same number everywhere.",
        ),
        "the negative of the lighter one": (
            lambda image, by: (_lighter(image, by), _negative(_lighter(image, by))),
            "Your negative is that of the lighter picture: two changes test neither.",
        ),
        "below zero": (
            lambda image, by: (_lighter(image, by), _image((-_levels(image)) % 256)),
            "Your negative leaves black black: the level 0 becomes 255.",
        ),
        "exchanged": (
            lambda image, by: (_negative(image), _lighter(image, by)),
            "Your two pictures have changed places: the lighter one comes first.",
        ),
        "upside down": (
            lambda image, by: (_lighter(image, by), image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)),
            "You turned the picture and not its levels: dark becomes light in a negative.",
        ),
    },
)

JUDGES = {
    "ex-colour-of-cover": colour_of_cover,
    "ex-size-of-cover": size_of_cover,
    "ex-bobsled": bobsled,
    "ex-fifth-case": fifth_case,
}
