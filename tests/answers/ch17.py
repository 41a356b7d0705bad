"""Answers to the exercises of chapter 17."""

import numpy as np
import torch

from tests.answers import Answers


def shares_in_a_loop(rows):
    shares = []
    for row in rows:
        square = row.reshape(12, 12)
        shares.append(sum(square[i, j] for i in range(5) for j in range(5)) / row.sum())
    return shares


def shares_by_mask(rows):
    mask = np.zeros((12, 12))
    mask[:5, :5] = 1
    return (rows @ mask.ravel()) / rows.sum(axis=-1)


def shares_in_place(rows):
    rows /= rows.sum(axis=1, keepdims=True)
    return torch.tensor(rows).reshape(-1, 12, 12)[:, :5, :5].sum(dim=(1, 2))


def means_by_bincount(values, groups):
    _, where = np.unique(groups, return_inverse=True)
    return np.bincount(where, weights=values) / np.bincount(where)


def means_in_a_dict(values, groups):
    found = {}
    for value, group in zip(values, groups, strict=True):
        found.setdefault(int(group), []).append(float(value))
    return [sum(found[group]) / len(found[group]) for group in sorted(found)]


def each(of_group):
    return lambda values, groups: np.array([of_group(values[groups == g]) for g in sorted(set(groups))])


def by_reshape(cam):
    rows, columns = cam.shape
    return cam.reshape(rows // 2, 2, columns // 2, 2).mean(dim=(1, 3))


def by_slices(cam):
    return (cam[::2, ::2] + cam[1::2, ::2] + cam[::2, 1::2] + cam[1::2, 1::2]) / 4


def halved_in_loops(cam):
    rows, columns = cam.shape
    return [
        [cam[i : i + 2, j : j + 2].mean().item() for j in range(0, columns, 2)] for i in range(0, rows, 2)
    ]


def squares(cam):
    return cam.unfold(0, 2, 2).unfold(1, 2, 2).flatten(2)


ANSWERS = {
    "ex-easy-digits": Answers(
        right=[shares_in_a_loop, shares_by_mask, shares_in_place],
        wrong=[
            ("not divided", lambda rows: rows.reshape(-1, 12, 12)[:, :5, :5].sum(axis=(1, 2))),
            ("mean", lambda rows: rows.reshape(-1, 12, 12)[:, :5, :5].mean((1, 2)) / rows.mean(1)),
            ("another corner", lambda rows: np.array(shares_in_a_loop(rows[:, ::-1]))),
            ("one row", lambda rows: rows[:, :25].sum(1) / rows.sum(1)),
            ("area", lambda rows: [5 * 5 / (12 * 12)] * len(rows)),
            ("all maps at once", lambda rows: np.average(shares_in_a_loop(rows), weights=rows.sum(1))),
            ("rows of squares", lambda rows: rows[:, :60].sum(1) / rows.sum(1)),
            ("", lambda rows: rows.reshape(-1, 12, 12)[:, :5, :5].max((1, 2)) / rows.sum(1)),
        ],
    ),
    "ex-more-crops": Answers(
        right=[means_by_bincount, means_in_a_dict, each(np.mean)],
        wrong=[
            ("sums", each(np.sum)),
            ("medians", each(np.median)),
            ("one mean", lambda values, groups: sum(values) / len(values)),
            ("for each value", lambda values, groups: [values[groups == g].mean() for g in groups.tolist()]),
            ("of all", lambda values, groups: each(np.sum)(values, groups) / len(groups)),
            ("sizes", lambda values, groups: np.unique(groups, return_counts=True)[1]),
            ("sorted", lambda values, groups: sorted(each(np.mean)(values, groups))),
            ("", each(np.max)),
        ],
    ),
    "ex-two-networks": Answers(
        right=[by_reshape, by_slices, halved_in_loops],
        wrong=[
            ("every second", lambda cam: squares(cam)[..., 0]),
            ("largest", lambda cam: squares(cam).amax(-1)),
            ("sum", lambda cam: squares(cam).sum(-1)),
            ("rows only", lambda cam: cam.unfold(0, 2, 2).mean(-1)),
            ("columns only", lambda cam: cam.unfold(1, 2, 2).mean(-1)),
            ("a batch", lambda cam: by_slices(cam)[None]),
            ("overlapping", lambda cam: cam.unfold(0, 2, 1).unfold(1, 2, 1).mean((-1, -2))),
            ("", lambda cam: squares(cam).amin(-1)),
        ],
    ),
    "ex-your-machine": Answers(
        right=[
            lambda steps, names: sum(ms for name, ms in steps.items() if name in names) / sum(steps.values()),
            lambda steps, names: sum(steps[name] / sum(steps.values()) for name in names),
        ],
        wrong=[
            ("seconds", lambda steps, names: sum(map(steps.get, names))),
            (
                "ratio to the rest",
                lambda steps, names: (
                    sum(map(steps.get, names)) / sum(ms for name, ms in steps.items() if name not in names)
                ),
            ),
            (
                "what remains",
                lambda steps, names: (
                    sum(ms for name, ms in steps.items() if name not in names) / sum(steps.values())
                ),
            ),
            ("steps counted", lambda steps, names: len(names) / len(steps.keys())),
            ("the longest", lambda steps, names: max(map(steps.get, names)) / sum(steps.values())),
            (
                "speed-up",
                lambda steps, names: (
                    sum(steps.values()) / sum(ms for name, ms in steps.items() if name not in names)
                ),
            ),
            ("", lambda steps, names: 100 * sum(map(steps.get, names)) / sum(steps.values())),
        ],
    ),
}
