"""Chapter 6: the class map adds up to the logit, has no fixed zero, and separates two photos."""

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from claims.pictures import (
    Sheet,
    above,
    below,
    claim,
    head,
    labelled,
    last_map,
    mosaics,
    photo,
    right_class,
    signed_maps,
    squashed,
)
from claims.table import Experiment, Unit, Values
from helpers import capture, class_maps, load_classifier, load_image

MOSAICS = 40


def sums(unit: Unit) -> Values:
    """How far the mean of a class map plus the bias is from the logit, over all classes, in both networks."""
    name = str(unit)
    lite, squeeze = load_classifier(), load_classifier("squeezenet1_1")
    _, maps, logits = signed_maps(name)
    x = squashed(squeeze, [load_image(name)])
    with torch.no_grad():
        bias = head(lite).bias
        last = squeezenet_maps(squeeze.model, x)
        gap = (last.mean(dim=(2, 3)) - squeeze.model(x)).abs().max()
    return {
        "lite": (maps.sum(dim=(1, 2)) + bias - logits).abs().max().item(),
        "squeeze": gap.item(),
    }


def squeezenet_maps(model: nn.Module, x: Tensor) -> Tensor:
    """SqueezeNet's last layer before the mean: a map (1, 1000, 14, 14) of each class."""
    with capture(model, "classifier.2") as caught:
        model(x)
    return caught.activations.detach()


def hill(unit: Unit) -> Values:
    """A hill in a corner of all class maps: the probabilities, and the hottest place of the right class."""
    name = str(unit)
    clf, target = load_classifier(), right_class(name)
    _, maps, logits = signed_maps(name)
    added = torch.zeros(7, 7)
    added[4:, 4:] = 40 / 49
    lifted = maps + added
    after = (lifted.sum(dim=(1, 2)) + head(clf).bias.detach()).softmax(dim=0)
    row, column = divmod(int(lifted[target].argmax()), 7)
    before = int(maps[target].argmax())
    return {
        "probability": (after - logits.softmax(dim=0)).abs().max().item(),
        "in_corner": int(row >= 4 and column >= 4),
        "moved": int(int(lifted[target].argmax()) != before),
    }


def shuffled(unit: Unit) -> Values:
    """The right class's probability with the last map's places shuffled, and with the photo's squares."""
    name = str(unit)
    clf, target, x = load_classifier(), right_class(name), photo(name)
    order = torch.from_numpy(np.random.default_rng(labelled().index(name)).permutation(49))
    tiles = torch.nn.functional.unfold(x, kernel_size=32, stride=32)[:, :, order]
    puzzle = torch.nn.functional.fold(tiles, (224, 224), kernel_size=32, stride=32)
    with torch.no_grad():
        last = last_map(clf, x)
        moved = head(clf)(last[:, :, order // 7, order % 7].mean(dim=2))
        p, p_map, p_photo = (probability(y, target) for y in (clf.model(x), moved, clf.model(puzzle)))
    return {"map": abs(p_map - p), "photo": p_photo - p, "left": 100 * p_photo / p}


def probability(logits: Tensor, target: int) -> float:
    """The probability of a class for one picture's logits (1, 1000)."""
    return logits.softmax(dim=1)[0, target].item()


@cache
def sheets() -> tuple[Sheet, ...]:
    """The mosaics, drawn by lot."""
    return tuple(mosaics(MOSAICS, 0))


def halves(unit: Unit) -> Values:
    """How much of a class map's positive part is in its photo's half, without the column of the seam."""
    sheet, clf = sheets()[int(unit)], load_classifier()
    with torch.no_grad():
        last = last_map(clf, squashed(clf, [sheet.image]))
        maps = class_maps(last, head(clf))[0, list(sheet.targets)].relu()
    sides = maps[:, :, :3].sum(dim=(1, 2)), maps[:, :, 4:].sum(dim=(1, 2))
    both = sides[0] + sides[1]
    return {"left": 100 * (sides[0] / both)[0].item(), "right": 100 * (sides[1] / both)[1].item()}


EXPERIMENTS = (
    Experiment(
        "ch06_sums",
        6,
        labelled(),
        sums,
        (
            claim(
                "lite",
                "Of all 1000 classes, the map's mean plus bias is the logit, to 0.0001.",
                below(1e-4),
                1e-4,
            ),
            claim(
                "squeeze",
                "SqueezeNet: the mean of each channel is the logit, to 0.0001.",
                below(1e-4),
                1e-4,
            ),
        ),
        0.2,
    ),
    Experiment(
        "ch06_hill",
        6,
        labelled(),
        hill,
        (
            claim(
                "probability",
                "A hill added to all maps changes no probability by 0.00001.",
                below(1e-5),
                1e-5,
            ),
            claim("moved", "The hill moves the hottest place of the right class (1: yes).", above(0), 0),
            claim("in_corner", "With the hill, the hottest place lies in its corner (1: yes).", above(0), 0),
        ),
        0.1,
    ),
    Experiment(
        "ch06_shuffled",
        6,
        labelled(),
        shuffled,
        (
            claim(
                "map",
                "With the places of the last map shuffled, the probability stays, to 0.00001.",
                below(1e-5),
                1e-5,
            ),
            claim(
                "left",
                "With the photo's squares shuffled, under half of the probability is left (%).",
                below(50),
                0.5,
            ),
        ),
        0.2,
    ),
    Experiment(
        "ch06_halves",
        6,
        tuple(range(MOSAICS)),
        halves,
        (
            claim(
                "left",
                "Left photo's class: three quarters of its positive map, without the seam's column, lie "
                "left of it (%).",
                above(75),
                0.5,
            ),
            claim(
                "right",
                "Right photo's class: three quarters of its positive map, without the seam's column, lie "
                "right of it (%).",
                above(75),
                0.5,
            ),
        ),
        0.1,
    ),
)
