"""The time of each network of chapter 11, and of Grad-CAM with it, in one run; stored for its table.

One photo, on the CPU; medians as in `benchmarks.speed`.
"""

import csv
from pathlib import Path

import torch
import torchvision
from torch import Tensor

from benchmarks.speed import Method, case, load, ratios
from helpers import capture
from helpers.classifiers import classifier_names

ROUNDS = 15
TIMES = Path(__file__).parents[1] / "data" / "times.csv"


def vit() -> dict[str, Method]:
    """A vision transformer, explained at the input of its last attention as in chapter 11."""
    model = torchvision.models.vit_b_16().eval()
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))

    def forward() -> Tensor:
        with torch.no_grad():
            return model(x)

    def explain() -> Tensor:
        with capture(model, "encoder.layers.encoder_layer_11.ln_1") as caught:
            gradients = caught.gradients(model(x)[0, 0])
        weights = gradients[:, 1:].mean(dim=1, keepdim=True)
        return (weights * caught.activations[:, 1:]).sum(dim=2).relu()

    return {"forward": forward, "grad_cam": explain}


def main() -> None:
    """Measure all networks, print and store their times."""
    rows = []
    for name in (*classifier_names(), "vit_b_16"):
        ways = vit() if name == "vit_b_16" else case(load(name), batch=1, classes=1)
        milliseconds, times = ratios({way: ways[way] for way in ("forward", "grad_cam")}, ROUNDS)
        rows.append([name, f"{milliseconds:.0f}", f"{times['grad_cam']:.2f}"])
        print(*rows[-1], flush=True)
    with TIMES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", "forward_ms", "grad_cam"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
