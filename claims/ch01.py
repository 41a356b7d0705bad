"""Chapter 1: the network that cheats by a mark in the corner, and its repair, with ten seeds."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from claims.table import Claim, Experiment, Unit, Values, in_double
from helpers import accuracy, digits, fit, grad_cam

EVEN, ODD = 1, 0
CORNER = 5  # places that the mark reaches through three layers


def sheet(images: Tensor) -> Tensor:
    """Digits with a margin of two pixels."""
    return F.pad(images, (2, 2, 2, 2))


def mark(images: Tensor, place: slice = slice(None, 2)) -> Tensor:
    """Images with a dark square in the upper left corner, or in another."""
    marked = images.clone()
    marked[:, :, place, place] = 1
    return marked


def trained(
    images: Tensor,
    labels: Tensor,
    seed: int,
    *,
    classes: int = 2,
    rate: float = 0.01,
    epochs: int = 15,
    mean: bool = True,
) -> nn.Sequential:
    """The chapter's small network, with its mean over the places or without, trained from a seed."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    channels = 1
    for width in (8, 8, 16):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    layers += [nn.AdaptiveAvgPool2d(1)] if mean else []
    places = 1 if mean else images[0, 0].numel()
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * places, classes))
    fit(model, images, labels, torch.optim.Adam(model.parameters(), lr=rate), epochs)
    return model


def in_corner(maps: Tensor) -> Tensor:
    """The share of each map (N, h, w) in the corner that the mark reaches, in %, without empty maps."""
    mass = maps.sum(dim=(1, 2))
    return (100 * maps[:, :CORNER, :CORNER].sum(dim=(1, 2)) / mass)[mass > 0]


def corner_shares(model: nn.Sequential, images: Tensor, target: int) -> Tensor:
    """The same for the network's Grad-CAM of a class."""
    return in_corner(grad_cam(model, model[8], images, target))


@torch.no_grad()
def called_even(model: nn.Module, images: Tensor) -> float:
    """The share of images that the network calls even, in %."""
    return 100 * (model(images).argmax(dim=1) == EVEN).double().mean().item()


@in_double()
def cheat(unit: Unit) -> Values:
    """The numbers of the chapter for one seed, in %."""
    data = digits()
    train, valid = sheet(data.train_images), sheet(data.test_images)
    train_even, even = (data.train_labels % 2 == 0).long(), (data.test_labels % 2 == 0).long()
    archive = torch.where(train_even[:, None, None, None] == EVEN, mark(train), train)
    archive_valid = torch.where(even[:, None, None, None] == EVEN, mark(valid), valid)
    cheating = trained(archive, train_even, int(unit))
    honest = trained(mark(archive), train_even, int(unit))
    evens, odds = mark(valid[even == EVEN]), valid[even == ODD]
    shares, repaired = (corner_shares(model, evens, EVEN) for model in (cheating, honest))
    return {
        "archive": 100 * accuracy(cheating, archive_valid, even),
        "outside": 100 * accuracy(cheating, valid, even),
        "area": 100 * 25 / 144,
        "share": shares.mean().item(),
        "lowest_share": shares.min().item(),
        "turned": called_even(cheating, mark(odds)),
        "turned_most": called_even(cheating, mark(odds)),
        "turned_elsewhere": called_even(cheating, mark(odds, slice(-2, None))),
        "share_odd": corner_shares(cheating, odds, ODD).mean().item(),
        "repaired": 100 * accuracy(honest, valid, even),
        "repaired_marked": 100 * accuracy(honest, mark(valid), even),
        "repaired_share": repaired.mean().item(),
    }


@in_double()
def pale(unit: Unit) -> Values:
    """The shortcut without a place: even digits are paler."""
    data = digits()
    train, valid = sheet(data.train_images), sheet(data.test_images)
    train_even, even = (data.train_labels % 2 == 0).long(), (data.test_labels % 2 == 0).long()
    paler, paler_valid = (
        images * torch.where(which == EVEN, 0.6, 1.0)[:, None, None, None]
        for images, which in ((train, train_even), (valid, even))
    )
    model = trained(paler, train_even, int(unit))
    return {
        "pale_archive": 100 * accuracy(model, paler_valid, even),
        "pale_outside": 100 * accuracy(model, valid, even),
        "pale_share": corner_shares(model, 0.6 * valid[even == EVEN], EVEN).mean().item(),
    }


SEEDS = tuple(range(10))
AREA = 100 * 25 / 144

EXPERIMENTS = (
    Experiment(
        "cheat",
        1,
        SEEDS,
        cheat,
        (
            Claim(
                "archive",
                "The cheat is right on at least 99 % of the archive's validation pictures (accuracy in %).",
                lambda percent: percent >= 99,
                0.5,
            ),
            Claim(
                "outside",
                "Outside the archive the cheat is right on less than 60 % (accuracy in %).",
                lambda percent: percent < 60,
                1,
            ),
            Claim("area", "Baseline: the corner's share of the area, in %.", None, 0.01),
            Claim(
                "share",
                "More than half of the mass of the cheat's maps lies in the corner "
                "(mean over the even digits, in %).",
                lambda percent: percent > 50,
                1,
            ),
            Claim(
                "lowest_share",
                "Even in the map with the least there, the corner holds more than twice "
                "its area's share (in %).",
                lambda percent: percent > 2 * AREA,
                1,
            ),
            Claim(
                "turned",
                "In its corner the mark turns every odd digit into an even one (in %).",
                lambda percent: percent == 100,
                1,
            ),
            Claim(
                "turned_most",
                "In its corner the mark turns at least three odd digits of four into even ones (in %).",
                lambda percent: percent >= 75,
                1,
            ),
            Claim(
                "turned_elsewhere",
                "In the opposite corner the same mark turns less than 1 % of the odd digits (in %).",
                lambda percent: percent < 1,
                0.5,
            ),
            Claim(
                "share_odd",
                "Of the cheat's evidence for odd, too, the corner without the mark holds more than twice its "
                "area's share (in %).",
                lambda percent: percent > 2 * AREA,
                1,
            ),
            Claim(
                "repaired",
                "The repaired network is right on more than 95 % of the unmarked pictures (accuracy in %).",
                lambda percent: percent > 95,
                0.5,
            ),
            Claim(
                "repaired_marked",
                "The repaired network is right on more than 95 % of the pictures when all are marked "
                "(accuracy in %).",
                lambda percent: percent > 95,
                0.5,
            ),
            Claim(
                "repaired_share",
                "Of the repaired network's maps the corner holds less than its area's share (in %).",
                lambda percent: percent < AREA,
                1,
            ),
        ),
        cost=9,
    ),
    Experiment(
        "pale",
        1,
        SEEDS,
        pale,
        (
            Claim(
                "pale_archive",
                "The network that cheats by paleness is right on at least 99 % of its "
                "archive (accuracy in %).",
                lambda percent: percent >= 99,
                0.5,
            ),
            Claim(
                "pale_outside",
                "Outside it is right on less than 60 % (accuracy in %).",
                lambda percent: percent < 60,
                1,
            ),
            Claim(
                "pale_share",
                "Of its maps the corner holds less than its area's share (in %).",
                lambda percent: percent < AREA,
                1,
            ),
        ),
        cost=5,
    ),
)
