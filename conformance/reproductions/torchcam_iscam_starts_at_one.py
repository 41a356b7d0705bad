"""torchcam: ISCAM's masks begin at 1/n, where its documentation has the sum of j/n for j from 0."""

import torch
from torch import nn
from torchcam.methods import ISCAM

seen = []
model = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
x = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])

with ISCAM(model, model[0], num_samples=4) as explain:
    model(x)
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].max().item()))
    explain(0)

found, expected = seen[1:], [0.0, 0.25, 0.75, 1.5]  # after the picture itself
print(f"expected masks whose largest values are {expected}; found {found}")
raise SystemExit(int(found != expected))
