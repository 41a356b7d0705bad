"""Chapter 11: the choice of the layer, depth against resolution, place by place, on mosaics drawn by lot."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from claims import pictures
from claims.pictures import Sheet, correlation
from claims.table import Claim, Experiment, Unit, Values
from helpers import capture, catalogue, class_maps, grad_cam, load_classifier, load_image, normalise, share_in
from helpers.cam import upsample
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


def pixels(unit: Unit) -> Values:
    """The gradient at the pixels, for the class of one half and for that of the other."""
    sheet, half = asked(unit)
    x = network().preprocess(sheet.image)[None].requires_grad_()
    logits = network().model(x)[0]
    signed = [torch.autograd.grad(logits[k], x, retain_graph=True)[0][0] for k in sheet.targets]
    sizes = [gradient.abs().amax(dim=0) for gradient in signed]
    columns = sizes[half].flatten().topk(250).indices % x.shape[-1]
    own = (columns < x.shape[-1] // 2) == (half == 0)
    return {
        "pixels": share(sizes[half], sheet, half),
        "brightest": 100 * own.double().mean().item(),
        "sizes": correlation(*sizes),
        "signs": correlation(*signed),
    }


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
PIXELS = (
    points("pixels", "The sizes of the pixels' gradients lie mostly in the own half (share in %).", most),
    points("brightest", "Of the 250 brightest pixels most lie in the own half (in %).", most),
    Claim("sizes", "The sizes for the two classes correlate by more than 0.3.", lambda r: r > 0.3, 0.01),
    Claim("signs", "With their signs the two gradients are opposed (correlation).", negative, 0.01),
)
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
PHOTOS = tuple(name for name, photo in catalogue().items() if photo.package)

EXPERIMENTS = (
    Experiment("layer_stages", 11, HALVES, stages, STAGES, cost=0.5),
    Experiment("gradient_left", 11, PHOTOS, remaining, REMAINING, cost=0.3),
    Experiment("fused_map", 11, HALVES, fusion, FUSION, cost=0.1),
    Experiment("pixel_gradients", 11, HALVES, pixels, PIXELS, cost=0.1),
    Experiment("layer_choice", 11, HALVES, choice, CHOICE, cost=0.6),
    Experiment("untrained", 11, tuple(range(10)), untrained, UNTRAINED, cost=4),
)
