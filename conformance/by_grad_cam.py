"""pytorch-grad-cam's methods."""

from functools import partial
from typing import Any

import pytorch_grad_cam as library
import torch
from pytorch_grad_cam.utils.model_targets import (
    ClassifierOutputReST,
    ClassifierOutputTarget,
    FinerWeightedTarget,
)
from torch import Tensor, nn

from conformance import formulas as f
from conformance.methods import UNSEEN, Departure, Method, Run
from helpers import cam_family, grad_cam
from helpers.gradients import guided_backprop

NAME = "grad-cam"
NOTES = {
    "no class given": "each picture's top class, with targets=None",
    "several classes": "one a call",
    "batch": "as given, one target a picture; guided backpropagation explains the first picture alone",
    "device": "that of the model",
    "mode": "switched to eval mode and left there",
    "hooks": "gone at the end of a with block; without one, when the explainer is collected",
    "size": "that of the picture: bilinear, by OpenCV, after scaling",
    "scale": "minimum subtracted and divided by the maximum, before and after enlarging; single precision",
}

# What explains no class of a picture, or has no formula here, and why.
NOT_COMPARED = {
    "RandomCAM": "weights by lot: there is nothing to compare with",
    "DeepFeatureFactorization": "no formula of ours: a factorisation by iteration, without a class",
    "RefineCAM": "no formula of ours: a product of the library's own maps of several layers",
    "SESS": "no formula of ours: a mean of the library's own maps of many cuttings",
}
NO_METHODS = {"AblationLayer", "AblationLayerVit", "AblationLayerFasterRCNN", "ActivationsAndGradients"}


def installed() -> set[str]:
    """The names of all methods that the installed version has."""
    classes = {name for name, thing in vars(library).items() if isinstance(thing, type)}
    return classes - NO_METHODS - {"BaseCAM"}


def _cam(name: str, goal: Any = ClassifierOutputTarget, **options: Any) -> Run:
    def run(model: nn.Module, layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
        layers = [] if name == "FullGrad" else [layer]
        with getattr(library, name)(model, layers, **options) as explain:
            return torch.from_numpy(explain(x, targets=[goal(k) for k in target]))

    return run


def _finer(model: nn.Module, layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    """Its `target_idx` is one class for the whole batch, so classes are chosen here as it chooses them."""
    with library.FinerCAM(model, [layer]) as explain:
        with torch.no_grad():
            logits = model(x)
        rows = zip(logits, target, strict=True)
        goals = [FinerWeightedTarget(k, f.alike(row, k, 3), 1) for row, k in rows]
        return torch.from_numpy(explain(x, targets=goals))


def _guided(model: nn.Module, _layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    return torch.from_numpy(library.GuidedBackpropReLUModel(model)(x, target[0])).movedim(-1, 0)[None]


def _eigen(weights: Any, why: str) -> tuple[Departure, ...]:
    return tuple(Departure(f.centred(weights, sign), why) for sign in (1.0, -1.0))


CENTRED = "the channels are centred first, and the sign is left to chance"
_layer = partial(Method, NAME, layer="middle")

METHODS = [
    _layer("GradCAM", _cam("GradCAM"), grad_cam, "Grad-CAM"),
    _layer("HiResCAM", _cam("HiResCAM"), cam_family.hires_cam, "HiResCAM"),
    _layer("XGradCAM", _cam("XGradCAM"), cam_family.xgrad_cam, "XGrad-CAM"),
    _layer("LayerCAM", _cam("LayerCAM"), cam_family.layer_cam, "LayerCAM"),
    _layer(
        "GradCAMPlusPlus",
        _cam("GradCAMPlusPlus"),
        cam_family.grad_cam_pp,
        "Grad-CAM++",
        departures=(
            Departure(f.grad_cam_pp_with_epsilon, "1e-6 in the denominator beside squared gradients"),
        ),
    ),
    _layer(
        "GradCAMElementWise",
        _cam("GradCAMElementWise"),
        f.grad_cam_element_wise,
        "element-wise Grad-CAM",
    ),
    _layer(
        "ScoreCAM",
        _cam("ScoreCAM"),
        cam_family.score_cam,
        "Score-CAM",
        departures=(
            Departure(f.score_cam_by(f.corners_aligned), "masks are enlarged from corner to corner"),
        ),
    ),
    _layer(
        "AblationCAM",
        _cam("AblationCAM"),
        cam_family.ablation_cam,
        "Ablation-CAM",
        departures=(
            Departure(
                f.ablation_cam_over_logit(), "divided by the logit: a negative one turns the map round"
            ),
            Departure(f.ablation_cam_over_logit(1e7), "channels are set to -1e7, -2e7, ... in place of zero"),
        ),
    ),
    _layer(
        "EigenCAM",
        _cam("EigenCAM"),
        cam_family.eigen_cam,
        "Eigen-CAM",
        departures=_eigen(lambda a, g: a.expand_as(g), CENTRED),
        arbitrary_sign=True,
    ),
    _layer(
        "EigenGradCAM",
        _cam("EigenGradCAM"),
        f.eigen_grad_cam,
        "Eigen-Grad-CAM",
        departures=_eigen(lambda a, g: a * g, CENTRED),
        arbitrary_sign=True,
    ),
    _layer(
        "SegEigenCAM",
        _cam("SegEigenCAM"),
        f.seg_eigen_cam,
        "Seg-Eigen-CAM",
        departures=(Departure(f.centred(lambda a, g: a * g.abs(), None), "the channels are centred first"),),
    ),
    _layer("KPCA_CAM", _cam("KPCA_CAM"), f.kpca_cam, "KPCA-CAM"),
    _layer(
        "FEM",
        _cam("FEM"),
        f.fem,
        "FEM",
        departures=(
            Departure(
                f.fem_of_shares, "activations weighted by the share of unusual places, not masks by means"
            ),
        ),
    ),
    _layer(
        "ShapleyCAM",
        _cam("ShapleyCAM", ClassifierOutputReST),
        f.shapley_cam,
        "ShapleyCAM",
        plain=_cam("ShapleyCAM"),
        changed={"targets": "ClassifierOutputReST"},
    ),
    _layer(
        "FinerCAM",
        _finer,
        f.finer_cam(1.0),
        "Finer-CAM",
        changed={"targets": "FinerWeightedTarget, one for each picture"},
        departures=(
            Departure(f.finer_cam(1.0, by_softmax=True), "references weighted by their probabilities"),
        ),
    ),
    _layer(
        "FullGrad",
        _cam("FullGrad"),
        f.full_grad(),
        "FullGrad",
        departures=(Departure(f.full_grad(1e-7), "1e-7 added to the largest value of each channel"),),
    ),
    Method(
        NAME,
        "GuidedBackpropReLUModel",
        _guided,
        f.without_layer(guided_backprop),
        "guided backpropagation",
        departures=(Departure(f.plain_gradient, UNSEEN),),
    ),
]
