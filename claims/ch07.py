"""Chapter 7: what hooks catch, and what zeroing the other logits does to the probability."""

import copy

import torch
from torch import Tensor

from claims.pictures import above, below, claim, head, labelled, photo, right_class
from claims.table import Experiment, Unit, Values
from helpers import capture, load_classifier


def caught(unit: Unit) -> Values:
    """`capture` beside `backward`, the weights' gradients that each leaves, and a channel muted."""
    name = str(unit)
    clf, x, target = load_classifier(), photo(name), right_class(name)
    with capture(clf.model, clf.layer) as kept:
        ours = kept.gradients(clf.model(x)[0, target])
    model = copy.deepcopy(clf.model)
    by_hook: list[Tensor] = []
    handle = model.get_submodule("bn2").register_forward_hook(
        lambda m, i, o: o.register_hook(by_hook.append) and None
    )
    logits = model(x)
    handle.remove()
    logits[0, target].backward()
    share = head(clf).weight[target].detach() * kept.activations.detach()[0].mean(dim=(1, 2))
    return {
        "gradients": (ours - by_hook[0]).abs().max().item(),
        "filled": sum(weight.grad is not None for weight in model.parameters()),
        "filled_capture": sum(weight.grad is not None for weight in clf.model.parameters()),
        "muted": abs(muted(x, target, int(share.argmax())) - share.max().item()),
        "share": 100 * (share.max() / logits[0, target]).item(),
    }


def muted(x: Tensor, target: int, channel: int) -> float:
    """By how much a logit falls when one channel of the last map is set to zero by a hook."""
    clf = load_classifier()
    keep = torch.ones(1280)
    keep[channel] = 0
    with torch.no_grad():
        whole = clf.model(x)[0, target]
        handle = clf.layer.register_forward_hook(lambda m, i, o: o * keep[None, :, None, None])
        without = clf.model(x)[0, target]
        handle.remove()
    return float(whole - without)


def zeroed(unit: Unit) -> Values:
    """The right class's probability after the other logits have been set to zero."""
    name = str(unit)
    clf, target = load_classifier(), right_class(name)
    with torch.no_grad():
        y = clf.model(photo(name))[0]
    only = torch.zeros(1000)
    only[target] = y[target]
    before, after = y.softmax(dim=0)[target].item(), only.softmax(dim=0)[target].item()
    return {"change": after - before, "size": abs(after - before)}


EXPERIMENTS = (
    Experiment(
        "ch07_caught",
        7,
        labelled(),
        caught,
        (
            claim(
                "gradients",
                "A hook with backward, and capture, give the same gradients, to 0.000001.",
                below(1e-6),
                1e-6,
            ),
            claim(
                "filled",
                "The call of backward leaves a gradient at each of the 149 weight tensors (number).",
                above(148),
                0,
            ),
            claim("filled_capture", "A block of capture leaves none (number).", below(1), 0),
            claim(
                "muted",
                "A channel muted by a hook costs its share of the logit, to 0.0001.",
                below(1e-4),
                1e-4,
            ),
            claim(
                "share",
                "The strongest of 1280 channels carries less than 10 % of the logit (%).",
                below(10),
                0.1,
            ),
        ),
        0.3,
    ),
    Experiment(
        "ch07_zeroed",
        7,
        labelled(),
        zeroed,
        (
            claim("size", "Zeroing the other logits changes the probability by more than 0.1.", above(0.1)),
            claim("change", "It makes the right class look more probable (change).", above(0)),
        ),
        0.1,
    ),
)
