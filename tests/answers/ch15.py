"""Answers to the exercises of chapter 15."""

import itertools

import numpy as np
import torch

from tests.answers import Answers


def covered_by_rank(x, cam, count, reach=0):
    order = cam.flatten().argsort(descending=True, stable=True)[: count + reach]
    copy = x.clone()
    copy.flatten(1)[:, order] = 0
    return copy


def covered_one_by_one(x, cam, count):
    cam, x = cam.clone(), x.clone()
    for _ in range(count):
        row, column = divmod(cam.argmax().item(), cam.shape[1])
        x[:, row, column] = 0
        cam[row, column] = -float("inf")
    return x


def painted_over(x, cam, count):
    x.view(3, -1)[:, cam.view(-1).topk(count).indices] = 0
    return x


def one_colour(x, cam, count):
    copy = x.clone()
    copy.view(-1)[cam.flatten().topk(count).indices] = 0
    return copy


def correlation(a, b):
    return np.corrcoef(a.flatten(), b.flatten())[0, 1]


def lower_triangle(maps):
    table = np.corrcoef(maps.flatten(1))
    return table[np.tril_indices(len(maps), -1)]


def in_two_loops(maps):
    return [correlation(maps[a], maps[b]) for a in range(len(maps)) for b in range(a)]


def change(model, painted, x):
    return [model(x).softmax(1), painted(x).softmax(1)]


def change_in_loops(model, painted, x):
    largest = 0.0
    for picture in x:
        before, after = (m(picture[None])[0].exp() for m in (model, painted))
        before, after = before / before.sum(), after / after.sum()
        for p, q in zip(before.tolist(), after.tolist(), strict=True):
            largest = max(largest, abs(p - q))
    return largest


def half_in_a_loop(cam):
    values = sorted(cam.flatten().tolist(), reverse=True)
    reached, count = 0.0, 0
    for value in values:
        reached += value
        if reached >= sum(values) / 2:
            break
        count += 1
    return count / len(values)


def half_by_numpy(cam):
    values = np.sort(cam.numpy(), axis=None)[::-1]
    return np.searchsorted(np.cumsum(values), values.sum() / 2) / values.size


ANSWERS = {
    "ex-wins-deletion": Answers(
        right=[
            covered_by_rank,
            covered_one_by_one,
            lambda x, cam, count: x * (cam < cam.flatten().sort().values[-count]),
        ],
        wrong=[
            ("dimmest first", lambda x, cam, count: covered_by_rank(x, cam.max() - cam, count)),
            ("brightest kept", lambda x, cam, count: x * (cam >= cam.flatten().topk(count).values[-1])),
            ("one colour", one_colour),
            (
                "mean of the picture",
                lambda x, cam, count: x.where(covered_by_rank(x, cam, count) > 0, x.mean()),
            ),
            ("faded", lambda x, cam, count: x - x * cam / cam.max()),
            ("first pixels", lambda x, cam, count: covered_by_rank(x, -torch.arange(cam.numel()), count)),
            ("one too many", lambda x, cam, count: covered_by_rank(x, cam, count, 1)),
            ("one too few", lambda x, cam, count: covered_by_rank(x, cam, count, -1)),
            ("painted over", painted_over),
        ],
    ),
    "ex-changed": Answers(
        right=[
            lower_triangle,
            in_two_loops,
            lambda maps: [correlation(*p) for p in itertools.combinations(maps, 2)],
        ],
        wrong=[
            ("with itself", lambda maps: np.corrcoef(maps.flatten(1))[np.tril_indices(len(maps))]),
            (
                "each pair twice",
                lambda maps: [correlation(a, b) for a in maps for b in maps if a is not b and not a.equal(b)],
            ),
            ("the whole table", lambda maps: np.corrcoef(maps.flatten(1)).flatten()),
            ("neighbours", lambda maps: [correlation(maps[k], maps[k + 1]) for k in range(len(maps) - 1)]),
            ("first with the others", lambda maps: np.corrcoef(maps.flatten(1))[0, 1:]),
            ("sign lost", lambda maps: np.abs(lower_triangle(maps))),
            (
                "means kept",
                lambda maps: [
                    (a * b).sum() / (a.norm() * b.norm()) for a, b in itertools.combinations(maps, 2)
                ],
            ),
            ("", lambda maps: np.mean(lower_triangle(maps))),
            ("", lambda maps: np.corrcoef(maps.flatten(1))),
        ],
    ),
    "ex-paint-others": Answers(
        right=[
            lambda model, painted, x: (painted(x).softmax(1) - model(x).softmax(1)).abs().max().item(),
            lambda model, painted, x: torch.sub(*change(painted, model, x)).norm(p=float("inf")),
            change_in_loops,
        ],
        wrong=[
            ("logits", lambda model, painted, x: (model(x) - painted(x)).abs().max()),
            (
                "falls forgotten",
                lambda model, painted, x: (painted(x).softmax(1) - model(x).softmax(1)).max(),
            ),
            (
                "rises forgotten",
                lambda model, painted, x: (model(x).softmax(1) - painted(x).softmax(1)).max(),
            ),
            ("mean", lambda model, painted, x: torch.sub(*change(model, painted, x)).abs().mean()),
            ("sum", lambda model, painted, x: torch.sub(*change(model, painted, x)).abs().sum()),
            (
                "over the pictures",
                lambda model, painted, x: (painted(x).softmax(0) - model(x).softmax(0)).abs().max(),
            ),
            ("first picture", lambda model, painted, x: torch.sub(*change(model, painted, x))[0].abs().max()),
            (
                "best class",
                lambda model, painted, x: (
                    (painted(x).softmax(1).max(1).values - model(x).softmax(1).max(1).values).abs().max()
                ),
            ),
        ],
    ),
    "ex-own-examiner": Answers(
        right=[
            half_in_a_loop,
            half_by_numpy,
            lambda cam: (
                (cam.flatten().sort().values.flip(0).cumsum(0) < cam.sum() / 2).double().mean().item()
            ),
        ],
        wrong=[
            (
                "dimmest first",
                lambda cam: (cam.flatten().sort()[0].cumsum(0) < cam.sum() / 2).double().mean(),
            ),
            ("half of the maximum", lambda cam: (cam >= 0.5 * cam.max()).sum() / cam.numel()),
            ("a count", lambda cam: round(half_in_a_loop(cam) * cam.numel())),
            ("the other places", lambda cam: 1 - half_in_a_loop(cam)),
            ("one too many", lambda cam: half_in_a_loop(cam) + 1 / cam.numel()),
            ("above the mean", lambda cam: np.mean(cam.numpy() > cam.numpy().mean())),
            (
                "not of the whole",
                lambda cam: (cam.flatten().sort(descending=True)[0].cumsum(0) < 0.5).double().mean(),
            ),
        ],
    ),
}
