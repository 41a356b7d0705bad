"""grad-cam: after an error GuidedBackpropReLUModel's own modules stay in the network."""

import contextlib

import torch
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn

model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 1))
with contextlib.suppress(IndexError):
    GuidedBackpropReLUModel(model)(torch.ones(1, 1, 1, 2), 5)  # there is no such class

print(f"expected a ReLU in the network; found {type(model[0]).__name__}")
raise SystemExit(int(not isinstance(model[0], nn.ReLU)))
