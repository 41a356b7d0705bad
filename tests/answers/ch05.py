"""Answers to the exercises of chapter 5."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from tests.answers import Answers


def of_copies(picture, gamma, beta, eps):
    mean = picture.mean(dim=(1, 2), keepdim=True)
    variance = ((picture - mean) ** 2).mean(dim=(1, 2), keepdim=True)
    return gamma[:, None, None] * (picture - mean) / (variance + eps).sqrt() + beta[:, None, None]


def of_real_copies(picture, gamma, beta, eps):
    four = picture[None].repeat(4, 1, 1, 1)
    return F.batch_norm(four, None, None, gamma, beta, training=True, eps=eps)[0]


def of_copies_in_place(picture, gamma, beta, eps):
    for channel, scale, shift in zip(picture, gamma, beta, strict=True):
        channel -= channel.mean()
        channel /= ((channel**2).mean() + eps) ** 0.5
        channel *= scale
        channel += shift
    return picture


def by_sums(picture, gamma, beta, eps, over=(1, 2), less=0):
    mean = picture.mean(over, keepdim=True)
    squares = ((picture - mean) ** 2).sum(over, keepdim=True)
    count = picture.numel() / mean.numel()
    return (picture - mean) / (squares / (count - less) + eps).sqrt() * gamma[:, None, None] + beta[
        :, None, None
    ]


def layer_norm(picture, gamma, beta, eps):
    normalised = F.layer_norm(picture, picture.shape, eps=eps)
    return normalised * gamma[:, None, None] + beta[:, None, None]


def no_root(picture, gamma, beta, eps):
    mean = picture.mean(dim=(1, 2), keepdim=True)
    variance = ((picture - mean) ** 2).mean(dim=(1, 2), keepdim=True)
    return gamma[:, None, None] * ((picture - mean) / (variance + eps)) + beta[:, None, None]


def eps_too_late(picture, gamma, beta, eps):
    mean = picture.mean(dim=(1, 2), keepdim=True)
    variance = ((picture - mean) ** 2).mean(dim=(1, 2), keepdim=True)
    return gamma[:, None, None] * (picture - mean) / (variance.sqrt() + eps) + beta[:, None, None]


def not_centred(picture, gamma, beta, eps):
    variance = picture.var(dim=(1, 2), keepdim=True, unbiased=False)
    return gamma[:, None, None] * picture / (variance + eps).sqrt() + beta[:, None, None]


def brighter(maps, kernel, factor, added):
    return factor * maps + added * kernel.sum(dim=(1, 2, 3))[:, None, None]


def brighter_by_convolving(maps, kernel, factor, added):
    constant = torch.full((1, kernel.shape[1], *kernel.shape[2:]), added, dtype=kernel.dtype)
    return maps * factor + F.conv2d(constant, kernel)


def brighter_in_place(maps, kernel, factor, added):
    maps *= factor
    for k in range(len(kernel)):
        maps[:, k] += added * kernel[k].sum().item()
    return maps


def recalibrated(model, batches, momentum=None, mode=True, back=True, within=nn.Module.modules):
    again = copy.deepcopy(model)
    for module in within(again):
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = momentum
    again.train(mode)
    with torch.no_grad():
        for batch in batches:
            again(batch)
    return again.eval() if back else again


def recalibrated_by_shares(model, batches):
    again = copy.deepcopy(model)
    norms = [module for module in again.modules() if type(module) is nn.BatchNorm2d]
    for norm in norms:
        norm.running_mean.zero_()
        norm.running_var.fill_(1)
        norm.train()
    for number, batch in enumerate(batches, start=1):
        for norm in norms:
            norm.momentum = 1 / number
        again(batch)
    return again.eval()


def recalibrated_apart(model, batches):
    """Each layer's inputs are caught, and their statistics averaged by hand."""
    again = copy.deepcopy(model)
    for norm in again.modules():
        if not isinstance(norm, nn.BatchNorm2d):
            continue
        means, variances = [], []

        def keep(module, inputs, means=means, variances=variances):
            means.append(inputs[0].mean(dim=(0, 2, 3)))
            variances.append(inputs[0].var(dim=(0, 2, 3)))

        handle = norm.register_forward_pre_hook(keep)
        with torch.no_grad():
            for batch in batches:
                copy.deepcopy(again).train()(batch)
        handle.remove()
        norm.reset_running_stats()
        if means:
            norm.running_mean = torch.stack(means).mean(0)
            norm.running_var = torch.stack(variances).mean(0)
    return again


def in_place(model, batches):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    for batch in batches:
        model(batch)
    return model.eval()


def not_forgotten(model, batches):
    again = copy.deepcopy(model).train()
    for batch in batches:
        again(batch)
    return again.eval()


def forgotten_each_time(model, batches):
    again = recalibrated(model, [])
    for batch in batches:
        again = recalibrated(model, [batch])
    return again


def weights_reset(model, batches):
    again = copy.deepcopy(model)
    for module in again.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
            module.momentum = None
    again.train()
    for batch in batches:
        again(batch)
    return again.eval()


ANSWERS = {
    "ex-same": Answers(
        right=[of_copies, of_real_copies, of_copies_in_place],
        wrong=[
            ("m - 1", lambda *case: by_sums(*case, less=1)),
            ("over the channels", lambda *case: by_sums(*case, over=0)),
            ("one for all channels", layer_norm),
            ("no epsilon", lambda picture, gamma, beta, eps: of_copies(picture, gamma, beta, 0.0)),
            ("epsilon outside the root", eps_too_late),
            ("divided by the variance", no_root),
            ("no weights", lambda picture, *_: of_copies(picture, torch.ones(1), torch.zeros(1), _[-1])),
            ("beta everywhere", lambda picture, gamma, beta, eps: 0 * picture + beta[:, None, None]),
            ("weights exchanged", lambda picture, gamma, beta, eps: of_copies(picture, beta, gamma, eps)),
            ("no mean", not_centred),
            ("", lambda *case: of_real_copies(*case)[None]),
        ],
    ),
    "ex-brighter": Answers(
        right=[brighter, brighter_by_convolving, brighter_in_place],
        wrong=[
            ("no kernel", lambda maps, kernel, factor, added: maps * factor + added),
            ("one sum for all", lambda maps, kernel, factor, added: maps * factor + kernel.sum() * added),
            (
                "mean of the kernel",
                lambda m, kernel, f, added: m * f + added * kernel.flatten(1).mean(1)[:, None, None],
            ),
            (
                "shift multiplied",
                lambda maps, kernel, factor, added: factor * brighter(maps, kernel, 1, added),
            ),
            ("no factor", lambda maps, kernel, factor, added: brighter(maps, kernel, 1, added)),
            ("no shift", lambda maps, kernel, factor, added: maps.mul(factor)),
            ("along the columns", lambda maps, kernel, f, added: maps * f + added * kernel.flatten(1).sum(1)),
            ("", lambda maps, kernel, factor, added: brighter(maps, kernel, factor, added)[0]),
        ],
    ),
    "ex-recalibrate": Answers(
        right=[recalibrated, recalibrated_by_shares, recalibrated_apart],
        wrong=[
            ("the model itself", in_place),
            ("left in training mode", lambda *given: recalibrated(*given, back=False)),
            ("weights reset", weights_reset),
            ("nothing taken in", lambda *given: recalibrated(*given, mode=False)),
            ("as they were", lambda model, batches: copy.deepcopy(model)),
            ("momentum kept", lambda *given: recalibrated(*given, momentum=0.1)),
            ("the last batch", lambda *given: recalibrated(*given, momentum=1.0)),
            ("the last batch", forgotten_each_time),
            ("old ones kept", not_forgotten),
            ("blocks missed", lambda *given: recalibrated(*given, within=nn.Module.children)),
            ("no model", lambda model, batches: [recalibrated(model, batches)(one) for one in batches]),
            ("", lambda model, batches: recalibrated(model, [torch.cat(batches)] if batches else [])),
        ],
    ),
}
