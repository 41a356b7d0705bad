"""Answers to the exercises of chapter 4."""

import copy

import torch
from torch import nn

from tests.answers import Answers


def replaced(net, position):
    shorter = copy.deepcopy(net)
    shorter[position] = nn.Identity()
    return shorter


def left_out(net, position):
    return nn.Sequential(*(part for k, part in enumerate(net) if k != position)).eval()


def of_slices(net, position):
    whole = copy.deepcopy(net)
    return nn.Sequential(*whole[:position], *whole[position + 1 :]).eval()


def in_the_original(net, position):
    net[position] = nn.Identity()
    return net


def trained(net, position):
    return replaced(net, position).train()


def silenced(net, position):
    shorter = copy.deepcopy(net)
    shorter[position].forward = lambda x: 0 * x
    return shorter


def at_zero(net, position):
    shorter = copy.deepcopy(net)
    for weight in shorter[position].parameters():
        nn.init.zeros_(weight)
    return shorter


def all_later(net, position):
    return nn.Sequential(*net[:position], net[-1]).eval()


def kernels(*sides):
    return sum(k * k * i * c for k, i, c in sides)


def by_counting(channels_in, channels, blocks):
    convolutions = [nn.Conv2d(channels_in, channels, 1, bias=False)]
    for block in range(blocks):
        convolutions.append(nn.Conv2d(channels if block else channels_in, channels, 3, bias=False))
        convolutions.append(nn.Conv2d(channels, channels, 3, bias=False))
    return sum(module.weight.numel() for module in convolutions)


def by_formula(i, c, blocks):
    return 10 * i * c + (2 * blocks - 1) * 9 * c * c


def idle(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.bn2.weight)
    return net


def idle_by_name(net):
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("bn2.weight"):
                weight.mul_(0)
    return net


def idle_copy(net):
    return idle(copy.deepcopy(net))


def each_norm(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.weight)
    return net


def with_bias(net):
    for module in idle(net).modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.bn2.bias)
    return net


def frozen(net):
    for module in idle(net).modules():
        if hasattr(module, "bn2"):
            module.bn2.weight.requires_grad_(False)
    return net


def one_block(net):
    nn.init.zeros_(net[2].bn2.weight)
    return net


def convolutions(net):
    for module in idle(net).modules():
        if hasattr(module, "conv2"):
            nn.init.zeros_(module.conv2.weight)
    return net


def without_normalisation(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            module.bn2 = nn.BatchNorm2d(module.bn2.num_features, affine=False)
    return net


def biases_alone(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.bn2.bias)
    return net


def taken_out(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            module.bn2 = nn.Sequential(nn.Identity(), nn.Identity())
    return net


def small(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.constant_(module.bn2.weight, 0.01)
    return net


ANSWERS = {
    "ex-lesion": Answers(
        right=[replaced, left_out, of_slices],
        wrong=[
            ("original changed", in_the_original),
            ("training mode", trained),
            ("silenced", silenced),
            ("silenced", at_zero),
            ("all that follow", all_later),
            ("nothing taken out", lambda net, position: copy.deepcopy(net)),
            ("another block", lambda net, position: replaced(net, position + 1)),
            ("another block", lambda net, position: replaced(net, position - 1)),
            ("", lambda net, position: replaced(net, position)(torch.zeros(1, 1, 8, 8).double())),
        ],
    ),
    "ex-resnet34": Answers(
        right=[by_counting, by_formula],
        wrong=[
            ("no projection", lambda i, c, n: kernels((3, i, c), *[(3, c, c)] * (2 * n - 1))),
            ("projection in every block", lambda i, c, n: by_formula(i, c, n) + (n - 1) * c * c),
            ("all blocks alike", lambda i, c, n: 2 * n * 9 * c * c),
            (
                "one convolution a block",
                lambda i, c, n: kernels((3, i, c), (1, i, c), *[(3, c, c)] * (n - 1)),
            ),
            ("kernel not squared", lambda i, c, n: 3 * i * c + 3 * (2 * n - 1) * c * c + i * c),
            ("with normalisation", lambda i, c, n: by_formula(i, c, n) + 2 * (2 * n + 1) * c),
            ("projection of 3 × 3", lambda i, c, n: kernels(*[(3, i, c)] * 2, *[(3, c, c)] * (2 * n - 1))),
            ("", lambda i, c, n: by_formula(i, c, n) / c),
        ],
    ),
    "ex-zero-gamma": Answers(
        right=[idle, idle_by_name, idle_copy],
        wrong=[
            ("bn1", each_norm),
            ("bn2.bias", with_bias),
            ("frozen", frozen),
            ("not all", one_block),
            ("conv", convolutions),
            ("taken out", taken_out),
            ("taken out", without_normalisation),
            ("bn2.bias", biases_alone),
            ("not zero", small),
        ],
    ),
}
