"""Chapter 12: how large each mistake is, over all labelled photos or over mosaics drawn by lot."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from claims.ch02 import NETWORKS, cropped, preparations
from claims.pictures import (
    Sheet,
    above,
    below,
    claim,
    correlation,
    head,
    labelled,
    mosaics,
    named_rightly,
    others_alike,
    right_class,
    right_maps,
    squashed,
    within,
)
from claims.table import Experiment, Unit, Values
from helpers import capture, catalogue, class_maps, grad_cam, load_classifier, load_image, share_in, upsample
from helpers.classifiers import Classifier

MOSAICS = 60


@cache
def sheets() -> tuple[Sheet, ...]:
    """The mosaics, drawn by lot."""
    return tuple(mosaics(MOSAICS, 0))


@contextmanager
def same_lot() -> Iterator[None]:
    """Within: dropout draws the same numbers at each call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@cache
def damaged() -> nn.Module:
    """EfficientNet-Lite0 in eval mode again after it has seen each labelled photo once in training mode."""
    clf = load_classifier()
    model = copy.deepcopy(clf.model).train()
    with torch.no_grad(), same_lot():
        for name in labelled():
            model(clf.preprocess(load_image(name))[None])
    return model.eval()


def effect(clf: Classifier, model: nn.Module, x: Tensor, name: str) -> tuple[int, float]:
    """Whether the first guess is right, and how alike the map is to the right one."""
    layer = "bn2" if clf.name == "efficientnet_lite0" else "classifier.2"
    with same_lot(), torch.no_grad():
        right = int(model(x).argmax()) in catalogue()[name].classes
    with same_lot():
        cam = grad_cam(model, layer, x, right_class(name, clf.name))[0]
    return int(right), correlation(cam, right_maps(clf.name)[name]) if cam.std() > 0 else 0.0


def feeding(unit: Unit) -> Values:
    """Mistakes 1 to 4 on one photo, for both networks, beside the maps of other photos."""
    name = str(unit)
    values: Values = {}
    for short, network in NETWORKS.items():
        clf = load_classifier(network)
        image, x = load_image(name), squashed(clf, [load_image(name)])
        wrong = preparations(clf.preprocessing)
        cases: dict[str, tuple[nn.Module, Tensor]] = {
            "own": (clf.model, x),
            "imagenet": (clf.model, wrong["imagenet"](image)[None]),
            "bgr": (clf.model, wrong["bgr"](image)[None]),
            "mirrored": (clf.model, x.mT),
            "training": (copy.deepcopy(clf.model).train(), x),
        }
        if short == "lite":
            cases["damaged"] = (damaged(), x)
        for case, (model, fed) in cases.items():
            right, alike = effect(clf, model, fed, name)
            values |= {f"{short}_{case}_right": right, f"{short}_{case}_map": alike}
        values[f"{short}_others"] = others_alike(right_maps(network)[name], name, network)
    return values


def gradient_map(clf: Classifier, x: Tensor, k: int, sharpness: float = 0.0) -> Tensor:
    """Grad-CAM (h, w) of a logit, or of the probability of logits multiplied by a sharpness."""
    with capture(clf.model, clf.layer) as caught:
        y = clf.model(x)[0]
        gradients = caught.gradients((sharpness * y).softmax(0)[k] if sharpness else y[k])
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * caught.activations).sum(dim=1).relu()[0].detach()


def asking(unit: Unit) -> Values:
    """Mistake 5, and 9: the probability in place of the logit, and the other logits set to zero."""
    name = str(unit)
    values: Values = {}
    for short, network in NETWORKS.items():
        clf = load_classifier(network)
        x, k, own = squashed(clf, [load_image(name)]), right_class(name, network), right_maps(network)[name]
        cam = gradient_map(clf, x, k, 1.0)
        with torch.no_grad():
            y = clf.model(x)[0]
        only = torch.zeros(1000)
        best = int(y.argmax())
        only[best] = y[best]
        twice = y.softmax(dim=0).softmax(dim=0)
        values |= {
            f"{short}_probability": correlation(cam, own) if cam.std() > 0 else 0.0,
            f"{short}_height": (cam.max() / own.max()).item(),
            f"{short}_zeroed": (only.softmax(dim=0) - y.softmax(dim=0))[best].item(),
            f"{short}_twice": twice.max().item(),
            f"{short}_sharp": int(gradient_map(clf, x, k, 20.0).max() == 0),
        }
    return values


def normalising(unit: Unit) -> Values:
    """Mistake 7: classes without evidence, and what a subtracted minimum hides."""
    name = str(unit)
    clf = load_classifier()
    with torch.no_grad(), capture(clf.model, clf.layer) as caught:
        clf.model(squashed(clf, [load_image(name)]))
        maps = class_maps(caught.activations, head(clf))[0].detach().relu()
    own = right_maps()[name]
    return {
        "empty": int((maps.amax(dim=(1, 2)) <= 0).sum()),
        "no_zero": int(own.min() > 0),
        "hidden": 100 * (own.min() / own.max()).item(),
    }


def leaking(unit: Unit) -> Values:
    """Mistake 8: hooks never removed in so many calls, the references kept, and the tensors behind them."""
    calls = int(unit)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    results = [leaky(model, model[1], torch.zeros(1, 3, 8, 8)) for _ in range(calls)]
    kept = [output for result in results for output in result]
    return {
        "hooks": len(model[1]._forward_hooks) / calls,
        "references": len(kept) / (calls * (calls + 1) / 2),
        "tensors": len({output.data_ptr() for output in kept}) / calls,
    }


def leaky(model: nn.Module, layer: nn.Module, x: Tensor) -> list[Tensor]:
    """What a forgotten hook keeps."""
    kept: list[Tensor] = []
    layer.register_forward_hook(lambda m, i, output: kept.append(output))
    with torch.no_grad():
        model(x)
    return kept


def overwritten(unit: Unit) -> Values:
    """Mistake 10: an activation that the ReLU behind it overwrites, at a layer inside SqueezeNet."""
    name, network, inner = str(unit), "squeezenet1_1", "features.10.expand3x3"
    clf = load_classifier(network)
    x = squashed(clf, [load_image(name)])
    kept: list[Tensor] = []
    handle = clf.model.get_submodule(inner).register_forward_hook(lambda m, i, o: kept.append(o))
    with torch.no_grad():
        clf.model(x)
    handle.remove()
    with capture(clf.model, inner) as caught:
        gradient = caught.gradients(clf.model(x)[0, right_class(name, network)])
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    lost, really = ((weights * maps).sum(dim=1).relu()[0].detach() for maps in (kept[0], caught.activations))
    return {"alike": correlation(lost, really)}


def batch_mean(unit: Unit) -> Values:
    """Mistake 11: weights averaged over a batch of photos drawn by lot, too."""
    lot = np.random.default_rng(int(unit))
    names = [str(name) for name in lot.choice(labelled(), size=int(lot.choice([2, 4, 8, 16])), replace=False)]
    clf = load_classifier()
    maps = [right_maps()[name] for name in names]
    with torch.no_grad(), capture(clf.model, clf.layer) as caught:
        clf.model(squashed(clf, [load_image(name) for name in names]))
        rows = head(clf).weight[[right_class(name) for name in names]].detach() / 49
        cams = torch.einsum("c,nchw->nhw", rows.mean(dim=0), caught.activations.detach()).relu()
    alike = [correlation(cam, own) if cam.std() > 0 else 0.0 for cam, own in zip(cams, maps, strict=True)]
    return {"alike": float(np.mean(alike)), "lowest": min(alike)}


def drawing(unit: Unit) -> Values:
    """Mistakes 12, 14 and 17 on a mosaic drawn by lot."""
    sheet = sheets()[int(unit)]
    lite, squeeze = load_classifier(), load_classifier("squeezenet1_1")
    target, box, size = sheet.targets[0], sheet.boxes[0], sheet.image.size
    shares = [
        100 * share_in(grad_cam(clf.model, layer, squashed(clf, [sheet.image]), target)[0], box, size)
        for clf, layer in ((lite, "bn2"), (lite, "blocks.4"), (squeeze, "classifier.2"))
    ]
    return dict(zip(("last", "early", "squeeze"), shares, strict=True)) | {
        "better": shares[0] - shares[2],
        "stretched": stretched(lite, sheet.image, target),
    }


def stretched(clf: Classifier, image: Image.Image, target: int) -> float:
    """By how much of the width a map of the central crop moves when it is stretched over the picture."""
    width, height = image.size
    cam = grad_cam(clf.model, clf.layer, squashed(clf, [cropped(image)]), target)[0]
    side = round(height * 224 / 256)
    column = int(upsample(cam, (side, side)).argmax()) % side + (width - side) // 2
    wrong = int(upsample(cam, (height, width)).argmax()) % width
    return 100 * abs(wrong - column) / width


def wrong_answers(unit: Unit) -> Values:
    """Mistake 16: the map of a wrong first guess beside the right class's, and beside all classes'."""
    short, name = str(unit).split("/")
    clf = load_classifier(NETWORKS[short])
    x = squashed(clf, [load_image(name)])
    with torch.no_grad(), capture(clf.model, clf.layer) as caught:
        said = int(clf.model(x).argmax())
    maps = caught.activations.detach()
    # SqueezeNet's last channels are its class maps already.
    cams = (class_maps(maps, head(clf)).detach() if short == "lite" else maps)[0].relu()
    lit = [cam for cam in cams if cam.std() > 0]
    right = cams[right_class(name, NETWORKS[short])]
    return {
        "right": correlation(cams[said], right),
        "classes": float(np.median([correlation(cams[said], cam) for cam in lit])),
    }


WRONG = tuple(
    f"{short}/{name}"
    for short, network in NETWORKS.items()
    for name in labelled()
    if name not in named_rightly(network)
)
FEEDING = {
    "imagenet": "1. ImageNet's mean and deviation",
    "bgr": "2. Red and blue swapped",
    "mirrored": "3. Rows and columns exchanged",
    "training": "4. Training mode",
}
TITLES = {"lite": "Lite0", "squeeze": "SqueezeNet"}
EXPERIMENTS = (
    Experiment(
        "ch12_feeding",
        12,
        labelled(),
        feeding,
        (
            *(
                row
                for short, title in TITLES.items()
                for mistake, what in FEEDING.items()
                for row in (
                    claim(
                        f"{short}_{mistake}_right",
                        f"{what}, {title}: the first guess is right (1: yes).",
                        above(0),
                        0,
                    ),
                    claim(
                        f"{short}_{mistake}_map",
                        f"{what}, {title}: the map correlates below 0.9 with the right one.",
                        below(0.9),
                        0.02,
                    ),
                )
            ),
            claim(
                "lite_damaged_right",
                "4. Back in eval mode, Lite0: the first guess is right (1: yes).",
                above(0),
                0,
            ),
            claim(
                "lite_damaged_map",
                "4. Back in eval mode, Lite0: the map correlates below 0.9 with the right one.",
                below(0.9),
                0.02,
            ),
            claim(
                "lite_own_right", "Lite0 without a mistake: the first guess is right (1: yes).", above(0), 0
            ),
            claim(
                "squeeze_own_right",
                "SqueezeNet without a mistake: the first guess is right (1: yes).",
                above(0),
                0,
            ),
            claim("lite_others", "Baseline, Lite0: right maps of different photos (mean).", None),
            claim("squeeze_others", "Baseline, SqueezeNet: right maps of different photos (mean).", None),
        ),
        1.5,
    ),
    Experiment(
        "ch12_asking",
        12,
        labelled(),
        asking,
        (
            claim(
                "lite_probability",
                "5. Probability, Lite0: the map correlates below 0.9 with the logit's.",
                below(0.9),
            ),
            claim(
                "squeeze_probability",
                "5. Probability, SqueezeNet: the map correlates below 0.9 with the logit's.",
                below(0.9),
            ),
            claim(
                "lite_height",
                "5. Probability, Lite0: the map is less than a quarter as high (ratio).",
                below(0.25),
            ),
            claim(
                "squeeze_height",
                "5. Probability, SqueezeNet: the map is less than a quarter as high (ratio).",
                below(0.25),
            ),
            claim(
                "lite_twice",
                "Softmax twice, Lite0: the largest probability is below 0.003.",
                below(0.003),
                1e-4,
            ),
            claim(
                "lite_zeroed",
                "9. Other logits zeroed, Lite0: the best guess looks more probable (change).",
                above(0),
            ),
            claim(
                "squeeze_zeroed",
                "9. Other logits zeroed, SqueezeNet: the best guess looks more probable (change).",
                above(0),
            ),
        ),
        0.6,
    ),
    Experiment(
        "ch12_normalising",
        12,
        labelled(),
        normalising,
        (
            claim(
                "empty",
                "7. At least one of 1000 classes has an all-zero map (number of classes).",
                above(0),
                1,
            ),
            claim(
                "no_zero",
                "7. The right map has no zero, so that a subtracted minimum makes one (1: yes).",
                above(0),
                0,
            ),
            claim(
                "hidden",
                "7. A subtracted minimum hides less than 5 % of the map's maximum (%).",
                below(5),
                0.5,
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch12_leaking",
        12,
        (2, 5, 10, 20, 40),
        leaking,
        (
            claim("hooks", "8. After n calls n hooks are left (ratio to n).", within(1, 1), 0),
            claim("references", "8. They keep n(n + 1)/2 references (ratio to that).", within(1, 1), 0),
            claim(
                "tensors", "8. These references lead to n different tensors (ratio to n).", within(1, 1), 0
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch12_overwritten",
        12,
        labelled(),
        overwritten,
        (
            claim(
                "alike",
                "10. The map of overwritten activations correlates below 0.9 with the right one.",
                below(0.9),
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch12_batch_mean",
        12,
        tuple(range(20)),
        batch_mean,
        (
            claim(
                "alike",
                "11. Mean over a batch of 2 to 16 by lot: its maps correlate below 0.9 (mean).",
                below(0.9),
            ),
            claim("lowest", "11. The worst map of the batch correlates below 0.5.", below(0.5)),
        ),
        0.6,
    ),
    Experiment(
        "ch12_drawing",
        12,
        tuple(range(MOSAICS)),
        drawing,
        (
            claim(
                "last", "12. Last layer: more than half of the map is in its own half (%).", above(50), 0.5
            ),
            claim(
                "early",
                "12. blocks.4: more than half of the map is in its own half (%; chance 50).",
                above(50),
                0.5,
            ),
            claim(
                "stretched",
                "14. A crop's map stretched over the mosaic: its peak moves by over 5 % of the width.",
                above(5),
                1,
            ),
            claim(
                "better",
                "17. Lite0 has more in its own half than SqueezeNet (percentage points).",
                above(0),
                0.5,
            ),
        ),
        0.4,
    ),
    Experiment(
        "ch12_wrong_answers",
        12,
        WRONG,
        wrong_answers,
        (
            claim(
                "right",
                "16. The map of a wrong first guess correlates above 0.5 with the right class's.",
                above(0.5),
            ),
            claim("classes", "Baseline: the same map with those of all classes (median).", None),
        ),
        0.5,
    ),
)
