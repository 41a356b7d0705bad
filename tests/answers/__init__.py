"""Right and wrong answers to the exercises, as students write them: what the checks are tested with."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Answer = Callable[..., Any]


@dataclass(frozen=True)
class Answers:
    """For one exercise: right answers written in different ways, and wrong ones with the blame they deserve.

    The blame is the name of a misconception in `helpers/exercises/chNN.py`, or "" where a check can only say
    that something differs.
    """

    right: list[Answer]
    wrong: list[tuple[str, Answer]]


def answers() -> dict[str, Answers]:
    """All of them, by the labels of their exercises."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("ch[0-9][0-9].py"))
    return {
        label: given
        for name in names
        for label, given in importlib.import_module(f"tests.answers.{name}").ANSWERS.items()
    }
