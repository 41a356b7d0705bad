"""The checks of chapter 6."""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases

Array = NDArray[Any]
Box = tuple[slice, slice]


def _tiles(draw: Draw) -> tuple[Tensor, Tensor, int]:
    """Pictures of more columns than rows of squares, and an order that undoing it would not repeat."""
    side, rows, columns = draw.size(2, 4), draw.size(2, 3), draw.size(4, 5)
    x = draw.normal(draw.size(1, 3), draw.size(2, 4), rows * side, columns * side)
    count = rows * columns
    while True:
        order = torch.randperm(count, generator=draw.lot)
        if not order[order].equal(torch.arange(count)) and len(order[:columns].unique()) > 1:
            return x, order, side


def _shuffled(x: Tensor, order: Tensor, side: int) -> Tensor:
    return _laid(F.unfold(x, side, stride=side)[:, :, order], x, side)


def _laid(tiles: Tensor, x: Tensor, side: int) -> Tensor:
    rows, columns = x.shape[2:]
    return F.fold(tiles, (rows, columns), side, stride=side)


def _strips(x: Tensor, order: Tensor, side: int) -> Tensor:
    return x.reshape(*x.shape[:2], len(order), -1)[:, :, order].reshape(x.shape)


def _by_columns(x: Tensor, order: Tensor, side: int) -> Tensor:
    return _shuffled(x.transpose(2, 3), order, side).transpose(2, 3)


def _turned(x: Tensor, order: Tensor, side: int) -> Tensor:
    """Each square with its rows and columns exchanged."""
    tiles = F.unfold(x, side, stride=side)[:, :, order].unflatten(1, (-1, side, side))
    return _laid(tiles.transpose(2, 3).flatten(1, 3), x, side)


shuffle = by_cases(
    right=_shuffled,
    cases=lambda draw: [_tiles(draw) for _ in range(3)],
    wrong={
        "nothing moved": (
            lambda x, order, side: x,
            "Your pictures come back as they were: bring the squares into the new order before you lay them.",
        ),
        "the order undone": (
            lambda x, order, side: _shuffled(x, order.argsort(), side),
            "You sent each square to the place in the order; place n is to get square number order[n].",
        ),
        "strips": (
            _strips,
            "You cut along the rows of the memory, into strips: a square takes pixels from several rows.",
        ),
        "column by column": (
            _by_columns,
            "You number the squares column by column: number them row by row, as one reads.",
        ),
        "inside out": (
            _turned,
            "Rows and columns are exchanged inside each square: move the squares as they are.",
        ),
        "not laid": (
            lambda x, order, side: F.unfold(x, side, stride=side)[:, :, order],
            "You have the squares in their new order: lay them together into a picture again.",
        ),
    },
)


def one_by_one(answer: Answer) -> None:
    """A convolution that gives the class maps of a linear layer; it may be in single precision."""
    for _ in range(2):
        draw = Draw()
        inputs, outputs, h, w = draw.size(5, 7), draw.size(2, 4), draw.size(2, 3), draw.size(4, 5)
        head = nn.Linear(inputs, outputs).double()
        with torch.no_grad():
            head.weight.copy_(draw.normal(outputs, inputs))
            head.bias.copy_(draw.normal(outputs))
        before = head.weight.clone(), head.bias.clone()
        made = answer(head)
        if not (head.weight.shape == before[0].shape and head.weight.equal(before[0])):
            raise Wrong("the layer changed", "You changed the linear layer: copy its weights, and leave it.")
        _judge_convolution(made, *before, a=draw.normal(2, inputs, h, w))


def _judge_convolution(made: object, weight: Tensor, bias: Tensor, a: Tensor) -> None:
    if isinstance(made, nn.Sequential) and any(isinstance(part, nn.ReLU) for part in made):
        raise Wrong(
            "ReLU inside", "Your ReLU is built in: return the convolution alone, the ReLU comes later."
        )
    if not isinstance(made, nn.Conv2d):
        raise Wrong("no convolution", "Return the convolution itself, a `torch.nn.Conv2d`, and not its maps.")
    if tuple(made.kernel_size) != (1, 1):
        raise Wrong("a larger kernel", "Your kernel looks at neighbours: a linear layer sees one place only.")
    outputs, inputs = weight.shape
    if (made.in_channels, made.out_channels) != (inputs, outputs):
        raise Wrong(
            "turned round",
            "The sizes do not fit: the last map's channels go in, one map for each class comes out.",
        )
    kernel = made.weight.detach().double().flatten(1)
    added = torch.zeros(outputs) if made.bias is None else made.bias.detach().double()
    if not _near(kernel, weight):
        raise Wrong("own weights", "Your convolution has weights of its own: give it the linear layer's.")
    if _near(added * (bias[0] / added[0]), bias) and not _near(added, bias):
        raise Wrong("bias shared out", "You rescaled the bias: the mean of equal numbers is that number.")
    if not _near(added, bias):
        raise Wrong(
            "bias forgotten", "Your weights are right, your bias is not: it is the linear layer's, too."
        )
    with torch.no_grad():
        maps = made.double()(a)
    if not _near(maps, torch.einsum("kc,ncij->nkij", weight, a) + bias[:, None, None]):
        raise Wrong("", "Your convolution does not give one class map for each class at each place.")


def _near(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and bool((found - expected).abs().max() < 1e-5)


def _landscape(draw: Draw, high: float) -> tuple[Array, float]:
    """A map with a hot spot, a large plateau, and a long thin L, above noise that lies below the share."""
    share = draw.number(0.25, 0.3)
    height, width = draw.size(60, 66), draw.size(80, 90)
    large = draw.uniform(height, width).numpy() * share * 0.9
    row, column = draw.size(10, 13), draw.size(9, 12)
    pieces = [
        ((4, 7), (3, 6), 1.0),  # where the map is hottest
        ((row, row + 15), (column, column + 18), 0.7),  # the largest
        ((33, height - 1), (2, 4), 0.6),  # an L, with the largest box
        ((height - 3, height - 1), (2, width - 3), 0.6),
        ((0, 3), (width - 9, width - 5), 0.45),  # the first
    ]
    for rows, columns, level in pieces:
        large[slice(*rows), slice(*columns)] = level
    return (large * high).astype(np.float32), share


def _pieces(mask: Array) -> Array:
    stats: Array = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2]
    return stats


def _boxed(piece: Array) -> Box:
    left, top, width, height = piece[:4].tolist()
    return slice(top, top + height), slice(left, left + width)


def _largest(large: Array, level: float) -> Array:
    piece: Array = max(_pieces(large > level)[1:], key=lambda piece: piece[4])
    return piece


def _box_above(large: Array, share: float) -> Box:
    return _boxed(_largest(large, share * large.max()))


def _whole(large: Array, share: float) -> Box:
    rows, columns = np.nonzero(large > share * large.max())
    return (
        slice(rows.min().item(), rows.max().item() + 1),
        slice(columns.min().item(), columns.max().item() + 1),
    )


def _no_ends(large: Array, share: float) -> Box:
    left, top, width, height = _largest(large, share * large.max())[:4].tolist()
    return slice(top, height), slice(left, width)


def _last_left_out(large: Array, share: float) -> Box:
    rows, columns = _box_above(large, share)
    return slice(rows.start, rows.stop - 1), slice(columns.start, columns.stop - 1)


def _hottest(large: Array, share: float) -> Box:
    peak = np.unravel_index(large.argmax(), large.shape)
    labels = cv2.connectedComponentsWithStats((large > share * large.max()).astype(np.uint8))[1]
    return _boxed(_pieces(large > share * large.max())[labels[peak]])


box = by_cases(
    right=_box_above,
    cases=lambda draw: [_landscape(draw, high) for high in (draw.number(2, 10), 0.35, 5)],
    wrong={
        "the background": (
            lambda large, share: _boxed(max(_pieces(large > share * large.max()), key=lambda p: p[4])),
            "Your largest piece is the background: leave out row 0.",
        ),
        "all pieces": (
            _whole,
            "Your box holds everything above the threshold: take the largest connected piece alone.",
        ),
        "rows and columns exchanged": (
            lambda large, share: _box_above(large, share)[::-1],
            "You return columns and rows: rows come first. `left` and `width` belong to the columns.",
        ),
        "widths as ends": (
            _no_ends,
            "Your slices end at height and width: those are sizes. A slice wants the place where it ends.",
        ),
        "last one left out": (
            _last_left_out,
            "Your box lacks its last row and column: the end of a slice is not part of it any more.",
        ),
        "threshold not of the maximum": (
            lambda large, share: _boxed(_largest(large, share)),
            "Your threshold is the share itself: it should be that share of the map's maximum.",
        ),
        "share of the places": (
            lambda large, share: _boxed(_largest(large, float(np.quantile(large, 1 - share)))),
            "You keep a share of the places: keep those above a share of the maximum.",
        ),
        "the hottest piece": (
            _hottest,
            "You took another piece than the largest: compare the areas, and count the background as row 0.",
        ),
        "the largest box": (
            lambda large, share: _boxed(
                max(_pieces(large > share * large.max())[1:], key=lambda p: p[2] * p[3])
            ),
            "You compare width times height: a thin piece can have a large box. Compare the areas.",
        ),
        "the first piece": (
            lambda large, share: _boxed(_pieces(large > share * large.max())[1]),
            "You took the first piece, not the largest: compare their areas.",
        ),
    },
)

JUDGES = {"ex-shuffle": shuffle, "ex-one-by-one": one_by_one, "ex-box": box}
