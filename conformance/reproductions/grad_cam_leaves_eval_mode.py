"""grad-cam: a model in training mode is in eval mode afterwards."""

from pytorch_grad_cam import GradCAM
from torch import nn

model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout()).train()
with GradCAM(model, [model[0]]):
    pass

print(f"expected training to be True afterwards; found {model.training}")
raise SystemExit(int(not model.training))
