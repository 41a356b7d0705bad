"""Occlusion: against numbers done by hand, against Captum, and against what it must leave alone."""

import pytest
import torch
from captum.attr import Occlusion
from torch import nn

from helpers import load_classifier, load_image, occlusion_map


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
