"""What a heat map is held against: known boxes in the picture, and the score when a part is covered."""

import math
from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor, nn

from helpers.cam import upsample
from helpers.images import Box
from helpers.scores import Target, check_images, class_scores, target_classes, whole, whole_numbers

__all__ = ["occlusion_map", "share_in"]


def occlusion_map(
    model: nn.Module,
    x: Tensor,
    target: Target = None,
    *,
    places: tuple[int, int] = (7, 7),
    side: int = 64,
    cover: float = 0.0,
) -> Tensor:
    r"""Occlusion: what it costs the logit of a class to cover the picture around each place.

    $$D_{ij} = y(x) - y(x \text{ with a square around place } (i, j) \text{ painted over})$$

    Positive where the score needs what is there, negative where the score rises without it. No graph is
    recorded, and the model stays as it is; in training mode it keeps its running statistics.

    Args:
        model: a network with x (N, 3, H, W) -> logits (N, classes), in eval mode.
        x: preprocessed images, floating point, finite, (N, 3, H, W).
        target: the class whose logit is watched, as for `grad_cam`.
        places: rows and columns of the map; the squares' centres lie evenly over the picture.
        side: edge of the square in pixels of x; what hangs over the border is cut off.
        cover: the value painted, in the units of x: 0 is the mean colour of the preprocessing.

    Returns:
        The drops, signed, in logit units, detached: (N, h, w), or (N, K, h, w) for an (N, K) target.

    Raises:
        TypeError: x or the target has the wrong type.
        ValueError: x has the wrong shape or is not finite, the target does not fit, `places` or `side` are
            not whole numbers of at least 1, or `cover` is not a finite number.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False))
    >>> _ = nn.init.constant_(net[1].weight, 1.0)
    >>> occlusion_map(net, torch.ones(1, 1, 4, 4), target=0, places=(2, 2), side=2)
    tensor([[[4., 4.],
             [4., 4.]]])

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2;
    by hand in chapter 10.
    """
    check_images(x)
    edge, grid = whole(side), whole_numbers(places, count=2) if isinstance(places, tuple) else None
    if edge is None or grid is None or min(edge, *grid) < 1:
        raise ValueError(
            f"places must be (rows, columns) and side a number of pixels, all whole and at least 1, "
            f"not {places!r} and {side!r}."
        )
    if not isinstance(cover, Real) or isinstance(cover, bool) or not math.isfinite(cover):
        raise ValueError(f"cover must be one finite number in the units of x, such as 0.0, not {cover!r}.")
    with torch.no_grad():
        logits = class_scores(model, x)
        classes, many = target_classes(target, logits)
        before = logits.gather(1, classes)
        drops = [
            before - class_scores(model, _covered(x, (i, j), grid, edge, float(cover))).gather(1, classes)
            for i in range(grid[0])
            for j in range(grid[1])
        ]
    maps = torch.stack(drops, dim=-1).reshape(*classes.shape, *grid)
    return maps if many else maps[:, 0]


def share_in(cam: Tensor, box: Box, size: tuple[int, int]) -> float:
    """How much of a heat map lies in a box of the picture, 0 to 1.

    The map is enlarged bilinearly to the picture first, as it is when it is drawn. An even map has the share
    that the box has of the picture's area.

    Args:
        cam: one map (h, w), zero or more.
        box: (left, upper, right, lower) in pixels, as `mosaic` gives it.
        size: (width, height) of the picture in pixels, as Pillow's `size`.

    Returns:
        The sum inside the box divided by the sum of all; NaN for a map that is zero everywhere.

    Raises:
        TypeError: `cam` is no floating-point tensor.
        ValueError: `cam` is not one finite map that is zero or more, or the box does not lie within the
            picture, or either is not in whole pixels.

    >>> share_in(torch.ones(2, 2), (0, 0, 30, 20), size=(60, 20))
    0.5

    By hand in chapter 9.
    """
    if not isinstance(cam, Tensor) or not cam.is_floating_point():
        kind = cam.dtype if isinstance(cam, Tensor) else type(cam).__name__
        raise TypeError(f"cam must be a floating-point tensor (h, w), not {kind}.")
    if cam.ndim != 2 or not cam.numel():
        raise ValueError(f"cam must be one map (h, w), such as cam[0], not {tuple(cam.shape)}.")
    if not ((cam >= 0) & (cam < math.inf)).all():
        raise ValueError("cam must be finite and zero or more everywhere: apply relu() to a signed map.")
    width, height = _pixels("size", size, ("width", "height"))
    left, upper, right, lower = _pixels("box", box, ("left", "upper", "right", "lower"))
    if not (0 <= left < right <= width and 0 <= upper < lower <= height):
        raise ValueError(f"The box (left, upper, right, lower) {box} must lie in the picture of size {size}.")
    # Relative to the maximum, in double precision, so that no sum overflows; 0 / 0 is NaN, as promised.
    cam = cam.detach().cpu().double()
    large = upsample(cam / cam.max(), (height, width))
    return (large[upper:lower, left:right].sum() / large.sum()).item()


def _pixels(name: str, numbers: Sequence[int], meaning: tuple[str, ...]) -> tuple[int, ...]:
    pixels = whole_numbers(numbers, count=len(meaning))
    if pixels is None:
        raise ValueError(f"{name} must be ({', '.join(meaning)}) in whole pixels, not {numbers!r}.")
    return pixels


def _covered(x: Tensor, place: tuple[int, int], places: tuple[int, ...], side: int, cover: float) -> Tensor:
    starts = [
        round((index + 0.5) * length / count - side / 2)
        for index, length, count in zip(place, x.shape[2:], places, strict=True)
    ]
    rows, columns = (slice(max(0, start), max(0, start + side)) for start in starts)
    x = x.clone()
    x[..., rows, columns] = cover
    return x
