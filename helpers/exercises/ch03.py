"""The checks of chapter 3."""

from collections.abc import Callable, Sequence

import torch

from helpers.exercises.judging import Answer, Draw, by_cases


def _chain(one: Callable[[float, int, int, int], float]) -> Answer:
    """The size behind layers, each of which takes it from size, kernel, stride and padding."""

    def size_after(n: int, layers: Sequence[tuple[int, int, int]]) -> float:
        size: float = n
        for kernel, stride, padding in layers:
            size = one(size, kernel, stride, padding)
        return size

    return size_after


def _layers(draw: Draw) -> list[tuple[int, list[tuple[int, int, int]]]]:
    """Layers with a rest that the floor takes away, and a stride of 1 among them."""
    return [
        (draw.size(200, 260), [(7, 2, draw.size(1, 3)), (3, 2, 1), (5, 3, draw.size(0, 2))]),
        (2 * draw.size(100, 130), [(3, 2, 1), (3, 1, 1)]),
        (draw.size(60, 90), [(4, draw.size(2, 3), 1), (2, 2, 0), (3, 1, 0)]),
    ]


resnet_sizes = by_cases(
    right=_chain(lambda n, k, s, p: (n + 2 * p - k) // s + 1),
    cases=_layers,
    wrong={
        "no floor": (
            _chain(lambda n, k, s, p: (n + 2 * p - k) / s + 1),
            "Your size is not whole: where the kernel does not fit any more, the rest is left out.",
        ),
        "one is missing": (
            _chain(lambda n, k, s, p: (n + 2 * p - k) // s),
            "You counted the steps: there is one more place than there are steps between places.",
        ),
        "padding on one side": (
            _chain(lambda n, k, s, p: (n + p - k) // s + 1),
            "You padded one side: padding is added on both.",
        ),
        "no padding": (
            _chain(lambda n, k, s, p: (n - k) // s + 1),
            "Your size does not depend on the padding: it makes the picture larger, on both sides.",
        ),
        "divided by the stride": (
            _chain(lambda n, k, s, p: n // s),
            "You divided by the stride: that is near, but kernel and padding have a say as well.",
        ),
        "rounded up": (
            _chain(lambda n, k, s, p: -((k - 2 * p - n) // s) + 1),
            "You rounded up: a kernel that does not fit whole gives no place.",
        ),
        "the first layer only": (
            lambda n, layers: _chain(lambda n, k, s, p: (n + 2 * p - k) // s + 1)(n, layers[:1]),
            "You stopped behind the first layer: its size is where the next one begins.",
        ),
    },
)

two_small = by_cases(
    right=lambda kernels, channels: sum(k * k for k in kernels) * channels**2,
    cases=lambda draw: [
        ([3] * draw.size(2, 4), draw.size(5, 64)),
        ([draw.size(4, 7), 2, 3], draw.size(5, 64)),
    ],
    wrong={
        "kernel not squared": (
            lambda kernels, channels: sum(kernels) * channels**2,
            "You counted a row of the kernel: it has as many rows as columns.",
        ),
        "one output channel": (
            lambda kernels, channels: sum(k * k for k in kernels) * channels,
            "You counted one kernel for each input channel: each output channel has kernels of its own.",
        ),
        "with biases": (
            lambda kernels, channels: sum(k * k * channels**2 + channels for k in kernels),
            "You counted biases: these layers have none.",
        ),
        "one large kernel": (
            lambda kernels, channels: (sum(kernels) - len(kernels) + 1) ** 2 * channels**2,
            "You counted the one large kernel with the same field: count the small ones, layer by layer.",
        ),
        "multiplied": (
            lambda kernels, channels: int(torch.tensor(kernels).prod()) ** 2 * channels**2,
            "You multiplied the layers: their weights are added up.",
        ),
        "one layer": (
            lambda kernels, channels: kernels[0] ** 2 * channels**2,
            "You counted the first layer only: add up all of them.",
        ),
    },
)


def _solved(left: Answer, right: Answer) -> Answer:
    return lambda a, t, penalty: torch.linalg.solve(left(a, penalty), right(a, t))


def _squares(a: torch.Tensor, penalty: float) -> torch.Tensor:
    return a.T @ a + penalty * torch.eye(a.shape[1], dtype=a.dtype)


read_out = by_cases(
    right=_solved(_squares, lambda a, t: a.T @ t),
    cases=lambda draw: [_regression(draw) for _ in range(3)],
    wrong={
        "no penalty": (
            _solved(lambda a, penalty: a.T @ a, lambda a, t: a.T @ t),
            "Your weights do not depend on the penalty: add it to each number on the diagonal.",
        ),
        "penalty everywhere": (
            _solved(lambda a, penalty: a.T @ a + penalty, lambda a, t: a.T @ t),
            "You added the penalty to every number of the matrix: it belongs on the diagonal.",
        ),
        "penalty subtracted": (
            _solved(lambda a, penalty: _squares(a, -penalty), lambda a, t: a.T @ t),
            "You subtracted the penalty: then large weights are cheap.",
        ),
        "penalty squared": (
            _solved(lambda a, penalty: _squares(a, penalty**2), lambda a, t: a.T @ t),
            "You squared the penalty: it is added as it is; the weights are what is squared.",
        ),
        "mean of squares": (
            _solved(lambda a, penalty: _squares(a, penalty * len(a)), lambda a, t: a.T @ t),
            "Your penalty grows with the number of rows: the errors are added up here, not averaged.",
        ),
        "transposed": (
            lambda a, t, penalty: torch.linalg.solve(_squares(a, penalty), a.T @ t).T,
            "Your weights lie on their side: a row for each column of `a`, a column for each column of `t`.",
        ),
    },
)


def _regression(draw: Draw) -> tuple[torch.Tensor, torch.Tensor, float]:
    rows = draw.size(9, 14)
    return draw.normal(rows, 5), draw.normal(rows, 3), draw.number(2, 20)


JUDGES = {"ex-resnet-sizes": resnet_sizes, "ex-two-small": two_small, "ex-read-out": read_out}
