"""The time of Grad-CAM's family against two libraries, in one run.

One photo, one class, on the CPU. Those that need gradients are measured as in `benchmarks.speed`; those that
need a pass for each channel take so long that each runs once: for half a minute or two the machine's noise
averages out. The closed form of Ablation-CAM, for a network that ends with a mean and a linear layer, stands
beside the library's.
"""

import contextlib
import io
import time
from collections.abc import Callable
from functools import partial

import torch
import torchcam.methods
from pytorch_grad_cam import (
    AblationCAM,
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from benchmarks.speed import Method, ratios
from helpers import capture, grad_cam, load_classifier, load_image
from helpers.cam_family import (
    ablation_cam,
    eigen_cam,
    grad_cam_pp,
    hires_cam,
    layer_cam,
    score_cam,
    xgrad_cam,
)

ROUNDS = 9
CLASS = 243  # bull mastiff

PAIRS: dict[Callable[..., Tensor], type[BaseCAM]] = {
    grad_cam: GradCAM,
    grad_cam_pp: GradCAMPlusPlus,
    xgrad_cam: XGradCAM,
    hires_cam: HiResCAM,
    layer_cam: LayerCAM,
    eigen_cam: EigenCAM,
}


def by_library(library: type[BaseCAM], model: nn.Module, layer: nn.Module, x: Tensor) -> object:
    """A map by pytorch-grad-cam, without its progress bars."""
    with contextlib.redirect_stderr(io.StringIO()), library(model, [layer]) as cam:
        return cam(x, [ClassifierOutputTarget(CLASS)])


def by_torchcam(model: nn.Module, layer: nn.Module, x: Tensor) -> object:
    """A map by torchcam's Score-CAM."""
    with torchcam.methods.ScoreCAM(model, layer) as extractor, torch.no_grad():
        return extractor(CLASS, model(x), normalized=False)


def closed_form(model: nn.Module, layer: nn.Module, x: Tensor, head: nn.Linear) -> Tensor:
    """Ablation-CAM where the mean over the places and a linear layer follow: no ablation at all."""
    with capture(model, layer) as caught:
        model(x)
    activations = caught.activations.detach()
    weights = head.weight[CLASS] * activations.mean(dim=(2, 3))
    return torch.einsum("nc,nchw->nhw", weights, activations).relu()


def seconds(way: Method) -> float:
    """The time of one call."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    clf = load_classifier()
    model, layer, x = clf.model, clf.layer, clf.preprocess(load_image("mastiff"))[None]

    def forward() -> Tensor:
        with torch.no_grad():
            return model(x)

    ways: dict[str, Method] = {"forward": forward}
    for method, library in PAIRS.items():
        ways[method.__name__] = partial(method, model, layer, x, CLASS)
        ways[library.__name__] = partial(by_library, library, model, layer, x)
    milliseconds, times = ratios(ways, ROUNDS)
    print(f"Multiples of the forward pass, {milliseconds:.0f} ms; the libraries' in capitals:")
    for name, multiple in times.items():
        print(f"{name:18s} {multiple:8.2f}", flush=True)
    slow: dict[str, Method] = {
        "closed form": partial(closed_form, model, layer, x, model.classifier),
        "ablation_cam": partial(ablation_cam, model, layer, x, CLASS),
        "AblationCAM": partial(by_library, AblationCAM, model, layer, x),
        "score_cam": partial(score_cam, model, layer, x, CLASS),
        "ScoreCAM": partial(by_library, ScoreCAM, model, layer, x),
        "torchcam ScoreCAM": partial(by_torchcam, model, layer, x),
    }
    print("With a pass for each channel: seconds, and multiples of the forward pass:")
    for name, way in slow.items():
        taken = seconds(way)
        print(f"{name:18s} {taken:8.3f} {1000 * taken / milliseconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
