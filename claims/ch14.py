"""Chapter 14: what the members of the CAM family differ in, and what earlier layers give."""

import copy
import math
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache

import torch
from torch import Tensor, nn

from claims import pictures
from claims.ch11 import HALVES, asked, most, negative, network, points, positive, share
from claims.pictures import above, below, claim, correlation
from claims.table import Claim, Experiment, Unit, Values
from helpers import (
    ablation_cam,
    capture,
    catalogue,
    eigen_cam,
    grad_cam,
    grad_cam_pp,
    layer_cam,
    load_image,
    normalise,
    score_cam,
    share_in,
    upsample,
)

BLOCKS = tuple(f"blocks.{k}" for k in range(7))
# in each stage, behind the last ReLU6
RELUS = ("blocks.0.0.bn1", *(f"blocks.{k}.{last}.bn2" for k, last in enumerate((1, 1, 2, 2, 3, 0), start=1)))
LAST_BLOCK = ("blocks.6.0.conv_pwl",)


def products(layers: Sequence[str], x: Tensor, target: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Two signed maps (h, w) at each layer: one weight a channel, and gradient × activation; no ReLU yet."""
    model = network().model
    with ExitStack() as stack:
        caught = [stack.enter_context(capture(model, layer)) for layer in layers]
        score = model(x)[0, target]
        maps = [one.activations for one in caught]
        gradients = torch.autograd.grad(score, maps)
    found = {}
    for layer, A, G in zip(layers, maps, gradients, strict=True):  # noqa: N806
        one = (G.mean(dim=(2, 3), keepdim=True) * A).sum(dim=1)[0].detach()
        found[layer] = one, (G * A).sum(dim=1)[0].detach()
    return found


def stages(unit: Unit) -> Values:
    """Both kinds of map at many layers, as the share in the half that the class belongs to."""
    sheet, half = asked(unit)
    x = network().preprocess(sheet.image)[None]
    values: Values = {"half": 50.0}
    maps = products((*BLOCKS, *RELUS, *LAST_BLOCK, "blocks.6.0.bn3", "bn2"), x, sheet.targets[half])
    for layer, signed in maps.items():
        shares = [share(cam.relu(), sheet, half) for cam in signed if cam.max() > 0]
        if len(shares) == 2:
            values |= {f"{layer} one": shares[0], f"{layer} gain": shares[1] - shares[0]}
        if signed[1].max() > 0:
            values[f"{layer} own"] = shares[-1]
        values[f"{layer} alive"] = float(signed[0].max() > 0)
    before, after = maps["blocks.6.0.conv_pwl"], maps["blocks.6.0.bn3"]
    values |= {"sum before": before[1].sum().item(), "sum after": after[1].sum().item()}
    # what batch norm's shift adds: the same at all places, or another number at each
    for name, one, other in zip(("shift one", "shift own"), before, after, strict=True):
        values[name] = ((other - one).std() / one.std()).item()
    return {key: value for key, value in values.items() if key in STAGE_KEYS}


def remaining(name: Unit) -> Values:
    """The part of the gradient that the mean over the places leaves, for a photo's first guess."""
    clf = network()
    x = clf.preprocess(load_image(str(name)))[None]
    values = {}
    with ExitStack() as stack:
        caught = {layer: stack.enter_context(capture(clf.model, layer)) for layer in (*BLOCKS, "bn2")}
        score = clf.model(x)[0].max()
        found = torch.autograd.grad(score, [one.activations for one in caught.values()])
    for layer, gradients in zip(caught, found, strict=True):
        mean, size = gradients.mean(dim=(2, 3)).abs().sum(), gradients.abs().mean(dim=(2, 3)).sum()
        values[f"left {layer}"] = (mean / size).item()
    return values


def fusion(unit: Unit) -> Values:
    """The deep map, a finer one, their product, and the deep one squared."""
    sheet, half = asked(unit)
    x = network().preprocess(sheet.image)[None]
    found = products(("bn2", "blocks.4"), x, sheet.targets[half])
    deep, fine = (normalise(upsample(own.relu(), (56, 56))) for _, own in found.values())
    shares = [share(cam, sheet, half) for cam in (deep, fine, deep * fine, deep**2)]
    return {**dict(zip(FUSED, shares, strict=True)), "fused_more": shares[2] - shares[3]}


FUSED = ("deep", "fine", "fused", "squared")


FAMILY = {
    "grad": ("Grad-CAM", grad_cam),
    "ablation": ("Ablation-CAM", ablation_cam),
    "pp": ("Grad-CAM++", grad_cam_pp),
    "layer": ("LayerCAM", layer_cam),
    "score": ("Score-CAM", score_cam),
    "eigen": ("Eigen-CAM", eigen_cam),
}
PAIRS = 60
SCORED = 10  # mosaics for Score-CAM, which takes a pass for each channel


@cache
def pairs() -> list[tuple[str, ...]]:
    """Sixty pairs of photos, by lot."""
    return pictures.drawn(PAIRS, seed=14)


@cache
def new_head() -> nn.Module:
    """EfficientNet-Lite0 with a head drawn anew."""
    model = copy.deepcopy(network().model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model.get_submodule("classifier").reset_parameters()  # type: ignore[operator]
    return model


def family(unit: Unit) -> Values:
    """All methods at the last layer, both classes of a mosaic."""
    sheet, clf, values = pictures.pair(*pairs()[int(unit)]), network(), {}
    x, targets = clf.preprocess(sheet.image)[None], torch.tensor([sheet.targets])
    first = grad_cam(clf.model, "bn2", x, targets)[0]
    for key, (_, method) in FAMILY.items():
        if key == "score" and int(unit) >= SCORED:
            continue
        cams = method(clf.model, "bn2", x, targets)[0]
        shares = [
            share_in(cam, box, sheet.image.size)
            for cam, box in zip(cams, sheet.boxes, strict=True)
            if cam.max()
        ]
        values[f"{key} own"] = 100 * sum(shares) / len(shares)
        values[f"{key} two"] = correlation(*cams)
        values[f"{key} with"] = sum(map(correlation, cams, first)) / 2
        if key != "score":
            anew = method(new_head(), "bn2", x, targets)[0]
            values[f"{key} head"] = sum(map(correlation, cams, anew)) / 2
    # A map that is zero everywhere correlates with none.
    return {key: value for key, value in values.items() if key != "grad with" and math.isfinite(value)}


def scale(name: Unit) -> Values:
    """Grad-CAM++ after all logits are divided by ten, with and without a small number in the fraction."""
    x, target = pictures.photo(str(name)), pictures.right_class(str(name))
    with capture(network().model, "bn2") as caught:
        gradients = caught.gradients(network().model(x)[0, target])
    activations = caught.activations.detach()
    sums = activations.sum(dim=(2, 3), keepdim=True)

    def plus(g: Tensor, epsilon: float) -> Tensor:
        alpha = g**2 / (2 * g**2 + g**3 * sums + epsilon)
        weights = (alpha * g.relu()).nan_to_num().sum(dim=(2, 3), keepdim=True)
        return normalise((weights * activations).sum(dim=1).relu())

    def change(epsilon: float) -> float:
        return (plus(gradients, epsilon) - plus(gradients / 10, epsilon)).abs().max().item()

    return {"short": change(0.0), "long": change(1e-6), "more": change(1e-6) - change(0.0)}


def alone(name: Unit) -> Values:
    """How alike the methods are on one photo, for its right class."""
    x, target = pictures.photo(str(name)), pictures.right_class(str(name))
    first = grad_cam(network().model, "bn2", x, target)[0]
    return {
        f"{key} alone": correlation(method(network().model, "bn2", x, target)[0], first)
        for key, (_, method) in FAMILY.items()
        if key not in ("grad", "score")
    }


ONE, OWN = "Grad-CAM", "gradient × activation"


def at_layer(layer: str, kind: str) -> tuple[Claim, ...]:
    """The claims about one layer."""
    return (
        points(
            f"{layer} one", f"At `{layer}`, {kind}: most of Grad-CAM lies in the own half (share in %).", most
        ),
        points(
            f"{layer} own", f"At `{layer}`, {kind}: most of {OWN} lies in the own half (share in %).", most
        ),
        points(
            f"{layer} gain",
            f"At `{layer}`, {kind}: {OWN} has a larger share there than Grad-CAM (points of %).",
            positive,
        ),
    )


BLOCK, RELU6 = "a block's output", "behind a ReLU6"
STAGES = (
    points("half", "Baseline: the half's share of the area, in %.", None),
    *(claim for layer in BLOCKS for claim in at_layer(layer, BLOCK)),
    *(claim for layer in RELUS for claim in at_layer(layer, RELU6)),
    *at_layer(LAST_BLOCK[0], "one convolution later"),
    points(
        "bn2 one", "At `bn2`, the last layer, both are one map: most of it lies in the own half (%).", most
    ),
    *(
        Claim(
            f"{layer} alive", f"At `{layer}` Grad-CAM is not zero everywhere (1 or 0).", lambda v: v == 1, 0
        )
        for layer in RELUS
    ),
    Claim("sum before", f"The sum of {OWN} is negative at `blocks.6.0.conv_pwl`.", negative, 0.05),
    Claim("sum after", "One batch norm later, at `blocks.6.0.bn3`, it is positive.", positive, 0.05),
    Claim(
        "shift one",
        "Before the ReLU, that batch norm adds one number to Grad-CAM, the same at all places (how much the "
        "number varies, in standard deviations of the map; below 0.001).",
        lambda ratio: ratio < 0.001,
        0.001,
    ),
    Claim(
        "shift own",
        f"To {OWN} it adds another number at each place (how much it varies, in standard deviations of the "
        "map; above 0.1).",
        lambda ratio: ratio > 0.1,
        0.02,
    ),
)
STAGE_KEYS = {claim.key for claim in STAGES}
REMAINING = (
    *(
        Claim(
            f"left blocks.{k}",
            f"At `blocks.{k}` the mean over the places leaves less than {limit} of the gradient.",
            lambda part, limit=limit: part < limit,  # type: ignore[misc]
            0.01,
        )
        for k, limit in enumerate((0.05, 0.15, 0.25, 0.3, 0.5, 0.8, 0.9))
    ),
    Claim("left bn2", "At `bn2` it leaves all of it.", lambda part: part > 0.999, 0.001),
)
FUSION = (
    points("deep", "The deep map, `bn2`, lies mostly in the own half (share in %).", most),
    points(
        "fine", "The finer one, `blocks.4`, place by place, lies mostly in the own half (share in %).", most
    ),
    points("fused", "The product of the two lies mostly in the own half (share in %).", most),
    points("squared", "The deep map, squared, lies mostly in the own half (share in %).", most),
    points("fused_more", "The product has a larger share there than the square (points of %).", positive),
)

BOUNDS = {
    "two": {
        **dict.fromkeys(("grad", "ablation", "score"), ("below 0.3", below(0.3))),
        **dict.fromkeys(("pp", "layer"), ("above 0.3", above(0.3))),
        "eigen": ("above 0.999", above(0.999)),
    },
    "head": {
        **dict.fromkeys(("grad", "ablation"), ("below 0.5", below(0.5))),
        **dict.fromkeys(("pp", "layer"), ("above 0.5", above(0.5))),
        "eigen": ("above 0.999", above(0.999)),
    },
}
WORDS = {
    "two": "the maps of a mosaic's two classes correlate",
    "head": "the map and that of a network with a new head correlate",
}


def family_claims() -> tuple[Claim, ...]:
    """The claims about each method."""
    found: list[Claim] = []
    for key, (name, _) in FAMILY.items():
        found.append(points(f"{key} own", f"{name}: most lies in the own half (mean of both, %).", most))
        for what, bounds in BOUNDS.items():
            if key in bounds:
                bound, holds = bounds[key]
                found.append(claim(f"{key} {what}", f"{name}: {WORDS[what]} {bound}.", holds))
        if key != "grad":
            found.append(claim(f"{key} with", f"{name}: it correlates above 0.7 with Grad-CAM.", above(0.7)))
    return tuple(found)


SCALE = (
    claim("short", "Grad-CAM++: a tenth of all logits moves the map by more than 0.01.", above(0.01), 0.005),
    claim("long", "With a millionth in the fraction it moves by more than 0.01.", above(0.01), 0.02),
    claim("more", "With the millionth it moves further (by how much).", above(0), 0.02),
)
ALONE = tuple(
    claim(f"{key} alone", f"{name}: on a photo by itself it correlates above 0.9 with Grad-CAM.", above(0.9))
    for key, (name, _) in FAMILY.items()
    if key not in ("grad", "score")
)
PHOTOS = tuple(name for name, photo in catalogue().items() if photo.package)

EXPERIMENTS = (
    Experiment("layer_stages", 14, HALVES, stages, STAGES, cost=0.5),
    Experiment("gradient_left", 14, PHOTOS, remaining, REMAINING, cost=0.3),
    Experiment("fused_map", 14, HALVES, fusion, FUSION, cost=0.1),
    Experiment("ch14_family", 14, tuple(range(PAIRS)), family, family_claims(), cost=5),
    Experiment("ch14_scale", 14, pictures.named_rightly(), scale, SCALE, cost=0.1),
    Experiment("ch14_alone", 14, pictures.named_rightly(), alone, ALONE, cost=0.5),
)
