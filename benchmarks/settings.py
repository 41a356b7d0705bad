"""Which setting makes a folder of pictures go faster on a CPU, and where the time of a picture goes.

Each setting runs in a process of its own, since some of them cannot be taken back; the settings take turns
over some rounds. A speed is the median, over the rounds, of a setting's pictures a second divided by those of
one thread with one picture at a time. Stored for chapter 17.
"""

import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.dataset import make_pictures
from helpers import capture, load_classifier
from helpers.cam import logits_and_cam
from helpers.dataset import _keep_freed_memory, pictures

ROUNDS = 3
SECONDS = 3.0
PICTURES = 32
TIMES = Path(__file__).parents[1] / "data" / "settings.csv"
PLAIN = "one thread, one picture at a time"


def half(model: nn.Module) -> nn.Module:
    """The network in bfloat16."""
    return model.to(torch.bfloat16)


def last(model: nn.Module) -> nn.Module:
    """The network with its weights laid out channels last."""
    return model.to(memory_format=torch.channels_last)


class Setting(NamedTuple):
    """How many threads and pictures at a time, what is done to the network, and so on."""

    threads: int = 1
    batch: int = 1
    change: Callable[[nn.Module], nn.Module] | None = None
    kept: bool = False  # freed memory
    maps: bool = True  # a compiled network may leave out hooks, so it gives answers only


SETTINGS = {
    PLAIN: Setting(),
    "two threads": Setting(threads=2),
    "4 pictures at a time": Setting(batch=4),
    "16 pictures at a time": Setting(batch=16),
    "16 at a time, freed memory kept": Setting(batch=16, kept=True),
    "channels last": Setting(change=last),
    "bfloat16": Setting(change=half),
    "answers only": Setting(maps=False),
    "answers only, torch.compile": Setting(change=torch.compile, maps=False),
}


def speed(name: str) -> float:
    """Pictures a second from tensors to logits and maps, in this process."""
    setting = SETTINGS[name]
    torch.set_num_threads(setting.threads)
    if setting.kept:
        _keep_freed_memory()
    model = load_classifier().model
    model = setting.change(model) if setting.change else model
    x = torch.randn(setting.batch, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    x = x.to(torch.bfloat16) if setting.change is half else x
    x = x.contiguous(memory_format=torch.channels_last) if setting.change is last else x
    return setting.batch * rounds_a_second(lambda: explained(model, x, setting.maps))


def explained(model: nn.Module, x: Tensor, maps: bool) -> object:
    """One batch's answers, and its maps."""
    if not maps:
        with torch.no_grad():
            return model(x)
    with capture(model, "bn2") as caught:
        return logits_and_cam(caught, model, x)


def rounds_a_second(run: Callable[[], object]) -> float:
    """How often something runs in a second."""
    for _ in range(3):
        run()
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        run()
        done += 1
    return done / (time.perf_counter() - start)


def steps() -> dict[str, float]:
    """Milliseconds a picture of each step, one thread (medians over the pictures)."""
    torch.set_num_threads(1)
    clf = load_classifier()
    took: dict[str, list[float]] = {"decode": [], "resize": [], "forward": [], "map": []}
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder), PICTURES)
        for name in pictures(folder):
            _steps_of(Path(folder, name), clf.model, clf.preprocess, took)
    return {step: 1000 * statistics.median(times) for step, times in took.items()}


def _steps_of(
    path: Path, model: nn.Module, preprocess: Callable[[Image.Image], Tensor], took: dict[str, list[float]]
) -> None:
    ticks = [time.perf_counter()]

    def tick() -> None:
        ticks.append(time.perf_counter())

    image = Image.open(path).convert("RGB")
    tick()
    x = preprocess(image)[None]
    tick()
    with torch.no_grad():
        model(x)
    tick()
    explained(model, x, maps=True)
    tick()
    for step, start, end in zip(took, ticks, ticks[1:], strict=False):
        took[step].append(end - start)
    took["map"][-1] -= took["forward"][-1]  # it includes a forward pass


def measured(name: str) -> float:
    """The speed of a setting, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.settings", name]
    environment = os.environ | {"OMP_NUM_THREADS": str(SETTINGS[name].threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure one setting in this process, or all of them in turn, and store what came."""
    if sys.argv[1:]:
        print(speed(sys.argv[1]))
        return
    rows = [["step", step, f"{milliseconds:.1f}"] for step, milliseconds in steps().items()]
    found: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for turn in range(ROUNDS):
        for name in [*SETTINGS][turn:] + [*SETTINGS][:turn]:
            found[name].append(measured(name))
            print(turn, name, f"{found[name][-1]:.1f}", flush=True)
    for name, speeds in found.items():
        ratio = statistics.median(s / p for s, p in zip(speeds, found[PLAIN], strict=True))
        rows.append(["setting", name, f"{ratio:.2f}"])
    with TIMES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["kind", "name", "value"], *rows])
    print(TIMES.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
