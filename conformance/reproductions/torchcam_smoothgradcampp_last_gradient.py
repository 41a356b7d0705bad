"""torchcam: SmoothGradCAMpp takes the first gradient of the last noisy picture alone, not the mean."""

import torch
from torch import nn
from torchcam.methods import SmoothGradCAMpp


class Squares(nn.Module):
    """The gradient at a place is twice its value."""

    def forward(self, x):
        """The sum of the squares."""
        return x.square().sum(dim=(1, 2, 3))[:, None]


model = nn.Sequential(nn.Identity(), Squares())
x = torch.ones(1, 1, 1, 2)
noises = torch.tensor([[0.5, 0.5], [-0.5, -0.5]])

with SmoothGradCAMpp(model, model[0], num_samples=2) as explain:
    draws = iter(noises.reshape(2, 1, 1, 1, 2))
    explain._distrib = type("Fixed", (), {"sample": staticmethod(lambda _: next(draws))})()
    model(x)
    weight = explain._get_weights(0)[0].item()

g = 2 * (1 + noises[:, 0])  # 3 and 1
alpha = (g**2).mean() / (2 * (g**2).mean() + 2 * (g**3).mean())
expected, last = 2 * alpha * g.mean(), 2 * alpha * g[-1]
print(f"expected a weight of {expected:.4f}; found {weight:.4f}, that of the last gradient: {last:.4f}")
raise SystemExit(int(abs(weight - expected) > 1e-4))
