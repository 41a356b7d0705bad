"""The dossier: its numbers against those computed one by one, and its figure."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import dossier, grad_cam, load_classifier, load_image, occlusion_map, report, upsample


@pytest.fixture(scope="module")
def clf():
    return load_classifier()


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_its_table_holds_what_the_parts_give(clf):
    image = load_image("buckeye")
    said, expected = dossier(clf, image, "buckeye").table
    guesses = clf.predict(image, k=2)
    found = [(row.label, row.index) for row in (said, expected)]
    assert found == [(guess.label, guess.index) for guess in guesses]
    assert (said.rank, expected.rank) == (1, 2)
    assert said.probability == pytest.approx(guesses[0].probability)
    assert expected.logit == pytest.approx(guesses[1].logit)
    x = clf.preprocess(image)[None]
    cam, drop = grad_cam(clf.model, clf.layer, x, 990)[0], occlusion_map(clf.model, x, 990)[0]
    assert expected.cam_maximum == pytest.approx(cam.max().item())
    assert expected.largest_drop == pytest.approx(drop.max().item(), abs=1e-4)
    by_numpy = np.corrcoef(cam.flatten(), drop.flatten())[0, 1]
    assert expected.correlation == pytest.approx(by_numpy, abs=1e-4)


def test_its_figure_shows_photo_guesses_and_both_kinds_of_maps_on_one_scale(clf):
    page = dossier(clf, load_image("tilted_jeep"), 609)
    photo, guesses, said, expected, drops_said, drops_expected = page.figure.axes[:6]
    assert tuple(page.figure.get_size_inches()) == (6, 7.6)
    assert photo.images[0].get_array().shape == (512, 512, 3)
    assert [said.get_title(), expected.get_title()] == ["convertible", "jeep"]
    assert len(guesses.patches) == 5
    assert said.images[-1].get_clim() == expected.images[-1].get_clim()
    assert drops_said.images[-1].get_clim() == drops_expected.images[-1].get_clim()
    low, high = drops_said.images[-1].get_clim()
    assert low == -high


def test_its_figure_has_three_rows_of_two_and_larger_maps(clf):
    figure = dossier(clf, load_image("tilted_jeep"), 609).figure
    figure.canvas.draw()
    boxes = [ax.get_window_extent() for ax in figure.axes]
    photo, guesses, *maps, bar, lower_bar = boxes
    for left, right in ((photo, guesses), maps[:2], maps[2:], (maps[1], bar), (maps[3], lower_bar)):
        assert left.x1 < right.x0
        assert left.y0 < right.y1
        assert right.y0 < left.y1  # side by side
    assert photo.y0 > maps[0].y1 > maps[0].y0 > maps[2].y1
    heights = [box.height for box in maps]
    assert max(heights) < 1.05 * min(heights)
    assert photo.height < 0.9 * min(heights)
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)


def test_maps_and_drops_need_not_be_square():
    cam = torch.rand(14, 10, generator=torch.Generator().manual_seed(0))
    means = cam.reshape(7, 2, 5, 2).mean(dim=(1, 3))
    assert report._correlation(cam, means) == pytest.approx(1)


@pytest.fixture
def known_maps(monkeypatch):
    """Maps and drops of two classes that one can tell apart, in place of the computed ones."""
    generator = torch.Generator().manual_seed(0)
    cams = torch.rand((1, 2, 14, 14), generator=generator) * torch.tensor([1.0, 3.0])[:, None, None]
    drops = torch.randn((1, 2, 7, 7), generator=generator)
    drops[0, 0, 2, 3], drops[0, 1, 4, 4] = -9.0, 7.0
    monkeypatch.setattr("helpers.report.grad_cam", lambda *_: cams)
    monkeypatch.setattr("helpers.report.occlusion_map", lambda *_: drops)
    return cams[0], drops[0]


def test_each_class_gets_its_own_map_and_its_own_drops(clf, known_maps):
    page = dossier(clf, load_image("tilted_jeep"), "jeep")
    (cam_said, cam_expected), (drop_said, drop_expected) = known_maps
    shown = [page.figure.axes[place].images[-1].get_array() for place in (2, 3, 4, 5)]
    for drawn, expected in zip(shown, (cam_said, cam_expected, drop_said, drop_expected), strict=True):
        np.testing.assert_allclose(drawn, upsample(expected, (512, 512)), rtol=1e-5, atol=1e-6)
    titles = [page.figure.axes[place].get_title() for place in range(6)]
    assert titles == ["photo", "", "convertible", "jeep", "covers, convertible", "covers, jeep"]


def test_both_maps_of_a_kind_have_the_scale_of_the_larger_one(clf, known_maps):
    axes = dossier(clf, load_image("tilted_jeep"), "jeep").figure.axes
    top = known_maps[0].max().item()
    assert 2.5 < top < 3
    for place in (2, 3):
        assert axes[place].images[-1].get_clim() == (0, pytest.approx(top))
    for place in (4, 5):
        assert axes[place].images[-1].get_clim() == (-9, 9)
    bars = {bar.get_ylabel(): bar.get_ylim() for bar in axes[6:]}
    assert bars == {"Grad-CAM, logits": (0, pytest.approx(top)), "drop when covered, logits": (-9, 9)}


def test_the_table_has_the_maps_maxima_and_the_correlation_of_their_means(clf, known_maps):
    table = dossier(clf, load_image("tilted_jeep"), "jeep").table
    for row, cam, drop in zip(table, *known_maps, strict=True):
        assert row.cam_maximum == pytest.approx(cam.max().item())
        assert row.largest_drop == pytest.approx(drop.max().item())
        means = cam.reshape(7, 2, 7, 2).mean(dim=(1, 3))
        by_numpy = np.corrcoef(means.flatten(), drop.flatten())[0, 1]
        assert row.correlation == pytest.approx(by_numpy, abs=1e-5)
    assert table[0].largest_drop < 9  # -9 is no drop
    assert [table[0].rank, table[1].index] == [1, clf.class_index("jeep")]


def test_maps_that_are_zero_everywhere_are_drawn(clf, monkeypatch):
    monkeypatch.setattr("helpers.report.grad_cam", lambda *_: torch.zeros(1, 2, 7, 7))
    monkeypatch.setattr("helpers.report.occlusion_map", lambda *_: torch.zeros(1, 2, 7, 7))
    page = dossier(clf, load_image("cat"))
    assert [page.figure.axes[place].images[-1].get_clim() for place in (2, 5)] == [(0, 1), (-1, 1)]
    page.figure.canvas.draw()


@pytest.mark.parametrize("expected", [609, np.int64(609), np.uint16(609), torch.tensor(609), "JEEP"])
def test_a_class_may_be_any_whole_number_or_a_name(clf, known_maps, expected):
    assert dossier(clf, load_image("tilted_jeep"), expected).table[1].index == 609


@pytest.mark.parametrize("edge", [0, 999])
def test_the_first_and_the_last_class_exist(clf, known_maps, edge):
    assert dossier(clf, load_image("tilted_jeep"), edge).table[1].index == edge


def test_a_network_in_place_of_its_classifier_is_refused_in_one_sentence(clf):
    with pytest.raises(TypeError, match=r"^dossier takes a classifier, .* not EfficientNet: give clf itself"):
        dossier(clf.model, load_image("cat"))
    assert not plt.get_fignums()


@pytest.mark.parametrize("expected", [None, "convertible"])
def test_without_another_class_it_compares_with_the_second_guess(clf, expected):
    image = load_image("tilted_jeep")
    table = dossier(clf, image, expected).table
    assert [row.label for row in table] == [guess.label for guess in clf.predict(image, k=2)]


def test_its_text_is_a_table(clf):
    lines = str(dossier(clf, load_image("rocket"), "space shuttle")).splitlines()
    assert lines[0].split()[0] == "rank"
    assert len(lines) == 3
    assert lines[1].startswith("drilling platform    1   0.56")
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_it_takes_other_networks_and_odd_pictures(name):
    other = load_classifier(name, weights=None)
    page = dossier(other, Image.new("L", (40, 300), 7))
    assert page.table[0].rank == 1


def test_a_flat_map_has_no_correlation(clf, monkeypatch):
    monkeypatch.setattr("helpers.report.occlusion_map", lambda *_: torch.zeros(1, 2, 7, 7))
    assert math.isnan(dossier(clf, load_image("cat")).table[0].correlation)


@pytest.mark.parametrize("wrong", [1000, -1, 2.0, True, np.bool_(True), np.float64(3), (3,), "no such class"])
def test_a_class_that_does_not_exist_is_refused(clf, wrong):
    with pytest.raises(ValueError, match="class"):
        dossier(clf, load_image("cat"), wrong)
    assert not plt.get_fignums()


@pytest.mark.network
@pytest.mark.parametrize(("name", "expected"), [("iguana", "common iguana"), ("pug", "pug")])
def test_it_takes_the_pictures_on_the_web(name, expected):
    page = dossier(load_classifier("resnet18"), load_image(name), expected)
    assert expected in [row.label for row in page.table]
