"""torchcam's methods."""

from typing import Any

from torch import Tensor, nn
from torchcam import methods as library

from conformance import formulas as f
from conformance.methods import Departure, Method, Run
from helpers import cam_family, grad_cam

NAME = "torchcam"
NOTES = {
    "no class given": "refused: class_idx or targets must be given",
    "several classes": "one a call; retain_graph=True for another call with the same logits",
    "batch": "as given, one class for all or one a picture",
    "device": "that of the model and the picture",
    "mode": "as it is; Score-CAM and its kin ask in eval mode and restore the mode",
    "hooks": "gone at the end of a with block; without one, by remove_hooks()",
    "size": "that of the layer",
    "scale": "minimum subtracted and divided by the maximum, unless normalized=False",
}
NOT_COMPARED = {
    "LeGrad": "explains the attention of vision transformers",
    "RefineCAM": "no formula of ours: a product of the library's own maps of several layers",
}


def installed() -> set[str]:
    """The names of all methods that the installed version has."""
    return {
        name for name, thing in vars(library).items() if isinstance(thing, type) and not name.startswith("_")
    }


def _cam(name: str, normalized: bool = False, **options: Any) -> Run:
    def run(model: nn.Module, layer: nn.Module, x: Tensor, target: list[int]) -> Tensor:
        with getattr(library, name)(model, layer, **options) as explain:
            return explain(target, model(x), normalized=normalized)[0].detach()

    return run


def _method(name: str, *formula: Any, departures: tuple[Departure, ...] = (), **options: Any) -> Method:
    needed = {"fc_layer": "head"} if name == "CAM" else {}
    options = needed | options
    return Method(
        NAME,
        name,
        _cam(name, **options),
        *formula,
        plain=_cam(name, normalized=True, **needed),
        changed={"normalized": "False"} | {key: str(value) for key, value in options.items()},
        departures=departures,
        layer="end" if name == "CAM" else "middle",
    )


METHODS = [
    _method("CAM", f.class_activation_map, "CAM"),
    _method("GradCAM", grad_cam, "Grad-CAM"),
    _method(
        "GradCAMpp",
        cam_family.grad_cam_pp,
        "Grad-CAM++",
        departures=(Departure(f.grad_cam_pp_of_cubes, "weights are sums of cubes: it divides a copy"),),
    ),
    _method(
        "SmoothGradCAMpp",
        f.smooth_grad_cam_pp(),
        "Smooth Grad-CAM++",
        departures=(
            Departure(
                f.smooth_grad_cam_pp(as_run=True),
                "g and A are those of the last noisy picture, and Σ g³ ∘ A stands below the line",
            ),
        ),
    ),
    _method("XGradCAM", cam_family.xgrad_cam, "XGrad-CAM"),
    _method("LayerCAM", cam_family.layer_cam, "LayerCAM"),
    _method(
        "ScoreCAM",
        cam_family.score_cam,
        "Score-CAM",
        departures=(
            Departure(
                f.score_cam_by(f.stretched_then_enlarged), "masks are stretched before they are enlarged"
            ),
        ),
    ),
    _method("SSCAM", f.ss_cam, "SS-CAM", num_samples=f.SAMPLES),
    _method(
        "ISCAM",
        f.is_cam(0),
        "IS-CAM",
        departures=(Departure(f.is_cam(1), "begins at 1/n where its documentation begins at 0"),),
    ),
    _method("FinerCAM", f.finer_cam(0.6), "Finer-CAM"),
]
