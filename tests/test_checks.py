"""Shares in boxes, and occlusion: against numbers done by hand, against Captum, and what they leave alone."""

import math

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


def test_input_and_model_stay_as_they_were(linear):
    net, x = linear
    before = x.clone()
    drops = occlusion_map(net, x, 0)
    torch.testing.assert_close(x, before, rtol=0, atol=0)
    assert not drops.requires_grad
    assert all(weight.grad is None for weight in net.parameters())


@pytest.mark.parametrize(
    "wrong", [{"places": (7,)}, {"places": 7}, {"places": (0, 7)}, {"side": 0}, {"side": 2.5}]
)
def test_wrong_sizes_are_refused(linear, wrong):
    net, x = linear
    with pytest.raises(ValueError, match="all whole and at least 1"):
        occlusion_map(net, x, 0, **wrong)


def test_a_picture_without_batch_axis_is_refused(linear):
    net, x = linear
    with pytest.raises(ValueError, match=r"add the batch axis with x\[None\]"):
        occlusion_map(net, x[0], 0)


@pytest.mark.parametrize("cover", ["grey", (0, 0, 0), float("nan")])
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


@pytest.mark.parametrize("box", [(0, 0, 5, 4), (-1, 0, 2, 2), (2, 0, 2, 4), (0, 3, 4, 1)])
def test_a_box_outside_of_the_picture_is_refused(box):
    with pytest.raises(ValueError, match="must lie in the picture"):
        share_in(torch.ones(2, 2), box, (4, 4))


@pytest.mark.parametrize("cam", [torch.ones(1, 2, 2), -torch.ones(2, 2)])
def test_a_share_wants_one_map_that_is_zero_or_more(cam):
    with pytest.raises(ValueError, match="one map"):
        share_in(cam, (0, 0, 1, 1), (4, 4))
