"""grad-cam: GuidedBackpropReLUModel gives the plain gradient of a network with ReLU6."""

import torch
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn

model = nn.Sequential(nn.ReLU6(), nn.Flatten(), nn.Linear(2, 1, bias=False))
model[2].weight.data = torch.tensor([[1.0, -1.0]])
x = torch.tensor([[[[2.0, 3.0]]]])  # within the range of ReLU6

found = GuidedBackpropReLUModel(model)(x, 0).flatten().tolist()
print(f"expected [1.0, 0.0], the negative gradient held back; found {found}")
raise SystemExit(int(found != [1.0, 0.0]))
