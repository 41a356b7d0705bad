"""What the chapters of *Seeing what a CNN sees* built, under test.

Five modules, each importing only from those before it: `images` (photos in), `classifiers` (networks with
weights, preprocessing and labels), `hooks` (look inside while they run), `cam` (heat maps) and `plotting`.
"""

from helpers.cam import grad_cam, normalise, upsample
from helpers.classifiers import load_classifier
from helpers.hooks import capture
from helpers.images import catalogue, load_image, mosaic
from helpers.plotting import show_cam, show_guesses, show_image

__all__ = [
    "capture",
    "catalogue",
    "grad_cam",
    "load_classifier",
    "load_image",
    "mosaic",
    "normalise",
    "show_cam",
    "show_guesses",
    "show_image",
    "upsample",
]
