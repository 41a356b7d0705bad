"""Plots: the arrays behind the figures."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import load_classifier, load_image, show_cam, show_guesses, show_image, show_signed, upsample
from helpers.plotting import crisp_figures


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture
def image():
    return Image.fromarray(np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3))


def test_a_picture_and_a_tensor_are_drawn_alike(ax, image):
    assert show_image(image, ax) is ax
    show_image(torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255, ax)
    drawn = [np.asarray(artist.get_array(), dtype=float) for artist in ax.images]
    np.testing.assert_allclose(drawn[0], drawn[1] * 255, atol=1e-3)


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2)])
def test_the_map_is_enlarged_to_the_picture(ax, image, shape):
    cam = torch.rand(shape)
    assert show_cam(image, cam, ax) is ax
    photo, heat = ax.images
    assert photo.get_array().shape == (6, 8, 3)
    np.testing.assert_allclose(heat.get_array(), upsample(cam.reshape(2, 2), (6, 8)), rtol=1e-6)
    assert heat.get_clim() == (0, pytest.approx(cam.max().item()))


def test_a_common_scale_is_kept(ax, image):
    show_cam(image, torch.ones(2, 2), ax, vmax=5)
    assert ax.images[-1].get_clim() == (0, 5)


def test_a_map_without_evidence_is_drawn_dark(ax, image):
    show_cam(image, torch.zeros(2, 2), ax)
    heat = ax.images[-1]
    darkest = np.array(mpl.colormaps[heat.get_cmap().name](0.0)) * 255
    np.testing.assert_allclose(
        heat.to_rgba(heat.get_array(), bytes=True)[..., :3], darkest[:3] + np.zeros((6, 8, 3)), atol=1
    )
    ax.figure.canvas.draw()


def test_several_maps_are_refused(ax, image):
    with pytest.raises(ValueError, match=r"One map \(h, w\) is drawn, not \(2, 3, 3\)"):
        show_cam(image, torch.zeros(2, 3, 3), ax)


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_signed_and_broken_maps_are_refused(ax, image, bad):
    with pytest.raises(ValueError, match=r"zero or more: apply relu\(\) first"):
        show_cam(image, torch.full((2, 2), bad), ax)
    assert not ax.images


def test_a_signed_map_has_its_zero_in_the_middle_of_the_scale(ax, image):
    signed = torch.tensor([[-2.0, 1.0]])
    assert show_signed(image, signed, ax) is ax
    grey, drawn = ax.images
    assert (np.ptp(np.asarray(grey.get_array(), dtype=int), axis=2) == 0).all()
    np.testing.assert_allclose(drawn.get_array(), upsample(signed, (6, 8)), rtol=1e-6)
    assert drawn.get_clim() == (-2, 2)
    show_signed(torch.rand(3, 6, 8), signed, ax, vmax=5)
    assert ax.images[-1].get_clim() == (-5, 5)


def test_a_broken_signed_map_is_refused(ax, image):
    with pytest.raises(ValueError, match="NaN or infinite"):
        show_signed(image, torch.tensor([[float("nan"), 1.0]]), ax)
    assert not ax.images


def test_guesses_are_drawn_best_on_top(ax):
    guesses = load_classifier().predict(load_image("mastiff"), k=3)
    assert show_guesses(guesses, ax) is ax
    assert [bar.get_width() for bar in ax.patches] == [guess.probability for guess in guesses]
    assert [label.get_text() for label in ax.get_yticklabels()] == [guess.label for guess in guesses]
    assert ax.yaxis_inverted()


def test_without_axes_the_current_ones_are_used(ax, image):
    plt.sca(ax)
    assert show_cam(image, torch.zeros(2, 2)) is ax


def test_crisp_figures_changes_the_resolution():
    with plt.rc_context():
        crisp_figures()
        assert plt.rcParams["figure.dpi"] == 144
