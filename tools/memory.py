"""Measure each chapter's peak memory and time: python -m tools.memory [chapters/08_grad_cam.ipynb …].

A chapter is executed as tools.execute does, on one thread, and nothing of it is stored. Its memory is what
the kernel and the processes that it starts hold together; they are asked from outside, a hundred times a
second, which works on all systems. On Linux the pages of libraries' files are left out: how many of them are
mapped depends on the system's cache of files, and it drops them when memory gets short. Its time is the
processor's, which a busy machine hardly changes.
"""

import csv
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import psutil

from tools.execute import CHAPTERS, ROOT, executed

TABLE = ROOT / "data" / "memory.csv"
PAUSE = 0.01  # seconds between two looks


class Measured(NamedTuple):
    """What a chapter needs, the start of its kernel included: millions of bytes, seconds of one processor."""

    chapter: str
    peak_mb: int
    seconds: int


def held(processes: Iterable[psutil.Process]) -> int:
    """Bytes that they hold together; on Linux without the pages of files."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):  # it has ended
            info = process.memory_info()
            total += info.rss - getattr(info, "shared", 0)
    return total


def used(processes: Iterable[psutil.Process]) -> float:
    """Seconds of the processor, those of children that have ended included."""
    total = 0.0
    for process in processes:
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def measured(path: Path) -> Measured:
    """Execute a chapter and watch the processes that this starts."""
    this = psutil.Process()
    before = set(this.children(recursive=True))
    peak, seconds, done = 0, 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak, seconds
        while not done.wait(PAUSE):
            started = set(this.children(recursive=True)) - before
            peak, seconds = max(peak, held(started)), max(seconds, used(started))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with mock.patch.dict(os.environ, OMP_NUM_THREADS="1"):
            executed(path)
    finally:
        done.set()
        watcher.join()
    return Measured(path.stem, round(peak / 1e6), round(seconds))


def stored() -> dict[str, Measured]:
    """The rows of data/memory.csv by chapter; none where there is no such file."""
    if not TABLE.exists():
        return {}
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [
            Measured(row["chapter"], int(row["peak_mb"]), int(row["seconds"])) for row in csv.DictReader(file)
        ]
    return {row.chapter: row for row in rows}


def store(rows: dict[str, Measured]) -> None:
    """Write the rows of the chapters that there are, in their order, all or nothing."""
    half_written = TABLE.with_suffix(".tmp")
    with half_written.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Measured._fields)
        writer.writerows(rows[path.stem] for path in CHAPTERS if path.stem in rows)
    half_written.replace(TABLE)


def main() -> None:
    """Measure the chapters named, or all, and replace their rows."""
    print(f"{'chapter':24} peak, MB  seconds")
    rows = stored()
    for path in [Path(name).resolve() for name in sys.argv[1:]] or CHAPTERS:
        row = rows[path.stem] = measured(path)
        print(f"{row.chapter:24} {row.peak_mb:8,} {row.seconds:8}", flush=True)
        store(rows)


if __name__ == "__main__":
    main()
