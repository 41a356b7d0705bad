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


@pytest.mark.parametrize(("images", "labels"), [(3, 2), (0, 0)])
def test_images_and_labels_must_fit(linear, images, labels):
    optimiser = torch.optim.SGD(linear.parameters(), 0.5)
    arguments = torch.zeros(images, 1, 8, 8), torch.zeros(labels, dtype=torch.int64)
    with pytest.raises(ValueError, match=f"{images} images, {labels} labels"):
        fit(linear, *arguments, optimiser, epochs=1)
    with pytest.raises(ValueError, match=f"{images} images, {labels} labels"):
        accuracy(linear, *arguments)


def test_epochs_must_be_positive(linear):
    data = digits()
    optimiser = torch.optim.SGD(linear.parameters(), 0.5)
    with pytest.raises(ValueError, match="1 or more, not 0"):
        fit(linear, data.train_images, data.train_labels, optimiser, epochs=0)
