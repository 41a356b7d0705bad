"""The checks of chapter 4."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases, same


class _Block(nn.Module):
    """A small block, residual or plain, with the names of the chapter's own."""

    def __init__(self, width: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(x + branch if self.residual else branch)


def _net(draw: Draw, blocks: int = 4, residual: bool = True) -> nn.Sequential:
    """Blocks at the positions 2, 3 and so on, between a convolution and a head."""
    ends = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), *(_Block(3, residual) for _ in range(blocks)), ends)
    return draw.filled(net)


def lesion(answer: Answer) -> None:
    """A copy of a network without one of its blocks."""
    for position, residual in [(2, True), (4, False)]:
        draw = Draw()
        net, x = _net(draw, residual=residual), draw.normal(2, 1, draw.size(7, 9), 8)
        before, state = net(x), copy.deepcopy(net.state_dict())
        found = answer(net, position)
        if not isinstance(found, nn.Module):
            raise Wrong("", "Your function should return a network.")
        if not same(net(x), before) or not same(dict(net.state_dict()), dict(state)):
            raise Wrong(
                "original changed",
                "You changed the network itself: the next block would be missing from what is left. Copy it.",
            )
        _blame(found, net, position, x)


def _blame(found: nn.Module, net: nn.Sequential, position: int, x: Tensor) -> None:
    def without(*positions: int) -> nn.Sequential:
        return nn.Sequential(*(part for k, part in enumerate(net) if k not in positions))

    gives = found(x)
    if any(part.training for part in found.modules() if isinstance(part, nn.BatchNorm2d)):
        raise Wrong("training mode", "Your copy is in training mode: batch norm then looks at the batch.")
    if same(gives, without(position)(x)):
        return
    quiet = copy.deepcopy(net)
    quiet[position] = _Silent()
    for name, other, says in [
        (
            "nothing taken out",
            net,
            "Your copy gives what the whole network gives: nothing has been taken out.",
        ),
        ("another block", without(position + 1), "You took out the block behind: positions count from 0."),
        ("another block", without(position - 1), "You took out what stands before: positions count from 0."),
        (
            "all that follow",
            without(*range(position, len(net) - 1)),
            "You took out all later blocks as well: only one may go.",
        ),
        ("silenced", quiet, "Your block gives zeros: a missing block hands on what it was given."),
    ]:
        if same(gives, other(x)):
            raise Wrong(name, says)
    raise Wrong("", "Your network gives something else than the network without that block.")


class _Silent(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def _stage(first: Callable[[int, int], int], rest: Callable[[int], int]) -> Answer:
    return lambda channels_in, channels, blocks: first(channels_in, channels) + (blocks - 1) * rest(channels)


def _first(channels_in: int, channels: int) -> int:
    return 9 * channels_in * channels + 9 * channels**2 + channels_in * channels


resnet34 = by_cases(
    right=_stage(_first, lambda c: 18 * c**2),
    cases=lambda draw: [(n := draw.size(10, 80), 2 * n, draw.size(2, 6)) for _ in range(2)] + [(48, 80, 3)],
    wrong={
        "no projection": (
            _stage(lambda i, c: 9 * i * c + 9 * c**2, lambda c: 18 * c**2),
            "You left out the projection: where the channels change, the shortcut has a 1 × 1 convolution.",
        ),
        "projection in every block": (
            _stage(_first, lambda c: 19 * c**2),
            "You gave every block a projection: only the first block of the stage changes the channels.",
        ),
        "all blocks alike": (
            _stage(lambda i, c: 18 * c**2, lambda c: 18 * c**2),
            "You counted the first block like the others: it has fewer input channels, and a projection.",
        ),
        "one convolution a block": (
            _stage(lambda i, c: 9 * i * c + i * c, lambda c: 9 * c**2),
            "You counted one convolution in each block: there are two.",
        ),
        "kernel not squared": (
            _stage(lambda i, c: 3 * i * c + 3 * c**2 + i * c, lambda c: 6 * c**2),
            "You counted 3 numbers in a kernel: 3 × 3 are 9.",
        ),
        "with normalisation": (
            _stage(lambda i, c: _first(i, c) + 6 * c, lambda c: 18 * c**2 + 4 * c),
            "You counted weights and biases of the normalisations: only the convolutions are asked for.",
        ),
        "projection of 3 × 3": (
            _stage(lambda i, c: 18 * i * c + 9 * c**2, lambda c: 18 * c**2),
            "Your projection has a kernel of 3 × 3: it has 1 × 1.",
        ),
    },
)


def zero_gamma(answer: Answer) -> None:
    """A network all of whose blocks are idle, and in which nothing else has changed."""
    draw = Draw()
    net = _net(draw, draw.size(3, 5))
    before = {name: weight.clone() for name, weight in net.named_parameters()}
    kinds = [type(part) for part in net.modules()]
    found = answer(net)
    if not isinstance(found, nn.Module):
        raise Wrong("", "Your function should return the network.")
    after = dict(found.named_parameters())
    shapes = {name: weight.shape for name, weight in after.items()}
    if [type(part) for part in found.modules()] != kinds or shapes != {k: w.shape for k, w in before.items()}:
        raise Wrong("taken out", "You replaced modules or weights: all of them stay, and some become zero.")
    if not all(weight.requires_grad for weight in after.values()):
        raise Wrong("frozen", "You froze weights: they begin at zero, and must be able to move.")
    changed = {name for name in after if not after[name].equal(before[name])}
    gammas = {name for name in after if name.endswith("bn2.weight")}
    if changed < gammas:
        raise Wrong("not all", "Some `bn2` still have their weight: go through all blocks.")
    for part, says in [
        ("bn1", "You changed `bn1` as well: only the last normalisation of a block is set to zero."),
        ("bn2.bias", "You set the biases of `bn2`: only the weights are multiplied with what comes in."),
        ("conv", "You set convolutions to zero: then their gradient is not the only one that is zero."),
    ]:
        if any(part in name for name in changed):
            raise Wrong(part, says)
    if changed != gammas or any(after[name].any() for name in gammas):
        raise Wrong("not zero", "The weights of `bn2` are not zero.")


JUDGES = {"ex-lesion": lesion, "ex-resnet34": resnet34, "ex-zero-gamma": zero_gamma}
