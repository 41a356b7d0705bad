"""The checks of chapter 12."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases
from helpers.hooks import capture

LAYER = "3"


def _network(draw: Draw, in_place: bool) -> nn.Sequential:
    """A network whose layer `LAYER` is followed by a ReLU that may work in place."""
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    norms = nn.BatchNorm2d(4), nn.BatchNorm2d(6)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), norms[0], nn.Conv2d(4, 6, 3), norms[1], nn.ReLU(in_place), head)
    net = draw.filled(net)
    for norm in norms:
        norm.running_mean = draw.normal(norm.num_features)
    return net


def _map(
    score: Callable[[Tensor, int], Tensor] = lambda y, k: y[0, k],
    weights: Callable[[Tensor], Tensor] = lambda g: g.mean(dim=(2, 3), keepdim=True),
    kept: Callable[[Tensor], Tensor] = lambda a: a,
    finish: Callable[[Tensor], Tensor] = torch.relu,
) -> Answer:
    """Grad-CAM, with one of its steps replaced."""

    def answer(model: nn.Module, layer: nn.Module, x: Tensor, target: int) -> Tensor:
        with capture(model, layer) as caught:
            gradient = caught.gradients(score(model(x), target))
        total = (weights(gradient) * kept(caught.activations)).sum(dim=1)
        return finish(total)[0].detach()

    return answer


def _by_reference(model: nn.Module, layer: nn.Module, x: Tensor, target: int) -> Tensor:
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    score = model(x)[0, target]
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept[0])
    return (gradient.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(dim=1).relu()[0].detach()


_WRONG_MAPS = {
    "the probability": (
        _map(score=lambda y, k: y.softmax(dim=1)[0, k]),
        "You took the gradient of the probability (mistake 5): it fades where the network is sure.",
    ),
    "on its own scale": (
        _map(finish=lambda s: s.relu() / s.relu().max().clamp_min(1e-12)),
        "You divided by the maximum (mistakes 7 and 15): the scale is lost, and a map of zeros breaks it.",
    ),
    "no ReLU": (
        _map(finish=lambda s: s),
        "Your map has negative places: `grad_cam` keeps what speaks for the class.",
    ),
    "absolute value": (
        _map(finish=torch.abs),
        "You took the absolute value: what speaks against the class then looks as if it spoke for it.",
    ),
    "sizes of gradients": (
        _map(weights=lambda g: g.abs().mean(dim=(2, 3), keepdim=True)),
        "Your weights have lost their signs: a channel may speak against the class.",
    ),
    "sum of gradients": (
        _map(weights=lambda g: g.sum(dim=(2, 3), keepdim=True)),
        "You summed the gradient over the places: the weight is its mean.",
    ),
    "place by place": (
        _map(weights=lambda g: g),
        "You multiplied place by place: that is HiResCAM. Grad-CAM has one weight a channel.",
    ),
    "overwritten": (
        _map(kept=torch.relu),
        "The ReLU behind the layer overwrote what you kept (mistake 10): keep a copy, or use `capture`.",
    ),
    "kept by reference": (
        _by_reference,
        "You kept the layer's own output, which the ReLU behind it overwrites (mistake 10): use `capture`.",
    ),
    "other class": (
        _map(score=lambda y, k: y[0].max()),
        "Your map is of the best guess: it is asked for the target.",
    ),
}


def find_the_six(answer: Answer) -> None:
    """Grad-CAM in earnest: the map, and a network that is left as it was."""
    left: list[str] = []

    def watched(model: nn.Module, x: Tensor, target: int) -> Any:
        layer = model.get_submodule(LAYER)
        cam = answer(model, layer, x, target)
        if any(module._forward_hooks or module._backward_hooks for module in model.modules()):
            left.append("hook")
        if model.training:
            left.append("mode")
        if any(weight.grad is not None for weight in model.parameters()):
            left.append("gradients")
        return cam

    by_cases(
        right=_on_layer(_map()),
        cases=lambda draw: [
            (_network(draw, in_place), draw.normal(1, 3, draw.size(7, 9), 10), draw.size(0, 3))
            for in_place in (False, True, True)
        ],
        wrong={name: (_on_layer(usual), says) for name, (usual, says) in _WRONG_MAPS.items()},
    )(watched)
    if "hook" in left:
        raise Wrong(
            "hook stays",
            "Your map is right, and a hook stays behind (mistake 8): remove it, also after an error.",
        )
    if "mode" in left:
        raise Wrong(
            "training mode", "Your map is right, and you left the network in training mode (mistake 4)."
        )
    if "gradients" in left:
        raise Wrong(
            "gradients pile up",
            "Your map is right, and `backward` left gradients in the weights: ask for the layer's alone.",
        )


def _on_layer(usual: Answer) -> Answer:
    return lambda model, x, target: usual(model, model.get_submodule(LAYER), x, target)


def _levels(photo: Image.Image) -> Any:
    return np.asarray(photo, dtype=float)


who_minds = by_cases(
    right=lambda photo: np.ptp(_levels(photo), axis=2).mean(),
    cases=lambda draw: [(draw.picture(draw.size(9, 14), draw.size(5, 8)),) for _ in range(3)],
    wrong={
        "brightness": (
            lambda photo: _levels(photo).mean(),
            "You measured the brightness: how far the three colours of a pixel lie apart is asked for.",
        ),
        "over the picture": (
            lambda photo: np.ptp(_levels(photo)),
            "You took strongest and weakest of the whole picture: take them of each pixel, then the mean.",
        ),
        "means of the colours": (
            lambda photo: np.ptp(_levels(photo).mean(axis=(0, 1))),
            "You averaged over the picture first: a red and a blue half then cancel. First pixel by pixel.",
        ),
        "along the rows": (
            lambda photo: np.ptp(_levels(photo), axis=0).mean(),
            "Your axis runs over the rows: the colours are the last one.",
        ),
        "along the columns": (
            lambda photo: np.ptp(_levels(photo), axis=1).mean(),
            "Your axis runs over the columns: the colours are the last one.",
        ),
        "bytes run over": (
            lambda photo: (np.asarray(photo)[..., 0] - np.asarray(photo)[..., 2]).mean(),
            "You subtracted bytes: below 0 they begin again at 255. Make numbers of them first.",
        ),
        "red and blue only": (
            lambda photo: np.abs(_levels(photo)[..., 0] - _levels(photo)[..., 2]).mean(),
            "You compared red and blue: green may be the strongest or the weakest.",
        ),
    },
)

NAMES = ["yurt", "coffee mug", "goose", "zebra", "tabby"]


def _healthy(decide: Callable[[Tensor, int, str, list[str]], object]) -> Answer:
    """What decides from logits, the number of the right class, its name and all names."""

    def answer(
        model: Callable[[Tensor], Tensor],
        prepare: Callable[[Image.Image], Tensor],
        categories: list[str],
        photo: Image.Image,
        name: str,
    ) -> bool:
        y = model(prepare(photo)[None])[0]
        return bool(decide(y, categories.index(name), name, categories))

    return answer


class _Sure(nn.Module):
    """A network that gives one answer, whatever it sees."""

    def __init__(self, y: Tensor) -> None:
        super().__init__()
        self.y = y

    def forward(self, x: Tensor) -> Tensor:
        return self.y.expand(len(x), -1)


def _asked(draw: Draw, probability: float, best: int, name: str) -> tuple[Any, ...]:
    """A network that gives one class this probability, whatever it sees."""
    y = draw.normal(5)
    y[best] = -torch.inf
    y[best] = y.logsumexp(dim=0) + np.log(probability / (1 - probability))
    return _Sure(y), lambda photo: draw.normal(3, 4, 4), NAMES, draw.picture(5, 4), name


def catch_it(answer: Answer) -> None:
    """A function that says True or False of a network and a photo of a known class."""

    def said(*arguments: Any) -> Any:
        result = answer(*arguments)
        if not arguments[0].training:
            raise Wrong(
                "switched", "You switch the network to eval mode: then mistake 4 can never be caught."
            )
        if getattr(result, "dtype", type(result)) not in (bool, np.dtype(bool), torch.bool):
            raise Wrong("", "Your function should return True or False.")
        return bool(result)

    by_cases(
        right=_healthy(lambda y, k, name, names: names[y.argmax()] == name and y.softmax(0).max() > 0.9),
        cases=lambda draw: [
            _asked(draw, 0.95, 0, "yurt"),
            _asked(draw, 0.95, 1, "goose"),
            _asked(draw, 0.8, 2, "goose"),
            _asked(draw, 0.97, 4, "tabby"),
            _asked(draw, 0.6, 4, "zebra"),
        ],
        wrong={
            "name only": (
                _healthy(lambda y, k, name, names: names[y.argmax()] == name),
                "Your function passes whatever has the right name: a wrong scale can leave the name and take "
                "the probability, which comes out of the softmax.",
            ),
            "probability only": (
                _healthy(lambda y, k, name, names: y.softmax(0).max() > 0.9),
                "You look at the probability only: a network can be sure of a wrong class.",
            ),
            "logit": (
                _healthy(lambda y, k, name, names: names[y.argmax()] == name and y.max() > 0.9),
                "You compare the logit with 0.9: a probability comes out of the softmax.",
            ),
            "one of two": (
                _healthy(lambda y, k, name, names: names[y.argmax()] == name or y.softmax(0).max() > 0.9),
                "You ask for one of the two: name and probability must both be right.",
            ),
            "always": (
                _healthy(lambda y, k, name, names: True),
                "Your function always says True: nothing is caught.",
            ),
            "turned round": (
                _healthy(lambda y, k, name, names: names[y.argmax()] != name or y.softmax(0).max() <= 0.9),
                "Your function says True for the sick ones: True means healthy.",
            ),
        },
    )(said)


JUDGES = {"ex-find-the-six": find_the_six, "ex-who-minds": who_minds, "ex-catch-it": catch_it}
