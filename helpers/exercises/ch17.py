"""The checks of chapter 17."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional as F

from helpers.exercises.judging import Answer, Draw, by_cases

Array = NDArray[np.float64]


def _rows(draw: Draw) -> Any:
    """Maps, one in a row, which need not add up to 1."""
    return draw.uniform(draw.size(5, 9), 144).numpy() * draw.uniform(1, 144).numpy()


def _corner(
    of_square: Callable[[Array], Any], of_map: Callable[[Array], Any] = lambda maps: maps.sum((1, 2))
) -> Answer:
    def answer(rows: Array) -> Any:
        maps = rows.reshape(-1, 12, 12)
        return of_square(maps) / of_map(maps)

    return answer


easy_digits = by_cases(
    right=_corner(lambda maps: maps[:, :5, :5].sum((1, 2))),
    cases=lambda draw: [(_rows(draw),) for _ in range(3)],
    wrong={
        "not divided": (
            _corner(lambda maps: maps[:, :5, :5].sum((1, 2)), lambda maps: 1),
            "You added the corner up: a share is divided by what the whole map has.",
        ),
        "mean": (
            _corner(lambda maps: maps[:, :5, :5].mean((1, 2)), lambda maps: maps.mean((1, 2))),
            "You compared means: that says how much brighter the corner is, not how much of the map it has.",
        ),
        "another corner": (
            _corner(lambda maps: maps[:, -5:, -5:].sum((1, 2))),
            "You took the lower right corner: the mark is at the upper left.",
        ),
        "one row": (
            lambda rows: rows[:, :25].sum(axis=1) / rows.sum(axis=1),
            "You took the first 25 numbers, which are two rows: give the map its rows and columns first.",
        ),
        "area": (
            lambda rows: np.full(len(rows), 25 / 144),
            "You computed the corner's area: that is what an even map would have there.",
        ),
        "all maps at once": (
            lambda rows: rows.reshape(-1, 12, 12)[:, :5, :5].sum() / rows.sum(),
            "You have one share for all maps: each map has its own.",
        ),
        "rows of squares": (
            _corner(lambda maps: maps[:, :5].sum((1, 2))),
            "You took five whole rows: cut the columns, too.",
        ),
    },
)


def _by_group(one: Callable[[Array], float]) -> Answer:
    return lambda values, groups: [one(values[groups == kind]) for kind in np.unique(groups)]


def _grouped(draw: Draw) -> tuple[Array, NDArray[np.int64]]:
    """Values of groups that differ in size and do not come in order."""
    groups = np.array([4, 7, 4, 9, 7, 4, 4, 9, 7, 2, 2, 7, 2, 4, 2])
    return draw.normal(len(groups)).numpy() - groups, groups


more_crops = by_cases(
    right=_by_group(lambda values: values.mean()),
    cases=lambda draw: [_grouped(draw) for _ in range(3)],
    wrong={
        "sorted": (
            lambda values, groups: np.sort(_by_group(lambda values: values.mean())(values, groups)),
            "You sorted the means: they stand in the order of their groups.",
        ),
        "sums": (
            _by_group(lambda values: values.sum()),
            "You added the values of a group up: a photo with more crops would count for more.",
        ),
        "medians": (
            _by_group(lambda values: float(np.median(values))),
            "You took medians: the means are asked for.",
        ),
        "one mean": (
            lambda values, groups: values.mean(),
            "You averaged all values: each group has a mean of its own.",
        ),
        "for each value": (
            lambda values, groups: [values[groups == kind].mean() for kind in groups],
            "You return a mean for each value: one for each group is asked for.",
        ),
        "of all": (
            lambda values, groups: [values[groups == kind].sum() / len(values) for kind in np.unique(groups)],
            "You divided by the number of all values: divide by how many the group has.",
        ),
        "sizes": (
            _by_group(len),
            "You counted the values of each group: their means are asked for.",
        ),
    },
)

two_networks = by_cases(
    right=lambda cam: F.avg_pool2d(cam[None], 2)[0],
    cases=lambda draw: [(draw.normal(2 * draw.size(2, 4), 10),) for _ in range(3)],
    wrong={
        "every second": (
            lambda cam: cam[::2, ::2],
            "You kept every second place: three of four places are lost. Take their mean.",
        ),
        "largest": (
            lambda cam: F.max_pool2d(cam[None], 2)[0],
            "You took the largest of four places: their mean is asked for.",
        ),
        "sum": (
            lambda cam: 4 * F.avg_pool2d(cam[None], 2)[0],
            "You added four places up: their mean is asked for.",
        ),
        "rows only": (
            lambda cam: (cam[::2] + cam[1::2]) / 2,
            "You joined rows and left the columns: a square of 2 × 2 becomes one place.",
        ),
        "columns only": (
            lambda cam: (cam[:, ::2] + cam[:, 1::2]) / 2,
            "You joined columns and left the rows: a square of 2 × 2 becomes one place.",
        ),
        "a batch": (
            lambda cam: F.avg_pool2d(cam[None], 2),
            "Your map has a dimension in front: return rows and columns.",
        ),
        "overlapping": (
            lambda cam: F.avg_pool2d(cam[None], 2, stride=1)[0],
            "Your squares overlap: each place belongs to one square.",
        ),
    },
)


def _part(steps: Mapping[str, float], names: Sequence[str]) -> float:
    return sum(steps[name] for name in names)


def _steps(draw: Draw) -> tuple[dict[str, float], list[str]]:
    names = ["read", "decode", "resize", "forward", "map"]
    times = draw.uniform(len(names)) * draw.number(1, 20)
    return dict(zip(names, times.tolist(), strict=True)), ["decode", "resize", "read"][: draw.size(2, 3)]


your_machine = by_cases(
    right=lambda steps, names: _part(steps, names) / sum(steps.values()),
    cases=lambda draw: [_steps(draw) for _ in range(3)],
    wrong={
        "seconds": (
            _part,
            "You return a time: the share of the whole is asked for.",
        ),
        "ratio to the rest": (
            lambda steps, names: _part(steps, names) / (sum(steps.values()) - _part(steps, names)),
            "You divided by the rest: divide by everything, these steps included.",
        ),
        "what remains": (
            lambda steps, names: 1 - _part(steps, names) / sum(steps.values()),
            "You return what remains: what these steps take is asked for.",
        ),
        "steps counted": (
            lambda steps, names: len(names) / len(steps),
            "You counted steps: they take different times.",
        ),
        "the longest": (
            lambda steps, names: max(steps[name] for name in names) / sum(steps.values()),
            "You took the longest of the steps: add them up.",
        ),
        "speed-up": (
            lambda steps, names: sum(steps.values()) / (sum(steps.values()) - _part(steps, names)),
            "You return how many times faster it would be: the share that is saved is asked for.",
        ),
    },
)

JUDGES = {
    "ex-easy-digits": easy_digits,
    "ex-more-crops": more_crops,
    "ex-two-networks": two_networks,
    "ex-your-machine": your_machine,
}
