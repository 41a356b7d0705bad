"""Answers to the exercises of chapter 8."""

import numpy as np
import torch

from helpers.cam import grad_cam
from helpers.images import load_image
from tests.answers import Answers


def by_hand(model, layer, x, k):
    kept = {}
    handle = layer.register_forward_hook(lambda m, i, o: kept.update(maps=o))
    score = model(x)[0, k]
    handle.remove()
    (g,) = torch.autograd.grad(score, kept["maps"])
    return torch.einsum("c,chw->hw", g.mean((2, 3))[0], kept["maps"][0]).relu().detach()


def each(of_map):
    return lambda model, layer, x, classes: [of_map(by_hand(model, layer, x, k)) for k in classes]


def at_once(model, layer, x, classes):
    return grad_cam(model, layer, x, torch.tensor([classes]))[0].flatten(1).amax(dim=1)


def rather_in_place(y, first, second):
    score = y[:, first : first + 1].clone()
    score -= y[:, second : second + 1]
    return score


def ratio_in_loops(g):
    channels = list(g[0])
    spread = sum(channel.std() for channel in channels) / len(channels)
    return spread / (sum(abs(channel.mean()) for channel in channels) / len(channels))


def louder(logits, cam, factor):
    powers = [torch.exp(factor * (value - logits.max())) for value in logits]
    high = factor * cam
    return max(powers) / sum(powers), high, high / high.max()


def explained(clf, path):
    photo = load_image(path)
    guess = clf.predict(photo, k=1)[0]
    x = clf.preprocess(photo)[None]
    return guess, grad_cam(clf.model, clf.layer, x, guess.index)[0]


def explained_by_hand(clf, path):
    photo = load_image(path)
    x = clf.preprocess(photo).unsqueeze(0)
    best = clf.model(x).argmax().item()
    return [clf.predict(photo)[0], by_hand(clf.model, clf.layer, x, best).numpy()]


def only_named(clf, path):
    guess, cam = explained(clf, path)
    return (guess.label, guess.probability), cam


def quiet(clf, path):
    try:
        return explained(clf, path)
    except ValueError:
        return None


def swallowing(clf, path):
    try:
        return explained(clf, path)
    except Exception:
        return "no picture", torch.zeros(2, 2)


def scaled(clf, path):
    guess, cam = explained(clf, path)
    return guess, cam / cam.max().clamp_min(1e-12)


def of_class_0(clf, path):
    guess, _ = explained(clf, path)
    return guess, grad_cam(clf.model, clf.layer, clf.preprocess(load_image(path))[None], 0)[0]


def of_the_second(clf, path):
    photo = load_image(path)
    first, second = clf.predict(photo, k=5)[:2]
    return first, grad_cam(clf.model, clf.layer, clf.preprocess(photo)[None], second.index)[0]


def in_a_batch(clf, path):
    guess, _ = explained(clf, path)
    return guess, grad_cam(clf.model, clf.layer, clf.preprocess(load_image(path))[None])


ANSWERS = {
    "ex-zebra": Answers(
        right=[each(torch.max), at_once, lambda *a: [float(cam) for cam in each(torch.max)(*a)]],
        wrong=[
            ("each on its own scale", each(lambda cam: (cam / (cam.max() + 1e-12)).max())),
            ("0 / 0", each(lambda cam: cam.max() / cam.max())),
            ("mean", each(lambda cam: cam.sum() / cam.numel())),
            ("sum", each(lambda cam: cam.sum())),
            ("logits", lambda model, layer, x, classes: [model(x)[0, k].item() for k in classes]),
            (
                "always the same class",
                lambda model, layer, x, ks: [grad_cam(model, layer, x).max()] * len(ks),
            ),
            ("", each(lambda cam: cam.min())),
        ],
    ),
    "ex-difference": Answers(
        right=[
            lambda y, first, second: (y[:, first] - y[:, second])[:, None],
            lambda y, first, second: -torch.diff(y[:, [first, second]], dim=1),
            rather_in_place,
        ],
        wrong=[
            ("the other way round", lambda y, first, second: torch.diff(y[:, [first, second]], dim=1)),
            ("a dimension is lost", lambda y, first, second: y.T[first] - y.T[second]),
            ("probabilities", lambda y, a, b: torch.softmax(y, 1)[:, [a]] - torch.softmax(y, 1)[:, [b]]),
            ("sign lost", lambda y, first, second: torch.diff(y[:, [first, second]], dim=1).abs()),
            ("sum", lambda y, first, second: y[:, [first, second]].sum(1, keepdim=True)),
            ("one class", lambda y, first, second: y[:, first, None]),
            ("cut off", lambda y, first, second: (y[:, [first]] - y[:, [second]]).detach()),
            ("", lambda y, first, second: y[:, [first]] / y[:, [second]]),
        ],
    ),
    "ex-earlier": Answers(
        right=[
            lambda g: g.flatten(2).std(dim=2).mean() / g.flatten(2).mean(dim=2).abs().mean(),
            lambda g: g.std((-1, -2)).sum() / g.mean((-1, -2)).abs().sum(),
            ratio_in_loops,
            lambda g: np.std(g.numpy(), (2, 3)).mean() / np.abs(g.numpy().mean((2, 3))).mean(),
        ],
        wrong=[
            ("size of every gradient", lambda g: g.flatten(2).std(2).mean() / g.abs().mean()),
            ("signs cancel", lambda g: g.flatten(2).std(2).mean() / g.mean((2, 3)).mean()),
            ("spread over the channels", lambda g: g[0].std(0).mean() / g.mean((2, 3)).abs().mean()),
            ("spread of everything", lambda g: g.flatten().std() / g.mean((2, 3)).abs().mean()),
            ("variance", lambda g: g.flatten(2).std(2).square().mean() / g.mean((2, 3)).abs().mean()),
            ("upside down", lambda g: g.mean((2, 3)).abs().mean() / g.flatten(2).std(2).mean()),
            ("a ratio for each channel", lambda g: (g.std((2, 3)) / g.mean((2, 3)).abs()).mean()),
            ("", lambda g: g.std((2, 3)) / g.mean((2, 3)).abs()),
        ],
    ),
    "ex-scale": Answers(
        right=[louder, lambda y, cam, f: ((y * f).softmax(-1).amax(), cam.mul(f), cam.div(cam.max()))],
        wrong=[
            (
                "probability times factor",
                lambda y, cam, f: (f * y.softmax(0).max(), f * cam, cam / cam.max()),
            ),
            ("probability unchanged", lambda y, cam, f: (y.softmax(0).max(), f * cam, cam / cam.max())),
            ("map unchanged", lambda y, cam, f: ((f * y).softmax(0).max(), cam, cam / cam.max())),
            ("factor squared", lambda y, cam, f: ((f * y).softmax(0).max(), f**2 * cam, cam / cam.max())),
            ("scaled map grows", lambda y, cam, f: ((f * y).softmax(0).max(), f * cam, f * cam / cam.max())),
            ("", lambda y, cam, f: (f * y.max(), f * cam, cam / cam.max())),
        ],
    ),
    "ex-folder": Answers(
        right=[explained, explained_by_hand],
        wrong=[
            ("still a batch", in_a_batch),
            ("always class 0", of_class_0),
            ("runner-up", of_the_second),
            ("scaled", scaled),
            ("swallowed", swallowing),
            ("swallowed", quiet),
            ("no guess", only_named),
            ("no guess", lambda clf, path: (explained(clf, path)[0].index, explained(clf, path)[1])),
            ("all guesses", lambda clf, path: (clf.predict(load_image(path)), explained(clf, path)[1])),
            ("", lambda clf, path: explained(clf, path)[1]),
        ],
    ),
}
