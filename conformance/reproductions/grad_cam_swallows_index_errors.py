"""grad-cam: a with block swallows every IndexError, as of a class that does not exist, and goes on."""

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
raised = False
try:
    with GradCAM(model, [model[0]]) as explain:
        explain(torch.ones(1, 1, 2, 2), [ClassifierOutputTarget(5)])
except IndexError:
    raised = True

print(f"expected an IndexError; found that it was raised: {raised}")
raise SystemExit(int(not raised))
