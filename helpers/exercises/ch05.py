"""The checks of chapter 5."""

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases, same


def _pictures(draw: Draw) -> list[tuple[object, ...]]:
    """A picture with some places, and one with a single place; ε is large enough to be noticed."""
    sizes = [(draw.size(2, 4), draw.size(2, 3), draw.size(4, 5)), (draw.size(2, 4), 1, 1)]
    return [
        (2 * draw.normal(*size) + 3, draw.normal(size[0]), draw.normal(size[0]), draw.number(0.1, 0.3))
        for size in sizes
    ]


def _normalised(
    picture: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    over: tuple[int, ...] = (1, 2),
    less: int = 0,
) -> Tensor:
    off = picture - picture.mean(dim=over, keepdim=True)
    count = picture.numel() // picture.sum(dim=over).numel()
    variance = (off**2).sum(dim=over, keepdim=True) / (count - less)
    return gamma[:, None, None] * (off / (variance + eps).sqrt()) + beta[:, None, None]


def _eps_outside(picture: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    mean = picture.mean(dim=(1, 2), keepdim=True)
    deviation = picture.std(dim=(1, 2), keepdim=True, correction=0) + eps
    return gamma[:, None, None] * (picture - mean) / deviation + beta[:, None, None]


def _by_variance(picture: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    mean = picture.mean(dim=(1, 2), keepdim=True)
    variance = picture.var(dim=(1, 2), keepdim=True, correction=0)
    return gamma[:, None, None] * (picture - mean) / (variance + eps) + beta[:, None, None]


same_pictures = by_cases(
    right=_normalised,
    cases=_pictures,
    wrong={
        "m - 1": (
            lambda picture, gamma, beta, eps: _normalised(picture, gamma, beta, eps, less=1),
            "Your variance divides by m - 1: that is the running one's divisor. The output's divides by m.",
        ),
        "over the channels": (
            lambda picture, gamma, beta, eps: _normalised(picture, gamma, beta, eps, over=(0,)),
            "Your mean runs over the channels: each channel has its own, over rows and columns.",
        ),
        "one for all channels": (
            lambda picture, gamma, beta, eps: _normalised(picture, gamma, beta, eps, over=(0, 1, 2)),
            "You take one mean for all channels together: each channel has its own.",
        ),
        "no epsilon": (
            lambda picture, gamma, beta, eps: _normalised(picture, gamma, beta, 0),
            "You left ε out: then one place gives 0 / 0.",
        ),
        "epsilon outside the root": (
            _eps_outside,
            "You add ε to the root: it is added to the variance, before the root is taken.",
        ),
        "divided by the variance": (
            _by_variance,
            "You divide by the variance: take its root first.",
        ),
        "no weights": (
            lambda picture, gamma, beta, eps: _normalised(
                picture, torch.ones_like(gamma), torch.zeros_like(beta), eps
            ),
            "You stop at the third formula: γ and β are still missing.",
        ),
        "beta everywhere": (
            lambda picture, gamma, beta, eps: beta[:, None, None].expand_as(picture),
            "You return β at every place: where a channel has several places, they still differ.",
        ),
        "weights exchanged": (
            lambda picture, gamma, beta, eps: _normalised(picture, beta, gamma, eps),
            "You exchanged γ and β: γ multiplies, β is added.",
        ),
        "no mean": (
            lambda picture, gamma, beta, eps: (
                _normalised(picture, gamma, beta, eps)
                + gamma[:, None, None]
                * picture.mean(dim=(1, 2), keepdim=True)
                / (picture.var(dim=(1, 2), keepdim=True, correction=0) + eps).sqrt()
            ),
            "You do not subtract the mean.",
        ),
    },
)


def _maps(draw: Draw) -> tuple[object, ...]:
    """As many columns as output channels, so that a sum along the wrong axis shows as such."""
    outputs = draw.size(4, 5)
    maps, kernel = draw.normal(2, outputs, 3, outputs), draw.normal(outputs, 2, 3, 3)
    return maps, kernel, draw.number(1.5, 3), draw.number(0.5, 2)


def _sums(kernel: Tensor) -> Tensor:
    return kernel.sum(dim=(1, 2, 3))[:, None, None]


brighter = by_cases(
    right=lambda maps, kernel, factor, added: factor * maps + added * _sums(kernel),
    cases=lambda draw: [_maps(draw) for _ in range(2)],
    wrong={
        "no kernel": (
            lambda maps, kernel, factor, added: factor * maps + added,
            "You add the same to every channel: each kernel weighs what is added to the pixels.",
        ),
        "one sum for all": (
            lambda maps, kernel, factor, added: factor * maps + added * kernel.sum(),
            "You add up all kernels: each output channel has a kernel, and a sum, of its own.",
        ),
        "mean of the kernel": (
            lambda maps, kernel, factor, added: (
                factor * maps + added * kernel.mean(dim=(1, 2, 3))[:, None, None]
            ),
            "You take the kernel's mean: a convolution adds up, so take its sum.",
        ),
        "shift multiplied": (
            lambda maps, kernel, factor, added: factor * (maps + added * _sums(kernel)),
            "You multiply the shift as well: the pictures are multiplied before the number is added.",
        ),
        "no factor": (
            lambda maps, kernel, factor, added: maps + added * _sums(kernel),
            "You left out the factor: it goes through the convolution as it is.",
        ),
        "no shift": (
            lambda maps, kernel, factor, added: factor * maps,
            "You left out what is added to the pictures: it shifts each channel.",
        ),
        "along the columns": (
            lambda maps, kernel, factor, added: factor * maps + added * kernel.sum(dim=(1, 2, 3)),
            "Your sums lie along the columns: they belong to the channels and need two more axes.",
        ),
    },
)


def _network(draw: Draw) -> nn.Sequential:
    """Two normalisations, one of them inside a block; both have statistics and weights of their own."""
    block = nn.Sequential(nn.Conv2d(4, 3, 1), nn.BatchNorm2d(3))
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), block).double()
    for weight in model.parameters():
        weight.data = draw.normal(*weight.shape)
    for norm in _norms(model):
        norm.running_mean = draw.normal(norm.num_features)
        norm.running_var = draw.uniform(norm.num_features) + 0.5
    return model.eval()


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


def _statistics(model: nn.Module) -> list[Tensor | None]:
    return [part for norm in _norms(model) for part in (norm.running_mean, norm.running_var)]


def _passed(
    model: nn.Module,
    batches: Iterable[Tensor],
    momentum: float | None = None,
    forget: bool = True,
    only: Sequence[int] = (0, 1),
) -> list[Tensor | None]:
    """The statistics after passes in training mode."""
    model = copy.deepcopy(model).train()
    for norm in [_norms(model)[k] for k in only]:
        norm.momentum = momentum
        if forget:
            norm.reset_running_stats()
    with torch.no_grad():
        for batch in batches:
            model(batch)
    return _statistics(model)


def recalibrated(answer: Answer) -> None:
    """A copy with new statistics, and nothing else changed."""
    draw = Draw()
    model = _network(draw)
    batches = [2 * draw.normal(size, 2, 5, 6) + 1 for size in (4, 6, 3)]
    before = copy.deepcopy(model)
    made, untouched = answer(model, batches), answer(model, [])
    for one in (made, untouched):
        if not isinstance(one, nn.Module):
            raise Wrong("no model", "Return the model with the new statistics.")
    if model.training or not same(_statistics(model), _statistics(before)):
        raise Wrong("the model itself", "You changed the model that you were given: work on a deep copy.")
    if made.training or any(norm.training for norm in _norms(made)):
        raise Wrong(
            "left in training mode", "Your model is still in training mode: switch it back in the end."
        )
    if not same([*made.parameters()], [*before.parameters()]):
        raise Wrong(
            "weights reset", "You changed weights, too: only the running statistics are to be forgotten."
        )
    if same(_statistics(made), _passed(model, batches)):
        if not same(_statistics(untouched), _passed(model, [])):
            raise Wrong("", "Without any batch the statistics should be forgotten: mean 0 and variance 1.")
        return
    for name, statistics, says in [
        (
            "nothing taken in",
            _passed(model, []),
            "Your statistics are still 0 and 1: let the batches pass in training mode.",
        ),
        (
            "as they were",
            _statistics(before),
            "Your statistics are the old ones: forget them, and let the batches pass in training mode.",
        ),
        (
            "momentum kept",
            _passed(model, batches, momentum=0.1),
            "The start values still weigh: `momentum` is 0.1, as always. A plain average needs another one.",
        ),
        (
            "the last batch",
            _passed(model, batches[-1:]),
            "Your statistics are those of the last batch alone: forget once, and average over all batches.",
        ),
        (
            "old ones kept",
            _passed(model, batches, momentum=0.1, forget=False),
            "The old statistics still weigh: forget them first.",
        ),
        (
            "blocks missed",
            _passed(model, batches, only=(0,)),
            "You missed layers inside blocks: look through all modules, not only the outermost ones.",
        ),
    ]:
        if same(_statistics(made), statistics):
            raise Wrong(name, says)
    raise Wrong("", "Your statistics are not the plain average over the batches.")


JUDGES = {"ex-same": same_pictures, "ex-brighter": brighter, "ex-recalibrate": recalibrated}
