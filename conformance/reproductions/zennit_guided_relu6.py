"""zennit: GuidedBackprop and DeconvNet give the plain gradient of a network with ReLU6."""

import torch
from torch import nn
from zennit.attribution import Gradient
from zennit.composites import DeconvNet, GuidedBackprop

model = nn.Sequential(nn.ReLU6(), nn.Flatten(), nn.Linear(3, 1, bias=False))
model[2].weight.data = torch.tensor([[1.0, -1.0, 1.0]])
x = torch.tensor([[[[2.0, 3.0, 7.0]]]])  # the last one is beyond the range of ReLU6

expected = {GuidedBackprop: [1.0, 0.0, 0.0], DeconvNet: [1.0, 0.0, 1.0]}
found = {}
for composite in expected:
    with Gradient(model, composite()) as explain:
        found[composite] = explain(x, torch.ones(1, 1))[1].flatten().tolist()
print(f"expected {list(expected.values())}; found {list(found.values())}")
raise SystemExit(int(found != expected))
