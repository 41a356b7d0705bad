"""Answers to the exercises of chapter 11."""

import math
import statistics
import time
import timeit

import torch

from tests.answers import Answers


def in_a_loop(shapes):
    found = None
    for name, shape in shapes.items():
        if len(shape) == 4:
            rows, columns = shape[2], shape[3]
            if rows * columns != 1:
                found = name
    return found


def backwards(shapes):
    return next(k for k, s in reversed(shapes.items()) if len(s) == 4 and (s[2] > 1 or s[3] > 1))


def maps(shapes):
    return {name: shape for name, shape in shapes.items() if len(shape) == 4 and shape[2] > 1}


def times_of(function, runs):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def timed(of_times, warm=True, more=0):
    def stopwatch(function, runs=5):
        if warm:
            function()
        return of_times(times_of(function, runs + more))

    return stopwatch


def first_dropped(function, runs=5):
    return sorted(times_of(function, runs + 1)[1:])[runs // 2]


def all_together(function, runs=5):
    function()
    start = time.monotonic()
    for _ in range(runs):
        function()
    return time.monotonic() - start


def by_layers(side, strides):
    return by_layers(math.ceil(side / strides[0]), strides[1:]) if strides else side


def by_formula(side, strides):
    for stride in strides:
        side = (side - 1) // stride + 1
    return side


def chain(one):
    def places(side, strides):
        for stride in strides:
            side = one(side, stride)
        return side

    return places


ANSWERS = {
    "ex-unknown-network": Answers(
        right=[in_a_loop, backwards],
        wrong=[
            ("one place", lambda shapes: [n for n, s in shapes.items() if len(s) > 3][-1]),
            ("no places", lambda shapes: list(shapes.keys())[-1]),
            ("tokens", lambda shapes: [n for n, s in shapes.items() if len(s) > 2 and s[-1] != 1][-1]),
            ("the first", lambda shapes: next(iter(shapes))),
            ("most channels", lambda shapes: max(maps(shapes), key=lambda name: shapes[name][1])),
            ("a part of it", lambda shapes: [name for name in maps(shapes) if name.endswith(".0")][-1]),
            ("", lambda shapes: shapes["stage2"]),
        ],
    ),
    "ex-stopwatch": Answers(
        right=[timed(statistics.median), first_dropped, timed(lambda times: torch.tensor(times).median())],
        wrong=[
            ("first counts", timed(statistics.median, warm=False)),
            ("mean", timed(statistics.mean)),
            ("shortest", timed(min)),
            ("longest", timed(max)),
            ("total", all_together),
            ("not sorted", timed(lambda times: times[len(times) // 2])),
            ("another clock", lambda function, runs: timeit.timeit(function, number=1 + runs) / runs),
            ("", timed(lambda times: [statistics.median(times)])),
            ("", timed(lambda times: statistics.median(times) * 1000)),
        ],
    ),
    "ex-larger-input": Answers(
        right=[by_layers, by_formula],
        wrong=[
            ("rounded down", chain(lambda n, s: int(n / s))),
            ("not rounded", lambda side, strides: side / math.prod(strides)),
            ("all places", lambda side, strides: by_layers(side, strides) * by_layers(side, strides)),
            ("strides added", lambda side, strides: math.ceil(side / sum(strides))),
            ("one stride", lambda side, strides: math.ceil(side / strides[0])),
            ("one too many", chain(lambda n, s: int(n / s) + 1)),
        ],
    ),
}
