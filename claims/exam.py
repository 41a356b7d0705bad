"""Who sits chapter 15's examination: every method on two networks, and maps that should fail it."""

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

import torch
from PIL import Image
from torch import Tensor, nn

from claims.pictures import above, claim, named_rightly, sobel
from claims.table import Claim, Values
from helpers import capture, class_maps, grad_cam, load_classifier, upsample
from helpers.cam_family import (
    ablation_cam,
    eigen_cam,
    grad_cam_pp,
    hires_cam,
    layer_cam,
    score_cam,
    xgrad_cam,
)
from helpers.classifiers import Classifier
from helpers.gradients import (
    deconvnet,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    saliency,
    smooth_grad,
)

# SqueezeNet's maps are taken from the last layer of features. One layer later, at classifier.2, each channel
# is a class: the methods that weight channels by gradients coincide there and could not be told apart.
NETWORKS = {"lite": ("efficientnet_lite0", "bn2"), "squeeze": ("squeezenet1_1", "features.12")}
HEADS = {"lite": "classifier", "squeeze": "classifier.1"}
TITLES = {"lite": "Lite0", "squeeze": "SqueezeNet", "both": "Both networks", "digits": "Digits"}
SAMPLES = 12  # of SmoothGrad and integrated gradients

Maps = Mapping[str, Tensor]
At = Callable[[nn.Module, nn.Module | str, Tensor, Tensor], Tensor]
Pixels = Callable[[nn.Module, Tensor, Tensor], Tensor]

AT_LAYER: dict[str, At] = {
    "grad_cam": grad_cam,
    "grad_cam_pp": grad_cam_pp,
    "xgrad_cam": xgrad_cam,
    "hires_cam": hires_cam,
    "layer_cam": layer_cam,
    "ablation_cam": ablation_cam,
    "eigen_cam": eigen_cam,
}
AT_PIXELS: dict[str, Pixels] = {
    "saliency": saliency,
    "deconvnet": deconvnet,
    "guided_backprop": guided_backprop,
    "smooth_grad": partial(smooth_grad, samples=SAMPLES),
    "integrated_gradients": partial(integrated_gradients, steps=SAMPLES),
}
METHODS = {
    "grad_cam": "Grad-CAM",
    "grad_cam_pp": "Grad-CAM++",
    "xgrad_cam": "XGrad-CAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "ablation_cam": "Ablation-CAM",
    "eigen_cam": "Eigen-CAM",
    "saliency": "saliency",
    "deconvnet": "deconvnet",
    "guided_backprop": "guided backpropagation",
    "guided_grad_cam": "Guided Grad-CAM",
    "smooth_grad": "SmoothGrad",
    "integrated_gradients": "integrated gradients",
}
SCORE = {"score_cam": "Score-CAM"}  # a pass for each channel: it sits fewer papers
EXACT = {"exact": "the exact map (CAM)"}
BAD = {
    "uniform": "a uniform map",
    "rows": "a flat map, read row by row",
    "random": "a random map",
    "dots": "random dots",
    "centre": "a bump in the centre",
    "edges": "an edge detector",
}


@cache
def network(short: str) -> Classifier:
    """A packaged classifier, laid out in memory as convolutions on CPUs like it."""
    # A copy: other chapters measure this network, too, and dropout draws in the order of the memory.
    clf = copy.deepcopy(load_classifier(NETWORKS[short][0]))
    clf.model.to(memory_format=torch.channels_last)
    return clf


def squares(short: str, images: Iterable[Image.Image]) -> Tensor:
    """Pictures as the network's squares (N, 3, H, W)."""
    preprocess = network(short).preprocessing
    x = torch.stack([preprocess(image) for image in images])
    return x.contiguous(memory_format=torch.channels_last)


@cache
def photos(short: str, count: int) -> tuple[str, ...]:
    """So many photos that the network names rightly, by lot."""
    names = named_rightly(NETWORKS[short][0])
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(15)).tolist()
    return tuple(names[k] for k in order[:count])


def as_map(attribution: Tensor) -> Tensor:
    """One rule for all attributions (..., 3, H, W) to pixels: absolute values, summed over the colours."""
    return attribution.abs().sum(dim=-3)


def layer_maps(model: nn.Module, layer: str, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The maps of the methods at a layer, (N, [K,] h, w), zero or more."""
    return {name: method(model, layer, x, target) for name, method in AT_LAYER.items()}


def attributions(model: nn.Module, layer: str, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """What the methods at the pixels give, signed, (N, [K,] 3, H, W)."""
    found = {name: method(model, x, target) for name, method in AT_PIXELS.items()}
    return found | {"guided_grad_cam": guided_grad_cam(model, layer, x, target)}


def maps(model: nn.Module, layer: str, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The maps of all methods but Score-CAM, (N, [K,] h, w), zero or more."""
    at_pixels = attributions(model, layer, x, target).items()
    return layer_maps(model, layer, x, target) | {name: as_map(signed) for name, signed in at_pixels}


def one_map(name: str, model: nn.Module, layer: str, x: Tensor, target: Tensor) -> Tensor:
    """The map of one method, Score-CAM among them, (N, [K,] h, w), zero or more."""
    if name in AT_PIXELS:
        return as_map(AT_PIXELS[name](model, x, target))
    if name == "guided_grad_cam":
        return as_map(guided_grad_cam(model, layer, x, target))
    return {**AT_LAYER, "score_cam": score_cam}[name](model, layer, x, target)


def maps_of(short: str, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """The maps of all methods but Score-CAM for one of the two networks."""
    return maps(network(short).model, NETWORKS[short][1], x, target)


def score_map(short: str, x: Tensor, target: Tensor) -> Tensor:
    """Score-CAM's map."""
    return score_cam(network(short).model, NETWORKS[short][1], x, target)


def exact(short: str, x: Tensor, classes: list[int]) -> Tensor:
    """What each place of the last map adds to the logits of one picture, (K, h, w), zero or more."""
    model = network(short).model
    last = "bn2" if short == "lite" else "classifier.2"
    with torch.no_grad(), capture(model, last) as caught:
        model(x)
    activations = caught.activations.detach()
    if short == "squeeze":
        return activations[0, classes]
    head = model.get_submodule("classifier")
    assert isinstance(head, nn.Linear)
    return class_maps(activations, head)[0, classes].relu().detach()


def bad(x: Tensor, seed: int) -> dict[str, Tensor]:
    """Maps (h, w) of one picture (1, C, H, W) that know no network."""
    height, width = x.shape[2:]
    rows, columns = (torch.linspace(-1, 1, side) for side in (height, width))
    lot = torch.Generator().manual_seed(seed)
    return {
        "uniform": torch.ones(7, 7),
        "rows": torch.arange(float(height * width)).flip(0).reshape(height, width),
        "random": torch.rand(7, 7, generator=lot),
        "dots": torch.rand(height, width, generator=lot),
        "centre": torch.exp(-2 * (rows[:, None] ** 2 + columns**2)),
        "edges": sobel(x)[0],
    }


def lit(map_: Tensor) -> bool:
    """Whether a map is not flat."""
    return bool(map_.min() < map_.max())


def enlarged(map_: Tensor, side: int = 224) -> Tensor:
    """A map (h, w) as large as a picture."""
    return upsample(map_, (side, side))


def leads(short: str, measure: str, values: Mapping[str, float], sign: int = 1) -> Values:
    """The values as rows, and by how much each bad map is better than Grad-CAM."""
    rows = {f"{short} {name} {measure}": value for name, value in values.items()}
    for name in BAD.keys() & values.keys() if "grad_cam" in values else ():
        rows[f"{short} {name} {measure} lead"] = sign * (values[name] - values["grad_cam"])
    return rows


def claims_about(
    measure: str,
    title: str,
    sentence: str,
    holds: Callable[[float], bool] | None,
    tolerance: float,
    methods: Mapping[str, str],
    fails: Iterable[str] = (),
    networks: Iterable[str] = NETWORKS,
) -> tuple[Claim, ...]:
    """A row for each method and network, a baseline for each bad map, and its lead over Grad-CAM."""
    found = []
    for short in networks:
        for name, words in methods.items():
            text = f"{TITLES[short]}, {words}: {sentence}."
            text = f"Baseline: {text}" if holds is None else text
            found.append(claim(f"{short} {name} {measure}", text, holds, tolerance))
        for name in fails:
            key, who = f"{short} {name} {measure}", f"{TITLES[short]}, {BAD[name]}"
            found.append(claim(key, f"Baseline: {who}: {title}.", None, tolerance))
            better = f"{who}: better than Grad-CAM by {title} (lead)."
            found.append(claim(f"{key} lead", better, above(0), 2 * tolerance))
    return tuple(found)
