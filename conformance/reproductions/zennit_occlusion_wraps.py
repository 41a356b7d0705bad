"""zennit: Occlusion's window wraps round the border where the stride does not divide the picture."""

import torch
from torch import nn
from zennit.attribution import Occlusion

seen = []
model = nn.Sequential(nn.Flatten(), nn.Linear(6, 1))
model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten().tolist()))
with Occlusion(model, window=(1, 4), stride=(1, 4)) as explain:
    explain(torch.ones(1, 1, 1, 6), lambda output: output)

# It hides all but the window.
expected = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
print(f"expected the second window to be {expected}; found {seen[1]}")
raise SystemExit(int(seen[1] != expected))
