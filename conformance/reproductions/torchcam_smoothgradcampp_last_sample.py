"""torchcam: SmoothGradCAMpp multiplies the activations of the last noisy picture, not of the picture."""

import torch
from torch import nn
from torchcam.methods import SmoothGradCAMpp

head = nn.Linear(1, 1, bias=False)
head.weight.data = torch.tensor([[4.0]])
model = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
x = torch.tensor([[[[3.0, 1.0], [1.0, 2.0]]]])

torch.manual_seed(0)
with SmoothGradCAMpp(model, model[0], std=1.0) as explain:
    model(x)
    cam = explain(0, normalized=False)[0]

# With one channel the map is the activations, here the picture, times one number.
expected, found = x[0, 0] / x.max(), cam[0] / cam.max()
print(f"expected {expected.flatten().tolist()}")
print(f"found    {[round(v, 2) for v in found.flatten().tolist()]}")
raise SystemExit(int(not torch.allclose(expected, found, atol=1e-3)))
