"""Gradients at the pixels: their times against two libraries, as multiples of the forward pass, in one run.

Medians over the rounds as in `benchmarks.speed`. Captum runs all points of a path as one batch unless told;
both ways are measured, told with the batches of `helpers`. pytorch-grad-cam has guided backpropagation only.
"""

import copy
import warnings

import torch
from captum.attr import GuidedBackprop, IntegratedGradients, NoiseTunnel, Saliency
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import Tensor

from benchmarks.speed import Method, load, ratios, table
from helpers.classifiers import Classifier
from helpers.gradients import (
    PICTURES_AT_ONCE,
    guided_backprop,
    integrated_gradients,
    saliency,
    smooth_grad,
)

NETWORKS = ("efficientnet_lite0", "squeezenet1_1", "resnet18")
STEPS = 20
ROUNDS = 7


def methods(clf: Classifier) -> dict[str, dict[str, Method]]:
    """Each method of each package for one picture of noise and one class, as a function without arguments."""
    model, changed, side = clf.model, copy.deepcopy(clf.model), clf.preprocessing.side
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))

    def path(batch: int | None) -> Tensor:
        way = IntegratedGradients(model)
        return way.attribute(x, 0, 243, n_steps=STEPS, method="riemann_middle", internal_batch_size=batch)

    def noise(batch: int | None) -> Tensor:
        tunnel = NoiseTunnel(Saliency(model))
        return tunnel.attribute(
            x, nt_samples=STEPS, nt_samples_batch_size=batch, stdevs=1.0, target=243, abs=False
        )

    return {
        "saliency": {
            "helpers": lambda: saliency(model, x, 243),
            "captum": lambda: Saliency(model).attribute(x, 243, abs=False),
        },
        "guided_backprop": {
            "helpers": lambda: guided_backprop(model, x, 243),
            "captum": lambda: GuidedBackprop(model).attribute(x, 243),
            "pytorch-grad-cam": lambda: GuidedBackpropReLUModel(changed)(x.clone(), 243),
        },
        "integrated_gradients": {
            "helpers": lambda: integrated_gradients(model, x, 243, steps=STEPS),
            "captum": lambda: path(None),
            "captum, small batches": lambda: path(PICTURES_AT_ONCE),
        },
        "smooth_grad": {
            "helpers": lambda: smooth_grad(model, x, 243, samples=STEPS),
            "captum": lambda: noise(None),
            "captum, small batches": lambda: noise(PICTURES_AT_ONCE),
        },
    }


def main() -> None:
    """Measure everything and print the table."""
    warnings.simplefilter("ignore")
    rows: list[dict[str, object]] = []
    for network in NETWORKS:
        clf = load(network)
        x = torch.zeros(1, 3, clf.preprocessing.side, clf.preprocessing.side)
        for name, ways in methods(clf).items():
            milliseconds, times = ratios({"forward": lambda: clf.model(x), **ways}, ROUNDS)  # noqa: B023
            row: dict[str, object] = {"network": network, "method": name, "forward, ms": round(milliseconds)}
            columns = ("helpers", "captum", "captum, small batches", "pytorch-grad-cam")
            rows.append(row | {way: f"{times[way]:.1f}" if way in times else "" for way in columns})
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    print(f"\n{table(rows)}\n\nTimes as multiples of the forward pass; paths and noise with {STEPS} steps.")


if __name__ == "__main__":
    main()
