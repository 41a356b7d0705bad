"""The dossier: its numbers against those computed one by one, and its figure."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from helpers import dossier, grad_cam, load_classifier, load_image, occlusion_map


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
    photo, said, expected, guesses, drops_said, drops_expected = page.figure.axes[:6]
    assert photo.images[0].get_array().shape == (512, 512, 3)
    assert [said.get_title(), expected.get_title()] == ["convertible", "jeep"]
    assert len(guesses.patches) == 5
    assert said.images[-1].get_clim() == expected.images[-1].get_clim()
    assert drops_said.images[-1].get_clim() == drops_expected.images[-1].get_clim()
    low, high = drops_said.images[-1].get_clim()
    assert low == -high


@pytest.mark.parametrize("expected", [None, "convertible"])
def test_without_another_class_it_compares_with_the_second_guess(clf, expected):
    image = load_image("tilted_jeep")
    table = dossier(clf, image, expected).table
    assert [row.label for row in table] == [guess.label for guess in clf.predict(image, k=2)]


def test_its_text_is_a_table(clf):
    lines = str(dossier(clf, load_image("rocket"), "space shuttle")).splitlines()
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


@pytest.mark.parametrize("wrong", [1000, -1, 2.0, True, "no such class"])
def test_a_class_that_does_not_exist_is_refused(clf, wrong):
    with pytest.raises(ValueError, match="class"):
        dossier(clf, load_image("cat"), wrong)
    assert not plt.get_fignums()


@pytest.mark.network
@pytest.mark.parametrize(("name", "expected"), [("iguana", "common iguana"), ("pug", "pug")])
def test_it_takes_the_pictures_on_the_web(name, expected):
    page = dossier(load_classifier("resnet18"), load_image(name), expected)
    assert expected in [row.label for row in page.table]
