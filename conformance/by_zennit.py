"""zennit's attributors, and its composites with the plain gradient."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zennit import attribution as library
from zennit.composites import COMPOSITES

from conformance import formulas as f
from conformance import relevance as r
from conformance.methods import UNSEEN, Departure, Method, Run
from conformance.networks import CLASSES
from helpers.gradients import deconvnet, guided_backprop

NAME = "zennit"
NOTES = {
    "no class given": "all logits, weighted by themselves",
    "several classes": "one a call",
    "batch": "as given; a row of attr_output for each picture",
    "device": "that of the model and the picture",
    "mode": "as it is",
    "hooks": "gone at the end of a with block, or after a call without one",
    "size": "that of the picture; there is no Grad-CAM",
    "scale": "none",
}
NOT_COMPARED = {"epsilon_gamma_box": "no formula of ours: LRP's gamma and box rules"}


def installed() -> set[str]:
    """The names of all attributors and composites that the installed version has."""
    attributors = {
        name
        for name, thing in vars(library).items()
        if isinstance(thing, type) and issubclass(thing, library.Attributor)
    } - {"Attributor"}
    return attributors | set(COMPOSITES)


def _unit(target: list[int], x: Tensor) -> Tensor:
    """1 at each picture's class, 0 elsewhere, (N, classes)."""
    return F.one_hot(torch.tensor(target), CLASSES).to(x)


def _attributor(name: str, composite: str | None = None, **options: Any) -> Run:
    def run(model: nn.Module, _layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
        rules = COMPOSITES[composite]() if composite else None
        with getattr(library, name)(model, rules, **options) as explain:
            return explain(x, _unit(target, x))[1].detach()

    return run


def _hidden(model: nn.Module, _layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    """Occlusion of the window, not of all else, and of the loss, not of the score."""
    with torch.no_grad():
        logits = model(x)
    hide = partial(library.occlude_independent, invert=True)
    with library.Occlusion(model, occlusion_fn=hide, window=f.PATCH, stride=f.PATCH) as explain:
        return explain(x, lambda output: (logits - output) * _unit(target, x))[1].detach()


def _noises(x: Tensor, last: bool) -> list[Tensor]:
    """As it draws them, for the whole batch."""
    drawn = f.noises(x, f.spread(x), count=f.SAMPLES - (not last))
    return drawn if last else [*drawn, torch.zeros_like(x)]


def _composite(name: str, formula: Any, called: str, *departures: Departure) -> Method:
    run = _attributor("Gradient", name)
    return Method(NAME, name, run, formula, called, changed=UNIT, departures=departures)


UNSEEN_RELU6 = Departure(f.plain_gradient, UNSEEN)
UNIT = {"attr_output": "one for the class, zero for the others"}

METHODS = [
    Method(
        NAME,
        "Gradient",
        _attributor("Gradient"),
        f.plain_gradient,
        "gradient",
        changed=UNIT,
    ),
    Method(
        NAME,
        "SmoothGrad",
        _attributor("SmoothGrad", n_iter=f.SAMPLES, noise_level=0.15),
        f.smooth_grad_of(partial(_noises, last=True)),
        "SmoothGrad",
        changed=UNIT | {"n_iter": str(f.SAMPLES), "noise_level": "0.15"},
        departures=(Departure(f.smooth_grad_of(partial(_noises, last=False)), "the last copy has no noise"),),
    ),
    Method(
        NAME,
        "IntegratedGradients",
        _attributor("IntegratedGradients", n_iter=f.SAMPLES),
        f.integrated_at_ends,
        "integrated gradients, steps at their ends",
        changed=UNIT | {"n_iter": str(f.SAMPLES)},
    ),
    Method(
        NAME,
        "Occlusion",
        _hidden,
        f.occlusion,
        "occlusion",
        plain=_attributor("Occlusion"),
        changed={
            "attr_output": "what the class loses",
            "occlusion_fn": "occlude_independent(invert=True)",
            "window": "4",
            "stride": "4",
        },
    ),
    _composite("deconvnet", f.without_layer(deconvnet), "deconvnet", UNSEEN_RELU6),
    _composite("guided_backprop", f.without_layer(guided_backprop), "guided backpropagation", UNSEEN_RELU6),
    _composite(
        "beta_smooth",
        f.softplus_gradient(),
        "softplus gradient",
        UNSEEN_RELU6,
        Departure(f.softplus_gradient(torch.relu), "slopes are taken at what the ReLU has overwritten"),
    ),
    _composite("excitation_backprop", r.excitation_backprop, "excitation backpropagation"),
    _composite("epsilon_plus", r.composite(r.positive), "LRP, ε and z+"),
    _composite("epsilon_plus_flat", r.composite(r.positive, r.flat), "LRP, ε, z+ and flat"),
    _composite("epsilon_alpha2_beta1", r.composite(r.alpha_beta), "LRP, ε and α2β1"),
    _composite("epsilon_alpha2_beta1_flat", r.composite(r.alpha_beta, r.flat), "LRP, ε, α2β1 and flat"),
]
