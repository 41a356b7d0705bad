"""Measure the claims of all chapters, or of those named: `python -m claims [CHAPTER ...]`.

Each finished unit is kept in `.claims/`; a run that was interrupted goes on where it stopped, unless the
chapter's module has changed since.
"""

import hashlib
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from tqdm import tqdm

from claims import table
from claims.table import Experiment, Task, Values

KEPT = Path(__file__).parents[1] / ".claims"
PROCESSES = 2

Mapper = Callable[[Callable[[Task], tuple[Task, Values]], Iterable[Task]], Iterable[tuple[Task, Values]]]
Measured = dict[str, dict[str, Values]]


def kept_in(chapter: int) -> Path:
    """The file of a chapter's finished units: another one when its module changes."""
    source = Path(sys.modules[f"claims.ch{chapter:02}"].__file__ or "").read_bytes()
    return KEPT / f"ch{chapter:02}-{hashlib.sha256(source).hexdigest()[:12]}.jsonl"


def finished(path: Path, found: dict[str, Experiment]) -> Measured:
    """The values that an earlier run has kept, by experiment and unit; a torn last line is left out."""
    measured: Measured = {name: {} for name in found}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            name, unit, values = json.loads(line)
        except ValueError:
            continue
        measured[name][unit] = values
    return measured


def tasks(found: dict[str, Experiment], measured: Measured) -> list[Task]:
    """What is still to be measured, the longest first."""
    todo = [(e, unit) for e in found.values() for unit in e.units if str(unit) not in measured[e.name]]
    return [(e.chapter, e.name, unit) for e, unit in sorted(todo, key=lambda one: -one[0].cost)]


def run(chapter: int, mapper: Mapper = map) -> None:
    """Measure what is missing of one chapter, keeping each unit at once, then store its rows."""
    found = table.experiments(chapter)
    path = kept_in(chapter)
    measured = finished(path, found)
    todo = tasks(found, measured)
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write("\n")  # ends a line that was torn
        for (_, name, unit), values in tqdm(mapper(table.measure, todo), f"chapter {chapter}", len(todo)):
            measured[name][str(unit)] = values
            file.write(json.dumps([name, str(unit), values]) + "\n")
            file.flush()
    table.store(found.values(), measured)
    for old in path.parent.glob(f"ch{chapter:02}-*.jsonl"):
        old.unlink()


def main() -> None:
    """Measure the chapters named on the command line, or all."""
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for chapter in [int(word) for word in sys.argv[1:]] or table.chapters():
            run(chapter, pool.imap_unordered)
    print(f"Stored in data/claims.csv after {(time.perf_counter() - start) / 60:.1f} minutes.")


if __name__ == "__main__":
    main()
