"""grad-cam: AblationCAM divides by the logit, so that a negative one turns the map round."""

import torch
from pytorch_grad_cam import AblationCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

x = torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]])


def explained(bias):
    """The channel on the left speaks for the class, the one on the right against it, whatever the bias."""
    model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1))
    model[3].weight.data, model[3].bias.data = torch.tensor([[8.0, -4.0]]), torch.tensor([bias])
    with AblationCAM(model, [model[0]]) as explain:
        return explain(x, [ClassifierOutputTarget(0)]).flatten().round(3).tolist()


positive, negative = explained(0.0), explained(-20.0)
print(f"expected {positive} for both; found {negative} with a negative logit")
raise SystemExit(int(positive != negative))
