"""What a heat map is held against: known boxes, the score when a part is covered, a network drawn anew."""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.cam import upsample
from helpers.images import Box
from helpers.scores import (
    Target,
    check_images,
    check_model,
    class_scores,
    target_classes,
    whole,
    whole_numbers,
)

__all__ = ["deletion", "insertion", "occlusion_map", "pointing", "randomise", "share_in"]


def deletion(
    model: nn.Module,
    x: Tensor,
    cam: Tensor,
    target: Target = None,
    *,
    steps: int = 16,
    cover: float | Tensor = 0.0,
    edge: float = 0.0,
) -> Tensor:
    r"""Deletion: the probability of a class while the picture is covered, the brightest places first.

    $$p_s = \mathrm{softmax}\big(y(x \odot (1 - M_s) + u \odot M_s)\big)_k, \qquad s = 0, \dots, S$$

    The map is enlarged bilinearly to the picture x, its pixels are put in order, and the mask $M_s$ holds the
    first $s/S$ of them; there the cover $u$ is painted. The sooner the probability falls, the more the bright
    places matter to the network. Every map of a picture begins and ends at the same probabilities, so the
    mean of a curve, `.mean(dim=-1)`, ranks maps as the area by the trapezoid rule does.

    Only the order of the map's values counts. Equal values, such as the zeros of a ReLU, follow each other
    row by row, from the upper left; a map that is flat has no order at all and is refused. What is covered
    depends on more than the map: on the cover, on its edge, and on how scattered the bright places lie
    (chapter 15). No graph is recorded; in training mode the model keeps its running statistics.

    Args:
        model: a network with x (N, 3, H, W) -> logits (N, classes), in eval mode.
        x: preprocessed images, floating point, finite, (N, 3, H, W).
        cam: a map for each image, (N, h, w), or (N, K, h, w) for an (N, K) target; finite, signs allowed.
        target: the class whose probability is watched, as for `grad_cam`.
        steps: the number of equal parts $S$ in which the picture is covered; from 1 to its pixels.
        cover: what is painted, in the units of x: a number (0 is the mean colour of the preprocessing), or
            a tensor that broadcasts to x, such as a blurred picture.
        edge: 0 for a hard edge; otherwise the mask is blurred with this standard deviation, in pixels of x.

    Returns:
        The probabilities, (N, steps + 1), or (N, K, steps + 1): the first of the untouched picture, the last
        of one that is covered everywhere.

    Raises:
        TypeError: x, the target or the map has the wrong type.
        ValueError: x or the map has the wrong shape or is not finite, a map is flat, the target does not fit,
            or `steps`, `cover` or `edge` is out of its range.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> _ = nn.init.constant_(net[1].weight[0], 1.0), nn.init.zeros_(net[1].weight[1])
    >>> x = torch.tensor([[[[3.0, 1.0], [0.0, 0.0]]]])
    >>> deletion(net, x, x[:, 0], target=0, steps=4)
    tensor([[0.9820, 0.7311, 0.5000, 0.5000, 0.5000]])

    Source: Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models,
    BMVC 2018, there pixel by pixel; by hand in chapter 15.
    """
    return _curves(model, x, cam, target, steps, cover, edge, torch.lt)


def insertion(
    model: nn.Module,
    x: Tensor,
    cam: Tensor,
    target: Target = None,
    *,
    steps: int = 16,
    cover: float | Tensor = 0.0,
    edge: float = 0.0,
) -> Tensor:
    r"""Insertion: the probability of a class while the picture is uncovered, the brightest places first.

    $$p_s = \mathrm{softmax}\big(y(x \odot M_s + u \odot (1 - M_s))\big)_k, \qquad s = 0, \dots, S$$

    with the masks $M_s$ and the cover $u$ of `deletion`, whose remarks hold here, too. The sooner the
    probability rises, the better the bright places suffice.

    Args:
        model: a network with x (N, 3, H, W) -> logits (N, classes), in eval mode.
        x: preprocessed images, floating point, finite, (N, 3, H, W).
        cam: a map for each image, (N, h, w), or (N, K, h, w) for an (N, K) target; finite, signs allowed.
        target: the class whose probability is watched, as for `grad_cam`; None for the top class of x.
        steps: the number of equal parts in which the picture is uncovered; from 1 to its pixels.
        cover: what is painted, in the units of x: a number, or a tensor that broadcasts to x.
        edge: 0 for a hard edge; otherwise the mask is blurred with this standard deviation, in pixels of x.

    Returns:
        The probabilities, (N, steps + 1), or (N, K, steps + 1): the first of a picture that is covered
        everywhere, the last of the untouched one.

    Raises:
        TypeError: x, the target or the map has the wrong type.
        ValueError: x or the map has the wrong shape or is not finite, a map is flat, the target does not fit,
            or `steps`, `cover` or `edge` is out of its range.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    >>> _ = nn.init.constant_(net[1].weight[0], 1.0), nn.init.zeros_(net[1].weight[1])
    >>> x = torch.tensor([[[[3.0, 1.0], [0.0, 0.0]]]])
    >>> insertion(net, x, x[:, 0], target=0, steps=4)
    tensor([[0.5000, 0.9526, 0.9820, 0.9820, 0.9820]])

    Source: Petsiuk, Das and Saenko, RISE: Randomized Input Sampling for Explanation of Black-box Models,
    BMVC 2018, there pixel by pixel; by hand in chapter 15.
    """
    return _curves(model, x, cam, target, steps, cover, edge, torch.ge)


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
    if not _is_finite(cover):
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
    _check_map(cam)
    if not ((cam >= 0) & (cam < math.inf)).all():
        raise ValueError("cam must be finite and zero or more everywhere: apply relu() to a signed map.")
    (height, width), (rows, columns) = _placed(box, size)
    # Relative to the maximum, in double precision, so that no sum overflows; 0 / 0 is NaN, as promised.
    cam = cam.detach().cpu().double()
    large = upsample(cam / cam.max(), (height, width))
    return (large[rows, columns].sum() / large.sum()).item()


def pointing(cam: Tensor, box: Box, size: tuple[int, int]) -> bool:
    """The pointing game: whether a heat map is brightest in a box of the picture.

    The map is enlarged bilinearly to the picture first, as it is when it is drawn. Where several pixels are
    equally the brightest, all of them must lie in the box; a flat map points nowhere.

    Args:
        cam: one map (h, w), finite, signs allowed.
        box: (left, upper, right, lower) in pixels, as `mosaic` gives it.
        size: (width, height) of the picture in pixels, as Pillow's `size`.

    Returns:
        True for a hit; False for a miss, and for a map whose values are all the same.

    Raises:
        TypeError: `cam` is no floating-point tensor.
        ValueError: `cam` is not one finite map, or the box does not lie within the picture, or either is not
            in whole pixels.

    >>> cam = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    >>> pointing(cam, (30, 0, 60, 20), size=(60, 20)), pointing(cam, (0, 0, 30, 20), size=(60, 20))
    (True, False)
    >>> pointing(torch.zeros(2, 2), (0, 0, 60, 20), size=(60, 20))
    False

    Source: Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016, there with a tolerance
    of 15 pixels around the box; by hand in chapter 9.
    """
    _check_map(cam)
    if not torch.isfinite(cam).all():
        raise ValueError("cam must be finite everywhere: look for NaN or infinite values in it.")
    (height, width), (rows, columns) = _placed(box, size)
    cam = cam.detach().cpu().double()
    large = upsample(cam, (height, width))
    slack = 1e-9 * (cam.max() - cam.min())  # equal places differ by rounding once they are enlarged
    brightest = large >= large.max() - slack
    return bool(slack > 0 and brightest[rows, columns].sum() == brightest.sum())


def randomise(model: nn.Module, layers: Iterable[str], *, seed: int = 0) -> nn.Module:
    """A copy of a network in which the named layers, with all that is in them, are drawn anew.

    A heat map that stays the same when the network has forgotten what it learned does not explain the
    network. Each module with parameters draws them by its own `reset_parameters`, as its constructor does.
    Batch norm draws nothing: it forgets, with scale 1, shift 0, mean 0 and variance 1.

    The numbers come from the CPU, so they are the same on every device, and from a seed of their own, so that
    PyTorch's global generators stay as they were.

    Args:
        model: the network; it stays as it is.
        layers: names of its modules, as in `model.named_modules()`; "" names the whole network. They draw
            one after the other, so that a longer list repeats the draws with which it begins.
        seed: another one for another draw.

    Returns:
        The copy, in the same mode, on the same device and of the same dtype.

    Raises:
        TypeError: model is no network, layers is one string, or a module in a layer holds parameters but has
            no `reset_parameters`.
        ValueError: the model has no layer of that name, or a layer holds no parameters at all.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    >>> fresh = randomise(net, ["2"])
    >>> torch.equal(fresh[0].weight, net[0].weight), torch.equal(fresh[2].weight, net[2].weight)
    (True, False)

    Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, the model parameter randomization
    test; by hand in chapter 15.
    """
    check_model(model)
    if isinstance(layers, str):
        raise TypeError(f"layers must be several names, not one string: pass [{layers!r}].")
    fresh = copy.deepcopy(model)
    modules = dict(fresh.named_modules(remove_duplicate=False))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for name in layers:
            if name not in modules:
                raise ValueError(f"The model has no layer {name!r}: see model.named_modules().")
            _draw(name, modules[name])
    return fresh


def _check_map(cam: Tensor) -> None:
    if not isinstance(cam, Tensor) or not cam.is_floating_point():
        kind = cam.dtype if isinstance(cam, Tensor) else type(cam).__name__
        raise TypeError(f"cam must be a floating-point tensor (h, w), not {kind}.")
    if cam.ndim != 2 or not cam.numel():
        raise ValueError(f"cam must be one map (h, w), such as cam[0], not {tuple(cam.shape)}.")


def _placed(box: Box, size: tuple[int, int]) -> tuple[tuple[int, int], tuple[slice, slice]]:
    """The picture's (height, width), and the rows and columns of the box."""
    width, height = _pixels("size", size, ("width", "height"))
    left, upper, right, lower = _pixels("box", box, ("left", "upper", "right", "lower"))
    if not (0 <= left < right <= width and 0 <= upper < lower <= height):
        raise ValueError(f"The box (left, upper, right, lower) {box} must lie in the picture of size {size}.")
    return (height, width), (slice(upper, lower), slice(left, right))


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


def _is_finite(number: object) -> bool:
    return isinstance(number, Real) and not isinstance(number, bool) and math.isfinite(number)


def _curves(
    model: nn.Module,
    x: Tensor,
    cam: Tensor,
    target: Target,
    steps: int,
    cover: float | Tensor,
    edge: float,
    hides: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """The probabilities at each step, where a pixel is covered if `hides(its rank, the step's count)`."""
    check_images(x)
    parts, pixels = whole(steps), x.shape[2] * x.shape[3]
    if parts is None or not 1 <= parts <= pixels:
        raise ValueError(f"steps must be a whole number from 1 to the {pixels} pixels of x, not {steps!r}.")
    if not _is_finite(edge) or edge < 0:
        raise ValueError(f"edge must be a finite number of pixels, 0 or more, not {edge!r}.")
    paint = _paint(cover, x)
    with torch.no_grad():
        classes, many = target_classes(target, class_scores(model, x))
        ranks = _ranks(cam, x, classes.shape[1] if many else None)
        images, paint = (values.repeat_interleave(classes.shape[1], dim=0) for values in (x, paint))
        found = []
        for step in range(parts + 1):
            mask = _blurred(hides(ranks, step * pixels // parts).to(x), float(edge))
            logits = class_scores(model, images * (1 - mask) + paint * mask)
            found.append(logits.softmax(dim=1).gather(1, classes.reshape(-1, 1)))
    curves = torch.cat(found, dim=1)
    return curves.reshape(*classes.shape, -1) if many else curves


def _paint(cover: float | Tensor, x: Tensor) -> Tensor:
    if not isinstance(cover, Tensor):
        if not _is_finite(cover):
            raise ValueError(f"cover must be a finite number or a tensor in the units of x, not {cover!r}.")
        return torch.full_like(x, float(cover))
    try:
        paint = cover.detach().to(x).expand_as(x)
    except RuntimeError as error:
        raise ValueError(
            f"cover must broadcast to x {tuple(x.shape)}, as (1, 3, 1, 1) does, not {tuple(cover.shape)}."
        ) from error
    if not torch.isfinite(paint).all():
        raise ValueError("cover holds NaN or infinite values: check where it comes from.")
    return paint


def _ranks(cam: Tensor, x: Tensor, classes: int | None) -> Tensor:
    """The place of each pixel in the order of its map, (maps, 1, H, W), 0 for the brightest."""
    large = upsample(cam, (x.shape[2], x.shape[3]))
    wanted = (len(x),) if classes is None else (len(x), classes)
    if cam.shape[:-2] != wanted:
        count = ", ".join(map(str, wanted))
        raise ValueError(f"cam must hold one map for each score, ({count}, h, w), not {tuple(cam.shape)}.")
    if not torch.isfinite(cam).all():
        raise ValueError("cam must be finite everywhere: look for NaN or infinite values in it.")
    if (cam.amin(dim=(-2, -1)) == cam.amax(dim=(-2, -1))).any():
        raise ValueError("A map is flat, so its places have no order: leave out maps without evidence.")
    order = large.reshape(-1, x[0, 0].numel()).argsort(dim=1, descending=True, stable=True)
    return order.argsort(dim=1).reshape(-1, 1, *x.shape[2:]).to(x.device)


def _blurred(masks: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of masks (N, 1, H, W), their border continued outwards."""
    if not sigma:
        return masks
    reach = math.ceil(3 * sigma)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    bell = (bell / bell.sum()).to(masks)
    masks = F.conv2d(F.pad(masks, (reach, reach, 0, 0), mode="replicate"), bell[None, None, None])
    masks = F.conv2d(F.pad(masks, (0, 0, reach, reach), mode="replicate"), bell[None, None, :, None])
    return masks.clamp(0, 1)


def _draw(name: str, layer: nn.Module) -> None:
    drawn = [module for module in layer.modules() if next(module.parameters(recurse=False), None) is not None]
    if not drawn:
        raise ValueError(f"The layer {name!r} holds no parameters to draw: choose one that does.")
    for module in drawn:
        fresh = copy.deepcopy(module).cpu()
        reset = getattr(fresh, "reset_parameters", None)
        if not callable(reset):
            raise TypeError(
                f"{type(module).__name__} in the layer {name!r} holds parameters but has no reset_parameters "
                "to draw them anew: choose layers made of PyTorch's own."
            )
        reset()
        module.load_state_dict(fresh.state_dict())
