"""Small real images, and the loop that trains a small network on them within a page."""

import math
from typing import NamedTuple, SupportsIndex

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.scores import whole

__all__ = ["Digits", "accuracy", "digits", "fit"]

TRAINING = 1200
BATCH = 100


class Digits(NamedTuple):
    """What `digits` returns: images (N, 1, 8, 8) between 0 and 1, labels (N,) from 0 to 9."""

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor


def digits() -> Digits:
    """1797 handwritten digits of 8 × 8 pixels, as scikit-learn carries them: 1200 to train, 597 to test.

    The images have PyTorch's default dtype. After `torch.set_default_dtype(torch.float64)` a training run
    repeats its digits from one processor to the next; in single precision it does not (chapter 1).

    Returns:
        A `Digits`: train_images (1200, 1, 8, 8), train_labels (1200,), test_images (597, 1, 8, 8) and
        test_labels (597,); images float between 0 (paper) and 1 (ink), labels int64.

    >>> data = digits()
    >>> data.train_images.shape, data.test_labels.shape
    (torch.Size([1200, 1, 8, 8]), torch.Size([597]))

    Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998, CC BY 4.0; chapter 1.
    """
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels / 16, dtype=torch.get_default_dtype()).reshape(-1, 1, 8, 8)
    labels = torch.tensor(labels, dtype=torch.int64)
    return Digits(images[:TRAINING], labels[:TRAINING], images[TRAINING:], labels[TRAINING:])


@torch.enable_grad()
def fit(
    model: nn.Module, images: Tensor, labels: Tensor, optimiser: torch.optim.Optimizer, epochs: SupportsIndex
) -> list[float]:
    """Train a classifier by the cross-entropy of shuffled batches of 100.

    The learning rate falls linearly to zero over the run. The model is in training mode meanwhile and in
    eval mode afterwards, also after an error. The order of the images comes from PyTorch's global seed. A
    single image that remains goes into the last batch, since batch normalisation cannot train on one.

    Args:
        model: images (N, ...) -> logits (N, classes); changed in place.
        images: (N, ...) on the model's device, of its dtype, finite.
        labels: (N,) class indices, integers.
        optimiser: holds trainable parameters of the model and the learning rate to begin with.
        epochs: passes over all images, 1 or more.

    Returns:
        The mean loss of each epoch.

    Raises:
        TypeError: an argument has the wrong type, such as labels that are no integers.
        ValueError: images and labels differ in number or there is none, a label is no class of the model,
            the model does not take such images, the optimiser holds nothing of it to train, or epochs is less
            than 1.
        FloatingPointError: the loss became NaN or infinite, as with too high a learning rate.

    >>> data = digits()
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> losses = fit(net, data.train_images, data.train_labels, torch.optim.SGD(net.parameters(), 0.5), 3)
    >>> losses[0] > losses[-1], net.training
    (True, False)

    By hand in chapter 1.
    """
    _check_pairs("fit", model, images, labels)
    _check_optimiser(optimiser, model)
    passes = whole(epochs)
    if passes is None or passes < 1:
        raise ValueError(f"epochs must be a whole number, 1 or more, not {epochs!r}.")
    steps = passes * len(_batches(torch.arange(len(images))))
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    model.train()
    try:
        return [_epoch(model, images, labels.long(), optimiser, schedule) for _ in range(passes)]
    finally:
        model.eval()


def _epoch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    total = 0.0
    for batch in _batches(torch.randperm(len(images))):
        loss = F.cross_entropy(_logits(model, images[batch], labels), labels[batch])
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"The loss became {loss.item()}: begin anew with a lower learning rate.")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        total += loss.item() * len(batch)
    return total / len(images)


def _batches(order: Tensor) -> list[Tensor]:
    batches = list(order.split(BATCH))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose largest logit is that of their label, in the model's present mode.

    Args:
        model: images (N, ...) -> logits (N, classes).
        images: (N, ...) on the model's device, of its dtype, finite, at least one.
        labels: (N,) class indices, integers.

    Returns:
        A number between 0 and 1.

    Raises:
        TypeError: an argument has the wrong type, such as labels that are no integers.
        ValueError: images and labels differ in number or there is none, a label is no class of the model,
            or the model does not take such images.

    >>> accuracy(nn.Identity(), torch.eye(4), torch.tensor([0, 1, 2, 0]))
    0.75
    """
    _check_pairs("accuracy", model, images, labels)
    # In training mode batch normalisation takes its numbers from the batch: so all at once.
    parts = [images] if model.training else images.split(BATCH)
    answers = torch.cat([_logits(model, part, labels).argmax(dim=1) for part in parts])
    return int((answers == labels).sum()) / len(labels)


def _check_pairs(who: str, model: nn.Module, images: Tensor, labels: Tensor) -> None:
    if not isinstance(model, nn.Module):
        hint = "give its .model" if isinstance(getattr(model, "model", None), nn.Module) else "give a network"
        raise TypeError(f"{who} needs an nn.Module, not {type(model).__name__}: {hint}.")
    for name, given in (("images", images), ("labels", labels)):
        if not isinstance(given, Tensor):
            raise TypeError(f"{name} must be a tensor, not {type(given).__name__}: torch.tensor makes one.")
    if images.ndim == 0 or labels.ndim != 1 or len(images) != len(labels) or not images.numel():
        raise ValueError(
            f"{who} needs images (N, ...) and as many labels (N,), at least one, "
            f"not {tuple(images.shape)} and {tuple(labels.shape)}."
        )
    if labels.dtype == torch.bool or labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"labels must be integers, class indices, not {labels.dtype}: try labels.long().")
    _check_numbers(model, images, labels)


def _check_numbers(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    if not images.is_floating_point():
        raise TypeError(f"images must be floating point, not {images.dtype}: images / 255 may be meant.")
    own = next(model.parameters(), images)
    for given in (images, labels):
        if given.device != own.device:
            raise ValueError(
                f"The model is on {own.device}, images or labels are on {given.device}: move them with to()."
            )
    if own.dtype != images.dtype:
        raise TypeError(f"The model holds {own.dtype}, the images are {images.dtype}: convert with to().")
    if not torch.isfinite(images).all():
        raise ValueError("images hold NaN or infinite values: check where they come from.")
    if labels.min() < 0:
        raise ValueError(f"labels must be class indices from 0 on, not {int(labels.min())}: leave those out.")


def _check_optimiser(optimiser: torch.optim.Optimizer, model: nn.Module) -> None:
    if not isinstance(optimiser, torch.optim.Optimizer):
        raise TypeError(
            f"optimiser must be one of torch.optim, such as SGD, not {type(optimiser).__name__}: make one of "
            f"model.parameters()."
        )
    own = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    if not any(id(held) in own for group in optimiser.param_groups for held in group["params"]):
        raise ValueError(
            "The optimiser holds no parameter of this model that can be trained: make a new one of "
            "model.parameters()."
        )


def _logits(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    shape = tuple(images.shape)
    try:
        logits = model(images)
    except torch.cuda.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ValueError(
            f"The model does not take images of the shape {shape} ({reason}): give such as it was built for."
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"The model must give logits ({len(images)}, classes), not {given}: change its end.")
    if labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must be below {logits.shape[1]}, the model's number of classes, "
            f"not {int(labels.max())}: check the labels or the last layer."
        )
    return logits
