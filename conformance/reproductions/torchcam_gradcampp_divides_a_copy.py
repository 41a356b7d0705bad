"""torchcam: GradCAMpp's weights lack the denominator; `alpha[idx][mask].div_()` divides a copy."""

import torch
from torch import nn
from torchcam.methods import GradCAMpp

# y = 4·mean(first channel) + 2·mean(second): gradients 1 and 1/2 at each of four places
head = nn.Linear(2, 1, bias=False)
head.weight.data = torch.tensor([[4.0, 2.0]])
model = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
x = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]]], requires_grad=True)

with GradCAMpp(model, model[0]) as explain:
    cam = explain(0, model(x), normalized=False)[0]

# weight of a channel: four times g / (2 + g·ΣA)
expected, cubes = 4 / (2 + 1), 4 * 1.0**3
print(f"expected {expected:.3f} at the first channel's place; found {cam[0, 0, 0]:.3f}, 4·g³ = {cubes}")
raise SystemExit(int(abs(cam[0, 0, 0] - expected) > 1e-3))
