"""Two attributions side by side: a cell of the matrix."""

import torch
from torch import Tensor

from helpers import upsample

Cell = dict[str, str]
TOLERANCE = (
    1e-4  # of the largest value: one library computes in single precision and adds 1e-7 here and there
)


def compare(theirs: Tensor, ours: Tensor) -> Cell:
    """`equal`, `equal up to scale` with the scale, or `differs` with what is measured."""
    if theirs.ndim == ours.ndim and theirs.shape[1:] != ours.shape[1:] and theirs.ndim == 3:
        ours = upsample(ours, (theirs.shape[1], theirs.shape[2]))
    if theirs.shape != ours.shape:
        return _cell(
            "differs", f"{len(theirs)} map(s) of {len(ours)}" if theirs.ndim == ours.ndim else "shape"
        )
    theirs, ours = theirs.double(), ours.detach().double()
    if close(theirs, ours):
        return _cell("equal")
    if close(_by_largest(theirs), _by_largest(ours)):
        return _cell("equal up to scale", "a factor for each map")
    if close(_stretched(theirs), _stretched(ours)):
        return _cell("equal up to scale", "each map's minimum subtracted, then divided by its maximum")
    return _cell("differs", f"correlation {correlation(theirs, ours):.2f}")


def close(theirs: Tensor, ours: Tensor) -> bool:
    """Whether two tensors of one shape differ by less than a fraction of the largest value."""
    return bool((theirs - ours).abs().max() <= TOLERANCE * ours.abs().max())


def correlation(theirs: Tensor, ours: Tensor) -> float:
    """Pearson's, to two digits, and 1 only where there is no difference at all; 0 where one is constant."""
    pair = torch.stack([theirs.flatten(), ours.flatten()])
    if (pair.std(dim=1) == 0).any():
        return 0.0
    return min(round(torch.corrcoef(pair)[0, 1].item(), 2), 0.99) + 0.0


def _cell(result: str, why: str = "") -> Cell:
    return {"result": result, "why": why} if why else {"result": result}


def _by_largest(maps: Tensor) -> Tensor:
    flat = maps.flatten(1)
    return flat / flat.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)


def _stretched(maps: Tensor) -> Tensor:
    low = maps.flatten(1) - maps.flatten(1).amin(dim=1, keepdim=True)
    return low / low.amax(dim=1, keepdim=True).clamp(min=1e-12)
