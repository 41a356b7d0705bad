"""captum: LRP leaves attributes on the network's modules."""

import warnings

import torch
from captum.attr import LRP
from torch import nn

warnings.simplefilter("ignore")
model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 2, 2))
before = [set(vars(module)) for module in model]
LRP(model).attribute(torch.ones(1, 1, 2, 2), target=(0, 0, 0))

left = [sorted(set(vars(module)) - names) for module, names in zip(model, before, strict=True)]
print(f"expected no new attributes; found {left}")
raise SystemExit(int(any(left)))
