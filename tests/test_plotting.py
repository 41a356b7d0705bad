"""Plots: the arrays behind the figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import load_classifier, load_image, show_cam, show_guesses, show_image, show_signed, upsample
from helpers.plotting import colour_bar, crisp_figures


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


def drawn_colours(ax):
    """What the last image on the axes paints: RGBA, 0 to 255, as floats."""
    artist = ax.images[-1]
    return artist.to_rgba(artist.get_array(), bytes=True).astype(float)


def test_a_map_without_evidence_leaves_the_photo_as_it_is(ax, image):
    show_cam(image, torch.zeros(2, 2), ax)
    assert (drawn_colours(ax)[..., 3] == 0).all()
    ax.figure.canvas.draw()


def test_more_evidence_is_lighter_and_more_opaque(ax, image):
    show_cam(image, torch.tensor([[0.0, 1.0]]), ax)
    colours = drawn_colours(ax)[0]
    lightness = colours[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(lightness)[1:-1] > 0).all()
    assert (np.diff(colours[:, 3]) >= 0).all()
    assert colours[-1, 3] == pytest.approx(0.8 * 255, abs=1)
    red, green, blue = colours[-1, :3]
    assert min(red, green) > 200 > 100 > blue  # yellow: red and blue are not exchanged


def test_red_speaks_for_and_blue_against(ax, image):
    show_signed(image, torch.tensor([[-1.0, 0.0, 1.0]]), ax)
    against, *_, for_it = drawn_colours(ax)[0]
    assert against[2] > 2 * against[0]
    assert for_it[0] > 2 * for_it[2]
    assert against[3] == for_it[3] == pytest.approx(0.8 * 255, abs=1)


def test_a_map_lies_over_the_brightness_of_the_photo(ax):
    colours = torch.tensor([[0.0, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1]])[
        :, None
    ]  # black, R, G, B, white
    show_cam(colours, torch.zeros(1, 5), ax)
    grey = np.asarray(ax.images[0].get_array(), dtype=float)
    brightness = np.array([0, 0.299, 0.587, 0.114, 1])
    np.testing.assert_allclose(grey[0], np.repeat((0.1 + 0.75 * brightness)[:, None], 3, axis=1), atol=1e-6)


def test_grey_pictures_stay_grey(ax):
    show_image(Image.new("L", (4, 3), 100), ax)
    assert (np.asarray(ax.images[-1].get_array()) == 100).all()
    assert ax.images[-1].get_array().shape == (3, 4, 3)


@pytest.mark.parametrize("vmax", [0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("draw", [show_cam, show_signed])
def test_a_scale_without_length_is_refused(ax, image, draw, vmax):
    with pytest.raises(ValueError, match="vmax must be a number above zero"):
        draw(image, torch.ones(2, 2), ax, vmax=vmax)
    assert not ax.images


@pytest.mark.parametrize("draw", [show_cam, show_signed])
def test_wrong_types_are_told(ax, image, draw):
    with pytest.raises(TypeError, match=r"A map must be a tensor \(h, w\), not ndarray"):
        draw(image, np.ones((2, 2)), ax)
    with pytest.raises(TypeError, match="image must be a PIL picture or a tensor"):
        draw("mastiff", torch.ones(2, 2), ax)
    with pytest.raises(ValueError, match=r"must have the shape \(3, H, W\), not \(2, 6, 8\)"):
        draw(torch.zeros(2, 6, 8), torch.ones(2, 2), ax)
    assert not ax.images


def test_a_colour_bar_shows_the_scale_on_middle_grey(image):
    figure, axes = plt.subplots(1, 2)
    show_image(image, axes[0])
    show_cam(image, torch.tensor([[0.0, 3.0]]), axes[1])
    bar = colour_bar(axes, "logits")
    assert (bar.vmin, bar.vmax) == (0, 3)
    assert bar.ax.get_ylabel() == "logits"
    assert bar.ax.get_facecolor()[:3] == (0.5, 0.5, 0.5)
    figure.canvas.draw()
    plt.close(figure)


def test_a_colour_bar_of_nothing_is_refused(ax):
    with pytest.raises(ValueError, match="Nothing is drawn on these axes yet"):
        colour_bar(ax, "logits")


def test_several_maps_are_refused(ax, image):
    with pytest.raises(ValueError, match=r"One map \(h, w\) is drawn, not \(2, 3, 3\)"):
        show_cam(image, torch.zeros(2, 3, 3), ax)


def test_signed_maps_are_refused(ax, image):
    with pytest.raises(ValueError, match=r"zero or more: apply relu\(\) first"):
        show_cam(image, torch.full((2, 2), -1.0), ax)
    assert not ax.images


def test_a_signed_map_has_its_zero_in_the_middle_of_the_scale(ax, image):
    signed = torch.tensor([[-2.0, 1.0]])
    assert show_signed(image, signed, ax) is ax
    grey, drawn = ax.images
    assert (np.ptp(np.asarray(grey.get_array()), axis=2) == 0).all()
    np.testing.assert_allclose(drawn.get_array(), upsample(signed, (6, 8)), rtol=1e-6)
    assert drawn.get_clim() == (-2, 2)
    show_signed(torch.rand(3, 6, 8), signed, ax, vmax=5)
    assert ax.images[-1].get_clim() == (-5, 5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("draw", [show_cam, show_signed])
def test_a_broken_map_is_refused(ax, image, draw, bad):
    with pytest.raises(ValueError, match="NaN or infinite"):
        draw(image, torch.tensor([[bad, 1.0]]), ax)
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
