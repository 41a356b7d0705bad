"""Layer-wise relevance propagation by hand: rules that hand relevance down, step by step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.formulas import Formula, Target
from conformance.networks import steps

# From (step, its input, the relevance of its output) to the relevance of its input.
Propagation = Callable[[nn.Module, Tensor, Tensor], Tensor]


def relevance(rules: Callable[[nn.Module, bool], Propagation]) -> Formula:
    """LRP, Bach et al. 2015: one unit of relevance at the logit, handed down by the rule of each step.

    `rules` gives the rule for a step and whether it is the first one that has weights.
    """

    def formula(model: nn.Module, _layer: nn.Module, x: Tensor, target: Target) -> Tensor:
        path = steps(model)
        inputs = [x]
        for step in path:
            inputs.append(step(inputs[-1].clone()).detach())
        r = F.one_hot(torch.tensor(target), inputs.pop().shape[1]).to(x)
        for step, a in zip(path[::-1], inputs[::-1], strict=True):
            r = rules(step, step is path[0])(step, a, r)
        return r

    return formula


def shares(parts: Callable[[nn.Module], list[tuple[Callable[[Tensor], Tensor], nn.Module]]]) -> Propagation:
    """Relevance in proportion to the contributions of parts of the input through parts of the step."""

    def rule(step: nn.Module, a: Tensor, r: Tensor) -> Tensor:
        seen = [(cut(a).detach().requires_grad_(), part) for cut, part in parts(step)]
        z = sum(part(cut) for cut, part in seen)
        s = (r / (z + 1e-6 * torch.where(z >= 0, 1.0, -1.0))).detach()
        gradients = torch.autograd.grad((z * s).sum(), [cut for cut, _ in seen])
        return sum(g * cut for g, (cut, _) in zip(gradients, seen, strict=True)).detach()

    return rule


def with_weights(step: nn.Module, change: Callable[[Tensor], Tensor], bias: bool) -> nn.Module:
    """A convolution or linear layer with changed weights, and with its bias, likewise changed, or none."""
    changed = _functional(step)
    weight = change(step.weight.detach())
    shift = change(step.bias.detach()) if bias and step.bias is not None else None
    return _Linear(lambda a: changed(a, weight, shift))


def _functional(step: nn.Module) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    if isinstance(step, nn.Conv2d):
        return lambda a, weight, bias: F.conv2d(a, weight, bias, step.stride, step.padding)
    return F.linear


class _Linear(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, a: Tensor) -> Tensor:
        return self.function(a)


def _identity(values: Tensor) -> Tensor:
    return values


def _above(values: Tensor) -> Tensor:
    return values.clamp(min=0)


def _below(values: Tensor) -> Tensor:
    return values.clamp(max=0)


def through(_step: nn.Module, _a: Tensor, r: Tensor) -> Tensor:
    """All relevance passes."""
    return r


def gradient(step: nn.Module, a: Tensor, r: Tensor) -> Tensor:
    """Relevance goes the way of the gradient."""
    a = a.clone().requires_grad_()
    return torch.autograd.grad(step(a.clone()), a, r)[0]


epsilon = shares(lambda step: [(_identity, step)])
positive = shares(
    lambda step: [(_above, with_weights(step, _above, True)), (_below, with_weights(step, _below, False))]
)
negative = shares(
    lambda step: [(_above, with_weights(step, _below, True)), (_below, with_weights(step, _above, False))]
)


def alpha_beta(step: nn.Module, a: Tensor, r: Tensor) -> Tensor:
    """Bach et al. 2015, equation 60, with α = 2 and β = 1."""
    return 2 * positive(step, a, r) - negative(step, a, r)


def flat(step: nn.Module, a: Tensor, r: Tensor) -> Tensor:
    """Lapuschkin et al. 2019: every input below gets the same share."""
    return shares(lambda step: [(_identity, with_weights(step, torch.ones_like, False))])(
        step, torch.ones_like(a), r
    )


def composite(convolution: Propagation, first: Propagation | None = None) -> Formula:
    """The rule given for convolutions, epsilon for linear layers and means; all else passes."""

    def rules(step: nn.Module, is_first: bool) -> Propagation:
        if isinstance(step, nn.Conv2d):
            return first if first and is_first else convolution
        if isinstance(step, nn.Linear | nn.AdaptiveAvgPool2d):
            return epsilon
        return gradient if isinstance(step, nn.Flatten) else through

    return relevance(rules)


def excitation_backprop(model: nn.Module, layer: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Zhang et al., ECCV 2016, equation 4: probabilities by positive weights; all else as the gradient."""

    def rules(step: nn.Module, _is_first: bool) -> Propagation:
        if isinstance(step, nn.Conv2d | nn.Linear):
            return positive
        return epsilon if isinstance(step, nn.AdaptiveAvgPool2d) else gradient

    return relevance(rules)(model, layer, x, target)
