"""The checks of chapter 16."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases


def _pair(draw: Draw) -> tuple[Tensor, Tensor]:
    """Two pictures whose largest difference, and whose largest size, is that of a negative number."""
    shape = 1, 3, draw.size(4, 6), draw.size(7, 9)
    one, other = draw.normal(*shape), draw.normal(*shape)
    other[0, 1, 1, 1] = -9 - draw.number(0, 1)
    one[0, 2, 3, 3] = other[0, 2, 3, 3] - 15
    return one, other


two_agree = by_cases(
    right=lambda one, other: ((one - other).abs().max() / other.abs().max()).item(),
    cases=lambda draw: [_pair(draw) for _ in range(3)],
    wrong={
        "not relative": (
            lambda one, other: (one - other).abs().max(),
            "Your difference has no measure: all values may be small. Divide by the largest.",
        ),
        "sign lost too late": (
            lambda one, other: (one - other).max().abs() / other.abs().max(),
            "You looked for the largest number: a difference below zero may be the larger one.",
        ),
        "mean": (
            lambda one, other: (one - other).abs().mean() / other.abs().mean(),
            "You compared means: one wrong pixel in a thousand hides there. Take the largest.",
        ),
        "place by place": (
            lambda one, other: ((one - other).abs() / other.abs()).max(),
            "You divided place by place: near zero any difference is huge. Divide by the largest.",
        ),
        "divided by the first": (
            lambda one, other: (one - other).abs().max() / one.abs().max(),
            "You divided by the first picture: the second is the one that it is held against.",
        ),
        "signed maximum": (
            lambda one, other: (one - other).abs().max() / other.max(),
            "You divided by the largest number: the largest size may be that of a negative one.",
        ),
        "lengths": (
            lambda one, other: (one - other).norm() / other.norm(),
            "You compared lengths of vectors: the largest difference at one pixel is asked for.",
        ),
    },
)


def _scaled(cams: Tensor) -> Tensor:
    highest = cams.amax(dim=(1, 2), keepdim=True)
    return torch.where(highest > 0, cams / highest, 0.0)


def _cams(draw: Draw) -> tuple[Tensor]:
    """Maps that are zero or more and nowhere near zero in one case; the second one is zero everywhere."""
    cams = draw.uniform(4, draw.size(3, 5), draw.size(6, 8)) + 0.2
    cams *= torch.tensor([0.5, 0.0, 3.0, 40.0], dtype=torch.float64)[:, None, None]
    return (cams,)


bright_sure = by_cases(
    right=_scaled,
    cases=lambda draw: [_cams(draw) for _ in range(3)],
    wrong={
        "nan": (
            lambda cams: cams / cams.amax(dim=(1, 2), keepdim=True),
            "A map of zeros became nan: 0 divided by 0. Nothing speaks for its class, so it stays zero.",
        ),
        "one scale for all": (
            lambda cams: cams / cams.max(),
            "You divided by the highest of all maps: each map is to have its own scale here.",
        ),
        "minimum subtracted": (
            lambda cams: _scaled(cams - cams.amin(dim=(1, 2), keepdim=True)),
            "You subtracted the minimum: then zero no longer means that nothing speaks for the class.",
        ),
        "sum": (
            lambda cams: cams / cams.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12),
            "You divided by the sum: the highest value is to become 1.",
        ),
        "row by row": (
            lambda cams: cams / cams.amax(dim=2, keepdim=True).clamp_min(1e-12),
            "You scaled each row of a map: the maximum is that of the whole map.",
        ),
        "cut off": (
            lambda cams: cams.clamp(max=1),
            "You cut off what is above 1: a scale divides.",
        ),
    },
)


def _claimed(of_places: Callable[[Tensor], Tensor], with_bias: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    return lambda maps, bias: with_bias(of_places(maps), bias)


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(dim=(1, 2))


fits = by_cases(
    right=_claimed(_mean, torch.add),
    cases=lambda draw: [(draw.normal(k, draw.size(2, 4), 5), 1 + draw.normal(k)) for k in (3, 6)],
    wrong={
        "sum of the places": (
            _claimed(lambda maps: maps.sum(dim=(1, 2)), torch.add),
            "You added the places up: the network takes their mean.",
        ),
        "no bias": (
            _claimed(_mean, lambda mean, bias: mean),
            "You left out the bias: it is added to the mean.",
        ),
        "bias at each place": (
            lambda maps, bias: _mean(maps) + bias * maps[0].numel(),
            "You added the bias once for each place: the mean already counts the places.",
        ),
        "bias shared": (
            lambda maps, bias: _mean(maps) + bias.mean(),
            "You gave all classes one bias: each class has its own.",
        ),
        "highest place": (
            _claimed(lambda maps: maps.amax(dim=(1, 2)), torch.add),
            "You took the highest place: the network takes the mean of all.",
        ),
        "over the classes": (
            lambda maps, bias: maps.mean(dim=0) + bias.mean(),
            "You averaged over the classes: each class has a map of its own.",
        ),
        "ReLU first": (
            _claimed(lambda maps: maps.relu().mean(dim=(1, 2)), torch.add),
            "You cut the negative places off: they speak against the class, and count in the logit.",
        ),
    },
)


def training_mode(answer: Answer) -> None:
    """The names of the buffers that a forward pass changes."""
    draw = Draw()
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2)
    )
    for training in (True, False):
        model = copy.deepcopy(draw.filled(net)).train(training)
        x = draw.normal(draw.size(3, 5), 3, 8, 9)
        before = {name: value.clone() for name, value in model.named_buffers()}
        found = answer(model, x)
        changed = {name for name, value in model.named_buffers() if not value.equal(before[name])}
        if model.training != training:
            raise Wrong("mode changed", "You changed the mode of the network: leave it as it is given.")
        if isinstance(found, str) or not _names(found):
            raise Wrong("", "Your function should return the names of buffers, in a list or a set.")
        if set(found) == changed and (changed or not training):
            continue
        _blame(set(found), changed, model)


def _names(found: Any) -> bool:
    return isinstance(found, list | tuple | set | dict) and all(isinstance(name, str) for name in found)


def _blame(found: set[str], changed: set[str], model: nn.Module) -> None:
    if not changed and not found:
        raise Wrong(
            "not run", "Nothing has moved, since the network has not been run: run it between the looks."
        )
    if not found:
        raise Wrong(
            "the same tensors",
            "You name none, and some have moved, in place: copy all first, then name those that differ.",
        )
    if found & {name for name, _ in model.named_parameters()}:
        raise Wrong("parameters", "You looked at parameters: a forward pass changes buffers, such as means.")
    if found == {name for name, _ in model.named_buffers()} and not changed:
        raise Wrong("all of them", "You named buffers that have not moved: compare each with its copy.")
    if found < changed:
        raise Wrong("not all", "You named some of them: variances and the count of batches move as well.")
    raise Wrong("", "These are not the buffers that the pass has changed.")


JUDGES = {
    "ex-two-agree": two_agree,
    "ex-bright-sure": bright_sure,
    "ex-fits": fits,
    "ex-training-mode": training_mode,
}
