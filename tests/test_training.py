import math
import re

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from helpers.training import accuracy, digits, fit


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_the_digits_are_scikit_learns_in_their_order():
    data, source = digits(), load_digits()
    images = torch.cat([data.train_images, data.test_images])
    labels = torch.cat([data.train_labels, data.test_labels])
    assert torch.equal(images[:, 0] * 16, torch.tensor(source.images, dtype=torch.float32))
    assert labels.tolist() == source.target.tolist()
    assert (images.min(), images.max()) == (0, 1)
    assert labels.dtype == torch.int64


def test_the_digits_have_the_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        assert digits().train_images.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert digits().train_images.dtype == torch.float32


def test_one_batch_is_one_step_of_gradient_descent(linear):
    images, labels = digits().train_images[:40], digits().train_labels[:40]
    before = linear[1].weight.detach().clone()
    loss = nn.functional.cross_entropy(linear(images), labels)
    (gradient,) = torch.autograd.grad(loss, linear[1].weight)
    losses = fit(linear, images, labels, torch.optim.SGD(linear.parameters(), 0.5), epochs=1)
    assert losses == pytest.approx([loss.item()])
    torch.testing.assert_close(linear[1].weight.detach(), before - 0.5 * gradient)


def test_the_learning_rate_falls_to_zero(linear):
    data = digits()
    optimiser = torch.optim.SGD(linear.parameters(), 0.5)
    fit(linear, data.train_images, data.train_labels, optimiser, epochs=2)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


def test_the_loss_of_an_epoch_weighs_each_image_alike(linear):
    """The last batch of 150 images is smaller than the others."""
    images, labels = digits().train_images[:150], digits().train_labels[:150]
    with torch.no_grad():
        expected = nn.functional.cross_entropy(linear(images), labels).item()
    losses = fit(linear, images, labels, torch.optim.SGD(linear.parameters(), 0.0), epochs=2)
    assert losses == pytest.approx([expected] * 2)


def test_the_same_seed_gives_the_same_run(linear):
    data = digits()
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        optimiser = torch.optim.SGD(model.parameters(), 0.5)
        runs.append(fit(model, data.train_images, data.train_labels, optimiser, epochs=2))
    assert runs[0] == runs[1]


def test_it_learns_and_ends_in_eval_mode(linear):
    data = digits()
    linear.eval()
    fit(linear, data.train_images, data.train_labels, torch.optim.SGD(linear.parameters(), 0.5), epochs=20)
    assert not linear.training
    assert accuracy(linear, data.test_images, data.test_labels) > 0.85


def test_accuracy_leaves_no_graph_and_no_mode_behind(linear):
    data = digits()
    linear.train()
    assert 0 <= accuracy(linear, data.test_images, data.test_labels) <= 1
    assert linear.training
    assert all(parameter.grad is None for parameter in linear.parameters())
    assert torch.is_grad_enabled()


def recorder(optimiser):
    """The learning rate and the gradients that each step of the optimiser used."""
    rates, gradients = [], []

    def note(*_):
        rates.append(optimiser.param_groups[0]["lr"])
        gradients.append([held.grad.clone() for held in optimiser.param_groups[0]["params"]])

    optimiser.register_step_pre_hook(note)
    return rates, gradients


def test_the_rate_falls_evenly_and_reaches_zero_only_behind_the_last_step(linear):
    data = digits()
    optimiser = torch.optim.SGD(linear.parameters(), 0.5)
    rates, _ = recorder(optimiser)
    fit(linear, data.train_images[:250], data.train_labels[:250], optimiser, epochs=2)
    assert rates == pytest.approx([0.5 * (6 - step) / 6 for step in range(6)])
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


def test_each_step_has_the_gradient_of_its_own_batch_in_a_shuffled_order():
    data = digits()
    torch.manual_seed(5)
    order = [torch.randperm(250), torch.randperm(250)]
    assert not torch.equal(order[0], order[1])
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    optimiser = torch.optim.SGD(net.parameters(), 0.0)  # at rest each gradient can be computed again
    _, gradients = recorder(optimiser)
    torch.manual_seed(5)
    fit(net, data.train_images[:250], data.train_labels[:250], optimiser, epochs=2)
    batches = [part for epoch in order for part in epoch.split(100)]
    assert len(batches) == len(gradients) == 6
    for batch, found in zip(batches, gradients, strict=True):
        loss = nn.functional.cross_entropy(net(data.train_images[batch]), data.train_labels[batch])
        for expected, gradient in zip(torch.autograd.grad(loss, list(net.parameters())), found, strict=True):
            torch.testing.assert_close(gradient, expected)


def test_a_run_is_the_same_as_by_hand():
    data = digits()
    net, by_hand = (nn.Sequential(nn.Flatten(), nn.Linear(64, 10)) for _ in range(2))
    by_hand.load_state_dict(net.state_dict())
    torch.manual_seed(1)
    sgd = torch.optim.SGD(net.parameters(), 0.5, momentum=0.9)
    losses = fit(net, data.train_images, data.train_labels, sgd, epochs=2)
    torch.manual_seed(1)
    sgd = torch.optim.SGD(by_hand.parameters(), 0.5, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LinearLR(sgd, 1.0, 0.0, total_iters=24)
    for epoch in range(2):
        total = 0.0
        for batch in torch.randperm(1200).split(100):
            loss = nn.functional.cross_entropy(by_hand(data.train_images[batch]), data.train_labels[batch])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            schedule.step()
            total += loss.item() * 100
        assert losses[epoch] == total / 1200
    assert torch.equal(net[1].weight, by_hand[1].weight)


class Noting(nn.Module):
    """Notes the mode and the number of images of each pass."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 10)
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, len(x)))
        return self.head(x.flatten(1))


def test_the_model_trains_in_training_mode_whatever_it_was_in_before():
    data, net = digits(), Noting().eval()
    fit(net, data.train_images, data.train_labels, torch.optim.SGD(net.parameters(), 0.1), epochs=np.int64(1))
    assert net.seen == [(True, 100)] * 12
    assert not net.training


@pytest.mark.parametrize(
    ("images", "sizes"),
    [(1, [1]), (99, [99]), (100, [100]), (101, [101]), (102, [100, 2]), (301, [100, 100, 101])],
)
def test_no_batch_of_one_is_left_behind(images, sizes):
    data, net = digits(), Noting()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    rates, _ = recorder(optimiser)
    losses = fit(net, data.train_images[:images], data.train_labels[:images], optimiser, epochs=1)
    assert [size for _, size in net.seen] == sizes
    assert rates == pytest.approx([0.1 * (1 - step / len(sizes)) for step in range(len(sizes))])
    assert math.isfinite(losses[0])


def test_batch_normalisation_trains_on_101_images():
    data = digits()
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.BatchNorm1d(10))
    fit(net, data.train_images[:101], data.train_labels[:101], torch.optim.SGD(net.parameters(), 0.1), 1)


def test_it_trains_where_gradients_are_switched_off(linear):
    data, before = digits(), linear[1].weight.detach().clone()
    with torch.no_grad():
        fit(linear, data.train_images, data.train_labels, torch.optim.SGD(linear.parameters(), 0.5), epochs=1)
    assert not torch.equal(linear[1].weight, before)


def test_an_error_on_the_way_leaves_eval_mode_behind():
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            raise KeyError("mine")

    net = Failing()
    with pytest.raises(KeyError, match="mine"):
        fit(net, *digits()[:2], torch.optim.SGD(net.parameters(), 0.5), epochs=1)
    assert not net.training


@pytest.mark.parametrize("rate", [1e38, float("nan")])
def test_a_loss_that_is_no_number_stops_the_run(linear, rate):
    data = digits()
    optimiser = torch.optim.SGD(linear.parameters(), 1.0)
    optimiser.param_groups[0]["lr"] = rate
    with pytest.raises(FloatingPointError, match=r"The loss became (nan|inf): begin anew with a lower"):
        fit(linear, data.train_images, data.train_labels, optimiser, epochs=3)
    assert not linear.training


def sgd(net):
    return torch.optim.SGD(net.parameters(), 0.5)


GOOD_IMAGES, GOOD_LABELS = torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 2, 9])


@pytest.mark.parametrize(
    ("images", "labels", "error", "words"),
    [
        (GOOD_IMAGES[:3], GOOD_LABELS[:2], ValueError, "as many labels (N,), at least one, not (3, 1, 8, 8)"),
        (GOOD_IMAGES[:0], GOOD_LABELS[:0], ValueError, "at least one, not (0, 1, 8, 8) and (0,)"),
        (GOOD_IMAGES[:, :0], GOOD_LABELS, ValueError, "at least one, not (4, 0, 8, 8) and (4,)"),
        (GOOD_IMAGES, GOOD_LABELS[:, None], ValueError, "not (4, 1, 8, 8) and (4, 1)"),
        (GOOD_IMAGES, torch.tensor(3), ValueError, "not (4, 1, 8, 8) and ()"),
        (torch.tensor(0.5), GOOD_LABELS, ValueError, "not () and (4,)"),
        (GOOD_IMAGES.numpy(), GOOD_LABELS, TypeError, "images must be a tensor, not ndarray: torch.tensor"),
        (GOOD_IMAGES, [0, 1, 2, 9], TypeError, "labels must be a tensor, not list: torch.tensor"),
        (GOOD_IMAGES, GOOD_LABELS.float(), TypeError, "labels must be integers, class indices, not torch.fl"),
        (GOOD_IMAGES, GOOD_LABELS > 1, TypeError, "labels must be integers, class indices, not torch.bool"),
        (GOOD_IMAGES, GOOD_LABELS * 1j, TypeError, "labels must be integers, class indices, not torch.comp"),
        (GOOD_IMAGES.byte(), GOOD_LABELS, TypeError, "images must be floating point, not torch.uint8"),
        (GOOD_IMAGES / 0, GOOD_LABELS, ValueError, "images hold NaN or infinite values: check"),
        (GOOD_IMAGES, GOOD_LABELS - 100, ValueError, "from 0 on, not -100: leave those out"),
        (
            GOOD_IMAGES,
            GOOD_LABELS + 1,
            ValueError,
            "labels must be below 10, the model's number of classes, not 10",
        ),
        (
            GOOD_IMAGES.double(),
            GOOD_LABELS,
            TypeError,
            "holds torch.float32, the images are torch.float64: conv",
        ),
        (
            GOOD_IMAGES[..., 1:],
            GOOD_LABELS,
            ValueError,
            "does not take images of the shape (4, 1, 8, 7) (",
        ),
        (
            GOOD_IMAGES[:, 0, 0, 0],
            GOOD_LABELS,
            ValueError,
            "does not take images of the shape (4,) (Dimension",
        ),
        (GOOD_IMAGES.to("meta"), GOOD_LABELS, ValueError, "on cpu, images or labels are on meta: move them"),
        (GOOD_IMAGES, GOOD_LABELS.to("meta"), ValueError, "on cpu, images or labels are on meta: move them"),
    ],
)
def test_images_and_labels_that_do_not_fit_are_refused_in_one_sentence(linear, images, labels, error, words):
    before = linear[1].weight.detach().clone()
    with pytest.raises(error, match=re.escape(words)):
        fit(linear, images, labels, sgd(linear), epochs=1)
    with pytest.raises(error, match=re.escape(words)):
        accuracy(linear, images, labels)
    assert torch.equal(linear[1].weight, before)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_labels_of_any_whole_numbers_are_taken(linear, dtype):
    assert 0 <= accuracy(linear, GOOD_IMAGES, GOOD_LABELS.to(dtype)) <= 1
    assert len(fit(linear, GOOD_IMAGES, GOOD_LABELS.to(dtype), sgd(linear), epochs=1)) == 1


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (nn.Flatten(0), "must give logits (4, classes), not (256,)"),
        (nn.Identity(), "must give logits (4, classes), not (4, 1, 8, 8)"),
        (nn.Flatten(0, 2), "must give logits (4, classes), not (32, 8)"),
        (nn.LSTM(8, 3), "does not take images of the shape (4, 1, 8, 8) (LSTM"),
    ],
)
def test_a_network_without_logits_is_refused(net, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        accuracy(net, GOOD_IMAGES, GOOD_LABELS)


def test_a_network_that_gives_no_tensor_is_refused():
    with pytest.raises(ValueError, match=r"must give logits \(4, classes\), not tuple: change its end"):
        accuracy(nn.LSTM(8, 3), GOOD_IMAGES[:, 0], GOOD_LABELS)


class Whole:
    """Holds a network as a classifier does."""

    model = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [(Whole(), "Whole: give its .model"), (len, "builtin_function_or_method: give a net")],
)
def test_what_is_no_network_is_refused(linear, wrong, hint):
    with pytest.raises(TypeError, match=f"^fit needs an nn.Module, not .*{hint}"):
        fit(wrong, GOOD_IMAGES, GOOD_LABELS, sgd(linear), epochs=1)
    with pytest.raises(TypeError, match=f"^accuracy needs an nn.Module, not .*{hint}"):
        accuracy(wrong, GOOD_IMAGES, GOOD_LABELS)


def test_an_optimiser_of_another_network_is_refused(linear):
    with pytest.raises(ValueError, match="holds no parameter of this model that can be trained"):
        fit(linear, GOOD_IMAGES, GOOD_LABELS, sgd(nn.Linear(2, 2)), epochs=1)
    optimiser = sgd(linear)
    with pytest.raises(ValueError, match="holds no parameter of this model that can be trained"):
        fit(linear.requires_grad_(False), GOOD_IMAGES, GOOD_LABELS, optimiser, epochs=1)


def test_an_optimiser_of_a_part_of_the_network_is_taken(linear):
    before = linear[1].weight.detach().clone()
    fit(linear, GOOD_IMAGES, GOOD_LABELS, torch.optim.SGD([linear[1].bias], 0.5), epochs=1)
    assert torch.equal(linear[1].weight, before)


@pytest.mark.parametrize("wrong", [None, "sgd", 0.5])
def test_what_is_no_optimiser_is_refused(linear, wrong):
    with pytest.raises(TypeError, match=r"one of torch\.optim, such as SGD, not \w+: make one"):
        fit(linear, GOOD_IMAGES, GOOD_LABELS, wrong, epochs=1)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "3", None, True])
def test_epochs_must_be_a_positive_whole_number(linear, wrong):
    with pytest.raises(ValueError, match=f"epochs must be a whole number, 1 or more, not {wrong!r}"):
        fit(linear, GOOD_IMAGES, GOOD_LABELS, sgd(linear), epochs=wrong)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("too small. Or too large."), r"\(too small\. Or too large\): give"),
        (IndexError(".first\nsecond"), r"\(\.first\): give"),
        (ValueError(), r"\(ValueError\): give"),
    ],
)
def test_what_the_model_says_is_told_once(error, told):
    class Refusing(nn.Module):
        def forward(self, x):
            raise error

    with pytest.raises(ValueError, match=told):
        accuracy(Refusing(), torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.long))
