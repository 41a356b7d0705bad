"""The checks of chapter 8."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from helpers.cam import grad_cam
from helpers.classifiers import Classifier, Guess, Preprocessing
from helpers.exercises.judging import Answer, Draw, Judge, Wrong, any_of, by_cases
from helpers.images import load_image

LAYER = 2
PREPROCESSING = Preprocessing(12, Image.Resampling.BILINEAR, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _network(draw: Draw, classes: int = 5) -> nn.Sequential:
    """A small network, in double precision, where class 0 has an empty map."""
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes, bias=False))
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU(), head)
    for weight in draw.filled(net).parameters():
        weight.data += 0.2
    weight.data[0] = -1 - weight.data[0].abs()  # the head's: every channel speaks against class 0
    return net


def _heights(of_map: Callable[[Tensor], Tensor], of_target: Callable[[int], int] = lambda k: k) -> Answer:
    """The answers that take one number of each class's map."""
    return lambda model, layer, x, classes: [
        of_map(grad_cam(model, layer, x, of_target(k))).item() for k in classes
    ]


def _with_layer(net: nn.Sequential) -> tuple[nn.Sequential, nn.Module]:
    return net, net[LAYER]


ON_ITS_OWN_SCALE = "You scaled each map to its own maximum: then all are equally high, and say nothing."

zebra = by_cases(
    right=_heights(torch.max),
    cases=lambda draw: [
        (*_with_layer(_network(draw)), draw.normal(1, 3, 9, draw.size(10, 14)), [3, 0, 4, 1, 2])
        for _ in range(3)
    ],
    wrong={
        "each on its own scale": (
            _heights(lambda cam: (cam / cam.max().clamp_min(1e-12)).max()),
            ON_ITS_OWN_SCALE,
        ),
        "0 / 0": (
            _heights(lambda cam: (cam / cam.max()).max()),
            f"{ON_ITS_OWN_SCALE} An empty map becomes nan.",
        ),
        "mean": (
            _heights(torch.mean),
            "You took the mean of each map: the highest value is asked for.",
        ),
        "sum": (
            _heights(torch.sum),
            "You added the places up: the highest value is asked for.",
        ),
        "logits": (
            lambda model, layer, x, classes: model(x)[0, classes],
            "You returned the logits: they are one number per class, before any map was made.",
        ),
        "always the same class": (
            lambda model, layer, x, classes: [grad_cam(model, layer, x).max()] * len(classes),
            "Your maps are all of the network's best guess: hand the class on as the target.",
        ),
    },
)

_difference = by_cases(
    right=lambda y, first, second: y[:, [first]] - y[:, [second]],
    cases=lambda draw: [(draw.normal(draw.size(2, 3), draw.size(5, 7)), 4, 1) for _ in range(3)],
    wrong={
        "the other way round": (
            lambda y, first, second: y[:, [second]] - y[:, [first]],
            "Your score grows with the second class: the first one minus the second is asked for.",
        ),
        "a dimension is lost": (
            lambda y, first, second: y[:, first] - y[:, second],
            "Your score has lost its column: keep the shape (pictures, 1), from which Grad-CAM picks.",
        ),
        "probabilities": (
            lambda y, first, second: y.softmax(1)[:, [first]] - y.softmax(1)[:, [second]],
            "You subtracted probabilities: in them all other classes have a say. Subtract the logits.",
        ),
        "sign lost": (
            lambda y, first, second: (y[:, [first]] - y[:, [second]]).abs(),
            "Your score has lost its sign: it must fall where the second class gains.",
        ),
        "sum": (
            lambda y, first, second: y[:, [first]] + y[:, [second]],
            "You added the scores: then both classes speak for the map, and nothing decides between them.",
        ),
        "one class": (
            lambda y, first, second: y[:, [first]],
            "Your score does not know the second class: it must fall where that one gains.",
        ),
    },
)


def difference(answer: Answer) -> None:
    """A score of two classes, from which a gradient leads back to the network."""
    _difference(answer)
    if not getattr(answer(Draw().normal(2, 5).requires_grad_(), 4, 1), "requires_grad", False):
        raise Wrong(
            "cut off",
            "Your score is cut off from the network and has no gradient: leave out `detach` and `no_grad`.",
        )


def _ratio(spread: Callable[[Tensor], Tensor], size: Callable[[Tensor], Tensor]) -> Answer:
    return lambda g: spread(g) / size(g)


def _size(g: Tensor) -> Tensor:
    return g.mean(dim=(2, 3)).abs().mean()


def _earlier(correction: int) -> Judge:
    """A judge for one of the two divisors of a spread."""

    def spread(g: Tensor) -> Tensor:
        return g.std(dim=(2, 3), correction=correction).mean()

    return by_cases(
        right=_ratio(spread, _size),
        cases=lambda draw: [(draw.normal(1, 7, draw.size(3, 5), draw.size(6, 8)) - 0.1,) for _ in range(3)],
        wrong={
            "size of every gradient": (
                _ratio(spread, lambda g: g.abs().mean()),
                "You took sizes before the mean: a weight is the mean over the places, and then has a size.",
            ),
            "signs cancel": (
                _ratio(spread, lambda g: g.mean()),
                "Weights of both signs cancel in your mean: take the size of each weight first.",
            ),
            "spread over the channels": (
                _ratio(lambda g: g.std(dim=1, correction=correction).mean(), _size),
                "You took the spread over the channels: take it over the places of each channel.",
            ),
            "spread of everything": (
                _ratio(lambda g: g.std(correction=correction), _size),
                "Your spread mixes places and channels: take it over each channel's places, then the mean.",
            ),
            "variance": (
                _ratio(lambda g: g.var(dim=(2, 3), correction=correction).mean(), _size),
                "You took the variance: the spread is its root, and has the unit of the weights.",
            ),
            "upside down": (
                _ratio(_size, spread),
                "Your ratio stands on its head: the spread is divided by the size of the weights.",
            ),
            "a ratio for each channel": (
                lambda g: (g.std(dim=(2, 3), correction=correction) / g.mean(dim=(2, 3)).abs()).mean(),
                "You divided in each channel: take both means over the channels first, and divide once.",
            ),
        },
    )


earlier = any_of(_earlier(correction=1), _earlier(correction=0))


def _louder(probability: Answer, factor_of_map: Answer, factor_of_scaled: Answer) -> Answer:
    return lambda logits, cam, factor: (
        probability(logits, factor),
        factor_of_map(factor) * cam,
        factor_of_scaled(factor) * cam / cam.max(),
    )


def _best(logits: Tensor, factor: float) -> Tensor:
    return (factor * logits).softmax(dim=0).max()


scale = by_cases(
    right=_louder(_best, lambda f: f, lambda f: 1),
    cases=lambda draw: [
        (draw.normal(draw.size(4, 7)), draw.uniform(draw.size(2, 4), 5), draw.number(1.5, 3))
        for _ in range(3)
    ],
    wrong={
        "probability times factor": (
            _louder(lambda logits, f: f * logits.softmax(0).max(), lambda f: f, lambda f: 1),
            "You multiplied the probability, which may pass 1: multiply the logits, before the softmax.",
        ),
        "probability unchanged": (
            _louder(lambda logits, f: logits.softmax(0).max(), lambda f: f, lambda f: 1),
            "Your probability stays: the differences between the logits grow, and it depends on them.",
        ),
        "map unchanged": (
            _louder(_best, lambda f: 1, lambda f: 1),
            "Your map stays: the weights are gradients of the logit, and the logit is multiplied.",
        ),
        "factor squared": (
            _louder(_best, lambda f: f * f, lambda f: 1),
            "You multiplied the map twice: the gradient gets the factor, the activations do not.",
        ),
        "scaled map grows": (
            _louder(_best, lambda f: f, lambda f: f),
            "Your scaled map grows: its maximum grows as well, and the factor goes out.",
        ),
    },
)


def folder(answer: Answer) -> None:
    """A function of a classifier and a file, on a photo and on a file that is none."""
    with tempfile.TemporaryDirectory() as name:
        draw = Draw()
        paths = [Path(name, f"{k}.png") for k in range(3)]
        for path in paths:
            draw.picture(12, 9).save(path)
        explain = by_cases(
            right=lambda clf, path: _explained(clf, path)[1:],
            cases=lambda draw: [(_classifier(draw), path) for path in paths],
            wrong={
                "still a batch": (
                    lambda clf, path: (_explained(clf, path)[1], _explained(clf, path)[2][None]),
                    "Your map still has the dimension of the batch: return the map of the one picture.",
                ),
                "always class 0": (
                    lambda clf, path: (_explained(clf, path)[1], _explained(clf, path, target=0)[2]),
                    "Your map is of class 0: ask for the map of the best guess, by its number.",
                ),
                "runner-up": (
                    lambda clf, path: (_explained(clf, path)[1], _explained(clf, path, rank=1)[2]),
                    "Your map is of the second guess: ask for the map of the best one.",
                ),
                "scaled": (
                    lambda clf, path: (_explained(clf, path)[1], _scaled(_explained(clf, path)[2])),
                    "You divided the map by its maximum: then files can no longer be compared.",
                ),
            },
        )
        explain(lambda clf, path: _plain(answer(clf, path)))
        notes = Path(name, "notes.jpg")
        notes.write_text("no picture", encoding="utf-8", newline="\n")
        with contextlib.suppress(Wrong):  # it returned nothing
            try:
                answer(_classifier(draw), notes)
            except (OSError, ValueError):
                return
        raise Wrong(
            "swallowed",
            "Your function hides that a file is no picture: let the error out, so that the loop can say so.",
        )


def _classifier(draw: Draw) -> Classifier:
    """A small network as a classifier of five classes."""
    net, layer = _with_layer(_network(draw))
    return Classifier("small", net, layer, PREPROCESSING, tuple(f"class {k}" for k in range(5)))


def _explained(
    clf: Classifier, path: Path, rank: int = 0, target: int | None = None
) -> tuple[Guess, int, Tensor]:
    photo = load_image(path)
    best, second = clf.predict(photo, k=2)
    asked = (best, second)[rank].index if target is None else target
    return best, best.index, grad_cam(clf.model, clf.layer, clf.preprocess(photo)[None], asked)[0]


def _scaled(cam: Tensor) -> Tensor:
    return cam / cam.max().clamp_min(1e-12)


def _plain(result: Any) -> tuple[int, Any]:
    """The guess's number and the map, of whatever an answer returns."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("", "Your function should return two things: the best guess, and its map.")
    guess, cam = result
    if isinstance(guess, list):
        raise Wrong("all guesses", "You return a list of guesses: return the first of them.")
    if not isinstance(guess, Guess):
        raise Wrong(
            "no guess",
            "Your first result should be the guess as `clf.predict` gives it: it knows its probability.",
        )
    return guess.index, cam


JUDGES = {
    "ex-zebra": zebra,
    "ex-difference": difference,
    "ex-earlier": earlier,
    "ex-scale": scale,
    "ex-folder": folder,
}
