"""captum: GuidedBackprop and Deconvolution give the plain gradient of a network with ReLU6."""

import warnings

import torch
from captum.attr import Deconvolution, GuidedBackprop
from torch import nn

warnings.simplefilter("ignore")
model = nn.Sequential(nn.ReLU6(), nn.Flatten(), nn.Linear(3, 1, bias=False))
model[2].weight.data = torch.tensor([[1.0, -1.0, 1.0]])
x = torch.tensor([[[[2.0, 3.0, 7.0]]]])  # the last one is beyond the range of ReLU6

expected = {GuidedBackprop: [1.0, 0.0, 0.0], Deconvolution: [1.0, 0.0, 1.0]}
found = {method: method(model).attribute(x, target=0).flatten().tolist() for method in expected}
print(f"expected {list(expected.values())}; found {list(found.values())}")
raise SystemExit(int(found != expected))
