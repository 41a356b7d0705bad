"""Chapter 11: the choice of the layer, depth against resolution, place by place, on mosaics drawn by lot."""

from collections.abc import Callable
from functools import cache

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from claims import pictures
from claims.pictures import Sheet
from claims.table import Claim, Experiment, Unit, Values
from helpers import capture, class_maps, grad_cam, load_classifier, load_image, normalise, share_in
from helpers.classifiers import Classifier

MOSAICS = 40
HALVES = tuple(f"{k} {half}" for k in range(MOSAICS) for half in ("left", "right"))


@cache
def network(name: str = "efficientnet_lite0") -> Classifier:
    """A packaged classifier."""
    return load_classifier(name)


@cache
def drawn() -> list[tuple[str, ...]]:
    """The pairs of photos, by lot."""
    return pictures.drawn(MOSAICS, seed=11)


def asked(unit: Unit) -> tuple[Sheet, int]:
    """A mosaic, and which of its halves is asked for: 0 or 1."""
    number, half = str(unit).split()
    return pictures.pair(*drawn()[int(number)]), ("left", "right").index(half)


def share(cam: Tensor, sheet: Sheet, half: int) -> float:
    """The part of one map in a half of the picture, in %."""
    return 100 * share_in(cam, sheet.boxes[half], sheet.image.size)


SQUEEZE = tuple(f"features.{k}" for k in (4, 7, 10, 12))


def answer(clf: Classifier, layer: str, x: Tensor, target: int) -> tuple[Tensor, float]:
    """Grad-CAM (h, w) and the logit, from one pass."""
    with capture(clf.model, layer) as caught:
        logit = clf.model(x)[0, target]
        gradients = caught.gradients(logit)
    cam = (gradients.mean(dim=(2, 3), keepdim=True) * caught.activations).sum(dim=1).relu()
    return cam[0].detach(), logit.item()


def choice(unit: Unit) -> Values:
    """Grad-CAM at the layer of each packaged network, and at others, squashed or not."""
    sheet, half = asked(unit)
    lite0, squeeze = network(), network("squeezenet1_1")
    x = lite0.preprocess(sheet.image)[None]
    natural, large = pictures.unsquashed(lite0, sheet.image), pictures.squashed(lite0, [sheet.image], 448)
    target = sheet.targets[half]
    own, before = answer(lite0, "bn2", x, target)
    wide, logit_wide = answer(lite0, "bn2", natural, target)
    fine, logit_fine = answer(lite0, "bn2", large, target)
    other = grad_cam(lite0.model, "bn2", x, sheet.targets[1 - half])[0]
    shares = [share(cam, sheet, half) for cam in (own, other, wide, fine)]
    x = squeeze.preprocess(sheet.image)[None]
    at = {
        layer: share(grad_cam(squeeze.model, layer, x, target)[0], sheet, half)
        for layer in (*SQUEEZE, "classifier.2")
    }
    return {
        "lite0": shares[0],
        "lite0 other": shares[1],
        "lite0 natural": shares[2],
        "natural logit": logit_wide - before,
        "lite0 448": shares[3],
        "448 more": shares[3] - shares[0],
        "448 logit": logit_fine - before,
        **{f"squeeze {layer}": value for layer, value in at.items()},
        "squeeze less": shares[0] - at["classifier.2"],
        "squeeze 12 less": at["classifier.2"] - at["features.12"],
    }


def untrained(seed: Unit) -> Values:
    """DenseNet-201 and ResNet-18 with random weights: how far maps of neighbouring layers differ."""
    torch.manual_seed(int(seed))
    return {**dense(load_image("mastiff"), int(seed)), **residual(load_image("mastiff"), int(seed))}


def dense(photo: Image.Image, seed: int) -> Values:
    """The largest difference between Grad-CAM at `norm5` and the exact map, of the maximum, in %."""
    clf = reseeded("densenet201", seed)
    head = clf.model.get_submodule("classifier")
    assert isinstance(head, torch.nn.Linear)
    x = clf.preprocess(photo)[None]
    at_norm = grad_cam(clf.model, "features.norm5", x)
    with torch.no_grad(), capture(clf.model, "features.norm5") as caught:
        top = clf.model(x)[0].argmax()
    exact = class_maps(F.relu(caught.activations), head)[:, top].relu().detach()
    return {"dense": 100 * (normalise(at_norm) - normalise(exact)).abs().max().item()}


def residual(photo: Image.Image, seed: int) -> Values:
    """The largest difference between a stage's map and its last convolution's, of the maximum, in %."""
    clf = reseeded("resnet18", seed)
    x = clf.preprocess(photo)[None]
    stage, inside = (normalise(grad_cam(clf.model, layer, x)) for layer in ("layer4", "layer4.1.conv2"))
    return {"residual": 100 * (stage - inside).abs().max().item()}


def reseeded(name: str, seed: int) -> Classifier:
    """A torchvision network with its own random weights of this seed."""
    clf = load_classifier(name, weights=None)
    torch.manual_seed(seed)
    for module in clf.model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, torch.nn.Linear):
            module.reset_parameters()
    return clf


def most(percent: float) -> bool:
    """More than half."""
    return percent > 50


def positive(value: float) -> bool:
    """More than zero."""
    return value > 0


def negative(value: float) -> bool:
    """Less than zero."""
    return value < 0


def points(key: str, text: str, holds: Callable[[float], bool] | None) -> Claim:
    """A claim about percent of a map."""
    return Claim(key, text, holds, 1)


CHOICE = (
    points("lite0", "EfficientNet-Lite0, `bn2`: most of the map lies in the own half (share in %).", most),
    points("lite0 other", "Baseline: the other class's map in this half (share in %).", None),
    points(
        "lite0 natural", "The mosaic not squashed, 224 × 448: most lies in the own half (share in %).", most
    ),
    Claim("natural logit", "Not squashed, the class's logit falls (its change).", negative, 0.05),
    points("lite0 448", "At 448 × 448: most of the map lies in the own half (share in %).", most),
    points("448 more", "At 448 × 448 the share is larger than at 224 × 224 (points of %).", positive),
    Claim("448 logit", "At 448 × 448 the class's logit is lower (its change).", negative, 0.05),
    *(
        points(
            f"squeeze {layer}",
            f"SqueezeNet, `{layer}`: most of the map lies in the own half (share in %).",
            most,
        )
        for layer in (*SQUEEZE, "classifier.2")
    ),
    points(
        "squeeze less", "SqueezeNet at `classifier.2` separates worse than Lite0 (points of %).", positive
    ),
    points(
        "squeeze 12 less",
        "`features.12` is nearly as good as the output: at most two points of % less.",
        lambda less: less <= 2,
    ),
)
UNTRAINED = (
    points(
        "dense",
        "DenseNet-201, random weights: Grad-CAM at `norm5` differs somewhere from the exact map by more than "
        "a twentieth of the maximum (%).",
        lambda percent: percent > 5,
    ),
    points(
        "residual",
        "ResNet-18, random weights: the map of the last convolution differs somewhere from that of the stage "
        "by more than a tenth of the maximum (%).",
        lambda percent: percent > 10,
    ),
)
EXPERIMENTS = (
    Experiment("layer_choice", 11, HALVES, choice, CHOICE, cost=0.6),
    Experiment("untrained", 11, tuple(range(10)), untrained, UNTRAINED, cost=4),
)
