"""What the chapters of *Seeing what a CNN sees* built, under test.

Fifteen modules, each importing only from those before it: `images` (photos in), `scores` (what every method
asks first: pictures, logits, the class that is meant), `classifiers` (networks with weights, preprocessing
and labels), `hooks` (look inside while they run), `cam` (heat maps), `cam_family` (other weights for the
same layer), `gradients` (at the pixels), `checks` (what a map is held against), `plotting`, `report` (one
page about one answer), `training` (small networks trained within a page), `tables` (rows to show),
`claims` (how far a chapter's claims hold), `exercises` (what checks the reader's answers), and `dataset` (a
folder of pictures, on one machine or many; it needs the extra of that name). The last two are imported on
their own.
"""

from helpers.cam import class_maps, grad_cam, normalise, upsample
from helpers.cam_family import (
    ablation_cam,
    eigen_cam,
    grad_cam_pp,
    hires_cam,
    layer_cam,
    score_cam,
    xgrad_cam,
)
from helpers.checks import deletion, insertion, occlusion_map, pointing, randomise, share_in
from helpers.claims import claims_of
from helpers.classifiers import load_classifier
from helpers.gradients import (
    deconvnet,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    saliency,
    smooth_grad,
)
from helpers.hooks import capture, find_layer, output_shapes
from helpers.images import catalogue, load_image, mosaic
from helpers.plotting import colour_bar, show_cam, show_guesses, show_image, show_signed
from helpers.report import dossier
from helpers.tables import as_table
from helpers.training import accuracy, digits, fit

__all__ = [
    "ablation_cam",
    "accuracy",
    "as_table",
    "capture",
    "catalogue",
    "claims_of",
    "class_maps",
    "colour_bar",
    "deconvnet",
    "deletion",
    "digits",
    "dossier",
    "eigen_cam",
    "find_layer",
    "fit",
    "grad_cam",
    "grad_cam_pp",
    "guided_backprop",
    "guided_grad_cam",
    "hires_cam",
    "insertion",
    "integrated_gradients",
    "layer_cam",
    "load_classifier",
    "load_image",
    "mosaic",
    "normalise",
    "occlusion_map",
    "output_shapes",
    "pointing",
    "randomise",
    "saliency",
    "score_cam",
    "share_in",
    "show_cam",
    "show_guesses",
    "show_image",
    "show_signed",
    "smooth_grad",
    "upsample",
    "xgrad_cam",
]
