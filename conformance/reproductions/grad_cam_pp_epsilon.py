"""grad-cam: GradCAMPlusPlus adds 1e-6 beside squared gradients, which are often smaller."""

import torch
from pytorch_grad_cam import GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

# Gradients 4e-4 and 1e-4 at four places; with so small ones the weights are 2·g.
model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1, bias=False))
model[3].weight.data = torch.tensor([[16e-4, 4e-4]])
x = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]], requires_grad=True)

with GradCAMPlusPlus(model, [model[0]]) as explain:
    cam = explain(x, [ClassifierOutputTarget(0)])[0]

print(f"expected 0.25 at the second channel's place; found {cam[1, 1]:.3f}")
raise SystemExit(int(abs(cam[1, 1] - 0.25) > 0.01))
