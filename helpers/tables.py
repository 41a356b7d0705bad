"""Rows as a table that a notebook shows, instead of columns that are printed."""

import re
from collections.abc import Iterable, Sequence

from IPython.display import Markdown

__all__ = ["as_table"]

ONE = r"[-+]?[\d.,]+(e[-+]\d+)?( ?%)?"
NUMBERS = re.compile(rf"({ONE}( to {ONE})?)?")  # a number, a range or nothing


def as_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """A table with a line for each row; columns of numbers and of ranges are aligned to the right.

    Args:
        titles: the heads of the columns.
        rows: as many cells each as there are titles; a cell is shown as `str` gives it, so round numbers
            before.

    Returns:
        Markdown, which a notebook shows as a table.

    Raises:
        ValueError: a row has more or fewer cells than there are titles.

    >>> print(as_table(["breed", "logit"], [["boxer", "9.33"], ["pug", "2.90"]]).data)
    | breed | logit |
    | --- | ---: |
    | boxer | 9.33 |
    | pug | 2.90 |

    Used from chapter 2 on.
    """
    heads = [str(title) for title in titles]
    lines = [[str(cell) for cell in row] for row in rows]
    for line in lines:
        if len(line) != len(heads):
            raise ValueError(
                f"Each row must have {len(heads)} cells, one for each title, not {len(line)}: {line}."
            )
    columns = zip(*lines, strict=True) if lines else ((),) * len(heads)
    numeric = [all(map(NUMBERS.fullmatch, column)) for column in columns]
    rule = ["---:" if right else "---" for right in numeric]
    written = "\n".join(_line(cells) for cells in [heads, rule, *lines])
    return Markdown(written)  # type: ignore[no-untyped-call]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
