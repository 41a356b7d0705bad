"""Answers to the exercises of chapter 12."""

import numpy as np
import torch

from helpers.cam import grad_cam
from tests.answers import Answers


def by_helpers(model, layer, x, target):
    return grad_cam(model, layer, x, target)[0]


def by_hand(model, layer, x, target, score=lambda y, k: y[0, k], finish=torch.relu, copied=True, stays=False):
    kept = {}

    def keep(module, inputs, output):
        kept["a"] = output
        return output.clone() if copied else None

    handle = layer.register_forward_hook(keep)
    try:
        y = model(x)
    finally:
        if not stays:
            handle.remove()
    (g,) = torch.autograd.grad(score(y, target), kept["a"])
    return finish(torch.einsum("c,chw->hw", g.mean((0, 2, 3)), kept["a"][0])).detach()


def with_(**options):
    return lambda *arguments: by_hand(*arguments, **options)


def in_training_mode(model, layer, x, target):
    cam = by_hand(model, layer, x, target)
    model.train()
    return cam


def backward(model, layer, x, target):
    kept = []
    handles = [
        layer.register_forward_hook(lambda m, i, o: (kept.append(o), o.retain_grad(), o.clone())[-1]),
    ]
    model(x)[0, target].backward()
    for handle in handles:
        handle.remove()
    (a,) = kept
    return torch.einsum("c,chw->hw", a.grad.mean((0, 2, 3)), a[0]).relu().detach()


def of_gradients(weigh):
    def answer(model, layer, x, target):
        kept = []
        handle = layer.register_forward_hook(lambda m, i, o: (kept.append(o), o.clone())[1])
        y = model(x)
        handle.remove()
        (g,) = torch.autograd.grad(y[0, target], kept[0])
        return (weigh(g) * kept[0]).sum(1).relu()[0].detach()

    return answer


def pixel_by_pixel(photo):
    pixels = (
        list(photo.get_flattened_data()) if hasattr(photo, "get_flattened_data") else list(photo.getdata())
    )
    return sum(max(pixel) - min(pixel) for pixel in pixels) / len(pixels)


def colours(photo):
    return torch.tensor(np.array(photo)).double()


def said(decide):
    def healthy(model, prepare, categories, photo, name):
        p = torch.softmax(model(prepare(photo).unsqueeze(0)), dim=-1).squeeze(0)
        return decide(p, categories.index(name))

    return healthy


def in_steps(model, prepare, categories, photo, name):
    p = model(prepare(photo)[None])[0].softmax(dim=0)
    if categories[p.argmax().item()] != name:
        return False
    return p.max() > 0.9


ANSWERS = {
    "ex-find-the-six": Answers(
        right=[by_helpers, by_hand, with_(finish=lambda s: s.clamp(min=0))],
        wrong=[
            ("the probability", with_(score=lambda y, k: y.softmax(1)[0, k])),
            ("on its own scale", with_(finish=lambda s: s.clamp(min=0) / (s.clamp(min=0).max() + 1e-12))),
            ("no ReLU", with_(finish=lambda s: s)),
            ("absolute value", with_(finish=lambda s: s.abs())),
            ("sizes of gradients", of_gradients(lambda g: g.abs().mean((2, 3), keepdim=True))),
            ("sum of gradients", of_gradients(lambda g: g.sum((2, 3), keepdim=True))),
            ("place by place", of_gradients(lambda g: g)),
            ("other class", with_(score=lambda y, k: y.max())),
            ("hook stays", with_(stays=True)),
            ("training mode", in_training_mode),
            ("gradients pile up", backward),
            ("", lambda *a: by_hand(*a)[None]),
        ],
    ),
    "ex-who-minds": Answers(
        right=[
            pixel_by_pixel,
            lambda photo: (colours(photo).amax(-1) - colours(photo).amin(-1)).mean(),
            lambda photo: np.mean(np.max(photo, axis=2).astype(int) - np.min(photo, axis=2)),
        ],
        wrong=[
            ("brightness", lambda photo: colours(photo).mean()),
            ("over the picture", lambda photo: colours(photo).max() - colours(photo).min()),
            ("means of the colours", lambda photo: np.ptp(np.mean(photo, axis=(0, 1)))),
            ("along the rows", lambda photo: (colours(photo).amax(0) - colours(photo).amin(0)).mean()),
            ("along the columns", lambda photo: (colours(photo).amax(1) - colours(photo).amin(1)).mean()),
            (
                "red and blue only",
                lambda photo: (colours(photo)[..., 0] - colours(photo)[..., 2]).abs().mean(),
            ),
            ("bytes run over", lambda photo: np.subtract(*np.array(photo).T[[0, 2]]).mean()),
            ("", lambda photo: colours(photo).std(-1).mean()),
        ],
    ),
    "ex-catch-it": Answers(
        right=[
            said(lambda p, k: p[k] > 0.9),
            in_steps,
            said(lambda p, k: p.max() == p[k] and p[k].item() > 0.9),
        ],
        wrong=[
            ("name only", said(lambda p, k: p.argmax() == k)),
            ("probability only", said(lambda p, k: (p > 0.9).any())),
            ("one of two", said(lambda p, k: p.argmax() == k or p.max() > 0.9)),
            ("always", lambda *_: True),
            ("switched", lambda model, *others: bool(model.eval()) or others),
            ("", lambda *_: 0.95),
            ("turned round", said(lambda p, k: not p[k] > 0.9)),
            ("", said(lambda p, k: False)),
            ("", said(lambda p, k: "healthy")),
        ],
    ),
}
