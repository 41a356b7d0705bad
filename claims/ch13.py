"""Chapter 13: which pictures of pixel gradients answer the question, and what they depend on instead."""

import copy
from functools import cache

import torch
from torch import Tensor, nn

from claims import pictures
from claims.pictures import above, below, blurred, claim, correlation, sobel
from claims.table import Claim, Experiment, Unit, Values
from helpers import (
    deconvnet,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    load_classifier,
    saliency,
    share_in,
    smooth_grad,
)
from helpers.classifiers import Classifier

MOSAICS = 40
HALVES = tuple(f"{k} {half}" for k in range(MOSAICS) for half in ("left", "right"))
PHOTOS = pictures.named_rightly()
METHODS = {
    "plain": lambda clf, x, targets: saliency(clf.model, x, targets),
    "deconvnet": lambda clf, x, targets: deconvnet(clf.model, x, targets),
    "guided": lambda clf, x, targets: guided_backprop(clf.model, x, targets),
    "guided_cam": lambda clf, x, targets: guided_grad_cam(clf.model, clf.layer, x, targets),
    "smooth": lambda clf, x, targets: smooth_grad(clf.model, x, targets, samples=10),
    "integrated": lambda clf, x, targets: integrated_gradients(clf.model, x, targets, steps=10),
}
RULES = ("plain", "deconvnet", "guided")
NAMES = {
    "plain": "Plain gradient",
    "deconvnet": "Deconvnet",
    "guided": "Guided backpropagation",
    "guided_cam": "Guided Grad-CAM",
    "smooth": "SmoothGrad, 10 copies",
    "integrated": "Integrated gradients from grey, 10 steps",
}


@cache
def network(name: str = "efficientnet_lite0") -> Classifier:
    """A packaged classifier."""
    return load_classifier(name)


@cache
def drawn(seed: int) -> list[tuple[str, ...]]:
    """The pairs of photos, by lot."""
    return pictures.drawn(MOSAICS, seed=seed)


def sizes(gradients: Tensor) -> Tensor:
    """The largest size of the three colours: (..., 3, H, W) -> (..., H, W)."""
    return gradients.abs().amax(dim=-3)


def pixels(unit: Unit) -> Values:
    """The gradient at the pixels, for the class of one half and for that of the other."""
    number, side = str(unit).split()
    sheet, half = pictures.pair(*drawn(11)[int(number)]), ("left", "right").index(side)
    x = network().preprocess(sheet.image)[None]
    signed = saliency(network().model, x, torch.tensor([sheet.targets]))[0]
    maps = sizes(signed)
    columns = maps[half].flatten().topk(250).indices % x.shape[-1]
    own = (columns < x.shape[-1] // 2) == (half == 0)
    return {
        "pixels": 100 * share_in(maps[half], sheet.boxes[half], sheet.image.size),
        "brightest": 100 * own.double().mean().item(),
        "sizes": correlation(*maps),
        "signs": correlation(*signed),
    }


def question(unit: Unit) -> Values:
    """Two classes of one mosaic: how alike their pictures are, and how much lies in the own half."""
    sheet = pictures.pair(*drawn(13)[int(unit)])
    values = {}
    for short, clf in (("lite", network()), ("squeeze", network("squeezenet1_1"))):
        x = clf.preprocess(sheet.image)[None]
        for name in NAMES if short == "lite" else RULES:
            pair = METHODS[name](clf, x, torch.tensor([sheet.targets]))[0]
            shares = [
                share_in(one, box, sheet.image.size)
                for one, box in zip(sizes(pair), sheet.boxes, strict=True)
            ]
            values[f"{short} {name} alike"] = correlation(*pair)
            values[f"{short} {name} own"] = 50 * sum(shares)
    return values


LATE = ("blocks.4", "blocks.5", "blocks.6", "conv_head", "classifier")


@cache
def redrawn(*names: str) -> nn.Module:
    """EfficientNet-Lite0 with new random weights in these modules."""
    model = copy.deepcopy(network().model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name in names:
            for module in model.get_submodule(name).modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    module.reset_parameters()
    return model


@cache
def trained_sizes(name: str, rule: str) -> Tensor:
    """Where the right class of a photo has its sizes, (H, W)."""
    method = {"guided": guided_backprop, "plain": saliency}[rule]
    return sizes(method(network().model, pictures.photo(name), pictures.right_class(name)))[0]


def weights(unit: Unit) -> Values:
    """How alike the sizes stay where parts of the network are drawn anew; other photos as the baseline."""
    name, values = str(unit), {}
    for rule, method in (("guided", guided_backprop), ("plain", saliency)):
        own = trained_sizes(name, rule)
        for part, names in (("head", ("classifier",)), ("late", LATE), ("all", ("",))):
            other = method(redrawn(*names), pictures.photo(name), pictures.right_class(name))
            values[f"{rule} {part}"] = correlation(own, sizes(other)[0])
        others = [correlation(own, trained_sizes(other, rule)) for other in PHOTOS[:8] if other != name]
        values[f"{rule} others"] = sum(others) / len(others)
    edges = sobel(network().preprocessing.undo(pictures.photo(name)))[0]
    for sigma in (0, 4):
        maps = [one[None, None] for one in (trained_sizes(name, "guided"), edges)]
        maps = [blurred(one, sigma) for one in maps] if sigma else maps
        values[f"edges {sigma}"] = correlation(*maps)
    return values


def way(unit: Unit) -> Values:
    """Where on the way from grey the score rises, and what the sum of integrated gradients misses."""
    model, x, k = network().model, pictures.photo(str(unit)), pictures.right_class(str(unit))
    with torch.no_grad():
        start, tenth, end = (model(t * x)[0, k].item() for t in (0, 0.1, 1))
    gap = end - start
    even = integrated_gradients(model, x, k, steps=50).sum().item()
    s = (torch.arange(50) + 0.5) / 50
    lengths = 3 * s**2 / 50
    uneven = sum(
        length * (x * saliency(model, t * x, k)).sum().item() for t, length in zip(s**3, lengths, strict=True)
    )
    return {
        "tenth": 100 * (tenth - start) / gap,
        "even": abs(even - gap),
        "better": abs(even - gap) - abs(float(uneven) - gap),
    }


def baseline(unit: Unit) -> Values:
    """How much of the map lies on the darkest tenth of the pixels, from black and from white."""
    model, x, k = network().model, pictures.photo(str(unit)), pictures.right_class(str(unit))
    brightness = x[0].mean(dim=0)
    darkest = brightness <= brightness.quantile(0.1)
    shares = []
    for value in (-1.0, 1.0):
        found = integrated_gradients(model, x, k, baseline=value, steps=16)[0].abs().sum(dim=0)
        shares.append(100 * (found[darkest].sum() / found.sum()).item())
    return {"black": shares[0], "white": shares[1], "less": shares[1] - shares[0]}


def noise(unit: Unit) -> Values:
    """How many of 20 noisy copies of a photo are still named rightly."""
    model, x, k = network().model, pictures.photo(str(unit)), pictures.right_class(str(unit))
    lot = torch.Generator().manual_seed(0)
    spread = 0.15 * (x.max() - x.min())
    with torch.no_grad():
        named = [
            model(x + spread * torch.randn(x.shape, generator=lot)).argmax().item() == k for _ in range(20)
        ]
    return {"right": 100 * sum(named) / len(named)}


def question_claims(short: str, network_: str) -> tuple[Claim, ...]:
    """The claims about two questions to one mosaic."""
    limits = {"plain": below(0.5), "deconvnet": above(0.99), "guided": above(0.5), "guided_cam": below(0.5)}
    words = {
        "plain": "below 0.5",
        "deconvnet": "above 0.99",
        "guided": "above 0.5",
        "guided_cam": "below 0.5",
    }
    return tuple(
        one
        for name, title in NAMES.items()
        if short == "lite" or name in RULES
        for one in (
            Claim(
                f"{short} {name} alike",
                f"{network_}, {title}: the two classes' numbers correlate {words.get(name, 'below 0.5')}.",
                limits.get(name, below(0.5)),
                0.02,
            ),
            Claim(
                f"{short} {name} own",
                f"{network_}, {title}: most of the sizes lie in the own half (mean of both, in %).",
                above(50),
                1,
            ),
        )
    )


PIXELS = (
    Claim(
        "pixels", "The sizes of the pixels' gradients lie mostly in the own half (share in %).", above(50), 1
    ),
    Claim("brightest", "Of the 250 brightest pixels most lie in the own half (in %).", above(50), 1),
    Claim("sizes", "The sizes for the two classes correlate by more than 0.3.", above(0.3), 0.01),
    Claim("signs", "With their signs the two gradients are opposed (correlation).", below(0), 0.01),
)
WEIGHTS = (
    claim(
        "guided head", "Guided backpropagation, a new head: the sizes correlate above 0.9.", above(0.9), 0.02
    ),
    claim("guided late", "Guided, new from stage 5 on: the sizes correlate above 0.3.", above(0.3), 0.02),
    claim("guided all", "Guided, all new: the sizes correlate above 0.3.", above(0.3), 0.02),
    claim("guided others", "Baseline: guided, with the other photos' (mean correlation).", None, 0.02),
    claim("plain head", "Plain gradient, a new head: the sizes correlate above 0.9.", above(0.9), 0.02),
    claim("plain late", "Plain, new from stage 5 on: the sizes correlate above 0.3.", above(0.3), 0.02),
    claim("plain all", "Plain, all new: the sizes correlate above 0.3.", above(0.3), 0.02),
    claim("plain others", "Baseline: plain, with the other photos' (mean correlation).", None, 0.02),
    claim("edges 0", "Guided sizes and Sobel's edges of the photo correlate above 0.3.", above(0.3), 0.02),
    claim("edges 4", "The same, both blurred by 4 pixels, above 0.3.", above(0.3), 0.02),
)
WAY = (
    Claim(
        "tenth", "More than half of the score's rise from grey is reached at 10 % contrast (%).", above(50), 1
    ),
    Claim("even", "50 even steps: the sum misses the score by more than one logit.", above(1), 1.5),
    Claim("better", "50 steps close together near grey miss it by less (logits less).", above(0), 1.5),
)
BASELINE = (
    Claim("black", "Baseline: share of the darkest tenth of the pixels, from black (%).", None, 1),
    Claim("white", "Baseline: the same from white (%).", None, 1),
    Claim("less", "From black it is smaller than from white (points of %).", above(0), 1.5),
)
NOISE = (
    Claim("right", "Most of 20 copies with SmoothGrad's noise are still named rightly (%).", above(50), 5),
)

EXPERIMENTS = (
    Experiment("pixel_gradients", 13, HALVES, pixels, PIXELS, cost=0.1),
    Experiment(
        "ch13_question",
        13,
        tuple(range(MOSAICS)),
        question,
        (*question_claims("lite", "Lite0"), *question_claims("squeeze", "SqueezeNet")),
        cost=5,
    ),
    Experiment("ch13_weights", 13, PHOTOS, weights, WEIGHTS, cost=2),
    Experiment("ch13_way", 13, PHOTOS, way, WAY, cost=5),
    Experiment("ch13_baseline", 13, PHOTOS, baseline, BASELINE, cost=3),
    Experiment("ch13_noise", 13, PHOTOS, noise, NOISE, cost=0.5),
)
