"""Chapter 5: learning rates with and without batch normalisation, and a model left in training mode."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from claims.pictures import (
    correlation,
    first_guesses,
    labelled,
    named_rightly,
    others_alike,
    right_maps,
    squashed,
)
from claims.table import Claim, Experiment, Unit, Values, in_double
from helpers import accuracy, digits, fit, grad_cam, load_classifier, load_image

RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 3.0)
VERSIONS = {"without": (False, False), "he": (False, True), "norm": (True, False)}


def deep_net(batch_norm: bool, he_start: bool, seed: int) -> nn.Sequential:
    """The chapter's six convolutions, from a seed."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    channels = 1
    for _ in range(6):
        layer = nn.Conv2d(channels, 8, 3, padding=1)
        if he_start:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        layers += [layer, nn.BatchNorm2d(8), nn.ReLU()] if batch_norm else [layer, nn.ReLU()]
        channels = 8
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 64, 10))


def learned(version: str, rate: float, seed: int) -> float:
    """The accuracy on the training set after 6 epochs, in %; 0 where the loss is no number any more."""
    data, net = digits(), deep_net(*VERSIONS[version], seed)
    sgd = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    try:
        fit(net, data.train_images, data.train_labels, sgd, epochs=6)
    except FloatingPointError:
        return 0.0
    return 100 * accuracy(net, data.train_images, data.train_labels)


@in_double()
def rates(unit: Unit) -> Values:
    """The accuracy of each version at each rate, and what the chapter says of them together."""
    seed = int(unit)
    values = {f"{version}_{rate}": learned(version, rate, seed) for version in VERSIONS for rate in RATES}
    return values | {
        "without_best": max(values[f"without_{rate}"] for rate in RATES),
        "he_small": min(values[f"he_{rate}"] for rate in RATES[:3]),
        "he_large": max(values[f"he_{rate}"] for rate in RATES[3:]),
        "norm_all": min(values[f"norm_{rate}"] for rate in RATES[:5]),
        "norm_small": min(values[f"norm_{rate}"] for rate in RATES[:4]),
        "ahead": min(values[f"norm_{rate}"] - values[f"he_{rate}"] for rate in RATES[:3]),
    }


def drawn_others(name: str, count: int) -> list[str]:
    """Other photos that the network names rightly, by lot."""
    names = [other for other in named_rightly() if other != name]
    lot = np.random.default_rng(labelled().index(name))
    return [str(other) for other in lot.choice(names, size=count, replace=False)]


def share(map_: Tensor, mask: Tensor) -> float:
    """The share of a map's mass on a mask, in %."""
    return (100 * map_[mask].sum() / map_.sum()).item()


def training_mode(unit: Unit) -> Values:
    """One photo that the network names rightly, in training mode: alone, and with three others by lot."""
    name = str(unit)
    if name not in named_rightly():
        return {}
    clf, target, right = load_classifier(), first_guesses()[name], right_maps()[name]
    batch = squashed(clf, [load_image(one) for one in (name, *drawn_others(name, 3))])
    wrong = copy.deepcopy(clf.model).train()
    bright = right > right.max() / 2
    strangers = [share(map_, bright) for other, map_ in right_maps().items() if other != name]
    values = {
        "area": 100 * bright.double().mean().item(),
        "bright_right": share(right, bright),
        "bright_others": float(np.mean(strangers)),
        "alike_others": others_alike(right, name),
        "probability": clf.model(batch[:1]).softmax(dim=1)[0, target].item(),
    }
    for way, x in (("alone", batch[:1]), ("company", batch)):
        with torch.no_grad():
            answers = copy.deepcopy(wrong)(x).softmax(dim=1)[0]
        map_ = grad_cam(wrong, "bn2", x, target)[0]
        values[f"probability_{way}"] = answers[target].item()
        values[f"named_{way}"] = float(answers.argmax() == target)
        values[f"height_{way}"] = (map_.max() / right.max()).item()
        if map_.max() > 0:
            values[f"bright_{way}"] = share(map_, bright) - values["area"]
            values[f"alike_{way}"] = correlation(map_, right)
    if "alike_alone" in values:
        values["less_alike"] = values["alike_alone"] - values["alike_others"]
    return values


def ruin(unit: Unit) -> Values:
    """What 26 passes in training mode over one photo do to its answer, and to four others."""
    name = str(unit)
    if name not in named_rightly():
        return {}
    clf, target, others = load_classifier(), first_guesses()[name], drawn_others(name, 4)
    photo = squashed(clf, [load_image(name)])
    model, probabilities = copy.deepcopy(clf.model), {}
    with torch.no_grad():
        for passes in range(27):
            answer = model.eval()(photo).softmax(dim=1)[0]
            probabilities[passes] = answer[target].item()
            if passes < 26:
                model.train()(photo)
        answers = model(squashed(clf, [load_image(other) for other in others])).argmax(dim=1)
    kept = [answer == first_guesses()[other] for answer, other in zip(answers.tolist(), others, strict=True)]
    return {
        "after_1": probabilities[1] - probabilities[0],
        "after_6": probabilities[6] - probabilities[0],
        "after_26": probabilities[26],
        "named_26": float(answer.argmax() == target),
        "others_26": 100 * float(np.mean(kept)),
    }


SEEDS = tuple(range(10))
NAMES = {"he": "With He's start and without batch normalisation", "norm": "With batch normalisation"}


def fails(percent: float) -> bool:
    """Hardly better than guessing, which is right in about 10 %."""
    return percent < 20


def learns(percent: float) -> bool:
    """Right on more than 80 % of the training set."""
    return percent > 80


def at_rate(version: str, rate: float) -> Claim:
    """One version at one rate: it learns or it fails."""
    holds, word = (
        (fails, "fails (below 20") if rate == 3 or (version, rate) in FAILS else (learns, "learns (above 80")
    )
    text = f"{NAMES[version]} the network {word} % of the training set) at the rate {rate:g}."
    return Claim(f"{version}_{rate}", text, holds, 2)


FAILS = (("he", 0.1), ("he", 0.3))

EXPERIMENTS = (
    Experiment(
        "rates",
        5,
        SEEDS,
        rates,
        (
            Claim(
                "without_best",
                "Without batch normalisation and with PyTorch's usual start the network fails "
                "(below 20 % of the training set) at all six rates; the best of them, in %.",
                fails,
                1,
            ),
            *(at_rate("he", rate) for rate in RATES),
            *(at_rate("norm", rate) for rate in RATES),
            Claim(
                "he_small",
                "With He's start it learns (above 80 %) at all three rates up to 0.03; the worst, in %.",
                learns,
                2,
            ),
            Claim(
                "he_large",
                "With He's start it fails (below 20 %) at all rates from 0.1 on; the best, in %.",
                fails,
                2,
            ),
            Claim(
                "norm_all",
                "With batch normalisation it is above 90 % at all five rates up to 0.3; the worst, in %.",
                lambda percent: percent > 90,
                2,
            ),
            Claim(
                "norm_small",
                "With batch normalisation it is above 90 % at all four rates up to 0.1; the worst, in %.",
                lambda percent: percent > 90,
                2,
            ),
            Claim(
                "ahead",
                "At the three rates up to 0.03 it is ahead with batch normalisation of He's start "
                "without; the smallest lead, in percentage points.",
                lambda points: points > 0,
                2,
            ),
        ),
        cost=25,
    ),
    Experiment(
        "training_mode",
        5,
        labelled(),
        training_mode,
        (
            Claim("probability", "Baseline: the right class's probability in eval mode.", None, 0.01),
            Claim(
                "probability_alone",
                "In training mode, alone in its batch, a photo's right class has a probability below 0.05.",
                lambda probability: probability < 0.05,
                0.005,
            ),
            Claim(
                "probability_company",
                "In training mode, with three other photos by lot, it is below 0.1.",
                lambda probability: probability < 0.1,
                0.01,
            ),
            Claim(
                "named_alone",
                "In training mode, alone, a photo named rightly in eval mode is named wrongly "
                "(1 is rightly).",
                lambda named: named == 0,
                0,
            ),
            Claim(
                "named_company",
                "In training mode, with three others, it is named wrongly (1 is rightly).",
                lambda named: named == 0,
                0,
            ),
            Claim(
                "height_alone",
                "The map in training mode, alone, has less than half of the right map's height (quotient).",
                lambda quotient: quotient < 0.5,
                0.01,
            ),
            Claim(
                "height_company",
                "The map in training mode, with three others, is lower than the right one "
                "(quotient of heights).",
                lambda quotient: quotient < 1,
                0.02,
            ),
            Claim(
                "area",
                "Baseline: the area on which the right map is above half of its height, in %.",
                None,
                2.1,
            ),
            Claim("bright_right", "Baseline: the right map's share of mass on this area, in %.", None, 3),
            Claim(
                "bright_others",
                "Baseline: the share of mass there of the right maps of other photos (mean), in %.",
                None,
                3,
            ),
            Claim(
                "bright_alone",
                "Alone, too, the map has a larger share there than the area (share minus area, "
                "percentage points).",
                lambda points: points > 0,
                4,
            ),
            Claim(
                "bright_company",
                "With three others as well (share minus area, percentage points).",
                lambda points: points > 0,
                4,
            ),
            Claim(
                "alike_others",
                "Baseline: the correlation of the right map with those of other photos (mean).",
                None,
                0.01,
            ),
            Claim(
                "alike_alone",
                "Alone, the map correlates with the right one by less than 0.9.",
                lambda r: r < 0.9,
                0.02,
            ),
            Claim(
                "less_alike",
                "Alone, the map is less like the right one than those of other photos are (difference of "
                "the two correlations).",
                lambda difference: difference < 0,
                0.03,
            ),
            Claim(
                "alike_company",
                "With three others, the map correlates with the right one by less than 0.9.",
                lambda r: r < 0.9,
                0.02,
            ),
        ),
        cost=1.5,
    ),
    Experiment(
        "ruin",
        5,
        labelled(),
        ruin,
        (
            Claim(
                "after_1",
                "One pass in training mode changes the right class's probability by less than 0.1 (change).",
                lambda change: abs(change) < 0.1,
                0.01,
            ),
            Claim(
                "after_6",
                "Six passes over a photo lower its right class's probability by more than 0.1 (change).",
                lambda change: change < -0.1,
                0.02,
            ),
            Claim(
                "after_26",
                "After 26 passes the right class's probability is below 0.05.",
                lambda probability: probability < 0.05,
                0.01,
            ),
            Claim(
                "named_26", "After 26 passes the photo is named wrongly (1 is rightly).", lambda n: n == 0, 0
            ),
            Claim(
                "others_26",
                "After 26 passes over one photo fewer than half of four others are named rightly (in %).",
                lambda percent: percent < 50,
                25,
            ),
        ),
        cost=3.5,
    ),
)
