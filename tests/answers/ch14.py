"""Answers to the exercises of chapter 14."""

import numpy as np
import torch
from scipy.stats import spearmanr

from helpers import capture, grad_cam, hires_cam, share_in, upsample
from tests.answers import Answers


def left_then_right(cam):
    middle = cam.shape[1] // 2
    left = cam[:, :middle].sum() / cam.sum()
    return left, 1 - left


def columns_one_by_one(cam):
    sums = [0.0, 0.0]
    columns = cam.T.tolist()
    for k, column in enumerate(columns):
        sums[2 * k >= len(columns)] += sum(column)
    return np.array(sums) / sum(sums)


def sums(cam, dim=1):
    return [part.sum() for part in cam.tensor_split(2, dim)]


def pair_by_pair(maps):
    flat = [m.flatten().numpy() for m in maps]
    return [[np.corrcoef(a, b)[0, 1] for b in flat] for a in flat]


def by_spreads(maps):
    apart = maps - maps.mean(dim=(1, 2), keepdim=True)
    apart /= apart.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return torch.einsum("ahw,bhw->ab", apart, apart) / apart[0].numel()


def divided_maps(
    a, v, y, relu=torch.relu, weight=lambda v, a: v[:, None, None] * a.mean((1, 2), keepdim=True)
):
    cam = (weight(v, a[0]) * a[0]).sum(dim=0, keepdim=True)
    return relu(cam), relu(cam / y)


def ablated(a, v, y):
    drops = []
    for c in range(a.shape[1]):
        without = a.clone()
        without[:, c] = 0
        drops.append(((a - without).mean((2, 3)) @ v).item())
    maps = []
    for weights in (drops, [drop / y for drop in drops]):
        cam = sum(w * channel for w, channel in zip(weights, a[0], strict=True))
        maps.append(cam.clamp(min=0)[None])
    return maps


def drop(v, a):
    return v[:, None, None] * a.mean((1, 2), keepdim=True)


def one_by_one(model, layer, x, targets, size, side=(0, 1), order=(0, 1), method=grad_cam, dim=2):
    shares = []
    for k, which in enumerate(order):
        cam = method(model, layer, x, targets[0, which].item())
        parts = sums(upsample(cam, size)[0], dim - 1)
        shares.append(parts[side[k]] / sum(parts))
    return shares


def by_share_in(model, layer, x, targets, size):
    height, width = size
    boxes = (0, 0, width // 2, height), (width // 2, 0, width, height)
    cams = grad_cam(model, layer, x, targets)[0]
    return tuple(share_in(cam, box, (width, height)) for cam, box in zip(cams, boxes, strict=True))


def by_hand(model, layer, x, targets, size):
    shares = []
    for k, target in enumerate(targets[0]):
        with capture(model, layer) as caught:
            g = caught.gradients(model(x)[0, target])
        cam = (g.mean((2, 3), keepdim=True) * caught.activations).sum(1).relu()
        large = upsample(cam, size)
        shares.append(large.chunk(2, dim=2)[k].sum() / large.sum())
    return torch.stack(shares)


ANSWERS = {
    "ex-two-dogs": Answers(
        right=[left_then_right, columns_one_by_one, lambda cam: torch.stack(sums(cam)) / cam.sum()],
        wrong=[
            ("upper and lower", lambda cam: [part / cam.sum() for part in sums(cam, 0)]),
            ("exchanged", lambda cam: left_then_right(cam)[::-1]),
            ("sums", sums),
            ("means", lambda cam: [part.mean() / cam.mean() for part in cam.chunk(2, 1)]),
            ("places counted", lambda cam: left_then_right((cam > 0).double())),
            ("highest places", lambda cam: left_then_right(cam.reshape(len(cam), 2, -1).amax((0, 2))[None])),
            ("left only", lambda cam: left_then_right(cam)[0]),
            ("", lambda cam: [part / cam.max() for part in sums(cam)]),
        ],
    ),
    "ex-no-gradients": Answers(
        right=[lambda maps: np.corrcoef(maps.flatten(1)), pair_by_pair, by_spreads],
        wrong=[
            (
                "means kept",
                lambda maps: torch.cosine_similarity(maps.flatten(1)[:, None], maps.flatten(1)[None], dim=2),
            ),
            ("covariance", lambda maps: np.cov(maps.flatten(1))),
            ("sign lost", lambda maps: np.abs(pair_by_pair(maps))),
            ("squared", lambda maps: np.corrcoef(maps.flatten(1)) ** 2),
            ("places with places", lambda maps: np.corrcoef(maps.flatten(1), rowvar=False)),
            ("rows of pixels", lambda maps: np.corrcoef(maps.reshape(-1, maps.shape[2]))),
            ("ranks", lambda maps: spearmanr(maps.flatten(1), axis=1).statistic),
            ("", lambda maps: np.corrcoef(maps.flatten(1))[0, 1]),
        ],
    ),
    "ex-negative-logit": Answers(
        right=[
            divided_maps,
            ablated,
            lambda a, v, y: [
                torch.einsum("c,chw->hw", v * a[0].mean((1, 2)) / by, a[0]).relu()[None] for by in (1, y)
            ],
        ],
        wrong=[
            (
                "without the channel's mean",
                lambda a, v, y: divided_maps(a, v, y, weight=lambda v, a: v[:, None, None]),
            ),
            (
                "sums",
                lambda a, v, y: divided_maps(a, v, y, weight=lambda v, a: drop(v, a) * a[0].numel()),
            ),
            ("size of the logit", lambda a, v, y: divided_maps(a, v, abs(y))),
            (
                "divided behind the ReLU",
                lambda a, v, y: (divided_maps(a, v, y)[0], divided_maps(a, v, y)[0] / y),
            ),
            ("no ReLU", lambda a, v, y: divided_maps(a, v, y, relu=lambda cam: cam)),
            (
                "positive weights only",
                lambda a, v, y: divided_maps(a, v, y, weight=lambda v, a: drop(v, a).relu()),
            ),
            ("exchanged", lambda a, v, y: divided_maps(a, v, y)[::-1]),
            ("", lambda a, v, y: divided_maps(a, v, y)[0]),
        ],
    ),
    "ex-squeeze-stages": Answers(
        right=[one_by_one, by_share_in, by_hand],
        wrong=[
            ("the other halves", lambda *case: one_by_one(*case, side=(1, 0))),
            ("left for both", lambda *case: one_by_one(*case, side=(0, 0))),
            ("one map for both", lambda *case: one_by_one(*case, order=(0, 0))),
            ("maps exchanged", lambda *case: one_by_one(*case, order=(1, 0))),
            ("gradient of each place", lambda *case: one_by_one(*case, method=hires_cam)),
            ("always the last layer", lambda model, layer, *case: one_by_one(model, "3", *case)),
            (
                "not enlarged",
                lambda *case: [left_then_right(cam)[k] for k, cam in enumerate(grad_cam(*case[:4])[0])],
            ),
            ("upper and lower", lambda *case: one_by_one(*case, dim=1)),
            ("", lambda *case: one_by_one(*case, side=(1, 1))),
        ],
    ),
}
