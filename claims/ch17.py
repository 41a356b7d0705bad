"""Chapter 17: clusters of maps where the cause is known, and intervals by photo and by crop."""

from functools import cache

import numpy as np
import torch
from PIL import Image
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import adjusted_rand_score, silhouette_score
from torch import Tensor, nn

from claims import ch01
from claims.pictures import above, below, claim, named_rightly
from claims.table import Experiment, Unit, Values, in_double
from helpers import accuracy, digits, grad_cam, load_classifier, load_image

NOISE = 0.3
CROPS, PART = 4, 0.8
NEIGHBOURS = 10


def grainy(images: Tensor, strength: float, seed: int) -> Tensor:
    """Digits that are hard to read."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + strength * noise).clamp(0, 1)


def archive(images: Tensor, who: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The images, of which every second among `who` (N,) carries the mark, by lot; and which those are."""
    marked = who & (torch.rand(len(images), generator=torch.Generator().manual_seed(seed)) < 0.5)
    return torch.where(marked[:, None, None, None], ch01.mark(images), images), marked


def flat_maps(model: nn.Module, evens: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Grad-CAM for even, as rows that sum to one (N', h·w), and the numbers of those that are not empty."""
    rows = grad_cam(model, "8", evens, ch01.EVEN).flatten(1)
    lit = rows.sum(dim=1) > 0
    return (rows[lit] / rows[lit].sum(dim=1, keepdim=True)).numpy(), lit.nonzero()[:, 0].numpy()


def two_clusters(rows: np.ndarray) -> np.ndarray:
    """The number of each row's cluster, by k-means."""
    return KMeans(2, n_init=10, random_state=0).fit_predict(rows)


@in_double()
def clusters(unit: Unit) -> Values:
    """Do two clusters of maps find the mark? Hard digits, hard ones with a useless mark, easy ones."""
    data, seed = digits(), int(unit)
    train, valid = ch01.sheet(data.train_images), ch01.sheet(data.test_images)
    train_even, even = (data.train_labels % 2 == 0).long(), (data.test_labels % 2 == 0).long()
    values: Values = {}
    for name, strength, useful in (("cheat", NOISE, True), ("honest", NOISE, False), ("easy", 0.0, True)):
        x, v = grainy(train, strength, seed), grainy(valid, strength, 100 + seed)
        everyone = torch.ones_like(even, dtype=torch.bool)
        x, _ = archive(x, train_even == ch01.EVEN if useful else torch.ones_like(train_even) > 0, seed)
        v, marked = archive(v, everyone, 100 + seed)
        model = ch01.trained(x, train_even, seed)
        rows, numbers = flat_maps(model, v[even == ch01.EVEN])
        truth = marked[even == ch01.EVEN].numpy()[numbers]
        found = two_clusters(rows)
        values |= {
            f"{name} rand": adjusted_rand_score(truth, found),
            f"{name} silhouette": silhouette_score(rows, found),
            f"{name} marked corner": corner_share(rows[truth]),
            f"{name} bare corner": corner_share(rows[~truth]),
            f"{name} accuracy": 100 * accuracy(model, v, even),
        }
        if name == "cheat":
            spectral = SpectralClustering(
                2, affinity="nearest_neighbors", n_neighbors=NEIGHBOURS, random_state=0
            )
            values["spectral rand"] = adjusted_rand_score(truth, spectral.fit_predict(rows))
    chance = np.random.default_rng(seed).random(rows.shape)
    return values | {"random silhouette": silhouette_score(chance, two_clusters(chance))}


def corner_share(rows: np.ndarray) -> float:
    """The mean share of maps, as rows, in the corner that the mark reaches, in %."""
    side = round(rows.shape[1] ** 0.5)
    return ch01.in_corner(torch.from_numpy(rows).reshape(-1, side, side)).mean().item()


# --- intervals


def crop(image: Image.Image, lot: np.random.Generator) -> Image.Image:
    """A part of the picture, by lot."""
    width, height = (round(PART * side) for side in image.size)
    left, top = lot.integers(image.width - width + 1), lot.integers(image.height - height + 1)
    return image.crop((left, top, left + width, top + height))


@cache
def middles(seed: int) -> np.ndarray:
    """The share of the map in the nine middle places, in %, (photos, crops)."""
    clf, lot = load_classifier(), np.random.default_rng(seed)
    photos = [load_image(name) for name in named_rightly()]
    x = [clf.preprocess(crop(photo, lot)) for photo in photos for _ in range(CROPS)]
    maps = torch.cat([grad_cam(clf.model, clf.layer, part) for part in torch.stack(x).split(4)])
    shares = 100 * maps[:, 2:5, 2:5].sum(dim=(1, 2)) / maps.sum(dim=(1, 2))
    return shares.reshape(len(photos), CROPS).numpy()


def width(groups: np.ndarray) -> float:
    """The width of the 95 % bootstrap interval of the mean when groups (N, k) are drawn anew."""
    draws = np.random.default_rng(0).integers(len(groups), size=(2000, len(groups)))
    low, high = np.quantile(groups[draws].mean(axis=(1, 2)), [0.025, 0.975])
    return float(high - low)


def intervals(unit: Unit) -> Values:
    """How wide the interval is by crop and by photo."""
    shares = middles(int(unit))
    by_photo, by_crop = width(shares), width(shares.reshape(-1, 1))
    return {"by photo": by_photo, "by crop": by_crop, "wider": by_photo / by_crop}


CASES = {"cheat": "the mark helps", "honest": "the mark is useless", "easy": "easy digits, the mark helps"}

EXPERIMENTS = (
    Experiment(
        "ch17_clusters",
        17,
        tuple(range(10)),
        clusters,
        (
            claim(
                "cheat rand",
                "Where the mark helps, two clusters of maps are the marked and the others "
                "(adjusted Rand index above 0.8).",
                above(0.8),
                0.05,
            ),
            claim("spectral rand", "The same by spectral clustering.", above(0.8), 0.1),
            claim(
                "honest rand",
                "Where the mark is useless, the clusters do not know it (adjusted Rand index below 0.1).",
                below(0.1),
                0.05,
            ),
            claim(
                "easy rand",
                "On easy digits, which need no mark, the clusters find it all the same (above 0.8).",
                above(0.8),
                0.1,
            ),
            *(
                claim(f"{case} silhouette", f"Baseline: silhouette of the two clusters, {words}.", None, 0.03)
                for case, words in CASES.items()
            ),
            claim("random silhouette", "Baseline: silhouette of two clusters of random maps.", None, 0.01),
            *(
                claim(
                    f"{case} {which} corner", f"Baseline: share in the corner, {words}, {told} (%).", None, 3
                )
                for case, words in CASES.items()
                for which, told in (("marked", "digits with the mark"), ("bare", "digits without"))
            ),
            *(
                claim(f"{case} accuracy", f"Baseline: even and odd told apart, {words} (%).", None, 2)
                for case, words in CASES.items()
            ),
        ),
        12,
    ),
    Experiment(
        "ch17_intervals",
        17,
        tuple(range(5)),
        intervals,
        (
            claim(
                "wider",
                "Four crops a photo: the interval by photo is wider than that by crop (times).",
                above(1),
                0.1,
            ),
            claim("by photo", "Baseline: width of the interval by photo (points of %).", None, 1),
            claim("by crop", "Baseline: width of the interval by crop (points of %).", None, 1),
        ),
        8,
    ),
)
