"""How far a chapter's claims hold: its rows of the stored table, as a table to show."""

import csv
import importlib.resources
import operator
from typing import SupportsIndex

from IPython.display import Markdown

from helpers.tables import as_table

__all__ = ["claims_of"]

TITLES = ("claim", "n", "holds", "median", "quartiles", "range")


def claims_of(chapter: SupportsIndex) -> Markdown:
    """What `make claims` measured for one chapter: a row for each claim that the chapter shows.

    *n* counts the units measured (seeds, photos, mosaics), *holds* those for which the sentence is true; a
    baseline claims nothing and has no count there. Numbers are in the unit that the sentence names.

    Args:
        chapter: its number.

    Returns:
        A table that a notebook shows: claim, n, holds, median, quartiles and range.

    Raises:
        ValueError: no claims of this chapter are stored.

    >>> table = claims_of(8)
    >>> table.data.splitlines()[0]
    '| claim | n | holds | median | quartiles | range |'

    Chapters 1 to 12, *How far does it hold?*
    """
    text = importlib.resources.files("helpers.data").joinpath("claims.csv").read_text(encoding="utf-8")
    stored = list(csv.DictReader(text.splitlines()))
    rows = [row for row in stored if row["chapter"] == str(operator.index(chapter)) and row["shown"]]
    if not rows:
        known = ", ".join(sorted({row["chapter"] for row in stored}, key=int))
        raise ValueError(f"claims_of needs a chapter with stored claims ({known}), not {chapter!r}.")
    return as_table(TITLES, map(_cells, rows))


def _cells(row: dict[str, str]) -> tuple[str, ...]:
    quartiles = f"{_short(row['lower_quartile'])} to {_short(row['upper_quartile'])}"
    ends = f"{_short(row['lowest'])} to {_short(row['highest'])}"
    return row["claim"], row["n"], row["holds"], _short(row["median"]), quartiles, ends


def _short(number: str) -> str:
    """Three significant digits, and all digits of the whole part: 0.000123, 12.3, 1,234."""
    value = float(number)
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.0e}"
    return f"{value:.3g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"
