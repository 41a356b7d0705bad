"""grad-cam: the sign of an EigenCAM is left to the decomposition: the brightest place may become zero."""

import torch
from pytorch_grad_cam import EigenCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1))
generator = torch.Generator().manual_seed(0)
found = []
for place in [0, 15] * 10:
    x = torch.rand(1, 8, 4, 4, generator=generator)
    x.flatten(2)[..., place] = 3  # in every channel this place is far the brightest
    with EigenCAM(model, [model[0]]) as explain:
        found.append(explain(x, [ClassifierOutputTarget(0)]).flatten()[place].item())

dark = sum(value == 0 for value in found)
print(f"expected 1 at the brightest place of 20 pictures; found 0 in {dark} of them")
raise SystemExit(int(dark > 0))
