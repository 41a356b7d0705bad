"""grad-cam: after an error AblationCAM's own layer stays in the network, in place of the one explained."""

import torch
from pytorch_grad_cam import AblationCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn


class Third(nn.Module):
    """Raises in the third pass."""

    passes = 0

    def forward(self, x):
        """What it gets."""
        self.passes += 1
        if self.passes == 3:
            raise MemoryError
        return x


model = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 1), Third())
try:
    with AblationCAM(model, [model[0]]) as explain:
        explain(torch.ones(1, 1, 1, 2), [ClassifierOutputTarget(0)])
except MemoryError:
    pass

print(f"expected a ReLU in the network; found {type(model[0]).__name__}")
raise SystemExit(int(not isinstance(model[0], nn.ReLU)))
