"""Answers to the exercises of chapter 6."""

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tests.answers import Answers


def shuffled_by_unfold(x, order, side):
    tiles = F.unfold(x, kernel_size=side, stride=side)[..., order]
    return F.fold(tiles, x.shape[2:], kernel_size=side, stride=side)


def shuffled_in_loops(x, order, side):
    result = torch.zeros_like(x, dtype=torch.float32)
    per_row = x.shape[3] // side
    for place, number in enumerate(order.tolist()):
        (i, j), (k, m) = divmod(place, per_row), divmod(number, per_row)
        square = x[:, :, k * side : (k + 1) * side, m * side : (m + 1) * side]
        result[:, :, i * side : (i + 1) * side, j * side : (j + 1) * side] = square
    return result


def shuffled_by_reshape(x, order, side, back=False, transposed=False):
    n, c, h, w = x.shape
    tiles = x.reshape(n, c, h // side, side, w // side, side).permute(0, 2, 4, 1, 3, 5)
    tiles = tiles.reshape(n, -1, c, side, side)
    if back:
        moved = torch.empty_like(tiles)
        moved[:, order] = tiles
        tiles = moved
    else:
        tiles = tiles[:, order]
    if transposed:
        tiles = tiles.mT
    tiles = tiles.reshape(n, h // side, w // side, c, side, side)
    return tiles.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


def shuffled_as_strips(x, order, side):
    n, c, h, w = x.shape
    return x.view(n, c, -1, side * side)[:, :, order, :].view(n, c, h, w)


def shuffled_by_columns(x, order, side):
    rows, columns = x.shape[2] // side, x.shape[3] // side
    numbers = torch.arange(rows * columns).reshape(columns, rows).T.flatten()
    back = numbers.argsort()
    return shuffled_by_reshape(x, back[order[numbers]], side)


def with_data(head):
    made = nn.Conv2d(head.in_features, head.out_features, 1)
    made.weight.data = head.weight.data[..., None, None].clone()
    made.bias.data = head.bias.data.clone()
    return made


def with_state(head):
    made = nn.Conv2d(head.in_features, head.out_features, (1, 1), dtype=head.weight.dtype)
    made.load_state_dict({"weight": head.weight.unsqueeze(2).unsqueeze(3), "bias": head.bias})
    return made


def with_copies(head, kernel=1, bias=True, share=1.0, weights=True, relu=False):
    made = nn.Conv2d(head.in_features, head.out_features, kernel)
    with torch.no_grad():
        if kernel > 1:
            made.weight.zero_()
            made.weight[:, :, 1, 1] = head.weight
        elif weights:
            made.weight.copy_(head.weight[:, :, None, None])
        if bias:
            made.bias.copy_(head.bias * share)
    return nn.Sequential(made, nn.ReLU()) if relu else made


def row_by_row(head):
    made = nn.Conv2d(head.in_features, head.out_features, 1)
    for k in range(head.out_features):
        for c in range(head.in_features):
            made.weight.data[k, c] = head.weight[k, c]
        made.bias.data[k] = head.bias[k]
    return made


def no_bias(head):
    made = nn.Conv2d(head.in_features, head.out_features, 1, bias=False)
    made.weight.data = head.weight.data[:, :, None, None]
    return made


def transposed(head):
    made = nn.Conv2d(head.out_features, head.in_features, 1)
    made.weight.data = head.weight.data.T[:, :, None, None]
    return made


def spoilt(head):
    made = with_copies(head)
    head.weight.data.zero_()
    return made


def bytes_above(large, level):
    return (large > level).astype(np.uint8)


def box_by_max(large, share):
    _, _, stats, _ = cv2.connectedComponentsWithStats(bytes_above(large, share * large.max()))
    left, top, width, height, _ = max(stats[1:], key=lambda piece: piece[4])
    return slice(top, top + height), slice(left, left + width)


def box_by_labels(large, share):
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bytes_above(large / large.max(), share))
    rows, columns = np.where(labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())
    return slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)


def box_by_growing(large, share):
    mask = large > share * large.max()
    best = []
    while mask.any():
        grown, todo = [], [tuple(np.argwhere(mask)[0])]
        mask[todo[0]] = False
        while todo:
            i, j = todo.pop()
            grown.append((i, j))
            for k, m in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if 0 <= k < mask.shape[0] and 0 <= m < mask.shape[1] and mask[k, m]:
                    mask[k, m] = False
                    todo.append((k, m))
        best = max(best, grown, key=len)
    rows, columns = zip(*best, strict=True)
    return slice(min(rows), max(rows) + 1), slice(min(columns), max(columns) + 1)


def chosen(choose, level=lambda large, share: share * large.max(), ends=True, less=0):
    """An answer that goes wrong at one step."""

    def answer(large, share):
        stats = cv2.connectedComponentsWithStats(bytes_above(large, level(large, share)))[2]
        left, top, width, height, _ = choose(stats)
        if not ends:
            return slice(top, height), slice(left, width)
        return slice(top, top + height - less), slice(left, left + width - less)

    return answer


def largest(stats):
    return stats[1 + stats[1:, 4].argmax()]


def around_everything(large, share):
    left, top, width, height = cv2.boundingRect(bytes_above(large, share * large.max()))
    return slice(top, top + height), slice(left, left + width)


def around_the_peak(large, share):
    _, labels, stats, _ = cv2.connectedComponentsWithStats(bytes_above(large, share * large.max()))
    left, top, width, height, _ = stats[labels[large == large.max()][0]]
    return slice(top, top + height), slice(left, left + width)


ANSWERS = {
    "ex-shuffle": Answers(
        right=[shuffled_by_unfold, shuffled_by_reshape, shuffled_in_loops],
        wrong=[
            ("nothing moved", lambda x, order, side: x.clone()),
            ("the order undone", lambda x, order, side: shuffled_by_reshape(x, order, side, back=True)),
            ("strips", shuffled_as_strips),
            ("column by column", shuffled_by_columns),
            ("inside out", lambda x, order, side: shuffled_by_reshape(x, order, side, transposed=True)),
            ("not laid", lambda x, order, side: F.unfold(x, side, stride=(side, side))[..., order]),
            ("", lambda x, order, side: shuffled_by_unfold(x, order, side)[0]),
            ("", lambda x, order, side: shuffled_by_unfold(x, torch.randperm(len(order)), side)),
        ],
    ),
    "ex-one-by-one": Answers(
        right=[with_data, with_state, with_copies, row_by_row],
        wrong=[
            ("bias forgotten", no_bias),
            ("bias forgotten", lambda head: with_copies(head, bias=False)),
            ("bias shared out", lambda head: with_copies(head, share=1 / 49)),
            ("own weights", lambda head: with_copies(head, weights=False)),
            ("a larger kernel", lambda head: with_copies(head, kernel=3)),
            ("turned round", transposed),
            ("ReLU inside", lambda head: with_copies(head, relu=True)),
            ("no convolution", lambda head: head),
            ("no convolution", lambda head: with_copies(head)(torch.rand(1, head.in_features, 3, 3))),
            ("the layer changed", spoilt),
        ],
    ),
    "ex-box": Answers(
        right=[box_by_max, box_by_labels, box_by_growing],
        wrong=[
            ("the background", chosen(lambda stats: stats[stats[:, 4].argmax()])),
            ("all pieces", around_everything),
            ("rows and columns exchanged", lambda large, share: tuple(reversed(box_by_max(large, share)))),
            ("widths as ends", chosen(largest, ends=False)),
            ("last one left out", chosen(largest, less=1)),
            ("threshold not of the maximum", chosen(largest, level=lambda large, share: share)),
            (
                "share of the places",
                chosen(largest, level=lambda large, share: np.percentile(large, 100 * (1 - share))),
            ),
            ("the hottest piece", around_the_peak),
            ("the largest box", chosen(lambda stats: max(stats[1:], key=lambda p: p[2] * p[3]))),
            ("the first piece", chosen(lambda stats: stats[1])),
            ("", lambda large, share: [box_by_max(large, share)]),
        ],
    ),
}
