"""grad-cam: GuidedBackpropReLUModel leaves one new ReLU, not in place, where there were several."""

import torch
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn

model = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2, 1))
before = list(model)
GuidedBackpropReLUModel(model)(torch.ones(1, 1, 1, 2), 0)

same = [a is b for a, b in zip(before, model, strict=True)]
print(f"expected the same five modules; found {same}, one ReLU twice: {model[0] is model[2]}")
raise SystemExit(int(not all(same)))
