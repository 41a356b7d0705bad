"""Small real images, and the loop that trains a small network on them within a page."""

from typing import NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

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


def fit(
    model: nn.Module, images: Tensor, labels: Tensor, optimiser: torch.optim.Optimizer, epochs: int
) -> list[float]:
    """Train a classifier by the cross-entropy of shuffled batches of 100.

    The learning rate falls linearly to zero over the run. The model is in training mode meanwhile and in
    eval mode afterwards. The order of the images comes from PyTorch's global seed.

    Args:
        model: images (N, ...) -> logits (N, classes); changed in place.
        images: (N, ...) on the model's device, of its dtype.
        labels: (N,) class indices, int64.
        optimiser: holds the model's parameters and the learning rate to begin with.
        epochs: passes over all images, 1 or more.

    Returns:
        The mean loss of each epoch.

    Raises:
        ValueError: images and labels differ in number, there is none, or epochs is less than 1.

    >>> data = digits()
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> losses = fit(net, data.train_images, data.train_labels, torch.optim.SGD(net.parameters(), 0.5), 3)
    >>> losses[0] > losses[-1], net.training
    (True, False)

    By hand in chapter 1.
    """
    _check_pairs("fit", images, labels)
    if epochs < 1:
        raise ValueError(f"epochs must be 1 or more, not {epochs}.")
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    model.train()
    losses = []
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(images)).split(BATCH):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch)
        losses.append(total / len(images))
    model.eval()
    return losses


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose largest logit is that of their label, in the model's present mode.

    Args:
        model: images (N, ...) -> logits (N, classes).
        images: (N, ...), at least one.
        labels: (N,) class indices.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: images and labels differ in number, or there is none.

    >>> accuracy(nn.Identity(), torch.eye(4), torch.tensor([0, 1, 2, 0]))
    0.75
    """
    _check_pairs("accuracy", images, labels)
    right = model(images).argmax(dim=1) == labels
    return int(right.sum()) / len(labels)


def _check_pairs(who: str, images: Tensor, labels: Tensor) -> None:
    if len(images) != len(labels) or not len(images):
        raise ValueError(
            f"{who} needs as many labels as images, at least one: {len(images)} images, {len(labels)} labels."
        )
