"""Shares in boxes, and occlusion: against numbers done by hand, against Captum, and what they leave alone."""

import math

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from helpers import load_classifier, load_image, occlusion_map, share_in


@pytest.fixture
def linear():
    """y_k = sum of weights_k * x: a cover of zero costs exactly what lies under it."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 6 * 4, 3)).double().eval()
    return net, torch.randn(2, 2, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_for_a_linear_network_it_is_the_sum_under_the_cover(linear):
    net, x = linear
    share = net[1].weight[2].reshape(2, 6, 4) * x
    expected = share.sum(dim=1).reshape(2, 3, 2, 2, 2).sum(dim=(2, 4))
    torch.testing.assert_close(occlusion_map(net, x, 2, places=(3, 2), side=2), expected.detach())


def test_a_cover_at_the_border_is_cut_off(linear):
    net, x = linear
    share = (net[1].weight[0].reshape(2, 6, 4) * x).sum(dim=1).detach()
    drops = occlusion_map(net, x, 0, places=(6, 4), side=3)
    torch.testing.assert_close(drops[:, 0, 0], share[:, :2, :2].sum(dim=(1, 2)))
    torch.testing.assert_close(drops[:, 5, 3], share[:, 4:, 2:].sum(dim=(1, 2)))
    torch.testing.assert_close(drops[:, 2, 1], share[:, 1:4, 0:3].sum(dim=(1, 2)))


def test_a_cover_between_two_pixels_goes_to_the_nearer_one():
    net = nn.Sequential(nn.Flatten(), nn.Linear(5, 1, bias=False)).double().eval()
    x = torch.arange(1.0, 6.0, dtype=torch.float64).reshape(1, 1, 1, 5)
    share = (net[1].weight[0] * x.flatten()).detach()
    # Of two squares of two pixels the centres are at 1.25 and 3.75: they begin at 0.25 and at 2.75.
    two = occlusion_map(net, x, 0, places=(1, 2), side=2)
    torch.testing.assert_close(two.flatten(), torch.stack([share[0:2].sum(), share[3:5].sum()]))
    # Of four the centres are 1.25 apart: squares of three begin at -0.875, 0.375, 1.625 and 2.875.
    four = occlusion_map(net, x, 0, places=(1, 4), side=3)
    places = [(0, 2), (0, 3), (2, 5), (3, 5)]
    expected = torch.stack([share[start:stop].sum() for start, stop in places])
    torch.testing.assert_close(four.flatten(), expected)


def test_numpys_numbers_are_numbers(linear):
    net, x = linear
    same = occlusion_map(
        net, x, np.int64(1), places=(np.int64(3), np.int32(2)), side=np.int16(2), cover=np.float32(0)
    )
    torch.testing.assert_close(same, occlusion_map(net, x, 1, places=(3, 2), side=2))


def test_a_network_in_training_mode_keeps_its_statistics():
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(48, 3))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    occlusion_map(net, torch.randn(2, 2, 6, 4) + 3, 0)
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_a_classifier_in_place_of_its_network_is_refused_with_advice():
    clf = load_classifier("squeezenet1_1", weights=None)
    with pytest.raises(TypeError, match=r"not Classifier: pass clf\.model\."):
        occlusion_map(clf, torch.zeros(1, 3, 64, 64), 0)


def test_a_network_with_broken_weights_is_refused(linear):
    net, x = linear
    with torch.no_grad():
        net[1].weight[2, 3] = float("nan")
    with pytest.raises(ValueError, match="The model's scores are NaN or infinite"):
        occlusion_map(net, x, 0)


def test_a_cover_larger_than_the_picture_covers_all(linear):
    net, x = linear
    drops = occlusion_map(net, x, 1, places=(2, 2), side=100)
    total = (net(x) - net[1].bias)[:, 1].detach()
    torch.testing.assert_close(drops, total[:, None, None].expand(2, 2, 2))


def test_the_colour_of_the_cover_counts(linear):
    net, x = linear
    same = occlusion_map(net, torch.full_like(x, 0.5), 0, cover=0.5)
    torch.testing.assert_close(same, torch.zeros_like(same))


def test_it_equals_captum_where_covers_do_not_overlap():
    clf = load_classifier("squeezenet1_1", weights=None)
    x = clf.preprocess(load_image("cat"))[None, :, :96, :64].contiguous()
    ours = occlusion_map(clf.model, x, 282, places=(3, 2), side=32)
    theirs = Occlusion(clf.model).attribute(x, (3, 32, 32), strides=(3, 32, 32), baselines=0, target=282)
    # Captum gives each pixel the drop of its own cover.
    torch.testing.assert_close(ours, theirs[:, 0, 16::32, 16::32].float(), rtol=1e-3, atol=1e-6)


def test_one_class_for_all_many_classes_and_the_top_class(linear):
    net, x = linear
    every = occlusion_map(net, x, torch.tensor([[0, 1, 2]] * 2), places=(2, 2))
    assert every.shape == (2, 3, 2, 2)
    best = net(x).argmax(dim=1)
    torch.testing.assert_close(occlusion_map(net, x, places=(2, 2)), every[[0, 1], best])
    torch.testing.assert_close(occlusion_map(net, x, [2, 0], places=(2, 2)), every[[0, 1], [2, 0]])


def test_seven_by_seven_places_and_squares_of_64_pixels_are_the_default():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 80 * 72, 2))
    x = torch.rand(1, 3, 80, 72, generator=torch.Generator().manual_seed(0))
    expected = occlusion_map(net, x, 0, places=(7, 7), side=64, cover=0.0)
    assert not torch.equal(expected, occlusion_map(net, x, 0, side=65))
    torch.testing.assert_close(occlusion_map(net, x, 0), expected, rtol=0, atol=0)


def test_input_and_model_stay_as_they_were(linear):
    net, x = linear
    before = x.clone()
    drops = occlusion_map(net, x, 0)
    torch.testing.assert_close(x, before, rtol=0, atol=0)
    assert not drops.requires_grad
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.parametrize(
    "wrong",
    [
        {"places": (7,)},
        {"places": 7},
        {"places": (0, 7)},
        {"places": (7, 0)},
        {"places": (True, True)},
        {"places": ("2", "2")},
        {"places": [2, 2]},
        {"side": 0},
        {"side": 2.5},
        {"side": True},
        {"side": None},
    ],
)
def test_wrong_sizes_are_refused(linear, wrong):
    net, x = linear
    with pytest.raises(ValueError, match="all whole and at least 1"):
        occlusion_map(net, x, 0, **wrong)


def test_a_picture_without_batch_axis_is_refused(linear):
    net, x = linear
    with pytest.raises(ValueError, match=r"add the batch axis with x\[None\]"):
        occlusion_map(net, x[0], 0)


@pytest.mark.parametrize("cover", ["grey", (0, 0, 0), float("nan"), True, None])
def test_a_cover_that_is_no_number_is_refused(linear, cover):
    net, x = linear
    with pytest.raises(ValueError, match="one finite number"):
        occlusion_map(net, x, 0, cover=cover)


def test_the_share_of_a_map_in_a_box_by_hand():
    cam = torch.tensor([[3.0, 1.0], [0.0, 0.0]])
    # Enlarged fourfold: 3 3 2.5 1.5 1 1 in the upper rows, so the left half holds a bit less than 3/4.
    left = share_in(cam, (0, 0, 4, 8), (8, 8))
    assert left == pytest.approx((3 + 3 + 2.75 + 2.25) / (3 + 3 + 2.75 + 2.25 + 1.75 + 1.25 + 1 + 1))
    assert left + share_in(cam, (4, 0, 8, 8), (8, 8)) == pytest.approx(1)
    assert share_in(cam, (0, 0, 8, 8), (8, 8)) == 1


def test_an_empty_map_has_no_share():
    assert math.isnan(share_in(torch.zeros(2, 2), (0, 0, 1, 1), (4, 4)))


@pytest.mark.parametrize(
    "box", [(0, 0, 5, 4), (-1, 0, 2, 2), (2, 0, 2, 4), (0, 3, 4, 1), (0, 1, 4, 1), (1, 0, 1, 4)]
)
def test_a_box_outside_of_the_picture_is_refused(box):
    with pytest.raises(ValueError, match="must lie in the picture"):
        share_in(torch.ones(2, 2), box, (4, 4))


@pytest.mark.parametrize("cam", [torch.ones(1, 2, 2), torch.ones(2), torch.zeros(0, 2)])
def test_a_share_wants_one_map(cam):
    with pytest.raises(ValueError, match=r"must be one map \(h, w\), such as cam\[0\], not \("):
        share_in(cam, (0, 0, 1, 1), (4, 4))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_share_wants_finite_values_that_are_zero_or_more(value):
    with pytest.raises(ValueError, match="must be finite and zero or more everywhere"):
        share_in(torch.tensor([[1.0, value]]), (0, 0, 1, 1), (4, 4))


@pytest.mark.parametrize(
    ("cam", "kind"),
    [
        (np.ones((2, 2)), "ndarray"),
        ([[1.0]], "list"),
        (None, "NoneType"),
        (torch.ones(2, 2, dtype=torch.int64), "torch.int64"),
    ],
)
def test_a_share_wants_a_floating_point_tensor(cam, kind):
    with pytest.raises(TypeError, match=rf"cam must be a floating-point tensor \(h, w\), not {kind}\."):
        share_in(cam, (0, 0, 1, 1), (4, 4))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_share_in_half_precision_is_that_of_the_same_numbers_in_single(dtype):
    cam = (torch.rand(7, 7, generator=torch.Generator().manual_seed(0)) * 900).to(dtype)
    expected = share_in(cam.float(), (100, 50, 300, 200), (640, 480))
    assert 0.05 < expected < 0.15
    assert share_in(cam, (100, 50, 300, 200), (640, 480)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "dtype"), [(1e-38, torch.float32), (1e38, torch.float32), (4e307, torch.float64)]
)
def test_a_share_does_not_depend_on_the_scale(scale, dtype):
    cam = torch.tensor([[1.0, 2.0], [0.5, 0.0]], dtype=dtype)
    expected = share_in(cam, (0, 0, 30, 40), (60, 40))
    assert share_in(cam * scale, (0, 0, 30, 40), (60, 40)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("box", "size", "said"),
    [
        ((0, 0, 1), (4, 4), r"box must be \(left, upper, right, lower\) in whole pixels, not \(0, 0, 1\)"),
        ((0, 0, 1.5, 2), (4, 4), "box must be"),
        ((0, 0, True, 2), (4, 4), "box must be"),
        (None, (4, 4), "box must be"),
        ((0, 0, 1, 1), (4,), r"size must be \(width, height\) in whole pixels"),
        ((0, 0, 1, 1), (4.0, 4.0), "size must be"),
        ((0, 0, 1, 1), 4, "size must be"),
    ],
)
def test_boxes_and_sizes_are_in_whole_pixels(box, size, said):
    with pytest.raises(ValueError, match=said):
        share_in(torch.ones(2, 2), box, size)


def test_a_box_of_numpys_integers_is_a_box():
    box = tuple(np.array([0, 0, 30, 20]))
    assert share_in(torch.ones(2, 2), box, (np.int64(60), np.int64(20))) == 0.5
