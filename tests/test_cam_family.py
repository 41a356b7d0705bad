"""Grad-CAM's family: numbers by hand, identities, three libraries, what these do otherwise, bad input."""

import copy
import functools
import threading

import numpy as np
import pytest
import torch
import torchcam.methods
import torchvision
from captum.attr import LayerGradientXActivation
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam import (
    AblationCAM,
    EigenCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn import functional as F
from torchvision.models import DenseNet, ResNet
from torchvision.models.resnet import BasicBlock
from torchvision.models.vgg import make_layers

from helpers import grad_cam, load_classifier, load_image, upsample
from helpers.cam import CLASSES_AT_ONCE, layer_maps
from helpers.cam_family import (
    ABLATED_AT_ONCE,
    MASKED_AT_ONCE,
    _masks,
    ablation_cam,
    eigen_cam,
    grad_cam_pp,
    hires_cam,
    layer_cam,
    score_cam,
    xgrad_cam,
)

BY_GRADIENTS = [grad_cam_pp, xgrad_cam, hires_cam, layer_cam]
BY_ASKING = [score_cam, ablation_cam]
FAMILY = [*BY_GRADIENTS, *BY_ASKING, eigen_cam]
EVERY = pytest.mark.parametrize("method", FAMILY, ids=lambda method: method.__name__)


class Head(nn.Module):
    """The map itself, its mean over the places, one linear layer: small enough for paper."""

    def __init__(self, weight, bias=0.0):
        super().__init__()
        self.maps = nn.Identity()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0]).to(weight)
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            self.linear.bias.fill_(bias)
        self.eval()

    def forward(self, x):
        return self.linear(self.maps(x).mean(dim=(2, 3)))


class Flat(nn.Module):
    """The map itself, and a linear layer with a weight for each place."""

    def __init__(self, weight):
        super().__init__()
        self.maps, self.weight = nn.Identity(), nn.Parameter(weight)
        self.eval()

    def forward(self, x):
        return self.maps(x).flatten(1) @ self.weight.T


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected, tolerance=1e-5):
    """Equal to a fraction of the largest value."""
    assert found.shape == expected.shape
    assert expected.max() > 0
    assert (found - expected).abs().max() <= tolerance * expected.max()


# --- by hand


@pytest.fixture
def toy():
    """Twice the sum of the first channel minus that of the second, four places."""
    return Head(doubles([8, -4])), doubles([[[3, 1], [0, 0]], [[0, 0], [0, 2]]])


def softmax_of_two(a, b):
    """The first of two softmax weights."""
    return 1 / (1 + np.exp(b - a))


W = softmax_of_two(8 * (3 + 1 / 3) / 4, -4 * 2 / 4)  # the scores of the two masked pictures


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (grad_cam, [[6, 2], [0, 0]]),
        (hires_cam, [[6, 2], [0, 0]]),
        (xgrad_cam, [[6, 2], [0, 0]]),
        (layer_cam, [[6, 2], [0, 0]]),
        (grad_cam_pp, [[2.4, 0.8], [0, 0]]),  # weight 4 · 2 / (2 + 2 · 4)
        (ablation_cam, [[24, 8], [0, 0]]),  # the logit 8 - 2 loses 8 without the first channel
        (eigen_cam, [[3, 1], [0, 0]]),  # the channels are orthogonal, the first is longer
        (score_cam, [[3 * W, W], [0, 2 * (1 - W)]]),
    ],
)
def test_the_toy_by_hand(toy, method, expected):
    torch.testing.assert_close(method(toy[0], "maps", toy[1], 0), doubles(expected))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (grad_cam, [[0, 0]]),  # the mean gradient is (1 - 5) / 2
        (xgrad_cam, [[1.5, 0.5]]),  # (3 · 1 - 1 · 1) / 4
        (hires_cam, [[3, 0]]),
        (layer_cam, [[3, 0]]),
        (grad_cam_pp, [[0.5, 1 / 6]]),  # 1 / (2 + 1 · 4)
        (ablation_cam, [[6, 2]]),
    ],
)
def test_weights_that_depend_on_the_place_by_hand(method, expected):
    slope = -5.0 if method is grad_cam else -1.0
    model, x = Flat(doubles([1, slope])), doubles([[[3, 1]]])
    torch.testing.assert_close(method(model, "maps", x, 0), doubles(expected))


def test_layer_cam_does_not_subtract_evidence_against_the_class():
    model, x = Head(doubles([2, -2])), doubles([[[1, 1]], [[0, 1]]])
    assert hires_cam(model, "maps", x, 0).tolist() == [[[1, 0]]]
    assert layer_cam(model, "maps", x, 0).tolist() == [[[1, 1]]]


def test_the_ablation_of_the_toy_by_the_library_is_divided_by_the_logit(toy):
    model, x = toy
    assert model(x).item() == 6
    assert ablation_cam(model, "maps", x, 0).max() / 6 == pytest.approx(4)


# --- identities


@st.composite
def tails(draw):
    """A batch of activations, zero or more, and a head; target (n, k)."""
    n, c, h, w, k = (draw(st.integers(*range_)) for range_ in ((1, 3), (1, 6), (1, 5), (2, 5), (1, 4)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    weight = torch.randn(7, c, generator=generator, dtype=torch.float64)
    x = torch.randn(n, c, h, w, generator=generator, dtype=torch.float64).relu()
    return x, weight, torch.randint(7, (n, k), generator=generator)


@settings(max_examples=60, deadline=None)
@given(tails())
def test_on_a_mean_and_a_linear_layer_all_have_closed_forms(tail):
    x, weight, target = tail
    model, places, V = Head(weight, bias=1.0), x[0, 0].numel(), weight[target]
    sums = x.sum(dim=(2, 3))[:, None]

    def weighted(weights):
        return torch.einsum("nkc,nchw->nkhw", weights, x).relu()

    cam = weighted(V) / places
    for method in (grad_cam, hires_cam, xgrad_cam):
        torch.testing.assert_close(method(model, "maps", x, target), cam)
    torch.testing.assert_close(layer_cam(model, "maps", x, target), weighted(V.relu()) / places)
    plus = V.relu() / (2 + V.relu() / places * sums)
    torch.testing.assert_close(grad_cam_pp(model, "maps", x, target), weighted(plus))
    torch.testing.assert_close(ablation_cam(model, "maps", x, target), weighted(V * sums / places))


@settings(max_examples=40, deadline=None)
@given(tails())
def test_eigen_cam_is_the_first_pattern_of_places_and_the_same_for_all_classes(tail):
    x, weight, target = tail
    cams = eigen_cam(Head(weight), "maps", x, target)
    patterns, sizes, _ = np.linalg.svd(x.flatten(2).mT.numpy())
    expected = np.abs(patterns[:, :, 0]) * sizes[:, :1]  # a non-negative matrix has non-negative patterns
    if sizes.shape[1] == 1 or (sizes[:, 0] - sizes[:, 1] > 1e-3).all():
        for k in range(target.shape[1]):
            np.testing.assert_allclose(cams[:, k].flatten(1), expected, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(tails())
def test_score_cam_masks_scores_and_weighs(tail):
    x, weight, target = tail
    model = Head(weight)
    expected = torch.zeros(*target.shape, *x.shape[2:], dtype=torch.float64)
    for n, picture in enumerate(x):
        masks = [(a - a.min()) / (a.max() - a.min()) for a in picture if a.max() > a.min()]
        if masks:
            scores = torch.stack([model((picture * mask)[None])[0] for mask in masks]).detach()
            weights = scores[:, target[n]].softmax(dim=0)
            kept = picture[[i for i, a in enumerate(picture) if a.max() > a.min()]]
            expected[n] = torch.einsum("ck,chw->khw", weights, kept)
    torch.testing.assert_close(score_cam(model, "maps", x, target), expected)


def test_a_constant_added_to_the_logits_changes_no_map(toy):
    _, x = toy
    for method in FAMILY:
        expected = method(Head(doubles([8, -4])), "maps", x, 0)
        torch.testing.assert_close(method(Head(doubles([8, -4]), bias=5.0), "maps", x, 0), expected)


def test_only_grad_cam_pp_and_score_cam_change_their_form_with_the_logits_scale():
    x = torch.rand(1, 5, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weight = torch.randn(1, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for method in FAMILY:
        small, large = (method(Head(s * weight), "maps", x, 0) for s in (1, 10))
        assert torch.allclose(small / small.max(), large / large.max()) is (
            method not in (grad_cam_pp, score_cam)
        )


def test_the_gradients_ones_need_the_mean_but_not_the_linear_layer():
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    torch.manual_seed(0)
    model = nn.Sequential(nn.ReLU(), *head).double().eval()
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    expected = grad_cam(model, "0", x, 1)
    for method in (hires_cam, xgrad_cam):
        torch.testing.assert_close(method(model, "0", x, 1), expected)
    first_order = ablation_first_order(model, x)
    assert not torch.allclose(ablation_cam(model, "0", x, 1), first_order, rtol=1e-2)


def ablation_first_order(model, x):
    """What Ablation-CAM would be if the logit were linear in the activations."""

    def rule(activations, gradients):
        weights = torch.einsum("knchw,nchw->knc", gradients, activations)
        return torch.einsum("knc,nchw->knhw", weights, activations)

    return layer_maps(model, "0", x, 1, rule)


def test_a_layer_further_down_and_a_head_without_a_mean_part_them():
    torch.manual_seed(0)
    further_down = nn.Sequential(
        nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    no_mean = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(100, 3))
    x = torch.randn(1, 4, 5, 5, dtype=torch.float64)
    for model in (further_down.double(), no_mean.double()):
        maps = [method(model, "0", x, 0) for method in (grad_cam, hires_cam, xgrad_cam)]
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert not torch.allclose(maps[one], maps[other], rtol=0.1)


def test_a_channel_whose_activations_cancel_parts_xgrad_cam_from_grad_cam():
    model, x = Head(doubles([2, 2])), doubles([[[1, -1]], [[1, 0]]])
    assert grad_cam(model, "maps", x, 0).tolist() == [[[2, 0]]]
    assert xgrad_cam(model, "maps", x, 0).tolist() == [[[1, 0]]]  # the first channel has no weight


def test_hires_cam_sums_to_the_logit_before_a_linear_layer_and_xgrad_cam_with_it():
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    model = Flat(torch.rand(2, 48, dtype=torch.float64))  # all positive: the ReLU does nothing
    for method in (hires_cam, xgrad_cam):
        torch.testing.assert_close(method(model, "maps", x, 1).sum(dim=(1, 2)), model(x)[:, 1].detach())


# --- against the libraries


def stretched(cam):
    """What pytorch-grad-cam does to each of its maps."""
    low = cam - cam.amin(dim=(-2, -1), keepdim=True)
    return low / (1e-7 + low.amax(dim=(-2, -1), keepdim=True))


def as_pytorch_grad_cam(cam, x):
    """Ours, stretched, enlarged and stretched again as the library does."""
    return stretched(upsample(stretched(cam.float()), x.shape[2:]))


def by_pytorch_grad_cam(library, model, layer, x, target):
    model.requires_grad_(False)  # else it computes the gradients of all parameters, too
    with library(model, [layer]) as cam:
        x = x.clone().requires_grad_()
        maps = cam(x, targets=[ClassifierOutputTarget(int(k)) for k in target])
    model.requires_grad_(True)
    return torch.from_numpy(maps)


def by_torchcam(library, model, layer, x, target):
    with library(model, layer) as extractor:
        (maps,) = extractor([int(k) for k in target], model(x), normalized=False)
    return maps


class Louder(nn.Module):
    """A network with its logits multiplied, so that no gradient is small."""

    def __init__(self, model, factor):
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, x):
        return self.factor * self.model(x)


ARCHITECTURES = ["resnet18", "vgg16", "mobilenet_v3_large", "efficientnet_lite0", "squeezenet1_1"]


@functools.cache
def case(name):
    trained = name in ("efficientnet_lite0", "squeezenet1_1")
    clf = load_classifier(name, weights="imagenet" if trained else None)
    small = [load_image(photo).resize((96, 96)) for photo in ("mastiff", "cat")]
    x = torch.stack([F.avg_pool2d(clf.preprocess(image), 2) for image in small])
    model, layer = clf.model, clf.layer
    if name == "mobilenet_v3_large":  # its random weights let the activations shrink to 1e-8 otherwise
        model, layer = calibrated(model, layer, x)
    with torch.no_grad():
        return model, layer, x, model(x).argmax(dim=1)


def calibrated(model, layer, x):
    """A copy whose running statistics are those of x."""
    model, layer = copy.deepcopy((model, layer))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.train()
    with torch.no_grad():
        model(x)
    return model.eval(), layer


BY_NETWORK = pytest.mark.parametrize("name", ARCHITECTURES)


@BY_NETWORK
def test_they_equal_pytorch_grad_cam(name):
    model, layer, x, target = case(name)
    for library, method in ((XGradCAM, xgrad_cam), (HiResCAM, hires_cam), (LayerCAM, layer_cam)):
        ours = method(model, layer, x, target)
        theirs = by_pytorch_grad_cam(library, model, layer, x, target)
        close(as_pytorch_grad_cam(ours, x), theirs, 1e-4)


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "efficientnet_lite0", "squeezenet1_1"])
def test_grad_cam_pp_equals_pytorch_grad_cam_where_gradients_are_large(name):
    model, layer, x, target = case(name)
    louder = Louder(model, 1e4)
    theirs = by_pytorch_grad_cam(GradCAMPlusPlus, louder, layer, x, target)
    close(as_pytorch_grad_cam(grad_cam_pp(louder, layer, x, target), x), theirs, 1e-3)


@BY_NETWORK
def test_they_equal_torchcam(name):
    model, layer, x, target = case(name)
    for library, method in ((torchcam.methods.XGradCAM, xgrad_cam), (torchcam.methods.LayerCAM, layer_cam)):
        close(method(model, layer, x, target), by_torchcam(library, model, layer, x, target))


@BY_NETWORK
def test_hires_cam_equals_captums_gradient_times_activation(name):
    model, layer, x, target = case(name)
    theirs = LayerGradientXActivation(model, layer).attribute(x, target).sum(dim=1).relu()
    close(hires_cam(model, layer, x, target), theirs.detach())


def small_network(classes=4):
    """Maps of 6 and of 5 channels behind a ReLU, "2" and "4", as large as the picture; no channel is flat."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 5, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 8),
        nn.ReLU(),
        nn.Linear(8, classes),
    )
    with torch.no_grad():
        for layer in (model[0], model[3], model[7], model[9]):
            layer.weight.mul_(3)
            layer.bias.fill_(0.5)
    return model.eval()


def test_score_cam_equals_both_libraries_where_the_map_is_as_large_as_the_picture():
    model, x = small_network(), torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    ours = score_cam(model, "2", x, 1)
    close(ours, by_torchcam(torchcam.methods.ScoreCAM, model, model[2], x, [1, 1]))
    theirs = by_pytorch_grad_cam(ScoreCAM, model, model[2], x, [1, 1])
    close(as_pytorch_grad_cam(ours, x), theirs)


def test_with_a_dead_channel_torchcams_score_cam_is_smaller_by_a_factor():
    model, x = Head(torch.tensor([[8.0, -4.0, 1.0]])), torch.zeros(1, 3, 2, 2)
    x[0, :2] = torch.tensor([[[3.0, 1], [0, 0]], [[0, 0], [0, 2]]])
    theirs = by_torchcam(torchcam.methods.ScoreCAM, model, model.maps, x, [0])
    scores = torch.tensor([20 / 3, -2, 0])  # an empty picture for the channel without contrast
    factor = scores[:2].softmax(dim=0)[0] / scores.softmax(dim=0)[0]
    close(score_cam(model, "maps", x, 0), factor * theirs)


def test_ablation_cam_equals_pytorch_grad_cam_where_the_logit_is_positive():
    model, x = small_network(), torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    target = model(x).argmax(dim=1)
    assert (model(x).amax(dim=1) > 0).all()
    theirs = by_pytorch_grad_cam(AblationCAM, model, model[4], x, target)
    close(as_pytorch_grad_cam(ablation_cam(model, "4", x, target), x), theirs)


# --- what the libraries do otherwise; these fail when a release changes it


def test_torchcams_grad_cam_pp_weighs_by_cubes_since_it_divides_a_copy():
    model, layer, x, target = case("efficientnet_lite0")

    def cubes(activations, gradients):
        return torch.einsum("knc,nchw->knhw", gradients.relu().pow(3).sum(dim=(3, 4)), activations)

    theirs = by_torchcam(torchcam.methods.GradCAMpp, model, layer, x, target)
    close(layer_maps(model, layer, x, target, cubes), theirs)
    ours = grad_cam_pp(model, layer, x, target)
    assert (stretched(ours) - stretched(theirs)).abs().max() > 0.05


def test_pytorch_grad_cams_epsilon_swallows_small_gradients_in_grad_cam_pp():
    # Gradients 4e-4 and 1e-4 at four places: weights 1 to 1/4, not their cubes 1 to 1/64.
    model, x = Head(torch.tensor([[16e-4, 4e-4]])), torch.tensor([[[[1.0, 0], [0, 0]], [[0, 0], [0, 1.0]]]])
    ours = stretched(grad_cam_pp(model, "maps", x, 0))[0]
    assert ours[1, 1].item() == pytest.approx(0.25, rel=1e-3)
    (theirs,) = by_pytorch_grad_cam(GradCAMPlusPlus, model, model.maps, x, [0])
    expected = (1e-12 / (2e-8 + 1e-6)) / (64e-12 / (32e-8 + 1e-6))
    assert theirs[1, 1].item() == pytest.approx(expected, rel=1e-3)  # 0.02


def test_pytorch_grad_cam_subtracts_the_minimum_of_what_is_already_zero_or_more():
    model, x = Head(torch.tensor([[4.0]])), torch.tensor([[[[3.0, 1.0], [1.0, 2.0]]]])
    (theirs,) = by_pytorch_grad_cam(HiResCAM, model, model.maps, x, [0])
    assert hires_cam(model, "maps", x, 0).tolist() == [[[3, 1], [1, 2]]]
    np.testing.assert_allclose(theirs, [[1, 0], [0, 0.5]], atol=1e-6)


def test_pytorch_grad_cams_ablation_cam_is_turned_round_by_a_negative_logit(toy):
    x = toy[1].float()
    for bias, expected in ((0.0, [[1, 1 / 3], [0, 0]]), (-10.0, [[0, 0], [0, 1]])):
        model = Head(torch.tensor([[8.0, -4.0]]), bias)
        close(ablation_cam(model, "maps", x, 0), torch.tensor([[[24.0, 8], [0, 0]]]))
        (theirs,) = by_pytorch_grad_cam(AblationCAM, model, model.maps, x, [0])
        np.testing.assert_allclose(theirs, expected, atol=1e-5)


def test_pytorch_grad_cams_ablation_cam_puts_ever_lower_values_where_the_minimum_is_not_zero():
    # Ten millions below the minimum of the whole batch of copies, which those before have lowered already:
    # -1e7 for the first channel, -2e7 for the second. So V = (2, 1) becomes the weights (2, 2).
    model = Head(torch.tensor([[2.0, 1.0]]), bias=1.0)
    x = torch.tensor([[[[5.0, 1.0, 1.0]], [[0.5, 5.0, 0.5]]]])
    weights = torch.tensor([14 / 3, 2.0])  # V · mean(A)
    ours = ablation_cam(model, "maps", x, 0)
    close(ours, torch.einsum("c,nchw->nhw", weights, x))
    theirs = by_pytorch_grad_cam(AblationCAM, model, model.maps, x, [0])
    close(theirs, stretched(x.sum(dim=1)))
    assert ours.argmax() != theirs.argmax()


def test_pytorch_grad_cams_eigen_cam_is_centred_and_keeps_an_arbitrary_sign():
    x = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    model = Head(torch.ones(1, 3))
    theirs = by_pytorch_grad_cam(EigenCAM, model, model.maps, x, [0] * 6)
    matrix = x.flatten(2).mT
    centred = matrix - matrix.mean(dim=1, keepdim=True)
    projected = (centred @ torch.linalg.svd(centred).Vh[:, :1].mT).reshape(6, 4, 4)
    signs = []
    for one, cam in zip(projected, theirs, strict=True):
        fits = [torch.allclose(cam, stretched((s * one).relu()), atol=1e-4) for s in (1, -1)]
        assert sum(fits) == 1
        # the sum of a centred pattern is zero, so that the sign of what it resembles must decide
        signs.append((1 if fits[0] else -1) * (one * eigen_cam(model, "maps", x, 0)[0]).sum().sign().item())
    assert set(signs) == {1, -1}
    assert (stretched(eigen_cam(model, "maps", x, 0)) - theirs).abs().max() > 0.2


def test_the_libraries_enlarge_score_cams_masks_in_other_ways():
    model = nn.Sequential(nn.MaxPool2d(2), small_network()).eval()
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    layer, size = model[1][2], (8, 8)

    def expected(mask):
        with torch.no_grad():
            activations = model[1][:3](model[0](x))
            scores = torch.cat([model(x * mask(a)) for a in activations[0]])
            weights = scores[:, 1].softmax(dim=0)
        return torch.einsum("c,chw->hw", weights, activations[0])[None]

    def to_unit(a):
        return (a - a.min()) / (a.max() - a.min())

    def enlarged(a, corners=False):
        return F.interpolate(a[None, None], size, mode="bilinear", align_corners=corners)

    ours = score_cam(model, layer, x, 1)
    close(ours, expected(lambda a: to_unit(enlarged(a))))
    theirs = by_torchcam(torchcam.methods.ScoreCAM, model, layer, x, [1])
    close(theirs, expected(lambda a: enlarged(to_unit(a))))  # the extremes of the enlarged map are milder
    theirs = by_pytorch_grad_cam(ScoreCAM, model, layer, x, [1])
    corners = expected(lambda a: to_unit(enlarged(a, corners=True)))
    close(as_pytorch_grad_cam(corners, x), theirs)
    assert not torch.allclose(as_pytorch_grad_cam(ours, x), theirs, atol=1e-5)


# --- Ablation-CAM at any layer


def one_channel_after_the_other(model, layer, x):
    """Ablation-CAM of all classes as plainly as can be: one pass for each channel of one picture."""
    module, runs = model.get_submodule(layer), []
    with torch.no_grad(), module.register_forward_hook(lambda *args: runs.append(args[2].clone())):
        logits = model(x)
    last, activations = len(runs), runs[-1][0]
    maps = torch.zeros(logits.shape[1], *activations.shape[1:], dtype=x.dtype)
    for c, channel in enumerate(activations):
        runs.clear()

        def ablate(module, inputs, output, c=c):
            runs.append(None)
            output = output.clone()
            output[:, c] *= len(runs) < last
            return output

        with torch.no_grad(), module.register_forward_hook(ablate):
            maps += (logits - model(x))[0, :, None, None] * channel
    return maps.relu()[None]


@functools.cache
def network(name):
    torch.manual_seed(0)
    if name == "vgg":
        tail = [nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 9)]
        model = nn.Sequential(make_layers([8, "M", 16, 16, "M"]), *tail)
    else:
        model = {
            "resnet": lambda: ResNet(BasicBlock, [2, 1, 1, 1], num_classes=9),
            "densenet": lambda: DenseNet(6, (2, 2), 8, num_classes=9),
            "squeezenet": lambda: torchvision.models.squeezenet1_1(num_classes=9),
            "mobilenet": lambda: torchvision.models.mobilenet_v3_small(num_classes=9),
            "googlenet": lambda: torchvision.models.googlenet(
                num_classes=9, aux_logits=False, init_weights=False
            ),
        }[name]()
    return model.double().eval()


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("vgg", "0.6"),
        ("vgg", "0.0"),
        ("resnet", "layer1"),
        ("resnet", "layer1.0.conv1"),  # inside a block
        ("resnet", "layer1.1.relu"),  # runs twice
        ("resnet", "relu"),  # in place
        ("resnet", "layer2.0.conv2"),
        ("resnet", "layer2.0.downsample.1"),  # the other summand stays one picture, and is added to in place
        ("densenet", "features.norm5"),
        ("densenet", "features.denseblock1.denselayer2.conv2"),  # joined by torch.cat
        ("densenet", "features.transition1.conv"),
        ("squeezenet", "classifier.1"),
        ("squeezenet", "features.3.expand3x3_activation"),  # joined by torch.cat
        ("googlenet", "inception3a.branch3"),  # joined by torch.cat
        ("mobilenet", "features.1.block.0"),  # squeeze and excitation follow
        ("mobilenet", "features.4.block.2"),
    ],
)
def test_ablation_cam_at_any_layer_equals_one_channel_after_the_other(name, layer):
    model = network(name)
    side = 64 if name == "squeezenet" else 32
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    every = torch.arange(9)[None]
    close(ablation_cam(model, layer, x, every), one_channel_after_the_other(model, layer, x), 1e-6)


class Counting(nn.Module):
    """A layer that notes the batches that reach it and whether a graph is recorded."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append((len(x), torch.is_grad_enabled()))
        return x


def counting_network(channels):
    front, tail = Counting(), Counting()
    net = nn.Sequential(
        front, nn.Conv2d(3, channels, 3), nn.ReLU(), tail, nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    with torch.no_grad():
        net[1].weight.abs_()
        net[1].bias.fill_(0.1)
    return net.eval(), front.seen, tail.seen


def test_ablation_cam_runs_what_comes_before_the_layer_once_for_a_batch_of_copies_and_all_classes():
    channels = ABLATED_AT_ONCE + 3
    model, front, tail = counting_network(channels)
    ablation_cam(model, "2", torch.rand(2, 3, 5, 5), torch.tensor([[0, 1, 2]] * 2))
    assert [size for size, _ in front] == [2, 1, 1, 1, 1, 1]
    assert tail == [(2, True), (1, False), *[(ABLATED_AT_ONCE, False), (3, False)] * 2]


def test_score_cam_asks_once_for_each_channel_whatever_the_number_of_classes():
    channels = 2 * MASKED_AT_ONCE + 1
    model, front, _ = counting_network(channels)
    score_cam(model, "2", torch.rand(2, 3, 5, 5), torch.tensor([[0, 1, 2]] * 2))
    sizes = [MASKED_AT_ONCE, MASKED_AT_ONCE, 1]
    assert [size for size, _ in front] == [2, *sizes, *sizes]
    assert not any(graph for _, graph in front)


def test_channels_without_anything_to_lose_or_to_show_are_not_asked():
    model, _, tail = counting_network(6)
    with torch.no_grad():
        model[1].weight[1:], model[1].bias[1:5], model[1].bias[5] = 0, -1, 2
    x = torch.rand(1, 3, 5, 5)
    constant = torch.full((1, 3, 3), 2.0)
    torch.testing.assert_close(ablation_cam(model, "2", x, 5), constant * 2)
    assert [size for size, _ in tail] == [1, 1, 2]
    tail.clear()
    expected = model[:3](x)[:, 0].detach()  # the flat channel has no weight
    tail.clear()
    torch.testing.assert_close(score_cam(model, "2", x, 5), expected)
    assert [size for size, _ in tail] == [1, 1]


def test_a_layer_without_any_contrast_has_an_empty_score_cam():
    model = Head(doubles([1, 2]))
    assert not score_cam(model, "maps", torch.full((1, 2, 3, 3), 4.0, dtype=torch.float64), 0).any()
    assert not ablation_cam(model, "maps", torch.zeros(1, 2, 3, 3, dtype=torch.float64), 0).any()


def test_a_faint_contrast_makes_a_mask_like_a_strong_one():
    model = nn.Sequential(nn.Identity(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 1)).eval()
    faint = torch.ones(1, 1, 4, 4)
    faint[0, 0, :2, :2] += 2**-23
    strong = (faint - 1) * 2**23
    for channels in (faint, strong):
        mask = _masks(nn.MaxPool2d(2)(channels)[0], faint)
        assert (mask.min(), mask.max()) == (0, 1)
    assert score_cam(model, "1", faint, 0).equal(nn.MaxPool2d(2)(faint)[0])


def test_masks_of_channels_on_both_sides_of_zero_run_from_0_to_1():
    mask = _masks(torch.tensor([[[-1.0, 1.0], [0.0, 1.0]]]), torch.zeros(1, 3, 2, 2))
    assert mask.flatten().tolist() == [0.0, 1.0, 0.5, 1.0]


def test_a_layer_that_the_score_does_not_depend_on_has_an_empty_ablation_cam():
    class Aside(Head):
        def forward(self, x):
            self.maps(x)
            return self.linear(x.mean(dim=(2, 3)))

    x = torch.rand(1, 2, 3, 3, dtype=torch.float64)
    assert not ablation_cam(Aside(doubles([1, 2])), "maps", x, 0).any()


def test_other_threads_are_not_explained(toy):
    """A pass that runs in another thread meanwhile gets all its channels, and its own number of pictures."""
    model, x = toy
    found = []

    def meanwhile(*_):
        if threading.current_thread() is threading.main_thread():
            thread = threading.Thread(target=lambda: found.append(model(x).detach()))
            thread.start()
            thread.join()

    model.linear.register_forward_hook(meanwhile)
    ablation_cam(model, "maps", x, 0)
    assert [logits.tolist() for logits in found] == [[[6]]] * 3


# --- like grad_cam: batches, classes, targets, layouts, precision


PICTURES = torch.rand(3, 3, 8, 10, generator=torch.Generator().manual_seed(1))


@EVERY
def test_a_batch_equals_its_pictures_alone(method):
    model, target = small_network(), torch.tensor([[0, 1], [2, 3], [3, 0]])
    together = method(model, "2", PICTURES, target)
    assert together.shape == (3, 2, 8, 10)
    assert together.any()
    for n in range(3):
        alone = method(model, "2", PICTURES[n : n + 1], target[n : n + 1])
        torch.testing.assert_close(together[n : n + 1], alone)


@EVERY
def test_many_classes_equal_one_at_a_time(method):
    count = 2 * CLASSES_AT_ONCE + 2
    model, target = small_network(count), torch.arange(count).expand(3, count)
    together = method(model, "2", PICTURES, target)
    for k in (0, CLASSES_AT_ONCE - 1, CLASSES_AT_ONCE, count - 1):
        torch.testing.assert_close(together[:, k], method(model, "2", PICTURES, k))


@EVERY
def test_every_kind_of_target(method):
    model = small_network()
    every = method(model, "2", PICTURES, torch.arange(4).expand(3, 4))
    for target, chosen in [
        (1, [1, 1, 1]),
        ([0, 1, 0], [0, 1, 0]),
        (np.int64(2), [2, 2, 2]),
        (torch.tensor([3, 1, 0], dtype=torch.int32), [3, 1, 0]),
        (None, model(PICTURES).argmax(dim=1).tolist()),
    ]:
        torch.testing.assert_close(method(model, "2", PICTURES, target), every[range(3), chosen])


@EVERY
def test_maps_with_their_channels_last_equal_those_with_channels_first(method):
    class Moved(nn.Module):
        def __init__(self, *axes):
            super().__init__()
            self.axes = axes

        def forward(self, x):
            return x.movedim(*self.axes)

    layers = list(small_network())
    model = nn.Sequential(*layers[:3], Moved(1, -1), Moved(-1, 1), *layers[3:]).eval()
    for target in (torch.tensor([[0, 1]] * 3), 2):
        expected = method(model, "2", PICTURES, target)
        torch.testing.assert_close(method(model, "3", PICTURES, target), expected)
        torch.testing.assert_close(method(model, model[3], PICTURES, target), expected)


@EVERY
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16], ids=str)
def test_they_follow_the_models_precision(method, dtype):
    expected = method(small_network(), "2", PICTURES, 1)
    found = method(small_network().to(dtype), "2", PICTURES.to(dtype), 1)
    assert found.dtype is dtype
    close(found.float(), expected, {torch.float64: 1e-5, torch.float16: 0.02, torch.bfloat16: 0.2}[dtype])


@pytest.mark.cuda
@EVERY
def test_a_gpu_computes_the_same(method):
    model, target = small_network().double(), torch.tensor([[0, 1]] * 3)
    expected = method(model, "2", PICTURES.double(), target)
    found = method(model.cuda(), "2", PICTURES.double().cuda(), target)
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected)


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(FAMILY),
    n=st.integers(1, 3),
    k=st.integers(1, 5),
    side=st.tuples(st.integers(7, 11), st.integers(7, 11)),  # 16 channels cannot be taken for rows
    stride=st.integers(1, 2),
)
def test_maps_have_the_layers_shape_and_are_zero_or_more(method, n, k, side, stride):
    torch.manual_seed(0)
    conv, head = nn.Conv2d(3, 16, 3, stride, 1), nn.Linear(16, 5)
    model = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()
    cam = method(model, "1", torch.rand(n, 3, *side), torch.zeros(n, k, dtype=torch.long))
    assert cam.shape == (n, k, *(-(-s // stride) for s in side))
    assert cam.is_contiguous()
    assert not cam.requires_grad
    assert (cam >= 0).all()


def test_a_rule_sees_at_most_so_many_classes_at_once():
    shapes = []

    def rule(activations, gradients):
        shapes.append(tuple(gradients.shape))
        return gradients.sum(dim=2)

    model = small_network(40)
    cam = layer_maps(model, "2", PICTURES, torch.arange(40).expand(3, 40), rule)
    assert cam.shape == (3, 40, 8, 10)
    assert shapes == [(k, 3, 6, 8, 10) for k in (16, 16, 8)]
    layer_maps(model, "2", PICTURES, 1, rule)
    assert shapes[-1] == (1, 3, 6, 8, 10)


# --- leaves nothing behind


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@EVERY
def test_nothing_is_changed(method):
    model = small_network()
    x = PICTURES.clone().requires_grad_()
    before = copy.deepcopy(model.state_dict())
    expected = method(model, "2", PICTURES, 1)
    for frozen in (False, True):
        model.requires_grad_(not frozen)
        for surroundings in (torch.no_grad, torch.enable_grad, torch.inference_mode):
            with surroundings():
                cam = method(model, "2", x, 1)
                assert torch.is_grad_enabled() is (surroundings is torch.enable_grad)
            torch.testing.assert_close(cam, expected)
            assert not cam.requires_grad
    assert x.grad is None
    assert x.equal(PICTURES)
    assert all(p.grad is None for p in model.parameters())
    assert hooks(model) == 0
    assert not any(module.training for module in model.modules())
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


@EVERY
def test_a_first_layer_in_place_does_not_change_the_images(method):
    model = nn.Sequential(nn.ReLU(inplace=True), *small_network()).eval()
    x = PICTURES - 0.5
    before = x.clone()
    method(model, "3", x, 0)
    assert x.equal(before)


@EVERY
@pytest.mark.parametrize("passes", [0, 1, 2, 3])
def test_hooks_are_gone_after_an_error(method, passes):
    class Falling(nn.Module):
        left = passes

        def forward(self, x):
            if not self.left:
                raise ArithmeticError("on purpose")
            self.left -= 1
            return x

    model = nn.Sequential(*small_network(), Falling()).eval()
    if passes == 0 or (passes <= 2 and method in BY_ASKING):
        with pytest.raises(ArithmeticError):
            method(model, "2", PICTURES, 1)
    else:
        method(model, "2", PICTURES[:1], 1)
    assert hooks(model) == 0
    assert torch.is_grad_enabled()


@EVERY
def test_training_mode_keeps_its_statistics_and_is_refused_where_the_neighbours_would_count(method):
    model = small_network().train()
    before = copy.deepcopy(model.state_dict())
    if method in BY_ASKING:
        with pytest.raises(ValueError, match=r"must be in eval mode.*call model\.eval\(\)"):
            method(model, "2", PICTURES, 1)
        model.eval()[1].train()
        with pytest.raises(ValueError, match="eval mode"):
            method(model, "2", PICTURES, 1)
    else:
        in_training = method(model, "2", PICTURES, 1)
        assert all(module.training for module in model.modules())
        assert not torch.allclose(in_training, method(model.eval(), "2", PICTURES, 1))
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


# --- bad input


X = torch.zeros(2, 3, 8, 8)


@EVERY
@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"x": X[0]}, ValueError, r"add the batch axis with x\[None\]"),
        ({"x": X[:, :1]}, ValueError, "x has 1 channels where the model takes 3"),
        ({"x": X.byte()}, TypeError, "must be floating point"),
        ({"x": X / 0}, ValueError, "NaN or infinite"),
        ({"x": X.numpy()}, TypeError, "must be a tensor"),
        ({"x": X.double()}, TypeError, r"pass x\.to\("),
        ({"target": 4}, ValueError, "between 0 and 3"),
        ({"target": -1}, ValueError, "between 0 and 3"),
        ({"target": [0, 1, 2]}, ValueError, "2 of them"),
        ({"target": 1.0}, TypeError, "must hold integers"),
        ({"target": "tabby"}, TypeError, "must hold integers"),
        ({"layer": "22"}, ValueError, "no layer '22'"),
        ({"layer": nn.ReLU()}, ValueError, "not part of the model"),
        ({"layer": 2}, TypeError, "must be a module of the model or its name"),
        ({"layer": "5"}, ValueError, "without a spatial map"),
        ({"model": "resnet18"}, TypeError, r"must be an nn\.Module"),
    ],
)
def test_bad_input_is_refused_as_by_grad_cam(method, change, error, said):
    arguments = {"model": small_network(), "layer": "2", "x": X, "target": 0} | change
    for refuses in (method, grad_cam):
        with pytest.raises(error, match=said):
            refuses(**arguments)


@EVERY
def test_a_layer_that_does_not_run_is_refused(method):
    model = small_network()
    model[0].unused = nn.ReLU().eval()
    with pytest.raises(RuntimeError, match="The layer has not run"):
        method(model, "0.unused", PICTURES, 0)


@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_a_score_that_does_not_depend_on_the_layer_is_refused(method):
    class Aside(Head):
        def forward(self, x):
            self.maps(x)
            return self.linear(x.mean(dim=(2, 3)))

    with pytest.raises(RuntimeError, match="does not depend on the layer"):
        method(Aside(doubles([1, 2])), "maps", torch.rand(1, 2, 3, 3).double(), 0)


@pytest.mark.parametrize("method", BY_GRADIENTS)
def test_a_map_that_is_not_finite_is_refused(method):
    class Root(Head):  # its slope at zero is infinite
        def forward(self, x):
            return super().forward(x).sqrt()

    with pytest.raises(ValueError, match="The map holds NaN or infinite values"):
        method(Root(doubles([1, 2])), "maps", torch.zeros(1, 2, 3, 3, dtype=torch.float64), 0)


def test_grad_cam_pp_refuses_a_denominator_that_is_not_positive():
    # 2 + g · ΣA for g = 1/2 at two places: 1 for ΣA = -2, 0 for -4, negative for -5
    model = Head(doubles([1]))
    x = doubles([[[3, -5]]])
    assert grad_cam_pp(model, "maps", x, 0).tolist() == [[[3, 0]]]
    for low in (-7, -8):
        with pytest.raises(ValueError, match=r"divides by 2 \+ g · ΣA.*choose a layer behind a ReLU"):
            grad_cam_pp(model, "maps", doubles([[[3, low]]]), 0)
    # Where the gradient is negative, nothing is divided.
    assert not grad_cam_pp(Head(doubles([-1])), "maps", doubles([[[3, 1]]]), 0).any()
