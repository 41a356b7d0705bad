"""Captum's methods."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from captum import attr as library
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from conformance import formulas as f
from conformance.methods import UNSEEN, Departure, Method, Run
from helpers import grad_cam
from helpers.cam_family import hires_cam
from helpers.gradients import deconvnet, guided_backprop, guided_grad_cam, integrated_gradients

NAME = "captum"
NOTES = {
    "no class given": "refused where the network has several",
    "several classes": "one a call",
    "batch": "as given, one class for all or one a picture",
    "device": "that of the model and the picture",
    "mode": "as it is",
    "hooks": "gone after each call",
    "size": "that of the picture or the layer; LayerAttribution.interpolate enlarges, by nearest unless told",
    "scale": "none; no ReLU at the end; Saliency takes absolute values",
}
BY_LOT = "samples drawn inside: no formula of ours"
NEURON = "explains a unit inside the network, not a class"
NOT_COMPARED = {
    "DataLoaderAttribution": "runs another method over a data set",
    "FeaturePermutation": "permutes the pictures of a batch by lot: no formula of ours",
    "GradientShap": BY_LOT,
    "KernelShap": BY_LOT,
    "Lime": BY_LOT,
    "LimeBase": BY_LOT,
    "ShapleyValueSampling": BY_LOT,
    "DeepLiftShap": "DeepLift over a distribution of baselines: DeepLift is compared",
    "LayerFeaturePermutation": "permutes the pictures of a batch by lot: no formula of ours",
    "LayerGradientShap": BY_LOT,
    "LayerDeepLift": "no formula of ours at a layer: DeepLift is compared",
    "LayerDeepLiftShap": "no formula of ours at a layer: DeepLift is compared",
    "LayerLRP": "no formula of ours at a layer: LRP is compared",
    "LayerConductance": "no formula of ours: the steps of its path are its own",
}
BASES = {
    "Attribution",
    "GradientAttribution",
    "LayerAttribution",
    "NeuronAttribution",
    "PerturbationAttribution",
}


def installed() -> set[str]:
    """The names of all methods that the installed version has for pictures."""
    return {
        name
        for name, thing in vars(library).items()
        if isinstance(thing, type) and issubclass(thing, library.Attribution)
    } - BASES


def not_compared(name: str) -> str | None:
    """Why a method stands in the matrix without a comparison."""
    if name.startswith("Neuron"):
        return NEURON
    return "explains text" if "LLM" in name else NOT_COMPARED.get(name)


def _given(options: dict[str, Any], x: Tensor) -> dict[str, Any]:
    """Options, those filled in that depend on the pictures."""
    return {key: option(x) if callable(option) else option for key, option in options.items()}


def _asked(make: Callable[[nn.Module], Any], **options: Any) -> Run:
    def run(model: nn.Module, _layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
        return make(model).attribute(x, target=torch.tensor(target), **_given(options, x)).detach()

    return run


def _at_pixels(name: str, **options: Any) -> Run:
    return _asked(getattr(library, name), **options)


def _tunnel(**options: Any) -> Run:
    return _asked(lambda model: library.NoiseTunnel(library.Saliency(model)), **options)


def _at_layer(name: str, **options: Any) -> Run:
    def run(model: nn.Module, layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
        explain = getattr(library, name)(model, layer)
        asked = {} if name == "LayerActivation" else {"target": torch.tensor(target)}
        return explain.attribute(x, **asked, **_given(options, x)).detach()

    return run


def _one_channel(run: Run) -> Run:
    return lambda *given: run(*given).squeeze(1)


def _tunnels_noise(x: Tensor) -> list[Tensor]:
    """As it draws it: for all copies at once, in single precision."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        noise = torch.normal(0, torch.full((len(x) * f.SAMPLES, *x.shape[1:]), _absolute(x)))
    return list(noise.unflatten(0, (len(x), f.SAMPLES)).to(x).unbind(1))


def _absolute(x: Tensor) -> float:
    return float(f.spread(x).mean())


def _pixels(
    name: str,
    formula: Any,
    called: str,
    changed: dict[str, str] | None = None,
    unseen: Any = None,
    **options: Any,
) -> Method:
    said = {key: str(value) for key, value in options.items() if not callable(value)} | (changed or {})
    run = _at_pixels(name, **options)
    plain = run if "feature_mask" in options else _at_pixels(name)  # without masks each pixel is asked alone
    departures = (Departure(unseen, UNSEEN),) if unseen else ()
    return Method(NAME, name, run, formula, called, plain=plain, changed=said, departures=departures)


def _relevance(model: nn.Module, layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    """A flattening module has no rule of its own; it is given one for the call."""
    model.flat.rule = EpsilonRule()
    try:
        return _at_pixels("LRP")(model, layer, x, target)
    finally:
        vars(model.flat).pop("rule", None)


def _ablated(model: nn.Module, layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    with torch.no_grad():
        channels = f.activations(model, layer, x, target).shape[1]
    run = _at_layer("LayerFeatureAblation", layer_mask=torch.arange(channels)[None, :, None, None])
    return run(model, layer, x, target)[:, :, 0, 0]


PATH = {"method": "riemann_middle", "n_steps": f.SAMPLES}
_layer = partial(Method, NAME, layer="middle")


def _on_the_way(name: str, formula: Any, called: str) -> Method:
    changed = {key: str(value) for key, value in PATH.items()}
    return _layer(name, _at_layer(name, **PATH), formula, called, plain=_at_layer(name), changed=changed)


METHODS = [
    _pixels("Saliency", f.plain_gradient, "gradient", abs=False),
    _pixels("InputXGradient", f.input_times_gradient, "input x gradient"),
    _pixels("Deconvolution", f.without_layer(deconvnet), "deconvnet", unseen=f.plain_gradient),
    _pixels(
        "GuidedBackprop",
        f.without_layer(guided_backprop),
        "guided backpropagation",
        unseen=f.plain_gradient,
    ),
    _pixels(
        "IntegratedGradients",
        f.without_layer(partial(integrated_gradients, steps=f.SAMPLES)),
        "integrated gradients",
        **PATH,
    ),
    _pixels("DeepLift", f.deep_lift, "DeepLIFT, rescale rule", unseen=f.input_times_gradient),
    Method(
        NAME,
        "LRP",
        _relevance,
        f.input_times_gradient,
        "LRP-0 = input x gradient, Ancona et al. 2018",
        plain=_at_pixels("LRP"),
        changed={"model.flat.rule": "EpsilonRule()"},
    ),
    Method(
        NAME,
        "Occlusion",
        _at_pixels("Occlusion", sliding_window_shapes=(3, 4, 4), strides=(3, 4, 4)),
        f.occlusion,
        "occlusion",
        changed={"sliding_window_shapes": "(3, 4, 4)", "strides": "(3, 4, 4)"},
    ),
    _pixels(
        "FeatureAblation",
        f.occlusion,
        "occlusion",
        {"feature_mask": "squares of 4 pixels"},
        feature_mask=lambda x: f.numbered(x)[None],
    ),
    _pixels(
        "ShapleyValues",
        f.shapley_values,
        "Shapley values",
        {"feature_mask": "four quarters"},
        feature_mask=lambda x: f.numbered(x, x.shape[2] // 2)[None],
    ),
    Method(
        NAME,
        "NoiseTunnel",
        _tunnel(nt_samples=f.SAMPLES, stdevs=_absolute, abs=False),
        f.smooth_grad_of(_tunnels_noise),
        "SmoothGrad",
        plain=_tunnel(),
        changed={"nt_samples": str(f.SAMPLES), "stdevs": "0.15 of the range", "abs": "False"},
    ),
    Method(
        NAME,
        "GuidedGradCam",
        _at_layer("GuidedGradCam", interpolate_mode="bilinear"),
        guided_grad_cam,
        "guided Grad-CAM",
        plain=_at_layer("GuidedGradCam"),
        changed={"interpolate_mode": "bilinear"},
        departures=(Departure(f.plain_gradient_times_grad_cam, UNSEEN),),
        layer="middle",
    ),
    _layer(
        "LayerGradCam",
        _one_channel(_at_layer("LayerGradCam", relu_attributions=True)),
        grad_cam,
        "Grad-CAM",
        plain=_one_channel(_at_layer("LayerGradCam")),
        changed={"relu_attributions": "True"},
    ),
    _layer(
        "LayerGradientXActivation",
        lambda *given: _at_layer("LayerGradientXActivation")(*given).sum(dim=1).relu(),
        hires_cam,
        "HiResCAM",
        plain=_at_layer("LayerGradientXActivation"),
        changed={"": "summed over the channels, then ReLU"},
    ),
    _layer("LayerActivation", _at_layer("LayerActivation"), f.activations, "activations"),
    _layer(
        "LayerFeatureAblation",
        _ablated,
        f.channel_drops,
        "Ablation-CAM's weights",
        changed={"layer_mask": "one feature a channel"},
    ),
    _on_the_way("LayerIntegratedGradients", f.integrated_at_layer, "integrated gradients at the layer"),
    _on_the_way("InternalInfluence", f.internal_influence, "internal influence"),
]
