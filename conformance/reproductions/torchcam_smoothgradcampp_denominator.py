"""torchcam: SmoothGradCAMpp sums g³ ∘ A below the line, where its documentation has g³ times the sum of A."""

import torch
from torch import nn
from torchcam.methods import SmoothGradCAMpp

# Gradients 2 and 1 at places with the activations 3 and 1; nearly no noise
model = nn.Sequential(nn.Identity(), nn.Flatten(), nn.Linear(2, 1, bias=False))
model[2].weight.data = torch.tensor([[2.0, 1.0]])
x = torch.tensor([[[[3.0, 1.0]]]])

with SmoothGradCAMpp(model, model[0], std=1e-6) as explain:
    model(x)
    cam = explain(0, normalized=False)[0]

expected = 2 * 4 / (2 * 4 + 8 * (3 + 1)) + 1 * 1 / (2 * 1 + 1 * (3 + 1))
found = cam[0, 0, 1].item()  # the weight times 1
print(f"expected a weight of {expected:.4f}; found {found:.4f}")
raise SystemExit(int(abs(found - expected) > 1e-3))
