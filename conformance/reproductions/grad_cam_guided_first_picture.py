"""grad-cam: GuidedBackpropReLUModel explains the first picture of a batch only, and says nothing."""

import torch
from pytorch_grad_cam import GuidedBackpropReLUModel
from torch import nn

model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(12, 1))
found = GuidedBackpropReLUModel(model)(torch.ones(3, 3, 2, 2), 0).shape
print(f"expected three maps, or an error; found the shape {found}")
raise SystemExit(int(found == (2, 2, 3)))
