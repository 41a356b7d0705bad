"""captum: after an error the input is left with requires_grad=True."""

import contextlib
import warnings

import torch
from captum.attr import Saliency
from torch import nn

warnings.simplefilter("ignore")
model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
x = torch.ones(1, 1, 2, 2)
with contextlib.suppress(AssertionError, IndexError):
    Saliency(model).attribute(x, target=5)  # there is no such class

print(f"expected x.requires_grad to stay False; found {x.requires_grad}")
raise SystemExit(int(x.requires_grad))
