"""Plots: the arrays behind the figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from helpers import load_classifier, load_image, show_cam, show_guesses, show_image, show_signed, upsample
from helpers.classifiers import Guess
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


def test_a_signed_map_reaches_each_colour_by_the_same_way(ax, image):
    show_signed(image, torch.tensor([[-1.0, 1.0]]), ax)
    colours = drawn_colours(ax)[0]
    np.testing.assert_array_equal(colours[:, 3], colours[::-1, 3])
    assert (np.diff(colours[4:, 3]) >= 0).all()
    assert 0 < colours[4, 3] < colours[5, 3] < colours[6, 3]


def test_the_photo_below_is_opaque_and_the_ticks_are_off(ax, image):
    show_cam(image, torch.ones(2, 2), ax)
    assert ax.images[0].get_array().shape == (6, 8, 3)
    assert ax.images[0].get_alpha() is None
    assert not ax.axison


@pytest.mark.parametrize("vmax", [np.float32(5), torch.tensor(5.0), 5])
def test_a_scale_may_be_any_number(ax, image, vmax):
    show_cam(image, torch.ones(2, 2), ax, vmax=vmax)
    assert ax.images[-1].get_clim() == (0, 5)
    ax.figure.canvas.draw()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool])
@pytest.mark.parametrize("draw", [show_cam, show_signed])
def test_a_map_may_be_of_any_real_dtype(ax, image, draw, kind):
    draw(image, torch.tensor([[0, 1]], dtype=kind), ax)
    assert ax.images[-1].get_array().max() == 1
    ax.figure.canvas.draw()


@pytest.mark.parametrize("draw", [show_cam, show_signed])
@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (torch.zeros(0, 2), ValueError, r"One map \(h, w\) is drawn, not \(0, 2\)"),
        (torch.zeros(2), ValueError, r"One map \(h, w\) is drawn, not \(2,\)"),
        (torch.ones(2, 2) * 1j, TypeError, r"must hold real numbers, not torch\.complex64: draw its"),
    ],
)
def test_what_is_no_map_is_refused(ax, image, draw, wrong, error, words):
    with pytest.raises(error, match=words):
        draw(image, wrong, ax)
    assert not ax.images


PICTURES = [
    (Image.new("RGB", (0, 5)), ValueError, "the picture has 0 × 5 pixels"),
    (Image.new("F", (2, 2)), ValueError, "floating-point pixels have no known range"),
    (torch.zeros(3, 0, 4), ValueError, r"must have the shape \(3, H, W\), not \(3, 0, 4\)"),
    (torch.zeros(1, 3, 4, 4), ValueError, r"must have the shape \(3, H, W\), not \(1, 3, 4, 4\)"),
    (torch.ones(3, 2, 2).byte(), TypeError, r"floats in \[0, 1\], not torch\.uint8: divide bytes by 255"),
    (torch.ones(3, 2, 2) / 0, ValueError, "holds NaN or infinite values: check where it comes from"),
]


@pytest.mark.parametrize(("wrong", "error", "words"), PICTURES)
def test_what_is_no_picture_is_refused(ax, wrong, error, words):
    with pytest.raises(error, match=words):
        show_image(wrong, ax)
    for draw in (show_cam, show_signed):
        with pytest.raises(error, match=words):
            draw(wrong, torch.ones(2, 2), ax)
    assert not ax.images


def test_16_bits_and_transparent_parts_are_drawn_as_the_network_sees_them(ax):
    show_image(Image.fromarray(np.array([[0, 32896, 65535]], dtype=np.uint16)), ax)
    assert np.asarray(ax.images[-1].get_array())[0, :, 0].tolist() == [0, 128, 255]
    show_image(Image.new("RGBA", (1, 1), (255, 0, 0, 0)), ax)
    assert np.asarray(ax.images[-1].get_array())[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("wrong", [3, "ax", plt])
def test_what_is_no_axes_is_refused_in_one_sentence(image, wrong):
    for draw in (
        lambda: show_image(image, wrong),
        lambda: show_cam(image, torch.ones(2, 2), wrong),
        lambda: show_guesses([], wrong),
        lambda: colour_bar(wrong, "logits"),
    ):
        with pytest.raises(TypeError, match=r"^ax must be one of Matplotlib's Axes, not \w+: choose one"):
            draw()


@pytest.mark.parametrize("wrong", [None, 3, [1, 2], "mastiff", Guess(1, "a", 0.5, 1.0)])
def test_what_are_no_guesses_is_refused_in_one_sentence(ax, wrong):
    with pytest.raises(TypeError, match=r"^guesses must be a list of Guess, as clf\.predict gives it, not "):
        show_guesses(wrong, ax)
    assert not ax.patches


def test_the_bars_carry_their_numbers_and_a_label(ax):
    show_guesses((Guess(place, name, p, 0.0) for place, name, p in [(3, "cat", 0.75), (4, "dog", 0.2)]), ax)
    assert [text.get_text() for text in ax.texts] == ["0.75", "0.20"]
    assert (ax.get_xlabel(), ax.get_xlim()) == ("probability", (0, 1.15))
    assert ax.get_yticks().tolist() == [0, 1]
    assert [ax.spines[side].get_visible() for side in ("top", "right", "left")] == [False, False, True]


@pytest.mark.parametrize("vmax", [0, -1.0, float("nan"), float("inf"), "5", True, [1.0], torch.ones(2)])
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


def test_figures_have_text_of_ten_points_and_photos_are_crisp():
    with plt.rc_context():
        crisp_figures()
        figure, ax = plt.subplots()
        ax.set(title="a title", xlabel="a label")
        ax.plot([0, 1], label="a line")
        texts = [*ax.legend().get_texts(), *ax.get_xticklabels(), ax.title, ax.xaxis.label]
        assert {text.get_size() for text in texts} == {10}
        assert figure.dpi == 180
        plt.close(figure)


@pytest.mark.parametrize(("drawn", "kind"), [("picture", "image/jpeg"), ("line", "image/svg+xml")])
def test_a_picture_becomes_jpeg_and_a_plot_the_same_svg_again(monkeypatch, image, drawn, kind):
    shell = InteractiveShell()
    monkeypatch.setattr("helpers.plotting.get_ipython", lambda: shell)
    monkeypatch.setattr("helpers.plotting.set_matplotlib_formats", lambda: None)
    with plt.rc_context():
        crisp_figures()
        made = []
        for _ in range(2):
            figure, ax = plt.subplots()
            show_image(image, ax) if drawn == "picture" else ax.plot([1, 2, 4])
            made.append(shell.display_formatter.format(figure)[0])
            plt.close(figure)
    assert [key for key in made[0] if key.startswith("image/")] == [kind]
    assert made[0][kind] == made[1][kind]
