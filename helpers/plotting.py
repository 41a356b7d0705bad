"""Draw pictures, heat maps and guesses on given axes; nothing here shows or saves a figure."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib_inline.backend_inline import set_matplotlib_formats
from PIL import Image
from torch import Tensor

from helpers.cam import upsample
from helpers.classifiers import Guess

__all__ = ["crisp_figures", "show_cam", "show_guesses", "show_image", "show_signed"]

COLOUR_MAP = "inferno"
SIGNED_COLOUR_MAP = "RdBu_r"


def show_image(image: Image.Image | Tensor, ax: Axes | None = None) -> Axes:
    """Draw a picture without ticks.

    Args:
        image: a PIL picture, or an RGB tensor (3, H, W) with values in [0, 1].
        ax: where to draw; None for the current axes.

    Returns:
        The axes.

    >>> show_image(Image.new("RGB", (4, 3)), ax=plt.figure().add_subplot()).axison
    False
    """
    ax = ax or plt.gca()
    ax.imshow(image.detach().cpu().permute(1, 2, 0).numpy() if isinstance(image, Tensor) else image)
    ax.set_axis_off()
    return ax


def show_cam(
    image: Image.Image | Tensor,
    cam: Tensor,
    ax: Axes | None = None,
    *,
    vmax: float | None = None,
    alpha: float = 0.6,
) -> Axes:
    """Draw a heat map over the picture that it explains: dark is no evidence, bright is much.

    Args:
        image: a PIL picture, or an RGB tensor (3, H, W) with values in [0, 1].
        cam: one map (h, w) or (1, h, w), zero or more; it is enlarged bilinearly to the picture.
        ax: where to draw; None for the current axes.
        vmax: the value that gets the brightest colour; None for the map's own maximum. Give all maps the
            same one where they are to be compared.
        alpha: how opaque the map is, 0 to 1.

    Returns:
        The axes; `ax.images[-1]` is the map, for a colour bar.

    Raises:
        ValueError: `cam` is not one map, or is negative somewhere.

    >>> ax = show_cam(Image.new("RGB", (8, 6)), torch.zeros(2, 2), ax=plt.figure().add_subplot())
    >>> ax.images[-1].get_array().shape
    (6, 8)
    """
    cam = _one_map(cam)
    if not (cam >= 0).all():
        raise ValueError("show_cam draws a map that is zero or more: apply relu() first, or use show_signed.")
    # an all-zero map is drawn all dark
    top = vmax if vmax is not None else cam.max().item() or 1.0
    return _overlay(image, cam, ax, COLOUR_MAP, (0, top), alpha)


def show_signed(
    image: Image.Image | Tensor,
    signed: Tensor,
    ax: Axes | None = None,
    *,
    vmax: float | None = None,
    alpha: float = 0.7,
) -> Axes:
    """Draw a map with two signs over the grey picture: red is more than zero, blue less, white is zero.

    Args:
        image: a PIL picture, or an RGB tensor (3, H, W) with values in [0, 1].
        signed: one map (h, w) or (1, h, w); it is enlarged bilinearly to the picture.
        ax: where to draw; None for the current axes.
        vmax: the value that gets the strongest red, its negative the strongest blue; None for the map's
            largest size. Give all maps the same one where they are to be compared.
        alpha: how opaque the map is, 0 to 1.

    Returns:
        The axes; `ax.images[-1]` is the map, for a colour bar.

    Raises:
        ValueError: `signed` is not one map of numbers.

    >>> ax = show_signed(Image.new("RGB", (8, 6)), torch.tensor([[-3.0, 2.0]]), plt.figure().add_subplot())
    >>> ax.images[-1].get_clim()
    (-3.0, 3.0)
    """
    signed = _one_map(signed)
    if not torch.isfinite(signed).all():
        raise ValueError("show_signed draws finite numbers, and the map holds NaN or infinite ones.")
    top = vmax if vmax is not None else signed.abs().max().item() or 1.0
    return _overlay(_grey(image), signed, ax, SIGNED_COLOUR_MAP, (-top, top), alpha)


def _one_map(cam: Tensor) -> Tensor:
    if cam.ndim == 3 and len(cam) == 1:
        cam = cam[0]
    if cam.ndim != 2:
        raise ValueError(f"One map (h, w) is drawn, not {tuple(cam.shape)}: choose one, such as cam[0].")
    return cam


def _grey(image: Image.Image | Tensor) -> Image.Image | Tensor:
    if isinstance(image, Tensor):
        return image.mean(dim=0, keepdim=True).expand(3, -1, -1)
    return image.convert("L").convert("RGB")


def _overlay(
    image: Image.Image | Tensor,
    cam: Tensor,
    ax: Axes | None,
    colours: str,
    limits: tuple[float, float],
    alpha: float,
) -> Axes:
    ax = show_image(image, ax)
    height, width = image.shape[-2:] if isinstance(image, Tensor) else image.size[::-1]
    large = upsample(cam.detach().float().cpu(), (height, width))
    # One alpha for each pixel: a single one would also wash out a colour bar.
    opacity = np.full(large.shape, alpha)
    ax.imshow(large.numpy(), cmap=colours, alpha=opacity, vmin=limits[0], vmax=limits[1])
    return ax


def show_guesses(guesses: Sequence[Guess], ax: Axes | None = None) -> Axes:
    """Draw a classifier's guesses as horizontal bars of probability, best on top.

    Args:
        guesses: what `clf.predict` returns.
        ax: where to draw; None for the current axes.

    Returns:
        The axes.

    >>> show_guesses([Guess(243, "bull mastiff", 0.7, 9.1)], ax=plt.figure().add_subplot()).get_xlabel()
    'probability'
    """
    ax = ax or plt.gca()
    labels = [guess.label for guess in guesses]
    bars = ax.barh(range(len(labels)), [guess.probability for guess in guesses], color="tab:blue")
    ax.set_yticks(range(len(labels)), labels)
    ax.bar_label(bars, fmt="%.2f", padding=3)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.15)  # room for the numbers behind the bars
    ax.set_xlabel("probability")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def crisp_figures() -> None:
    """Make a notebook's figures crisp and small: JPEG with 144 dots an inch.

    Photos under heat maps take a fifth of the room that PNG needs. Also lets Matplotlib arrange the panels
    of a figure. Outside of IPython the format stays as it is.
    """
    plt.rcParams["figure.dpi"] = 144
    plt.rcParams["figure.constrained_layout.use"] = True
    if get_ipython():
        set_matplotlib_formats("jpeg", pil_kwargs={"quality": 88, "subsampling": 0})
