"""How an answer is judged: on random cases, beside the right answer and beside the usual wrong ones."""

from __future__ import annotations

import copy
import math
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

__all__ = ["Answer", "Draw", "Judge", "Wrong", "any_of", "by_cases", "same"]

Answer = Callable[..., Any]
Judge = Callable[[Answer], None]
Network = TypeVar("Network", bound=nn.Module)
SINGLE = 1e-4  # how far results in single precision may differ, relative to the largest
DOUBLE = 1e-7
LEVELS = 1.5  # how far grey levels of pictures may differ, of 255


class Wrong(Exception):  # noqa: N818, no error of the program
    """A verdict: `name` is the misconception ("" where none is known), `says` the sentence for it."""

    def __init__(self, name: str, says: str) -> None:
        """Keep both."""
        super().__init__(says)
        self.name = name
        self.says = says


class Draw:
    """Random sizes and values for the cases of a check, all numbers in double precision.

    >>> draw = Draw(0)
    >>> draw.normal(2, draw.size(3, 5)).dtype
    torch.float64
    """

    def __init__(self, seed: int | None = None) -> None:
        """Begin anywhere, or at a seed."""
        self.lot = torch.Generator().manual_seed(secrets.randbits(32) if seed is None else seed)

    def size(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(torch.randint(low, high + 1, (), generator=self.lot))

    def number(self, low: float, high: float) -> float:
        """A number between two others."""
        return low + (high - low) * float(torch.rand((), generator=self.lot, dtype=torch.float64))

    def normal(self, *shape: int) -> Tensor:
        """Numbers around zero, of both signs."""
        return torch.randn(*shape, generator=self.lot, dtype=torch.float64)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 to 1, such as a picture has."""
        return torch.rand(*shape, generator=self.lot, dtype=torch.float64)

    def picture(self, width: int, height: int) -> Image.Image:
        """A photo of coloured noise, with as much detail as there can be."""
        levels = (255 * self.uniform(height, width, 3)).round().to(torch.uint8)
        return Image.fromarray(levels.numpy())

    def labels(self, count: int, classes: int) -> Tensor:
        """Whole numbers (int64) below `classes`."""
        return torch.randint(classes, (count,), generator=self.lot)

    def filled(self, model: Network) -> Network:
        """The network in double precision and eval mode, with random numbers for its weights."""
        for weight in model.double().eval().parameters():
            weight.data = self.normal(*weight.shape)
        return model


def by_cases(
    right: Answer,
    cases: Callable[[Draw], Iterable[Sequence[Any]]],
    wrong: Mapping[str, tuple[Answer, str]],
) -> Judge:
    """A judge that runs an answer on random cases, each time on copies, so that it may work in place.

    Args:
        right: the right answer.
        cases: draws the arguments of a few calls.
        wrong: for each misconception's name, an answer of that kind, and the sentence for whoever gives it.
            An answer has a misconception where it agrees with it in every case.

    Returns:
        A function that raises `Wrong` for a wrong answer, and passes on what the answer raises.

    >>> judge = by_cases(
    ...     right=lambda x: x.mean(),
    ...     cases=lambda draw: [(draw.normal(draw.size(3, 9)),) for _ in range(3)],
    ...     wrong={"sum": (lambda x: x.sum(), "You added them up: a mean divides by how many there are.")},
    ... )
    >>> judge(lambda x: x.sum() / len(x))
    >>> judge(torch.sum)
    Traceback (most recent call last):
    helpers.exercises.judging.Wrong: You added them up: a mean divides by how many there are.
    """

    def judge(answer: Answer) -> None:
        drawn = [tuple(case) for case in cases(Draw())]
        found = [answer(*copy.deepcopy(case)) for case in drawn]
        expected = [right(*copy.deepcopy(case)) for case in drawn]
        if all(map(same, found, expected)):
            return
        for name, (usual, says) in wrong.items():
            if all(same(one, _tried(usual, case)) for one, case in zip(found, drawn, strict=True)):
                raise Wrong(name, says)
        first = next(k for k in range(len(drawn)) if not same(found[k], expected[k]))
        raise Wrong("", _unlike(found[first], expected[first], drawn[first]))

    return judge


def any_of(*judges: Judge) -> Judge:
    """A judge for what has several right answers: right for one is right; else a verdict that has a name."""

    def judge(answer: Answer) -> None:
        verdicts = []
        for one in judges:
            try:
                return one(answer)
            except Wrong as verdict:
                verdicts.append(verdict)
        raise next((verdict for verdict in verdicts if verdict.name), verdicts[0])

    return judge


def same(found: Any, expected: Any) -> bool:
    """Whether two results are equal, but for rounding and for the kind of array that holds them.

    >>> same([1, 2.0], torch.tensor([1.0, 2.0])), same((1, "a"), (1, "b"))
    (True, False)
    """
    if isinstance(expected, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == expected.keys()
            and all(same(found[key], expected[key]) for key in expected)
        )
    if isinstance(expected, tuple | list) and not _numeric(expected):
        return (
            isinstance(found, tuple | list)
            and len(found) == len(expected)
            and all(map(same, found, expected))
        )
    if isinstance(expected, str | bool | slice) or isinstance(found, bool) or expected is None:
        return type(found) is type(expected) and bool(found == expected)
    if isinstance(expected, Image.Image):
        if not isinstance(found, Image.Image) or (found.size, found.mode) != (expected.size, expected.mode):
            return False
        return bool(np.abs(np.asarray(found, float) - np.asarray(expected, float)).max() < LEVELS)
    one, other = _array(found), _array(expected)
    if one is None or other is None or one.shape != other.shape:
        return False
    share = SINGLE if _single(found) or _single(expected) else DOUBLE
    size = np.abs(other[np.isfinite(other)]).max(initial=0.0)
    return bool(np.allclose(one, other, rtol=0, atol=share * max(size, 1e-12), equal_nan=True))


def _numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _array(values: Any) -> np.ndarray[Any, Any] | None:
    """The values as an array of float64, or None where they are no numbers."""
    if isinstance(values, tuple | list):  # of tensors that still belong to a graph
        values = [value.detach() if isinstance(value, Tensor) else value for value in values]
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
        return None if array.dtype.kind not in "biuf" else array.astype(float)
    except (TypeError, ValueError):
        return None


def _single(values: Any) -> bool:
    return getattr(values, "dtype", None) in (torch.float32, np.float32, torch.float16, np.float16)


def _tried(usual: Answer, case: tuple[Any, ...]) -> Any:
    """What a usual wrong answer gives; some of them cannot even run on every case."""
    try:
        return usual(*copy.deepcopy(case))
    except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError):
        return math.nan, "no result"


def _unlike(found: Any, expected: Any, case: tuple[Any, ...]) -> str:
    """In one sentence how a result differs in its form, or that it does not."""
    given = ", ".join(_form(part) for part in case)
    if _form(found) != _form(expected):
        return f"For {given} your function returns {_form(found)}; it should return {_form(expected)}."
    return (
        f"For {given} your function returns {_form(found)}, as it should, but with other values: "
        "try it on the smallest example that you can do on paper."
    )


def _form(value: Any) -> str:
    """What a value is, without its contents."""
    if isinstance(value, tuple | list) and (row := _array(value)) is not None and row.ndim == 1:
        value = row  # as `same` takes it
    if isinstance(value, Tensor | np.ndarray):
        return f"an array of shape {tuple(value.shape)}" if value.ndim else "a number"
    if isinstance(value, Image.Image):
        return f"a picture of {value.width} × {value.height} pixels"
    if isinstance(value, bool | np.bool_):
        return "True or False"
    if isinstance(value, int | float | np.number):
        return "a number"
    if isinstance(value, dict):
        return f"a dictionary of {len(value)}"
    if isinstance(value, tuple | list):
        parts = f" ({', '.join(map(_form, value))})" if len(value) <= 3 else ""
        return f"a {'tuple' if isinstance(value, tuple) else 'list'} of {len(value)}{parts}"
    if isinstance(value, nn.Module):
        return "a network" if len(list(value.modules())) > 1 else "a layer"
    if isinstance(value, Path):
        return "a path"
    if callable(value):
        return "a function"
    return {"NoneType": "nothing", "str": "a string"}.get(type(value).__name__, f"a {type(value).__name__}")
