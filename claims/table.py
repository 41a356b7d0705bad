"""What a claim and an experiment are, and the two tables that they fill.

`data/claims_units.csv` holds every measured value, `data/claims.csv` its summary: one row for each claim. A
chapter's experiments stand in `claims/chNN.py` as `EXPERIMENTS`, a tuple.
"""

import csv
import math
import os
import pkgutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

import claims
from claims.headlines import is_shown

DATA = Path(__file__).parents[1] / "data"
UNITS = DATA / "claims_units.csv"
SUMMARY = DATA / "claims.csv"
UNITS_COLUMNS = ("chapter", "experiment", "key", "unit", "value")
SUMMARY_COLUMNS = (
    *("chapter", "claim", "n", "holds", "median", "lower_quartile", "upper_quartile", "lowest", "highest"),
    *("key", "tolerance", "experiment", "shown"),
)

Unit = str | int
Row = dict[str, str]
Values = dict[str, float]
Task = tuple[int, str, Unit]  # chapter, experiment, unit


@dataclass(frozen=True)
class Claim:
    """A sentence about one number that an experiment measures on each of its units.

    Args:
        key: the name under which the experiment's `measure` returns the number.
        text: the sentence as a chapter shows it; it names the number's unit (%, logits, ...) and its limit.
        holds: whether the sentence is true of one value; None for a baseline, which claims nothing.
        tolerance: by how much a value measured again, maybe on another processor, may differ.
    """

    key: str
    text: str
    holds: Callable[[float], bool] | None
    tolerance: float


@dataclass(frozen=True)
class Experiment:
    """What is measured on each of several units (seeds, photos, mosaics), and what is claimed of it.

    Args:
        name: unique among all chapters.
        chapter: its number.
        units: what `measure` is called with, one at a time.
        measure: the values for one unit, by the claims' keys; a claim that cannot be said of this unit (a
            photo named wrongly, say) is left out, and its n counts the others.
        claims: the sentences; a baseline has its own.
        cost: roughly the seconds that one unit takes on one core.
    """

    name: str
    chapter: int
    units: tuple[Unit, ...]
    measure: Callable[[Unit], Values]
    claims: tuple[Claim, ...]
    cost: float = 1.0


def chapters() -> list[int]:
    """The numbers of the chapters that have experiments: of the modules ch01, ch04, ..."""
    names = [module.name for module in pkgutil.iter_modules(claims.__path__)]
    return sorted(int(name[2:]) for name in names if name[:2] == "ch" and name[2:].isdigit())


def experiments(chapter: int) -> dict[str, Experiment]:
    """The experiments of one chapter by name; imports that chapter's module alone."""
    if chapter not in chapters():
        raise ValueError(f"expected a chapter among {chapters()}, got {chapter}")
    module = import_module(f"claims.ch{chapter:02}")
    return {experiment.name: experiment for experiment in module.EXPERIMENTS}


def measure(task: Task) -> tuple[Task, Values]:
    """One unit of one experiment; by names, since they travel between processes."""
    chapter, name, unit = task
    return task, experiments(chapter)[name].measure(unit)


@contextmanager
def in_double() -> Iterator[None]:
    """Within: new tensors are float64, so that a training repeats on other processors."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def unit_rows(experiment: Experiment, measured: Mapping[str, Values]) -> list[Row]:
    """The rows of `claims_units.csv` for one experiment, from its values by unit (as a string) and key."""
    return [
        dict(
            zip(
                UNITS_COLUMNS,
                (
                    str(experiment.chapter),
                    experiment.name,
                    claim.key,
                    str(unit),
                    number(measured[str(unit)][claim.key], 9),
                ),
                strict=True,
            )
        )
        for claim in experiment.claims
        for unit in experiment.units
        if claim.key in measured[str(unit)]
    ]


def summary_rows(experiment: Experiment, rows: Iterable[Row]) -> list[Row]:
    """The rows of `claims.csv` for one experiment, from rows of `claims_units.csv`."""
    mine = [row for row in rows if row["experiment"] == experiment.name]
    return [
        _summary(experiment, claim, [float(row["value"]) for row in mine if row["key"] == claim.key])
        for claim in experiment.claims
    ]


def _summary(experiment: Experiment, claim: Claim, values: list[float]) -> Row:
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(
            f"expected finite values of {experiment.name}, {claim.key}, got {values}; mend measure"
        )
    lowest, lower, median, upper, highest = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return {
        "chapter": str(experiment.chapter),
        "claim": claim.text,
        "n": str(len(values)),
        "holds": "" if claim.holds is None else str(sum(bool(claim.holds(value)) for value in values)),
        "median": number(median),
        "lower_quartile": number(lower),
        "upper_quartile": number(upper),
        "lowest": number(lowest),
        "highest": number(highest),
        "key": claim.key,
        "tolerance": number(claim.tolerance),
        "experiment": experiment.name,
        "shown": "yes" if is_shown(experiment.chapter, experiment.name, claim.key) else "",
    }


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits; minus zero is zero."""
    return f"{value + 0.0:.{digits}g}"


def read(path: Path) -> list[Row]:
    """The rows of a table; none where it is not yet there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path: Path, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Write a table in one step: it is never seen half written."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    Path(name).chmod(0o644)
    Path(name).replace(path)


def replace_chapter(path: Path, columns: tuple[str, ...], chapter: int, rows: list[Row]) -> None:
    """Write a table with one chapter's rows replaced and the others as they are, by chapter."""
    others = [row for row in read(path) if row["chapter"] != str(chapter)]
    write(path, columns, sorted([*others, *rows], key=lambda row: int(row["chapter"])))


def store(found: Iterable[Experiment], measured: Mapping[str, Mapping[str, Values]]) -> None:
    """Replace one chapter's rows in both tables by the values of its experiments, by experiment and unit."""
    found = list(found)
    rows = [row for experiment in found for row in unit_rows(experiment, measured[experiment.name])]
    summary = [row for experiment in found for row in summary_rows(experiment, rows)]
    replace_chapter(UNITS, UNITS_COLUMNS, found[0].chapter, rows)
    replace_chapter(SUMMARY, SUMMARY_COLUMNS, found[0].chapter, summary)
