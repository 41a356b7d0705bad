"""The checks of chapter 7."""

import contextlib
import copy
from typing import Any

import torch
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Wrong, same
from helpers.hooks import output_shapes


class _Block(nn.Module):
    """Two layers that share one ReLU, as a block of ResNet has them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 1)
        self.second = nn.Conv2d(width, width, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.relu(x + self.second(self.relu(self.first(x))))
        return found


def _network(draw: Draw) -> tuple[nn.Sequential, Tensor]:
    width = draw.size(3, 5)
    body = nn.Sequential(nn.Conv2d(2, width, 2), _Block(width), _Block(width))
    model = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2))
    return draw.filled(model), draw.normal(2, 2, draw.size(4, 5), draw.size(6, 7))


def _hooks(model: nn.Module) -> int:
    """How many hooks are set in the whole network."""
    return sum(
        len(hooks)
        for module in model.modules()
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    )


def shared(answer: Answer) -> None:
    """The very tensors that modules put out in one run, in lists; hooks of the check stand beside them."""
    model, x = _network(Draw())
    block = model.get_submodule("0.1")
    assert isinstance(block, _Block)
    modules = [block.relu, block, block.first]
    mine: list[list[Tensor]] = [[] for _ in modules]
    into: list[list[Tensor]] = [[] for _ in modules]
    for module, outputs, inputs in zip(modules, mine, into, strict=True):
        module.register_forward_hook(lambda m, i, o, kept=outputs: kept.append(o))
        module.register_forward_hook(lambda m, i, o, kept=inputs: kept.append(i[0]))
    before = _hooks(model)
    found = answer(modules, model, x)
    if _hooks(model) != before:
        raise Wrong("hooks left", "Your hooks are still set: remove each of them after the run.")
    if not mine[1]:
        raise Wrong("not run", "The network has not run: call it while the hooks are set.")
    if len(mine[1]) > 1:
        raise Wrong(
            "run more than once", "You run the network more than once: set all hooks, and run it once."
        )
    if not isinstance(found, list | tuple) or len(found) != len(modules):
        raise Wrong("no list for each", "Return a list of lists: one for each module.")
    if any(isinstance(one, Tensor) for one in found):
        raise Wrong(
            "the last only", "You keep one output for each module: keep one for each call, in a list."
        )
    _judge_lists([list(one) for one in found], mine, into)


def _judge_lists(found: list[list[Any]], mine: list[list[Tensor]], into: list[list[Tensor]]) -> None:
    together = [id(one) for part in mine for one in part]
    if any({id(one) for one in part} == set(together) for part in found):
        raise Wrong(
            "all in one list",
            "Everything lands in one list: a function looks its names up when it is called, after the loop.",
        )
    if _identical(found, mine):
        return
    if _identical(found, into):
        raise Wrong("inputs", "You keep the inputs: a hook's third argument is the output.")
    if _identical(found, [part[-1:] for part in mine]):
        raise Wrong(
            "the last only", "You keep one output for each module: keep one for each call, in a list."
        )
    if _identical(found, [part[:1] for part in mine]):
        raise Wrong("the first only", "You keep the first call only: a module may be called more than once.")
    if [len(part) for part in found] == [len(part) for part in mine] and same(found, mine):
        raise Wrong("copies", "You keep copies, and `is` will always say no: keep the outputs themselves.")
    raise Wrong("", "The lists do not hold each module's outputs, in the order of its calls.")


def _identical(found: list[list[Any]], expected: list[list[Tensor]]) -> bool:
    return [[id(one) for one in part] for part in found] == [[id(one) for one in part] for part in expected]


def mute(answer: Answer) -> None:
    """A hook that sets one channel of the output to zero, without touching the layer or the tensor."""
    draw = Draw()
    layer = draw.filled(nn.Conv2d(5, 5, 2))
    x = draw.normal(5, 5, 7, 6)
    channel = draw.size(1, 3)
    before = copy.deepcopy(layer.state_dict())
    whole = layer(x).detach()
    given: list[Tensor] = []
    layer.register_forward_hook(lambda m, i, o: given.append(o))
    handle = answer(layer, channel)
    if not hasattr(handle, "remove"):
        raise Wrong("no handle", "Return the handle: without it nobody can remove the hook.")
    with torch.no_grad():
        found = layer(x)
        input_muted = _without(layer, x, channel)
    if not same(layer.state_dict(), before):
        raise Wrong("weights changed", "You changed the layer's weights: change the output, in a hook.")
    handle.remove()
    if not same(layer(x), whole):
        raise Wrong(
            "not removed", "After `remove` the output is not as before: set one hook, and return its handle."
        )
    _judge_muted(found, whole, channel, input_muted)
    if not same(given[0], whole):
        raise Wrong(
            "in place", "You write zeros into the layer's own output: change a copy, and return that."
        )
    handles = [answer(layer, one) for one in (channel, channel + 1)]
    with torch.no_grad():
        twice = layer(x)
    for one in handles:
        one.remove()
    expected = whole.clone()
    expected[:, channel : channel + 2] = 0
    if not same(twice, expected):
        raise Wrong("", "Two hooks for two channels should mute both: each hook keeps its own channel.")


def _without(layer: nn.Conv2d, x: Tensor, channel: int) -> Tensor:
    """The convolution of inputs that lack a channel."""
    less = x.clone()
    less[:, channel] = 0
    return nn.functional.conv2d(less, layer.weight, layer.bias)


def _judge_muted(found: Tensor, whole: Tensor, channel: int, input_muted: Tensor) -> None:
    everything = slice(None)
    places: list[tuple[str, tuple[Any, ...], str]] = [
        ("", (everything, channel), ""),
        ("a picture", (channel,), "You mute a picture of the batch: channels are the second axis."),
        ("a row", (everything, everything, channel), "You mute a row: channels are the second axis."),
        ("a column", (..., channel), "You mute a column: channels are the second axis."),
        ("one picture only", (0, channel), "You mute the channel in the first picture only: mute it in all."),
        (
            "up to the channel",
            (everything, slice(channel)),
            "You mute all channels before it: an index takes one, a slice takes many.",
        ),
    ]
    for name, place, says in places:
        expected = whole.clone()
        expected[place] = 0
        if same(found, expected):
            if says:
                raise Wrong(name, says)
            return
    if same(found, whole):
        raise Wrong(
            "no effect",
            "The output is as it was: a hook must return what is to replace it, and be set still.",
        )
    kept = torch.zeros_like(whole)
    kept[:, channel] = whole[:, channel]
    if same(found, kept):
        raise Wrong("the others muted", "You mute all others and keep the one: turn it round.")
    if same(found, input_muted):
        raise Wrong(
            "the input", "You mute a channel of the layer's input: a forward hook changes its output."
        )
    raise Wrong("", "The channel should be zero at every place, and all other channels as they were.")


def shapes(answer: Answer) -> None:
    """Names and shapes in the order in which modules finish; no hook is left, also after an error."""
    model, x = _network(Draw())
    found = answer(model, x)
    if _hooks(model):
        raise Wrong("hooks left", "Your hooks are still set: remove each of them after the run.")
    _judge_shapes(found, model, x)
    with contextlib.suppress(Exception):
        answer(model, x[:, :1])  # a channel is missing
    if _hooks(model):
        raise Wrong(
            "hooks left after an error",
            "Where the network fails your hooks stay: remove them in a `finally`.",
        )


def _judge_shapes(found: Any, model: nn.Module, x: Tensor) -> None:
    if not isinstance(found, dict):
        raise Wrong("no dictionary", "Return a dictionary, from names to shapes.")
    expected = dict(output_shapes(model, x))
    if len(found) == 1:
        raise Wrong(
            "one name", "All shapes land under one name: each hook must keep the name it was set with."
        )
    if any(isinstance(shape, Tensor) for shape in found.values()):
        raise Wrong(
            "outputs", "You keep the outputs themselves, and with them their memory: keep the shapes."
        )
    if any(isinstance(key, nn.Module) for key in found) or set(found) <= {
        type(module).__name__ for module in model.modules()
    }:
        raise Wrong("not by name", "Your keys are modules or classes: `named_modules` gives the names.")
    if "" not in found and found.keys() == expected.keys() - {""}:
        raise Wrong(
            "without the network", "The network itself is missing: it is a module, too, with an empty name."
        )
    if found.keys() == {name for name, _ in model.named_children()}:
        raise Wrong("the outermost only", "You have the outermost modules only: the inner ones are missing.")
    if found.keys() != expected.keys():
        raise Wrong("", f"Your dictionary has {len(found)} names; the network has {len(expected)} modules.")
    if not same(found, expected):
        if same(found, _input_shapes(model, x)):
            raise Wrong(
                "inputs", "Your shapes are those of the inputs: a hook's third argument is the output."
            )
        raise Wrong("", "The names are right; some of the shapes are not those of the outputs, as tuples.")
    if list(found) not in (list(expected), list(_input_shapes(model, x))):  # by the last calls or the first
        raise Wrong("order", "The order is not that of the calls: enter a name when its hook is called.")


def _input_shapes(model: nn.Module, x: Tensor) -> dict[str, tuple[int, ...]]:
    model, found = copy.deepcopy(model), {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: found.update({name: tuple(i[0].shape)}))
    model(x)
    return found


JUDGES = {"ex-shared": shared, "ex-mute": mute, "ex-shapes": shapes}
