"""Chapter 2: what the two packaged networks answer, and what a wrong preparation costs."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision import transforms

from claims.pictures import above, below, claim, labelled
from claims.table import Experiment, Unit, Values
from helpers import catalogue, load_classifier, load_image
from helpers.classifiers import Classifier, Preprocessing

NETWORKS = {"lite": "efficientnet_lite0", "squeeze": "squeezenet1_1"}


def logits(clf: Classifier, image: Image.Image, preprocessing: Preprocessing | None = None) -> Tensor:
    """The logits (1000,) of a picture, prepared in the network's own way or in another."""
    with torch.no_grad():
        y: Tensor = clf.model((preprocessing or clf.preprocessing)(image)[None])[0]
    return y


def preparations(own: Preprocessing) -> dict[str, Preprocessing]:
    """The wrong preparations of chapter 2."""
    imagenet: dict[str, Any] = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    return {
        "imagenet": replace(own, bgr=False, **imagenet),
        "bgr": replace(own, bgr=not own.bgr),
        "raw": replace(own, mean=(0.0,) * 3, std=(1 / 255,) * 3),
        "unit": replace(own, mean=(0.0,) * 3, std=(1.0,) * 3),
    }


def answers(unit: Unit) -> Values:
    """Whether each network names a photo rightly, and still does after a wrong preparation."""
    name = str(unit)
    image, classes = load_image(name), catalogue()[name].classes
    values: Values = {}
    for short, network in NETWORKS.items():
        clf = load_classifier(network)
        best = logits(clf, image).topk(5).indices.tolist()
        values[f"{short}_first"] = int(best[0] in classes)
        values[f"{short}_five"] = int(bool({*best} & {*classes}))
        for wrong, preparation in preparations(clf.preprocessing).items():
            guess = int(logits(clf, image, preparation).argmax())
            values[f"{short}_{wrong}"] = int(guess in classes)
            values[f"{short}_{wrong}_same"] = int(guess == best[0])
    return values


def cropped(image: Image.Image) -> Image.Image:
    """The usual preparation's crop: the shorter side to 256 pixels, the central 224 × 224."""
    middle: Image.Image = transforms.CenterCrop(224)(transforms.Resize(256)(image))
    return middle


def crop(unit: Unit) -> Values:
    """What the network says to the photo squashed, and to the usual crop from its middle."""
    name = str(unit)
    clf, image, classes = load_classifier(), load_image(name), catalogue()[name].classes
    whole, middle = (logits(clf, picture).softmax(dim=0) for picture in (image, cropped(image)))
    same = int(whole.argmax() == middle.argmax())
    square = image.width == image.height
    values: Values = {"square_same" if square else "wide_same": same, "same": same}
    k = int(whole.argmax())
    values["change"] = abs((whole[k] - middle[k]).item())
    if classes:
        right = {"whole_right": int(k in classes), "crop_right": int(int(middle.argmax()) in classes)}
        values |= right if square else right | {f"wide_{key}": value for key, value in right.items()}
    return values


def unusual(unit: Unit) -> Values:
    """How sure the networks are of noise and even colours drawn by lot."""
    lot = np.random.default_rng(int(unit))
    noise = Image.fromarray(lot.integers(0, 256, (224, 224, 3), dtype=np.uint8))
    even = Image.new("RGB", (224, 224), tuple(int(value) for value in lot.integers(0, 256, 3)))
    values: Values = {}
    for short, network in NETWORKS.items():
        clf = load_classifier(network)
        for what, picture in (("noise", noise), ("even", even)):
            values[f"{short}_{what}"] = logits(clf, picture).softmax(dim=0).max().item()
    return values


def upside_down(unit: Unit) -> Values:
    """The probability of the first guess, upright, upside down and mirrored."""
    image, values = load_image(str(unit)), Values()
    for short, network in NETWORKS.items():
        clf = load_classifier(network)
        upright = logits(clf, image)
        k, p = int(upright.argmax()), upright.softmax(dim=0).max().item()
        turned, mirror = logits(clf, image.rotate(180)), logits(clf, ImageOps.mirror(image))
        values |= {
            f"{short}_turned_same": int(int(turned.argmax()) == k),
            f"{short}_turned_best": turned.softmax(dim=0).max().item() - p,
            f"{short}_mirror_same": int(int(mirror.argmax()) == k),
        }
    return values


def packaged() -> tuple[str, ...]:
    """All photos that need no network, with and without a right class."""
    return tuple(name for name, photo in catalogue().items() if photo.package)


TITLES = {"lite": "EfficientNet-Lite0", "squeeze": "SqueezeNet"}
WRONG = {
    "imagenet": "with ImageNet's mean and deviation",
    "bgr": "with red and blue swapped",
    "raw": "with values from 0 to 255",
    "unit": "with values from 0 to 1",
}
EXPERIMENTS = (
    Experiment(
        "ch02_answers",
        2,
        labelled(),
        answers,
        tuple(
            row
            for short, title in TITLES.items()
            for row in (
                claim(f"{short}_first", f"{title}: the first guess is right (1: yes).", above(0), 0),
                claim(
                    f"{short}_five", f"{title}: a right class is among the first five (1: yes).", above(0), 0
                ),
                *(
                    claim(
                        f"{short}_{wrong}", f"{title} {how}: the first guess is right (1: yes).", above(0), 0
                    )
                    for wrong, how in WRONG.items()
                ),
            )
        ),
        0.5,
    ),
    Experiment(
        "ch02_crop",
        2,
        packaged(),
        crop,
        (
            claim(
                "wide_same",
                "Photo not square: squashed and central crop give one first guess (1: yes).",
                above(0),
                0,
            ),
            claim(
                "square_same",
                "Square photo: whole and central crop give one first guess (1: yes).",
                above(0),
                0,
            ),
            claim(
                "change",
                "The probability of the first guess changes by less than 0.2 by cropping.",
                below(0.2),
            ),
            claim("whole_right", "The first guess for the whole photo is right (1: yes).", above(0), 0),
            claim("crop_right", "The first guess for the central crop is right (1: yes).", above(0), 0),
            claim(
                "wide_whole_right",
                "Photo not square: the first guess for the whole photo is right (1: yes).",
                above(0),
                0,
            ),
            claim(
                "wide_crop_right",
                "Photo not square: the first guess for the central crop is right (1: yes).",
                above(0),
                0,
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch02_unusual",
        2,
        tuple(range(20)),
        unusual,
        (
            claim(
                "lite_noise",
                "EfficientNet-Lite0's best guess for noise has a probability below 0.35.",
                below(0.35),
            ),
            claim(
                "squeeze_noise",
                "SqueezeNet's best guess for noise has a probability above 0.35.",
                above(0.35),
            ),
            claim(
                "lite_even", "EfficientNet-Lite0's best guess for an even colour is below 0.35.", below(0.35)
            ),
            claim("squeeze_even", "SqueezeNet's best guess for an even colour is below 0.35.", below(0.35)),
        ),
        0.2,
    ),
    Experiment(
        "ch02_turned",
        2,
        packaged(),
        upside_down,
        (
            claim(
                "lite_mirror_same",
                "EfficientNet-Lite0: mirrored, the first guess stays (1: yes).",
                above(0),
                0,
            ),
            claim(
                "squeeze_mirror_same", "SqueezeNet: mirrored, the first guess stays (1: yes).", above(0), 0
            ),
            claim(
                "lite_turned_same",
                "EfficientNet-Lite0: upside down, the first guess stays (1: yes).",
                above(0),
                0,
            ),
            claim(
                "squeeze_turned_same", "SqueezeNet: upside down, the first guess stays (1: yes).", above(0), 0
            ),
            claim(
                "lite_turned_best",
                "EfficientNet-Lite0: upside down, its best guess is less sure (change).",
                below(0),
            ),
            claim(
                "squeeze_turned_best",
                "SqueezeNet: upside down, its best guess is less sure (change).",
                below(0),
            ),
        ),
        0.2,
    ),
)
