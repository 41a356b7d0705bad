"""What every method asks first: is this a network, are these pictures, what are its scores, which class."""

import math
import operator
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = [
    "Target",
    "check_batch",
    "check_images",
    "check_model",
    "class_scores",
    "target_classes",
    "whole",
    "whole_numbers",
]

Target = int | Sequence[int] | Sequence[Sequence[int]] | Tensor | None


def whole(number: object) -> int | None:
    """A whole number as an int, NumPy's integers too; None for anything else, True and False among it.

    >>> whole(7), whole(7.0), whole(True)
    (7, None, None)
    """
    if isinstance(number, bool):
        return None
    try:
        return operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        return None


def whole_numbers(numbers: object, count: int) -> tuple[int, ...] | None:
    """A sequence of so many whole numbers as ints; None for anything else.

    >>> whole_numbers([7, 7], count=2), whole_numbers((7, 7.5), count=2)
    ((7, 7), None)
    """
    if not isinstance(numbers, Sequence) or len(numbers) != count:
        return None
    found = [whole(number) for number in numbers]
    return None if None in found else tuple(number for number in found if number is not None)


def check_model(model: object) -> None:
    """Refuse what is no network, or one whose layers cannot be watched.

    Raises:
        TypeError: model is not an `nn.Module`, or it is compiled, scripted, or spread over several devices.

    >>> check_model(nn.Linear(1, 1))
    """
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        if isinstance(getattr(model, "model", None), nn.Module):
            raise TypeError(
                f"model must be the network itself, such as clf.model, not {kind}: pass clf.model."
            )
        raise TypeError(f"model must be an nn.Module, such as clf.model, not {kind}.")
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            "A scripted or traced model runs without hooks: pass the model that you gave to torch.jit."
        )
    if hasattr(model, "_orig_mod") or getattr(model, "_compiled_call_impl", None) is not None:
        raise TypeError(
            "A compiled model may leave out hooks: pass the model as it was before torch.compile."
        )
    if isinstance(model, nn.DataParallel) and len(model.device_ids) > 1:
        raise TypeError("A DataParallel model runs copies of its layers: pass model.module.")


def check_batch(x: object) -> None:
    """Refuse what is no batch of pictures (N, 3, H, W).

    Raises:
        TypeError: x is not a floating-point tensor.
        ValueError: x has not four axes, or an empty one.

    >>> check_batch(torch.zeros(1, 3, 8, 8))
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a tensor (N, 3, H, W), not {type(x).__name__}: clf.preprocess gives one.")
    if x.ndim != 4 or 0 in x.shape:
        hint = ": add the batch axis with x[None]" if x.ndim == 3 else ""
        raise ValueError(f"x must have the shape (N, 3, H, W), not {tuple(x.shape)}{hint}.")
    if not x.is_floating_point():
        raise TypeError(
            f"x must be floating point, not {x.dtype}: preprocess the picture with clf.preprocess."
        )


def check_images(x: object) -> None:
    """Refuse what is no batch of finite pictures (N, 3, H, W).

    Raises:
        TypeError: x is not a floating-point tensor.
        ValueError: x has not four axes, an empty one, or a value that is not finite.

    >>> check_images(torch.zeros(1, 3, 8, 8))
    """
    check_batch(x)
    if not torch.isfinite(x).all():  # type: ignore[arg-type]
        raise ValueError("x holds NaN or infinite values: check the preprocessing.")


def class_scores(model: nn.Module, x: Tensor) -> Tensor:
    """The network's logits (N, classes) for pictures that `check_images` has passed.

    Neither x nor the model is changed: in training mode batch norm writes its running statistics to copies.

    Args:
        model: a network with x (N, 3, H, W) -> logits (N, classes).
        x: pictures (N, 3, H, W), on the model's device and of its dtype.

    Returns:
        The logits, (N, classes), as the model gives them.

    Raises:
        TypeError: the model is no network, or x is of another dtype or on another device.
        ValueError: x has another number of channels, or the output is no table of scores, or not finite.

    >>> class_scores(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), torch.zeros(2, 3, 2, 2)).shape
    torch.Size([2, 5])
    """
    check_model(model)
    try:
        logits = _output(model, x.detach().clone())  # the model's first layer may work in place
    except RuntimeError as error:
        better = _explained(model, x, error)
        if better is None:
            raise
        raise better from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The model must give class scores of the shape ({len(x)}, classes), not {shape}.")
    if not (logits < math.inf).all():  # NaN fails, too; -inf may mask a class
        raise ValueError(
            "The model's scores are NaN or infinite: look for such values in its parameters and buffers, or "
            "use a wider dtype."
        )
    return logits


def _output(model: nn.Module, x: Tensor) -> object:
    if not any(module.training for module in model.modules()):
        return model(x)
    copies = {name: buffer.clone() for name, buffer in model.named_buffers()}
    return functional_call(model, copies, (x,))


def _explained(model: nn.Module, x: Tensor, error: RuntimeError) -> Exception | None:
    """A better error for a first layer that does not take x."""
    wanted = re.search(r"expected input(\[[\d, ]+\]) to have (\d+) channels", str(error))
    if wanted and wanted[1] == str(list(x.shape)):
        return ValueError(
            f"x has {x.shape[1]} channels where the model takes {wanted[2]}: its shape must be "
            f"(N, {wanted[2]}, H, W), not {tuple(x.shape)}."
        )
    weight = next(model.parameters(), x)
    if (weight.dtype, weight.device) != (x.dtype, x.device):
        return TypeError(
            f"x is {x.dtype} on {x.device} where the model is {weight.dtype} on {weight.device}: pass "
            "x.to(next(model.parameters()))."
        )
    return None


def target_classes(target: Target, logits: Tensor) -> tuple[Tensor, bool]:
    """The target as class indices (N, K) on the logits' device, and whether it asked for K classes.

    Args:
        target: an int for all images, N ints or an (N,) tensor, an (N, K) tensor, or None for each
            image's own top class.
        logits: the scores, (N, classes).

    Raises:
        TypeError: the target holds no integers.
        ValueError: it does not fit the batch, or a class is out of range.

    >>> target_classes(1, torch.zeros(2, 3))
    (tensor([[1],
            [1]]), False)
    """
    images, count = logits.shape
    if target is None:
        return logits.argmax(dim=1, keepdim=True), False
    try:
        classes = torch.as_tensor(target, device=logits.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"target must hold integers, class indices, not {target!r}: clf.class_index looks a name up."
        ) from error
    if classes.ndim == 0:
        classes = classes.expand(images)
    if classes.ndim not in (1, 2) or len(classes) != images or not classes.numel():
        raise ValueError(
            f"target must be one class, {images} of them (one for each image) or a tensor ({images}, K), "
            f"not of the shape {tuple(classes.shape)}."
        )
    if classes.dtype == torch.bool or classes.is_floating_point() or classes.is_complex():
        raise TypeError(f"target must hold integers, class indices, not {classes.dtype}.")
    many = classes.ndim == 2
    classes = classes.long().reshape(images, -1).clone()  # a copy, since autograd refuses inference tensors
    if classes.min() < 0 or classes.max() >= count:
        raise ValueError(
            f"target must be between 0 and {count - 1}, the model's last class, "
            f"not {classes.flatten().tolist()}."
        )
    return classes, many
