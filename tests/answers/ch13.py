"""Answers to the exercises of chapter 13."""

from collections import Counter

import numpy as np
import torch
from torch import nn

from tests.answers import Answers


def gradient(model, x, target, score=lambda y, k: y[0, k]):
    pixels = x.clone().requires_grad_()
    score(model(pixels), target).backward()
    return pixels.grad


def on_the_leaf(model, x, target):
    x.requires_grad_()
    return x * torch.autograd.grad(model(x)[:, target].sum(), x)[0]


def summed_in_a_loop(model, x, target):
    share = gradient(model, x, target).flatten()
    for k, value in enumerate(x.flatten().tolist()):
        share[k] *= value
    return share.reshape(x.shape)


def uneven(slope, x, steps, power, shift=0.5, weigh=True, move=True, times=True):
    total = torch.zeros_like(x)
    for k in range(steps):
        s = (k + shift) / steps
        length = power * s ** (power - 1) / steps if weigh else 1 / steps
        total = total + length * slope((s**power if move else s) * x)
    return x * total if times else total


def uneven_as_on_the_page(slope, x, steps, power):
    s = (torch.arange(steps) + 0.5) / steps
    total = torch.zeros_like(x)
    for t, length in zip(s**power, power * s ** (power - 1) / steps, strict=True):
        total += length * slope(t * x)
    return x * total


def uneven_by_edges(slope, x, steps, power):
    edges = torch.linspace(0, 1, steps + 1) ** power
    middles = ((torch.arange(steps) + 0.5) / steps) ** power
    slopes = torch.stack([slope(t * x) for t in middles])
    return torch.einsum("s...,s->...", slopes, edges.diff()) * x


def edges_only(slope, x, steps, power):
    edges = torch.linspace(0, 1, steps + 1) ** power
    return sum(slope(t * x) * step for t, step in zip(edges[1:], edges.diff(), strict=True)) * x


def uneven_of_roots(slope, x, steps, power):
    s = (torch.arange(steps) + 0.5) / steps
    lengths = power * s ** (power - 1) / steps
    return x * sum(w * slope(x * t) for w, t in zip(lengths, s ** (1 / power), strict=True))


def weighed_by_the_place(slope, x, steps, power):
    t = ((torch.arange(steps) + 0.5) / steps) ** power
    return x * sum(place * slope(place * x) for place in t) / steps


def from_the_photo(slope, x, steps, power):
    return uneven(lambda point: slope(x - point), x, steps, power)


def maps_in_loops(gradients):
    total, sizes = 0, 0
    for copy in gradients:
        total = total + copy
        sizes = sizes + copy.abs()
    n = len(gradients)
    return [(total / n).abs().max(dim=1).values, (sizes / n).max(dim=1).values]


def maps_by_numpy(gradients):
    g = gradients.numpy()
    return np.abs(g.mean(0)).max(1), np.abs(g).mean(0).max(1)


def counted_in_a_loop(model, kinds):
    found = {}
    for _, module in model.named_modules():
        if type(module) in kinds:
            found[type(module).__name__] = found.get(type(module).__name__, 0) + 1
    return found


def counted_downwards(model, kinds):
    if isinstance(model, kinds):
        return Counter([type(model).__name__])
    return sum((counted_downwards(child, kinds) for child in model.children()), Counter())


def counted_by_name(model, kinds):
    found = Counter()
    for module in model.modules():
        for kind in kinds:
            if type(module).__name__.startswith(kind.__name__):
                found[kind.__name__] += 1
                break
    return found


ANSWERS = {
    "ex-gradient-times-pixel": Answers(
        right=[lambda model, x, k: gradient(model, x, k) * x, on_the_leaf, summed_in_a_loop],
        wrong=[
            ("gradient only", gradient),
            ("sizes", lambda model, x, k: x.abs() * gradient(model, x, k).abs()),
            ("size of the gradient", lambda model, x, k: gradient(model, x, k).abs() * x),
            ("already summed", lambda model, x, k: gradient(model, x, k).flatten() @ x.flatten()),
            ("all classes", lambda model, x, k: x * gradient(model, x, k, lambda y, k: y.sum())),
            ("probability", lambda model, x, k: x * gradient(model, x, k, lambda y, k: y.softmax(-1)[0, k])),
            ("times the score", lambda model, x, k: gradient(model, x, k) * model(x)[0, k].item()),
            ("", lambda model, x, k: x.square() * gradient(model, x, k)),
        ],
    ),
    "ex-uneven-steps": Answers(
        right=[uneven, uneven_as_on_the_page, uneven_by_edges],
        wrong=[
            ("not weighed", lambda *a: uneven(*a, weigh=False)),
            ("points not moved", lambda *a: uneven(*a, move=False)),
            ("times no distance", lambda *a: uneven(*a, times=False)),
            ("times no distance", lambda g, x, n, p: uneven_by_edges(g, x, n, p) / x),
            ("beginnings of the steps", lambda *a: uneven(*a, shift=0)),
            ("ends of the steps", lambda *a: uneven(*a, shift=1)),
            ("not divided", lambda g, x, n, p: n * uneven(g, x, n, p)),
            ("root", uneven_of_roots),
            ("factor forgotten", lambda g, x, n, p: uneven(g, x, n, p) / p),
            ("weighed by the place", weighed_by_the_place),
            ("always cubes", lambda g, x, n, p: uneven(g, x, n, 3)),
            ("close together at the photo", from_the_photo),
            ("", edges_only),
            ("", lambda g, x, n, p: uneven(g, x, n, 1)),
        ],
    ),
    "ex-smooth-question": Answers(
        right=[
            lambda g: (g.mean(0).abs().amax(1), g.abs().mean(0).amax(1)),
            maps_in_loops,
            maps_by_numpy,
        ],
        wrong=[
            ("exchanged", lambda g: maps_in_loops(g)[::-1]),
            ("twice the size of the mean", lambda g: 2 * [maps_in_loops(g)[0]]),
            ("twice the mean of the sizes", lambda g: 2 * [maps_in_loops(g)[1]]),
            ("signs kept", lambda g: (g.mean(0).max(1).values, g.abs().mean(0).max(1).values)),
            ("mean over the colours", lambda g: (g.mean(0).abs().mean(1), g.abs().mean(2).mean(0))),
            ("mean over the classes", lambda g: maps_by_numpy(g.transpose(0, 1))),
            ("colours before copies", lambda g: (maps_in_loops(g)[0], g.abs().max(2).values.mean(0))),
            ("mean of squares", lambda g: (maps_in_loops(g)[0], (g**2).mean(0).max(1).values)),
            ("", lambda g: maps_in_loops(g)[0]),
        ],
    ),
    "ex-was-it-applied": Answers(
        right=[
            lambda model, kinds: Counter(type(m).__name__ for m in model.modules() if isinstance(m, kinds)),
            counted_in_a_loop,
            counted_downwards,
            lambda model, kinds: {
                k.__name__: n for k in kinds if (n := str(model).count(f" {k.__name__}(")) > 0
            },
        ],
        wrong=[
            (
                "first level only",
                lambda model, kinds: Counter(type(m).__name__ for m in model.children() if type(m) in kinds),
            ),
            ("ReLU6 taken for ReLU", counted_by_name),
            (
                "one of each",
                lambda model, kinds: {type(m).__name__: 1 for m in model.modules() if type(m) in kinds},
            ),
            ("all together", lambda model, kinds: counted_downwards(model, kinds).total()),
            ("every module", lambda model, kinds: Counter(type(m).__name__ for m in model.modules())),
            (
                "classes for names",
                lambda model, kinds: Counter(type(m) for m in model.modules() if type(m) in kinds),
            ),
            (
                "with zeros",
                lambda model, kinds: {k.__name__: sum(type(m) is k for m in model.modules()) for k in kinds},
            ),
            (
                "",
                lambda model, kinds: Counter(
                    type(m).__name__ for m in model.modules() if isinstance(m, nn.ReLU)
                ),
            ),
        ],
    ),
}
