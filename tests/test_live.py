"""What the live lab loads, and that its compiled loops are those of its source."""

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from torch import nn

from helpers import load_classifier, load_image
from helpers.images import _packaged, catalogue
from tools import kernels, live

PACKAGED = [photo for photo in catalogue().values() if photo.package]


@pytest.fixture(scope="module")
def clf():
    return load_classifier()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("live")
    live.write(folder)
    return folder


@pytest.fixture(scope="module")
def logits(clf):
    """Those of some photos, by a network; among them the two that rounding moves most."""
    x = torch.stack([clf.preprocess(load_image(photo.name)) for photo in PACKAGED[4::5]])

    def of(model):
        with torch.no_grad():
            return model(x)

    return of


def value(script, name):
    """What a script gives to Live.NAME."""
    return json.loads(re.search(rf"Live\.{name} = (.*);\n$", script)[1])


def argument(script):
    """What a script hands over: the last argument of its one call."""
    return json.loads(re.fullmatch(r"Live\.\w+\([^,]+,(.*)\);\n", script)[1])


def test_folding_changes_nothing(clf, logits):
    exact = live.as_sent(clf.model)
    layers = dict(exact.named_modules())
    for name, weight, bias in live.folded(clf.model):
        layers[name].weight.data, layers[name].bias.data = weight.float(), bias.float()
    assert (logits(exact) - logits(clf.model)).abs().max() < 1e-4


def test_rounding_to_16_bits_loses_little(clf, logits):
    wanted, found = logits(clf.model), logits(live.as_sent(clf.model))
    assert (found - wanted).abs().max() < 0.02
    assert (found.softmax(dim=1) - wanted.softmax(dim=1)).abs().max() < 0.003


def test_errors_that_are_carried_over_nearly_cancel(clf, logits, monkeypatch):
    wanted = logits(clf.model)
    carried = (logits(live.as_sent(clf.model)) - wanted).abs().max()
    monkeypatch.setattr(live, "half", lambda weight: weight.half().double())
    nearest = (logits(live.as_sent(clf.model)) - wanted).abs().max()
    assert nearest > 2 * carried


def test_a_kernels_rounding_errors_add_up_to_one_rounding_error():
    weight = torch.rand(6, 1, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    error = (live.half(weight) - weight).flatten(1)
    step = 2**-10  # between two numbers of 16 bits from 1 to 2
    assert error.abs().max() <= step
    assert error.sum(dim=1).abs().max() <= step / 2
    matrix = weight.reshape(6, 25, 1, 1)
    assert torch.equal(live.half(matrix), matrix.half().double())


def test_a_bias_in_two_parts_has_twice_the_digits():
    bias = torch.tensor([-3.3, 45.9, 1e-3], dtype=torch.float64)
    first, second = live.halves(bias)
    assert torch.equal(first, bias.half().double())
    np.testing.assert_allclose(first + second, bias, rtol=1e-6, atol=2**-25)


def test_the_bytes_are_the_weights_in_their_order(clf):
    raw = np.frombuffer(live.weights(clf.model), np.uint8)
    upper, lower = raw.reshape(2, -1)
    numbers = np.stack([lower, upper], axis=1).copy().view("<f2").ravel().astype(np.float64)
    at = 0
    for _, weight, bias in live.folded(clf.model):
        wanted = live.half(weight).numpy()
        outputs, inputs = wanted.shape[:2]
        for output in (0, 5, outputs - 1):
            if wanted.ndim == 4 and inputs == 1:
                places = wanted[output, 0].ravel()
                found = numbers[at + output :][: places.size * outputs : outputs]
            else:
                places = np.moveaxis(wanted[output], 0, -1).ravel()
                group, within = divmod(output, 8)
                found = numbers[at + group * 8 * places.size + within :][: 8 * places.size : 8]
            assert np.array_equal(found, places)
        at += wanted.size
        found = numbers[at : at + outputs] + numbers[at + outputs : at + 2 * outputs]
        np.testing.assert_allclose(found, bias.numpy(), rtol=1e-6, atol=2**-25)
        at += 2 * outputs
    assert at == numbers.size


def test_the_chunks_are_the_packed_weights(written, clf):
    model = value((written / "model.js").read_text("utf-8"), "model")
    scripts = sorted(written.glob("weights-*.js"))
    parts = [argument(script.read_text("utf-8")) for script in scripts]
    assert [script.name for script in scripts] == [f"weights-{i:02}.js" for i in range(model["chunks"])]
    assert max(map(len, parts)) <= 1_000_000
    assert sum(map(len, parts)) == model["characters"]
    raw = gzip.decompress(base64.b64decode("".join(parts)))
    assert raw == live.weights(clf.model)
    assert (len(raw), hashlib.sha256(raw).hexdigest()) == (model["bytes"], model["sha256"])
    assert tuple(model["categories"]) == clf.categories
    assert (model["side"], model["mean"], model["std"]) == (224, [0.5] * 3, [0.5] * 3)


def test_the_photos_are_the_packages_own_files(written):
    index = value((written / "photos.js").read_text("utf-8"), "photos")
    assert [entry["name"] for entry in index] == [photo.name for photo in PACKAGED]
    for entry, photo in zip(index, PACKAGED, strict=True):
        url = argument((written / "photos" / f"{photo.name}.js").read_text("utf-8"))
        kind, data = re.fullmatch(r"data:image/(jpeg|png);base64,(.+)", url).groups()
        assert base64.b64decode(data) == _packaged(photo)
        assert kind == ("png" if photo.file.endswith("png") else "jpeg")
        assert (entry["alt"], entry["credit"]) == (photo.alt, photo.credit)
        assert entry["bytes"] == len(url) < 1_100_000


def test_the_same_bytes_each_time(written, tmp_path):
    live.write(tmp_path)
    for path in written.rglob("*.js"):
        assert (tmp_path / path.relative_to(written)).read_bytes() == path.read_bytes(), path


def test_nothing_is_written_again_unless_something_changed(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(live, "photos", lambda: made.append("photos") or {"photos.js": "1"})
    monkeypatch.setattr(live, "network", lambda: made.append("network") or {"model.js": "2"})
    live.write(tmp_path)
    live.write(tmp_path)
    assert made == ["photos", "network"]
    assert (tmp_path / "model.js").read_text("utf-8").splitlines()[1] == "2"
    (tmp_path / "model.js").unlink()  # as an interrupted build leaves it
    live.write(tmp_path)
    monkeypatch.setattr(live, "state", lambda: "another")
    live.write(tmp_path)
    assert made == ["photos", "network"] * 3


def test_the_state_knows_its_sources(monkeypatch):
    before = live.state()
    assert live.state() == before
    monkeypatch.setattr(live.importlib.metadata, "version", lambda package: f"{package} 999")
    assert live.state() != before


def test_a_network_with_other_layers_is_folded_too():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 8)
    ).eval()
    nn.init.uniform_(model[1].running_mean)
    nn.init.uniform_(model[1].running_var, 0.5, 2)
    x = torch.rand(1, 3, 3, 3)
    (_, weight, bias), (name, *_) = live.folded(model)
    found = nn.functional.conv2d(x.double(), weight, bias)
    assert torch.allclose(found.float(), model[:2](x), atol=1e-5)
    assert name == "3"


def test_the_committed_loops_are_those_of_the_source(tmp_path, monkeypatch):
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm, which compile the loops, are not on this machine")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(kernels.COMPILER / name, tmp_path)
    monkeypatch.setattr(kernels, "COMPILER", tmp_path)
    try:
        kernels.install()
    except subprocess.CalledProcessError as error:
        reached = subprocess.run(["npm", "view", "assemblyscript", "version"], env=os.environ, check=False)
        if reached.returncode:
            pytest.skip(f"npm reaches no registry ({error})")
        raise
    assert kernels.script() == kernels.SCRIPT.read_text(encoding="utf-8"), "run make kernels"
