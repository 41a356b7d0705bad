"""Exercises that check themselves: predict, write, check, compare.

`check` runs an answer on random shapes and values in double precision, beside the right answer and beside
the usual wrong ones, and says which misconception it has. Nothing is hidden: the checks of a chapter stand in
the module of its number (`helpers/exercises/ch06.py`), with the right answers. They ask whoever reads them
there what for.
"""

from __future__ import annotations

import difflib
import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType
from typing import Any

import numpy as np
import torch
from IPython.display import Markdown

from helpers.exercises.judging import Judge, Wrong
from helpers.tables import as_table

__all__ = ["Prediction", "check", "compare", "predict"]


@dataclass(frozen=True)
class Prediction:
    """What someone expects before they run an exercise; what they have not said yet is `...`."""

    label: str
    claims: Mapping[str, object] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The questions without an answer."""
        return [question for question, said in self.claims.items() if said is ...]


def predict(label: str, **claims: object) -> Prediction:
    """Commit a prediction, before anything is run.

    Args:
        label: the exercise's, such as `"ex-temperature"`.
        claims: for each question of the exercise what you expect: a word, a number, True or False.

    Returns:
        The prediction, for `check` and `compare`.

    Raises:
        ValueError: there is no such exercise.

    >>> mine = predict("ex-temperature", order="the same", best=...)
    ex-temperature: not predicted yet: best. Write what you expect in place of `...`, and run it again.
    >>> mine = predict("ex-temperature", order="the same", best="shrinks")
    ex-temperature: your prediction is kept. Now write and check your answer.
    """
    _judges(label)
    made = Prediction(label, dict(claims))
    if made.missing:
        names = ", ".join(made.missing)
        print(
            f"{label}: not predicted yet: {names}. Write what you expect in place of `...`, and run it again."
        )
    else:
        print(f"{label}: your prediction is kept. Now write and check your answer.")
    return made


def check(label: str, answer: Callable[..., Any], prediction: Prediction | None = None) -> bool:
    """Check a function that answers an exercise, and say in one sentence what is wrong with it.

    Args:
        label: the exercise's.
        answer: the function that the exercise asks for.
        prediction: what `predict` returned, for an exercise that asks for one.

    Returns:
        Whether the answer is right, and the prediction complete.

    Raises:
        ValueError: there is no such exercise.

    >>> check("ex-temperature", lambda logits, divisor: logits.softmax(dim=1) / divisor)
    ex-temperature: not yet. You divided the probabilities: they no longer add up to 1. Divide the logits.
    False
    >>> check("ex-temperature", lambda logits, divisor: (logits / divisor).softmax(dim=1))
    ex-temperature: right.
    True
    """
    judge = _judges(label)[label]
    if prediction is not None and (prediction.missing or prediction.label != label):
        print(f"{label}: not yet. Predict first: fill in the cell with `predict`, and run it.")
        return False
    try:
        with torch.random.fork_rng(devices=[]):  # later cells draw as if there were no check
            judge(_written(answer))
    except Wrong as verdict:
        print(f"{label}: not yet. {verdict.says}")
        return False
    except Exception as error:
        print(f"{label}: not yet. {_raised(error)}")
        return False
    print(f"{label}: right.")
    return True


def compare(prediction: Prediction, **found: object) -> Markdown:
    """What was predicted beside what was found.

    Args:
        prediction: what `predict` returned.
        found: for each question of the prediction what the run showed.

    Returns:
        A table that a notebook shows, with a row for each question; or a sentence that says what is missing.

    Raises:
        ValueError: the questions are not those of the prediction.

    >>> mine = Prediction("ex-temperature", {"best": "grows"})
    >>> print(compare(mine, best="shrinks").data)
    | question | predicted | found | agree |
    | --- | --- | --- | --- |
    | best | grows | shrinks | no |
    """
    if found.keys() != prediction.claims.keys():
        raise ValueError(
            f"{prediction.label} asks for {', '.join(prediction.claims)}; "
            f"you gave {', '.join(found) or 'nothing'}: give each of them once."
        )
    missing = prediction.missing + [question for question, said in found.items() if said is ...]
    if missing:
        return Markdown(  # type: ignore[no-untyped-call]
            f"{prediction.label}: nothing to compare yet: {', '.join(dict.fromkeys(missing))}. "
            "Predict, run, and write what you found in place of `...`."
        )
    rows = [
        (question.replace("_", " "), said, found[question], "yes" if _agree(said, found[question]) else "no")
        for question, said in prediction.claims.items()
    ]
    return as_table(["question", "predicted", "found", "agree"], rows)


def _agree(said: object, found: object) -> bool:
    """Whether a prediction came true, also where it is written in another way."""
    if isinstance(found, bool | np.bool_) and isinstance(said, str):
        return said.strip().casefold() in (("yes", "true") if found else ("no", "false"))
    if isinstance(found, str) and isinstance(said, str):
        one, other = ("".join(text.casefold().replace("×", "x").split()) for text in (said, found))
        return one == other
    if isinstance(found, set) and isinstance(said, list | tuple):
        return set(said) == found
    if isinstance(found, float) and isinstance(said, int | float):
        return math.isclose(said, found, rel_tol=1e-3)
    return bool(said == found)


def _judges(label: str) -> Mapping[str, Judge]:
    """The checks of the chapter that has this exercise."""
    known: list[str] = []
    for path in sorted(Path(__file__).parent.glob("ch[0-9][0-9].py")):
        judges: Mapping[str, Judge] = importlib.import_module(f"{__name__}.{path.stem}").JUDGES
        if label in judges:
            return judges
        known += judges
    near = difflib.get_close_matches(label, known, n=1)
    raise ValueError(
        f"There is no exercise {label!r}"
        + (f": did you mean {near[0]!r}?" if near else ": give its label, ex-….")
    )


def _written(answer: Callable[..., Any]) -> Callable[..., Any]:
    """The answer, which tells where nothing has been written yet."""
    if not callable(answer):
        raise Wrong("not a function", "Give the function itself, without calling it: no parentheses.")

    def told(*arguments: Any) -> Any:
        result = answer(*arguments)
        if result is None:
            raise Wrong("nothing", "Your function returns nothing: write it, and end it with `return`.")
        parts = result if isinstance(result, tuple | list) else [result]
        if any(isinstance(part, EllipsisType) for part in parts):
            raise Wrong("gap", "What your function returns is still `...`, or a part of it: fill it in.")
        return result

    return told


def _raised(error: Exception) -> str:
    """What an answer raised, in one sentence."""
    if re.search(r"ellipsis(?! was given)", str(error), re.IGNORECASE):  # einsum speaks of its own ones
        return "There is still `...` in your function: fill in every gap."
    said = str(error).strip().splitlines()
    return f"Your function raised {type(error).__name__}" + (f": {said[0]}" if said else ".")
