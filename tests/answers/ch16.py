"""Answers to the exercises of chapter 16."""

import numpy as np
import torch

from tests.answers import Answers


def largest_share(one, other):
    differences = [abs(a - b) for a, b in zip(one.flatten().tolist(), other.flatten().tolist(), strict=True)]
    return max(differences) / max(map(abs, other.flatten().tolist()))


def scaled_in_a_loop(cams):
    for cam in cams:
        if cam.any():
            cam /= cam.max()
    return cams


def scaled_by_clamp(cams):
    return cams / cams.flatten(1).amax(dim=1).clamp_min(1e-300)[:, None, None]


def scaled_with(of_map):
    return lambda cams: torch.stack([of_map(cam) for cam in cams])


def copied(model):
    return {name: value.clone() for name, value in model.named_buffers()}


def by_copies(model, x):
    before = copied(model)
    with torch.no_grad():
        model(x)
    return [name for name, value in model.named_buffers() if not torch.equal(value, before[name])]


def by_numbers(model, x):
    before = {name: value.tolist() for name, value in model.named_buffers()}
    model(x)
    return {name for name, value in model.named_buffers() if value.tolist() != before[name]}


def by_state(model, x):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(x)
    return tuple(name for name, value in model.state_dict().items() if (value != before[name]).any())


def same_tensors(model, x):
    before = dict(model.named_buffers())
    model(x)
    return [name for name, value in model.named_buffers() if not value.equal(before[name])]


def not_run(model, x):
    before = copied(model)
    return [name for name, value in model.named_buffers() if not value.equal(before[name])]


def parameters(model, x):
    model(x)
    return [name for name, _ in model.named_parameters()]


def all_of_them(model, x):
    model(x)
    return [name for name, _ in model.named_buffers()]


def means_only(model, x):
    return [name for name in by_copies(model, x) if name.endswith("mean")]


def in_training_mode(model, x):
    return by_copies(model.train(), x)


ANSWERS = {
    "ex-two-agree": Answers(
        right=[largest_share, lambda one, other: torch.dist(one, other, torch.inf) / other.abs().amax()],
        wrong=[
            ("not relative", lambda one, other: np.abs(one.numpy() - other.numpy()).max()),
            ("sign lost too late", lambda one, other: abs((one - other).max().item()) / other.abs().max()),
            ("mean", lambda one, other: (one - other).abs().sum() / other.abs().sum()),
            ("place by place", lambda one, other: ((one - other) / other).abs().max()),
            ("divided by the first", lambda one, other: (other - one).abs().max() / one.abs().max()),
            ("signed maximum", lambda one, other: (other - one).abs().max() / other.max()),
            ("lengths", lambda one, other: torch.dist(one, other) / other.norm()),
            ("", lambda one, other: (one - other).abs() / other.abs().max()),
        ],
    ),
    "ex-bright-sure": Answers(
        right=[scaled_in_a_loop, scaled_by_clamp],
        wrong=[
            ("nan", scaled_with(lambda cam: cam / cam.max())),
            ("one scale for all", lambda cams: cams.div(cams.amax())),
            (
                "minimum subtracted",
                scaled_with(lambda cam: (cam - cam.min()) / (cam - cam.min()).max().clamp_min(1e-12)),
            ),
            ("sum", scaled_with(lambda cam: cam / (cam.sum() + 1e-12))),
            ("row by row", scaled_with(lambda cam: cam / (cam.amax(1, keepdim=True) + 1e-12))),
            ("cut off", lambda cams: cams.minimum(torch.ones(()).double())),
            ("", lambda cams: cams),
        ],
    ),
    "ex-fits": Answers(
        right=[
            lambda maps, bias: maps.flatten(1).mean(1) + bias,
            lambda maps, bias: (maps + bias[:, None, None]).mean((-1, -2)),
            lambda maps, bias: [
                m.sum().item() / m.numel() + b for m, b in zip(maps, bias.tolist(), strict=True)
            ],
        ],
        wrong=[
            ("sum of the places", lambda maps, bias: maps.flatten(1).sum(1) + bias),
            ("no bias", lambda maps, bias: maps.flatten(1).mean(1)),
            ("bias at each place", lambda maps, bias: maps.flatten(1).mean(1) + bias * maps[0].numel()),
            ("bias shared", lambda maps, bias: maps.flatten(1).mean(1) + bias.sum() / len(bias)),
            ("highest place", lambda maps, bias: maps.flatten(1).max(1).values + bias),
            ("over the classes", lambda maps, bias: maps.mean(0) + bias.mean()),
            ("ReLU first", lambda maps, bias: maps.clamp(min=0).flatten(1).mean(1) + bias),
            ("", lambda maps, bias: maps.mean() + bias),
        ],
    ),
    "ex-training-mode": Answers(
        right=[by_copies, by_numbers, by_state],
        wrong=[
            ("the same tensors", same_tensors),
            ("not run", not_run),
            ("parameters", parameters),
            ("all of them", all_of_them),
            ("not all", means_only),
            ("mode changed", in_training_mode),
            ("", lambda model, x: len(by_copies(model, x))),
        ],
    ),
}
