"""grad-cam: an explanation replaces the gradients that a training step has gathered by its own."""

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
x = torch.ones(1, 1, 2, 2)
(100 * model(x)).sum().backward()
before = model[4].bias.grad.clone()
with GradCAM(model, [model[1]]) as explain:
    explain(x, [ClassifierOutputTarget(0)])

print(f"expected the gradient {before.item()} to be kept; found {model[4].bias.grad.item()}")
raise SystemExit(int(not torch.equal(model[4].bias.grad, before)))
