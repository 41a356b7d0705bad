"""Attribution methods that `helpers` does not have, written by hand from their papers.

All take (model, layer, x, target) with one class an image, and give maps at the layer, (N, h, w), or values
at the pixels, (N, 3, H, W); what needs no layer ignores it. They serve plain networks of modules, such as
those of `networks`, and are written to be read, not to be fast.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.networks import Function, steps
from helpers import class_maps, grad_cam, upsample
from helpers.cam import layer_maps, look
from helpers.gradients import integrated_gradients, saliency

Target = list[int]
Formula = Callable[[nn.Module, nn.Module, Tensor, Target], Tensor]

PATCH = 4  # the side of a square of pixels that occlusion hides
SAMPLES = 5  # noisy copies, or steps on a way
RELUS = (nn.ReLU, nn.ReLU6, Function)


# --- what the formulas are made of


def by_rule(rule: Callable[[Tensor, Tensor], Tensor]) -> Formula:
    """A map from activations (N, C, h, w) and gradients (K, N, C, h, w) at the layer; the ReLU comes last."""
    return lambda model, layer, x, target: layer_maps(model, layer, x, target, rule)


def activations(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """What the layer hands on, (N, C, h, w): LayerActivation."""
    return look(model, layer, x, target).activations


@contextmanager
def outputs_of(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """What these modules hand on within the block, in the order in which they run."""
    found: list[Tensor] = []

    def note(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        found.append(output)
        return output.clone()  # an in-place layer may follow

    with ExitStack() as handles:
        for module in modules:
            handles.callback(module.register_forward_hook(note).remove)
        yield found


def chosen(logits: Tensor, target: Target) -> Tensor:
    """The sum of each image's own logit: one backward pass serves all."""
    return logits[range(len(target)), target].sum()


def scores(model: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Each image's own logit, (N,)."""
    with torch.no_grad():
        logits: Tensor = model(x)
    return logits[range(len(target)), target]


def noises(x: Tensor, deviation: Tensor | float, seed: int = 0, count: int = SAMPLES) -> list[Tensor]:
    """Normal noise of the shape of x, drawn one after the other from the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [deviation * torch.randn(x.shape, dtype=x.dtype) for _ in range(count)]


def without_layer(method: Callable[[nn.Module, Tensor, Target], Tensor]) -> Formula:
    """A method that needs no layer, as a formula, which is given one."""
    return lambda model, _layer, x, target: method(model, x, target)


plain_gradient = without_layer(saliency)


# --- weights for channels, or places, from gradients


@by_rule
def grad_cam_element_wise(a: Tensor, g: Tensor) -> Tensor:
    """Σ_c ReLU(g ∘ A): no paper; grad-cam's documentation describes it."""
    return (g * a).relu().sum(dim=2)


@by_rule
def grad_cam_pp_of_cubes(a: Tensor, g: Tensor) -> Tensor:
    """Grad-CAM++ without its denominator: the weights are Σ ReLU(g)³."""
    return torch.einsum("knc,nchw->knhw", g.relu().pow(3).sum(dim=(3, 4)), a)


@by_rule
def grad_cam_pp_with_epsilon(a: Tensor, g: Tensor) -> Tensor:
    """Grad-CAM++ with 1e-6 in its denominator, not cancelled."""
    alpha = g**2 / (2 * g**2 + g**3 * a.sum(dim=(2, 3), keepdim=True) + 1e-6)
    return torch.einsum("knc,nchw->knhw", (alpha * g.relu()).sum(dim=(3, 4)), a)


@by_rule
def eigen_grad_cam(a: Tensor, g: Tensor) -> Tensor:
    """Eigen-CAM (Muhammad and Yeasin 2020) of g ∘ A in place of A: no paper; grad-cam's documentation."""
    return _signed_by_sum(_pattern(g * a))


@by_rule
def seg_eigen_cam(a: Tensor, g: Tensor) -> Tensor:
    """Seg-Eigen-CAM, Chung and Ying 2025, equations 10 to 13: Eigen-CAM of |g| ∘ A, its extreme positive.

    As grad-cam's documentation tells them; the matrix is not centred, as in Eigen-CAM.
    """
    return _signed_by_largest(_pattern(g.abs() * a))


def centred(weights: Callable[[Tensor, Tensor], Tensor], sign: float | None) -> Formula:
    """Eigen-CAM's pattern of centred columns, with a sign as it falls, or by its largest value for None."""

    def rule(a: Tensor, g: Tensor) -> Tensor:
        pattern = _pattern(weights(a, g), centre=True)
        return _signed_by_largest(pattern) if sign is None else sign * pattern

    return by_rule(rule)


def _pattern(maps: Tensor, centre: bool = False) -> Tensor:
    """The projection of the channels (..., C, h, w) on their first right singular vector, (..., h, w)."""
    matrix = maps.flatten(-2).mT
    matrix = matrix - matrix.mean(dim=-2, keepdim=True) if centre else matrix
    first = torch.linalg.svd(matrix, full_matrices=False).Vh[..., :1, :]
    return (matrix @ first.mT).reshape(*maps.shape[:-3], *maps.shape[-2:])


def _signed_by_sum(maps: Tensor) -> Tensor:
    return maps.where(maps.sum(dim=(-2, -1), keepdim=True) >= 0, -maps)


def _signed_by_largest(maps: Tensor) -> Tensor:
    highest, lowest = maps.amax(dim=(-2, -1), keepdim=True), maps.amin(dim=(-2, -1), keepdim=True)
    return maps.where(highest >= -lowest, -maps)


def shapley_cam(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """ShapleyCAM, Cai 2025, arXiv 2501.06261: weights from g - ½ H A, with H the Hessian of the score.

    The score is that of the paper's ReST: the logit plus the logarithm of its probability.
    """
    with outputs_of([layer]) as found:
        logits = model(x.requires_grad_())
    score = chosen(logits, target) + chosen(logits.log_softmax(dim=1), target)
    (g,) = torch.autograd.grad(score, found, create_graph=True)
    a = found[-1].detach()
    (product,) = torch.autograd.grad(g, found, a)
    weights = (g - product / 2).detach().mean(dim=(2, 3))
    return torch.einsum("nc,nchw->nhw", weights, a).relu()


def finer_cam(strength: float, references: int = 3, by_softmax: bool = False) -> Formula:
    """Finer-CAM, Zhang et al., CVPR 2025: Grad-CAM of the logit minus that of the classes scored alike.

    y_c - strength · mean of y_d over the classes with the logits next to y_c. With `by_softmax` the mean is
    weighted by probabilities, which are differentiated, too.
    """

    def formula(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        with outputs_of([layer]) as found:
            logits = model(x.requires_grad_())
        score = sum(contrast(row, k) for row, k in zip(logits, target, strict=True))
        (g,) = torch.autograd.grad(score, found)
        return torch.einsum("nc,nchw->nhw", g.mean(dim=(2, 3)), found[-1].detach()).relu()

    def contrast(row: Tensor, k: int) -> Tensor:
        others = alike(row, k, references)
        weights = row.softmax(dim=0)[others] if by_softmax else row.new_ones(len(others))
        return row[k] - strength * (weights * row[others]).sum() / weights.sum()

    return formula


def alike(row: Tensor, k: int, count: int) -> list[int]:
    """The other classes whose logits are next to that of k, nearest first."""
    order = (row.detach() - row.detach()[k]).abs().argsort().tolist()
    return [other for other in order if other != k][:count]


def smooth_grad_cam_pp(deviation: float = 0.3, count: int = 4, as_run: bool = False) -> Formula:
    """Smooth Grad-CAM++, Omeiza et al. 2019: Grad-CAM++ with g, g² and g³ as means over noisy pictures.

    As torchcam documents it, with the mean of g² above the line as well (the paper has that of g there). The
    noise is drawn in single precision after the seed 0. With `as_run`, as torchcam's code has it: g and A are
    those of the last noisy picture, and Σ g³ ∘ A stands below the line in place of g³ Σ A.
    """

    def formula(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        seen = [_at(model, layer, x + noise, target) for noise in _noises_in_single(x, deviation, count)]
        first, second, third = (torch.stack([g**p for _, g in seen]).mean(dim=0) for p in (1, 2, 3))
        a = activations(model, layer, x, target)
        sums = (
            (third * a).sum(dim=(2, 3), keepdim=True) if as_run else third * a.sum(dim=(2, 3), keepdim=True)
        )
        alpha = second / (2 * second + sums + 1e-8)
        a, first = seen[-1] if as_run else (a, first)
        return torch.einsum("nc,nchw->nhw", (alpha * first.relu()).sum(dim=(2, 3)), a).relu()

    return formula


def _noises_in_single(x: Tensor, deviation: float, count: int) -> list[Tensor]:
    return [noise.to(x) for noise in noises(x.float(), deviation, count=count)]


def _at(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> tuple[Tensor, Tensor]:
    """Activations and gradients at the layer."""
    with outputs_of([layer]) as found:
        (g,) = torch.autograd.grad(chosen(model(x.requires_grad_()), target), found)
    return found[-1].detach(), g


def full_grad(epsilon: float = 0) -> Formula:
    """FullGrad, Srinivas and Fleuret, NeurIPS 2019, equation 6: what the input and all biases contribute.

    Σ ψ(x ∘ dy/dx) + Σ ψ(b ∘ dy/dz) over all maps z behind a bias b, with ψ the absolute value, stretched to
    [0, 1] and enlarged, for each channel. A batch norm's bias is β - μγ/σ. `epsilon` is added to what ψ
    divides by.
    """

    def formula(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        biased = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
        with outputs_of(biased) as found:
            pixels = x.clone().requires_grad_()
            gradients = torch.autograd.grad(chosen(model(pixels), target), [pixels, *found])
        parts = [x, *(_bias(module)[None, :, None, None] for module in biased)]
        size = (x.shape[2], x.shape[3])
        enlarged = [
            upsample(_stretched((part * g).abs().detach(), epsilon), size).sum(dim=1)
            for part, g in zip(parts, gradients, strict=True)
        ]
        return torch.stack(enlarged).sum(dim=0)

    return formula


def _bias(module: nn.Module) -> Tensor:
    if isinstance(module, nn.BatchNorm2d):
        return module.bias - module.running_mean * module.weight / (module.running_var + module.eps).sqrt()
    return module.bias


def _stretched(maps: Tensor, epsilon: float = 0) -> Tensor:
    """Each map from 0 to 1; one without contrast is 0."""
    low = maps - maps.amin(dim=(-2, -1), keepdim=True)
    highest = low.amax(dim=(-2, -1), keepdim=True)
    return low / (highest.where(highest > 0, 1) + epsilon)


# --- patterns without a class


def kpca_cam(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """KPCA-CAM, Karmani et al. 2024, arXiv 2410.00267: the first kernel component of the centred places.

    With the kernel tanh(a·b / C + 1), as grad-cam has it; its largest value positive.
    """
    maps = activations(model, layer, x, target)
    return torch.stack([_kernel_pattern(a) for a in maps]).relu()


def _kernel_pattern(a: Tensor) -> Tensor:
    places = a.flatten(1).T
    places = places - places.mean(dim=0)
    kernel = torch.tanh(places @ places.T / len(a) + 1)
    middle = torch.eye(len(kernel)).to(kernel) - 1 / len(kernel)
    values, vectors = torch.linalg.eigh(middle @ kernel @ middle)
    return _signed_by_largest((vectors[:, -1] * values[-1].sqrt()).reshape(a.shape[1:]))


def fem(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """FEM, Fuad et al., IPTA 2020: where a channel is two deviations above its mean, times that mean."""
    a = activations(model, layer, x, target)
    return (a.mean(dim=(2, 3), keepdim=True) * _unusual(a)).sum(dim=1).relu()


def fem_of_shares(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """FEM with activations in place of its binary map, weighted by the share of unusual places."""
    a = activations(model, layer, x, target)
    return (_unusual(a).mean(dim=(2, 3), keepdim=True) * a).sum(dim=1).relu()


def _unusual(a: Tensor) -> Tensor:
    deviation = a.std(dim=(2, 3), keepdim=True, correction=0)
    return (a > a.mean(dim=(2, 3), keepdim=True) + 2 * deviation).to(a)


def class_activation_map(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """CAM, Zhou et al., CVPR 2016, equation 2, signed."""
    maps = class_maps(activations(model, layer, x, target), steps(model)[-1])
    return maps[range(len(target)), target].detach()


# --- asking the network again


def channel_drops(model: nn.Module, layer: nn.Module, x: Tensor, target: Target, low: float = 0) -> Tensor:
    """What it costs each logit to set a channel to zero, (N, C); of `low` tells `ablation_cam_over_logit`."""
    full = activations(model, layer, x, target)
    drops = torch.zeros(full.shape[:2]).to(full)
    for c in range(full.shape[1]):

        def ablate(_module: nn.Module, _inputs: object, output: Tensor, c: int = c) -> Tensor:
            output = output.clone()
            output[:, c] = 0 if not low else output.amin(dim=(1, 2, 3))[:, None, None] - (c + 1) * low
            return output

        handle = layer.register_forward_hook(ablate)
        drops[:, c] = scores(model, x, target)
        handle.remove()
    return scores(model, x, target)[:, None] - drops


def ablation_cam_over_logit(low: float = 0) -> Formula:
    """Ablation-CAM, Desai and Ramaswamy, WACV 2020, equation 3 to the letter: drops divided by the logit.

    With `low` a channel is set so far below the minimum, and each further one as much lower.
    """

    def formula(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        weights = channel_drops(model, layer, x, target, low) / scores(model, x, target)[:, None]
        return torch.einsum("nc,nchw->nhw", weights, activations(model, layer, x, target)).relu()

    return formula


def score_cam_by(mask: Callable[[Tensor, tuple[int, int]], Tensor], times: Sequence[float] = (1,)) -> Formula:
    """Score-CAM with another mask, or with the mean of the scores of several multiples of it."""

    def formula(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        a = activations(model, layer, x, target)
        masks = mask(a, (x.shape[2], x.shape[3]))
        asked = [
            torch.stack([scores(model, factor * x * m[:, None], target) for m in masks.unbind(1)], dim=1)
            for factor in times
        ]
        weights = torch.stack(asked).mean(dim=0).softmax(dim=1)
        return torch.einsum("nc,nchw->nhw", weights, a).relu()

    return formula


def stretched_then_enlarged(a: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask whose extremes the enlargement makes milder."""
    return upsample(_stretched(a), size)


def corners_aligned(a: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask enlarged so that the corner places lie on the corner pixels."""
    return _stretched(F.interpolate(a, size, mode="bilinear", align_corners=True))


def is_cam(first: int, count: int = 10) -> Formula:
    """IS-CAM, Naidu et al. 2020, as torchcam documents it: masks times Σ_j j/n, j from 0, or from `first`."""
    times = list(itertools.accumulate(j / count for j in range(first, count + first)))
    return score_cam_by(stretched_then_enlarged, times)


def ss_cam(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """SS-CAM, Wang et al. 2020, algorithm 1 for masks: Score-CAM with the mean score of five noisy masks.

    As torchcam documents it; the noise is drawn in single precision, with deviation 2, after the seed 0.
    """
    a = activations(model, layer, x, target)
    masks = stretched_then_enlarged(a, (x.shape[2], x.shape[3]))
    asked = [
        torch.stack([scores(model, x * m[:, None], target) for m in (masks + noise).unbind(1)], dim=1)
        for noise in _noises_in_single(masks, 2.0, SAMPLES)
    ]
    return torch.einsum("nc,nchw->nhw", torch.stack(asked).mean(dim=0).softmax(dim=1), a).relu()


def occlusion(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Occlusion, Zeiler and Fergus, ECCV 2014, section 4.2: the logit that each hidden square costs."""
    result = torch.zeros_like(x)
    for square in squares(x):
        drop = scores(model, x, target) - scores(model, x.masked_fill(square, 0), target)
        result += drop[:, None, None, None] * square
    return result


def squares(x: Tensor, side: int = PATCH) -> list[Tensor]:
    """Masks (3, H, W) of the squares that tile the pictures."""
    numbers = numbered(x, side)
    return [numbers == number for number in numbers.unique()]


def numbered(x: Tensor, side: int = PATCH) -> Tensor:
    """Each pixel's square, counted from 0, (3, H, W)."""
    rows, columns = (torch.arange(n) // side for n in x.shape[2:])
    numbers = rows[:, None] * (columns[-1] + 1) + columns
    return numbers.expand(x.shape[1:]).contiguous()


def shapley_values(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Shapley 1953, for the four quarters of the picture; what does not take part is zero."""
    players = squares(x, x.shape[2] // 2)
    result = torch.zeros_like(x)
    for order in itertools.permutations(range(len(players))):
        shown, before = torch.zeros_like(x), scores(model, torch.zeros_like(x), target)
        for player in order:
            shown = x.where(players[player], shown)
            after = scores(model, shown, target)
            result += (after - before)[:, None, None, None] * players[player]
            before = after
    return result / math.factorial(len(players))


# --- at the pixels


def input_times_gradient(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """x ∘ dy/dx, Shrikumar et al. 2016, arXiv 1605.01713."""
    return x * saliency(model, x, target)


def integrated_at_ends(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Integrated gradients, Sundararajan et al., ICML 2017, equation 3: each step is taken at its end."""
    points = [x * (k + 1) / SAMPLES for k in range(SAMPLES)]
    return x * torch.stack([saliency(model, point, target) for point in points]).mean(dim=0)


def integrated_at_layer(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Integrated gradients of what follows the layer, from its activations for a picture of zeros."""
    tail = nn.Sequential(*list(model.children())[list(model.children()).index(layer) + 1 :])
    start, end = (activations(model, layer, picture, target) for picture in (torch.zeros_like(x), x))
    return integrated_gradients(tail, end, target, baseline=start, steps=SAMPLES)


def internal_influence(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Internal influence, Leino et al. 2018, arXiv 1802.03788: the layer's mean gradient on the way to x."""
    points = [x * (k + 0.5) / SAMPLES for k in range(SAMPLES)]
    return torch.stack([_at(model, layer, point, target)[1] for point in points]).mean(dim=0)


def smooth_grad_of(
    draw: Callable[[Tensor], list[Tensor]],
) -> Formula:
    """SmoothGrad, Smilkov et al. 2017, with the noise that `draw` gives for a picture."""

    def formula(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        return torch.stack([saliency(model, x + noise, target) for noise in draw(x)]).mean(dim=0)

    return formula


def spread(x: Tensor, share: float = 0.15) -> Tensor:
    """A share of each picture's range: the deviation of SmoothGrad's noise."""
    return share * (x.amax(dim=(1, 2, 3), keepdim=True) - x.amin(dim=(1, 2, 3), keepdim=True))


def softplus_gradient(read: Callable[[Tensor], Tensor] = lambda z: z) -> Formula:
    """Dombrowski et al., NeurIPS 2019: the gradient with that of softplus, β = 10, in place of each ReLU's.

    `read` changes what the slope is taken at.
    """
    return lambda model, _layer, x, target: _walked(
        model, x, target, lambda z, _: torch.sigmoid(10 * read(z))
    )


def plain_gradient_times_grad_cam(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """What guided Grad-CAM becomes where no ReLU obeys."""
    cam = upsample(grad_cam(model, layer, x, target), (x.shape[2], x.shape[3]))
    return saliency(model, x, target) * cam[:, None]


def deep_lift(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """DeepLIFT, Shrikumar et al., ICML 2017, rescale rule: Δx times slopes of chords, from a zero picture."""
    both = torch.cat([x, torch.zeros_like(x)])

    def chord(z: Tensor, step: nn.Module) -> Tensor:
        (z, z0), (y, y0) = z.chunk(2), step(z.clone()).chunk(2)
        slope = (y - y0) / (z - z0).where((z - z0).abs() > 1e-10, torch.inf)
        return torch.cat([slope, torch.zeros_like(slope)])

    return x * _walked(model, both, target, chord)[: len(x)]


def _walked(
    model: nn.Module, x: Tensor, target: Target, slope: Callable[[Tensor, nn.Module], Tensor]
) -> Tensor:
    """The gradient at the pixels, with another slope for each ReLU."""
    h = pixels = x.clone().requires_grad_()
    for step in steps(model):
        h = _Sloped.apply(h, step, slope) if isinstance(step, RELUS) else step(h)
    return torch.autograd.grad(chosen(h, target), pixels)[0]


class _Sloped(torch.autograd.Function):
    """An activation whose slope is given."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, step: nn.Module, slope: Callable[[Tensor, nn.Module], Tensor]) -> Tensor:
        ctx.save_for_backward(slope(z, step))
        return step(z.clone())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None
