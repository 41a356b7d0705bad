"""Grad-CAM's time and peak memory against three libraries and the plain forward pass, in one run.

Times are medians, over the rounds, of a method's time divided by the forward pass's time in the same round;
each round runs all methods once, in an order that rotates. Machines are noisy: compare within one run only.
Memory is the largest growth of the process while a method runs, measured apart from the times with an
allocator that hands freed memory back at once (Linux only).
"""

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torchcam.methods
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from helpers import grad_cam, load_classifier
from helpers.classifiers import Classifier

NETWORKS = ("efficientnet_lite0", "resnet18", "resnet50", "vgg19", "densenet201")
CASES = [(batch, classes) for batch in (1, 8) for classes in (1, 10)]
ROUNDS = {1: 9, 10: 4}
RESULTS = Path(__file__).parents[1] / "data" / "speed.json"
# glibc then maps every larger block on its own and returns it when it is freed
EAGER = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}

Method = Callable[[], object]


def methods(clf: Classifier, x: Tensor, target: Tensor) -> dict[str, Method]:
    """Each way to compute the maps of target (N, K), as a function without arguments."""
    model, layer, columns = clf.model, clf.layer, list(target.T)

    def forward() -> Tensor:
        with torch.no_grad():
            return model(x)

    def ours() -> Tensor:
        return grad_cam(model, layer, x, target)

    def by_pytorch_grad_cam() -> object:
        with GradCAM(model, [layer]) as cam:
            return [cam(x, [ClassifierOutputTarget(k.item()) for k in column]) for column in columns]

    def by_torchcam() -> object:
        with torchcam.methods.GradCAM(model, layer) as extractor:
            scores = model(x)
            keep = len(columns) > 1
            return [
                extractor(column.tolist(), scores, normalized=False, retain_graph=keep) for column in columns
            ]

    def by_captum() -> object:
        captum = LayerGradCam(model, layer)
        return [captum.attribute(x, column, relu_attributions=True).detach() for column in columns]

    return {
        "forward": forward,
        "grad_cam": ours,
        "pytorch-grad-cam": by_pytorch_grad_cam,
        "torchcam": by_torchcam,
        "captum": by_captum,
    }


def case(clf: Classifier, batch: int, classes: int) -> dict[str, Method]:
    """The methods for one network, batch and number of classes, on noise."""
    generator = torch.Generator().manual_seed(0)
    side = clf.preprocessing.side
    x = torch.randn(batch, 3, side, side, generator=generator)
    return methods(clf, x, torch.randint(1000, (batch, classes), generator=generator))


def ratios(ways: dict[str, Method], rounds: int) -> tuple[float, dict[str, float]]:
    """Milliseconds of the forward pass, and each method's time as a multiple of it (medians)."""
    names = list(ways)
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            ways[name]()
            times[name].append(time.perf_counter() - start)
    base = times["forward"][1:]  # the first round warms up
    return statistics.median(base) * 1000, {
        name: statistics.median(t / f for t, f in zip(times[name][1:], base, strict=True)) for name in names
    }


def peak(way: Method) -> float:
    """Megabytes that the process grows by at the most while a method runs."""
    way()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark
    before = _status("VmRSS")
    way()
    return (_status("VmHWM") - before) / 1000


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field)))


def memory(network: str) -> list[dict[str, float]]:
    """The peaks of all methods for one network, one dictionary for each case; in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed", "--memory", network]
    done = subprocess.run(command, env=os.environ | EAGER, capture_output=True, text=True, check=True)
    result: list[dict[str, float]] = json.loads(done.stdout)
    return result


def load(network: str) -> Classifier:
    """Trained weights where they are packaged, random ones elsewhere: the time is the same."""
    return load_classifier(network, "imagenet" if network == "efficientnet_lite0" else None)


def table(rows: list[dict[str, object]]) -> str:
    """The rows as a Markdown table."""
    titles = list(rows[0])
    lines = [titles, ["---"] * len(titles), *([str(row[title]) for title in titles] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Measure everything, print the table and store it."""
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--memory"]:
        clf = load(sys.argv[2])
        peaks = [{name: peak(way) for name, way in case(clf, *one).items()} for one in CASES]
        print(json.dumps(peaks))
        return
    rows: list[dict[str, object]] = []
    for network in NETWORKS:
        peaks = memory(network) if sys.platform == "linux" else [{} for _ in CASES]
        clf = load(network)
        for (batch, classes), used in zip(CASES, peaks, strict=True):
            milliseconds, times = ratios(case(clf, batch, classes), ROUNDS[classes])
            row: dict[str, object] = {"network": network, "batch": batch, "classes": classes}
            row["forward, ms"] = round(milliseconds)
            row |= {name: f"{times[name]:.2f}" for name in times if name != "forward"}
            row |= {"forward, MB": round(used["forward"])} if used else {}
            row |= {f"{name}, MB": round(used[name]) for name in used if name != "forward"}
            rows.append(row)
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")
    print(f"\n{table(rows)}\n\nTimes as multiples of the forward pass; stored in {RESULTS.name}.")


if __name__ == "__main__":
    main()
