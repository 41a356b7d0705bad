"""Chapter 16: Grad-CAM by three libraries, told how and as they come, on all photos named rightly."""

import warnings

import captum.attr
import pytorch_grad_cam
import torch
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from claims.exam import NETWORKS
from claims.pictures import above, below, claim, named_rightly, right_class
from claims.table import Claim, Experiment, Unit, Values
from helpers import grad_cam, guided_backprop, load_classifier, load_image, normalise, saliency, upsample

TITLES = {"lite": "EfficientNet-Lite0", "squeeze": "SqueezeNet"}


def apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference, in % of the largest expected value, to two decimals."""
    return round((100 * (found - expected).abs().max() / expected.abs().max()).item(), 2)


def libraries(unit: Unit) -> Values:
    """How far the libraries' maps of a photo are from ours."""
    short, name = str(unit).split("/")
    network, _ = NETWORKS[short]
    clf = load_classifier(network)
    model, layer = clf.model, clf.layer
    x, k = clf.preprocess(load_image(name))[None], right_class(name, network)
    ours = grad_cam(model, layer, x, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_captum = captum.attr.LayerGradCam(model, layer)
        signed = by_captum.attribute(x, k).detach()[:, 0]
        cut = by_captum.attribute(x, k, relu_attributions=True).detach()[:, 0]
        guided = captum.attr.GuidedBackprop(model).attribute(x.clone(), k).detach()
    with torchcam.methods.GradCAM(model, layer) as explain:
        plain = explain(k, model(x), normalized=False)[0].detach()
    with torchcam.methods.GradCAM(model, layer) as explain:
        scaled = explain(k, model(x))[0].detach()
    with pytorch_grad_cam.GradCAM(model, [layer]) as explain:
        enlarged = torch.from_numpy(explain(x, [ClassifierOutputTarget(k)]))
    return {
        f"{short} captum": apart(cut, ours),
        f"{short} torchcam": apart(plain, ours),
        f"{short} captum below zero": 100 * (signed < 0).float().mean().item(),
        f"{short} minimum": 100 * (ours.min() / ours.max()).item(),
        f"{short} torchcam scaled": apart(scaled, normalise(ours)),
        f"{short} enlarged": apart(enlarged, upsample(normalise(ours), (x.shape[2], x.shape[3]))),
        f"{short} guided": apart(guided, (saliency if short == "lite" else guided_backprop)(model, x, k)),
    }


def about(short: str) -> tuple[Claim, ...]:
    """The rows of one network."""
    net = TITLES[short]
    words = "the plain gradient" if short == "lite" else "ours"
    return (
        claim(
            f"{short} captum",
            f"{net}: Captum, told to drop what is negative, equals ours (difference "
            "below 0.1 % of the maximum).",
            below(0.1),
            0.05,
        ),
        claim(
            f"{short} torchcam",
            f"{net}: torchcam, told not to scale, equals ours (below 0.1 %).",
            below(0.1),
            0.05,
        ),
        claim(
            f"{short} captum below zero",
            f"{net}: Captum's map, as it comes, has places below zero (%).",
            above(0),
            3,
        ),
        claim(
            f"{short} minimum",
            f"{net}: the smallest value of our map is above zero (% of the maximum).",
            above(0),
            0.5,
        ),
        claim(
            f"{short} torchcam scaled",
            f"{net}: torchcam's map, as it comes, is more than 1 % of the "
            "maximum away from ours, divided by its maximum.",
            above(1),
            0.5,
        ),
        claim(
            f"{short} enlarged",
            f"{net}: pytorch-grad-cam's map is more than 1 % away from ours, divided "
            "by its maximum and enlarged.",
            above(1),
            0.5,
        ),
        claim(
            f"{short} guided",
            f"{net}: Captum's guided backpropagation is {words} (below 0.1 %).",
            below(0.1),
            0.05,
        ),
    )


EXPERIMENTS = tuple(
    Experiment(
        f"ch16_{short}",
        16,
        tuple(f"{short}/{name}" for name in named_rightly(network)),
        libraries,
        about(short),
        1,
    )
    for short, (network, _) in NETWORKS.items()
)
