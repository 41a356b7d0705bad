"""Gradients at the pixels: against numbers done by hand, against two libraries, on bad input."""

import copy
import functools
import gc
import itertools
import math
import threading

import captum.attr
import numpy as np
import pytest
import torch
import zennit.attribution
import zennit.composites
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn
from torch.nn import functional as F
from torch.overrides import _get_current_function_mode_stack

from helpers import grad_cam, load_classifier, load_image, upsample
from helpers.gradients import (
    PICTURES_AT_ONCE,
    deconvnet,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    saliency,
    smooth_grad,
)

RULES = {"saliency": saliency, "deconvnet": deconvnet, "guided_backprop": guided_backprop}
METHODS = RULES | {
    "guided_grad_cam": lambda model, x, target=None: guided_grad_cam(model, "2", x, target),
    "smooth_grad": functools.partial(smooth_grad, samples=5),
    "integrated_gradients": functools.partial(integrated_gradients, steps=5),
}
captum_warns = pytest.mark.filterwarnings(
    "ignore:Setting backward hooks", "ignore:Input Tensor 0 did not already require gradients"
)
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


class Net(nn.Module):
    """Any function of the pictures as a network."""

    def __init__(self, forward):
        super().__init__()
        self.function = forward

    def forward(self, x):
        return self.function(x)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def linear(weight):
    """A network that is one linear layer, with weights for three classes."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(weight[0].numel(), len(weight)).to(weight.dtype))
    with torch.no_grad():
        net[1].weight.copy_(weight.flatten(1))
    return net


@pytest.fixture
def net():
    """Two convolutions with batch norm, ReLU and ReLU6, five classes, in eval mode."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)).double().eval()


# --- by hand: the three rules


@pytest.mark.parametrize(
    ("activation", "plain", "deconvolved", "guided"),
    [
        (F.relu, [1, 0, -1, 0, 1], [1, 1, 0, 0, 1], [1, 0, 0, 0, 1]),
        (F.relu6, [1, 0, -1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 0, 0, 0]),
    ],
)
def test_the_three_rules_on_one_activation(activation, plain, deconvolved, guided):
    x = torch.tensor([2.0, -1, 3, -2, 7], dtype=torch.float64).reshape(1, 1, 1, 5)
    v = torch.tensor([[1.0, 1, -1, -1, 1]], dtype=torch.float64)
    model = Net(lambda x: activation(x).flatten(1) @ v.T)
    assert saliency(model, x).flatten().tolist() == plain
    assert deconvnet(model, x).flatten().tolist() == deconvolved
    assert guided_backprop(model, x).flatten().tolist() == guided


@pytest.mark.parametrize("edge", [0.0, 6.0])
def test_the_gates_are_closed_at_their_edges(edge):
    x = torch.full((1, 1, 1, 1), edge)
    model = Net(lambda x: F.relu6(x).flatten(1))
    assert saliency(model, x) == guided_backprop(model, x) == 0
    assert deconvnet(model, x) == 1


def test_the_three_rules_on_two_layers():
    """x = (2, 1) -> ReLU -> W -> (1, 3, -2) -> ReLU -> -2, 1 and 1 times."""
    W = torch.tensor([[1.0, -1], [2, -1], [-1, 0]], dtype=torch.float64)
    v = torch.tensor([[-2.0, 1, 1]], dtype=torch.float64)
    model = Net(lambda x: F.relu(F.relu(x.flatten(1)) @ W.T) @ v.T)
    x = torch.tensor([2.0, 1], dtype=torch.float64).reshape(1, 1, 1, 2)
    # -2·(1, -1) + 1·(2, -1); the third unit is shut
    assert saliency(model, x).flatten().tolist() == [0, 1]
    # 1·(2, -1) + 1·(-1, 0) = (1, -1), clipped once more
    assert deconvnet(model, x).flatten().tolist() == [1, 0]
    # 1·(2, -1), clipped once more
    assert guided_backprop(model, x).flatten().tolist() == [2, 0]


def by_hand(x, weights, v, rule, top):
    """Ones through ReLUs and matrices, forward and backward, without autograd."""
    inputs = [x]
    for weight in weights:
        inputs.append(inputs[-1].clamp(0, top) @ weight.T)
    signal = v.expand(len(x), -1)
    for f, weight in zip(inputs[::-1], [*weights[::-1], None], strict=True):
        gate, positive = (f > 0) & (f < top), signal > 0
        allowed = {"saliency": gate, "deconvnet": positive, "guided_backprop": gate & positive}
        signal = signal * allowed[rule]
        signal = signal if weight is None else signal @ weight
    return signal


def test_by_hand_runs_down_in_the_right_order():
    x, v = torch.tensor([[2.0, 1]]), torch.tensor([[-2.0, 1, 1]])
    W = torch.tensor([[1.0, -1], [2, -1], [-1, 0]])
    assert by_hand(x, [W], v, "deconvnet", math.inf).tolist() == [[1, 0]]


@settings(max_examples=40, deadline=None)
@given(
    rule=st.sampled_from(list(RULES)),
    top=st.sampled_from([6, math.inf]),
    widths=st.lists(st.integers(1, 5), max_size=3),
    n=st.integers(1, 3),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    k=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_the_rules_equal_backward_passes_by_hand_for_every_shape(rule, top, widths, n, shape, k, seed):
    sizes = [math.prod(shape), *widths]
    weights = [3 * normal(b, a, seed=seed + b) for a, b in itertools.pairwise(sizes)]
    x, v = 3 * normal(n, *shape, seed=seed), normal(4, sizes[-1], seed=seed + 9)
    activation = F.relu6 if top == 6 else F.relu

    def forward(x):
        x = activation(x.flatten(1))
        for weight in weights:
            x = activation(x @ weight.T)
        return x @ v.T

    target = torch.randint(4, (n, k), generator=torch.Generator().manual_seed(seed))
    result = RULES[rule](Net(forward), x, target)
    assert result.shape == (n, k, *shape)
    for i in range(n):
        for j in range(k):
            flat = by_hand(x[i].reshape(1, -1), weights, v[target[i, j]], rule, top)
            torch.testing.assert_close(result[i, j], flat.reshape(shape))


SPELLINGS = {
    "F.relu": F.relu,
    "F.relu, in place": lambda x: F.relu(x, inplace=True),
    "F.relu, positional": lambda x: F.relu(x, True),
    "torch.relu": torch.relu,
    "torch.relu, by name": lambda x: torch.relu(input=x),
    "torch.relu_": torch.relu_,
    "x.relu": lambda x: x.relu(),
    "x.relu_": lambda x: x.relu_(),
    "x.relu_, result unused": lambda x: (x.relu_(), x)[1],
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU, in place": nn.ReLU(inplace=True),
}
SPELLINGS_OF_6 = {
    "F.relu6": F.relu6,
    "F.relu6, in place": lambda x: F.relu6(x, inplace=True),
    "F.hardtanh": lambda x: F.hardtanh(x, 0, 6),
    "F.hardtanh, in place": lambda x: F.hardtanh(x, 0.0, 6.0, True),
    "F.hardtanh, result unused": lambda x: (F.hardtanh(x, 0, 6, inplace=True), x)[1],
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6, in place": nn.ReLU6(inplace=True),
    "nn.Hardtanh": nn.Hardtanh(0, 6),
}


@pytest.mark.parametrize("spellings", [SPELLINGS, SPELLINGS_OF_6], ids=["ReLU", "ReLU6"])
@pytest.mark.parametrize("rule", [deconvnet, guided_backprop])
def test_every_spelling_of_an_activation_obeys_even_where_it_is_used_again(rule, spellings):
    first, second, head = normal(4, 3, 1, 1), normal(4, 4, 1, 1, seed=1), normal(3, 4, seed=2)

    def net(activation):
        def forward(x):
            maps = activation(F.conv2d(activation(3 * F.conv2d(x, first)), second))
            return maps.mean(dim=(2, 3)) @ head.T

        return Net(forward)

    x = normal(2, 3, 4, 4, seed=3)
    results = [rule(net(activation), x, 1) for activation in spellings.values()]
    plain = saliency(net(next(iter(spellings.values()))), x, 1)
    assert not results[0].allclose(plain)
    for name, result in zip(spellings, results, strict=True):
        assert result.equal(results[0]), name


def test_pooling_and_other_activations_keep_their_own_gradient():
    def head(x):
        return F.leaky_relu(F.max_pool2d(F.gelu(x), 2)).flatten(1) @ normal(3, 4, seed=1).T

    x = normal(2, 1, 4, 4)
    expected = saliency(Net(lambda x: head(x)), x, 1)
    for rule in (deconvnet, guided_backprop):
        result = rule(Net(lambda x: head(x) + 0 * F.relu(x).sum()), x, 1)
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("activation", [torch.tanh, F.leaky_relu, F.hardswish, F.hardtanh, F.gelu])
@pytest.mark.parametrize("rule", [deconvnet, guided_backprop])
def test_a_network_without_a_relu_is_refused(rule, activation):
    model = Net(lambda x: activation(x).flatten(1))
    with pytest.raises(ValueError, match=r"must run a ReLU or ReLU6.*none ran: .*the plain gradient"):
        rule(model, normal(1, 1, 2, 2))


def test_a_relu_after_a_relu_changed_in_place_keeps_its_rule():
    """A residual block adds in place to what a ReLU gave."""

    def forward(x):
        y = F.relu6(x)
        y += x
        return F.relu6(y).flatten(1) @ torch.tensor([[1.0], [-1.0]], dtype=x.dtype)

    x = torch.tensor([1.0, 2], dtype=torch.float64).reshape(1, 1, 1, 2)
    assert saliency(Net(forward), x).flatten().tolist() == [2, -2]
    assert guided_backprop(Net(forward), x).flatten().tolist() == [2, 0]


# --- by hand: paths and noise


def test_a_linear_network_has_its_weights_for_gradients():
    weight, x, b = normal(3, 2, 4, 5), normal(2, 2, 4, 5, seed=1), normal(2, 4, 5, seed=2)
    model, target = linear(weight), torch.tensor([[0, 2], [1, 1]])
    torch.testing.assert_close(saliency(model, x, target), weight[target])
    torch.testing.assert_close(smooth_grad(model, x, target), weight[target])
    attributions = integrated_gradients(model, x, target, baseline=b, steps=3)
    torch.testing.assert_close(attributions, weight[target] * (x - b)[:, None])


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_integrated_gradients_of_squares_and_cubes(steps):
    """One middle is exact for squares; for cubes the sum of squared middles falls short by 1 / (4 m²)."""
    x = normal(2, 3, 2, 2)
    square = Net(lambda x: x.square().sum(dim=(1, 2, 3))[:, None])
    cube = Net(lambda x: x.pow(3).sum(dim=(1, 2, 3))[:, None])
    torch.testing.assert_close(integrated_gradients(square, x, steps=steps), x**2)
    torch.testing.assert_close(integrated_gradients(square, x, baseline=1.0, steps=steps), x**2 - 1)
    cubes = integrated_gradients(cube, x, steps=steps)
    torch.testing.assert_close(cubes, x**3 * (1 - 1 / (4 * steps**2)))


def test_integrated_gradients_of_a_smooth_network_are_complete(net):
    model = nn.Sequential(net[0], nn.Softplus(), net[3], nn.GELU(), *net[5:])
    x, target = normal(2, 3, 8, 8), torch.tensor([[0, 4]] * 2)
    for baseline in (0.0, normal(3, 1, 1, seed=5)):
        rise = (model(x) - model(torch.zeros_like(x) + baseline)).gather(1, target)
        errors = [
            (integrated_gradients(model, x, target, baseline=baseline, steps=m).sum(dim=(2, 3, 4)) - rise)
            .abs()
            .max()
            .item()
            for m in (1, 4, 16, 64)
        ]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 1e-4 * rise.abs().max()
        assert errors[-2] == pytest.approx(16 * errors[-1], rel=0.1)  # the midpoint rule is of second order


def test_every_baseline_that_broadcasts_will_do(net):
    x = normal(2, 3, 8, 8)
    expected = integrated_gradients(net, x, 1, baseline=torch.full_like(x, 2))
    for shape in [(), (1,), (8,), (3, 1, 1), (2, 1, 1, 1), (1, 3, 8, 8)]:
        for dtype in (torch.float64, torch.float32, torch.int64):
            baseline = torch.full(shape, 2, dtype=dtype)
            assert integrated_gradients(net, x, 1, baseline=baseline).equal(expected)
    for number in (2, 2.0, np.float32(2), torch.tensor(2.0, requires_grad=True)):
        assert integrated_gradients(net, x, 1, baseline=number).equal(expected)
    assert integrated_gradients(net, x, 1, baseline=x).eq(0).all()


def test_a_shifted_input_does_not_matter_unless_the_baseline_stays(net):
    """Kindermans et al. 2019: the same network behind another preprocessing, with pictures to match."""
    x, c = normal(2, 3, 8, 8), normal(3, 1, 1, seed=1)
    shifted = Net(lambda x: net(x - c))
    for rule in RULES.values():
        torch.testing.assert_close(rule(shifted, x + c, 1), rule(net, x, 1))
    expected = integrated_gradients(net, x, 1)
    torch.testing.assert_close(integrated_gradients(shifted, x + c, 1, baseline=c), expected)
    assert not integrated_gradients(shifted, x + c, 1).allclose(expected)


def test_the_noise_is_a_share_of_each_pictures_own_range():
    """The gradient of the squares is twice the noisy picture: so the mean tells the noise."""
    model = Net(lambda x: x.square().sum(dim=(1, 2, 3))[:, None])
    x = normal(2, 3, 40, 40)
    x[1] *= 10
    noises = smooth_grad(model, x, samples=1, noise=0.2) / 2 - x
    for noise, picture in zip(noises, x, strict=True):
        relative = noise / (picture.max() - picture.min())
        assert relative.mean().item() == pytest.approx(0, abs=0.01)
        assert relative.std().item() == pytest.approx(0.2, rel=0.03)
    torch.testing.assert_close(smooth_grad(model, x, noise=0), 2 * x)


def test_the_noise_repeats_with_its_seed_and_leaves_the_global_generator_alone(net):
    x = normal(1, 3, 8, 8)
    state = torch.get_rng_state()
    first = smooth_grad(net, x, 1, samples=5)
    assert torch.get_rng_state().equal(state)
    torch.manual_seed(1)
    assert smooth_grad(net, x, 1, samples=5).equal(first)
    assert not smooth_grad(net, x, 1, samples=5, seed=1).allclose(first)


def test_more_samples_only_add_to_the_noise_of_fewer():
    model = Net(lambda x: x.square().sum(dim=(1, 2, 3))[:, None])
    x = normal(1, 3, 4, 4)
    few, more = (smooth_grad(model, x, samples=n) for n in (3, 4))
    draws = torch.Generator().manual_seed(0)
    fourth = [torch.randn(3, 4, 4, generator=draws) for _ in range(4)][3]
    noisy = x + 0.15 * (x.max() - x.min()) * fourth
    torch.testing.assert_close(4 * more - 3 * few, 2 * noisy)


def test_copies_follow_the_top_class_of_the_picture_itself():
    """The second class wins as soon as the picture is noisy, or halfway to the baseline."""
    x = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    x[..., 0] = 2
    other = Net(lambda z: torch.stack([z.sum(dim=(1, 2, 3)), 1e3 * (z - x).abs().sum(dim=(1, 2, 3))], dim=1))
    torch.testing.assert_close(smooth_grad(other, x), torch.ones_like(x))
    torch.testing.assert_close(integrated_gradients(other, x), x)


def test_guided_grad_cam_is_the_product(net):
    x, target = normal(2, 3, 12, 10), torch.tensor([[0, 3], [1, 2]])
    cam = upsample(grad_cam(net, "3", x, target), (12, 10))
    expected = guided_backprop(net, x, target) * cam[:, :, None]
    torch.testing.assert_close(guided_grad_cam(net, net[3], x, target), expected)
    torch.testing.assert_close(guided_grad_cam(net, "3", x, target[:, 0]), expected[:, 0])


# --- batches, classes, targets


@every_method
def test_batches_equal_single_pictures_and_many_classes_single_ones(net, method):
    x = normal(PICTURES_AT_ONCE + 2, 3, 8, 8)
    target = torch.randint(5, (len(x), 3), generator=torch.Generator().manual_seed(0))
    together = method(net, x, target)
    assert together.shape == (len(x), 3, 3, 8, 8)
    for k in range(3):
        torch.testing.assert_close(method(net, x, target[:, k]), together[:, k])
    for i in range(len(x)):
        torch.testing.assert_close(method(net, x[i : i + 1], target[i : i + 1]), together[i : i + 1])


@every_method
def test_every_kind_of_target(net, method):
    x = normal(3, 3, 8, 8)
    every = method(net, x, torch.arange(5).expand(3, 5))
    for target, chosen in [
        (1, [1, 1, 1]),
        ([0, 4, 0], [0, 4, 0]),
        (torch.tensor([1, 1, 0], dtype=torch.int32), [1, 1, 0]),
        (np.int64(3), [3, 3, 3]),
        (None, net(x).argmax(dim=1).tolist()),
    ]:
        torch.testing.assert_close(method(net, x, target), every[range(3), chosen])
    torch.testing.assert_close(method(net, x, [[2], [1], [0]])[:, 0], every[range(3), [2, 1, 0]])


@pytest.mark.parametrize("size", [(7, 13), (13, 7), (5, 5)])
@every_method
def test_every_size_of_picture(net, method, size):
    assert method(net, normal(2, 3, *size), 0).shape == (2, 3, *size)


# --- against the libraries


CLASSES = torch.tensor([243, 281])


@pytest.fixture(params=["squeezenet1_1", "resnet18", "vgg16"], scope="module")
def case(request):
    """A classifier and two small pictures."""
    clf = load_classifier(request.param, "imagenet" if request.param == "squeezenet1_1" else None)
    x = torch.stack([clf.preprocess(load_image(name)) for name in ("mastiff", "cat")])
    return clf, x[:, :, 80:144, 80:144]


def close(ours, theirs, tolerance=1e-5):
    """Equal to 1e-5 of the largest value."""
    assert ours.shape == theirs.shape
    assert ours.any()
    assert (ours - theirs).abs().max() <= tolerance * ours.abs().max()


@captum_warns
def test_saliency_equals_captum_which_drops_the_sign_unless_told(case):
    clf, x = case
    ours, theirs = saliency(clf.model, x, CLASSES), captum.attr.Saliency(clf.model)
    close(ours, theirs.attribute(x, CLASSES, abs=False))
    close(ours.abs(), theirs.attribute(x, CLASSES))


@captum_warns
def test_deconvnet_and_guided_backprop_equal_captum(case):
    clf, x = case
    close(deconvnet(clf.model, x, CLASSES), captum.attr.Deconvolution(clf.model).attribute(x, CLASSES))
    close(guided_backprop(clf.model, x, CLASSES), captum.attr.GuidedBackprop(clf.model).attribute(x, CLASSES))


@captum_warns
def test_guided_grad_cam_equals_captum_with_bilinear_interpolation(case):
    clf, x = case
    ours, theirs = (
        guided_grad_cam(clf.model, clf.layer, x, 7),
        captum.attr.GuidedGradCam(clf.model, clf.layer),
    )
    close(ours, theirs.attribute(x, 7, interpolate_mode="bilinear"))
    assert not ours.allclose(theirs.attribute(x, 7), atol=0.01 * ours.abs().max())  # the default is "nearest"


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_integrated_gradients_equal_captum_by_the_same_rule(name):
    """In double precision, since rounding opens and shuts a few ReLUs; Captum rounds its steps to single."""
    model = copy.deepcopy(load_classifier(name, weights=None).model).double()
    x, baseline = normal(2, 3, 64, 64), normal(2, 3, 64, 64, seed=1)
    ours = integrated_gradients(model, x, CLASSES, baseline=baseline, steps=5)
    theirs = captum.attr.IntegratedGradients(model)
    close(ours, theirs.attribute(x, baseline, CLASSES, n_steps=5, method="riemann_middle"), tolerance=1e-6)


def test_guided_backprop_equals_pytorch_grad_cam(case):
    clf, x = case
    model = copy.deepcopy(clf.model)  # which it changes
    theirs = GuidedBackpropReLUModel(model)(x[:1].clone(), 243)
    close(guided_backprop(clf.model, x[:1], 243), torch.from_numpy(theirs).movedim(-1, 0)[None])


def of_zennit(attributor, model, x, target=CLASSES, **options):
    """Zennit's attribution of a class of each picture; it is asked by the gradient of the outputs."""
    with attributor(model, attr_output=lambda y: one_hot(target, y), **options) as attribute:
        return attribute(x.clone())[1]


def one_hot(target, y):
    """1 at the class that is meant (N,), 0 elsewhere (N, K)."""
    return F.one_hot(torch.as_tensor(target).expand(len(y)), y.shape[1]).to(y)


@pytest.mark.parametrize(
    ("rule", "composite"),
    [
        (saliency, None),
        (deconvnet, zennit.composites.DeconvNet()),
        (guided_backprop, zennit.composites.GuidedBackprop()),
    ],
)
def test_the_rules_equal_zennit(case, rule, composite):
    clf, x = case
    close(
        rule(clf.model, x, CLASSES), of_zennit(zennit.attribution.Gradient, clf.model, x, composite=composite)
    )


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18"])
def test_integrated_gradients_differ_from_zennits_by_where_the_steps_are_taken(name):
    """Zennit takes the right ends of its steps, ours the middles; with ends given, they are equal."""
    model = copy.deepcopy(load_classifier(name, weights=None).model).double()
    x, baseline, steps = normal(2, 3, 64, 64), normal(2, 3, 64, 64, seed=1), 5
    theirs = of_zennit(
        zennit.attribution.IntegratedGradients, model, x, baseline_fn=lambda _: baseline, n_iter=steps
    )
    ends = [baseline + (k + 1) / steps * (x - baseline) for k in range(steps)]
    by_hand = (x - baseline) * sum(saliency(model, end, CLASSES) for end in ends) / steps
    close(by_hand, theirs, tolerance=1e-6)
    assert not integrated_gradients(model, x, CLASSES, baseline=baseline, steps=steps).allclose(theirs)


def test_zennits_last_copy_for_smooth_grad_has_no_noise():
    """Its noise is a share of the range, as ours and the paper's; but one copy is the picture itself."""
    model = Net(lambda x: x.square().sum(dim=(1, 2, 3))[:, None])
    x = 10 * normal(1, 3, 40, 40)
    torch.manual_seed(0)
    library = zennit.attribution.SmoothGrad
    one, two = (of_zennit(library, model, x, 0, noise_level=0.15, n_iter=n) for n in (1, 2))
    assert one.equal(saliency(model, x, 0))
    noise = 2 * two - one  # the sum of the two copies' gradients without the last one's
    assert (noise / 2 - x).std().item() == pytest.approx(0.15 * (x.max() - x.min()).item(), rel=0.05)


# --- what the libraries do


@captum_warns
def test_on_a_relu6_network_the_libraries_give_the_plain_gradient():
    """They override nn.ReLU, of which nn.ReLU6 is none; a ReLU called as a function they miss, too."""
    clf = load_classifier("efficientnet_lite0")
    x = clf.preprocess(load_image("mastiff"))[None]
    plain = saliency(clf.model, x, 243)
    theirs = GuidedBackpropReLUModel(copy.deepcopy(clf.model))(x.clone(), 243)
    for gradient in (
        captum.attr.Deconvolution(clf.model).attribute(x, 243),
        captum.attr.GuidedBackprop(clf.model).attribute(x, 243),
        torch.from_numpy(theirs).movedim(-1, 0)[None],
        of_zennit(zennit.attribution.Gradient, clf.model, x, 243, composite=zennit.composites.DeconvNet()),
        of_zennit(
            zennit.attribution.Gradient, clf.model, x, 243, composite=zennit.composites.GuidedBackprop()
        ),
    ):
        torch.testing.assert_close(gradient, plain, rtol=0, atol=0)
    for ours in (deconvnet(clf.model, x, 243), guided_backprop(clf.model, x, 243)):
        correlation = torch.corrcoef(torch.stack([ours.flatten(), plain.flatten()]))[0, 1]
        assert abs(correlation) < 0.5


@captum_warns
def test_captum_misses_a_relu_called_as_a_function():
    x = normal(1, 1, 2, 2)
    model = Net(lambda x: F.relu(x).flatten(1) @ torch.tensor([[1.0, -1, 1, -1]], dtype=x.dtype).T)
    theirs = captum.attr.GuidedBackprop(model).attribute(x, 0)
    assert theirs.equal(saliency(model, x, 0))
    assert not theirs.equal(guided_backprop(model, x, 0))


@captum_warns
def test_the_libraries_miss_the_last_relu_of_densenet():
    """It is called as a function; where it is a module, they give what ours gives for the network."""
    clf = load_classifier("densenet201", weights=None)
    x = clf.preprocess(load_image("mastiff"))[None, :, 80:144, 80:144]
    model, k = clf.model, torch.tensor([243])
    ending = (nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    modules = nn.Sequential(model.features, *ending, model.classifier)
    ours, composite = guided_backprop(model, x, k), zennit.composites.GuidedBackprop()
    for theirs in (
        lambda network: captum.attr.GuidedBackprop(network).attribute(x, k),
        lambda network: of_zennit(zennit.attribution.Gradient, network, x, k, composite=composite),
    ):
        close(ours, theirs(modules))
        assert not ours.allclose(theirs(model), atol=0.1 * ours.abs().max())


def test_pytorch_grad_cams_second_call_on_one_tensor_doubles_and_its_relus_stay_one():
    """It adds to x.grad; and it puts one new nn.ReLU, not in place, where each one was."""
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    x = normal(1, 3, 2, 2, dtype=torch.float32)
    library = GuidedBackpropReLUModel(model)
    first = library(x, 0).copy()
    np.testing.assert_allclose(library(x, 0), 2 * first)
    assert x.grad is not None
    assert all(p.grad is not None for p in model.parameters())
    assert model[0] is model[2]
    assert not model[0].inplace


@captum_warns
def test_captums_noise_is_absolute():
    model = Net(lambda x: x.square().sum(dim=(1, 2, 3))[:, None])
    x = 10 * normal(1, 3, 40, 40)
    torch.manual_seed(0)
    theirs = captum.attr.NoiseTunnel(captum.attr.Saliency(model)).attribute(
        x, nt_samples=1, stdevs=0.15, target=0, abs=False
    )
    ours = smooth_grad(model, x, 0, samples=1)
    assert (theirs / 2 - x).std().item() == pytest.approx(0.15, rel=0.05)
    assert (ours / 2 - x).std().item() == pytest.approx(0.15 * (x.max() - x.min()).item(), rel=0.05)


# --- leaves nothing behind


def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


@every_method
def test_nothing_is_changed(net, method):
    x = normal(2, 3, 8, 8).requires_grad_()
    before, kept = state(net), x.detach().clone()
    expected = method(net, x, 1)
    for surroundings in (torch.no_grad, torch.inference_mode, torch.enable_grad):
        with surroundings():
            result = method(net, x, 1)
            assert torch.is_grad_enabled() is (surroundings is torch.enable_grad)
        assert not result.requires_grad
        assert result.equal(expected)
    assert x.grad is None
    assert x.equal(kept)
    assert all(p.grad is None and p.requires_grad for p in net.parameters())
    assert all(not (m.training or m._forward_hooks or m._forward_pre_hooks) for m in net.modules())
    assert not _get_current_function_mode_stack()
    assert all(value.equal(before[key]) for key, value in net.state_dict().items())


@every_method
def test_frozen_parameters_and_inference_tensors_will_do(net, method):
    x = normal(2, 3, 8, 8)
    expected = method(net, x, 1)
    net.requires_grad_(False)
    assert method(net, x, 1).equal(expected)
    with torch.inference_mode():
        result = method(net, x + 0, torch.tensor([1, 1]))
    assert result.equal(expected)


@every_method
def test_a_first_layer_in_place_does_not_change_the_pictures(net, method):
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Identity(), *net[:1], nn.ReLU6(inplace=True), *net[3:])
    x = normal(2, 3, 8, 8)
    before = x.clone()
    method(model, x, 1)
    assert x.equal(before)


@every_method
def test_a_network_in_training_mode_keeps_its_statistics_and_its_mode(net, method):
    x, before = normal(3, 3, 8, 8), state(net)
    evaluated = method(net, x, 1)
    result = method(net.train(), x, 1)
    assert all(value.equal(before[key]) for key, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert not result.allclose(evaluated)


def test_copies_in_training_mode_are_normalised_by_their_own_statistics(net):
    x = normal(2, 3, 8, 8)
    draws = torch.Generator().manual_seed(0)
    deviation = 0.15 * (x.amax(dim=(1, 2, 3)) - x.amin(dim=(1, 2, 3))).reshape(2, 1, 1, 1)
    net.train()
    gradients = [saliency(net, x + deviation * torch.randn(3, 8, 8, generator=draws), 1) for _ in range(3)]
    torch.testing.assert_close(smooth_grad(net, x, 1, samples=3), torch.stack(gradients).mean(dim=0))


def test_many_calls_leave_no_memory(net):
    def count():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    x = normal(1, 3, 8, 8)
    counts = []
    for _ in range(3):
        for method in METHODS.values():
            method(net, x, torch.tensor([[0, 1]]))
        counts.append(count())
    assert counts[1] == counts[2]


@every_method
def test_after_an_exception_nothing_is_left(net, method):
    class BrokenError(Exception):
        pass

    def broken(_):
        raise BrokenError

    model = nn.Sequential(*net[:5], Net(broken))
    with pytest.raises(BrokenError):
        method(model, normal(1, 3, 8, 8))
    with pytest.raises(ValueError, match="between 0 and 4"):
        method(net, normal(1, 3, 8, 8), 5)
    assert not _get_current_function_mode_stack()
    assert torch.is_grad_enabled()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in (*model.modules(), *net.modules()))


@pytest.mark.parametrize("rule", [deconvnet, guided_backprop])
def test_other_threads_keep_their_gradients(rule):
    seen = []

    def elsewhere():
        x = torch.tensor([1.0, -1.0], requires_grad=True)
        seen.extend(torch.autograd.grad(F.relu(x).sum(), x, torch.tensor(-1.0))[0].tolist())

    def forward(x):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return F.relu(x).flatten(1)

    rule(Net(forward), normal(1, 1, 2, 2))
    assert seen == [-1, 0]


# --- precision and devices


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
@every_method
def test_the_dtype_is_followed(net, method, dtype, tolerance):
    x = normal(2, 3, 8, 8).to(dtype)
    expected = method(net, x.double(), 1)
    result = method(copy.deepcopy(net).to(dtype), x, 1)
    assert result.dtype == dtype
    assert (result.double() - expected).norm() <= tolerance * expected.norm()


@pytest.mark.cuda
@every_method
def test_a_gpu_gives_what_the_processor_gives(net, method):
    x, target = normal(2, 3, 8, 8), torch.tensor([[0, 1], [2, 3]])
    result = method(copy.deepcopy(net).cuda(), x.cuda(), target)
    assert result.device.type == "cuda"
    torch.testing.assert_close(result.cpu(), method(net, x, target))


# --- bad input


X = torch.zeros(2, 3, 8, 8, dtype=torch.float64)


@pytest.mark.parametrize(
    ("x", "error", "said"),
    [
        (X[0], ValueError, r"not \(3, 8, 8\): add the batch axis with x\[None\]"),
        (X[:, :1], ValueError, r"x has 1 channels where the model takes 3"),
        (X[:0], ValueError, r"must have the shape \(N, 3, H, W\), not \(0, 3"),
        (X.byte(), TypeError, r"must be floating point, not torch\.uint8"),
        (X.float(), TypeError, r"x is torch\.float32 .* where the model is torch\.float64"),
        (X / 0, ValueError, r"NaN or infinite"),
        (X.numpy(), TypeError, r"must be a tensor .*, not ndarray"),
    ],
)
@every_method
def test_bad_pictures_are_refused(net, method, x, error, said):
    with pytest.raises(error, match=said):
        method(net, x, 0)


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [
        (5, ValueError, r"between 0 and 4, the model's last class, not \[5, 5\]"),
        (-1, ValueError, r"between 0 and 4"),
        ([0, 1, 2], ValueError, r"2 of them \(one for each image\)"),
        (1.0, TypeError, r"must hold integers"),
        ("tabby", TypeError, r"must hold integers, class indices, not 'tabby'"),
    ],
)
@every_method
def test_bad_targets_are_refused(net, method, target, error, said):
    with pytest.raises(error, match=said):
        method(net, X, target)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda net: None, "must be an nn.Module"),
        (lambda net: type("Classifier", (), {"model": net})(), r"pass clf\.model"),
        (lambda net: torch.compile(net, backend="eager"), r"as it was before torch\.compile"),
        (lambda net: torch.jit.trace(net, X), r"that you gave to torch\.jit"),
    ],
)
@every_method
@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_what_is_no_plain_network_is_refused(net, method, wrap, said):
    with pytest.raises(TypeError, match=said):
        method(wrap(net), X, 0)


def test_scores_that_do_not_depend_on_the_pixels_are_refused():
    bias = nn.Parameter(torch.zeros(5))
    for forward in (
        lambda x: x.new_zeros(len(x), 5),
        lambda x: x.detach().sum(dim=(1, 2, 3))[:, None] + bias,
    ):
        with pytest.raises(RuntimeError, match="does not depend on"):
            saliency(Net(forward), X.float(), 0)


def test_gradients_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="The gradients hold NaN or infinite values: use a wider dtype"):
        saliency(Net(lambda x: x.sqrt().flatten(1)), X, 0)


@pytest.mark.parametrize("number", [0, -1, 1.5, 2.0, "5", None, True])
def test_samples_and_steps_are_whole_numbers_of_at_least_1(net, number):
    with pytest.raises(ValueError, match=r"samples must be a whole number of at least 1"):
        smooth_grad(net, X, 0, samples=number)
    with pytest.raises(ValueError, match=r"steps must be a whole number of at least 1"):
        integrated_gradients(net, X, 0, steps=number)


@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf, "0.1", None, True])
def test_noise_is_a_finite_share(net, noise):
    with pytest.raises(ValueError, match=r"noise must be a share of the picture's range"):
        smooth_grad(net, X, 0, noise=noise)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, None, True])
def test_seeds_are_whole_numbers(net, seed):
    with pytest.raises(ValueError, match=r"seed must be a whole number"):
        smooth_grad(net, X, 0, seed=seed)


@pytest.mark.parametrize(
    ("baseline", "error", "said"),
    [
        (torch.zeros(2), ValueError, r"broadcast to the shape of x, \(2, 3, 8, 8\), not \(2,\)"),
        (torch.zeros(3, 3, 8, 8), ValueError, r"not \(3, 3, 8, 8\)"),
        (torch.zeros(1, 2, 3, 8, 8), ValueError, r"not \(1, 2, 3, 8, 8\)"),
        (math.nan, ValueError, r"baseline holds NaN or infinite"),
        (torch.tensor([[[1.0]], [[math.inf]], [[0.0]]]), ValueError, r"baseline holds NaN or infinite"),
        ("black", TypeError, r"must be a number or a tensor .*, not str"),
        (None, TypeError, r"not NoneType"),
        (True, TypeError, r"not bool"),
    ],
)
def test_bad_baselines_are_refused(net, baseline, error, said):
    with pytest.raises(error, match=said):
        integrated_gradients(net, X, 0, baseline=baseline)
