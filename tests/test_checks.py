"""What maps are held against: numbers done by hand, against Captum and SciPy, and what is left alone."""

import copy
import math

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import nn

from helpers import load_classifier, load_image, occlusion_map, share_in
from helpers.checks import deletion, insertion, pointing, randomise


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


# --- deletion and insertion

TWO = torch.float64


class Sum(nn.Module):
    """Two classes: the logit of the first is the sum of the picture, that of the second is zero."""

    def forward(self, x):
        total = x.sum(dim=(1, 2, 3))
        return torch.stack([total, torch.zeros_like(total)], dim=1)


def sigmoid(*values):
    return torch.tensor(values, dtype=TWO).sigmoid()


def test_deletion_by_hand():
    x = torch.tensor([[[[1.0, 5.0], [2.0, -1.0]]]], dtype=TWO)
    cam = torch.tensor([[[3.0, 4.0], [1.0, 2.0]]], dtype=TWO)  # the order: 5, 1, -1, 2
    torch.testing.assert_close(deletion(Sum(), x, cam, 0, steps=4)[0], sigmoid(7, 2, 1, 2, 0))
    torch.testing.assert_close(deletion(Sum(), x, cam, 1, steps=2)[0], 1 - sigmoid(7, 1, 0))
    torch.testing.assert_close(deletion(Sum(), x, cam, 0, steps=2, cover=1)[0], sigmoid(7, 3, 4))


def test_insertion_by_hand():
    x = torch.tensor([[[[1.0, 5.0], [2.0, -1.0]]]], dtype=TWO)
    cam = torch.tensor([[[3.0, 4.0], [1.0, 2.0]]], dtype=TWO)
    torch.testing.assert_close(insertion(Sum(), x, cam, 0, steps=4)[0], sigmoid(0, 5, 6, 5, 7))
    torch.testing.assert_close(insertion(Sum(), x, cam, 0, steps=2, cover=1)[0], sigmoid(4, 8, 7))


def test_parts_are_equal_to_a_pixel():
    x = torch.ones(1, 1, 1, 7, dtype=TWO)
    cam = torch.arange(7.0, dtype=TWO).reshape(1, 1, 7)
    curve = deletion(Sum(), x, cam, 0, steps=3)[0]
    torch.testing.assert_close(curve, sigmoid(7, 5, 3, 0))  # 7/3 and 14/3 pixels, rounded down


def test_equal_values_follow_each_other_row_by_row():
    x = torch.tensor([[[[1.0, 2.0], [4.0, 8.0]]]], dtype=TWO)
    cam = torch.tensor([[[0.0, 0.0], [1.0, 0.0]]], dtype=TWO)
    torch.testing.assert_close(deletion(Sum(), x, cam, 0, steps=4)[0], sigmoid(15, 11, 10, 8, 0))
    # many of them, which a sort need not keep in order
    x = torch.randn(1, 1, 20, 20, generator=torch.Generator().manual_seed(0), dtype=TWO)
    chosen = torch.arange(400) % 3 == 0
    values = torch.cat([x.flatten()[chosen], x.flatten()[~chosen]])
    left = torch.cat([values.sum()[None], values.sum() - values.cumsum(0)])
    curve = deletion(Sum(), x, chosen.reshape(1, 20, 20).double(), 0, steps=400)[0]
    torch.testing.assert_close(curve, left.sigmoid())


def test_a_cover_of_another_dtype_is_taken_as_that_of_the_pictures():
    x, cam = torch.ones(1, 1, 2, 2), torch.rand(1, 2, 2)
    cover = torch.full((1, 1, 2, 2), 0.5, dtype=TWO)
    curve = deletion(Sum(), x, cam, 0, steps=2, cover=cover)
    assert curve.dtype == torch.float32
    torch.testing.assert_close(curve, deletion(Sum(), x, cam, 0, steps=2, cover=0.5))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_only_the_order_of_the_map_counts_and_insertion_is_deletion_from_the_cover(data):
    n, h, w = (data.draw(st.integers(1, top)) for top in (3, 6, 6))
    if h * w == 1:
        h = 2
    steps = data.draw(st.integers(1, h * w))
    lot = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    x, cover = (torch.randn(n, 2, h, w, generator=lot, dtype=TWO) for _ in range(2))
    cam = torch.randn(n, h, w, generator=lot, dtype=TWO)
    edge = data.draw(st.sampled_from([0.0, 1.5]))
    curve = deletion(Sum(), x, cam, 0, steps=steps, cover=cover, edge=edge)
    assert curve.shape == (n, steps + 1)
    torch.testing.assert_close(curve[:, 0], Sum()(x).softmax(dim=1)[:, 0])
    torch.testing.assert_close(curve[:, -1], Sum()(cover).softmax(dim=1)[:, 0])
    same = deletion(Sum(), x, (2 * cam).exp() - 5, 0, steps=steps, cover=cover, edge=edge)
    torch.testing.assert_close(same, curve)
    swapped = insertion(Sum(), cover, cam, 0, steps=steps, cover=x, edge=edge)
    torch.testing.assert_close(swapped, curve)


def test_the_mean_ranks_maps_as_the_trapezoid_does():
    x, cams = torch.randn(1, 3, 8, 8, dtype=TWO), torch.rand(20, 8, 8, dtype=TWO)
    curves = deletion(Sum(), x.expand(20, 3, 8, 8), cams, 0, steps=5)
    area = torch.trapezoid(curves, dx=1 / 5, dim=1)
    ends = (curves[0, 0] + curves[0, -1]) / 2
    torch.testing.assert_close(area, (6 * curves.mean(dim=1) - ends) / 5)


def test_a_soft_edge_is_scipys_blur_of_the_mask():
    class Pixels(nn.Module):
        def forward(self, x):
            return x.flatten(1)

    cam = torch.rand(1, 3, 4, dtype=TWO, generator=torch.Generator().manual_seed(3))
    x = torch.zeros(1, 1, 30, 40, dtype=TWO)
    soft = deletion(Pixels(), x, cam, 617, steps=2, cover=1.0, edge=2.0)[0, 1]
    large = nn.functional.interpolate(cam[None], size=(30, 40), mode="bilinear")[0, 0]
    mask = (large > large.median()).double().numpy()
    blurred = gaussian_filter(mask, 2.0, mode="nearest", truncate=3)
    torch.testing.assert_close(soft, torch.from_numpy(blurred).flatten().softmax(dim=0)[617])


def test_a_map_for_each_of_many_classes_is_like_each_alone(linear):
    net, x = linear
    cams = torch.rand(2, 3, 3, 2, dtype=TWO)
    target = torch.tensor([[0, 2, 1], [1, 1, 0]])
    for curve in (deletion, insertion):
        every = curve(net, x, cams, target, steps=4, cover=x.flip(3))
        assert every.shape == (2, 3, 5)
        for k in range(3):
            alone = curve(net, x, cams[:, k], target[:, k], steps=4, cover=x.flip(3))
            torch.testing.assert_close(every[:, k], alone)
    own = deletion(net, x, cams[:, 0], steps=4)
    torch.testing.assert_close(own, deletion(net, x, cams[:, 0], net(x).argmax(dim=1), steps=4))


def test_sixteen_steps_to_the_mean_colour_with_a_hard_edge_are_the_default(linear):
    net, x = linear
    cam = torch.rand(2, 3, 2, dtype=TWO)
    for curve in (deletion, insertion):
        same = curve(net, x, cam, 0, steps=16, cover=torch.zeros(1, 2, 1, 1), edge=0.0)
        torch.testing.assert_close(curve(net, x, cam, 0), same, rtol=0, atol=0)


def test_curves_leave_everything_as_it_was():
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(48, 3))
    before, x, cam = copy.deepcopy(net.state_dict()), torch.randn(2, 2, 6, 4) + 3, torch.rand(2, 3, 2)
    copies = x.clone(), cam.clone()
    curve = deletion(net, x, cam, 0, steps=3, edge=1.0)
    assert not curve.requires_grad
    assert net.training
    torch.testing.assert_close((x, cam), copies, rtol=0, atol=0)
    torch.testing.assert_close(dict(net.state_dict()), dict(before), rtol=0, atol=0)
    assert all(weight.grad is None for weight in net.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(deletion(net, x, cam, 0, steps=3, edge=1.0), curve)


def test_a_flat_map_above_the_others_least_value_is_refused(linear):
    net, x = linear
    maps = torch.stack([torch.arange(6.0).reshape(3, 2), torch.full((3, 2), 2.0)])
    with pytest.raises(ValueError, match="A map is flat"):
        deletion(net, x, maps, 0)


@pytest.mark.parametrize("flat", [torch.zeros(2, 3, 2), torch.full((2, 3, 2), 0.1)])
def test_a_flat_map_wins_nothing_since_it_is_refused(linear, flat):
    net, x = linear
    flat[0, 1, 1] += 1  # the other one stays flat
    for curve in (deletion, insertion):
        with pytest.raises(ValueError, match="A map is flat, so its places have no order"):
            curve(net, x, flat, 0)


@pytest.mark.parametrize(
    ("cam", "error", "said"),
    [
        (torch.rand(1, 3, 2), ValueError, r"one map for each score, \(2, h, w\), not \(1, 3, 2\)"),
        (torch.rand(2, 1, 3, 2), ValueError, r"\(2, h, w\), not \(2, 1, 3, 2\)"),
        (torch.rand(3, 2), ValueError, r"\(2, h, w\), not \(3, 2\)"),
        (torch.rand(2, 3, 2) / 0, ValueError, "cam must be finite everywhere"),
        (torch.ones(2, 3, 2, dtype=torch.int64), TypeError, r"not torch\.int64"),
        (np.ones((2, 3, 2)), TypeError, "not ndarray"),
        (None, TypeError, "not NoneType"),
    ],
)
def test_maps_that_do_not_fit_are_refused(linear, cam, error, said):
    net, x = linear
    with pytest.raises(error, match=said):
        deletion(net, x, cam, 0)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 to the 24 pixels of x, not 0"),
        ({"steps": 25}, "not 25"),
        ({"steps": 2.0}, "not 2.0"),
        ({"steps": True}, "not True"),
        ({"edge": -1.0}, "edge must be a finite number of pixels, 0 or more, not -1.0"),
        ({"edge": float("inf")}, "edge must be"),
        ({"edge": None}, "edge must be"),
        ({"cover": "grey"}, "cover must be a finite number or a tensor"),
        ({"cover": float("nan")}, "cover must be a finite number"),
        ({"cover": True}, "cover must be a finite number"),
        ({"cover": torch.zeros(3)}, r"cover must broadcast to x \(2, 2, 6, 4\)"),
        ({"cover": torch.full((1, 2, 1, 1), float("nan"))}, "cover holds NaN"),
    ],
)
def test_wrong_steps_covers_and_edges_are_refused(linear, wrong, said):
    net, x = linear
    for curve in (deletion, insertion):
        with pytest.raises(ValueError, match=said):
            curve(net, x, torch.rand(2, 3, 2), 0, **wrong)


def test_a_whole_picture_may_be_covered_pixel_by_pixel(linear):
    net, x = linear
    assert deletion(net, x, torch.rand(2, 3, 2), 0, steps=24).shape == (2, 25)


@pytest.mark.cuda
def test_curves_and_draws_follow_the_device():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(24, 3)).eval()
    x, cam = torch.randn(2, 2, 6, 4), torch.rand(2, 3, 2)
    here = deletion(net, x, cam, 0, edge=1.0)
    there = deletion(copy.deepcopy(net).cuda(), x.cuda(), cam, 0, edge=1.0)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-4)
    drawn = randomise(copy.deepcopy(net).cuda(), [""])
    assert drawn[0].weight.is_cuda
    torch.testing.assert_close(drawn[0].weight.cpu(), randomise(net, [""])[0].weight, rtol=0, atol=0)


# --- the pointing game


def test_the_brightest_place_points():
    cam = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    assert pointing(cam, (20, 10, 30, 20), (30, 20))
    assert not pointing(cam, (0, 0, 20, 20), (30, 20))
    assert pointing(cam - 5, (20, 10, 30, 20), (30, 20))  # signs do not matter


def test_two_places_that_are_equally_bright_do_not_point_at_one():
    cam = torch.tensor([[1.0, 0.0, 1.0]])
    assert not pointing(cam, (0, 0, 10, 10), (30, 10))
    assert not pointing(cam, (20, 0, 30, 10), (30, 10))
    assert pointing(cam, (0, 0, 30, 10), (30, 10))


@pytest.mark.parametrize("value", [0.0, 0.1, -2.0])
def test_a_flat_map_points_nowhere_not_even_at_the_whole_picture(value):
    cam = torch.full((7, 7), value)
    for box in [(0, 0, 30, 20), (0, 0, 300, 200)]:
        assert pointing(cam, box, (300, 200)) is False


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(2, 5), st.integers(1, 39), st.integers(0, 99))
def test_at_most_one_half_is_hit(h, w, seam, seed):
    cam = torch.rand(h, w, generator=torch.Generator().manual_seed(seed))
    hits = pointing(cam, (0, 0, seam, 30), (40, 30)), pointing(cam, (seam, 0, 40, 30), (40, 30))
    assert sum(hits) <= 1
    assert pointing(cam, (0, 0, 40, 30), (40, 30))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pointing_wants_finite_values(value):
    with pytest.raises(ValueError, match="cam must be finite everywhere"):
        pointing(torch.tensor([[1.0, value]]), (0, 0, 1, 1), (4, 4))


@pytest.mark.parametrize(
    ("cam", "box", "error"),
    [
        (torch.ones(1, 2, 2), (0, 0, 1, 1), ValueError),
        (np.ones((2, 2)), (0, 0, 1, 1), TypeError),
        (torch.ones(2, 2), (0, 0, 5, 1), ValueError),
        (torch.ones(2, 2), (0.0, 0.0, 1.0, 1.0), ValueError),
    ],
)
def test_pointing_refuses_what_share_in_refuses(cam, box, error):
    for function in (pointing, share_in):
        with pytest.raises(error):
            function(cam, box, (4, 4))


# --- a network drawn anew


def test_a_box_has_an_upper_edge():
    cam = torch.zeros(4, 4)
    cam[0, 1], cam[3, 1] = 3.0, 1.0
    below = (0, 2, 4, 4)
    assert not pointing(cam, below, (4, 4))
    assert share_in(cam, below, (4, 4)) == 0.25


@pytest.fixture
def small():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))
    net(torch.randn(5, 1, 4, 4) + 2)  # moves the statistics
    return net.eval().double()


def test_only_the_named_layers_are_drawn_and_the_original_stays(small):
    before = copy.deepcopy(small.state_dict())
    fresh = randomise(small, ["3"])
    torch.testing.assert_close(dict(small.state_dict()), dict(before), rtol=0, atol=0)
    changed = {name for name, value in fresh.state_dict().items() if not value.equal(before[name])}
    assert changed == {"3.weight", "3.bias"}
    assert fresh[3].weight.abs().max() <= 8**-0.5  # as nn.Linear draws
    assert fresh[3].weight.dtype == TWO
    assert not fresh.training


def test_a_draw_is_that_of_the_constructor():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = nn.Conv2d(3, 4, 3)
    drawn = randomise(nn.Sequential(nn.Conv2d(3, 4, 3)), ["0"], seed=5)
    torch.testing.assert_close(drawn[0].weight, expected.weight, rtol=0, atol=0)
    torch.testing.assert_close(drawn[0].bias, expected.bias, rtol=0, atol=0)


def test_batch_norm_forgets_its_statistics_and_its_scale(small):
    small[1].weight.data.fill_(3.0)
    fresh = randomise(small, ["1"])
    for name, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        assert getattr(fresh[1], name).eq(value).all()
    assert fresh[1].num_batches_tracked == 0
    assert not small[1].running_mean.eq(0).any()


def test_draws_repeat_by_their_seed_and_do_not_touch_the_global_one(small):
    state = torch.get_rng_state()
    one, same, other = (randomise(small, ["3", "0"], seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one[3].weight, same[3].weight)
    assert not torch.equal(one[3].weight, other[3].weight)
    assert torch.equal(one[3].weight, randomise(small, ["3", "0"])[3].weight)


def test_a_module_in_two_places_can_be_named_by_either():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert torch.equal(randomise(net, ["2"])[0].weight, randomise(net, ["0"])[2].weight)


def test_a_longer_list_repeats_the_draws_with_which_it_begins(small):
    short, longer = randomise(small, ["3"]), randomise(small, ["3", "0"])
    assert torch.equal(short[3].weight, longer[3].weight)
    assert not torch.equal(short[0].weight, longer[0].weight)
    assert torch.equal(randomise(small, iter(["3"]))[3].weight, short[3].weight)


def test_the_empty_name_draws_the_whole_network_and_shared_parameters_stay_shared():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).requires_grad_(False)
    net[1].weight = net[0].weight
    fresh = randomise(net, [""])
    assert fresh[1].weight is fresh[0].weight
    assert not torch.equal(fresh[0].weight, net[0].weight)
    assert not fresh[0].weight.requires_grad


def test_a_classifier_with_a_new_head_answers_by_chance():
    clf = load_classifier()
    x = clf.preprocess(load_image("mastiff"))[None]
    with torch.no_grad():
        before, after = clf.model(x).softmax(dim=1), randomise(clf.model, ["classifier"])(x).softmax(dim=1)
    assert before[0, 243] > 0.5
    assert after.max() < 0.05


@pytest.mark.parametrize(
    ("layers", "error", "said"),
    [
        ("3", TypeError, r"not one string: pass \['3'\]"),
        (["4"], ValueError, "The model has no layer '4'"),
        ([3], ValueError, "The model has no layer 3"),
        (["2"], ValueError, "The layer '2' holds no parameters to draw"),
    ],
)
def test_layers_that_cannot_be_drawn_are_refused(small, layers, error, said):
    state = torch.get_rng_state()
    with pytest.raises(error, match=said):
        randomise(small, layers)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_module_that_cannot_draw_its_parameters_is_named():
    with pytest.raises(TypeError, match="MultiheadAttention in the layer '0' holds parameters but has no"):
        randomise(nn.Sequential(nn.MultiheadAttention(4, 2)), ["0"])
    with pytest.raises(TypeError, match=r"not Classifier: pass clf\.model\."):
        randomise(load_classifier("squeezenet1_1", weights=None), ["classifier"])
