"""Tables that a notebook shows."""

import pytest
from markdown_it import MarkdownIt

from helpers import as_table


def cells(table):
    """The rows of the table as Markdown's own reader finds them, and each column's alignment."""
    tokens = MarkdownIt().enable("table").parse(table.data)
    rows, alignments = [], []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and before.type in ("th_open", "td_open"):
            rows[-1].append("".join(part.content for part in token.children))
            if before.type == "th_open":
                alignments.append(before.attrs.get("style", ""))
    return rows, alignments


def test_rows_are_read_back():
    rows, _ = cells(as_table(["name", "n"], [["a | b", 3], ["", None]]))
    assert rows == [["name", "n"], ["a | b", "3"], ["", "None"]]


@pytest.mark.parametrize(
    "column",
    [
        ["1", "-2.5"],
        [0.5, 1],
        ["12%", ""],
        ["3 %", "1,280"],
        ["1e-05", "+10"],
        ["-1.5e+10", "2"],
        ["-1 to 2", "0.5 to 1.2"],
    ],
)
def test_numbers_stand_at_the_right(column):
    _, alignments = cells(as_table(["name", "value"], [["a", value] for value in column]))
    assert alignments == ["", "text-align:right"]


@pytest.mark.parametrize(
    "column", [["1", "two"], ["2 of 3", "1"], ["(7, 7)", "1"], ["1a", "2"], ["- 1", "2"], ["1 to", "2"]]
)
def test_words_do_not(column):
    assert cells(as_table(["value"], [[value] for value in column]))[1] == [""]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells, one for each title, not 3"):
        as_table(["a", "b"], [[1, 2], [1, 2, 3]])


def test_a_table_may_have_no_rows():
    assert as_table(["a", "b"], []).data.splitlines()[0] == "| a | b |"
