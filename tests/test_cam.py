"""Grad-CAM: against numbers done by hand, against three libraries, on real photos, on bad input."""

import copy
import gc
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchcam.methods
import torchvision
from captum.attr import LayerGradCam
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn import functional as F

from helpers import capture, class_maps, grad_cam, load_classifier, load_image, mosaic, normalise, upsample
from helpers.cam import CLASSES_AT_ONCE, logits_and_cam, look

ARCHITECTURES = ["resnet18", "resnet50", "vgg16", "densenet201", "mobilenet_v3_large"]
PACKAGED = ["efficientnet_lite0", "squeezenet1_1"]


class Head(nn.Module):
    """The map itself, its mean over the places, one linear layer: small enough for paper."""

    def __init__(self, weight):
        super().__init__()
        self.maps = nn.Identity()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0]).to(weight.dtype)
        with torch.no_grad():
            self.linear.weight.copy_(weight)

    def forward(self, x):
        return self.linear(self.maps(x).mean(dim=(2, 3)))


@pytest.fixture
def toy():
    """The example of chapter 8: 8 times the mean of the first channel minus 4 times that of the second."""
    return Head(torch.tensor([[8.0, -4.0], [0.0, 1.0]])), torch.tensor(
        [[[[1.0, 0], [0, 0]], [[0, 0], [0, 2]]]]
    )


# --- by hand


def test_the_toy_of_chapter_8(toy):
    model, x = toy
    assert grad_cam(model, model.maps, x, 0).tolist() == [[[2, 0], [0, 0]]]
    assert grad_cam(model, "maps", x, 1).tolist() == [[[0, 0], [0, 0.5]]]
    assert grad_cam(model, "maps", x, torch.tensor([[0, 1]])).tolist() == [
        [[[2, 0], [0, 0]], [[0, 0], [0, 0.5]]]
    ]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 4),
    c=st.integers(1, 6),
    h=st.integers(1, 5),
    w=st.integers(2, 5),
    classes=st.integers(1, 2 * CLASSES_AT_ONCE + 3),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_it_equals_cam_for_every_shape(n, c, h, w, classes, seed, data):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(classes, c, generator=generator, dtype=torch.float64)
    x = torch.randn(n, c, h, w, generator=generator, dtype=torch.float64)
    k = data.draw(st.integers(1, classes))
    target = torch.randint(classes, (n, k), generator=generator)
    expected = torch.einsum("nkc,nchw->nkhw", weight[target], x).relu() / (h * w)
    model = Head(weight)
    cam = grad_cam(model, model.maps, x, target)
    assert cam.shape == (n, k, h, w)
    torch.testing.assert_close(cam, expected)
    torch.testing.assert_close(grad_cam(model, model.maps, x, target[:, 0].tolist()), expected[:, 0])


def test_every_kind_of_target(toy):
    model, _ = toy
    x = torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    every = grad_cam(model, "maps", x, torch.tensor([[0, 1]] * 3))
    own = model(x).argmax(dim=1)
    for target, chosen in [
        (1, [1, 1, 1]),
        ([0, 1, 0], [0, 1, 0]),
        ((1, 0, 1), [1, 0, 1]),
        (torch.tensor([1, 1, 0], dtype=torch.int32), [1, 1, 0]),
        (np.int64(1), [1, 1, 1]),
        (torch.tensor(0), [0, 0, 0]),
        ([np.int64(0), np.int64(1), np.int64(1)], [0, 1, 1]),
        (torch.tensor([1, 1, 0]).to(torch.uint16), [1, 1, 0]),
        (None, own.tolist()),
    ]:
        cam = grad_cam(model, "maps", x, target)
        assert cam.shape == (3, 4, 4)
        torch.testing.assert_close(cam, every[range(3), chosen])


def test_many_classes_as_nested_lists_or_array(toy):
    model, x = toy
    expected = grad_cam(model, "maps", x, torch.tensor([[0, 1]]))
    for target in ([[0, 1]], np.array([[0, 1]])):
        torch.testing.assert_close(grad_cam(model, "maps", x, target), expected)


def test_targets_and_images_made_in_inference_mode(toy):
    model, x = toy
    with torch.inference_mode():
        cam = grad_cam(model, "maps", x + 0, torch.tensor([[0, 1]]))
    torch.testing.assert_close(cam, grad_cam(model, "maps", x, torch.tensor([[0, 1]])))


def test_a_first_layer_in_place_does_not_change_the_images():
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.randn(1, 3, 4, 4)
    before = x.clone()
    grad_cam(net, "1", x, 0)
    assert x.equal(before)


# --- against the libraries


def stretched(cam):
    """What pytorch-grad-cam does to each of its maps."""
    low = cam - cam.amin(dim=(-2, -1), keepdim=True)
    return low / (1e-7 + low.amax(dim=(-2, -1), keepdim=True))


def close(ours, theirs):
    """Equal to 1e-5 of the largest value."""
    assert ours.shape == theirs.shape
    assert ours.max() > 0
    assert (ours - theirs).abs().max() <= 1e-5 * ours.max()


@pytest.fixture
def _densenet_not_in_place(monkeypatch):
    """DenseNet changes its last map in place; torchcam and pytorch-grad-cam then see the changed one."""
    relu = SimpleNamespace(**vars(F) | {"relu": lambda x, inplace: F.relu(x)})
    monkeypatch.setattr(torchvision.models.densenet, "F", relu)


@pytest.fixture(params=[*ARCHITECTURES, *PACKAGED])
def case(request, _densenet_not_in_place):
    """A classifier, a batch of two pictures, three classes for each."""
    clf = load_classifier(request.param, weights="imagenet" if request.param in PACKAGED else None)
    x = torch.stack([clf.preprocess(load_image(name)) for name in ("mastiff", "cat")])
    with torch.no_grad():
        order = clf.model(x).argsort(dim=1, descending=True)
    return clf, x, order[:, [0, 1, 500]]


def test_it_equals_captum(case):
    clf, x, target = case
    ours = grad_cam(clf.model, clf.layer, x, target)
    captum = LayerGradCam(clf.model, clf.layer)
    for k in range(3):
        close(ours[:, k], captum.attribute(x, target[:, k], relu_attributions=True)[:, 0].detach())


def test_it_equals_torchcam(case):
    clf, x, target = case
    ours = grad_cam(clf.model, clf.layer, x, target)
    for k in range(3):
        with torchcam.methods.GradCAM(clf.model, clf.layer) as extractor:
            (theirs,) = extractor(target[:, k].tolist(), clf.model(x), normalized=False)
        close(ours[:, k], theirs)


def test_it_equals_pytorch_grad_cam(case):
    clf, x, target = case
    ours = grad_cam(clf.model, clf.layer, x, target[:, 0])
    with GradCAM(clf.model, [clf.layer]) as library:
        theirs = library(x, targets=[ClassifierOutputTarget(k.item()) for k in target[:, 0]])
    clf.model.zero_grad()
    close(stretched(upsample(stretched(ours), x.shape[2:])), torch.from_numpy(theirs))


def test_densenets_in_place_relu_does_not_change_what_is_explained():
    clf = load_classifier("densenet201", weights=None)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with capture(clf.model, clf.layer) as caught:
        clf.model(x)
    before_the_relu = caught.activations
    assert (before_the_relu < 0).any()
    captum = LayerGradCam(clf.model, clf.layer)
    close(grad_cam(clf.model, clf.layer, x, 3), captum.attribute(x, 3, relu_attributions=True)[:, 0].detach())


@pytest.mark.parametrize("layer", ["layer1", "layer2.0.conv1", "layer3", "layer4.1.conv2", "relu"])
def test_it_equals_captum_at_inner_layers(layer):
    clf = load_classifier("resnet18", weights=None)
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    captum = LayerGradCam(clf.model, clf.model.get_submodule(layer))
    for target in ([1, 2], [3, 4]):
        theirs = captum.attribute(x, target, relu_attributions=True)[:, 0].detach()
        close(grad_cam(clf.model, layer, x, target), theirs)


def test_many_classes_equal_one_at_a_time(case):
    clf, x, _ = case
    target = torch.arange(2 * (CLASSES_AT_ONCE + 4)).reshape(2, -1)
    together = grad_cam(clf.model, clf.layer, x, target)
    for k in (0, 5, CLASSES_AT_ONCE, CLASSES_AT_ONCE + 3):
        alone = grad_cam(clf.model, clf.layer, x, target[:, k])
        torch.testing.assert_close(together[:, k], alone, rtol=1e-4, atol=1e-6)


# --- on real photos


@pytest.mark.parametrize("cat", ["Egyptian cat", "tabby", "tiger cat"])
@pytest.mark.parametrize(("photo", "dog"), [("mastiff", "bull mastiff"), ("dalmatian", "dalmatian")])
@pytest.mark.parametrize("cat_is_left", [True, False])
def test_at_least_80_percent_of_each_map_lie_in_its_own_cell(cat, photo, dog, cat_is_left):
    clf = load_classifier()
    pictures = [load_image("cat"), load_image(photo)]
    image, *boxes = mosaic(*(pictures if cat_is_left else pictures[::-1]))
    labels = [cat, dog] if cat_is_left else [dog, cat]
    target = torch.tensor([[clf.class_index(label) for label in labels]])
    cams = grad_cam(clf.model, clf.layer, clf.preprocess(image)[None], target)[0]
    for cam, (left, upper, right, lower) in zip(upsample(cams, image.size[::-1]), boxes, strict=True):
        assert cam[upper:lower, left:right].sum() >= 0.8 * cam.sum()


# --- leaves nothing behind


def test_nothing_is_changed():
    clf = load_classifier()
    x = clf.preprocess(load_image("cat"))[None].requires_grad_()
    before = {key: value.clone() for key, value in clf.model.state_dict().items()}
    for surroundings in (torch.no_grad, torch.enable_grad, torch.inference_mode):
        with surroundings():
            cam = grad_cam(clf.model, clf.layer, x, 281)
        assert not cam.requires_grad
    assert x.grad is None
    assert all(p.grad is None and p.requires_grad for p in clf.model.parameters())
    assert not clf.model.training
    for key, value in clf.model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_a_thousand_calls_leave_no_hook_and_no_memory(toy):
    model, x = toy
    resource = pytest.importorskip("resource", reason="Windows does not say how much memory a process took")
    room = 10_000 * (1024 if sys.platform == "darwin" else 1)  # macOS counts bytes, Linux kB

    def count():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    for _ in range(10):
        grad_cam(model, "maps", x, torch.tensor([[0, 1]]))
    tensors, memory = count(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        grad_cam(model, "maps", x, torch.tensor([[0, 1]]))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert count() <= tensors
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss <= memory + room


@pytest.fixture
def training():
    """A network with batch norm in training mode, with statistics to lose."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
    )
    return net, torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 1


def test_a_network_in_training_mode_is_explained_as_it_answers_and_keeps_its_statistics(training):
    net, x = training
    before = copy.deepcopy(net.state_dict())
    cam = grad_cam(net, "2", x, 1)
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert all(module.training for module in net.modules())
    theirs = LayerGradCam(net, net[2]).attribute(x, 1, relu_attributions=True)[:, 0].detach()
    close(cam, theirs)
    assert not cam.allclose(grad_cam(net.eval(), "2", x, 1))


def test_a_training_step_around_a_map_is_what_it_is_without(training):
    net, x = training
    twin = copy.deepcopy(net)
    loss = net(x).square().sum()
    grad_cam(net, "2", x + 1, 1)
    loss.backward()
    twin(x).square().sum().backward()
    for ours, expected in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad, rtol=0, atol=0)
    for ours, expected in zip(net.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)


def test_hooks_are_gone_after_an_error(toy):
    model, x = toy
    for bad in (x[:, :1], x):
        with pytest.raises((RuntimeError, ValueError)):
            grad_cam(model, "maps", bad, 99)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


# --- bad input


@pytest.fixture(scope="module")
def resnet():
    return load_classifier("resnet18", weights=None)


X = torch.zeros(2, 3, 64, 64)


@pytest.mark.parametrize(
    ("x", "error", "said"),
    [
        (X[0], ValueError, r"not \(3, 64, 64\): add the batch axis with x\[None\]"),
        (X[:, :1], ValueError, r"x has 1 channels where the model takes 3"),
        (X[:0], ValueError, r"must have the shape \(N, 3, H, W\), not \(0, 3"),
        (X.byte(), TypeError, r"must be floating point, not torch\.uint8"),
        (X / 0, ValueError, r"NaN or infinite"),
        (X + float("inf"), ValueError, r"NaN or infinite"),
        (X.numpy(), TypeError, r"must be a tensor .*, not ndarray"),
    ],
)
def test_bad_images_are_refused(resnet, x, error, said):
    with pytest.raises(error, match=said):
        grad_cam(resnet.model, resnet.layer, x, 0)


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (1000, ValueError, r"between 0 and 999, the model's last class, not \[1000, 1000\]"),
        (-1, ValueError, r"between 0 and 999"),
        ([0, 1, 2], ValueError, r"2 of them \(one for each image\)"),
        ([], ValueError, r"must be one class"),
        (torch.zeros(2, 0, dtype=torch.long), ValueError, r"must be one class"),
        (torch.zeros(3, 2, dtype=torch.long), ValueError, r"must be one class"),
        (torch.zeros(2, 2, 2, dtype=torch.long), ValueError, r"must be one class"),
        (1.0, TypeError, r"must hold integers"),
        (True, TypeError, r"must hold integers"),
        ("tabby", TypeError, r"must hold integers, class indices, not 'tabby'"),
    ],
)
def test_bad_targets_are_refused(resnet, target, error, said):
    with pytest.raises(error, match=said):
        grad_cam(resnet.model, resnet.layer, X, target)


@pytest.mark.parametrize(
    ("layer", "error", "said"),
    [
        ("avgpool", ValueError, r"\(2, 512, 1, 1\), without a spatial map"),
        ("fc", ValueError, r"\(2, 1000\), without a spatial map"),
        ("layer9", ValueError, r"no layer 'layer9'"),
        (nn.ReLU(), ValueError, r"not part of the model"),
    ],
)
def test_bad_layers_are_refused(resnet, layer, error, said):
    with pytest.raises(error, match=said):
        grad_cam(resnet.model, layer, X, 0)


def test_an_unused_convolution_does_not_mislead(resnet):
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.used = nn.Conv2d(7, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            return self.used(x).mean(dim=(2, 3))

    with pytest.raises(ValueError, match="x has 1 channels where the model takes 3"):
        grad_cam(Unused(), "used", X[:, :1], 0)
    faulty = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(5, 2, 1), nn.Flatten())
    with pytest.raises(RuntimeError, match="to have 5 channels"):
        grad_cam(faulty, "0", X, 0)


def test_images_of_another_dtype_than_the_model_are_refused_with_advice(resnet):
    said = r"x is torch\.float64 on cpu where the model is torch\.float32 on cpu: pass x\.to\("
    with pytest.raises(TypeError, match=said):
        grad_cam(resnet.model, resnet.layer, X.double(), 0)


def test_a_classifier_in_place_of_its_network_is_refused_with_advice(resnet):
    with pytest.raises(TypeError, match=r"not Classifier: pass clf\.model\."):
        grad_cam(resnet, resnet.layer, X, 0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_network_with_broken_weights_is_refused(toy, broken):
    model, x = toy
    with torch.no_grad():
        model.linear.weight[1, 1] = broken
    with pytest.raises(ValueError, match="The model's scores are NaN or infinite"):
        grad_cam(model, "maps", x, 0)


def test_a_class_that_is_masked_out_does_not_matter(toy):
    model, x = toy
    expected = grad_cam(model, "maps", x, 0)
    model.linear.register_forward_hook(lambda *args: args[2] + torch.tensor([0, -float("inf")]))
    torch.testing.assert_close(grad_cam(model, "maps", x, 0), expected)


def test_a_map_that_is_not_finite_is_refused():
    class Root(nn.Module):  # its slope at zero is infinite
        def __init__(self):
            super().__init__()
            self.maps = nn.Identity()

        def forward(self, x):
            return self.maps(x).mean(dim=(2, 3)).sqrt()

    with pytest.raises(ValueError, match="The map holds NaN or infinite values"):
        grad_cam(Root(), "maps", torch.zeros(1, 2, 3, 3), 0)


class Heads(nn.Module):
    """Attention in the open: queries and attention weights have four axes, but are no maps."""

    def __init__(self):
        super().__init__()
        self.patches, self.queries, self.values = nn.Conv2d(3, 8, 8, 8), nn.Linear(8, 64), nn.Linear(8, 8)
        self.norm, self.attention, self.mixed = nn.Identity(), nn.Softmax(dim=-1), nn.Identity()
        self.last = nn.Identity()

    def forward(self, x):
        tokens = self.patches(x).flatten(2).mT  # (N, 64, 8)
        queries = self.norm(self.queries(tokens).reshape(len(x), 64, 2, 32).transpose(1, 2))
        weights = self.attention(queries @ queries.mT)  # (N, 2, 64, 64)
        mixed = self.mixed(weights.mean(dim=1) @ self.values(tokens))
        return self.last(mixed.mT.reshape(len(x), 8, 8, 8)).mean(dim=(2, 3))


def test_queries_and_attention_weights_are_no_maps():
    net, x = Heads(), torch.rand(2, 3, 64, 64)
    for layer in ("norm", "attention", "mixed"):
        with pytest.raises(ValueError, match="without a spatial map"):
            grad_cam(net, layer, x, 0)
    for layer in ("patches", "last"):
        assert grad_cam(net, layer, x, 0).shape == (2, 8, 8)


def test_maps_with_their_channels_last_equal_those_with_channels_first():
    class Last(nn.Module):
        def forward(self, x):
            return x.movedim(1, -1)

    class First(nn.Module):
        def forward(self, x):
            return x.movedim(-1, 1)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 5, 3, 2, 1), Last(), First(), nn.ReLU(), nn.Flatten(), nn.Linear(300, 20)
    )
    x, target = torch.rand(2, 3, 12, 20), torch.tensor([[1, 2, 3], [4, 5, 6]])
    expected = grad_cam(net, "0", x, target)
    assert expected.shape == (2, 3, 6, 10)
    torch.testing.assert_close(grad_cam(net, "1", x, target), expected)
    torch.testing.assert_close(grad_cam(net, "1", x, target[:, 0]), expected[:, 0])


def test_a_layer_beside_the_score_is_refused():
    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.beside, self.never = (nn.Conv2d(3, 2, 1) for _ in range(3))

        def forward(self, x):
            self.beside(x)
            return self.used(x).mean(dim=(2, 3))

    with pytest.raises(RuntimeError, match="does not depend on the layer"):
        grad_cam(Beside(), "beside", X, 0)
    with pytest.raises(RuntimeError, match="The layer has not run"):
        grad_cam(Beside(), "never", X, 0)


@pytest.mark.parametrize("model", [nn.Conv2d(3, 2, 1), nn.Sequential(nn.Conv2d(3, 2, 1), nn.LSTM(64, 2))])
def test_a_model_without_class_scores_is_refused(model):
    with pytest.raises((ValueError, RuntimeError)):
        grad_cam(model, next(model.children(), model), X, 0)


# --- normalise and upsample


def test_normalise_scales_each_map_by_its_own_maximum():
    cam = torch.tensor([[[0.0, 2.0]], [[1.0, 4.0]]])
    assert normalise(cam).tolist() == [[[0, 1]], [[0.25, 1]]]
    assert cam.max() == 4


def test_a_map_without_evidence_stays_zero():
    cam = torch.stack([torch.zeros(3, 3), torch.full((3, 3), 1e-42)])
    assert normalise(cam)[0].eq(0).all()
    assert normalise(cam)[1].eq(1).all()


@pytest.mark.parametrize("bad", [torch.tensor([[-1.0, 1.0]]), torch.tensor([[float("nan"), 1.0]])])
def test_normalise_refuses_signed_and_broken_maps(bad):
    with pytest.raises(ValueError, match="finite maps that are zero or more"):
        normalise(bad)


@pytest.mark.parametrize("shape", [(7, 7), (2, 7, 7), (2, 3, 5, 9)])
def test_upsample_equals_opencv(shape):
    import cv2

    cam = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    large = upsample(cam, (120, 200))
    assert large.shape == (*shape[:-2], 120, 200)
    for ours, small in zip(large.reshape(-1, 120, 200), cam.reshape(-1, *shape[-2:]), strict=True):
        np.testing.assert_allclose(ours, cv2.resize(small.numpy(), (200, 120)), atol=1e-5)


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (5,), (5, 5, 5), 4, None, (4.0, 4.0), (True, True)])
def test_upsample_refuses_bad_sizes(size):
    with pytest.raises(ValueError, match=r"must be \(height, width\)"):
        upsample(torch.rand(2, 2), size)


def test_upsample_takes_numpys_integers():
    assert upsample(torch.rand(2, 2), (np.int64(4), np.int32(6))).shape == (4, 6)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (np.ones((2, 2)), "ndarray"),
        ([[1.0]], "list"),
        (None, "NoneType"),
        (torch.ones(2, 2, dtype=torch.int64), "torch.int64"),
    ],
)
def test_what_is_no_map_is_refused(wrong, kind):
    for function in (normalise, lambda cam: upsample(cam, (2, 2))):
        with pytest.raises(TypeError, match=rf"Maps must be a floating-point tensor .*, not {kind}\."):
            function(wrong)


@pytest.mark.parametrize("shape", [(3, 0, 2), (3, 2, 0)])
def test_maps_without_places_are_refused(shape):
    with pytest.raises(ValueError, match=r"must have the shape \(\.\.\., h, w\)"):
        normalise(torch.rand(shape))


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3, 2)])
def test_no_maps_at_all_stay_none(shape):
    assert normalise(torch.rand(shape)).shape == shape


def test_one_axis_is_no_map():
    for function in (normalise, lambda cam: upsample(cam, (2, 2))):
        with pytest.raises(ValueError, match=r"must have the shape \(\.\.\., h, w\)"):
            function(torch.rand(3))


def test_capture_is_what_grad_cam_uses(toy):
    model, x = toy
    with capture(model, "maps") as caught:
        weights = caught.gradients(model(x)[0, 0]).mean(dim=(2, 3))
    expected = torch.einsum("nc,nchw->nhw", weights, caught.activations).relu()
    torch.testing.assert_close(grad_cam(model, "maps", x, 0), expected.detach())


def test_one_pass_gives_logits_and_maps_of_many_pictures_one_after_the_other(toy):
    model, x = toy
    pictures = [x, 3 * x, x.flip(1)]
    target = torch.tensor([[0, 1]])
    with capture(model, "maps") as caught:
        found = [logits_and_cam(caught, model, picture, target) for picture in pictures]
        (_, best) = logits_and_cam(caught, model, x)
    for picture, (logits, cam) in zip(pictures, found, strict=True):
        assert torch.equal(logits, model(picture))
        assert not logits.requires_grad
        assert torch.equal(cam, grad_cam(model, "maps", picture, target))
    assert torch.equal(best, grad_cam(model, "maps", x))


def test_a_look_holds_the_scores_of_all_classes(toy):
    model, x = toy
    seen = look(model, "maps", x, target=1)
    assert torch.equal(seen.logits, model(x).detach())
    assert seen.scores.tolist() == seen.logits[:, 1:].tolist()


def test_class_maps_by_hand():
    activations = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    head = nn.Linear(2, 3)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]]))
    maps = class_maps(activations, head).detach()
    assert maps.tolist() == [[[[1, 0]], [[0, 2]], [[2, -2]]]]


@pytest.mark.parametrize(("name", "head"), [("efficientnet_lite0", "classifier"), ("resnet18", "fc")])
def test_the_mean_of_a_class_map_and_the_bias_are_the_logit(name, head):
    clf = load_classifier(name, weights=None)
    head = clf.model.get_submodule(head)
    with capture(clf.model, clf.layer) as caught:
        logits = clf.model(torch.rand(2, 3, 224, 224))
    maps = class_maps(caught.activations, head)
    torch.testing.assert_close(maps.mean(dim=(2, 3)) + head.bias, logits)


def test_class_maps_want_a_linear_head_of_as_many_channels():
    with pytest.raises(TypeError, match="not Conv2d"):
        class_maps(torch.zeros(1, 2, 3, 3), nn.Conv2d(2, 3, 1))
    for shape in [(1, 4, 3, 3), (2, 3, 3), (1, 2)]:
        with pytest.raises(ValueError, match=r"\(N, 2, h, w\)"):
            class_maps(torch.zeros(shape), nn.Linear(2, 3))


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64])
def test_class_maps_want_activations_of_the_heads_dtype(dtype):
    said = (
        rf"activations are {dtype} .* where head is torch\.float32 .*: pass activations\.to\(head\.weight\)"
    )
    with pytest.raises(TypeError, match=said):
        class_maps(torch.ones(1, 2, 3, 3, dtype=dtype), nn.Linear(2, 3))


def test_class_maps_want_a_tensor():
    with pytest.raises(TypeError, match="not NoneType"):
        class_maps(None, nn.Linear(2, 3))
