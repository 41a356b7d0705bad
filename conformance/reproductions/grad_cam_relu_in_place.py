"""grad-cam: where a ReLU in place follows the layer, its activations are read too late."""

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn


def explained(inplace):
    """Grad-CAM of the first module, which gives what it gets."""
    model = nn.Sequential(
        *(nn.Conv2d(2, 2, 1, bias=False), nn.ReLU(inplace)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1, bias=False)),
    )
    model[0].weight.data = torch.eye(2)[:, :, None, None]
    model[4].weight.data = torch.tensor([[1.0, 1.0]])
    x = torch.tensor([[[[4.0, 1.0, 1.0]], [[-2.0, 3.0, 0.0]]]])
    with GradCAM(model, [model[0]]) as explain:
        return explain(x, [ClassifierOutputTarget(0)]).flatten().round(3).tolist()


expected, found = explained(inplace=False), explained(inplace=True)
print(f"expected {expected}, as with a ReLU that is not in place; found {found}")
raise SystemExit(int(expected != found))
