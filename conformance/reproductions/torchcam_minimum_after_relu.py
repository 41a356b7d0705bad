"""torchcam: unless normalized=False, the minimum is subtracted from maps that are zero or more already."""

import torch
from torch import nn
from torchcam.methods import GradCAM

model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
for parameter in model.parameters():
    nn.init.ones_(parameter)
x = torch.tensor([[[[3.0, 1.0], [1.0, 1.0]]]])

with GradCAM(model, model[1]) as explain:
    cam = explain(0, model(x))[0]

# The activations are 4, 2, 2, 2: no place is without evidence.
print(f"expected [1, 0.5, 0.5, 0.5] of the maximum; found {cam.flatten().tolist()}")
raise SystemExit(int(cam.min().item() < 0.4))
