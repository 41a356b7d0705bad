"""The checks of chapter 11."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from unittest import mock

from torch import Tensor

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases

Shapes = dict[str, tuple[int, ...]]


def _shapes(draw: Draw) -> Shapes:
    """Outputs as a network may give them: maps, a map of one place, tokens, numbers."""
    c, n = draw.size(20, 40), draw.size(7, 12)
    return {
        "stem": (1, c, 4 * n, 4 * n),
        "stage1.0": (1, 4 * c, 2 * n, 2 * n),
        "stage1": (1, 4 * c, 2 * n, 2 * n),
        "stage2.0": (1, 3 * c, n, n + 1),
        "stage2": (1, 3 * c, n, n + 1),
        "tokens": (1, n * (n + 1), 3 * c),
        "pool": (1, 3 * c, 1, 1),
        "head": (1, 10),
    }


def _with_places(shapes: Shapes) -> list[str]:
    return [name for name, shape in shapes.items() if len(shape) == 4 and math.prod(shape[2:]) > 1]


unknown_network = by_cases(
    right=lambda shapes: _with_places(shapes)[-1],
    cases=lambda draw: [(_shapes(draw),), (_shapes(draw) | {"more": (1, 5, 1, draw.size(2, 9))},)],
    wrong={
        "one place": (
            lambda shapes: [name for name, shape in shapes.items() if len(shape) == 4][-1],
            "Your layer has one place: a mean has been taken, and there is nothing left to map.",
        ),
        "no places": (
            lambda shapes: list(shapes)[-1],
            "Your layer is the last of all: its numbers have no places any more.",
        ),
        "tokens": (
            lambda shapes: [name for name, shape in shapes.items() if len(shape) >= 3 and shape[-1] > 1][-1],
            "You took tokens (N, tokens, channels) for a map: they have to be put back into a grid first.",
        ),
        "the first": (
            lambda shapes: _with_places(shapes)[0],
            "You took the first map: the last one has seen the most, and is nearest to the answer.",
        ),
        "most places": (
            lambda shapes: max(_with_places(shapes), key=lambda name: math.prod(shapes[name][2:])),
            "You took the map with the most places: it is the earliest, and knows little of classes.",
        ),
        "most channels": (
            lambda shapes: max(_with_places(shapes), key=lambda name: shapes[name][1]),
            "You took the map with the most channels: the last one need not have the most.",
        ),
        "a part of it": (
            lambda shapes: [name for name in _with_places(shapes) if "." in name][-1],
            "You stopped inside of a block: the block's own output comes after its parts.",
        ),
    },
)

SECONDS = (100.0, 5.0, 11.0, 2.0, 3.0, 1.0, 40.0)


def stopwatch(answer: Answer) -> None:
    """A stopwatch, tried on a function that takes known times on a clock of our own."""
    factor = Draw().number(0.5, 2)
    clock = {"now": 0.0, "calls": 0, "looks": 0}

    def work() -> None:
        clock["now"] += factor * SECONDS[min(int(clock["calls"]), len(SECONDS) - 1)]
        clock["calls"] += 1

    def now() -> float:
        clock["looks"] += 1
        return clock["now"]

    with mock.patch.multiple(time, perf_counter=now, monotonic=now, time=now, process_time=now):
        found = answer(work, 5)
    found = found.item() if isinstance(found, Tensor) and found.numel() == 1 else found
    if not isinstance(found, int | float):
        raise Wrong("", "Your function should return a number of seconds.")
    if clock["calls"] and not clock["looks"]:
        raise Wrong(
            "another clock", "Read the clock as `time.perf_counter()`, in these words: it is tested so."
        )
    if clock["now"] and found == 0:
        raise Wrong("", "Your function returns 0: take `time.perf_counter()` before and after the call.")
    counted = SECONDS[1:6]
    verdicts: Mapping[str, tuple[Sequence[float], str]] = {
        "first counts": (
            [sorted(SECONDS[:5])[2], sorted(SECONDS[:6])[3], sum(sorted(SECONDS[:6])[2:4]) / 2],
            "The first run counts: it pays for what is set up once. Leave it out.",
        ),
        "mean": (
            [sum(counted) / 5, sum(SECONDS[:5]) / 5, sum(SECONDS[:6]) / 6],
            "You took the mean: one disturbed run moves it. Take the median.",
        ),
        "shortest": ([min(counted)], "You took the shortest run: the one in the middle is asked for."),
        "longest": (
            [max(counted), max(SECONDS)],
            "You took the longest run: the one in the middle is asked for.",
        ),
        "total": (
            [sum(counted), sum(SECONDS[:6]), sum(SECONDS[:5])],
            "You measured all runs together: measure each by itself.",
        ),
        "not sorted": (
            [counted[2]],
            "You took the middle one in the order of the runs: sort the times first.",
        ),
    }
    if math.isclose(found, factor * sorted(counted)[2], rel_tol=1e-5):
        if clock["calls"] == 6:
            return
        raise Wrong("calls", "Run the function once without counting, and then as often as `runs` says.")
    for name, (values, says) in verdicts.items():
        if any(math.isclose(found, factor * value, rel_tol=1e-5) for value in values):
            raise Wrong(name, says)
    raise Wrong("", "Your function does not return the median of five runs after one that does not count.")


def _through(one: Callable[[float, int], float]) -> Answer:
    def places(side: int, strides: Sequence[int]) -> float:
        n: float = side
        for stride in strides:
            n = one(n, stride)
        return n

    return places


larger_input = by_cases(
    right=_through(lambda n, stride: -(-n // stride)),
    cases=lambda draw: [
        (2 * draw.size(90, 110) + 1, [2, 1, 2, 2, 3]),
        (8 * draw.size(20, 30) + 5, [2, 2, 1, 2]),
        (draw.size(211, 212), [2, 3, 2]),
    ],
    wrong={
        "rounded down": (
            _through(lambda n, stride: n // stride),
            "You rounded down: with this padding a last, cut place is kept.",
        ),
        "not rounded": (
            _through(lambda n, stride: n / stride),
            "Your places are not whole: each layer rounds up.",
        ),
        "all places": (
            lambda side, strides: _through(lambda n, stride: -(-n // stride))(side, strides) ** 2,
            "You counted all places of the map: those along one side are asked for.",
        ),
        "strides added": (
            lambda side, strides: -(-side // sum(strides)),
            "You added the strides: each layer divides what the one before has left.",
        ),
        "one stride": (
            lambda side, strides: -(-side // strides[0]),
            "You stopped behind the first layer: every stride divides.",
        ),
        "one too many": (
            _through(lambda n, stride: n // stride + 1),
            "You added a place where the stride fits: round up, which adds one only where there is a rest.",
        ),
    },
)

JUDGES = {
    "ex-unknown-network": unknown_network,
    "ex-stopwatch": stopwatch,
    "ex-larger-input": larger_input,
}
