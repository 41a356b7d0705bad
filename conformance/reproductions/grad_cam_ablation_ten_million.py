"""grad-cam: at a layer without a ReLU AblationCAM sets channels to -1e7, -2e7 and so on, not to zero."""

import torch
from pytorch_grad_cam import AblationCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

model = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1))
model[0].weight.data = torch.eye(2)[:, :, None, None]
model[3].weight.data, model[3].bias.data = torch.tensor([[2.0, 1.0]]), torch.tensor([1.0])
x = torch.tensor([[[[5.0, 1.0, 1.0]], [[0.5, 5.0, 0.5]]]])

with AblationCAM(model, [model[0]]) as explain:
    cam = explain(x, [ClassifierOutputTarget(0)])[0, 0]

# Without a channel the logit loses 2·7/3 or 1·2: so the place of the first channel stands out.
print(f"expected the largest value at place 0; found {cam.round(3).tolist()}")
raise SystemExit(int(cam.argmax() != 0))
