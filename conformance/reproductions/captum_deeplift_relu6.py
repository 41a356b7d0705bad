"""captum: DeepLift takes the plain gradient through ReLU6, so that attributions miss the difference."""

import warnings

import torch
from captum.attr import DeepLift
from torch import nn

warnings.simplefilter("ignore")
model = nn.Sequential(nn.ReLU6(), nn.Flatten(), nn.Linear(1, 1, bias=False))
model[2].weight.data = torch.tensor([[1.0]])
x = torch.tensor([[[[8.0]]]])

found = DeepLift(model).attribute(x, target=0).item()
print(f"expected 6.0, what the output gains over a zero input; found {found}")
raise SystemExit(int(abs(found - 6) > 1e-4))
