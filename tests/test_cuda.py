"""What a GPU computes is what the processor computes; the cases also run there, in half precision."""

import copy
import dataclasses
import functools

import matplotlib.pyplot as plt
import pytest
import torch

from helpers import capture, dossier, grad_cam, load_classifier, load_image, occlusion_map
from helpers.dataset import explain

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]

# The difference from single precision on the processor, relative to the norm of all values. The processor's
# own half precision differs by up to 0.005 (11 bits, float16) and 0.04 (8 bits, bfloat16).
TOLERANCES = {torch.float32: 1e-4, torch.float16: 0.015, torch.bfloat16: 0.12}
PRECISIONS = pytest.mark.parametrize("dtype", TOLERANCES, ids=str)


@pytest.fixture(autouse=True)
def _full_precision():
    """Convolutions and products in float32 proper, which GPUs round to 10 bits otherwise."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        yield
        torch.set_float32_matmul_precision(before)


@functools.cache
def classifier():
    return load_classifier("efficientnet_lite0")


def moved(device, dtype):
    """The same classifier elsewhere, or in another precision."""
    clf = classifier()
    model = copy.deepcopy(clf.model).to(device, dtype)
    (name,) = (name for name, module in clf.model.named_modules() if module is clf.layer)
    return dataclasses.replace(clf, model=model, layer=model.get_submodule(name))


def pictures(clf):
    return torch.stack([clf.preprocess(load_image(name)) for name in ("mastiff", "cat")])


TARGET = torch.tensor([[243, 281], [281, 243]])


def close(found, expected, device, dtype, tolerance=None):
    """Of the right kind, and equal but for rounding."""
    assert (found.device.type, found.dtype) == (device, dtype)
    difference = (found.detach().cpu().float() - expected.detach()).norm()
    assert expected.any()
    assert difference <= (tolerance or TOLERANCES[dtype]) * expected.norm()


@PRECISIONS
@pytest.mark.parametrize("device", DEVICES)
def test_grad_cam(device, dtype):
    here, there = classifier(), moved(device, dtype)
    expected = grad_cam(here.model, here.layer, pictures(here), TARGET)
    for target in (TARGET, TARGET.to(device)):
        close(grad_cam(there.model, there.layer, pictures(there), target), expected, device, dtype)


@PRECISIONS
@pytest.mark.parametrize("device", DEVICES)
def test_capture(device, dtype):
    caught = []
    for clf in (classifier(), moved(device, dtype)):
        with capture(clf.model, clf.layer) as seen:
            logits = clf.model(pictures(clf))
            caught.append((logits, seen.activations, seen.gradients(logits[:, 243].sum())))
            many = seen.gradients(logits[0, [243, 281]])
            close(many[0, 0], caught[-1][2][0].cpu().float(), logits.device.type, logits.dtype)
    here, there = caught
    for expected, found in zip(here, there, strict=True):
        close(found, expected, device, dtype)


@PRECISIONS
@pytest.mark.parametrize("device", DEVICES)
def test_occlusion_map(device, dtype):
    here, there = classifier(), moved(device, dtype)
    expected = occlusion_map(here.model, pictures(here), TARGET, places=(2, 3))
    found = occlusion_map(there.model, pictures(there), TARGET, places=(2, 3))
    # A drop is the difference of two logits, which are larger than it.
    close(found, expected, device, dtype, tolerance=3 * TOLERANCES[dtype])


@PRECISIONS
@pytest.mark.parametrize("device", DEVICES)
def test_predict(device, dtype):
    image = load_image("mastiff")
    expected, found = classifier().predict(image, k=2), moved(device, dtype).predict(image, k=2)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.index, ours.label) == (theirs.index, theirs.label)
        assert ours.logit == pytest.approx(theirs.logit, rel=TOLERANCES[dtype])
        assert ours.probability == pytest.approx(theirs.probability, abs=TOLERANCES[dtype])


@functools.cache
def expected_page():
    return dossier(classifier(), load_image("mastiff"))


@pytest.mark.parametrize(
    ("device", "dtype"),
    [("cpu", torch.float16), *(pytest.param("cuda", dtype, marks=pytest.mark.cuda) for dtype in TOLERANCES)],
)
def test_dossier(device, dtype):
    page = dossier(moved(device, dtype), load_image("mastiff"))
    for expected, found in zip(expected_page().table, page.table, strict=True):
        assert (found.label, found.rank) == (expected.label, expected.rank)
        for name in ("logit", "cam_maximum"):
            value = getattr(expected, name)
            assert getattr(found, name) == pytest.approx(value, rel=TOLERANCES[dtype])
        drop = expected.largest_drop
        assert found.largest_drop == pytest.approx(drop, rel=3 * TOLERANCES[dtype])
        assert found.correlation == pytest.approx(expected.correlation, abs=3 * TOLERANCES[dtype])
    page.figure.canvas.draw()
    plt.close("all")


@pytest.mark.cuda
def test_a_folder_is_explained_where_the_model_is(tmp_path):
    load_image("mastiff").save(tmp_path / "dog.png")
    clf = load_classifier()
    here = explain(tmp_path, ["dog.png"])
    try:
        clf.model.to("cuda")
        there = explain(tmp_path, ["dog.png"])
    finally:
        clf.model.to("cpu")
    assert there["classes"] == here["classes"]
    for column in ("logits", "cam"):
        torch.testing.assert_close(
            *(torch.tensor(t[column].to_pylist()) for t in (there, here)), rtol=0.01, atol=0.01
        )
