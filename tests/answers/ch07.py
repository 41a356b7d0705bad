"""Answers to the exercises of chapter 7."""

import torch
from torch import nn

from tests.answers import Answers


def outputs_of(modules, model, x, keep=lambda inputs, output: output, remove=True, runs=1):
    found = [[] for _ in modules]
    handles = [
        module.register_forward_hook(lambda m, i, o, kept=kept: kept.append(keep(i, o)))
        for module, kept in zip(modules, found, strict=True)
    ]
    with torch.no_grad():
        for _ in range(runs):
            model(x)
    for handle in handles if remove else []:
        handle.remove()
    return found


def outputs_by_partner(modules, model, x):
    found = {id(module): [] for module in modules}

    def keep(module, inputs, output):
        found[id(module)].append(output)

    handles = [module.register_forward_hook(keep) for module in modules]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found.values())


class Keeper:
    """A hook that is an object."""

    def __init__(self, module):
        self.outputs = []
        self.handle = module.register_forward_hook(self)

    def __call__(self, module, inputs, output):
        self.outputs.append(output)
        return output


def outputs_by_objects(modules, model, x):
    keepers = [Keeper(module) for module in modules]
    model(x)
    for keeper in keepers:
        keeper.handle.remove()
    return [keeper.outputs for keeper in keepers]


def outputs_one_by_one(modules, model, x):
    return [outputs_of([module], model, x)[0] for module in modules]


def outputs_in_the_last_list(modules, model, x):
    found, handles = [], []
    for module in modules:
        kept = []
        found.append(kept)
        handles.append(module.register_forward_hook(lambda m, i, o: kept.append(o)))  # noqa: B023
    model(x)
    for handle in handles:
        handle.remove()
    return found


def outputs_under_one_name(modules, model, x):
    return [outputs[-1] for outputs in outputs_of(modules, model, x)]


def outputs_without_run(modules, model, x):
    return [[module(x) for _ in ()] for module in modules]


def mute(layer, channel):
    def hook(module, inputs, output):
        changed = output.clone()
        changed[:, channel] = 0
        return changed

    return layer.register_forward_hook(hook)


def mute_by_mask(layer, channel):
    def hook(module, inputs, output):
        mask = torch.ones(output.shape[1])
        mask[channel] = 0
        return output * mask[:, None, None]

    return layer.register_forward_hook(hook)


def mute_by_stacking(layer, channel):
    return layer.register_forward_hook(
        lambda m, i, output: torch.stack(
            [part if k != channel else torch.zeros_like(part) for k, part in enumerate(output.unbind(1))], 1
        )
    )


def mute_at(index, place=0, returned=True, clone=True):
    """A mute that goes wrong; `index` gets the channel."""

    def answer(layer, channel):
        def hook(module, inputs, output):
            changed = output.clone() if clone else output
            changed[index(channel)] = place
            return changed if returned else None

        return layer.register_forward_hook(hook)

    return answer


ALL = slice(None)


def mute_others(layer, channel):
    def hook(module, inputs, output):
        changed = torch.zeros_like(output)
        changed[:, channel] = output[:, channel]
        return changed

    return layer.register_forward_hook(hook)


def mute_input(layer, channel):
    def hook(module, inputs):
        changed = inputs[0].clone()
        changed[:, channel] = 0
        return changed

    return layer.register_forward_pre_hook(hook)


def mute_weights(layer, channel):
    layer.weight.data[channel] = 0
    layer.bias.data[channel] = 0
    return layer.register_forward_hook(lambda m, i, o: None)


def mute_and_remove(layer, channel):
    handle = mute(layer, channel)
    handle.remove()
    return handle


def mute_two_hooks(layer, channel):
    mute(layer, channel)
    return mute(layer, channel)


class Channel:
    muted = None


def mute_of_the_last(layer, channel):
    Channel.muted = channel

    def hook(module, inputs, output):
        changed = output.clone()
        changed[:, Channel.muted] = 0
        return changed

    return layer.register_forward_hook(hook)


def shapes(model, x, keep=lambda i, o: tuple(o.shape), modules=nn.Module.named_modules, last=True):
    found = {}
    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: found.update({name: keep(i, o)}))
        for name, module in modules(model)
        if name or last
    ]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def shapes_by_factory(model, x):
    found, handles = {}, []

    def note(name):
        def hook(module, inputs, output):
            found[name] = output.shape

        return hook

    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(note(name)))
        model(x)
    finally:
        while handles:
            handles.pop().remove()
    return found


def shapes_by_reverse(model, x):
    names, found = {module: name for name, module in model.named_modules()}, {}

    def hook(module, inputs, output):
        found[names[module]] = list(output.shape)

    handles = [module.register_forward_hook(hook) for module in names]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


def shapes_under_one_name(model, x):
    found, handles = {}, []
    for name, module in model.named_modules():
        handles.append(module.register_forward_hook(lambda m, i, o: found.update({name: o.shape})))  # noqa: B023
    model(x)
    for handle in handles:
        handle.remove()
    return found


def shapes_without_finally(model, x):
    found = {}
    handles = [
        module.register_forward_hook(lambda m, i, o, name=name: found.update({name: tuple(o.shape)}))
        for name, module in model.named_modules()
    ]
    model(x)
    for handle in handles:
        handle.remove()
    return found


def shapes_and_hooks(model, x):
    found = {}
    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: found.update({name: o.shape}))
    model(x)
    return found


def shapes_by_class(model, x):
    names = {name: type(module).__name__ for name, module in model.named_modules()}
    return {names[name]: shape for name, shape in shapes(model, x).items()}


def shapes_in_the_order_of_names(model, x):
    found = shapes(model, x)
    return {name: found[name] for name, _ in model.named_modules()}


ANSWERS = {
    "ex-shared": Answers(
        right=[outputs_of, outputs_by_partner, outputs_by_objects],
        wrong=[
            ("hooks left", lambda *given: outputs_of(*given, remove=False)),
            ("not run", outputs_without_run),
            ("run more than once", outputs_one_by_one),
            ("all in one list", outputs_in_the_last_list),
            ("the last only", outputs_under_one_name),
            ("the last only", lambda *given: [kept[-1:] for kept in outputs_of(*given)]),
            ("the first only", lambda *given: [kept[:1] for kept in outputs_of(*given)]),
            ("inputs", lambda *given: outputs_of(*given, keep=lambda i, o: i[0])),
            ("copies", lambda *given: outputs_of(*given, keep=lambda i, o: o.detach().clone())),
            ("no list for each", lambda *given: [one for kept in outputs_of(*given) for one in kept][:2]),
            ("", lambda *given: [kept[::-1] for kept in outputs_of(*given)]),
        ],
    ),
    "ex-mute": Answers(
        right=[mute, mute_by_mask, mute_by_stacking],
        wrong=[
            ("in place", mute_at(lambda channel: (ALL, channel), clone=False)),
            ("in place", mute_at(lambda channel: (ALL, channel), clone=False, returned=False)),
            ("no effect", mute_at(lambda channel: (ALL, channel), returned=False)),
            ("no effect", mute_and_remove),
            ("weights changed", mute_weights),
            ("a picture", mute_at(lambda channel: channel)),
            ("a row", mute_at(lambda channel: (ALL, ALL, channel))),
            ("a column", mute_at(lambda channel: (ALL, ALL, ALL, channel))),
            ("one picture only", mute_at(lambda channel: (0, channel))),
            ("up to the channel", mute_at(lambda channel: (ALL, slice(0, channel)))),
            ("the others muted", mute_others),
            ("the input", mute_input),
            ("not removed", mute_two_hooks),
            ("no handle", lambda layer, channel: mute(layer, channel).remove),
            ("", mute_at(lambda channel: (ALL, channel), place=1.0)),
            ("", mute_of_the_last),
        ],
    ),
    "ex-shapes": Answers(
        right=[shapes, shapes_by_factory, shapes_by_reverse],
        wrong=[
            ("one name", shapes_under_one_name),
            ("hooks left", shapes_and_hooks),
            ("hooks left after an error", shapes_without_finally),
            ("inputs", lambda model, x: shapes(model, x, keep=lambda i, o: i[0].shape)),
            ("outputs", lambda model, x: shapes(model, x, keep=lambda i, o: o)),
            ("without the network", lambda model, x: shapes(model, x, last=False)),
            ("the outermost only", lambda model, x: shapes(model, x, modules=nn.Module.named_children)),
            ("not by name", shapes_by_class),
            ("order", shapes_in_the_order_of_names),
            ("no dictionary", lambda model, x: list(shapes(model, x).items())),
            ("", lambda model, x: shapes(model, x, keep=lambda i, o: tuple(o.shape[1:]))),
        ],
    ),
}
