"""Look inside a network while it runs: a layer's activations, and the gradient of a score at them."""

import difflib
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from helpers.scores import check_batch, check_model

__all__ = ["Capture", "capture", "find_layer", "map_axes", "output_shapes"]

POOLING = re.compile(r"Pool(\dd)?$")  # MaxPool2d, AdaptiveAvgPool2d, timm's SelectAdaptivePool2d

Shape = Sequence[int]


@dataclass(eq=False)
class Capture:
    """What `capture` caught at a layer during the latest forward pass."""

    _activations: Tensor | None = None
    _tokens: tuple[Shape, ...] = ()  # the shapes of the tokens that came before the layer

    @property
    def activations(self) -> Tensor:
        """The layer's output, (N, C, h, w) for a convolution.

        Raises:
            RuntimeError: the layer has not run yet.
        """
        if self._activations is None:
            raise RuntimeError(
                "The layer has not run: call the model inside the with block, and choose a layer that its "
                "forward pass uses."
            )
        return self._activations

    def map_axes(self, x: Tensor) -> tuple[int, int] | None:
        """The axes of the activations that are places of the pictures x, as the function `map_axes` has it.

        Raises:
            RuntimeError: the layer has not run yet.
        """
        return map_axes(self.activations.shape, x.shape, self._tokens)

    def gradients(self, scores: Tensor) -> Tensor:
        """The gradient of each score at the activations.

        The graph is kept, so that one forward pass answers many questions. No `.grad` is written.

        Args:
            scores: a tensor with one element, or (K,) of them, computed from the model's output inside the
                with block.

        Returns:
            A tensor of the activations' shape; for (K,) scores one for each, stacked in front.

        Raises:
            TypeError: scores is not a tensor.
            RuntimeError: the layer has not run, or the scores do not depend on it.
        """
        if not isinstance(scores, Tensor):
            raise TypeError(
                f"scores must be a tensor computed from the model's output, such as logits[0, 243], "
                f"not {type(scores).__name__}."
            )
        if scores.ndim:
            return self._each(scores)
        gradients = None
        if scores.requires_grad:
            (gradients,) = torch.autograd.grad(scores, self.activations, retain_graph=True, allow_unused=True)
        if gradients is None:
            raise RuntimeError(
                "The score does not depend on the layer: choose a layer between the input and the scores, "
                "and compute the score inside the with block."
            )
        return gradients

    def _each(self, scores: Tensor) -> Tensor:
        one_at_a_time = torch.eye(len(scores)).to(scores)
        try:
            (gradients,) = torch.autograd.grad(
                scores, self.activations, one_at_a_time, retain_graph=True, is_grads_batched=True
            )
        except RuntimeError:  # some operations cannot be batched, custom ones above all
            return torch.stack([self.gradients(score) for score in scores])
        return gradients


@contextmanager
def capture(model: nn.Module, layer: nn.Module | str) -> Iterator[Capture]:
    """Catch a layer's output in every forward pass inside the with block, ready for gradients.

    The graph is cut at the layer: what comes before it runs without one, what comes after it is recorded,
    also inside `torch.no_grad()` and with frozen parameters. So gradients reach the layer and nothing
    below it. Where the layer runs several times in one pass, its last run counts. On leaving the block,
    also through an error, the hooks are gone and autograd is switched as it was before.

    Three kinds of networks are not served: those that call autograd themselves before the layer, those that
    run the layer inside a `torch.no_grad()` of their own, and those that go on using the very tensor that an
    in-place layer has overwritten. A copy of the model made inside the block keeps hooks that do nothing.

    Args:
        model: the network; neither its mode nor its parameters nor their `.grad` are changed.
        layer: one of its modules, or that module's name; a module with several names has them all.

    Yields:
        A `Capture` with `.activations` and `.gradients(score)`.

    Raises:
        ValueError: the layer is not part of the model.
        TypeError: the model or the layer is of a wrong type, the model is compiled or scripted, or the
            layer's output is not one floating-point tensor.
        RuntimeError: the layer ran in inference mode.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    >>> with capture(net, net[1]) as caught:
    ...     logits = net(torch.ones(1, 1, 4, 4))
    ...     gradients = caught.gradients(logits[0, 2])
    >>> caught.activations.shape, gradients.shape
    (torch.Size([1, 2, 2, 2]), torch.Size([1, 2, 2, 2]))

    Built step by step in chapter 7; used by hand in chapter 8.
    """
    layer = _find(model, layer)
    caught = Capture()
    owner = threading.get_ident()
    tokens: list[Shape] = []

    def here(own: nn.Module, act: Callable[[Any], Tensor | None]) -> Callable[..., Tensor | None]:
        """A hook that is deaf to other threads, and to copies of its module."""

        def hook(module: nn.Module, *passed: Any) -> Tensor | None:
            return act(passed[-1]) if module is own and threading.get_ident() == owner else None

        return hook

    def begin(_: Any) -> None:
        torch.set_grad_enabled(False)
        tokens.clear()

    def end(_: Any) -> None:
        torch.set_grad_enabled(True)

    def note(output: Tensor) -> None:
        tokens.append(tuple(output.shape))

    def record_from_here(output: Any) -> Tensor:
        if not isinstance(output, Tensor) or not output.is_floating_point():
            raise TypeError(
                f"The layer must give one floating-point tensor, not {_describe(output)}: "
                "choose another layer."
            )
        if torch.is_inference_mode_enabled():
            raise RuntimeError(
                "The layer ran in inference mode, where no gradient exists: use torch.no_grad()."
            )
        torch.set_grad_enabled(True)
        # Copies, since an in-place layer may follow or share the tensor; it must not touch what was caught.
        caught._activations = output.clone().requires_grad_()
        caught._tokens = tuple(tokens)
        return caught._activations.clone()

    with ExitStack() as handles:
        handles.callback(model.register_forward_pre_hook(here(model, begin)).remove)
        for linear in (module for module in model.modules() if isinstance(module, nn.Linear)):
            handles.callback(linear.register_forward_hook(here(linear, note)).remove)
        handles.callback(layer.register_forward_hook(here(layer, record_from_here)).remove)
        handles.callback(model.register_forward_hook(here(model, end), always_call=True).remove)
        with torch.inference_mode(False), torch.enable_grad():
            yield caught


def output_shapes(model: nn.Module, x: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of what each module hands on, in the order in which the modules finish.

    A module that runs several times is listed once, with its last shape; one that does not run, or that
    gives no single tensor, is left out. The model itself is the last entry, under the empty name. No graph
    is recorded and no hook stays.

    Args:
        model: the network; its mode stays, so put it into eval mode to keep batch norm's statistics.
        x: a batch that the model takes, (N, 3, H, W) for a classifier of photos.

    Returns:
        Module names, as in `model.named_modules()`, with shapes.

    Raises:
        TypeError: model is not an nn.Module, or it is compiled or scripted.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten())
    >>> output_shapes(net, torch.zeros(1, 3, 9, 9))
    {'0': (1, 8, 4, 4), '1': (1, 8, 4, 4), '2': (1, 128), '': (1, 128)}

    By hand in chapters 3 and 4.
    """
    check_model(model)
    shapes: dict[str, tuple[int, ...]] = {}
    owner = threading.get_ident()

    def note(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and threading.get_ident() == owner:
                shapes.pop(name, None)
                shapes[name] = tuple(output.shape)

        return hook

    with ExitStack() as handles, torch.no_grad():
        for name, module in model.named_modules():
            handles.callback(module.register_forward_hook(note(name)).remove)
        model(x)
    return shapes


def map_axes(shape: Shape, x: Shape, tokens: Iterable[Shape] = ()) -> tuple[int, int] | None:
    r"""Which axes of a layer's output are places of the picture: (2, 3), (1, 2), or None where it is no map.

    $$s = \sqrt{HW / hw}, \qquad |h - H/s| \le \max(1.5,\ 0.25\,H/s), \qquad w \text{ likewise}$$

    A map has more than one place and keeps the proportions of the picture, (H, W), up to a quarter or to
    1.5 places. Where both readings of four numbers do, the one that keeps them better is taken, and channels
    first, (N, C, h, w), where both do alike, as for (1, 7, 7, 7). A map made of tokens has no more places
    than there were tokens: so queries and attention weights are told from maps.

    Args:
        shape: of the layer's output.
        x: shape of the pictures, (N, 3, H, W).
        tokens: shapes of what came before the layer; those with three axes, (N, tokens, C), count.

    Returns:
        (2, 3) for channels first, (1, 2) for channels last, None for anything else.

    >>> map_axes((1, 512, 7, 7), (1, 3, 224, 224)), map_axes((1, 7, 7, 768), (1, 3, 224, 224))
    ((2, 3), (1, 2))
    >>> map_axes((1, 12, 196, 64), (1, 3, 224, 224)) is None
    True

    Chapter 11.
    """
    if len(shape) != 4 or shape[0] != x[0]:
        return None
    seen = [before for before in tokens if _are_tokens(before) and before[0] == x[0]]
    readings = {
        axes: _distortion(shape[axes[0]], shape[axes[1]], x[2], x[3])
        for axes in ((2, 3), (1, 2))
        if _enough_tokens(shape[axes[0]] * shape[axes[1]], seen)
    }
    best = min(readings, key=lambda axes: readings[axes], default=None)
    return best if best and readings[best] <= 1 else None


def _are_tokens(shape: Shape) -> bool:
    return len(shape) == 3 and shape[1] > 1


def _enough_tokens(places: int, tokens: Sequence[Shape]) -> bool:
    # A layer that mixes the places has them as the last axis.
    return (
        not tokens or places <= max(shape[1] for shape in tokens) or places in {shape[2] for shape in tokens}
    )


def _distortion(h: int, w: int, height: int, width: int) -> float:
    """How far (h, w) is from the proportions of the picture, with 1 as the limit; infinite for one place."""
    if h * w < 2:
        return math.inf
    s = math.sqrt(height * width / (h * w))
    return max(abs(n - side / s) / max(1.5, 0.25 * side / s) for n, side in ((h, height), (w, width)))


def find_layer(model: nn.Module, x: Tensor) -> str:
    """The name of the layer to explain: the last one that puts out a map, not counting pools.

    A map is an output (N, C, h, w) or (N, h, w, C) of more than one place that keeps the proportions of the
    picture, as `map_axes` tells. Pools are passed over, since the map before them is finer, and so are
    containers that hand on what a pool made. Where several modules hand on the very same map, such as a block
    and the stage that it ends, the outermost is named.

    Only modules with one tensor as output can be found, and a module that runs several times counts with its
    last run. Where a model adds, pools or activates by a function, look at `output_shapes` yourself.

    Args:
        model: the network, best in eval mode.
        x: a batch that it takes, (N, 3, H, W); its values do not matter.

    Returns:
        A name in `model.named_modules()`, ready for `grad_cam` and `capture`.

    Raises:
        TypeError: model is not an nn.Module, or it is compiled or scripted; x is no floating-point tensor.
        ValueError: there is no map, or the network turns its last map into tokens, as vision transformers do;
            x is no batch.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))
    >>> find_layer(net, torch.zeros(1, 3, 8, 8))
    '1'

    By hand in chapter 11.
    """
    check_batch(x)
    shapes = output_shapes(model, x)
    shapes.pop("", None)  # the model itself
    modules = dict(model.named_modules())
    found = pooled = tokens = ""
    seen: list[Shape] = []
    for name, shape in shapes.items():
        hands_on_a_pool = pooled.startswith(f"{name}.") and shape == shapes[pooled]
        if POOLING.search(type(modules[name]).__name__) or hands_on_a_pool:
            pooled = name
            if tokens.startswith(f"{name}."):  # an attention pool makes tokens of its own
                tokens = ""
            continue
        pooled = ""
        if map_axes(shape, x.shape, seen):
            found, tokens = name, ""
        elif _are_tokens(shape) and found:
            tokens = tokens or name
        seen.append(shape)
    if not found:
        raise ValueError(
            "No module of the model puts out a map (N, C, h, w) or (N, h, w, C) of more than one place: "
            "a heat map needs one."
        )
    if tokens:
        raise ValueError(
            f"After its last map, that of {found!r}, the network goes on with tokens, {tokens!r} "
            f"{shapes[tokens]}, as vision transformers do: chapter 11 turns tokens back into a map."
        )
    return found


def _find(model: nn.Module, layer: nn.Module | str) -> nn.Module:
    check_model(model)
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    if isinstance(layer, nn.Module):
        if not any(layer is module for module in modules.values()):
            raise ValueError(
                f"The layer {type(layer).__name__} is not part of the model: "
                "take one from model.named_modules()."
            )
        return layer
    if not isinstance(layer, str):
        raise TypeError(f"layer must be a module of the model or its name, not {type(layer).__name__}.")
    if layer not in modules or not layer:
        close = difflib.get_close_matches(str(layer), filter(None, modules), n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see model.named_modules()."
        raise ValueError(f"The model has no layer {layer!r}: {hint}")
    return modules[layer]


def _describe(output: object) -> str:
    return f"a tensor of {output.dtype}" if isinstance(output, Tensor) else type(output).__name__
