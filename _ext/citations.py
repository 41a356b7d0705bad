"""Citations by author and year: 2016a and 2016b where one author has two papers in a year."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style as PlainStyle
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.sorting.author_year_title import SortingStyle
from sphinx.application import Sphinx
from sphinxcontrib.bibtex.style.referencing import basic_author_year, extra_year
from sphinxcontrib.bibtex.style.template import node


def short_names(entry: Entry) -> str:
    """Family names as the text cites them: one, two, or the first and "et al."."""
    persons = entry.persons["author"]
    family = [str(Text.from_latex(" ".join(p.prelast_names + p.last_names))) for p in persons]
    return " and ".join(family) if len(family) < 3 else f"{family[0]} et al."


class Labels(BaseLabelStyle):
    """Labels such as "He et al., 2016b", the letter only where it is needed."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Give each entry its label, in the order of the list."""
        plain = [f"{short_names(entry)}, {entry.fields['year']}" for entry in sorted_entries]
        total, seen = Counter(plain), Counter[str]()
        for label in plain:
            seen[label] += 1
            yield label + (" abcdefgh"[seen[label]] if total[label] > 1 else "")


class Sorting(SortingStyle):
    """By author, year and title; braces around an institution's name do not count."""

    def sorting_key(self, entry: Entry) -> tuple[str, ...]:
        """The key of pybtex without braces."""
        return tuple(part.strip("{").lower() for part in super().sorting_key(entry))


class AuthorYear(PlainStyle):
    """The plain list, with the labels above instead of numbers."""

    default_label_style = Labels
    default_sorting_style = Sorting


@node
def year(children: list[Any], data: dict[str, Any]) -> Text:
    """The year of a citation with its letter, which only the label knows."""
    return Text(data["formatted_entry"].label.rsplit(", ", 1)[1])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the style; sphinxcontrib-bibtex has no setting for the year alone."""
    register_plugin("pybtex.style.formatting", "author_year_list", AuthorYear)
    basic_author_year.year = extra_year.year = year
    return {"parallel_read_safe": True, "parallel_write_safe": True}
