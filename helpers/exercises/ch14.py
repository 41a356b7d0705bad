"""The checks of chapter 14."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from helpers.cam import grad_cam, upsample
from helpers.cam_family import hires_cam
from helpers.exercises.judging import Answer, Draw, by_cases


def _parts(cam: Tensor, of_part: Callable[[Tensor], Tensor], dim: int = 1) -> list[float]:
    """A number of each half of a map."""
    return [of_part(part).item() for part in cam.chunk(2, dim=dim)]


def _divided(numbers: list[float]) -> list[float]:
    return [number / sum(numbers) for number in numbers]


halves = by_cases(
    right=lambda cam: _divided(_parts(cam, torch.sum)),
    cases=lambda draw: [(draw.normal(2 * draw.size(2, 4), 2 * draw.size(5, 7)).relu(),) for _ in range(3)],
    wrong={
        "upper and lower": (
            lambda cam: _divided(_parts(cam, torch.sum, dim=0)),
            "You cut the map into an upper and a lower half: the dogs stand side by side.",
        ),
        "exchanged": (
            lambda cam: _divided(_parts(cam, torch.sum))[::-1],
            "Your halves are exchanged: the left one comes first.",
        ),
        "sums": (
            lambda cam: _parts(cam, torch.sum),
            "You added up and stopped: a share is a part of the whole map's sum.",
        ),
        "means": (
            lambda cam: [2 * share for share in _divided(_parts(cam, torch.sum))],
            "Your two shares make 2: you compared means. Divide sums by the sum of the whole map.",
        ),
        "places counted": (
            lambda cam: _divided(_parts(cam, lambda part: (part > 0).sum())),
            "You counted places that are above zero: weigh each place with its value.",
        ),
        "highest places": (
            lambda cam: _divided(_parts(cam, torch.max)),
            "You compared the highest place of each half: a share counts all places.",
        ),
        "left only": (
            lambda cam: _divided(_parts(cam, torch.sum))[0],
            "You returned the left share only: return both.",
        ),
    },
)


def _products(maps: Tensor, centred: bool = True, scaled: bool = True) -> Tensor:
    """Each map times each, place by place, added up."""
    rows = maps.flatten(1)
    rows = rows - rows.mean(dim=1, keepdim=True) if centred else rows
    rows = rows / rows.norm(dim=1, keepdim=True) if scaled else rows
    return rows @ rows.T


correlations = by_cases(
    right=_products,
    cases=lambda draw: [(draw.normal(draw.size(3, 4), draw.size(3, 5), 6) + 0.4,) for _ in range(2)],
    wrong={
        "means kept": (
            lambda maps: _products(maps, centred=False),
            "You did not take off each map's mean: then any two maps without negative places look alike.",
        ),
        "covariance": (
            lambda maps: _products(maps, scaled=False) / (maps[0].numel() - 1),
            "Your numbers grow with the maps: a correlation is divided by both maps' spreads.",
        ),
        "sign lost": (
            lambda maps: _products(maps).abs(),
            "You lost the sign: maps that are opposed correlate below zero.",
        ),
        "squared": (
            lambda maps: _products(maps).square(),
            "You squared the correlations: opposed maps look like equal ones then.",
        ),
        "places with places": (
            lambda maps: torch.corrcoef(maps.flatten(1).T),
            "You correlated the places with each other: each map is one row of numbers.",
        ),
        "rows of pixels": (
            lambda maps: torch.corrcoef(maps.flatten(0, 1)),
            "You took each row of places for a map by itself: lay a whole map out in one row.",
        ),
        "ranks": (
            lambda maps: torch.corrcoef(maps.flatten(1).argsort(dim=1).argsort(dim=1).double()),
            "You correlated ranks: the chapter takes the values themselves.",
        ),
    },
)


def _weighted(weights: Tensor, a: Tensor) -> Tensor:
    return torch.einsum("nc,nchw->nhw", weights, a)


def _drops(a: Tensor, v: Tensor) -> Tensor:
    return v * a.mean(dim=(2, 3))


def _both(weights: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    return lambda a, v, y: (_weighted(weights(a, v), a).relu(), _weighted(weights(a, v) / y, a).relu())


def _head(draw: Draw, sign: int) -> tuple[Tensor, Tensor, float]:
    """Channels, a row of the head with as much for as against the class, so that no map is empty; a logit."""
    row = draw.normal(7)
    return draw.uniform(1, 7, draw.size(3, 4), 5), row - row.mean(), sign * draw.number(2, 5)


negative_logit = by_cases(
    right=_both(_drops),
    cases=lambda draw: [_head(draw, sign) for sign in (-1, -1, 1)],
    wrong={
        "without the channel's mean": (
            _both(lambda a, v: v[None]),
            "Your weights are those of CAM: without a channel the logit falls by its mean as well.",
        ),
        "sums": (
            _both(lambda a, v: v * a.sum(dim=(2, 3))),
            "You added a channel's places up: the head sees their mean.",
        ),
        "size of the logit": (
            lambda a, v, y: (
                _weighted(_drops(a, v), a).relu(),
                _weighted(_drops(a, v) / abs(y), a).relu(),
            ),
            "You divided by the logit's size: its sign is what this exercise is about.",
        ),
        "divided behind the ReLU": (
            lambda a, v, y: (_weighted(_drops(a, v), a).relu(), _weighted(_drops(a, v), a).relu() / y),
            "You divided behind the ReLU: the paper divides the weights, before anything is cut off.",
        ),
        "no ReLU": (
            lambda a, v, y: (_weighted(_drops(a, v), a), _weighted(_drops(a, v) / y, a)),
            "Your maps have negative places: the ReLU comes last.",
        ),
        "positive weights only": (
            _both(lambda a, v: _drops(a, v).relu()),
            "You dropped negative weights: the ReLU is for the map, not for the channels.",
        ),
        "exchanged": (
            lambda a, v, y: _both(_drops)(a, v, y)[::-1],
            "Your two maps are exchanged: the one that is not divided comes first.",
        ),
    },
)


Case = tuple[nn.Module, str, Tensor, Tensor, tuple[int, int]]


def _asked(draw: Draw) -> Case:
    """A network, a layer, a picture, two classes whose maps are not empty, and a size to enlarge them to."""
    while True:
        # Maps with the proportions of the picture; others might be taken for maps with the channels last.
        net = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(5, 4, 3, padding=1))
        head = nn.Linear(16, 6)
        draw.filled(net.extend([nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), head]))
        head.weight.data.abs_()  # then few maps are empty
        x, targets = draw.normal(1, 3, 2 * draw.size(4, 6), 16), torch.tensor([[4, 1]])
        if all((grad_cam(net, layer, x, targets)[0] > 0).sum(dim=(1, 2)).min() > 3 for layer in ("1", "3")):
            return net, "1", x, targets, (2 * draw.size(6, 9), 2 * draw.size(11, 15))


def _own(shares: Sequence[Sequence[float]]) -> list[float]:
    """The left share of the first map, the right share of the second."""
    return [shares[0][0], shares[1][1]]


def _shares(maps: Answer = grad_cam, enlarge: bool = True, dim: int = 1) -> Callable[..., list[list[float]]]:
    """For each class the shares of its map left and right (or above and below)."""

    def shares(model: nn.Module, layer: str, x: Tensor, targets: Tensor, size: tuple[int, int]) -> Any:
        cams = maps(model, layer, x, targets)[0]
        cams = upsample(cams, size) if enlarge else cams
        return [_divided(_parts(cam, torch.sum, dim)) for cam in cams]

    return shares


own_halves = by_cases(
    right=lambda *case: _own(_shares()(*case)),
    cases=lambda draw: [_asked(draw) for _ in range(2)],
    wrong={
        "the other halves": (
            lambda *case: [1 - share for share in _own(_shares()(*case))],
            "You measured the wrong halves: the first class's picture is on the left.",
        ),
        "left for both": (
            lambda *case: [pair[0] for pair in _shares()(*case)],
            "You measured the left half of both maps: the second class's own half is the right one.",
        ),
        "one map for both": (
            lambda *case: _shares()(*case)[0],
            "Your two shares are of one map: each class has a map of its own.",
        ),
        "maps exchanged": (
            lambda *case: _own(_shares()(*case)[::-1]),
            "Your maps are exchanged: the first share is that of the first class.",
        ),
        "gradient of each place": (
            lambda *case: _own(_shares(hires_cam)(*case)),
            "You weighed each place with its own gradient, which is HiResCAM: take Grad-CAM.",
        ),
        "always the last layer": (
            lambda model, layer, *case: _own(_shares()(model, "3", *case)),
            "Your map comes from another layer than the one asked for.",
        ),
        "not enlarged": (
            lambda *case: _own(_shares(enlarge=False)(*case)),
            "You counted on the small map: enlarge it to the picture first, as `share_in` does.",
        ),
        "upper and lower": (
            lambda *case: _own(_shares(dim=0)(*case)),
            "You cut the maps into upper and lower halves: the animals stand side by side.",
        ),
    },
)

JUDGES = {
    "ex-two-dogs": halves,
    "ex-no-gradients": correlations,
    "ex-negative-logit": negative_logit,
    "ex-squeeze-stages": own_halves,
}
