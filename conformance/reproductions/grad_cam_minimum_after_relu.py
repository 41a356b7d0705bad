"""grad-cam: the minimum is subtracted from maps that the ReLU has made zero or more already."""

import torch
from pytorch_grad_cam import HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
for parameter in model.parameters():
    nn.init.ones_(parameter)
x = torch.tensor([[[[3.0, 1.0], [1.0, 1.0]]]])

with HiResCAM(model, [model[1]]) as explain:
    cam = explain(x, [ClassifierOutputTarget(0)])[0]

# The activations are 4, 2, 2, 2: no place is without evidence.
print(f"expected [1, 0.5, 0.5, 0.5] of the maximum; found {cam.flatten().round(3).tolist()}")
raise SystemExit(int(cam.min() < 0.4))
