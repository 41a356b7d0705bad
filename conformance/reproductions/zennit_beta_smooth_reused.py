"""zennit: BetaSmooth takes all slopes of a ReLU that is used twice at its last input."""

import torch
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import BetaSmooth


def explained(first, second):
    """The slope of two ReLUs with a layer of weight -1 and bias 1.1 between them, at 1."""
    middle = nn.Linear(1, 1)
    middle.weight.data, middle.bias.data = torch.tensor([[-1.0]]), torch.tensor([1.1])
    with Gradient(nn.Sequential(nn.Flatten(), first, middle, second), BetaSmooth()) as explain:
        return round(explain(torch.tensor([[1.0]]), torch.ones(1, 1))[1].item(), 4)


shared = nn.ReLU()
expected, found = explained(nn.ReLU(), nn.ReLU()), explained(shared, shared)
print(f"expected {expected}; found {found} with one ReLU used twice")
raise SystemExit(int(expected != found))
