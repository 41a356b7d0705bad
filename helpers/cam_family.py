"""Grad-CAM's family: other ways to weigh the channels, or the places, of a layer's map.

All take what `grad_cam` takes and give what it gives: maps that are zero or more, not normalised, detached.
On a network that ends with a mean over the places and a linear layer, explained at its last map with
activations of zero or more, `hires_cam` and `xgrad_cam` are `grad_cam`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.cam import Look, layer_maps, look
from helpers.scores import Target, check_model, class_scores

__all__ = [
    "ablation_cam",
    "eigen_cam",
    "grad_cam_pp",
    "hires_cam",
    "layer_cam",
    "score_cam",
    "xgrad_cam",
]

# Masked pictures that run as one batch: on a CPU more of them are slower.
MASKED_AT_ONCE = 4
# Copies of a layer's map that run as one batch, for one run of the layers before it.
ABLATED_AT_ONCE = 64


def grad_cam_pp(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""Grad-CAM++: gradients count where they are positive, and less where they are large.

    $$w_c = \sum_{i,j} \alpha_{cij}\,\mathrm{ReLU}(g_{cij}), \qquad
    \alpha_{cij} = \frac{g_{cij}^2}{2 g_{cij}^2 + g_{cij}^3 \sum_{a,b} A_{cab}}
    = \frac{1}{2 + g_{cij} \sum_{a,b} A_{cab}}, \qquad
    L_{ij} = \mathrm{ReLU}\Big(\sum_c w_c A_{cij}\Big)$$

    with the activations $A$ and the gradients $g = \partial y / \partial A$ of the class's logit $y$. The
    fraction is the paper's for the score $e^y$ of a network that is piecewise linear up to $y$; its factor
    $e^y$, one positive number for the whole map, is left out. Cancelled as above it needs no epsilon, so that
    small gradients are kept. Multiplying the logits by a number changes the map's form, not only its size.

    Args:
        model, layer, x, target: as for `grad_cam`.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`.
        ValueError: a denominator is not positive, as can happen where activations are negative.

    >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> grad_cam_pp(net, "0", torch.tensor([[[[4.0, 0.0], [0.0, 4.0]]]]), target=0)
    tensor([[[1., 0.],
             [0., 1.]]])

    Source: Chattopadhay et al., Grad-CAM++, WACV 2018; arXiv 1710.11063, equation 19 for the fraction.
    """
    return layer_maps(model, layer, x, target, _grad_cam_pp)


def xgrad_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""XGrad-CAM: a channel's weight is its mean gradient, each place counted by its activation.

    $$w_c = \frac{\sum_{i,j} A_{cij}\, g_{cij}}{\sum_{i,j} A_{cij}}, \qquad
    L_{ij} = \mathrm{ReLU}\Big(\sum_c w_c A_{cij}\Big)$$

    with the activations $A$ and the gradients $g = \partial y / \partial A$ of the class's logit $y$. Before
    the ReLU the map's sum is then that of $A \cdot g$. A channel whose activations sum to zero has the weight
    zero; behind a ReLU only an empty one does. Where activations of both signs nearly cancel, the weight says
    little.

    Args:
        model, layer, x, target: as for `grad_cam`.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, in logit units, detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`.

    >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> net[2].weight.data = torch.tensor([[1.0, 9.0]])
    >>> xgrad_cam(net, "0", torch.tensor([[[[3.0, 1.0]]]]), target=0)  # (3 · 1 + 1 · 9) / 4 = 3
    tensor([[[9., 3.]]])

    Source: Fu et al., Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, BMVC
    2020.
    """
    return layer_maps(model, layer, x, target, _xgrad_cam)


def hires_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""HiResCAM: each activation times its own gradient, no mean in between.

    $$L_{ij} = \mathrm{ReLU}\Big(\sum_c g_{cij} A_{cij}\Big)$$

    with the activations $A$ and the gradients $g = \partial y / \partial A$ of the class's logit $y$. Where
    only a linear layer follows, the map before the ReLU sums to the logit without its bias.

    Args:
        model, layer, x, target: as for `grad_cam`.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, in logit units, detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`.

    >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> net[2].weight.data = torch.tensor([[1.0, 9.0]])
    >>> hires_cam(net, "0", torch.tensor([[[[3.0, 1.0]]]]), target=0)
    tensor([[[3., 9.]]])

    Source: Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
    neural networks, 2020, arXiv 2011.08891; the ReLU as in Grad-CAM.
    """
    return layer_maps(model, layer, x, target, _hires_cam)


def layer_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""LayerCAM: each activation times its own gradient, where that is positive.

    $$L_{ij} = \mathrm{ReLU}\Big(\sum_c \mathrm{ReLU}(g_{cij})\, A_{cij}\Big)$$

    with the activations $A$ and the gradients $g = \partial y / \partial A$ of the class's logit $y$.
    Evidence against the class is not subtracted, so that maps of two classes come close to each other.

    Args:
        model, layer, x, target: as for `grad_cam`.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, in logit units, detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`.

    >>> net = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> net[2].weight.data = torch.tensor([[1.0, -9.0]])
    >>> layer_cam(net, "0", torch.tensor([[[[3.0, 1.0]]]]), target=0)
    tensor([[[3., 0.]]])

    Source: Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE
    Transactions on Image Processing 30, 2021.
    """
    return layer_maps(model, layer, x, target, _layer_cam)


def score_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""Score-CAM: a channel's weight is the score of the picture seen through it.

    $$m_c = \frac{U(A_c) - \min U(A_c)}{\max U(A_c) - \min U(A_c)}, \qquad
    w_c = \mathrm{softmax}_c\big(y(x \cdot m_c) - y(0)\big), \qquad
    L_{ij} = \mathrm{ReLU}\Big(\sum_c w_c A_{cij}\Big)$$

    with the activations $A$, the bilinear enlargement $U$ to the size of x, and the class's logit $y$. The
    baseline $y(0)$, the same for all channels, cancels in the softmax and is not computed. Channels without
    any contrast make no mask: their weight is zero, as in the authors' program. $y$ is the logit, against
    section 3.2 of the paper, which takes the probability: probabilities differ by less than one, which the
    softmax turns into nearly equal weights for all channels and classes (chapter 14). No gradient is needed,
    but a pass for each channel, which serves all classes of its picture.

    Args:
        model, layer, x, target: as for `grad_cam`, the model in eval mode.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, in the activations' unit,
        detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`, but a score that does not depend on the layer is
            no error.
        ValueError: the model, or a part of it, is in training mode.

    >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    >>> score_cam(net, "0", torch.tensor([[[[3.0, 1.0]]]]), target=0)  # a single channel has the weight 1
    tensor([[[3., 1.]]])

    Source: Wang et al., Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, CVPR
    Workshops 2020, algorithm 1.
    """
    _check_eval(model)
    seen = look(model, layer, x, target)

    def weights(n: int) -> Tensor:
        lowest, highest = seen.activations[n].flatten(1).aminmax(dim=1)

        def ask(channels: Tensor) -> Tensor:
            return class_scores(model, x[n] * _masks(seen.activations[n, channels], x))

        contrast = lowest < highest
        scores = _answers(seen, n, contrast, MASKED_AT_ONCE, ask)
        # No channel with contrast leaves 0 / 0.
        return scores.where(contrast[:, None], -torch.inf).softmax(dim=0).nan_to_num()

    with torch.no_grad():
        return _weighted(seen, weights)


def ablation_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""Ablation-CAM: a channel's weight is what it costs the logit to set the channel to zero.

    $$w_c = y - y_{A_c = 0}, \qquad L_{ij} = \mathrm{ReLU}\Big(\sum_c w_c A_{cij}\Big)$$

    with the activations $A$ and the class's logit $y$. The paper divides $w_c$ by $y$: one number for the
    whole map, which changes nothing else where it is positive, and turns the map round where it is negative;
    it is left out. No gradient is needed, but what follows the layer runs once for each channel that is not
    zero anyway; that serves all classes of a picture.

    Args:
        model, layer, x, target: as for `grad_cam`, the model in eval mode.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`, but a score that does not depend on the layer is
            no error.
        ValueError: the model, or a part of it, is in training mode.

    >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    >>> ablation_cam(net, "0", torch.tensor([[[[3.0, 1.0]]]]), target=0)  # the logit drops from 2 to 0
    tensor([[[6., 2.]]])

    Source: Desai and Ramaswamy, Ablation-CAM: Visual Explanations for Deep Convolutional Network via
    Gradient-free Localization, WACV 2020.
    """
    _check_eval(model)
    seen = look(model, layer, x, target)
    module = model.get_submodule(layer) if isinstance(layer, str) else layer

    def weights(n: int) -> Tensor:
        def ask(channels: Tensor) -> Tensor:
            return _ablated(model, module, x[n : n + 1], channels, seen.channels_last, runs)

        alive = seen.activations[n].flatten(1).any(dim=1)
        scores = _answers(seen, n, alive, ABLATED_AT_ONCE, ask)
        return (seen.scores[n] - scores).where(alive[:, None], 0)

    with torch.no_grad():
        runs = _runs(model, module, x[:1])
        return _weighted(seen, weights)


def eigen_cam(model: nn.Module, layer: nn.Module | str, x: Tensor, target: Target = None) -> Tensor:
    r"""Eigen-CAM: the one pattern of places that explains most of all channels; no class takes part.

    $$A = U \Sigma V^\top, \qquad L = \mathrm{ReLU}(\pm A v_1)$$

    with the activations $A$ as a matrix (hw, C), not centred, and its first right singular vector $v_1$. The
    sign, which the decomposition leaves open, makes the sum of the map positive. For activations of zero or
    more the ReLU then cuts nothing off.

    Args:
        model, layer, x: as for `grad_cam`.
        target: as for `grad_cam`; it is checked and decides the shape, but every class has the same map.

    Returns:
        The maps, (N, h, w), or (N, K, h, w) for an (N, K) target: zero or more, in the activations' unit,
        detached.

    Raises:
        TypeError, ValueError, RuntimeError: as `grad_cam`, but a score that does not depend on the layer is
            no error.

    >>> net = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> eigen_cam(net, "0", torch.tensor([[[[3.0, 1.0]], [[6.0, 2.0]]]]), target=0)  # (3, 1) times √5
    tensor([[[6.7082, 2.2361]]])

    Source: Muhammad and Yeasin, Eigen-CAM: Class Activation Map using Principal Components, IJCNN 2020.
    """
    seen = look(model, layer, x, target)
    dtype = torch.promote_types(seen.activations.dtype, torch.float32)  # no decomposition in half precision
    matrix = seen.activations.flatten(2).mT.to(dtype)
    first = torch.linalg.svd(matrix, full_matrices=False).Vh[:, :1].mT
    cam = (matrix @ first).reshape(len(x), *seen.activations.shape[2:])
    cam = cam.where(cam.sum(dim=(1, 2), keepdim=True) >= 0, -cam).to(seen.activations)
    return seen.finished(cam.expand(seen.classes.shape[1], *cam.shape))


def _grad_cam_pp(activations: Tensor, gradients: Tensor) -> Tensor:
    positive = gradients.relu()
    denominators = 2 + positive * activations.sum(dim=(2, 3), keepdim=True)
    if (denominators <= 0).any():
        raise ValueError(
            "Grad-CAM++ divides by 2 + g · ΣA, which is not positive here, where a channel's activations sum "
            "to less than zero: choose a layer behind a ReLU."
        )
    weights = (positive / denominators).sum(dim=(3, 4))
    return torch.einsum("knc,nchw->knhw", weights, activations)


def _xgrad_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    sums = activations.sum(dim=(2, 3))
    weights = torch.einsum("knchw,nchw->knc", gradients, activations) / sums.where(sums != 0, torch.inf)
    return torch.einsum("knc,nchw->knhw", weights, activations)


def _hires_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    return torch.einsum("knchw,nchw->knhw", gradients, activations)


def _layer_cam(activations: Tensor, gradients: Tensor) -> Tensor:
    return _hires_cam(activations, gradients.relu())


def _check_eval(model: nn.Module) -> None:
    check_model(model)
    if any(module.training for module in model.modules()):
        raise ValueError(
            "The model must be in eval mode, since in training mode a score depends on what runs beside it: "
            "call model.eval()."
        )


def _answers(seen: Look, n: int, channels: Tensor, at_once: int, ask: Callable[[Tensor], Tensor]) -> Tensor:
    """The K logits of picture n for each channel in the mask `channels`, zero for the others: (C, K)."""
    answers = seen.scores.new_zeros(len(channels), seen.classes.shape[1])
    for part in channels.nonzero()[:, 0].split(at_once):
        if len(part):
            answers[part] = ask(part)[:, seen.classes[n]]
    return answers


def _weighted(seen: Look, weights: Callable[[int], Tensor]) -> Tensor:
    """The maps of all pictures, from a picture's number to the weights (C, K) of its channels."""
    stacked = torch.stack([weights(n) for n in range(len(seen.classes))])
    return seen.finished(torch.einsum("nck,nchw->knhw", stacked, seen.activations))


def _masks(channels: Tensor, x: Tensor) -> Tensor:
    """Channels (B, h, w) enlarged to the size of x and stretched to [0, 1]: (B, 1, H, W)."""
    stretched = _stretched(channels[:, None])  # before, too, so that rounding cannot flatten a faint contrast
    return _stretched(F.interpolate(stretched, size=x.shape[2:], mode="bilinear", align_corners=False))


def _stretched(maps: Tensor) -> Tensor:
    lowest, highest = maps.amin(dim=(2, 3), keepdim=True), maps.amax(dim=(2, 3), keepdim=True)
    return (maps - lowest) / (highest - lowest)


@contextmanager
def _hooked(module: nn.Module, act: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Call `act` with what the module hands on, and hand on what it returns; deaf to other threads."""
    owner = threading.get_ident()

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor | None:
        return act(output) if threading.get_ident() == owner else None

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _runs(model: nn.Module, module: nn.Module, picture: Tensor) -> int:
    """How often the module runs in one pass."""
    runs: list[None] = []
    with _hooked(module, lambda _: runs.append(None)):
        class_scores(model, picture)
    return len(runs)


def _ablated(
    model: nn.Module, module: nn.Module, picture: Tensor, channels: Tensor, channels_last: bool, runs: int
) -> Tensor:
    """The logits (B, classes) of a picture, for each of B channels without it in the module's last run."""
    copies = len(channels)

    def ask(pictures: Tensor) -> Tensor:
        run = count(1)

        def ablate(output: Tensor) -> Tensor | None:
            if next(run) < runs:
                return None
            output = output.expand(copies, *output.shape[1:]).clone()
            first = output.movedim(-1, 1) if channels_last else output
            first[range(copies), channels] = 0
            return output

        with _hooked(module, ablate):
            logits: Tensor = model(pictures.clone())  # the model's first layer may work in place
        return logits.expand(copies, -1)  # a single row where the score does not depend on the layer

    try:
        return ask(picture)  # one picture up to the layer, B copies behind it
    except RuntimeError:  # as where torch.cat joins them with what has passed the layer by
        return ask(picture.expand(copies, -1, -1, -1))
