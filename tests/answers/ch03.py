"""Answers to the exercises of chapter 3."""

import math

import torch
from torch import nn

from tests.answers import Answers


def by_layers(n, layers):
    x = torch.zeros(1, 1, n, n)
    for kernel, stride, padding in layers:
        x = nn.Conv2d(1, 1, kernel, stride, padding)(x)
    return x.shape[-1]


def by_recursion(n, layers):
    if not layers:
        return n
    (kernel, stride, padding), *rest = layers
    return by_recursion(math.floor((n - kernel + 2 * padding) / stride + 1), rest)


def chain(one):
    def size_after(n, layers):
        for k, s, p in layers:
            n = one(n, k, s, p)
        return n

    return size_after


def by_counting(kernels, channels):
    net = nn.Sequential(*(nn.Conv2d(channels, channels, k, bias=False) for k in kernels))
    return sum(weight.numel() for weight in net.parameters())


def one_by_one(kernels, channels):
    total = 0
    for k in kernels:
        total += channels * channels * k**2
    return total


def with_biases(kernels, channels):
    net = nn.Sequential(*(nn.Conv2d(channels, channels, k) for k in kernels))
    return sum(weight.numel() for weight in net.parameters())


def by_inverse(a, t, penalty):
    squares = a.T @ a
    squares.diagonal().add_(penalty)
    return squares.inverse() @ (a.T @ t)


def by_more_rows(a, t, penalty):
    """The penalty as rows that ask for weights of zero."""
    more = penalty**0.5 * torch.eye(a.shape[1], dtype=a.dtype)
    zeros = torch.zeros(a.shape[1], t.shape[1], dtype=t.dtype)
    return torch.linalg.lstsq(torch.cat([a, more]), torch.cat([t, zeros])).solution


def column_by_column(a, t, penalty):
    eye = torch.eye(a.shape[1], dtype=a.dtype)
    return torch.stack([torch.linalg.solve(penalty * eye + a.T @ a, a.T @ y) for y in t.T], dim=1)


def solved(a, t, extra):
    return torch.linalg.solve(a.T @ a + extra, a.T @ t)


def eye(a):
    return torch.eye(a.shape[1], dtype=a.dtype)


ANSWERS = {
    "ex-resnet-sizes": Answers(
        right=[by_layers, by_recursion, chain(lambda n, k, s, p: (n + 2 * p - k + s) // s)],
        wrong=[
            ("no floor", chain(lambda n, k, s, p: 1 + (n - k + 2 * p) / s)),
            ("one is missing", chain(lambda n, k, s, p: int((n - k + 2 * p) / s))),
            ("padding on one side", chain(lambda n, k, s, p: 1 + (n - k + p) // s)),
            ("no padding", chain(lambda n, k, s, p: 1 + (n - k) // s)),
            ("divided by the stride", chain(lambda n, k, s, p: int(n / s))),
            ("rounded up", chain(lambda n, k, s, p: math.ceil((n - k + 2 * p) / s) + 1)),
            (
                "the first layer only",
                lambda n, layers: (n + 2 * layers[0][2] - layers[0][0]) // layers[0][1] + 1,
            ),
        ],
    ),
    "ex-two-small": Answers(
        right=[by_counting, one_by_one],
        wrong=[
            ("kernel not squared", lambda kernels, c: sum(c * c * k for k in kernels)),
            ("one output channel", lambda kernels, c: sum(c * k**2 for k in kernels)),
            ("with biases", with_biases),
            ("one large kernel", lambda kernels, c: (1 + sum(k - 1 for k in kernels)) ** 2 * c * c),
            ("multiplied", lambda kernels, c: math.prod(k * k for k in kernels) * c * c),
            ("one layer", lambda kernels, c: kernels[0] ** 2 * c * c),
            ("", lambda kernels, c: sum(k * k for k in kernels)),
        ],
    ),
    "ex-read-out": Answers(
        right=[by_inverse, by_more_rows, column_by_column],
        wrong=[
            ("no penalty", lambda a, t, penalty: torch.linalg.lstsq(a, t).solution),
            ("penalty everywhere", lambda a, t, penalty: solved(a, t, penalty)),
            ("penalty subtracted", lambda a, t, penalty: solved(a, t, -penalty * eye(a))),
            ("penalty squared", lambda a, t, penalty: solved(a, t, penalty * penalty * eye(a))),
            ("mean of squares", lambda a, t, penalty: solved(a, t, penalty * len(a) * eye(a))),
            ("transposed", lambda a, t, penalty: by_inverse(a, t, penalty).T),
            ("", lambda a, t, penalty: a @ by_inverse(a, t, penalty)),
        ],
    ),
}
