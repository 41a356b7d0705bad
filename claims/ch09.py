"""Chapter 9: two answers of one picture, the pointing game, and what speaks against a class."""

from functools import cache

import numpy as np
import torch
from torch import Tensor

from claims.pictures import (
    EDGES,
    FILLS,
    Sheet,
    above,
    below,
    box_mask,
    claim,
    correlation,
    cover,
    grids,
    head,
    mosaics,
    named_rightly,
    pair,
    scores,
    squashed,
    unsquashed,
    within,
)
from claims.table import Experiment, Unit, Values
from helpers import capture, class_maps, grad_cam, load_classifier, share_in, upsample
from helpers.classifiers import Classifier
from helpers.images import Box

MOSAICS, GRIDS, SEED = 60, 60, 0
PAINTS = tuple(f"{fill}/{edge}" for fill in FILLS for edge in EDGES)


@cache
def sheets() -> tuple[Sheet, ...]:
    """The mosaics of two photos, drawn by lot."""
    return tuple(mosaics(MOSAICS, SEED))


@cache
def fours() -> tuple[Sheet, ...]:
    """The grids of four photos, drawn by lot."""
    return tuple(grids(GRIDS, SEED))


def kind(name: str) -> str:
    """Whether the network names this photo rightly, when it stands alone."""
    return "right" if name in named_rightly() else "other"


def share(clf: Classifier, sheet: Sheet, x: Tensor, k: int) -> float:
    """The percentage of the map of photo k that lies in its own part of the picture."""
    cam = grad_cam(clf.model, clf.layer, x, sheet.targets[k])[0]
    return 100 * share_in(cam, sheet.boxes[k], sheet.image.size)


def halves(unit: Unit) -> Values:
    """The share of a class's map in its own half: squashed, with its own proportions, by SqueezeNet."""
    number, side = map(int, str(unit).split("/"))
    sheet, lite, squeeze = sheets()[number], load_classifier(), load_classifier("squeezenet1_1")
    of = kind(sheet.names[side])
    return {
        f"{of}_squashed": share(lite, sheet, squashed(lite, [sheet.image]), side),
        f"{of}_unsquashed": share(lite, sheet, unsquashed(lite, sheet.image), side),
        "squeeze": share(squeeze, sheet, squashed(squeeze, [sheet.image]), side),
    }


def hits(cam: Tensor, box: Box) -> bool:
    """Whether the brightest pixel of a map (h, w) lies in the box of a picture of 448 × 448 pixels."""
    large = upsample(cam, (448, 448))
    left, upper, right, lower = box
    return bool(large[upper:lower, left:right].max() == large.max())


def pointing(unit: Unit) -> Values:
    """Whether a class's brightest pixel points at its photo in a grid of four, and the share there."""
    number, k = map(int, str(unit).split("/"))
    sheet, clf = fours()[number], load_classifier()
    of, (target, box) = kind(sheet.names[k]), (sheet.targets[k], sheet.boxes[k])
    values: Values = {}
    for suffix, side in (("", 224), ("_448", 448)):
        cam = grad_cam(clf.model, clf.layer, squashed(clf, [sheet.image], side), target)[0]
        values[f"hit_{of}{suffix}"] = int(hits(cam, box))
        values[f"share_{of}{suffix}"] = 100 * share_in(cam, box, sheet.image.size)
    return values


def all_four(unit: Unit) -> Values:
    """Whether all four maps of a grid point at their photos."""
    sheet, clf = fours()[int(unit)], load_classifier()
    values: Values = {}
    for suffix, side in (("", 224), ("_448", 448)):
        x = squashed(clf, [sheet.image], side)
        cams = grad_cam(clf.model, clf.layer, x, torch.tensor([sheet.targets]))[0]
        found = [hits(cam, box) for cam, box in zip(cams, sheet.boxes, strict=True)]
        values[f"all{suffix}"] = int(all(found))
    return values


@cache
def signed(number: int) -> tuple[Tensor, Tensor]:
    """The signed maps of all classes of a mosaic (1000, 7, 7), in logits, and the logits."""
    clf = load_classifier()
    with torch.no_grad(), capture(clf.model, clf.layer) as caught:
        logits = clf.model(squashed(clf, [sheets()[number].image]))[0]
        maps = class_maps(caught.activations, head(clf))[0].detach() / 49
    return maps, logits


def two_classes(unit: Unit) -> Values:
    """How alike the maps of a mosaic's two classes are, beside maps of other mosaics."""
    number = int(unit)
    one, other = (signed(number)[0][target].relu() for target in sheets()[number].targets)
    rest = [signed(n)[0][sheets()[n].targets[1]].relu() for n in range(MOSAICS) if n != number]
    return {"two": correlation(one, other), "others": float(np.mean([correlation(one, m) for m in rest]))}


def absent(unit: Unit) -> Values:
    """A class drawn by lot that is not in the picture: height and place of its map."""
    number = int(unit)
    sheet, (maps, logits) = sheets()[number], signed(number)
    lot = np.random.default_rng(number)
    unlikely = logits.argsort(descending=True)[100:].tolist()
    cam = maps[int(lot.choice(unlikely))].relu()
    present = max(maps[target].max().item() for target in sheet.targets)
    left = share_in(cam, sheet.boxes[0], sheet.image.size)
    return {"height": 100 * cam.max().item() / present, "one_half": 100 * max(left, 1 - left)}


def against(unit: Unit) -> Values:
    """What covering either half does to a class's score, in all paints, beside what the signed map says."""
    number, side = map(int, str(unit).split("/"))
    sheet, clf = sheets()[number], load_classifier()
    target, boxes = sheet.targets[side], (sheet.boxes[side], sheet.boxes[1 - side])
    x, size = squashed(clf, [sheet.image]), sheet.image.size
    masks = torch.stack([box_mask([box], size, (224, 224)) for box in boxes])
    covered = torch.cat([cover(clf, x, masks, *paint.split("/")) for paint in PAINTS])
    y = scores(clf, torch.cat([x, covered]), target)
    own, other = (y[1:] - y[0]).reshape(-1, 2).T
    map_ = signed(number)[0][target]
    large = upsample(map_, (300, 600)) * 49 / (300 * 600)
    left, _, right, _ = boxes[1]
    says = large[:, left:right].sum().item()
    values: Values = {
        "own_falls": 100 * (own < 0).double().mean().item(),
        "other_rises": 100 * (other > 0).double().mean().item(),
        "other_grey": other[0].item(),
        "map_negative": int(says < 0),
        "agrees_grey": int((says < 0) == bool(other[0] > 0)),
        f"says_{'minus' if says < 0 else 'plus'}": other[0].item(),
    }
    if (map_ < 0).any():
        values["minus_half"] = 100 * share_in((-map_).relu(), boxes[1], size)
    return values


DOG = (369, 35, 483, 270)
AROUND = ((300, 0, 369, 300), (483, 0, 600, 300), (369, 0, 483, 35), (369, 270, 483, 300))
BESIDE = (486, 35, 600, 270)
IN_CAT = (69, 35, 183, 270)


def dogsled(unit: Unit) -> Values:
    """The dogsled of chapter 9's mosaic, in one paint: covers on the dog, around it, and beside it."""
    clf, sheet = load_classifier(), pair("cat", "mastiff")
    x, size = squashed(clf, [sheet.image]), sheet.image.size
    masks = torch.stack(
        [box_mask(boxes, size, (224, 224)) for boxes in ((DOG,), AROUND, (BESIDE,), (IN_CAT,))]
    )
    pictures = torch.cat([x, cover(clf, x, masks, *str(unit).split("/"))])
    y = scores(clf, pictures, clf.class_index("dogsled"))
    cat = scores(clf, pictures, clf.class_index("Egyptian cat"))
    names = ("dog", "around", "beside", "in_cat")
    return {name: (y[k] - y[0]).item() for k, name in enumerate(names, 1)} | {
        f"cat_{name}": (cat[k] - cat[0]).item() for k, name in enumerate(names, 1)
    }


SIDES = tuple(f"{number}/{side}" for number in range(MOSAICS) for side in (0, 1))
IN_FOUR = tuple(f"{number}/{k}" for number in range(GRIDS) for k in range(4))
EXPERIMENTS = (
    Experiment(
        "ch09_halves",
        9,
        SIDES,
        halves,
        (
            claim(
                "right_squashed",
                "Mosaic, photo named rightly: more than half of its map is in its half (%).",
                above(50),
                0.5,
            ),
            claim(
                "other_squashed",
                "Mosaic, photo not named rightly: more than half of its map is in its half (%).",
                above(50),
                0.5,
            ),
            claim(
                "right_unsquashed",
                "Mosaic not squashed, named rightly: more than half of its map is in its half (%).",
                above(50),
                0.5,
            ),
            claim(
                "other_unsquashed",
                "Mosaic not squashed, not named rightly: more than half of its map is in its half (%).",
                above(50),
                0.5,
            ),
            claim(
                "squeeze",
                "Mosaic, SqueezeNet: more than half of a photo's map is in its half (%).",
                above(50),
                0.5,
            ),
        ),
        0.2,
    ),
    Experiment(
        "ch09_pointing",
        9,
        IN_FOUR,
        pointing,
        (
            claim(
                "hit_right",
                "Four in a grid, named rightly: the map points at its photo (1: yes).",
                above(0),
                0,
            ),
            claim(
                "hit_other",
                "Four in a grid, not named rightly: the map points at its photo (1: yes).",
                above(0),
                0,
            ),
            claim(
                "share_right",
                "Four in a grid, named rightly: over half of the map is in its photo (%; chance 25).",
                above(50),
                0.5,
            ),
            claim(
                "share_other",
                "Four in a grid, not named rightly: over half of the map is in its photo (%).",
                above(50),
                0.5,
            ),
            claim(
                "hit_right_448",
                "At 448 pixels, named rightly: the map points at its photo (1: yes).",
                above(0),
                0,
            ),
            claim(
                "hit_other_448",
                "At 448 pixels, not named rightly: the map points at its photo (1: yes).",
                above(0),
                0,
            ),
            claim(
                "share_right_448",
                "At 448 pixels, named rightly: more than half is in its photo (%).",
                above(50),
                0.5,
            ),
            claim(
                "share_other_448",
                "At 448 pixels, not named rightly: more than half is in its photo (%).",
                above(50),
                0.5,
            ),
        ),
        0.2,
    ),
    Experiment(
        "ch09_all_four",
        9,
        tuple(range(GRIDS)),
        all_four,
        (
            claim("all", "All four maps of a grid point at their photos (1: yes).", above(0), 0),
            claim(
                "all_448",
                "At 448 pixels, all four maps of a grid point at their photos (1: yes).",
                above(0),
                0,
            ),
        ),
        0.2,
    ),
    Experiment(
        "ch09_two_classes",
        9,
        tuple(range(MOSAICS)),
        two_classes,
        (
            claim("two", "The maps of a mosaic's two classes correlate below 0.", below(0)),
            claim(
                "others",
                "Baseline: a left photo's map with the right photos' maps of other mosaics (mean).",
                None,
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch09_absent",
        9,
        tuple(range(MOSAICS)),
        absent,
        (
            claim(
                "height",
                "An absent class's map is less than half as high as the present ones' (%).",
                below(50),
                0.5,
            ),
            claim(
                "one_half",
                "More than two thirds of an absent class's map is in one half (%).",
                above(66.7),
                0.5,
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch09_against",
        9,
        SIDES[:80],
        against,
        (
            claim(
                "own_falls",
                "Covering a photo lowers its own class's score in all twelve paints (% of them).",
                above(99),
                0.5,
            ),
            claim(
                "other_rises",
                "Covering the other photo raises it in more than half of twelve paints (% of them).",
                above(50),
                0.5,
            ),
            claim("other_grey", "Covering the other photo in hard grey raises it (logits).", above(0), 0.02),
            claim(
                "map_negative", "The signed map has a negative sum in the other photo (1: yes).", above(0), 0
            ),
            claim(
                "agrees_grey",
                "A negative sum there and a rise under grey, or neither: map and cover agree (1: yes).",
                above(0),
                0,
            ),
            claim(
                "says_minus",
                "Where that sum is negative, covering the other photo raises the score (logits).",
                above(0),
                0.02,
            ),
            claim(
                "says_plus",
                "Where that sum is positive, covering the other photo lowers the score (logits).",
                below(0),
                0.02,
            ),
            claim(
                "minus_half",
                "Of what speaks against a class, more than half lies in the other photo (%).",
                above(50),
                0.5,
            ),
        ),
        1,
    ),
    Experiment(
        "ch09_dogsled",
        9,
        PAINTS,
        dogsled,
        (
            claim(
                "dog",
                "Chapter's mosaic, twelve paints: covering the dog lowers dogsled by over 0.9 logits.",
                below(-0.9),
                0.02,
            ),
            claim(
                "around",
                "Covering what is around the dog changes dogsled by less than 0.3 logits.",
                within(-0.3, 0.3),
                0.02,
            ),
            claim("beside", "Baseline: the dog's box moved beside the dog (change of dogsled).", None, 0.02),
            claim(
                "in_cat", "Baseline: the dog's box moved into the cat's half (change of dogsled).", None, 0.02
            ),
            claim("cat_dog", "Covering the dog raises the cat's score (logits).", above(0), 0.02),
            claim(
                "cat_around",
                "Covering what is around the dog raises the cat's score (logits).",
                above(0),
                0.02,
            ),
            claim(
                "cat_beside",
                "Baseline: the dog's box moved beside the dog (change of the cat's score).",
                None,
                0.02,
            ),
        ),
        0.4,
    ),
)
