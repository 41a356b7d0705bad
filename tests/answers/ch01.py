"""Answers to the exercises of chapter 1."""

import random

import numpy as np
import torch
from torch.nn import functional as F

from tests.answers import Answers


def marked_in_a_loop(even, share):
    return torch.tensor([random.random() < (share if one == 1 else 1 - share) for one in even.tolist()])


def marked_in_exact_numbers(even, share):
    marks = torch.zeros(len(even), dtype=bool)
    for kind, part in ((1, share), (0, 1 - share)):
        places = (even == kind).nonzero()[:, 0]
        chosen = torch.randperm(len(places))[: round(part * len(places))]
        marks[places[chosen]] = True
    return marks


def marked_by_exchange(even, share):
    """The archive's marks, some of them exchanged."""
    return (even == 1) ^ (torch.rand(even.shape) > share)


def the_first_ones(even, share):
    number = even.cumsum(0) / even.sum()
    return (even == 1) & (number <= share)


def covered_by_slices(images, corner=(slice(None), slice(None), slice(0, 2), slice(0, 2)), value=0.0):
    covered = images.clone()
    covered[corner] = value
    return covered


def covered_by_a_mask(images):
    mask = torch.ones(images.shape[-2:])
    mask[:2, :2] = 0
    return images * mask


def covered_in_loops(images):
    covered = torch.stack(list(images)).float()
    for picture in covered:
        for channel in picture:
            for i in range(2):
                channel[i, :2] = 0
    return covered


def covered_in_place(images):
    images[:, :, :2, :2] = 0
    return images


def share(maps, rows=slice(None, 5), columns=slice(None, 5)):
    return (maps[:, rows, columns].sum(dim=(1, 2)) / maps.sum(dim=(1, 2))).mean()


LAST = slice(-5, None)


def shares_by_slices(maps):
    return share(maps), share(maps, LAST), share(maps, columns=LAST), share(maps, LAST, LAST)


def shares_by_mirrors(maps):
    return [share(maps.flip(axes)).item() for axes in ([], 1, 2, (-1, -2))]


def shares_in_loops(maps):
    found = np.zeros(4)
    for map_ in maps.numpy():
        corners = [map_[:5, :5], map_[-5:, :5], map_[:5, -5:], map_[-5:, -5:]]
        found += [corner.sum() / map_.sum() / len(maps) for corner in corners]
    return found


ANSWERS = {
    "ex-nearly-always": Answers(
        right=[
            lambda even, share: torch.rand(len(even)) < torch.where(even == 1, share, 1 - share),
            lambda even, share: torch.bernoulli(share * even + (1 - share) * (1 - even)).bool(),
            lambda even, share: np.random.rand(len(even)) < np.where(even.numpy() == 1, share, 1 - share),
            marked_in_a_loop,
            marked_in_exact_numbers,
            marked_by_exchange,
        ],
        wrong=[
            ("both alike", lambda even, share: torch.rand(len(even)) < share),
            ("odd ones never", lambda even, share: (torch.rand(len(even)) < share) & (even == 1)),
            ("odd ones always", lambda even, share: (torch.rand(len(even)) < share) | (even == 0)),
            (
                "turned round",
                lambda even, share: torch.rand(len(even)) > torch.where(even == 1, share, 1 - share),
            ),
            ("one for all", lambda even, share: torch.rand(1) < torch.where(even == 1, share, 1 - share)),
            ("always half", lambda even, share: torch.rand(len(even)) < 0.5),
            ("not drawn", lambda even, share: even == 1),
            ("not drawn", the_first_ones),
            ("no yes or no", lambda even, share: torch.where(even == 1, share, 1 - share)),
            ("no yes or no", lambda even, share: torch.bernoulli(torch.where(even == 1, share, 1 - share))),
            ("", lambda even, share: torch.rand(len(even)) < torch.where(even == 1, share, 0.5)),
        ],
    ),
    "ex-cover": Answers(
        right=[covered_by_slices, covered_by_a_mask, covered_in_loops],
        wrong=[
            ("the archive itself", covered_in_place),
            ("black", lambda images: covered_by_slices(images, value=1.0)),
            (
                "another corner",
                lambda images: covered_by_slices(images, (..., slice(-2, None), slice(-2, None))),
            ),
            ("the upper right", lambda images: covered_by_a_mask(images.flip(-1)).flip(-1)),
            ("whole rows", lambda images: F.pad(images[:, :, 2:], (0, 0, 2, 0))),
            ("whole columns", lambda images: F.pad(images[..., 2:], (2, 0))),
            ("two pictures", lambda images: covered_by_slices(images, (slice(2), slice(2)))),
            ("as large as in the map", lambda images: covered_by_slices(images, (..., slice(5), slice(5)))),
            ("not covered", lambda images: images.clone()),
            ("", lambda images: images[:, :, 2:, 2:]),
        ],
    ),
    "ex-odd": Answers(
        right=[shares_by_slices, shares_by_mirrors, shares_in_loops],
        wrong=[
            ("pictures mirrored", lambda maps: [share(maps.flip(axes)) for axes in ([], 0, 1, (0, 1))]),
            ("another order", lambda maps: [shares_by_slices(maps)[k] for k in (0, 2, 1, 3)]),
            ("always the same corner", lambda maps: [share(maps)] * 4),
            ("without the first", lambda maps: shares_by_mirrors(maps)[1:]),
            ("added up first", lambda maps: shares_by_slices(maps.mean(dim=0, keepdim=True))),
            ("no mean", lambda maps: torch.tensor([shares_by_mirrors(m[None]) for m in maps]).T),
            (
                "of the four corners",
                lambda maps: torch.tensor(shares_by_slices(maps)) / sum(shares_by_slices(maps)),
            ),
            ("", lambda maps: [100 * one for one in shares_by_mirrors(maps)]),
        ],
    ),
}
