"""The checks of chapter 15."""

from itertools import combinations, pairwise

import numpy as np
import torch
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases


def _pictures(draw: Draw) -> list[tuple[Tensor, Tensor, int]]:
    """Pictures without a zero in them, maps without two equal places, and numbers of pixels."""
    cases = []
    for _ in range(3):
        rows, columns = draw.size(3, 5), draw.size(6, 8)
        order = draw.uniform(rows * columns).argsort().reshape(rows, columns)
        cases.append((1 + draw.uniform(3, rows, columns), 0.1 + order.double(), draw.size(4, 8)))
    return cases


def _covered(x: Tensor, hidden: Tensor, paint: float | Tensor = 0.0) -> Tensor:
    return torch.where(hidden, torch.as_tensor(paint, dtype=x.dtype), x)


def _brightest(cam: Tensor, count: int) -> Tensor:
    return cam >= cam.flatten().sort(descending=True).values[count - 1]


_covers = by_cases(
    right=lambda x, cam, count: _covered(x, _brightest(cam, count)),
    cases=_pictures,
    wrong={
        "dimmest first": (
            lambda x, cam, count: _covered(x, _brightest(-cam, count)),
            "You covered the dimmest places: deletion begins with the brightest.",
        ),
        "brightest kept": (
            lambda x, cam, count: _covered(x, ~_brightest(cam, count)),
            "You kept the brightest places and covered the rest: that is insertion.",
        ),
        "one colour": (
            lambda x, cam, count: torch.cat([_covered(x[:1], _brightest(cam, count)), x[1:]]),
            "You covered one colour only: a pixel has three, and each of them becomes zero.",
        ),
        "mean of the picture": (
            lambda x, cam, count: _covered(x, _brightest(cam, count), x.mean()),
            "You painted the picture's own mean: grey is zero after the preprocessing.",
        ),
        "faded": (
            lambda x, cam, count: x * (1 - cam / cam.max()),
            "You faded the picture by the map's values: only the order of the places counts here.",
        ),
        "first pixels": (
            lambda x, cam, count: _covered(x, torch.arange(cam.numel()).reshape(cam.shape) < count),
            "You covered the first pixels row by row: the map must choose which.",
        ),
        "one too many": (
            lambda x, cam, count: _covered(x, _brightest(cam, count + 1)),
            "You covered one pixel too many.",
        ),
        "one too few": (
            lambda x, cam, count: _covered(x, _brightest(cam, count - 1)),
            "You covered one pixel too few.",
        ),
    },
)


def covers(answer: Answer) -> None:
    """A covered copy; the picture itself stays as it is."""
    _covers(answer)
    x, cam, count = _pictures(Draw())[0]
    before = x.clone()
    answer(x, cam, count)
    if not x.equal(before):
        raise Wrong(
            "painted over",
            "Your function paints over the picture that it was given: the next cover comes on top.",
        )


def _between(one: Tensor, other: Tensor) -> float:
    return float(np.corrcoef(one.flatten(), other.flatten())[0, 1])


_pairs = by_cases(
    right=lambda maps: sorted(_between(a, b) for a, b in combinations(maps, 2)),
    cases=lambda draw: [(draw.normal(count, draw.size(3, 5), 6) + 0.5,) for count in (4, 5)],
    wrong={
        "with itself": (
            lambda maps: sorted(_between(maps[a], maps[b]) for a in range(len(maps)) for b in range(a + 1)),
            "You compared maps with themselves, too: those correlations are 1 and say nothing.",
        ),
        "each pair twice": (
            lambda maps: sorted(2 * [_between(a, b) for a, b in combinations(maps, 2)]),
            "You have each pair twice: which of the two maps comes first does not matter.",
        ),
        "the whole table": (
            lambda maps: sorted(_between(a, b) for a in maps for b in maps),
            "You listed the whole table: each pair once, and no map with itself.",
        ),
        "neighbours": (
            lambda maps: sorted(_between(a, b) for a, b in pairwise(maps)),
            "You compared neighbours only: each map is compared with each other one.",
        ),
        "first with the others": (
            lambda maps: sorted(_between(maps[0], other) for other in maps[1:]),
            "You compared the first map with the others: compare the others among themselves, too.",
        ),
        "sign lost": (
            lambda maps: sorted(abs(_between(a, b)) for a, b in combinations(maps, 2)),
            "You lost the sign: two maps may be opposed.",
        ),
        "means kept": (
            lambda maps: sorted(
                torch.cosine_similarity(a.flatten(), b.flatten(), dim=0) for a, b in combinations(maps, 2)
            ),
            "You did not take off the maps' means: use a correlation, as `likeness` does.",
        ),
    },
)


def pairs(answer: Answer) -> None:
    """A correlation for each pair, in whichever order."""

    def in_order(maps: Tensor) -> list[float]:
        found = answer(maps)
        try:
            return sorted(float(value) for value in found)
        except (TypeError, ValueError):
            raise Wrong("", "Your function should return a list of numbers, one for each pair.") from None

    _pairs(in_order)


def _heads(draw: Draw) -> list[tuple[nn.Module, nn.Module, Tensor]]:
    """Two networks and some pictures; the largest change is once a rise and once a fall."""
    return [_pair_of_heads(draw, rises) for rises in (True, False)]


def _pair_of_heads(draw: Draw, rises: bool) -> tuple[nn.Module, nn.Module, Tensor]:
    """The largest change does not lie in the first picture, nor in the best class."""
    while True:
        x = draw.normal(draw.size(3, 4), 2, 3, 2)
        one, other = (draw.filled(nn.Sequential(nn.Flatten(), nn.Linear(12, 5))) for _ in range(2))
        change = _change(one, other, x)
        largest = change.abs().max()
        if change[0].abs().max() < largest and _best(one, other, x) < largest:
            return (one, other, x) if (change.max() == largest) == rises else (other, one, x)


def _best(one: nn.Module, other: nn.Module, x: Tensor) -> Tensor:
    best, other_best = (model(x).softmax(1).amax(1) for model in (one, other))
    return torch.as_tensor(best - other_best).abs().max()


def _change(one: nn.Module, other: nn.Module, x: Tensor, dim: int = 1) -> Tensor:
    with torch.no_grad():
        change: Tensor = other(x).softmax(dim) - one(x).softmax(dim)
    return change


largest_change = by_cases(
    right=lambda one, other, x: _change(one, other, x).abs().max(),
    cases=_heads,
    wrong={
        "logits": (
            lambda one, other, x: (other(x) - one(x)).abs().max(),
            "You compared logits: they may all rise together, and no probability changes.",
        ),
        "falls forgotten": (
            lambda one, other, x: _change(one, other, x).max(),
            "You took the largest rise: a probability may also have fallen. Take sizes first.",
        ),
        "rises forgotten": (
            lambda one, other, x: -_change(one, other, x).min(),
            "You took the largest fall: a probability may also have risen. Take sizes first.",
        ),
        "mean": (
            lambda one, other, x: _change(one, other, x).abs().mean(),
            "You took the mean: a thousand small changes hide a large one. Take the largest.",
        ),
        "sum": (
            lambda one, other, x: _change(one, other, x).abs().sum(),
            "You added the changes up: the largest one is asked for.",
        ),
        "over the pictures": (
            lambda one, other, x: _change(one, other, x, dim=0).abs().max(),
            "Your softmax runs over the pictures: it runs over the classes, dimension 1.",
        ),
        "first picture": (
            lambda one, other, x: _change(one, other, x[:1]).abs().max(),
            "You looked at the first picture only: look at all of them.",
        ),
        "best class": (
            _best,
            "You compared the best probabilities: a class further down may have changed more.",
        ),
    },
)


def _part(cam: Tensor, descending: bool = True) -> Tensor:
    return cam.flatten().sort(descending=descending).values.cumsum(dim=0) / cam.sum()


places_for_half = by_cases(
    right=lambda cam: (_part(cam) < 0.5).double().mean(),
    cases=lambda draw: [(draw.uniform(draw.size(3, 6), draw.size(7, 9)).square(),) for _ in range(3)],
    wrong={
        "dimmest first": (
            lambda cam: (_part(cam, descending=False) < 0.5).double().mean(),
            "You began with the dimmest places: then it takes many to make a half.",
        ),
        "half of the maximum": (
            lambda cam: (cam > cam.max() / 2).double().mean(),
            "You counted places above half of the maximum: the question is where half of the sum lies.",
        ),
        "a count": (
            lambda cam: (_part(cam) < 0.5).sum(),
            "You returned a count: divide by the number of places, so that maps of all sizes compare.",
        ),
        "the other places": (
            lambda cam: (_part(cam) >= 0.5).double().mean(),
            "You counted the places behind the half: count those before it.",
        ),
        "one too many": (
            lambda cam: ((_part(cam) < 0.5).sum() + 1) / cam.numel(),
            "You counted the place with which the half is reached: only those before it count.",
        ),
        "not of the whole": (
            lambda cam: (_part(cam) * cam.sum() < 0.5).double().mean(),
            "You compared a sum with one half: compare with half of the map's own sum.",
        ),
        "above the mean": (
            lambda cam: (cam > cam.mean()).double().mean(),
            "You counted places above the mean: they may hold far more than half.",
        ),
    },
)

JUDGES = {
    "ex-wins-deletion": covers,
    "ex-changed": pairs,
    "ex-paint-others": largest_change,
    "ex-own-examiner": places_for_half,
}
