"""One page about one answer: the guesses, the maps, the covers, and a table of their numbers."""

from dataclasses import dataclass
from typing import SupportsIndex

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from helpers.cam import grad_cam
from helpers.checks import occlusion_map
from helpers.classifiers import Classifier, Guess
from helpers.plotting import colour_bar, show_cam, show_guesses, show_image, show_signed
from helpers.scores import whole

__all__ = ["Dossier", "Finding", "dossier"]


@dataclass(frozen=True)
class Finding:
    """What was measured for one class: a row of the table.

    Attributes:
        label, index: the class's name and number.
        rank: its place among all classes, from 1.
        probability, logit: the network's answer.
        cam_maximum: the highest value of its Grad-CAM map, in logits.
        largest_drop: what the most harmful of the 7 × 7 covers costs its logit.
        correlation: between the map, averaged to 7 × 7 places, and the drops, -1 to 1; NaN where one of
            them is flat.
    """

    label: str
    index: int
    rank: int
    probability: float
    logit: float
    cam_maximum: float
    largest_drop: float
    correlation: float


@dataclass(frozen=True, eq=False)
class Dossier:
    """A page and its numbers.

    Attributes:
        figure: photo and guesses on the left; to the right, for each of two classes, its Grad-CAM map above
            and the drops under covers below; each kind of map on one scale.
        table: a `Finding` for the network's answer, and one for the class to compare it with.
    """

    figure: Figure
    table: tuple[Finding, Finding]

    def __str__(self) -> str:
        """The table as text."""
        width = max(len(row.label) for row in self.table)
        lines = [f"{'':{width}} rank  prob.  logit  map's max.  largest drop  correlation"]
        lines += [
            f"{row.label:{width}} {row.rank:4}  {row.probability:5.2f}  {row.logit:5.2f}  "
            f"{row.cam_maximum:10.2f}  {row.largest_drop:12.2f}  {row.correlation:11.2f}"
            for row in self.table
        ]
        return "\n".join(lines)


def dossier(clf: Classifier, image: Image.Image, expected: str | SupportsIndex | None = None) -> Dossier:
    """Question an answer: the network's first guess beside the class that you expected.

    Args:
        clf: a classifier whose layer has a spatial map.
        image: a PIL picture of any size.
        expected: a class by name or index. None compares with the second guess, and so does the
            class that the network itself names first.

    Returns:
        A `Dossier`: the figure, which a notebook shows by itself, and the table, which `print` shows. In a
        script or a long loop, `plt.close(page.figure)` frees the figure after use.

    Raises:
        TypeError: `clf` is not a classifier, or `image` is not a PIL picture.
        ValueError: there is no such class.

    >>> from helpers import load_classifier, load_image
    >>> page = dossier(load_classifier(), load_image("tilted_jeep"), expected="jeep")
    >>> [row.label for row in page.table]
    ['convertible', 'jeep']

    Source: chapter 10; Grad-CAM from chapter 8, occlusion after Zeiler and Fergus, ECCV 2014.
    """
    if not isinstance(clf, Classifier):
        raise TypeError(
            f"dossier takes a classifier, as load_classifier gives it, not {type(clf).__name__}: give clf "
            "itself where you gave clf.model."
        )
    guesses = clf.predict(image, k=len(clf.categories))
    classes = _two_classes(clf, guesses, expected)
    x = clf.preprocess(image)[None]
    target = torch.tensor([classes])
    cams = grad_cam(clf.model, clf.layer, x, target)[0].cpu()
    drops = occlusion_map(clf.model, x, target)[0].cpu()
    first, second = (
        _finding(guesses, index, cam, drop) for index, cam, drop in zip(classes, cams, drops, strict=True)
    )
    return Dossier(_page(image, guesses, (first, second), cams, drops), (first, second))


def _two_classes(clf: Classifier, guesses: list[Guess], expected: str | SupportsIndex | None) -> list[int]:
    said, runner_up = (guess.index for guess in guesses[:2])
    if expected is None:
        return [said, runner_up]
    index = clf.class_index(expected) if isinstance(expected, str) else whole(expected)
    if index is None or not 0 <= index < len(clf.categories):
        raise ValueError(
            f"expected must be a class name or an index from 0 to {len(clf.categories) - 1}, "
            f"not {expected!r}."
        )
    return [said, runner_up if index == said else index]


def _finding(guesses: list[Guess], index: int, cam: Tensor, drop: Tensor) -> Finding:
    rank, guess = next((n, guess) for n, guess in enumerate(guesses, start=1) if guess.index == index)
    return Finding(
        guess.label,
        index,
        rank,
        guess.probability,
        guess.logit,
        cam.max().item(),
        drop.max().item(),
        _correlation(cam, drop),
    )


def _correlation(cam: Tensor, drop: Tensor) -> float:
    same_places = F.adaptive_avg_pool2d(cam[None], (drop.shape[0], drop.shape[1]))[0]
    return torch.corrcoef(torch.stack([same_places.flatten(), drop.flatten()]))[0, 1].item()


def _page(
    image: Image.Image, guesses: list[Guess], table: tuple[Finding, ...], cams: Tensor, drops: Tensor
) -> Figure:
    figure = plt.figure(figsize=(6, 7.6), layout="constrained")
    # Rows of their own, so that the long names of the guesses take no room from the maps.
    rows = figure.subfigures(3, 1, squeeze=False, height_ratios=[4, 5, 5])[:, 0]
    axes = np.array([row.subplots(1, 2) for row in rows])
    show_image(image, axes[0, 0]).set_title("photo")
    show_guesses(guesses[:5], axes[0, 1])
    for column, row, cam, drop in zip(axes.T, table, cams, drops, strict=True):
        show_cam(image, cam, column[1], vmax=cams.max().item() or 1.0).set_title(row.label)
        show_signed(image, drop, column[2], vmax=drops.abs().max().item() or 1.0)
        column[2].set_title(f"covers, {row.label}")
    colour_bar(axes[1], "Grad-CAM, logits")
    colour_bar(axes[2], "drop when covered, logits")
    return figure
