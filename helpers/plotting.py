"""Draw pictures, heat maps and guesses on given axes; nothing here shows or saves a figure.

A map lies over its photo in grey, and the more there is to show the more opaque it is: where the map is zero
the photo is untouched, and the photo's own colours cannot be taken for heat.
"""

import io
from collections.abc import Iterable
from numbers import Real
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from IPython.core.getipython import get_ipython
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats
from numpy.typing import ArrayLike
from PIL import Image
from torch import Tensor

from helpers.cam import upsample
from helpers.classifiers import Guess
from helpers.images import as_rgb

__all__ = ["colour_bar", "crisp_figures", "show_cam", "show_guesses", "show_image", "show_signed"]

OPACITY = 0.8  # where a map is highest; the photo stays visible below it
GREYS = (0.1, 0.85)  # a photo's black and white under a map, so that dark and bright things both show it
# Colours that the colour-blind tell apart, by Okabe and Ito, https://jfly.uni-koeln.de/color/, 2002.
LINES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
STYLE: dict[Any, Any] = {
    "figure.dpi": 180,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "axes.titlesize": 10,
    "figure.titlesize": 10,
    "axes.prop_cycle": cycler(color=LINES),
    "svg.hashsalt": "seeing what a CNN sees",  # else every file names its parts by chance
}
BELOW, ABOVE = (0.1, 0.4, 0.9), (0.85, 0.1, 0.1)  # blue and red of signed maps


def _fading(colours: ArrayLike, opacity: np.ndarray, name: str) -> ListedColormap:
    """A colour map that is as transparent as the opacities say."""
    faded = np.array(colours)[:, :3]
    return ListedColormap(np.column_stack([faded, OPACITY * opacity]), name=name)


STEPS = np.linspace(-1, 1, 255)  # an odd number, so that zero has a colour of its own: none
EVIDENCE = _fading(mpl.colormaps["plasma"](np.linspace(0, 1, 256)), np.linspace(0, 1, 256), "evidence")
SIGNED = _fading([ABOVE if step > 0 else BELOW for step in STEPS], np.abs(STEPS), "signed")


def show_image(image: Image.Image | Tensor, ax: Axes | None = None) -> Axes:
    """Draw a picture without ticks.

    Args:
        image: a PIL picture, or an RGB tensor (3, H, W) with values in [0, 1].
        ax: where to draw; None for the current axes.

    Returns:
        The axes.

    Raises:
        TypeError: `image` is neither a PIL picture nor a floating-point tensor, or `ax` is no axes.
        ValueError: the picture has no pixels, or the tensor is not (3, H, W) or not finite.

    >>> show_image(Image.new("RGB", (4, 3)), ax=plt.figure().add_subplot()).axison
    False
    """
    pixels, ax = _pixels(image), _axes(ax)
    ax.imshow(pixels)
    ax.set_axis_off()
    return ax


def show_cam(
    image: Image.Image | Tensor, cam: Tensor, ax: Axes | None = None, *, vmax: float | None = None
) -> Axes:
    """Draw a heat map over the grey picture that it explains: no colour is no evidence, yellow is the most.

    Args:
        image: a PIL picture, or an RGB tensor (3, H, W) with values in [0, 1].
        cam: one map (h, w) or (1, h, w), finite, zero or more; it is enlarged bilinearly to the picture.
        ax: where to draw; None for the current axes.
        vmax: the value that gets the strongest colour; None for the map's own maximum. Give all maps the
            same one where they are to be compared.

    Returns:
        The axes; `colour_bar` draws their scale.

    Raises:
        TypeError: `image` or `cam` is of a wrong type.
        ValueError: `cam` is not one map, or is negative or not finite somewhere; `vmax` is not above zero.

    >>> ax = show_cam(Image.new("RGB", (8, 6)), torch.zeros(2, 2), ax=plt.figure().add_subplot())
    >>> ax.images[-1].get_array().shape
    (6, 8)
    """
    cam = _one_map(cam)
    if not (cam >= 0).all():
        raise ValueError("show_cam draws a map that is zero or more: apply relu() first, or use show_signed.")
    return _overlay(image, cam, ax, EVIDENCE, 0, vmax)


def show_signed(
    image: Image.Image | Tensor, signed: Tensor, ax: Axes | None = None, *, vmax: float | None = None
) -> Axes:
    """Draw a map with two signs over the grey picture: red is more than zero, blue less, no colour is zero.

    Args:
        image: a PIL picture, or an RGB tensor (3, H, W) with values in [0, 1].
        signed: one map (h, w) or (1, h, w), finite; it is enlarged bilinearly to the picture.
        ax: where to draw; None for the current axes.
        vmax: the value that gets the strongest red, its negative the strongest blue; None for the map's
            largest size. Give all maps the same one where they are to be compared.

    Returns:
        The axes; `colour_bar` draws their scale.

    Raises:
        TypeError: `image` or `signed` is of a wrong type.
        ValueError: `signed` is not one map of finite numbers; `vmax` is not above zero.

    >>> ax = show_signed(Image.new("RGB", (8, 6)), torch.tensor([[-3.0, 2.0]]), plt.figure().add_subplot())
    >>> ax.images[-1].get_clim()
    (-3.0, 3.0)
    """
    return _overlay(image, _one_map(signed), ax, SIGNED, -1, vmax)


def colour_bar(axes: Axes | Iterable[Axes], label: str) -> Colorbar:
    """Draw the scale of the last map on the axes beside them.

    The bar's ground is middle grey, so that its colours look as they do over a photo.

    Args:
        axes: the axes, an array or a list of them, that make room for the bar; the last one that holds a
            picture gives the scale.
        label: what the numbers are, with their unit.

    Returns:
        Matplotlib's colour bar.

    Raises:
        ValueError: nothing has been drawn on the axes.

    >>> ax = show_cam(Image.new("RGB", (8, 6)), torch.ones(2, 2), plt.figure().add_subplot())
    >>> colour_bar(ax, "logits").ax.get_ylabel()
    'logits'
    """
    listed = [_axes(ax) for ax in np.ravel(np.asarray(axes, dtype=object))]
    drawn = [ax.images[-1] for ax in listed if ax.images]
    if not drawn:
        raise ValueError(
            "Nothing is drawn on these axes yet: call show_cam or show_signed before colour_bar."
        )
    bar: Colorbar = listed[0].figure.colorbar(drawn[-1], ax=listed, label=label)
    bar.ax.set_facecolor("0.5")
    return bar


def _axes(ax: Axes | None) -> Axes:
    if ax is None:
        return plt.gca()
    if not isinstance(ax, Axes):
        raise TypeError(
            f"ax must be one of Matplotlib's Axes, not {type(ax).__name__}: choose one of plt.subplots()."
        )
    return ax


def _one_map(cam: Tensor) -> Tensor:
    if not isinstance(cam, Tensor):
        raise TypeError(f"A map must be a tensor (h, w), not {type(cam).__name__}: grad_cam gives one.")
    if cam.ndim == 3 and len(cam) == 1:
        cam = cam[0]
    if cam.ndim != 2 or not cam.numel():
        raise ValueError(f"One map (h, w) is drawn, not {tuple(cam.shape)}: choose one, such as cam[0].")
    if cam.is_complex():
        raise TypeError(f"A map must hold real numbers, not {cam.dtype}: draw its abs(), for instance.")
    cam = cam.detach().float().cpu()
    if not torch.isfinite(cam).all():
        raise ValueError(
            "A map of finite numbers is drawn, and this one holds NaN or infinite ones: check what it was "
            "divided by."
        )
    return cam


def _pixels(image: Image.Image | Tensor) -> np.ndarray:
    """RGB, (H, W, 3): bytes, or floats in [0, 1]."""
    if isinstance(image, Image.Image):
        return np.asarray(as_rgb(image))
    if not isinstance(image, Tensor):
        raise TypeError(
            f"image must be a PIL picture or a tensor (3, H, W), not {type(image).__name__}: "
            "load_image gives one."
        )
    if image.ndim != 3 or len(image) != 3 or not image.numel():
        raise ValueError(f"A picture as a tensor must have the shape (3, H, W), not {tuple(image.shape)}.")
    if not image.is_floating_point():
        raise TypeError(
            f"A picture as a tensor must hold floats in [0, 1], not {image.dtype}: divide bytes by 255."
        )
    if not torch.isfinite(image).all():
        raise ValueError("The picture holds NaN or infinite values: check where it comes from.")
    return image.detach().float().cpu().permute(1, 2, 0).numpy()


def _grey(pixels: np.ndarray) -> np.ndarray:
    """The brightness of each pixel, squeezed into the range that a map can be seen on."""
    scaled = pixels / 255 if pixels.dtype == np.uint8 else pixels
    brightness = scaled @ [0.299, 0.587, 0.114]  # the weights of ITU-R BT.601, as Pillow takes them
    dark, bright = GREYS
    return np.repeat((dark + (bright - dark) * brightness)[..., None], 3, axis=2).clip(0, 1)


def _overlay(
    image: Image.Image | Tensor,
    cam: Tensor,
    ax: Axes | None,
    colours: ListedColormap,
    lowest: int,
    vmax: float | None,
) -> Axes:
    pixels = _pixels(image)
    top = vmax if vmax is not None else cam.abs().max().item() or 1.0  # an all-zero map gets no colour
    if isinstance(top, Tensor) and top.numel() == 1:
        top = top.item()
    if isinstance(top, bool) or not isinstance(top, Real) or not 0 < top < float("inf"):
        raise ValueError(
            f"vmax must be a number above zero, the value of the strongest colour, not {vmax!r}."
        )
    ax = _axes(ax)
    ax.imshow(_grey(pixels))
    ax.set_axis_off()
    large = upsample(cam, pixels.shape[:2])
    ax.imshow(large.numpy(), cmap=colours, vmin=lowest * top, vmax=top)
    return ax


def show_guesses(guesses: Iterable[Guess], ax: Axes | None = None) -> Axes:
    """Draw a classifier's guesses as horizontal bars of probability, best on top.

    Args:
        guesses: what `clf.predict` returns.
        ax: where to draw; None for the current axes.

    Returns:
        The axes.

    Raises:
        TypeError: `guesses` is no sequence of `Guess`, or `ax` is no axes.

    >>> show_guesses([Guess(243, "bull mastiff", 0.7, 9.1)], ax=plt.figure().add_subplot()).get_xlabel()
    'probability'
    """
    listed = list(guesses) if isinstance(guesses, Iterable) else [guesses]
    if not all(isinstance(guess, Guess) for guess in listed) or isinstance(guesses, Guess):
        raise TypeError(f"guesses must be a list of Guess, as clf.predict gives it, not {guesses!r:.80}.")
    ax = _axes(ax)
    labels = [guess.label for guess in listed]
    bars = ax.barh(range(len(labels)), [guess.probability for guess in listed], color=LINES[0])
    ax.set_yticks(range(len(labels)), labels)
    ax.bar_label(bars, fmt="%.2f", padding=3)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.15)  # room for the numbers behind the bars
    ax.set_xlabel("probability")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def crisp_figures() -> None:
    """Give the figures of a notebook the book's style: text of 10 points, photos crisp, plots as drawings.

    A figure of at most 6 inches can then be read on a phone. One that holds a picture becomes a JPEG of 180
    dots an inch, a fifth of what PNG needs; any other becomes an SVG, sharp at every size. Matplotlib
    arranges the panels. Outside of IPython figures keep their formats.
    """
    plt.rcParams.update(STYLE)
    shell = get_ipython()
    if shell and shell.display_formatter:
        set_matplotlib_formats()  # none: those below take their place
        for kind, draw in (("image/jpeg", _as_jpeg), ("image/svg+xml", _as_svg)):
            shell.display_formatter.formatters[kind].for_type(Figure, draw)


def _holds_a_picture(figure: Figure) -> bool:
    return any(ax.images for ax in figure.axes)


def _as_jpeg(figure: Figure) -> bytes | None:
    if not _holds_a_picture(figure):
        return None
    drawn = io.BytesIO()
    figure.savefig(drawn, format="jpeg", bbox_inches="tight", pil_kwargs={"quality": 88, "subsampling": 0})
    return drawn.getvalue()


def _as_svg(figure: Figure) -> str | None:
    if _holds_a_picture(figure):
        return None
    drawn = io.StringIO()
    # Without date and version, the same figure gives the same file.
    figure.savefig(drawn, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    return drawn.getvalue()
