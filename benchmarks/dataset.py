"""What the command adds to reading a folder's pictures and running the network on them, in one run.

The bound is to decode a picture and run the network on it, one picture after the other, with one thread for
each process. The command adds the map, the checksum, the table, its file, and Dask. Cores share memory and
more, so the command's workers are compared with as many processes that reach for the bound at once. All ways
take turns over some rounds; a share is the median, over the rounds, of the bound's time divided by a way's
time. A machine that has something else to do makes wall times worthless, so the time that all processes
together have computed (CPU) stands beside them. How long workers take to start is measured apart.

`python -m benchmarks.dataset 100` takes 100 pictures in place of 400.
"""

import csv
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import distributed
import torch

from benchmarks.speed import table
from helpers import catalogue, load_classifier, load_image
from helpers.dataset import _keep_freed_memory, _local_client, explain, explain_folder, pictures

ROUNDS = 3
WORKERS = (1, 2)
BOUND = "bound: decode, resize, forward"
SHARE = "share of the bound"
TIMES = Path(__file__).parents[1] / "data" / "dataset.csv"


class Spent(NamedTuple):
    """Seconds on the wall, and seconds that all processes together have computed."""

    wall: float
    cpu: float


def make_pictures(folder: Path, wanted: int) -> None:
    """Cut pictures of 500 × 400 pixels out of the packaged photos, as JPEG files of about 60 kB."""
    photos = [load_image(photo.name) for photo in catalogue().values() if photo.package]
    for number in range(wanted):
        photo, edge = photos[number % len(photos)], number // len(photos)
        cut = photo.crop((edge, edge, photo.width - 2 * edge, photo.height - edge))
        cut.resize((500, 400)).save(folder / f"{number:04}.jpg", quality=90)


def spent(way: Callable[[], object], client: distributed.Client | None = None) -> Spent:
    """What a way takes, its workers' computing included."""

    def computed() -> float:
        elsewhere = client.run(time.process_time).values() if client else ()
        return time.process_time() + sum(elsewhere)

    cpu, wall = computed(), time.perf_counter()
    way()
    wall = time.perf_counter() - wall
    return Spent(wall, computed() - cpu)


@contextmanager
def warm(workers: int) -> Iterator[distributed.Client]:
    """The command's own workers, started and with the network loaded; says how long that took."""
    begin = time.perf_counter()
    with _local_client(workers, parts=workers) as client:
        client.wait_for_workers(workers)
        client.run(load_classifier)
        print(f"{workers} started with the network loaded in {time.perf_counter() - begin:.1f} s", flush=True)
        yield client


def decode(folder: str, names: list[str]) -> None:
    """Read the pictures and make the network's squares of them."""
    for name in names:
        load_classifier().preprocess(load_image(Path(folder, name)))


@torch.inference_mode()
def forward(folder: str, names: list[str]) -> None:
    """As many forward passes as there are names."""
    clf = load_classifier()
    stored = [clf.preprocess(load_image(Path(folder, name)))[None] for name in names[:20]]
    for number in range(len(names)):
        clf.model(stored[number % len(stored)])


@torch.inference_mode()
def bound(folder: str, names: list[str]) -> float:
    """Seconds for decoding a picture and a forward pass with it, one picture after the other."""
    _keep_freed_memory()
    torch.set_num_threads(1)
    clf, begin = load_classifier(), time.perf_counter()
    for name in names:
        clf.model(clf.preprocess(load_image(Path(folder, name)))[None])
    return time.perf_counter() - begin


def of(way: str, workers: int) -> str:
    """A way's name with its number of workers."""
    return f"{way}, {workers} worker{'s' * (workers > 1)}"


def one_round(folder: Path, out: Path, clients: dict[int, distributed.Client]) -> dict[str, Spent]:
    """Each way to go through the folder, once."""
    where, names = str(folder), pictures(folder)
    found = {
        "decode, resize": spent(lambda: decode(where, names)),
        "forward": spent(lambda: forward(where, names)),
        BOUND: spent(lambda: bound(where, names)),
        "loop with maps": spent(lambda: explain(folder, names)),
    }
    for workers, client in clients.items():
        seconds: list[float] = []
        run = partial(client.run, bound, where, names)
        both = spent(lambda: seconds.extend(run().values()), client)  # noqa: B023
        found[of("bound", workers)] = Spent(statistics.mean(seconds) / workers, both.cpu / workers)
        found[of("command", workers)] = spent(
            partial(explain_folder, folder, out / str(workers), client), client
        )
    return found


def report(rounds: list[dict[str, Spent]], wanted: int) -> list[dict[str, object]]:
    """The medians over the rounds, a row a way."""
    rows: list[dict[str, object]] = []
    for way in rounds[0]:
        base = way.replace("command", "bound") if "," in way and "worker" in way else BOUND
        took, bounds = [one[way] for one in rounds], [one[base] for one in rounds]
        wall = statistics.median(each.wall for each in took)
        by_wall = statistics.median(b.wall / t.wall for b, t in zip(bounds, took, strict=True))
        by_cpu = statistics.median(b.cpu / t.cpu for b, t in zip(bounds, took, strict=True))
        row: dict[str, object] = {"way": way, "pictures/s": f"{wanted / wall:.1f}"}
        row["CPU, ms a picture"] = f"{statistics.median(each.cpu for each in took) / wanted * 1000:.1f}"
        row[SHARE] = f"{by_wall:.2f}"
        row["the same by CPU"] = f"{by_cpu:.2f}"
        rows.append(row)
    return rows


def store(rows: list[dict[str, object]]) -> None:
    """Write what chapter 17 shows."""
    with TIMES.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["way", "pictures_per_s", "share"])
        writer.writerows([row["way"], row["pictures/s"], row[SHARE]] for row in rows)


def main() -> None:
    """Measure everything and print the table."""
    wanted = int(sys.argv[1]) if sys.argv[1:] else 400
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    torch.set_num_threads(1)
    _keep_freed_memory()
    with tempfile.TemporaryDirectory() as place, ExitStack() as ends:
        folder = Path(place, "pictures")
        folder.mkdir()
        make_pictures(folder, wanted)
        clients = {workers: ends.enter_context(warm(workers)) for workers in WORKERS}
        explain(folder, pictures(folder)[:10])
        rounds = [one_round(folder, Path(place, f"out{turn}"), clients) for turn in range(ROUNDS)]
    rows = report(rounds, wanted)
    store(rows)
    print(f"\n{table(rows)}\n\n{wanted} pictures, {os.cpu_count()} cores, {ROUNDS} rounds.")


if __name__ == "__main__":
    main()
