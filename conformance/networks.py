"""Small networks in double precision, with weights from a seed, for each condition of the matrix."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Callable[[], nn.Module]
SIDE = 16  # of the pictures; the map of "middle" and "end" has half of it
CLASSES = 5


def network(condition: str = "ReLU") -> nn.Sequential:
    """Three blocks, a mean over the places, a linear layer; `condition` is one of `CONDITIONS`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CONDITIONS[condition]()
        for module in model.modules():
            _draw(module)
    return model.double().eval()


def pictures(count: int = 1) -> Tensor:
    """Pictures of noise, (count, 3, 16, 16)."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(3, 3, SIDE, SIDE, generator=generator, dtype=torch.float64)[:count]


def ranked(model: nn.Module, x: Tensor) -> list[list[int]]:
    """The classes of each picture, highest logit first."""
    with torch.no_grad():
        return [[int(k) for k in row] for row in model(x).argsort(dim=1, descending=True)]


def steps(model: nn.Module) -> list[nn.Module]:
    """The modules without parts, in the order in which they run, each as often as it runs."""
    parts = list(model.children())
    return [step for part in parts for step in steps(part)] if parts else [model]


def _block(inputs: int, outputs: int, stride: int, *after: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), *after)


def _blocks(activation: Activation) -> nn.Sequential:
    return _whole(
        front=_block(3, 4, 1, activation()),
        middle=_block(4, 6, 2, activation()),
        end=_block(6, 8, 1, activation()),
    )


def _overwritten() -> nn.Sequential:
    """What "middle" hands on is overwritten by the ReLU that follows it."""
    return _whole(
        front=_block(3, 4, 1, nn.ReLU()),
        middle=_block(4, 6, 2),
        relu=nn.ReLU(inplace=True),
        end=_block(6, 8, 1, nn.ReLU()),
    )


def _as_read() -> nn.Sequential:
    """The same network, with what is read at "middle" where a library reads it too late.

    Activations behind the ReLU, gradients before it: the second ReLU changes no value, but gates gradients.
    """
    return _whole(
        front=_block(3, 4, 1, nn.ReLU()),
        middle=_block(4, 6, 2, nn.ReLU()),
        relu=nn.ReLU(),
        end=_block(6, 8, 1, nn.ReLU()),
    )


class Function(nn.Module):
    """A ReLU that is no module of its own, as in `F.relu(self.conv(x))`."""

    def forward(self, x: Tensor) -> Tensor:
        """Hand on what is positive."""
        return F.relu(x)


def _reused() -> nn.Sequential:
    shared = nn.ReLU()
    return _blocks(lambda: shared)


def _whole(**front: nn.Module) -> nn.Sequential:
    tail = {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "head": nn.Linear(8, CLASSES)}
    return nn.Sequential(OrderedDict(front | tail))


def _draw(module: nn.Module) -> None:
    """Statistics that differ from those of a new network, and values large enough for ReLU6 to saturate."""
    if isinstance(module, nn.BatchNorm2d):
        for values, low, high in (
            (module.weight, 2, 4),
            (module.bias, 0, 2),
            (module.running_mean, -0.2, 0.2),
            (module.running_var, 0.3, 0.6),
        ):
            nn.init.uniform_(values, low, high)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight)
        nn.init.uniform_(module.bias, 0, 2)


CONDITIONS: dict[str, Callable[[], nn.Sequential]] = {
    "ReLU": lambda: _blocks(nn.ReLU),
    "ReLU6": lambda: _blocks(nn.ReLU6),
    "in place": lambda: _blocks(lambda: nn.ReLU(inplace=True)),
    "reused": _reused,
    "function": lambda: _blocks(Function),
    "overwritten": _overwritten,
    "overwritten, as read": _as_read,
}
