"""captum: after an error DeepLift leaves its tensors on the network's activations, which keep them alive."""

import contextlib
import warnings

import torch
from captum.attr import DeepLift
from torch import nn


class Falling(nn.Module):
    """Raises."""

    def forward(self, x):
        """Nothing."""
        raise MemoryError


warnings.simplefilter("ignore")
model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(4, 2), Falling())
before = set(vars(model[0]))
with contextlib.suppress(MemoryError):
    DeepLift(model).attribute(torch.ones(1, 1, 2, 2), target=0)

left = sorted(set(vars(model[0])) - before)
print(f"expected no new attributes on the ReLU; found {left}")
raise SystemExit(int(bool(left)))
