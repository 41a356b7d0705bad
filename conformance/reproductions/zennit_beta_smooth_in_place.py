"""zennit: BetaSmooth takes its slopes at what a ReLU in place has left, 0 for all that was negative."""

import torch
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import BetaSmooth


def explained(inplace):
    """The slope at -1, where the sigmoid of 10·x is nearly zero."""
    model = nn.Sequential(nn.Flatten(), nn.ReLU(inplace))
    with Gradient(model, BetaSmooth()) as explain:
        return round(explain(torch.tensor([[-1.0]]), torch.ones(1, 1))[1].item(), 4)


expected, found = explained(inplace=False), explained(inplace=True)
print(f"expected {expected}; found {found} with a ReLU in place")
raise SystemExit(int(expected != found))
