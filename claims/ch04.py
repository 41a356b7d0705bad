"""Chapter 4: what depth does to plain and to residual networks, trained and untrained, with several seeds."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims.table import Claim, Experiment, Unit, Values, in_double
from helpers import accuracy, digits, fit

DEPTHS = (8, 20, 26)  # layers with weights


class PlainBlock(nn.Module):
    """Two convolutions with batch normalisation and ReLU."""

    def __init__(self, width: int) -> None:
        """Args: width, the number of channels."""
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def branch(self, x: Tensor) -> Tensor:
        """All but the last ReLU."""
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        """The block without a shortcut."""
        return F.relu(self.branch(x))


class ResidualBlock(PlainBlock):
    """The same with the identity shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        """The block's input plus its branch."""
        return F.relu(x + self.branch(x))


KINDS = {"plain": PlainBlock, "residual": ResidualBlock}


def small_net(kind: str, blocks: int, seed: int, width: int = 8) -> nn.Sequential:
    """The chapter's network, from a seed."""
    torch.manual_seed(seed)
    first = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    body = [KINDS[kind](width) for _ in range(blocks)]
    return nn.Sequential(*first, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def train(net: nn.Module, epochs: int) -> float:
    """Train as the chapter does; the loss of the last epoch."""
    data = digits()
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return fit(net, data.train_images, data.train_labels, sgd, epochs)[-1]


def right(net: nn.Module) -> float:
    """The accuracy on the training set, in %."""
    data = digits()
    return 100 * accuracy(net, data.train_images, data.train_labels)


def without_block(net: nn.Sequential, position: int) -> float:
    """The accuracy on the training set with one block replaced by the identity, in %."""
    shorter = copy.deepcopy(net)
    shorter[position] = nn.Identity()
    return right(shorter)


def trained(
    kind: str, seed: int, epochs: int, depths: tuple[int, ...] = DEPTHS
) -> tuple[dict[int, nn.Sequential], Values]:
    """Networks of some numbers of layers, and their losses and accuracies."""
    nets, values = {}, {}
    for layers in depths:
        nets[layers] = small_net(kind, layers // 2 - 1, seed)
        values[f"{kind}_{layers}_loss"] = train(nets[layers], epochs)
        values[f"{kind}_{layers}"] = right(nets[layers])
    return nets, values


@in_double()
def depth(unit: Unit) -> Values:
    """The chapter's training: 12 epochs."""
    seed = int(unit)
    plain, values = trained("plain", seed, 12)
    residual, more = trained("residual", seed, 12)
    values |= more
    lesions = [without_block(residual[20], place) for place in range(3, 12)]
    quiet = small_net("residual", 12, seed)
    for block in quiet:
        if isinstance(block, ResidualBlock):
            nn.init.zeros_(block.bn2.weight)
    torch.manual_seed(seed)
    return values | {
        "shallow_ahead": values["plain_8"] - max(values["plain_20"], values["plain_26"]),
        "residual_worst": min(values[f"residual_{layers}"] for layers in DEPTHS),
        "deepest_loss": values["residual_26_loss"] - max(values[f"residual_{n}_loss"] for n in (8, 20)),
        "deepest_behind": values["plain_20"] - values["plain_26"],
        "residual_ahead": min(values[f"residual_{n}"] - values[f"plain_{n}"] for n in (20, 26)),
        "lesion_first": max(lesions[:2]),
        "lesion_last": lesions[-1],
        "lesion_plain": max(without_block(plain[8], place) for place in range(3, 6)),
        "idle_start": train(quiet, 12) - values["residual_26_loss"],
    }


@in_double()
def patience(unit: Unit) -> Values:
    """The plain network of 20 layers with three times the epochs."""
    return trained("plain", int(unit), 36, (20,))[1]


def without_norm(net: nn.Sequential) -> nn.Sequential:
    """A copy without its normalisations."""
    net = copy.deepcopy(net)
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return net


@torch.no_grad()
def behind_each_block(net: nn.Sequential, x: Tensor) -> list[Tensor]:
    """The maps behind all blocks."""
    found = []
    for layer in net[:-3]:
        x = layer(x)
        if isinstance(layer, PlainBlock):
            found.append(x)
    return found


def readable(net: nn.Sequential) -> float:
    """The share of digits that are read off the last block, by the nearest mean map of a class, in %."""
    data = digits()
    images = torch.cat([data.train_images[:600], data.test_images[:300]])
    answers = torch.cat([data.train_labels[:600], data.test_labels[:300]])
    flat = behind_each_block(net, images)[-1].flatten(1)
    means = torch.stack([flat[:600][answers[:600] == k].mean(dim=0) for k in range(10)])
    nearest = torch.cdist(flat[600:], means).argmin(dim=1)
    return 100 * (nearest == answers[600:]).double().mean().item()


def gradient_norms(net: nn.Module) -> list[float]:
    """The norm of the gradient of each convolution, on the first 100 digits."""
    data = digits()
    loss = F.cross_entropy(net(data.train_images[:100]), data.train_labels[:100])
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Conv2d)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, weights)]


@in_double()
def start(unit: Unit) -> Values:
    """Untrained networks: signal, what it tells, and gradients."""
    seed, images, values = int(unit), digits().train_images[:100], {}
    for kind in KINDS:
        net = small_net(kind, 15, seed)
        signals = behind_each_block(without_norm(net), images)
        values[f"{kind}_signal"] = math.log10(signals[-1].std().item() / signals[0].std().item())
        values[f"{kind}_readable"] = readable(net)
        for layers in (20, 74):
            deep = small_net(kind, layers // 2 - 1, seed)
            sizes, bare = gradient_norms(deep), gradient_norms(without_norm(deep))
            values[f"{kind}_{layers}_growth"] = sizes[0] / sizes[-1]
            values[f"{kind}_{layers}_spread"] = max(sizes) / min(sizes)
            values[f"{kind}_{layers}_bare"] = math.log10(max(bare))
            values[f"{kind}_{layers}_bare_spread"] = max(bare) / min(bare)
    return values | {"residual_74_within_50": values["residual_74_spread"]}


def positive(value: float) -> bool:
    """A difference that has the sign that the sentence gives it."""
    return value > 0


def below(limit: float) -> Callable[[float], bool]:
    """Whether a value is below a limit."""
    return lambda value: value < limit


def above(limit: float) -> Callable[[float], bool]:
    """Whether a value is above a limit."""
    return lambda value: value > limit


START = (
    Claim(
        "plain_signal",
        "Without batch normalisation the signal behind the last of 15 plain blocks is less than a"
        " millionth of that behind the first (logarithm to base 10 of the quotient).",
        below(-6),
        0.01,
    ),
    Claim(
        "residual_signal",
        "Without batch normalisation it stays within a factor of ten through 15 residual blocks "
        "(the same logarithm).",
        lambda logarithm: abs(logarithm) < 1,
        0.01,
    ),
    Claim(
        "plain_readable",
        "Behind 15 untrained plain blocks less than 20 % of the digits can be read (in %; "
        "guessing reads 10).",
        below(20),
        1,
    ),
    Claim(
        "residual_readable",
        "Behind 15 untrained residual blocks more than 60 % can be read (in %).",
        above(60),
        1,
    ),
    Claim(
        "plain_20_growth",
        "With batch normalisation the gradient of the first convolution is larger than that of "
        "the last in an untrained plain network of 20 layers (quotient).",
        above(1),
        0.01,
    ),
    Claim(
        "plain_74_growth",
        "In one of 74 layers it is more than a thousand times as large (quotient).",
        above(1000),
        100,
    ),
    Claim(
        "residual_20_growth",
        "In a residual network of 20 layers the two are within a factor of ten (quotient).",
        lambda quotient: 0.1 < quotient < 10,
        0.01,
    ),
    Claim(
        "residual_74_growth",
        "In a residual network of 74 layers the two are within a factor of ten (quotient).",
        lambda quotient: 0.1 < quotient < 10,
        0.01,
    ),
    Claim(
        "residual_20_spread",
        "With batch normalisation the gradients of all convolutions of a residual network of 20 "
        "layers are within a factor of ten (largest by smallest).",
        below(10),
        0.01,
    ),
    Claim(
        "residual_74_spread",
        "Those of all convolutions of a residual network of 74 layers are within a factor of ten "
        "(largest by smallest).",
        below(10),
        0.1,
    ),
    Claim(
        "residual_74_within_50",
        "Those of all convolutions of a residual network of 74 layers are within a factor of fifty "
        "(largest by smallest).",
        below(50),
        0.1,
    ),
    Claim(
        "residual_74_bare_spread",
        "Without batch normalisation those of a residual network of 74 layers are within a factor"
        " of fifty (largest by smallest).",
        below(50),
        0.1,
    ),
    Claim(
        "plain_20_bare",
        "Without batch normalisation all gradients of a plain network of 20 layers are below a "
        "millionth (logarithm to base 10 of the largest).",
        below(-6),
        0.01,
    ),
    Claim(
        "plain_74_bare",
        "Without it all gradients of a plain network of 74 layers are below 1e-20 (the same logarithm).",
        below(-20),
        0.01,
    ),
)
PATIENCE = (
    Claim(
        "plain_20",
        "With 36 epochs the plain network of 20 layers is right on at least 99 % of the training set (in %).",
        lambda percent: percent >= 99,
        1,
    ),
    Claim(
        "plain_20_loss",
        "With 36 epochs its training loss is below 0.1.",
        below(0.1),
        0.02,
    ),
)
DEPTH = (
    *(
        Claim(
            f"plain_{layers}",
            f"Baseline: after 12 epochs the accuracy of the plain network of {layers} layers on its "
            "training set, in %.",
            None,
            2,
        )
        for layers in DEPTHS
    ),
    Claim(
        "shallow_ahead",
        "After 12 epochs both deep plain networks are behind the shallow one on the training set "
        "(lead over the better of them, in percentage points).",
        positive,
        2,
    ),
    Claim(
        "deepest_behind",
        "After 12 epochs the plain network of 26 layers is behind that of 20 (in percentage points).",
        positive,
        2,
    ),
    Claim(
        "residual_worst",
        "After 12 epochs all three residual networks are right on more than 99 % of the training "
        "set (the worst, in %).",
        above(99),
        0.5,
    ),
    Claim(
        "residual_ahead",
        "After 12 epochs the residual network is ahead of the plain one at 20 and at 26 layers "
        "(the smaller lead, in percentage points).",
        positive,
        2,
    ),
    Claim(
        "deepest_loss",
        "Of the three residual networks that of 26 layers has the largest training loss (lead "
        "over the larger of the others).",
        positive,
        0.01,
    ),
    Claim(
        "lesion_first",
        "Without one of its first two blocks the residual network of 20 layers falls below 50 % "
        "of the training set (the better case, in %).",
        below(50),
        2,
    ),
    Claim(
        "lesion_last",
        "Without its last block it stays above 95 % (in %).",
        above(95),
        2,
    ),
    Claim(
        "lesion_plain",
        "Without any one of its three blocks the plain network of 8 layers falls below 30 % (the "
        "best case, in %).",
        below(30),
        2,
    ),
    Claim(
        "idle_start",
        "A start with all blocks idle ends, after 12 epochs and 26 layers, with a larger training"
        " loss than the usual start (difference of the losses).",
        positive,
        0.01,
    ),
)

EXPERIMENTS = (
    Experiment("start", 4, tuple(range(10)), start, START, cost=3),
    Experiment("patience", 4, tuple(range(10)), patience, PATIENCE, cost=25),
    Experiment("depth", 4, tuple(range(10)), depth, DEPTH, cost=60),
)
