"""capture: what it catches, and that it leaves nothing behind; find_layer: in all families."""

import copy
import gc
import threading
from contextlib import ExitStack

import pytest
import torch
import torchvision
from torch import nn

from helpers import capture, find_layer, grad_cam, load_classifier, output_shapes
from helpers.classifiers import classifier_names
from helpers.hooks import map_axes


def hooks_of(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5)
    ).eval()


@pytest.fixture
def x():
    return torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def by_autograd(net, x, index):
    """Activations of net[1] and the gradients of the scores of one class, the plain way."""
    activations = net[1](net[0](x))
    activations.retain_grad()
    net[4](net[3](net[2](activations)))[:, index].sum().backward()
    net.zero_grad()
    return activations.detach(), activations.grad


def test_it_catches_what_autograd_gives(net, x):
    with capture(net, net[1]) as caught:
        logits = net(x)
        gradients = caught.gradients(logits[:, 3].sum())
    activations, expected = by_autograd(net, x, 3)
    torch.testing.assert_close(caught.activations.detach(), activations)
    torch.testing.assert_close(gradients, expected)
    torch.testing.assert_close(logits, net(x))


def test_many_scores_are_answered_at_once(net, x):
    with capture(net, "1") as caught:
        gradients = caught.gradients(net(x).sum(dim=0))
    assert gradients.shape == (5, 2, 4, 2, 2)
    for index in range(5):
        torch.testing.assert_close(gradients[index], by_autograd(net, x, index)[1])


@pytest.mark.parametrize("surroundings", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("frozen", [True, False])
def test_it_works_without_gradients_around_and_frozen(net, x, surroundings, frozen):
    net.requires_grad_(not frozen)
    expected = by_autograd(nn.Sequential(*net).requires_grad_(), x, 0)[1]
    net.requires_grad_(not frozen)
    with surroundings():
        before = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        with capture(net, net[1]) as caught:
            gradients = caught.gradients(net(x)[:, 0].sum())
        assert (torch.is_grad_enabled(), torch.is_inference_mode_enabled()) == before
    torch.testing.assert_close(gradients, expected)
    assert all(p.requires_grad != frozen for p in net.parameters())


class Halved(torch.autograd.Function):
    """A backward pass that cannot be batched, since it looks at numbers."""

    @staticmethod
    def forward(ctx, x):
        return x / 2

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2 if gradient.abs().sum().item() >= 0 else gradient


def test_many_scores_take_one_backward_pass(net, x, monkeypatch):
    passes, grad = [], torch.autograd.grad
    monkeypatch.setattr("torch.autograd.grad", lambda *a, **k: passes.append(1) or grad(*a, **k))
    with capture(net, "1") as caught:
        caught.gradients(net(x).sum(dim=0))
    assert len(passes) == 1


def test_no_graph_is_recorded_before_the_layer(net, x):
    recorded = []
    net[0].register_forward_hook(lambda _, inputs, output: recorded.append(output.requires_grad))
    with capture(net, net[1]) as caught:
        caught.gradients(net(x)[:, 0].sum())
    assert recorded == [False]


def test_operations_that_cannot_be_batched_are_done_one_at_a_time(net, x):
    expected = torch.stack([by_autograd(net, x, index)[1] for index in range(5)])
    net[2].register_forward_hook(lambda _, inputs, output: Halved.apply(output))
    with capture(net, net[1]) as caught:
        torch.testing.assert_close(caught.gradients(net(x).sum(dim=0)), expected / 2)


def test_an_in_place_relu_behind_the_layer_does_no_harm(net, x):
    expected = by_autograd(net, x, 2)
    net[2] = nn.ReLU(inplace=True)
    with capture(net, net[1]) as caught:
        gradients = caught.gradients(net(x)[:, 2].sum())
    torch.testing.assert_close(caught.activations.detach(), expected[0])
    torch.testing.assert_close(gradients, expected[1])
    assert (caught.activations < 0).any()


def test_nothing_is_changed(net, x):
    net.train()
    net[0].eval()
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = x.clone()
    with capture(net, net[2]) as caught:
        caught.gradients(net(x)[:, 0].sum())
    assert [module.training for module in net] == [False, True, True, True, True]
    assert all((parameter.grad == 1).all() for parameter in net.parameters())
    assert x.grad is None
    assert not x.requires_grad
    torch.testing.assert_close(x, before, rtol=0, atol=0)
    assert hooks_of(net) == 0


def test_it_cleans_up_when_the_model_raises(net, x):
    with torch.no_grad():
        with pytest.raises(RuntimeError), capture(net, net[1]):
            net(x[:, :2])
        assert not torch.is_grad_enabled()
    assert hooks_of(net) == 0


def test_a_failed_pass_inside_the_block_can_be_repeated(net, x):
    with capture(net, net[1]) as caught:
        with pytest.raises(RuntimeError):
            net(x[:, :2])
        assert torch.is_grad_enabled()
        assert caught.gradients(net(x)[:, 0].sum()).shape == (2, 4, 2, 2)


def test_it_cleans_up_when_the_block_raises(net, x):
    def block():
        with capture(net, net[1]):
            net(x)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    assert hooks_of(net) == 0
    assert torch.is_grad_enabled()


def test_no_hook_stays_when_one_cannot_be_set(net):
    class NoHooks(nn.Identity):
        def register_forward_hook(self, *_, **__):
            raise NotImplementedError

    net[1] = NoHooks()
    with pytest.raises(NotImplementedError), capture(net, net[1]):
        pass
    assert hooks_of(net) == 0


def test_hooks_of_others_stay(net, x):
    calls = []
    net[1].register_forward_hook(lambda *_: calls.append(1))
    with capture(net, net[1]):
        net(x)
    net(x)
    assert len(calls) == 2
    assert hooks_of(net) == 1


def test_the_last_pass_and_the_last_run_count(x):
    relu = nn.ReLU()
    net = nn.Sequential(nn.Conv2d(3, 2, 1), relu, nn.Conv2d(2, 2, 1), relu, nn.Flatten())
    with capture(net, relu) as caught:
        net(torch.zeros_like(x))
        out = net(x)
    torch.testing.assert_close(caught.activations.flatten(1), out)


def test_a_layer_that_never_ran_is_an_error(net):
    with capture(net, net[1]) as caught, pytest.raises(RuntimeError, match="The layer has not run"):
        _ = caught.activations


def test_a_score_that_does_not_depend_on_the_layer_is_an_error(net, x):
    with capture(net, net[1]) as caught:
        net(x)
        for score in (torch.tensor(1.0), torch.ones(1, requires_grad=True).sum()):
            with pytest.raises(RuntimeError, match="does not depend on the layer"):
                caught.gradients(score)


def test_a_foreign_layer_is_an_error(net):
    with pytest.raises(ValueError, match="The layer ReLU is not part of the model"), capture(net, nn.ReLU()):
        pass


def test_an_unknown_layer_name_gets_the_closest_ones():
    model = load_classifier("resnet18", weights=None).model
    with (
        pytest.raises(ValueError, match="no layer 'layer5': did you mean 'layer4'"),
        capture(model, "layer5"),
    ):
        pass
    with pytest.raises(ValueError, match=r"see model\.named_modules"), capture(model, "qqqq"):
        pass
    with pytest.raises(ValueError, match="no layer ''"), capture(model, ""):
        pass


@pytest.mark.parametrize(
    ("output", "said"),
    [((1, 2), "not tuple"), (torch.zeros(2, dtype=torch.int64), "not a tensor of torch.int64")],
)
def test_a_layer_without_one_float_tensor_is_an_error(output, said):
    class Odd(nn.Module):
        def forward(self, x):
            return output

    net = nn.Sequential(nn.Identity(), Odd())
    with pytest.raises(TypeError, match=said), capture(net, net[1]):
        net(torch.zeros(1))
    assert hooks_of(net) == 0


def test_other_threads_are_left_alone(net, x):
    def other():
        with torch.no_grad():
            net(x + 1)
            seen.append(torch.is_grad_enabled())

    seen = []
    with capture(net, net[1]) as caught:
        logits = net(x)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        caught.gradients(logits[:, 0].sum())
    assert seen == [False]


def test_a_copy_made_inside_the_block_is_left_alone(net, x):
    with capture(net, net[1]) as caught:
        twin = copy.deepcopy(net)
        net(x)
        before = caught.activations
        with torch.no_grad():
            twin(x + 1)
            assert not torch.is_grad_enabled()
        assert caught.activations is before
    with torch.no_grad():
        assert not twin(x).requires_grad
    assert caught.activations is before


@pytest.mark.parametrize("scores", [3.0, None, [torch.ones(1)]])
def test_gradients_want_a_tensor(net, x, scores):
    with capture(net, net[1]) as caught:
        net(x)
        with pytest.raises(TypeError, match=f"a tensor computed .*, not {type(scores).__name__}"):
            caught.gradients(scores)


def test_a_module_with_two_names_answers_to_both(x):
    relu = nn.ReLU()
    net = nn.Sequential(nn.Conv2d(3, 2, 1), relu, nn.Conv2d(2, 2, 1), relu)
    for name in ("1", "3"):
        with capture(net, name) as caught:
            out = net(x)
        torch.testing.assert_close(caught.activations, out)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda net: torch.compile(net, backend="eager"), "as it was before torch.compile"),
        (lambda net: net.compile(backend="eager") or net, "as it was before torch.compile"),
        (lambda net: torch.jit.trace(net, torch.zeros(2, 3, 4, 4)), "that you gave to torch.jit"),
        (lambda net: on_two_devices(net), "pass model.module"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_models_that_run_without_hooks_are_refused_with_advice(net, x, change, said):
    changed = change(net)
    with pytest.raises(TypeError, match=said), capture(changed, "1"):
        pass
    for function in (output_shapes, find_layer):
        with pytest.raises(TypeError, match=said):
            function(changed, x)


def on_two_devices(net):
    model = nn.DataParallel(net)
    model.device_ids = [0, 1]
    return model


def test_data_parallel_on_one_device_changes_nothing(net, x):
    model = nn.DataParallel(net)
    with capture(model, "module.1") as caught:
        gradients = caught.gradients(model(x)[:, 3].sum())
    torch.testing.assert_close(gradients, by_autograd(net, x, 3)[1])


@pytest.mark.parametrize("function", [capture, find_layer, output_shapes])
def test_a_classifier_in_place_of_its_network_is_refused_with_advice(function, x):
    clf = load_classifier("squeezenet1_1", weights=None)
    with pytest.raises(TypeError, match=r"not Classifier: pass clf\.model\."), ExitStack() as stack:
        stack.enter_context(function(clf, x))


def test_nested_captures_both_see_gradients(net, x):
    expected = by_autograd(net, x, 3)[1]
    with capture(net, net[0]) as outer, capture(net, net[1]) as inner:
        score = net(x)[:, 3].sum()
        torch.testing.assert_close(inner.gradients(score), expected)
        assert outer.gradients(score).abs().sum() > 0


def test_what_was_caught_is_not_changed_afterwards(x):
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout()

        def forward(self, x):
            kept = self.drop(x)
            x += 1
            return kept

    net = Shared().eval()
    before = x.clone()
    with capture(net, net.drop) as caught:
        net(x)
    torch.testing.assert_close(caught.activations.detach(), before)


def test_wrong_types_are_refused(net):
    with pytest.raises(TypeError, match=r"such as clf\.model, not str"), capture("net", "1"):
        pass
    with (
        pytest.raises(TypeError, match="a module of the model or its name, not list"),
        capture(net, [net[1]]),
    ):
        pass


def test_a_thousand_calls_leave_no_hook_and_no_tensor(net, x):
    def count():
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    before = count()
    for _ in range(1000):
        with capture(net, net[1]) as caught:
            caught.gradients(net(x)[:, 0].sum())
    del caught
    assert hooks_of(net) == 0
    assert count() <= before


def test_output_shapes_are_in_the_order_in_which_modules_finish():
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), nn.MaxPool2d(2), nn.Flatten()
    )
    assert output_shapes(net, torch.zeros(2, 3, 8, 6)) == {
        "0.0": (2, 4, 8, 6),
        "0.1": (2, 4, 8, 6),
        "0": (2, 4, 8, 6),
        "1": (2, 4, 4, 3),
        "2": (2, 48),
        "": (2, 48),
    }


def test_output_shapes_lists_a_module_that_runs_twice_where_it_ran_last():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu, self.pool, self.unused = nn.ReLU(), nn.MaxPool2d(2), nn.ReLU()

        def forward(self, x):
            return self.relu(self.pool(self.relu(x)))

    shapes = output_shapes(Twice(), torch.zeros(1, 1, 4, 4))
    assert list(shapes.items())[:2] == [("pool", (1, 1, 2, 2)), ("relu", (1, 1, 2, 2))]
    assert "unused" not in shapes


def test_output_shapes_leaves_no_hook_even_after_an_error():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 2))
    with pytest.raises(RuntimeError):
        output_shapes(net, torch.zeros(1, 3, 8, 8))
    assert not any(module._forward_hooks for module in net.modules())
    assert torch.is_grad_enabled()
    with pytest.raises(TypeError, match=r"nn\.Module"):
        output_shapes(lambda x: x, torch.zeros(1))


class Meanwhile(nn.Module):
    """While it runs, another thread sends a larger picture through a layer of the same network."""

    def __init__(self, layer):
        super().__init__()
        self.others = [layer]

    def forward(self, x):
        thread = threading.Thread(target=lambda: self.others[0](torch.zeros(1, 3, 20, 20)))
        thread.start()
        thread.join()
        return x


def test_output_shapes_and_find_layer_leave_other_threads_alone():
    layer = nn.Conv2d(3, 4, 3)
    net = nn.Sequential(layer, nn.ReLU(), Meanwhile(layer), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    x = torch.zeros(1, 3, 8, 8)
    shapes = output_shapes(net, x)
    assert list(shapes) == ["0", "1", "2", "3", "4", ""]
    assert shapes["0"] == (1, 4, 6, 6)
    assert find_layer(net, x) == "2"


# --- map_axes

PHOTO = (1, 3, 224, 224)


@pytest.mark.parametrize(
    ("shape", "x", "axes"),
    [
        ((1, 512, 7, 7), PHOTO, (2, 3)),
        ((1, 7, 7, 512), PHOTO, (1, 2)),
        ((1, 56, 56, 64), PHOTO, (1, 2)),  # (56, 64) would do, (56, 56) is better
        ((1, 64, 56, 56), PHOTO, (2, 3)),
        ((1, 7, 7, 7), PHOTO, (2, 3)),  # both alike
        ((1, 8, 7, 15), (1, 3, 224, 448), (2, 3)),
        ((1, 7, 15, 8), (1, 3, 224, 448), (1, 2)),
        ((1, 5, 1, 16), (1, 3, 4, 64), (2, 3)),
        ((1, 5, 1, 2), (1, 3, 32, 64), (2, 3)),
        ((1, 8, 16, 25), PHOTO, (2, 3)),  # just a quarter wider than 20 by 20
        ((1, 8, 44, 66), PHOTO, (2, 3)),
        ((1, 8, 5, 9), PHOTO, None),  # more than a quarter, and more than 1.5 places
        ((1, 1280, 1, 1), PHOTO, None),
        ((1, 1, 1, 1280), PHOTO, None),
        ((1, 12, 196, 64), PHOTO, None),
        ((1, 16, 196, 384), PHOTO, None),
        ((64, 96, 7, 7), PHOTO, None),  # windows
        ((1, 197, 768), PHOTO, None),
        ((1, 2, 3, 7, 7), PHOTO, None),
    ],
)
def test_the_places_of_a_map_are_told_from_its_shape(shape, x, axes):
    assert map_axes(shape, x) == axes


@pytest.mark.parametrize(
    ("shape", "tokens", "axes"),
    [
        ((1, 384, 14, 14), (1, 196, 384), (2, 3)),
        ((1, 14, 14, 384), (1, 196, 384), (1, 2)),
        ((1, 384, 15, 14), (1, 196, 384), None),
        ((1, 12, 196, 196), (1, 196, 768), None),  # attention weights
        ((1, 6, 196, 128), (1, 196, 768), None),  # queries of 128 numbers a head
        ((1, 2, 8, 8), (1, 4, 64), (2, 3)),  # a layer that mixes the places
        ((1, 512, 14, 14), (1, 1, 512), (2, 3)),  # one token is none
        ((1, 96, 56, 56), (64, 49, 96), (2, 3)),  # windows
    ],
)
def test_a_map_has_no_more_places_than_there_were_tokens(shape, tokens, axes):
    assert map_axes(shape, PHOTO, [tokens]) == axes


def test_the_longest_row_of_tokens_counts():
    assert map_axes((1, 384, 14, 14), PHOTO, [(1, 49, 768), (1, 197, 768), (1, 50, 768)]) == (2, 3)


class Weights(nn.Module):
    """Attention weights between patches of 8 × 8 pixels, (N, 1, T, T)."""

    def __init__(self):
        super().__init__()
        self.patches, self.linear, self.weights = nn.Conv2d(3, 4, 8, 8), nn.Linear(4, 4), nn.Identity()

    def forward(self, x):
        tokens = self.linear(self.patches(x).flatten(2).mT)
        return self.weights((tokens @ tokens.mT)[:, None]).mean(dim=(2, 3))


def test_only_the_tokens_of_the_latest_pass_count():
    net, large, small = Weights(), torch.rand(1, 3, 128, 128), torch.rand(1, 3, 32, 32)
    with capture(net, "weights") as caught:
        net(large)
        assert caught.map_axes(large) is None
        net(small)
        assert caught.activations.shape == (1, 1, 16, 16)
        assert caught.map_axes(small) is None


# --- find_layer

FAMILIES = {
    "alexnet": "features.11",
    "vgg16": "features.29",
    "vgg16_bn": "features.42",
    "vgg19": "features.35",
    "resnet18": "layer4",
    "resnet34": "layer4",
    "resnet50": "layer4",
    "resnext50_32x4d": "layer4",
    "densenet121": "features",
    "densenet201": "features",
    "mobilenet_v2": "features",
    "mobilenet_v3_large": "features",
    "mobilenet_v3_small": "features",
    "squeezenet1_0": "classifier.2",
    "squeezenet1_1": "classifier.2",
    "efficientnet_b0": "features",
    "mnasnet1_0": "layers",
    "shufflenet_v2_x1_0": "conv5",
    "convnext_tiny": "features",
    "swin_t": "permute",
}


@pytest.mark.parametrize(("name", "layer"), FAMILIES.items())
def test_the_layer_to_explain_is_found(name, layer):
    model = torchvision.models.get_model(name).to("meta").eval()
    assert find_layer(model, torch.zeros(1, 3, 224, 224, device="meta")) == layer


@pytest.mark.parametrize("name", classifier_names())
def test_the_found_layer_gives_the_map_of_the_classifiers_own_layer(name):
    clf = load_classifier(name, weights=None)
    x = torch.rand(1, 3, 64, 64)
    found = grad_cam(clf.model, find_layer(clf.model, x), x)
    torch.testing.assert_close(found, grad_cam(clf.model, clf.layer, x))


def test_a_pool_and_a_container_that_ends_with_it_are_passed_over():
    stage = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    net = nn.Sequential(nn.Sequential(stage), nn.AvgPool2d(2), nn.Flatten(), nn.LazyLinear(2))
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "0.0.1"


class Reduction(nn.Module):
    """As in Inception: a convolution beside a pool, and the pool is done last."""

    def __init__(self):
        super().__init__()
        self.convolution, self.pool = nn.Conv2d(3, 4, 2, 2), nn.MaxPool2d(2)

    def forward(self, x):
        return torch.cat([self.convolution(x), self.pool(x)], dim=1)


def test_a_block_that_adds_something_to_its_pool_is_named():
    assert find_layer(nn.Sequential(Reduction(), nn.Flatten()), torch.zeros(1, 3, 8, 8)) == "0"


class GlobalPool(nn.AvgPool2d):
    pass


def test_a_pool_without_2d_in_its_name_is_a_pool():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), GlobalPool(2), nn.Flatten())
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "0"


class AttentionPool(nn.Sequential):
    """Makes tokens of a map, works on them, and takes their mean."""

    def forward(self, x):
        return super().forward(x.flatten(2).mT).mean(dim=1)


def test_the_tokens_within_an_attention_pool_do_no_harm():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), AttentionPool(nn.Linear(4, 4)), nn.Linear(4, 2))
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "0"


def test_attention_weights_are_no_map():
    with pytest.raises(ValueError, match=r"last map, that of 'patches', .* tokens, 'linear'"):
        find_layer(Weights(), torch.zeros(1, 3, 128, 128))


def test_two_tokens_are_tokens():
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match="the network goes on with tokens, '2'"):
        find_layer(net, torch.zeros(1, 3, 10, 10))


def test_a_single_token_after_the_map_does_no_harm():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Unflatten(1, (1, 4)))
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "0"


def test_the_model_itself_is_not_named():
    assert find_layer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.zeros(1, 3, 8, 8)) == "1"


@pytest.mark.parametrize("size", [(4, 64), (64, 4)])
def test_a_map_of_one_row_or_column_is_a_map(size):
    net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.Flatten())
    assert find_layer(net, torch.zeros(1, 3, *size)) == "0"


class ChannelsLast(nn.Module):
    def forward(self, x):
        return x.movedim(1, -1)


def test_a_map_with_its_channels_last_is_found():
    net = nn.Sequential(nn.Conv2d(3, 40, 3, 2, 1), ChannelsLast(), nn.Linear(40, 30), nn.Flatten())
    assert find_layer(net, torch.zeros(1, 3, 32, 32)) == "2"


@pytest.mark.parametrize(
    ("x", "error", "said"),
    [
        (torch.zeros(3, 8, 8), ValueError, r"add the batch axis with x\[None\]"),
        (torch.zeros(1, 3, 8, 8).byte(), TypeError, "must be floating point"),
        (None, TypeError, "must be a tensor"),
    ],
)
def test_find_layer_wants_a_batch(x, error, said):
    with pytest.raises(error, match=said):
        find_layer(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), x)


def test_a_container_that_goes_on_after_its_pool_is_named():
    stage = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 3))
    net = nn.Sequential(stage, nn.Flatten())
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "0"


class AddsAPooledBranch(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(3, 3, 1))

    def forward(self, x):
        return x + self.branch(x)


def test_a_block_with_a_pool_in_a_branch_is_no_pool():
    net = nn.Sequential(nn.Conv2d(3, 3, 3), AddsAPooledBranch(), nn.Flatten())
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "1"


def test_tokens_in_the_middle_of_a_network_do_no_harm():
    attention = nn.Sequential(nn.Flatten(2), nn.Linear(64, 64), nn.Unflatten(2, (8, 8)))
    net = nn.Sequential(nn.Conv2d(3, 4, 3), attention, nn.Conv2d(4, 2, 1), nn.Flatten())
    assert find_layer(net, torch.zeros(1, 3, 10, 10)) == "2"


def test_a_vision_transformer_is_refused_with_the_place_where_its_tokens_begin():
    vit = torchvision.models.vit_b_32().to("meta").eval()
    with pytest.raises(ValueError, match=r"that of 'conv_proj', .* tokens, 'encoder.dropout'"):
        find_layer(vit, torch.zeros(1, 3, 224, 224, device="meta"))


def test_a_network_without_a_map_is_refused():
    with pytest.raises(ValueError, match="No module of the model puts out a map"):
        find_layer(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.zeros(1, 1, 2, 2))
