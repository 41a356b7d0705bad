"""zennit: Occlusion with a tensor as attr_output gives the same for every network and picture."""

import torch
from torch import nn
from zennit.attribution import Occlusion


def explained(weight):
    """The attribution of two pixels to a class that is their weighted sum."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    model[1].weight.data = torch.tensor([weight])
    with Occlusion(model, window=(1, 1), stride=(1, 1)) as explain:
        return explain(torch.ones(1, 1, 1, 2), torch.ones(1, 1))[1].flatten().tolist()


one, other = explained([5.0, 0.0]), explained([0.0, -3.0])
print(f"expected [5.0, 0.0] and [0.0, -3.0]; found {one} and {other}")
raise SystemExit(int(one == other))
