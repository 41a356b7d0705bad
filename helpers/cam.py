"""Class activation maps: where a network looked when it scored a class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.hooks import Capture, capture
from helpers.scores import Target, check_images, class_scores, target_classes, whole_numbers

__all__ = [
    "Look",
    "class_maps",
    "grad_cam",
    "layer_maps",
    "logits_and_cam",
    "look",
    "normalise",
    "upsample",
]

# Backward passes for this many classes run as one; more of them would cost memory and gain little.
CLASSES_AT_ONCE = 16

# From activations (N, C, h, w) and the gradients of K classes' logits (K, N, C, h, w) to maps (K, N, h, w).
Rule = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Look:
    """One pass of some pictures, as a map at a layer starts from it.

    Attributes:
        activations: the layer's output with its channels first, (N, C, h, w), detached.
        logits: the scores of all classes, (N, classes), detached.
        scores: the logits of the classes that are explained, (N, K).
        classes: their indices, (N, K).
        many: whether K classes an image were asked for, rather than one.
        channels_last: whether the layer has its channels last.
    """

    activations: Tensor
    logits: Tensor
    scores: Tensor
    classes: Tensor
    many: bool
    channels_last: bool

    def finished(self, maps: Tensor) -> Tensor:
        """Maps (K, N, h, w) without what is negative, as (N, h, w) or (N, K, h, w), as the target asked.

        Raises:
            ValueError: a map is not finite.
        """
        maps = maps.relu().transpose(0, 1)
        if not torch.isfinite(maps).all():
            raise ValueError("The map holds NaN or infinite values: use a wider dtype, or another layer.")
        return maps.contiguous() if self.many else maps[:, 0]


def class_maps(activations: Tensor, head: nn.Linear) -> Tensor:
    r"""Class activation maps: what each place of the last map adds to each class's logit.

    $$M_{kij} = \sum_c V_{kc} A_{cij}, \qquad y_k = \frac{1}{hw}\sum_{i,j} M_{kij} + b_k$$

    for a network that ends with a mean over the places and the linear layer `head` with the weights $V$
    (K, C) and the bias $b$ (K,).

    Args:
        activations: the last map, (N, C, h, w), floating point.
        head: the linear layer behind the mean, from C channels to K classes.

    Returns:
        The maps of all classes, (N, K, h, w), signed, in logit units, attached to the activations' graph.

    Raises:
        TypeError: head is no linear layer, or the activations are no tensor of its dtype and on its device.
        ValueError: the activations do not have four axes or not as many channels as the head takes.

    >>> head = nn.Linear(2, 1, bias=False)
    >>> _ = nn.init.constant_(head.weight, 2.0)
    >>> class_maps(torch.ones(1, 2, 1, 3), head)
    tensor([[[[4., 4., 4.]]]], grad_fn=<ViewBackward0>)

    Source: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, equations 1 and 2;
    by hand in chapter 6.
    """
    if not isinstance(head, nn.Linear):
        raise TypeError(
            f"head must be the nn.Linear behind the mean over the places, not {type(head).__name__}."
        )
    if not isinstance(activations, Tensor):
        raise TypeError(f"activations must be a tensor (N, C, h, w), not {type(activations).__name__}.")
    if activations.ndim != 4 or activations.shape[1] != head.in_features:
        raise ValueError(
            f"activations must have the shape (N, {head.in_features}, h, w), with the channels that the head "
            f"takes, not {tuple(activations.shape)}."
        )
    try:
        return torch.einsum("kc,nchw->nkhw", head.weight, activations)
    except RuntimeError as error:
        raise TypeError(
            f"activations are {activations.dtype} on {activations.device} where head is {head.weight.dtype} "
            f"on {head.weight.device}: pass activations.to(head.weight)."
        ) from error


def grad_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""Grad-CAM: the evidence for a class at each place of a layer's map.

    $$\alpha_c = \frac{1}{hw}\sum_{i,j} \frac{\partial y}{\partial A_{cij}}, \qquad
    L_{ij} = \mathrm{ReLU}\Big(\sum_c \alpha_c A_{cij}\Big)$$

    with the activations $A$ (C, h, w) of one image at the layer and the logit $y$ of its target class.

    Nothing is left behind: no hook, no `.grad`, no changed mode; it works inside `torch.no_grad()` and
    with frozen parameters, and it follows the model's device. A model in training mode is explained as it
    answers then, batch norm by the statistics of x and dropout by lot, and keeps its running statistics.

    Args:
        model: a network with x (N, 3, H, W) -> logits (N, classes), in eval mode for meaningful maps.
        layer: the module (or its name) whose output is explained, (N, C, h, w), or (N, h, w, C) as
            `map_axes` in `hooks` tells; `clf.layer` is a good one.
        x: preprocessed images, floating point, finite, (N, 3, H, W); other numbers of channels where the
            model takes them.
        target: the class to explain: an int for all images, N ints or an (N,) tensor for one class an
            image, an (N, K) tensor for K classes an image, None for each image's own top class.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, in logit units, detached.

    Raises:
        TypeError: the model, x or the target has the wrong type, or x another dtype than the model.
        ValueError: x has the wrong shape or is not finite, nor are the model's scores or the map, the target
            is out of range or does not fit the batch, the layer is not part of the model or has no
            spatial map.
        RuntimeError: the layer did not run, or the score does not depend on it.

    >>> from helpers import load_classifier, load_image
    >>> clf = load_classifier()
    >>> x = clf.preprocess(load_image("mastiff"))[None]
    >>> grad_cam(clf.model, clf.layer, x, target=243).shape
    torch.Size([1, 7, 7])

    Source: Selvaraju et al., Grad-CAM, ICCV 2017, equations 1 and 2; by hand in chapter 8.
    """
    return layer_maps(model, layer, x, target, _grad_cam)


def layer_maps(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target, rule: Rule) -> Tensor:
    """Maps made of a layer's activations and of the gradients there, by a rule.

    Args:
        model, layer, x, target: as for `grad_cam`.
        rule: from the activations (N, C, h, w) and the gradients (K, N, C, h, w) of up to `CLASSES_AT_ONCE`
            classes' logits to maps (K, N, h, w), signed; what is negative is cut off afterwards.

    Returns:
        The maps, zero or more, detached: (N, h, w), or (N, K, h, w) for an (N, K) target.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`.

    >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> x = torch.tensor([[[[4.0, 0.0], [0.0, -4.0]]]])
    >>> layer_maps(net, "0", x, 0, lambda activations, gradients: (activations * gradients).sum(dim=2))
    tensor([[[1., 0.],
             [0., 0.]]])
    """
    check_images(x)
    with capture(model, layer) as caught:
        return _look_and_maps(caught, model, x, target, rule)[1]


def logits_and_cam(
    caught: Capture, model: nn.Module, x: Tensor, target: Target = None
) -> tuple[Tensor, Tensor]:
    """What a network answers and its Grad-CAM maps, of one pass, where one `capture` serves many pictures.

    Args:
        caught: what `with capture(model, layer)` gave; call this inside the block.
        model, target: as for `grad_cam`.
        x: pictures (N, 3, H, W) that `check_images` has passed, or that `clf.preprocess` has made.

    Returns:
        The logits, (N, classes), and the maps as `grad_cam` gives them, both detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`.

    >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> with capture(net, "0") as caught:
    ...     logits_and_cam(caught, net, torch.tensor([[[[4.0, 0.0], [0.0, -4.0]]]]))
    (tensor([[1.]]), tensor([[[1., 0.],
             [0., 0.]]]))
    """
    seen, maps = _look_and_maps(caught, model, x, target, _grad_cam)
    return seen.logits, maps


def look(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target) -> Look:
    """What a method without gradients starts from: one pass of the pictures, everything detached.

    Args:
        model, layer, x, target: as for `grad_cam`.

    Raises:
        TypeError, ValueError: as `grad_cam`.
        RuntimeError: the layer did not run.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> look(net, "0", torch.zeros(2, 3, 6, 6), target=None).activations.shape
    torch.Size([2, 8, 4, 4])
    """
    check_images(x)
    with capture(model, layer) as caught:
        seen = _look(caught, model, x, target)
    return replace(seen, scores=seen.scores.detach())


def normalise(cam: Tensor) -> Tensor:
    """Each map divided by its own maximum, so that it lies in [0, 1]; an all-zero map stays zero.

    Zero keeps its meaning, no evidence. Never compare two maps after this: each has its own scale
    (chapter 8).

    Args:
        cam: maps (..., h, w), floating point, zero or more.

    Returns:
        A new tensor of the same shape.

    Raises:
        ValueError: a value is negative or not finite, or there are fewer than two axes.

    >>> normalise(torch.tensor([[0.0, 1.0], [2.0, 4.0]]))
    tensor([[0.0000, 0.2500],
            [0.5000, 1.0000]])
    >>> normalise(torch.zeros(2, 2)).max()
    tensor(0.)
    """
    _check_maps(cam)
    if not (torch.isfinite(cam).all() and (cam >= 0).all()):
        raise ValueError(
            "normalise takes finite maps that are zero or more: apply relu() first, or draw a signed map "
            "with a diverging colour map."
        )
    maximum = cam.amax(dim=(-2, -1), keepdim=True)
    return cam / maximum.where(maximum > 0, 1)


def upsample(cam: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps enlarged bilinearly to the size of a picture; equal to OpenCV's `resize`.

    Args:
        cam: maps (h, w), (N, h, w) or (N, K, h, w), floating point.
        size: (height, width) in pixels; a PIL picture's `size` is the other way round.

    Returns:
        The maps with their last two axes replaced by `size`.

    Raises:
        ValueError: there are fewer than two axes, or the size is not two positive numbers.

    >>> upsample(torch.tensor([[0.0, 1.0]]), (1, 4))
    tensor([[0.0000, 0.2500, 0.7500, 1.0000]])
    """
    _check_maps(cam)
    sides = whole_numbers(size, count=2)
    if sides is None or min(sides) < 1:
        raise ValueError(f"size must be (height, width), two whole numbers of at least 1, not {size!r}.")
    flat = cam.reshape(-1, 1, *cam.shape[-2:])
    large = F.interpolate(flat, size=sides, mode="bilinear", align_corners=False)
    return large.reshape(*cam.shape[:-2], *sides)


def _look(caught: Capture, model: nn.Module, x: Tensor, target: Target) -> Look:
    logits = class_scores(model, x)
    classes, many = target_classes(target, logits)
    channels_last = _places(caught, x) == (1, 2)
    activations = _channels_first(caught.activations.detach(), channels_last)
    return Look(activations, logits.detach(), logits.gather(1, classes), classes, many, channels_last)


def _look_and_maps(
    caught: Capture, model: nn.Module, x: Tensor, target: Target, rule: Rule
) -> tuple[Look, Tensor]:
    seen = _look(caught, model, x, target)
    # An image's score depends on its own activations only, so one sum serves the whole batch.
    maps = [
        rule(seen.activations, _channels_first(_stacked(caught.gradients(part)), seen.channels_last))
        for part in _parts(seen.scores.sum(dim=0))
    ]
    return seen, seen.finished(torch.cat(maps))


def _places(caught: Capture, x: Tensor) -> tuple[int, int]:
    axes = caught.map_axes(x)
    if axes is None:
        raise ValueError(
            f"The layer's output has the shape {tuple(caught.activations.shape)}, without a spatial map "
            f"({len(x)}, C, h, w) or ({len(x)}, h, w, C) in the proportions of x: choose an earlier layer, "
            "such as find_layer(model, x) names."
        )
    return axes


def _channels_first(values: Tensor, channels_last: bool) -> Tensor:
    return values.movedim(-1, -3) if channels_last else values


def _check_maps(cam: Tensor) -> None:
    if not isinstance(cam, Tensor) or not cam.is_floating_point():
        kind = cam.dtype if isinstance(cam, Tensor) else type(cam).__name__
        raise TypeError(f"Maps must be a floating-point tensor (..., h, w), not {kind}.")
    if cam.ndim < 2 or 0 in cam.shape[-2:]:
        raise ValueError(f"Maps must have the shape (..., h, w), not {tuple(cam.shape)}.")


def _parts(scores: Tensor) -> Sequence[Tensor]:
    """The K scores in a few parts, each to be differentiated at once; a single one stays a scalar."""
    return [scores[0]] if len(scores) == 1 else torch.split(scores, CLASSES_AT_ONCE)


def _stacked(gradients: Tensor) -> Tensor:
    """Gradients (K, N, C, h, w), also of a single score."""
    return gradients[None] if gradients.ndim == 4 else gradients


def _grad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    return torch.einsum("knc,nchw->knhw", gradients.mean(dim=(-2, -1)), activations)
