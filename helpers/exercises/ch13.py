"""The checks of chapter 13."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Judge, any_of, by_cases


def _of_pixels(score: Callable[[Tensor, int], Tensor]) -> Answer:
    """The gradient of some score at the pixels."""

    def gradient(model: nn.Module, x: Tensor, target: int) -> Tensor:
        pixels = x.clone().requires_grad_()
        return torch.autograd.grad(score(model(pixels), target), pixels)[0]

    return gradient


_gradient = _of_pixels(lambda logits, k: logits[0, k])
_of_all = _of_pixels(lambda logits, k: logits.sum())
_of_probability = _of_pixels(lambda logits, k: logits.softmax(dim=1)[0, k])


def _networks(draw: Draw) -> list[tuple[object, ...]]:
    cases: list[tuple[object, ...]] = []
    for shape in ((1, draw.size(4, 9)), (1, 3, draw.size(3, 4), 5)):
        x = draw.normal(*shape)
        net = nn.Sequential(nn.Flatten(), nn.Linear(x.numel(), 12), nn.ReLU(), nn.Linear(12, 4))
        cases.append((draw.filled(net), x, draw.size(1, 3)))
    return cases


times_input = by_cases(
    right=lambda model, x, k: x * _gradient(model, x, k),
    cases=_networks,
    wrong={
        "gradient only": (
            _gradient,
            "You returned the gradient: that is what a change would do. Multiply it by the input.",
        ),
        "sizes": (
            lambda model, x, k: (x * _gradient(model, x, k)).abs(),
            "You dropped the signs: shares for and against the class must cancel in the sum.",
        ),
        "size of the gradient": (
            lambda model, x, k: x * _gradient(model, x, k).abs(),
            "You dropped the gradient's sign: it says in which direction the score would change.",
        ),
        "already summed": (
            lambda model, x, k: (x * _gradient(model, x, k)).sum(),
            "You added the shares up: return one number for each input, and add later.",
        ),
        "all classes": (
            lambda model, x, k: x * _of_all(model, x, k),
            "You explained all logits together: take the logit of the one class before the gradient.",
        ),
        "probability": (
            lambda model, x, k: x * _of_probability(model, x, k),
            "You explained the probability: the softmax brings the other classes in. Take the logit.",
        ),
        "times the score": (
            lambda model, x, k: model(x)[0, k] * _gradient(model, x, k),
            "You multiplied by the score: each gradient belongs to one input. Multiply it by that input.",
        ),
    },
)


def _integrated(
    points: Callable[[Tensor, float], Tensor], lengths: Callable[[Tensor, float, float], Tensor]
) -> Answer:
    """Integrated gradients with points and lengths of steps made from the even `s`."""

    def integrated(slope: Answer, x: Tensor, steps: int, power: float) -> Any:
        s = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
        pairs = zip(points(s, power), lengths(s, power, 1 / steps), strict=True)
        return x * sum(length * slope(t * x) for t, length in pairs)

    return integrated


def _derived(s: Tensor, power: float, step: float) -> Tensor:
    return power * s ** (power - 1) * step


def _measured(s: Tensor, power: float, step: float) -> Tensor:
    return (s + step / 2) ** power - (s - step / 2) ** power


def _even(s: Tensor, power: float, step: float) -> Tensor:
    return torch.full_like(s, step)


def _without_x(answer: Answer) -> Answer:
    return lambda slope, x, steps, power: answer(slope, x, steps, power) / x


def _ways(draw: Draw) -> list[tuple[object, ...]]:
    """Slopes that change on the way; in single precision, as the page's own steps are."""
    cases: list[tuple[object, ...]] = []
    for power in (2, 3):
        a, b = draw.normal(2, 1, 3, draw.size(3, 4), 5).float()
        cases.append((_slope(a, b), 1 + a.square(), draw.size(4, 6), power))
    return cases


def _slope(a: Tensor, b: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda point: b + (3 * a * point).cos()


def _uneven(lengths: Callable[[Tensor, float, float], Tensor]) -> Judge:
    """A judge for one of the two ways to say how long a step is."""
    return by_cases(
        right=_integrated(torch.pow, lengths),
        cases=_ways,
        wrong={
            "not weighed": (
                _integrated(torch.pow, _even),
                "You weighed all gradients alike: each counts for the length of its own step.",
            ),
            "points not moved": (
                _integrated(lambda s, power: s, lengths),
                "Your points are still even: only the lengths have changed. Ask for the gradient at s^power.",
            ),
            "close together at the photo": (
                _integrated(lambda s, power: 1 - (1 - s) ** power, lambda *a: lengths(1 - a[0], *a[1:])),
                "Your points are close together near the photo: the score rises near grey.",
            ),
            "factor forgotten": (
                _integrated(torch.pow, lambda s, power, step: s ** (power - 1) * step),
                "Your lengths lack the factor of the derivative: all lengths together make 1.",
            ),
            "weighed by the place": (
                _integrated(torch.pow, lambda s, power, step: s**power * step),
                "You weighed each gradient by where it is: weigh it by how long its step is.",
            ),
            "always cubes": (
                _integrated(lambda s, power: s**3, lambda s, power, step: lengths(s, 3, step)),
                "Your function takes s^3 whatever `power` is: use the power that it is given.",
            ),
            "root": (
                _integrated(lambda s, power: s ** (1 / power), lengths),
                "You took a root: points between 0 and 1 move towards grey when you raise them to a power.",
            ),
            "times no distance": (
                _without_x(_integrated(torch.pow, lengths)),
                "You added the gradients up and stopped: a share is that sum times the way, here the photo.",
            ),
            "beginnings of the steps": (
                _integrated(
                    lambda s, power: (s - s[0]) ** power, lambda s, p, step: lengths(s - s[0], p, step)
                ),
                "You took s at the beginning of each step: take it in the middle.",
            ),
            "ends of the steps": (
                _integrated(
                    lambda s, power: (s + s[0]) ** power, lambda s, p, step: lengths(s + s[0], p, step)
                ),
                "You took s at the end of each step: take it in the middle.",
            ),
            "not divided": (
                _integrated(torch.pow, lambda s, power, step: lengths(s, power, step) / step),
                "Your steps are too long, so the sum grows with their number: all lengths together make 1.",
            ),
        },
    )


# A step is as long as its ends are apart, or as the derivative in its middle says.
uneven = any_of(_uneven(_derived), _uneven(_measured))


def _size_of_mean(g: Tensor) -> Tensor:
    return g.mean(dim=0).abs().amax(dim=1)


def _mean_of_sizes(g: Tensor) -> Tensor:
    return g.abs().mean(dim=0).amax(dim=1)


two_maps = by_cases(
    right=lambda g: (_size_of_mean(g), _mean_of_sizes(g)),
    cases=lambda draw: [
        (draw.normal(draw.size(4, 6), 2, 3, draw.size(3, 5), draw.size(6, 8)),) for _ in range(2)
    ],
    wrong={
        "exchanged": (
            lambda g: (_mean_of_sizes(g), _size_of_mean(g)),
            "Your two maps are exchanged: the size of the mean comes first, where noise may cancel.",
        ),
        "twice the size of the mean": (
            lambda g: (_size_of_mean(g), _size_of_mean(g)),
            "Both of your maps let noise cancel: for the second, take sizes before the mean.",
        ),
        "twice the mean of the sizes": (
            lambda g: (_mean_of_sizes(g), _mean_of_sizes(g)),
            "Nothing cancels in either of your maps: for the first, take the mean before the size.",
        ),
        "signs kept": (
            lambda g: (g.mean(dim=0).amax(dim=1), _mean_of_sizes(g)),
            "You took the largest number and not the largest size: a strong negative gradient is lost.",
        ),
        "mean over the colours": (
            lambda g: (g.mean(dim=0).abs().mean(dim=1), g.abs().mean(dim=(0, 2))),
            "You averaged over the colours: of the three, the largest size is kept.",
        ),
        "mean over the classes": (
            lambda g: (g.mean(dim=1).abs().amax(dim=1), g.abs().mean(dim=1).amax(dim=1)),
            "You averaged over the classes: the copies are dimension 0.",
        ),
        "colours before copies": (
            lambda g: (_size_of_mean(g), g.abs().amax(dim=2).mean(dim=0)),
            "You chose a colour in each copy by itself: take the mean over the copies first.",
        ),
        "mean of squares": (
            lambda g: (_size_of_mean(g), g.square().mean(dim=0).amax(dim=1)),
            "Your second map is a mean of squares: that is a third method. Take sizes.",
        ),
    },
)

KINDS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.GELU, nn.SiLU)


def _activations(draw: Draw) -> list[tuple[object, ...]]:
    """Networks within networks, with five kinds of activation functions to look for."""
    cases: list[tuple[object, ...]] = []
    for _ in range(2):
        deep = [KINDS[k]() for k in draw.labels(4, 3).tolist()]
        inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.ReLU6(), nn.Sequential(*deep), nn.Hardswish())
        outer = nn.Sequential(nn.ReLU(), inner, nn.ReLU6(), nn.ReLU(), nn.Hardswish(), nn.Tanh())
        cases.append((outer, KINDS))
    return cases


def _names(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> list[str]:
    return [type(module).__name__ for module in model.modules() if isinstance(module, kinds)]


def _counts(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in set(names)}


was_it_applied = by_cases(
    right=lambda model, kinds: _counts(_names(model, kinds)),
    cases=_activations,
    wrong={
        "first level only": (
            lambda model, kinds: _counts([type(m).__name__ for m in model if isinstance(m, kinds)]),
            "You looked at the first level only: modules hold modules, and those count, too.",
        ),
        "ReLU6 taken for ReLU": (
            lambda model, kinds: _counts([name.replace("6", "") for name in _names(model, kinds)]),
            "You counted ReLU6 as ReLU: that is the very difference which the libraries overlook.",
        ),
        "one of each": (
            lambda model, kinds: dict.fromkeys(_names(model, kinds), 1),
            "You noted which kinds there are: count how often each occurs.",
        ),
        "all together": (
            lambda model, kinds: len(_names(model, kinds)),
            "You counted all kinds together: each kind needs a number of its own.",
        ),
        "every module": (
            lambda model, kinds: _counts([type(m).__name__ for m in model.modules()]),
            "You counted every module: only those of the given kinds are asked for.",
        ),
        "classes for names": (
            lambda model, kinds: {k: n for k in kinds if (n := _names(model, kinds).count(k.__name__))},
            "Your keys are classes: use their names, which are strings.",
        ),
        "with zeros": (
            lambda model, kinds: {k.__name__: _names(model, kinds).count(k.__name__) for k in kinds},
            "You list kinds that do not occur: leave out those with a count of zero.",
        ),
    },
)

JUDGES = {
    "ex-gradient-times-pixel": times_input,
    "ex-uneven-steps": uneven,
    "ex-smooth-question": two_maps,
    "ex-was-it-applied": was_it_applied,
}
