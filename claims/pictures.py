"""What the claims share: photos named rightly, mosaics drawn by lot, covers with several fills and edges."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from claims.table import Claim
from helpers import capture, catalogue, class_maps, grad_cam, load_classifier, load_image, mosaic
from helpers.classifiers import Classifier
from helpers.images import Box

FILLS = ("grey", "black", "white", "surroundings", "blurred", "noise")
EDGES = {"hard": 0.0, "soft": 8.0}  # standard deviation of the blur of the mask, in pixels of x


@dataclass(frozen=True)
class Sheet:
    """Photos put together by lot: the picture, and for each photo its name, class and box in pixels."""

    image: Image.Image
    names: tuple[str, ...]
    targets: tuple[int, ...]
    boxes: tuple[Box, ...]


@cache
def labelled() -> tuple[str, ...]:
    """The packaged photos that have a right class, in the order of the catalogue."""
    return tuple(name for name, photo in catalogue().items() if photo.package and photo.classes)


@cache
def first_guesses(network: str = "efficientnet_lite0") -> dict[str, int]:
    """The class index that a network names first, for each labelled photo."""
    clf = load_classifier(network)
    with torch.no_grad():
        answers = clf.model(squashed(clf, [load_image(name) for name in labelled()])).argmax(dim=1)
    return dict(zip(labelled(), answers.tolist(), strict=True))


@cache
def named_rightly(network: str = "efficientnet_lite0") -> tuple[str, ...]:
    """The labelled photos whose first guess is right."""
    guesses = first_guesses(network)
    return tuple(name for name in labelled() if guesses[name] in catalogue()[name].classes)


def right_class(name: str, network: str = "efficientnet_lite0") -> int:
    """The class to ask for: the network's first guess where it is right, else the first of the labels."""
    guess, classes = first_guesses(network)[name], catalogue()[name].classes
    return guess if guess in classes else classes[0]


def drawn(count: int, seed: int, size: int = 2, names: Sequence[str] | None = None) -> list[tuple[str, ...]]:
    """`count` sets of `size` photos, no two of a set sharing a class; set and order by lot."""
    lot = np.random.default_rng(seed)
    pool = list(labelled() if names is None else names)
    found: list[tuple[str, ...]] = []
    while len(found) < count:
        chosen = tuple(str(name) for name in lot.choice(pool, size=size, replace=False))
        classes = [index for name in chosen for index in catalogue()[name].classes]
        if len(set(classes)) == len(classes):
            found.append(chosen)
    return found


def mosaics(count: int, seed: int, names: Sequence[str] | None = None) -> list[Sheet]:
    """Pairs of photos of different classes drawn by lot, side by side, 600 × 300 pixels."""
    return [pair(*chosen) for chosen in drawn(count, seed, 2, names)]


def pair(left: str, right: str) -> Sheet:
    """Two photos of the catalogue side by side."""
    image, *boxes = mosaic(load_image(left), load_image(right))
    names = (left, right)
    return Sheet(image, names, tuple(map(right_class, names)), tuple(boxes))


def grids(count: int, seed: int, names: Sequence[str] | None = None) -> list[Sheet]:
    """Four photos of different classes drawn by lot, in a grid of 448 × 448 pixels."""
    return [grid(chosen) for chosen in drawn(count, seed, 4, names)]


def grid(names: Sequence[str]) -> Sheet:
    """Four photos of the catalogue in a grid, each squashed to 224 × 224 pixels, as in chapter 9."""
    sheet, boxes = Image.new("RGB", (448, 448)), []
    for k, name in enumerate(names):
        row, column = divmod(k, 2)
        box = (224 * column, 224 * row, 224 * column + 224, 224 * row + 224)
        sheet.paste(load_image(name).resize((224, 224)), box)
        boxes.append(box)
    return Sheet(sheet, tuple(names), tuple(map(right_class, names)), tuple(boxes))


def squashed(clf: Classifier, images: Sequence[Image.Image], side: int | None = None) -> Tensor:
    """Pictures as the classifier's own squares (N, 3, side, side); another side where one is given."""
    preprocessing = clf.preprocessing if side is None else replace(clf.preprocessing, side=side)
    return torch.stack([preprocessing(image) for image in images])


def unsquashed(clf: Classifier, image: Image.Image) -> Tensor:
    """One picture (1, 3, H, W) with its own proportions, the shorter side as long as the classifier's."""
    p = clf.preprocessing
    scale = p.side / min(image.size)
    width, height = (round(scale * length) for length in image.size)
    pixels = np.array(image.convert("RGB").resize((width, height), p.resample), dtype=np.float32)
    values = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    return (values.flip(1) if p.bgr else values).sub(_colour(p.mean)).div(_colour(p.std))


def box_mask(boxes: Sequence[Box], size: tuple[int, int], shape: tuple[int, int]) -> Tensor:
    """A mask (H, W) of a tensor of that shape: 1 in the boxes, given in a picture of (width, height)."""
    mask = torch.zeros(shape)
    across, down = shape[1] / size[0], shape[0] / size[1]
    for left, upper, right, lower in boxes:
        rows, columns = (
            (round(upper * down), round(lower * down)),
            (round(left * across), round(right * across)),
        )
        mask[slice(*rows), slice(*columns)] = 1
    return mask


def cover(clf: Classifier, x: Tensor, mask: Tensor, fill: str = "grey", edge: str = "hard") -> Tensor:
    """One preprocessed picture (1, 3, H, W) with what masks (H, W) or (N, H, W) hold painted over.

    Returns:
        (N, 3, H, W), one picture for each mask. A soft edge blurs the mask, so that no line is drawn.
    """
    masks = mask.reshape(-1, 1, *mask.shape[-2:]).to(x)
    painted = paint(clf, x, masks, fill)
    masks = blurred(masks, EDGES[edge]) if EDGES[edge] else masks
    return x * (1 - masks) + painted * masks


def paint(clf: Classifier, x: Tensor, masks: Tensor, fill: str) -> Tensor:
    """What a cover (N, 1, H, W) is filled with, in the units of x; noise is the same at each call."""
    p = clf.preprocessing
    values = {"grey": 0.5, "black": 0.0, "white": 1.0}
    if fill in values:
        return (values[fill] - _colour(p.mean)) / _colour(p.std)
    if fill == "surroundings":
        outside = 1 - masks
        return (x * outside).sum(dim=(2, 3), keepdim=True) / outside.sum(dim=(2, 3), keepdim=True)
    if fill == "blurred":
        return blurred(x, 16.0)
    if fill == "noise":
        noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
        return (noise - _colour(p.mean)) / _colour(p.std)
    raise ValueError(f"There is no fill {fill!r}: there are {', '.join(FILLS)}.")


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, C, H, W), the border's values continued outwards."""
    reach = round(3 * sigma)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    bell = (bell / bell.sum()).to(x)
    flat = x.reshape(-1, 1, *x.shape[2:])
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), bell[None, None, None])
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), bell[None, None, :, None])
    return flat.reshape(x.shape)


def sobel(x: Tensor) -> Tensor:
    """The strength of Sobel's edges in the grey pictures, from (N, C, H, W) to (N, H, W)."""
    grey = F.pad(x.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]).to(x)
    steps = F.conv2d(grey, torch.stack([across, across.T])[:, None])
    return steps.square().sum(dim=1).sqrt()


def head(clf: Classifier) -> nn.Linear:
    """The linear layer behind EfficientNet-Lite0's mean over the places."""
    layer = clf.model.get_submodule("classifier")
    assert isinstance(layer, nn.Linear)
    return layer


def last_map(clf: Classifier, x: Tensor) -> Tensor:
    """What the classifier's layer gives for pictures (N, 3, H, W), detached."""
    with torch.no_grad(), capture(clf.model, clf.layer) as caught:
        clf.model(x)
    return caught.activations.detach()


@cache
def photo(name: str) -> Tensor:
    """A labelled photo as the network's square (1, 3, 224, 224)."""
    return squashed(load_classifier(), [load_image(name)])


@cache
def signed_maps(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Activations (C, 7, 7), the signed maps of all classes (1000, 7, 7), and the logits (1000,)."""
    clf = load_classifier()
    with torch.no_grad(), capture(clf.model, clf.layer) as caught:
        logits = clf.model(photo(name))[0]
        maps = class_maps(caught.activations, head(clf))[0] / 49
    return caught.activations[0].detach(), maps, logits


def untrained(seed: int) -> nn.Module:
    """EfficientNet-Lite0 as its constructor leaves it, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = timm.create_model("tf_efficientnet_lite0").eval()
    return model


def scores(clf: Classifier, x: Tensor, target: int) -> Tensor:
    """The logits of a class for pictures (N, 3, H, W), a few at a time, which is quicker than all at once."""
    with torch.no_grad():
        return torch.cat([clf.model(part)[:, target] for part in x.split(4)])


@cache
def right_maps(network: str = "efficientnet_lite0") -> dict[str, Tensor]:
    """The Grad-CAM map (h, w) of its right class for each labelled photo."""
    clf = load_classifier(network)
    return {
        name: grad_cam(clf.model, clf.layer, squashed(clf, [load_image(name)]), right_class(name, network))[0]
        for name in labelled()
    }


def others_alike(map_: Tensor, name: str, network: str = "efficientnet_lite0") -> float:
    """The baseline of a correlation: the mean one of a map with the right maps of all *other* photos."""
    others = [other for key, other in right_maps(network).items() if key != name]
    return float(np.mean([correlation(map_, other) for other in others]))


def correlation(one: Tensor, other: Tensor) -> float:
    """The correlation of two maps, place by place; NaN where one of them is flat."""
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()


def above(limit: float) -> Callable[[float], bool]:
    """Whether a value is above a limit."""
    return lambda value: value > limit


def within(low: float, high: float) -> Callable[[float], bool]:
    """Whether a value lies between two limits."""
    return lambda value: low <= value <= high


def below(limit: float) -> Callable[[float], bool]:
    """Whether a value is below a limit."""
    return lambda value: value < limit


def claim(key: str, text: str, holds: Callable[[float], bool] | None, tolerance: float = 0.01) -> Claim:
    """A claim with the tolerance of most of them: a hundredth of a logit or of a correlation."""
    return Claim(key, text, holds, tolerance)


def _colour(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values).reshape(1, 3, 1, 1)
