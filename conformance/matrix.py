"""The matrix: every method of every library under every condition."""

import warnings
from collections import OrderedDict
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from io import StringIO
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from conformance import by_captum, by_grad_cam, by_torchcam, by_zennit
from conformance.compare import Cell, close, compare
from conformance.methods import Departure, Method, Run
from conformance.networks import CLASSES, network, pictures, ranked
from conformance.state import changes, snapshot

LIBRARIES: tuple[ModuleType, ...] = (by_grad_cam, by_torchcam, by_captum, by_zennit)
LATE = "activations are read when the ReLU has overwritten them"
INSTEAD = "the map of the ReLU that overwrites the layer"
Row = dict[str, Any]


def matrix(only: Callable[[str, str], bool] = lambda library, name: True) -> dict[str, Any]:
    """Everything that is written to data/conformance.json; `only` chooses rows by library and name."""
    return {
        "versions": {name: version(name) for name in ("torch", *(part.NAME for part in LIBRARIES))},
        "libraries": {part.NAME: part.NOTES for part in LIBRARIES},
        "measures": "Quantus is compared by `make quantus`, in an environment of its own.",
        "columns": {name: " ".join((column.__doc__ or "").split()) for name, column in COLUMNS.items()},
        "rows": [row for part in LIBRARIES for row in _rows(part, only)],
    }


def _rows(part: ModuleType, only: Callable[[str, str], bool]) -> list[Row]:
    compared = {method.name: method for method in part.METHODS}
    names = [*compared, *sorted(part.installed() - set(compared))]
    return [_row(part, name, compared.get(name)) for name in names if only(part.NAME, name)]


def _row(part: ModuleType, name: str, method: Method | None) -> Row:
    row: Row = {"library": part.NAME, "method": name}
    if method is None:
        return row | {"not compared": _why(part, name)}
    cells = {title: column(method) for title, column in COLUMNS.items() if _applies(title, method)}
    return row | {"formula": method.called, "defaults": defaults(method), "cells": cells}


def _why(part: ModuleType, name: str) -> str:
    told = part.not_compared(name) if hasattr(part, "not_compared") else part.NOT_COMPARED.get(name)
    return told or "no formula of ours"


def _applies(title: str, method: Method) -> bool:
    return title != "overwritten" or method.layer is not None


# --- running both sides


def _layer(model: nn.Module, method: Method) -> nn.Module:
    return model.get_submodule(method.layer or "middle")


def quietly(run: Run, *given: Any) -> Tensor:
    """A call from a fixed seed, without the warnings and the progress bars of libraries."""
    with (
        warnings.catch_warnings(),
        torch.random.fork_rng(devices=[]),
        redirect_stdout(StringIO()),
        redirect_stderr(StringIO()),
    ):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return run(*given)


def theirs(method: Method, model: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    """What the library gives."""
    return quietly(method.run, model, _layer(model, method), x, target).clone()


def ours(formula: Any, method: Method, condition: str, x: Tensor, target: list[int]) -> Tensor:
    """What the formula gives, on a network of its own."""
    model = network(condition)
    return quietly(formula, model, _layer(model, method), x.clone(), target).detach()


def judged(method: Method, condition: str, found: Tensor, x: Tensor, target: list[int]) -> Cell:
    """The comparison with the formula, and, where that differs, with what is known of the library."""
    try:
        cell = compare(found, ours(method.formula, method, condition, x, target))
    except ValueError as error:
        return {"result": "not defined", "why": _said(error)}
    if cell["result"] != "differs":
        return cell
    number = [] if method.arbitrary_sign else [cell["why"]]
    return {"result": "differs", "why": "; ".join(_known(method, condition, found, x, target) + number)}


def _known(method: Method, condition: str, found: Tensor, x: Tensor, target: list[int]) -> list[str]:
    """The reasons for which formulas give what was found, for each picture some formula; else nothing."""
    late = [("ReLU", [INSTEAD]), ("overwritten, as read", [LATE])] if condition == "overwritten" else []
    tried = (Departure(method.formula, ""), *method.departures)
    for where, reasons in [(condition, []), *late]:
        maps = [(ours(one.formula, method, where, x, target), one.why) for one in tried]
        fitting = [
            _fitting(found[n : n + 1], [(m[n : n + 1], why) for m, why in maps]) for n in range(len(x))
        ]
        if None not in fitting:
            return [*reasons, *dict.fromkeys(filter(None, fitting))]
    return []


def _fitting(found: Tensor, maps: list[tuple[Tensor, str]]) -> str | None:
    return next((why for expected, why in maps if compare(found, expected)["result"] != "differs"), None)


def _said(error: Exception) -> str:
    said = str(error).removesuffix(" and no __dict__ for setting new attributes")  # newer Pythons add it
    return f"{type(error).__name__}: {' '.join(said.split())[:100]}"


def _refusable(column: Callable[[Method], Cell]) -> Callable[[Method], Cell]:
    def cell(method: Method) -> Cell:
        try:
            return column(method)
        except Exception as error:
            return {"result": "refuses", "why": _said(error)}

    cell.__doc__ = column.__doc__
    return cell


# --- the columns


def _on(condition: str, words: str) -> Callable[[Method], Cell]:
    def column(method: Method) -> Cell:
        model, x = network(condition), pictures()
        target = [ranked(model, x)[0][0]]
        return judged(method, condition, theirs(method, model, x.clone(), target), x, target)

    column.__doc__ = words
    return _refusable(column)


@_refusable
def _batch(method: Method) -> Cell:
    """Three pictures at once, each with another class; the formula explains one by one."""
    model, x = network(), pictures(3)
    target = [row[n] for n, row in enumerate(ranked(model, x))]
    found = theirs(method, model, x.clone(), target)
    if len(found) != len(x):
        return {"result": "differs", "why": f"explains {len(found)} of {len(x)} pictures"}
    return judged(method, "ReLU", found, x, target)


@_refusable
def _two_classes(method: Method) -> Cell:
    """The highest and the lowest class of one picture, one after the other on one model."""
    model, x = network(), pictures()
    order = ranked(model, x)[0]
    cells = [
        judged(method, "ReLU", theirs(method, model, x.clone(), [k]), x, [k]) for k in (order[0], order[-1])
    ]
    return cells[0] if cells[0]["result"] == "differs" else cells[1]


@_refusable
def _train_mode(method: Method) -> Cell:
    """The model is in training mode: is it still, are its running statistics kept, and which map comes?"""
    model, x = network().train(), pictures(3)
    target = [row[0] for row in ranked(network(), x)]
    before = snapshot(model, x)
    found = theirs(method, model, x, target)
    changed = [what for what in changes(before, model, x) if what in ("training mode", "running statistics")]
    told = f"map as in {_mode(method, found, x, target)}"
    if changed:
        return {"result": "changes the model", "why": f"{', '.join(changed)}; {told}"}
    return {"result": "unchanged", "why": told}


def _mode(method: Method, found: Tensor, x: Tensor, target: list[int]) -> str:
    evaluated = theirs(method, network(), x.detach().clone(), target)
    if evaluated.shape == found.shape and close(found.double(), evaluated.double()):
        return "eval mode"
    return "training mode"


@_refusable
def _twice(method: Method) -> Cell:
    """The same call again, on the same model and the same tensor."""
    model, x = network(), pictures()
    target = [ranked(model, x)[0][0]]
    first, second = (theirs(method, model, x, target).double() for _ in range(2))
    if close(second, first):
        return {"result": "equal"}
    return {"result": "differs", "why": f"{(second / first).nanmedian().item():.1f} times the first"}


@_refusable
def _afterwards(method: Method) -> Cell:
    """What is not as it was after a call: the model, in eval mode, and the picture."""
    model, x = network(), pictures()
    target = [ranked(model, x)[0][0]]
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = snapshot(model, x)
    theirs(method, model, x, target)
    return _changed(changes(before, model, x))


class _Falling(nn.Module):
    """Hands on what it gets a few times, then raises."""

    def __init__(self, passes: int) -> None:
        super().__init__()
        self.left = passes

    def forward(self, x: Tensor) -> Tensor:
        if not self.left:
            raise ArithmeticError("on purpose")
        self.left -= 1
        return x


def _after_an_error(method: Method) -> Cell:
    """What is not as it was after a call within which the network raised, in its first to third pass."""
    found: dict[str, None] = {}
    for passes in range(3):
        model, x = network(), pictures()
        model.append(_Falling(passes).eval())
        before = snapshot(model, x)
        try:
            theirs(method, model, x, [0])
        except ArithmeticError:
            found |= dict.fromkeys(what for what in changes(before, model, x))
        except Exception as error:
            return {"result": "refuses", "why": _said(error)}
    return _changed(list(found))


def _changed(names: list[str]) -> Cell:
    return {"result": "changes the model", "why": ", ".join(names)} if names else {"result": "unchanged"}


COLUMNS: dict[str, Callable[[Method], Cell]] = {
    "ReLU": _on("ReLU", "One picture and its top class; a network with nn.ReLU."),
    "ReLU6": _on("ReLU6", "The same with nn.ReLU6, whose activations do reach 6."),
    "in place": _on("in place", "The same with nn.ReLU(inplace=True)."),
    "reused": _on("reused", "The same with one nn.ReLU for the whole network."),
    "function": _on("function", "The same with F.relu, called by a module that is no nn.ReLU."),
    "overwritten": _on("overwritten", "The layer is a batch norm, and a ReLU in place follows it."),
    "batch": _batch,
    "two classes": _two_classes,
    "train mode": _train_mode,
    "twice": _twice,
    "afterwards": _afterwards,
    "after an error": _after_an_error,
}


# --- what a library does unless told otherwise


def _probe() -> nn.Sequential:
    """A network whose activations, gradients and maps are above zero everywhere for pictures that are."""
    model = nn.Sequential(
        OrderedDict(
            front=nn.Conv2d(3, 4, 2, 2),
            middle=nn.ReLU(),
            end=nn.Identity(),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            head=nn.Linear(4, CLASSES),
        )
    )
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    return model.double().eval()


def defaults(method: Method) -> Row:
    """What is seen of the method with the library's own options, and which were changed."""
    run = method.plain or method.run
    try:
        seen = _seen(run, method)
    except Exception as error:
        seen = {"refuses": _said(error)}
    return {"changed": method.changed} | seen


def _seen(run: Run, method: Method) -> Row:
    model, x = network(), pictures()
    found = [_by_default(run, method, model, x, k) for k in ranked(model, x)[0]]
    seen = {
        "signed": any(bool((one < 0).any()) for one in found),
        "size": "picture" if found[0].shape[-1] == x.shape[-1] else "layer",
        "largest value 1": all(abs(one.max().item() - 1) < 1e-4 for one in found if one.any()),
    }
    if method.layer is None:
        return seen
    return seen | {"minimum subtracted": _by_default(run, method, _probe(), x.abs() + 1, 0).min().item() == 0}


def _by_default(run: Run, method: Method, model: nn.Module, x: Tensor, k: int) -> Tensor:
    return quietly(run, model, _layer(model, method), x.clone(), [k]).double()
