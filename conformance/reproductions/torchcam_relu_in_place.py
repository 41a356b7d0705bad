"""torchcam: where a ReLU in place follows the layer, the map is that of the ReLU."""

import torch
from torch import nn
from torchcam.methods import GradCAM


def explained(inplace):
    """Grad-CAM of the first module, which gives what it gets."""
    head = nn.Linear(2, 1, bias=False)
    head.weight.data = torch.tensor([[1.0, 1.0]])
    model = nn.Sequential(
        nn.Conv2d(2, 2, 1, bias=False), nn.ReLU(inplace), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
    )
    model[0].weight.data = torch.eye(2)[:, :, None, None]
    x = torch.tensor([[[[4.0, 1.0]], [[-2.0, 3.0]]]])
    with GradCAM(model, model[0]) as explain:
        return explain(0, model(x), normalized=False)[0].flatten().tolist()


expected, found = explained(inplace=False), explained(inplace=True)
print(f"expected {expected}, as with a ReLU that is not in place; found {found}")
raise SystemExit(int(expected != found))
