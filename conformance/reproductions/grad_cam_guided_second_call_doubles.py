"""grad-cam: GuidedBackpropReLUModel adds to the gradient of the tensor, so that a second call doubles."""

import torch
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn

model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 1, bias=False))
model[2].weight.data = torch.tensor([[1.0, -1.0]])
x = torch.tensor([[[[2.0, 3.0]]]])
explain = GuidedBackpropReLUModel(model)

first, second = (explain(x, 0).flatten().tolist() for _ in range(2))
print(f"expected {first} again; found {second}; x.requires_grad is now {x.requires_grad}")
raise SystemExit(int(first != second))
