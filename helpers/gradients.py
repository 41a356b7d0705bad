"""Gradients at the pixels: how the logit of a class answers to every pixel of the picture."""

import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from helpers.cam import grad_cam, upsample
from helpers.hooks import capture
from helpers.scores import Target, check_images, check_model, class_scores, target_classes, whole

__all__ = [
    "deconvnet",
    "guided_backprop",
    "guided_grad_cam",
    "integrated_gradients",
    "saliency",
    "smooth_grad",
]

# Altered copies of a picture run in batches of so many: the fastest on one core, and four times the memory.
PICTURES_AT_ONCE = 4

RELUS = {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6}

Activation = Callable[[Tensor], Tensor]
Rule = Callable[[Tensor, Activation], Tensor]
Scores = Callable[[nn.Module, Tensor], Tensor]


def saliency(model: nn.Module, x: Tensor, target: Target = None) -> Tensor:
    r"""The gradient of a logit at the pixels: the way in which the picture must change to raise it fastest.

    $$G = \frac{\partial y}{\partial x}$$

    with the picture $x$ and the logit $y$ of its target class. The paper's map is the largest absolute value
    over the colours, `saliency(model, x).abs().amax(dim=-3)`; signs and colours are kept here.

    Nothing is left behind: no hook, no `.grad`, no changed mode; it works inside `torch.no_grad()` and
    with frozen parameters, and it follows the model's device. A model in training mode is explained as it
    answers then, batch norm by the statistics of x and dropout by lot, and keeps its running statistics.

    Args:
        model: a network with x (N, 3, H, W) -> logits (N, classes), in eval mode for meaningful maps.
        x: preprocessed images, floating point, finite, (N, 3, H, W); other numbers of channels where the
            model takes them.
        target: the class to explain, as for `grad_cam`: an int for all images, one class an image, an (N, K)
            tensor for K classes an image, None for each image's own top class.

    Returns:
        The gradients, (N, 3, H, W), or (N, K, 3, H, W) for an (N, K) target: signed, in logits per unit of x,
        detached.

    Raises:
        TypeError: the model, x or the target has the wrong type, or x another dtype than the model.
        ValueError: x has the wrong shape or is not finite, nor are the model's scores or the gradients, or
            the target is out of range or does not fit the batch.
        RuntimeError: the score does not depend on the pixels.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> net[1].weight.data = torch.tensor([[3.0, -2.0]])
    >>> saliency(net, torch.ones(1, 1, 1, 2))
    tensor([[[[ 3., -2.]]]])

    Source: Simonyan et al., Deep Inside Convolutional Networks, ICLR Workshop 2014, section 3; by hand in
    chapter 13.
    """
    check_images(x)
    check_model(model)
    return _result(*_gradients(model, x, target))


def deconvnet(model: nn.Module, x: Tensor, target: Target = None) -> Tensor:
    r"""The deconvnet: the gradient at the pixels where each ReLU hands down what is positive, and only that.

    $$R^{(l)} = R^{(l+1)} \cdot [R^{(l+1)} > 0] \quad\text{in place of}\quad
    R^{(l)} = R^{(l+1)} \cdot [f^{(l)} > 0]$$

    with what comes down to a ReLU, $R^{(l+1)}$, what it hands on, $R^{(l)}$, and its input in the forward
    pass, $f^{(l)}$, which is not asked. All else, max pooling among it, goes backward as ever. Where no ReLU
    follows, as above the last layer, nothing is clipped, so the result is signed.

    Every ReLU and ReLU6 obeys, as a module, a function or a method, in place or not, used once or often;
    a ReLU6 written into another activation, as in an old hard-swish, too. `clamp` and other activations (in
    MobileNet-V3, hard-swish) keep their own gradient.

    Args:
        model, x, target: as for `saliency`, and as little is left behind.

    Returns:
        The result, (N, 3, H, W), or (N, K, 3, H, W) for an (N, K) target: signed, in logits per unit of x,
        detached.

    Raises:
        TypeError, RuntimeError: as for `saliency`.
        ValueError: likewise, or no ReLU ran: the result would be the plain gradient.

    >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(4, 1, bias=False))
    >>> net[2].weight.data = torch.tensor([[3.0, 3.0, -2.0, -2.0]])
    >>> deconvnet(net, torch.tensor([[[[1.0, -1.0, 1.0, -1.0]]]]))
    tensor([[[[3., 3., 0., 0.]]]])

    Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section 2.1,
    as a rule for ReLUs: Springenberg et al., Striving for Simplicity, ICLR Workshop 2015, figure 1; by hand
    in chapter 13.
    """
    return _by_rule(_deconvnet, model, x, target)


def guided_backprop(model: nn.Module, x: Tensor, target: Target = None) -> Tensor:
    r"""Guided backpropagation: the gradient at the pixels where each ReLU hands down positive values alone.

    $$R^{(l)} = R^{(l+1)} \cdot [f^{(l)} > 0] \cdot [R^{(l+1)} > 0]$$

    with what comes down to a ReLU, $R^{(l+1)}$, what it hands on, $R^{(l)}$, and its input in the forward
    pass, $f^{(l)}$; for a ReLU6 the gate is $[0 < f^{(l)} < 6]$. Which operations obey, and which do not,
    stands at `deconvnet`.

    Args:
        model, x, target: as for `saliency`, and as little is left behind.

    Returns:
        The result, (N, 3, H, W), or (N, K, 3, H, W) for an (N, K) target: signed, in logits per unit of x,
        detached.

    Raises:
        TypeError, RuntimeError: as for `saliency`.
        ValueError: likewise, or no ReLU ran: the result would be the plain gradient.

    >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(4, 1, bias=False))
    >>> net[2].weight.data = torch.tensor([[3.0, 3.0, -2.0, -2.0]])
    >>> guided_backprop(net, torch.tensor([[[[1.0, -1.0, 1.0, -1.0]]]]))
    tensor([[[[3., 0., 0., 0.]]]])

    Source: Springenberg et al., Striving for Simplicity, ICLR Workshop 2015, figure 1; by hand in chapter 13.
    """
    return _by_rule(_guided, model, x, target)


def guided_grad_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""Guided Grad-CAM: guided backpropagation where Grad-CAM sees evidence, and zero elsewhere.

    $$R \cdot \mathrm{upsample}(L)$$

    with the result $R$ of `guided_backprop` and the map $L$ of `grad_cam`, the same for all colours.

    Args:
        layer: the module (or its name) whose map is taken, as for `grad_cam`.
        model, x, target: as for `saliency`, and as little is left behind.

    Returns:
        The product, (N, 3, H, W), or (N, K, 3, H, W) for an (N, K) target: signed like guided
        backpropagation, detached; its unit, that of both factors, means little.

    Raises:
        TypeError, ValueError, RuntimeError: as for `guided_backprop` and `grad_cam`.

    >>> from helpers import load_classifier, load_image
    >>> clf = load_classifier()
    >>> x = clf.preprocess(load_image("mastiff"))[None]
    >>> guided_grad_cam(clf.model, clf.layer, x, target=243).shape
    torch.Size([1, 3, 224, 224])

    Source: Selvaraju et al., Grad-CAM, ICCV 2017, section 3, Guided Grad-CAM; by hand in chapter 13.
    """
    gradients = guided_backprop(model, x, target)
    cam = grad_cam(model, layer, x, target)
    return gradients * upsample(cam, (x.shape[2], x.shape[3])).unsqueeze(-3)


def smooth_grad(
    model: nn.Module,
    x: Tensor,
    target: Target = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
) -> Tensor:
    r"""SmoothGrad: the mean of the gradients at noisy copies of the picture.

    $$\frac{1}{n}\sum_{s=1}^{n} \frac{\partial y}{\partial x}\Big|_{x + \sigma\varepsilon_s}, \qquad
    \varepsilon_s \sim \mathcal{N}(0, 1), \qquad \sigma = \mathrm{noise} \cdot (\max x - \min x)$$

    with the maximum and the minimum of each picture. The noise is drawn on the CPU by a generator of its own
    and shared by all pictures: so it repeats on every device, and a picture's result does not depend on the
    others in its batch.

    Args:
        model, x, target: as for `saliency`, and as little is left behind; where the target is None, it is the
            top class of the picture without noise.
        samples: the number $n$ of copies.
        noise: the standard deviation, as a share of the picture's range; zero or more.
        seed: of the noise.

    Returns:
        The mean gradients, (N, 3, H, W), or (N, K, 3, H, W) for an (N, K) target: signed, in logits per unit
        of x, detached.

    Raises:
        TypeError, RuntimeError: as for `saliency`.
        ValueError: likewise, or `samples` is not a whole number of at least 1, `noise` not a finite number of
            at least 0, or `seed` not a whole number of at least 0.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> net[1].weight.data = torch.tensor([[3.0, -2.0]])
    >>> smooth_grad(net, torch.tensor([[[[0.0, 1.0]]]]), samples=8)
    tensor([[[[ 3., -2.]]]])

    Source: Smilkov et al., SmoothGrad: removing noise by adding noise, arXiv 1706.03825, 2017; by hand in
    chapter 13.
    """
    check_images(x)
    count = _count("samples", samples)
    if not isinstance(noise, Real) or isinstance(noise, bool) or not 0 <= noise < math.inf:
        raise ValueError(
            f"noise must be a share of the picture's range, a finite number of at least 0 such as 0.15, "
            f"not {noise!r}."
        )
    start = whole(seed)
    if start is None or not 0 <= start < 2**64:
        raise ValueError(f"seed must be a whole number of at least 0, below 2**64, not {seed!r}.")
    x = x.detach()
    generator = torch.Generator().manual_seed(start)
    deviation = float(noise) * (x.amax(dim=(1, 2, 3), keepdim=True) - x.amin(dim=(1, 2, 3), keepdim=True))
    noises = (torch.randn(x.shape[1:], generator=generator).to(x) for _ in range(count))
    return _mean_gradients(model, x, target, (x + deviation * one for one in noises))


def integrated_gradients(
    model: nn.Module, x: Tensor, target: Target = None, *, baseline: float | Tensor = 0.0, steps: int = 50
) -> Tensor:
    r"""Integrated gradients: what each pixel adds to the logit on the straight way from a baseline to x.

    $$(x - b) \cdot \int_0^1 \frac{\partial y}{\partial x}\Big|_{b + \alpha (x - b)} d\alpha \;\approx\;
    (x - b) \cdot \frac{1}{m}\sum_{k=1}^{m} \frac{\partial y}{\partial x}\Big|_{b + \alpha_k (x - b)},
    \qquad \alpha_k = \frac{k - 1/2}{m}$$

    with the baseline $b$ and $m$ steps, each taken at its middle (the paper takes it at its end). Complete:
    the exact integrals of all pixels sum to $y(x) - y(b)$. How far the sum of $m$ steps is from that tells
    whether $m$ suffices.

    Args:
        model, x, target: as for `saliency`, and as little is left behind; where the target is None, it is the
            top class of x.
        baseline: the picture $b$ without evidence, a number or a tensor that broadcasts to x, in the units of
            x: 0 is the mean colour of the preprocessing, for the default network middle grey.
        steps: the number $m$ of points on the way.

    Returns:
        The attributions, (N, 3, H, W), or (N, K, 3, H, W) for an (N, K) target: signed, in logits, detached.

    Raises:
        TypeError: as for `saliency`, or the baseline is neither a number nor a tensor.
        ValueError: likewise, or the baseline does not broadcast to x or is not finite, or `steps` is not a
            whole number of at least 1.
        RuntimeError: as for `saliency`.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> net[1].weight.data = torch.tensor([[3.0, -2.0]])
    >>> integrated_gradients(net, torch.tensor([[[[2.0, 1.0]]]]), baseline=1.0)
    tensor([[[[3., -0.]]]])

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017, equations 1 and 3; by
    hand in chapter 13.
    """
    check_images(x)
    count = _count("steps", steps)
    x = x.detach()
    way = x - _baseline(baseline, x)
    points = (x - (1 - (k + 0.5) / count) * way for k in range(count))
    means = _mean_gradients(model, x, target, points)
    return means * (way if means.ndim == way.ndim else way[:, None])


def _count(name: str, number: object) -> int:
    count = whole(number)
    if count is None or count < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {number!r}.")
    return count


def _baseline(baseline: object, x: Tensor) -> Tensor:
    if isinstance(baseline, bool) or not isinstance(baseline, Real | Tensor):
        raise TypeError(
            f"baseline must be a number or a tensor that broadcasts to x, not {type(baseline).__name__}."
        )
    values = baseline.detach().to(x) if isinstance(baseline, Tensor) else x.new_tensor(float(baseline))
    try:
        values = values.expand_as(x)
    except RuntimeError as error:
        raise ValueError(
            f"baseline must be a number or broadcast to the shape of x, {tuple(x.shape)}, "
            f"not {tuple(values.shape)}."
        ) from error
    if not torch.isfinite(values).all():
        raise ValueError(
            "baseline holds NaN or infinite values: take 0.0, the mean colour, or another picture."
        )
    return values


def _mean_gradients(model: nn.Module, x: Tensor, target: Target, altered: Iterator[Tensor]) -> Tensor:
    """The mean of the gradients at altered copies of x, for the classes that x itself has."""
    check_model(model)
    if target is None:
        with torch.no_grad():
            target = class_scores(model, x).argmax(dim=1)
    # A batch norm in training mode would mix the copies.
    training = any(module.training for module in model.modules())
    at_once = 1 if training else max(1, PICTURES_AT_ONCE // len(x))
    # Sums of many small terms want single precision at least.
    total = x.new_zeros((), dtype=torch.promote_types(x.dtype, torch.float32))
    count = 0
    while some := list(islice(altered, at_once)):
        gradients, many = _gradients(model, torch.cat(some), target, copies=len(some))
        total = total + gradients.unflatten(0, (len(some), len(x))).sum(dim=0, dtype=total.dtype)
        count += len(some)
    return _result((total / count).to(x), many)


def _gradients(
    model: nn.Module, x: Tensor, target: Target, copies: int = 1, scores_of: Scores = class_scores
) -> tuple[Tensor, bool]:
    """The gradients (N, K, 3, H, W) of logits at the pixels, and whether the target asked for K classes.

    The pixels are made the output of a layer put before the network. Where x holds several copies of a batch,
    one after the other, the target counts for each.
    """
    pixels = nn.Identity()
    network = nn.Sequential(OrderedDict(pixels=pixels, model=model))
    pixels.training = network.training = False  # the model inside keeps its own mode
    with capture(network, pixels) as caught:
        logits = scores_of(network, x)
        classes, many = target_classes(target, logits[: len(x) // copies])
        # An image's score depends on its own pixels only, so one sum serves the whole batch. One class after
        # the other: down to the pixels, batched backward passes take as long or longer, and more memory.
        scores = logits.gather(1, classes.repeat(copies, 1)).sum(dim=0)
        return torch.stack([caught.gradients(score) for score in scores], dim=1), many


def _result(gradients: Tensor, many: bool) -> Tensor:
    if not torch.isfinite(gradients).all():
        raise ValueError("The gradients hold NaN or infinite values: use a wider dtype.")
    return gradients if many else gradients[:, 0]


def _by_rule(rule: Rule, model: nn.Module, x: Tensor, target: Target) -> Tensor:
    def scores_of(network: nn.Module, x: Tensor) -> Tensor:
        with _ReLUs(rule) as relus:
            logits = class_scores(network, x)
        if not relus.ran:
            raise ValueError(
                "The model must run a ReLU or ReLU6, since the rule changes nothing else, and none ran: the "
                "result would be the plain gradient, which saliency(model, x) gives."
            )
        return logits

    check_images(x)
    check_model(model)
    return _result(*_gradients(model, x, target, scores_of=scores_of))


class _ReLUs(TorchFunctionMode):
    """Hands every ReLU and ReLU6 that this thread calls, from modules too, to a rule."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.ran = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        # nn.ReLU6 is a hardtanh, which arrives here with all its options named.
        if func in RELUS or (func is F.hardtanh and (options["min_val"], options["max_val"]) == (0, 6)):
            self.ran = True
            (x,) = args or (options.pop("input"),)
            return self.rule(x, functools.partial(func, **options))
        return func(*args, **options)


def _guided(x: Tensor, activation: Activation) -> Tensor:
    y = activation(x)
    if y.requires_grad:
        y.register_hook(_positive)  # goes with the graph
    return y


def _deconvnet(x: Tensor, activation: Activation) -> Tensor:
    y: Tensor = _Ungated.apply(x, activation)
    return y


class _Ungated(torch.autograd.Function):
    """An activation, in place or not, whose backward pass knows no gate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, activation: Activation) -> Tensor:
        y = activation(x)
        if y is x:
            ctx.mark_dirty(x)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _positive(gradient), None


def _positive(gradient: Tensor) -> Tensor:
    return gradient.clamp(min=0)
