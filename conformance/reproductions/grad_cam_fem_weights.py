"""grad-cam: FEM sums activations by the share of unusual places; the paper sums masks by channel means."""

import torch
from pytorch_grad_cam import FEM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1))
x = torch.zeros(1, 2, 4, 4)
x[0, 0, 0, 0], x[0, 0, 0, 1] = 16, 4  # of the first channel only the first place is unusual
x[0, 1, 3, 3] = 4

with FEM(model, [model[0]]) as explain:
    cam = explain(x, [ClassifierOutputTarget(0)])[0]

# masks at (0, 0) and (3, 3), weighted by the means 20/16 and 4/16: 1 and 0.2, and nothing at (0, 1)
print(f"expected 1, 0, 0.2; found {cam[0, 0]:.2f}, {cam[0, 1]:.2f}, {cam[3, 3]:.2f}")
raise SystemExit(int(abs(cam[0, 1]) > 0.01))
