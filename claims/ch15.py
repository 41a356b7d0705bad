"""Chapter 15: the measures are examined by maps that should fail, then all methods by all measures."""

import copy
import io
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import numpy as np
import torch
from PIL import Image
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor, nn

from claims import ch01
from claims.exam import (
    BAD,
    EXACT,
    HEADS,
    METHODS,
    NETWORKS,
    SCORE,
    TITLES,
    as_map,
    attributions,
    bad,
    claims_about,
    enlarged,
    exact,
    layer_maps,
    leads,
    lit,
    maps,
    maps_of,
    network,
    one_map,
    photos,
    score_map,
    squares,
)
from claims.pictures import (
    EDGES,
    Sheet,
    above,
    below,
    claim,
    correlation,
    grids,
    last_map,
    mosaics,
    named_rightly,
    paint,
    right_class,
    sobel,
)
from claims.table import Claim, Experiment, Unit, Values, in_double
from helpers import accuracy, digits, load_image, share_in
from helpers.cam_family import score_cam
from helpers.checks import deletion, insertion, pointing, randomise

MOSAICS, GRIDS, PHOTOS = 20, 8, 8
FILLS = ("grey", "blurred", "noise")
ORDERED = ("rows", "random", "dots", "centre", "edges")  # a uniform map has no order: it is read row by row
SHARES = ("uniform", "random", "centre", "edges")
UNMOVED = ("random", "centre", "edges")  # and not flat: they can be compared with themselves


def asked(unit: Unit) -> tuple[str, str]:
    """The network and the rest of a unit's name."""
    short, rest = str(unit).split("/", 1)
    return short, rest


def right(short: str, name: str) -> Tensor:
    """The class (1,) that the network rightly gives a photo."""
    return torch.tensor([right_class(name, NETWORKS[short][0])])


@cache
def sheets() -> tuple[Sheet, ...]:
    """The mosaics of two photos, drawn by lot."""
    return tuple(mosaics(MOSAICS, 15))


@cache
def fours() -> tuple[Sheet, ...]:
    """The grids of four photos, drawn by lot."""
    return tuple(grids(GRIDS, 15))


def in_boxes(short: str, sheet: Sheet, found: Mapping[str, Tensor]) -> Values:
    """The share of the maps (K, h, w) in their own boxes, in % (mean over the classes), beside Grad-CAM's."""
    shares = {
        name: [100 * share_in(cam, box, sheet.image.size) for cam, box in zip(cams, sheet.boxes, strict=True)]
        for name, cams in found.items()
    }
    return {name: float(np.mean(each)) for name, each in shares.items() if np.isfinite(each).all()}


def everyone(short: str, sheet: Sheet, seed: int) -> dict[str, Tensor]:
    """The maps (K, h, w) of a sheet's K classes by every method and by the bad ones."""
    x, targets = squares(short, [sheet.image]), list(sheet.targets)
    found = {name: cams[0] for name, cams in maps_of(short, x, torch.tensor([targets])).items()}
    found["exact"] = exact(short, x, targets)
    failing = [bad(x, 10 * seed + k) for k in range(len(targets))]
    return found | {name: torch.stack([one[name] for one in failing]) for name in SHARES}


def halves(unit: Unit) -> Values:
    """Two photos side by side: the share in the own half, and how alike the maps of the two classes are."""
    short, number = asked(unit)
    sheet = sheets()[int(number)]
    found = everyone(short, sheet, int(number))
    two = {name: correlation(*cams) for name, cams in found.items() if all(map(lit, cams))}
    return leads(short, "own_half", in_boxes(short, sheet, found)) | leads(short, "two", two, sign=-1)


def score_halves(unit: Unit) -> Values:
    """The same by Score-CAM."""
    short, number = asked(unit)
    sheet = sheets()[int(number)]
    cams = score_map(short, squares(short, [sheet.image]), torch.tensor([sheet.targets]))[0]
    shares = in_boxes(short, sheet, {"score_cam": cams})
    return {
        f"{short} score_cam own_half": shares["score_cam"],
        f"{short} score_cam two": correlation(*cams),
    }


def pointed(unit: Unit) -> Values:
    """Four photos in a grid: how often a map points at its photo, and the share there (both in %)."""
    short, number = asked(unit)
    sheet = fours()[int(number)]
    found = everyone(short, sheet, 100 + int(number))
    hits = {
        name: 100
        * float(np.mean([pointing(cam, box, (448, 448)) for cam, box in zip(cams, sheet.boxes, strict=True)]))
        for name, cams in found.items()
    }
    return leads(short, "hit", hits) | leads(short, "cell", in_boxes(short, sheet, found))


# --- covers


def alone(short: str, name: str) -> tuple[Tensor, dict[str, Tensor]]:
    """A photo (1, 3, H, W), and all maps (H, W) of its class that can be put in order."""
    x, target = squares(short, [load_image(name)]), right(short, name)
    found = {method: cams[0] for method, cams in maps_of(short, x, target).items()}
    found["exact"] = exact(short, x, target.tolist())[0]
    found |= bad(x, sum(map(ord, name)))
    side = x.shape[2]
    return x, {method: enlarged(cam, side) for method, cam in found.items() if lit(cam)}


def moved(map_: Tensor, seed: int) -> Tensor:
    """The same shapes in other places: a map rolled by a quarter to three quarters of the picture, by lot."""
    lot, side = np.random.default_rng(seed), map_.shape[0]
    down, across = (int(step) for step in lot.integers(side // 4, 3 * side // 4, size=2))
    return map_.roll((down, across), (0, 1))


def areas(short: str, x: Tensor, target: Tensor, orders: Mapping[str, Tensor], cover: str) -> list[Values]:
    """The mean probability of deletion and of insertion for each order; equal maps are asked once."""
    fill, edge = cover.split("/")
    clf, paints = network(short), paint(network(short), x, torch.ones(1, 1, *x.shape[2:]), fill)
    names: dict[str, str] = {}
    for name, order in orders.items():
        twins = (own for own in names.values() if alike(orders[own], order))
        names[name] = next(twins, name)
    own = sorted(set(names.values()))
    found = []
    for curve in (deletion, insertion):
        asked_for = [
            curve(
                clf.model,
                x.expand(len(part), -1, -1, -1),
                torch.stack([orders[name] for name in part]),
                target.expand(len(part)),
                steps=6,
                cover=paints,
                edge=EDGES[edge],
            ).mean(dim=1)
            for part in (own[k : k + 8] for k in range(0, len(own), 8))
        ]
        by_name = dict(zip(own, torch.cat(asked_for).tolist(), strict=True))
        found.append({name: by_name[twin] for name, twin in names.items()})
    return found


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two maps are the same but for their scale."""
    return bool((one / one.max() - other / other.max()).abs().max() < 1e-4)


def gains(unit: Unit, x: Tensor, found: Mapping[str, Tensor]) -> Values:
    """What each map's area is better than a random order's, and than its own shapes' in other places."""
    short, name, cover = str(unit).split("/", 2)
    target, seed = right(short, name), sum(map(ord, str(unit)))
    random = {f"random_{k}": enlarged(bad(x, 10**6 + k)["random"], x.shape[2]) for k in range(2)}
    elsewhere = {f"{name} moved": moved(cam, seed) for name, cam in found.items() if name not in BAD}
    values: Values = {}
    both = areas(short, x, target, {**found, **random, **elsewhere}, cover)
    for measure, sign, area in zip(("deletion", "insertion"), (-1, 1), both, strict=True):
        chance = (area["random_0"] + area["random_1"]) / 2
        better = {name: sign * (area[name] - chance) for name in found}
        values |= leads(short, measure, better)
        for name in found.keys() - BAD.keys():
            key = f"{short} {name} {measure} place"
            values[key] = sign * (area[name] - area[f"{name} moved"])
    return values


def covers(unit: Unit) -> Values:
    """Deletion and insertion of one photo under one cover."""
    short, name, _ = str(unit).split("/", 2)
    return gains(unit, *alone(short, name))


def score_covers(unit: Unit) -> Values:
    """The same by Score-CAM."""
    short, name, _ = str(unit).split("/", 2)
    x = squares(short, [load_image(name)])
    cam = score_map(short, x, right(short, name))[0]
    return gains(unit, x, {"score_cam": enlarged(cam, x.shape[2])})


# --- ROAD

NEIGHBOURS = {
    (down, across): 1 / 6 if down * across == 0 else 1 / 12
    for down in (-1, 0, 1)
    for across in (-1, 0, 1)
    if (down, across) != (0, 0)
}
PARTS = (0.2, 0.5, 0.8)


def imputed(x: Tensor, hidden: Tensor, seed: int) -> Tensor:
    """A picture (C, H, W) whose hidden pixels (H, W) are weighted means of their neighbours, plus noise.

    All unknown pixels solve one sparse system, as in ROAD; the noise is 1 % of the picture's deviation.
    """
    pixels, unknown = x.double().numpy(), hidden.numpy()
    height, width = unknown.shape
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(unknown.sum())
    rows, columns = np.nonzero(unknown)
    weights, known = np.zeros(len(rows)), np.zeros((len(rows), len(pixels)))
    entries = []
    for (down, across), weight in NEIGHBOURS.items():
        inside = (rows + down >= 0) & (rows + down < height)
        inside &= (columns + across >= 0) & (columns + across < width)
        own = np.nonzero(inside)[0]
        at = rows[own] + down, columns[own] + across
        weights[own] += weight
        other = number[at]
        entries.append((own[other >= 0], other[other >= 0], np.full((other >= 0).sum(), -weight)))
        known[own[other < 0]] += weight * pixels[:, at[0][other < 0], at[1][other < 0]].T
    every = np.arange(len(rows))
    i, j, values = (np.concatenate(parts) for parts in zip(*entries, (every, every, weights), strict=True))
    system = sparse.csc_matrix((values, (i, j)), shape=(len(rows), len(rows)))
    solved = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(known)
    noise = 0.01 * pixels.std() * np.random.default_rng(seed).standard_normal(solved.shape)
    filled = pixels.copy()
    filled[:, rows, columns] = (solved + noise).T
    return torch.from_numpy(filled).to(x)


def brightest(map_: Tensor, part: float) -> Tensor:
    """Where the brightest part of a map's places lie; equal ones follow each other row by row."""
    order = map_.flatten().argsort(descending=True, stable=True)
    chosen = torch.zeros(map_.numel(), dtype=torch.bool)
    chosen[order[: round(part * map_.numel())]] = True
    return chosen.reshape(map_.shape)


def road(unit: Unit) -> Values:
    """ROAD: the class's probability when the brightest, and when the darkest places are imputed."""
    short, name = asked(unit)
    x, found = alone(short, name)
    target, model = right(short, name).item(), network(short).model
    bright, both = {}, {}
    done: dict[str, tuple[float, float]] = {}
    for method, cam in found.items():
        twin = next((own for own in done if alike(found[own], cam)), None)
        if twin is None:
            hidden = [brightest(sign * cam, part) for sign in (1, -1) for part in PARTS]
            pictures = torch.stack([imputed(x[0], places, k) for k, places in enumerate(hidden)])
            with torch.no_grad():
                p = model(pictures).softmax(dim=1)[:, int(target)]
            done[method] = p[: len(PARTS)].mean().item(), p[len(PARTS) :].mean().item()
        first, last = done[twin or method]
        bright[method], both[method] = first, (last - first) / 2
    return leads(short, "road_first", bright, sign=-1) | leads(short, "road", both)


# --- a network drawn anew

CASCADES = {
    "lite": (
        ("head", ("classifier",)),
        ("last", ("classifier", "bn2", "conv_head", "blocks.6", "blocks.5")),
        ("half", ("classifier", "bn2", "conv_head", *(f"blocks.{k}" for k in (6, 5, 4, 3)))),
        (
            "all",
            (
                "classifier",
                "bn2",
                "conv_head",
                *(f"blocks.{k}" for k in range(6, -1, -1)),
                "bn1",
                "conv_stem",
            ),
        ),
    ),
    "squeeze": (
        ("head", ("classifier.1",)),
        ("last", ("classifier.1", "features.12", "features.11")),
        ("half", ("classifier.1", *(f"features.{k}" for k in (12, 11, 10, 9, 7)))),
        ("all", ("classifier.1", *(f"features.{k}" for k in (12, 11, 10, 9, 7, 6, 4, 3, 0)))),
    ),
}


def mean(values: Iterable[float]) -> float:
    """The mean of a few numbers."""
    return float(np.mean(list(values)))


def kept(before: Tensor, after: Tensor) -> float:
    """The correlation of two maps, 0 where the new one is empty."""
    return correlation(before, after) if lit(after) else 0.0


def drawn_anew(unit: Unit) -> Values:
    """How alike each map stays when the network forgets, from the head down; and that of another photo."""
    short, number = asked(unit)
    names = photos(short, PHOTOS)
    name, other = names[int(number)], names[(int(number) + 1) % len(names)]
    layer, model = NETWORKS[short][1], network(short).model
    x, target = squares(short, [load_image(name)]), right(short, name)

    def at(network_: nn.Module, x: Tensor, target: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        signed = attributions(network_, layer, x, target)
        found = layer_maps(network_, layer, x, target)
        return found | {name: as_map(one) for name, one in signed.items()}, signed

    before, signed = at(model, x, target)
    values: Values = {}
    for stage, layers in CASCADES[short]:
        seeds = range(3 * int(number), 3 * int(number) + (3 if stage == "head" else 1))
        found = [at(randomise(model, layers, seed=seed), x, target) for seed in seeds]
        alike_ = {key: mean(kept(before[key], after[key]) for after, _ in found) for key in before}
        alike_ |= {"random": correlation(*(bad(x, 7 * k)["random"] for k in (1, 2)))}
        alike_ |= {"centre": 1.0, "edges": 1.0}
        values |= leads(short, stage, alike_, sign=-1)
        for key in signed:
            values[f"{short} {key} {stage} signed"] = mean(
                kept(signed[key], after[key]) for _, after in found
            )
        values[f"{short} empty {stage}"] = 100 * mean(not lit(after["grad_cam"]) for after, _ in found)
    another, signed_other = at(model, squares(short, [load_image(other)]), right(short, other))
    values |= {f"{short} {name} others": correlation(before[name], another[name]) for name in before}
    values |= {
        f"{short} {name} others signed": correlation(signed[name], signed_other[name]) for name in signed
    }
    return values


def score_drawn_anew(unit: Unit) -> Values:
    """The same by Score-CAM, the head only."""
    short, number = asked(unit)
    name = photos(short, PHOTOS)[int(number)]
    x, target = squares(short, [load_image(name)]), right(short, name)
    fresh = randomise(network(short).model, [HEADS[short]], seed=int(number))
    cams = score_map(short, x, target)[0], score_cam(fresh, NETWORKS[short][1], x, target)[0]
    return {f"{short} score_cam head": kept(*cams)}


# --- stability

SHIFT = 8


def shifted(image: Image.Image) -> Image.Image:
    """A picture moved right and down, its border continued."""
    pixels = np.pad(np.array(image), ((SHIFT, 0), (SHIFT, 0), (0, 0)), mode="edge")
    return Image.fromarray(pixels[:-SHIFT, :-SHIFT])


def jpeg(image: Image.Image) -> Image.Image:
    """A picture saved as JPEG of quality 50."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file).convert("RGB")


def noisy(image: Image.Image) -> Image.Image:
    """A picture with noise of five levels of 255."""
    lot = np.random.default_rng(0)
    pixels = np.array(image) + lot.normal(0, 5, (image.height, image.width, 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def same(map_: Tensor) -> Tensor:
    """A map of a picture whose places have not moved."""
    return map_


CHANGES: dict[str, tuple[Callable[[Image.Image], Image.Image], Callable[[Tensor], Tensor]]] = {
    "shift": (shifted, lambda map_: map_[SHIFT:, SHIFT:]),
    "flip": (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), lambda map_: map_.flip(1)),
    "jpeg": (jpeg, same),
    "noise": (noisy, same),
    "192": (lambda image: image.resize((192, 192), Image.Resampling.BICUBIC), same),
    "256": (lambda image: image.resize((256, 256), Image.Resampling.BICUBIC), same),
}


def stable(unit: Unit) -> Values:
    """How alike the maps of a photo and of the same photo, slightly changed, are."""
    short, name = asked(unit)
    target, side = right(short, name), network(short).preprocessing.side
    image = load_image(name).resize((side, side), Image.Resampling.BICUBIC)
    before = of_picture(short, image, target, side)
    values: Values = {}
    for change, (make, back) in CHANGES.items():
        after = of_picture(short, make(image), target, side)
        kept = {key: cam[: side - SHIFT, : side - SHIFT] for key, cam in before.items()}
        first = kept if change == "shift" else before
        alike_ = {key: correlation(first[key], back(after[key])) for key in first.keys() & after.keys()}
        values |= leads(short, change, {key: alike_[key] for key in before if key in alike_})
    return values


def of_picture(short: str, image: Image.Image, target: Tensor, side: int) -> dict[str, Tensor]:
    """All maps (side, side) of a picture of any size, without flat ones."""
    p = network(short).preprocessing
    pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]
    pixels = pixels.flip(1) if p.bgr else pixels
    mean, std = (torch.tensor(colour).reshape(1, 3, 1, 1) for colour in (p.mean, p.std))
    x = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
    found = {name: cams[0] for name, cams in maps_of(short, x, target).items()}
    found |= {name: bad(x, 0)[name] for name in UNMOVED}
    return {name: enlarged(cam, side) for name, cam in found.items() if lit(cam)}


def both_right() -> tuple[str, ...]:
    """The photos that both networks name rightly, by the same class."""
    one, other = (network_[0] for network_ in NETWORKS.values())
    names = [name for name in named_rightly(one) if name in named_rightly(other)]
    return tuple(name for name in names if right_class(name, one) == right_class(name, other))


def agreeing(unit: Unit) -> Values:
    """How alike the two networks' maps of a photo are on which they agree; and those of different photos."""
    names = both_right()
    name, other = str(unit), names[(names.index(str(unit)) + 1) % len(names)]
    lite, squeeze, another = (
        {key: enlarged(cam) for key, cam in alone(short, of)[1].items()}
        for short, of in (("lite", name), ("squeeze", name), ("squeeze", other))
    )
    asked_for = (*WITH_EXACT, *UNMOVED)
    alike_ = {
        key: correlation(lite[key], squeeze[key]) for key in asked_for if key in lite and key in squeeze
    }
    values = leads("both", "agree", alike_)
    for key in METHODS.keys() & lite.keys() & another.keys():
        values[f"both {key} agree others"] = correlation(lite[key], another[key])
    return values


# --- manipulation

CORNER = (128, 128, 224, 224)
HILL = 5.0  # logits at each of the corner's nine places


def hill() -> Tensor:
    """The map (49,) that is added."""
    places = torch.zeros(7, 7)
    places[4:, 4:] = HILL
    return places.flatten()


@cache
def places_of(name: str) -> Tensor:
    """The last map of a photo as (49, 1280)."""
    return last_map(network("lite"), squares("lite", [load_image(name)]))[0].flatten(1).T


def vector(names: Iterable[str], ridge: float) -> Tensor:
    """The vector (1280,) whose map is the hill on these photos, as nearly as a ridge lets it."""
    places = torch.cat([places_of(name) for name in names]).double()
    gram = places @ places.T + ridge * torch.eye(len(places), dtype=torch.float64)
    return (49 * places.T @ torch.linalg.solve(gram, hill().double().repeat(len(places) // 49))).float()


def manipulated(unit: Unit) -> Values:
    """One vector added to all rows of the head: the probabilities, and the maps' share in the corner."""
    name, model = str(unit), network("lite").model
    x, target = squares("lite", [load_image(name)]), right("lite", name)
    others = [other for other in named_rightly() if other != name]
    vectors = {"own": vector([name], 1e-6), "common": vector(others, 10.0)}
    with torch.no_grad():
        p = model(x).softmax(dim=1)
    values = corner_shares(maps_of("lite", x, target), "before")
    for kind, added in vectors.items():
        changed = copy.deepcopy(model)
        head = changed.get_submodule("classifier")
        assert isinstance(head, nn.Linear)
        with torch.no_grad():
            head.weight += added
            values[f"lite probability {kind}"] = (changed(x).softmax(dim=1) - p).abs().max().item()
        values |= corner_shares(maps(changed, "bn2", x, target), kind)
    return values


def corner_shares(found: Mapping[str, Tensor], kind: str) -> Values:
    """The share of each map (1, h, w) in the corner, in %."""
    return {
        f"lite {name} corner {kind}": 100 * share_in(cams[0], CORNER, (224, 224))
        for name, cams in found.items()
        if cams.max() > 0
    }


# --- planted causes, and ROAR, on digits

LAYER = "8"  # of the digits' networks: the last map, before the mean
PICTURES = 60


def digit_maps(model: nn.Module, x: Tensor, target: Tensor) -> dict[str, Tensor]:
    """All maps (N, h, w) of digits, Score-CAM's too."""
    return maps(model, LAYER, x, target) | {"score_cam": score_cam(model, LAYER, x, target)}


@in_double()
def planted(unit: Unit) -> Values:
    """Three cheats: by a mark in the corner, by paleness, by both; and a mark that the pale cheat ignores."""
    data, seed = digits(), int(unit)
    train, valid = ch01.sheet(data.train_images), ch01.sheet(data.test_images)
    train_even, even = (data.train_labels % 2 == 0).long(), (data.test_labels % 2 == 0).long()
    evens = valid[even == ch01.EVEN][:PICTURES]
    is_even = (train_even == ch01.EVEN)[:, None, None, None]
    marked = ch01.trained(torch.where(is_even, ch01.mark(train), train), train_even, seed)
    pale = ch01.trained(torch.where(is_even, 0.6 * train, train), train_even, seed)
    both = ch01.trained(torch.where(is_even, 0.6 * ch01.mark(train), train), train_even, seed)
    cases = {
        "mark": (marked, ch01.mark(evens)),
        "pale": (pale, 0.6 * evens),
        "decoy": (pale, 0.6 * ch01.mark(evens)),
        "both": (both, 0.6 * ch01.mark(evens)),
    }
    values: Values = {}
    target = torch.full((len(evens),), ch01.EVEN)
    for case, (model, x) in cases.items():
        found = digit_maps(model, x, target)
        found |= {"edges": sobel(x), "random": torch.rand(len(x), *x.shape[2:])}
        lit_maps = {name: cams for name, cams in found.items() if cams.any()}
        values |= {
            f"digits {name} {case}": ch01.in_corner(cams).mean().item() for name, cams in lit_maps.items()
        }
    # what is the cause: how far the score for even falls without the mark, and without the paleness
    for case, (model, x) in cases.items():
        bare = evens if case == "mark" else 0.6 * evens
        dark = x / 0.6 if case != "mark" else x
        values |= {f"cause {case} mark": fall(model, x, bare), f"cause {case} paleness": fall(model, x, dark)}
    return values


@torch.no_grad()
def fall(model: nn.Module, x: Tensor, without: Tensor) -> float:
    """How far the lead of even over odd falls (mean, logits)."""
    lead = [(y := model(pictures))[:, ch01.EVEN] - y[:, ch01.ODD] for pictures in (x, without)]
    return (lead[0] - lead[1]).mean().item()


# --- one picture, two tasks

READ = 60
END = 8  # the width of a digit: two of them side by side are a picture


def two_digits(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Each digit with another, drawn by lot, on its right (N, 1, 8, 16); the left and the right labels."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return torch.cat([images, images[order]], dim=3), labels, labels[order]


def half_reader(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """A small network with a linear layer on all places, since a mean knows no left and right."""
    return ch01.trained(images, labels, seed, classes=10, mean=False)


def alikeness(some: Tensor, others: Tensor) -> float:
    """The mean correlation of maps (N, h, w) and others, without those that are flat."""
    return mean(correlation(*pair) for pair in zip(some, others, strict=True) if all(map(lit, pair)))


def in_left(cams: Tensor) -> float:
    """The share of maps (N, h, 16) in the left half, in % (mean over the maps that are not zero)."""
    mass = cams.sum(dim=(1, 2))
    return (100 * cams[..., :END].sum(dim=(1, 2)) / mass)[mass > 0].mean().item()


@in_double()
def two_tasks(unit: Unit) -> Values:
    """Two networks for the same pictures: one reads the left digit, one the right; and another left one."""
    data, seed = digits(), int(unit)
    x, left, right_ = two_digits(data.train_images, data.train_labels, seed)
    test, test_left, test_right = two_digits(data.test_images, data.test_labels, 100 + seed)
    readers = {
        "left": (half_reader(x, left, seed), test_left),
        "right": (half_reader(x, right_, seed), test_right),
        "again": (half_reader(x, left, 100 + seed), test_left),
    }
    values: Values = {f"read {who}": 100 * accuracy(net, test, y) for who, (net, y) in readers.items()}
    found = {who: digit_maps(net, test[:READ], y[:READ]) for who, (net, y) in readers.items()}
    fresh = randomise(readers["left"][0], ["10"], seed=seed)
    forgot = digit_maps(fresh, test[:READ], test_left[:READ])
    for name, cams in found["left"].items():
        values |= {
            f"digits {name} two tasks": alikeness(cams, found["right"][name]),
            f"digits {name} one task": alikeness(cams, found["again"][name]),
            f"digits {name} forgot": alikeness(cams, forgot[name]),
            f"digits {name} read half": (in_left(cams) + 100 - in_left(found["right"][name])) / 2,
        }
    return values


PART = 0.5
DIGIT_FAILS = ("rows", "random", "centre", "edges")
DIGIT_METHODS = {
    **{name: words for name, words in METHODS.items() if name not in ("xgrad_cam", "hires_cam")},
    **SCORE,
}


def reader(images: Tensor, labels: Tensor, seed: int) -> nn.Module:
    """A small network that reads digits, trained from a seed."""
    return ch01.trained(images, labels, seed, classes=10, rate=0.02, epochs=10)


@cache
def first_reader(seed: int) -> nn.Module:
    """The network that is explained."""
    data = digits()
    return reader(data.train_images, data.train_labels, seed)


def hidden_by(name: str, model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    """The brightest half of each digit's places (N, 8, 8) by a method's map of its label, or by a bad map."""
    if name in BAD:
        found = torch.stack([enlarged(bad(one[None], k)[name], 8) for k, one in enumerate(x)])
    else:
        found = one_map(name, model, LAYER, x, labels)
    return torch.stack([brightest(cam, PART) for cam in found])


@cache
def retrained(seed: int, name: str) -> Values:
    """Accuracies in %, the brightest half gone: trained anew; from the masks alone; imputed, not trained."""
    data, model = digits(), first_reader(seed)
    labels, test_labels = data.train_labels, data.test_labels
    train, test = (
        hidden_by(name, model, images, own)
        for images, own in ((data.train_images, labels), (data.test_images, test_labels))
    )
    mean = data.train_images.mean(dim=0, keepdim=True)
    cut, cut_test = (
        torch.where(hidden[:, None], mean, images)
        for hidden, images in ((train, data.train_images), (test, data.test_images))
    )
    filled = torch.stack([imputed(one, mask, 0) for one, mask in zip(data.test_images, test, strict=True)])
    masks, masks_test = train[:, None].double(), test[:, None].double()
    return {
        "roar": 100 * accuracy(reader(cut, labels, seed), cut_test, test_labels),
        "leak": 100 * accuracy(reader(masks, labels, seed), masks_test, test_labels),
        "digit_road": 100 * accuracy(model, filled, test_labels),
    }


@in_double()
def roar(unit: Unit) -> Values:
    """ROAR, its leak and ROAD on digits by one method, for one seed."""
    seed, name = str(unit).split("/")
    found = retrained(int(seed), name)
    values = {f"digits {name} {measure}": value for measure, value in found.items()}
    if name != "random":
        values[f"digits {name} roar gain"] = retrained(int(seed), "random")["roar"] - found["roar"]
    if name in BAD:
        beaten = retrained(int(seed), "grad_cam")
        values |= {f"digits {name} {key} lead": beaten[key] - found[key] for key in ("roar", "digit_road")}
    return values


# --- the rows

COVERED, SCORED = 6, 4
COVERS = tuple(f"{fill}/{edge}" for fill in FILLS for edge in EDGES)
STAGES = {
    "head": "the head",
    "last": "the head and the last blocks",
    "half": "the upper half",
    "all": "everything",
}
SIGNED = {
    name: METHODS[name]
    for name in (
        *("saliency", "deconvnet", "guided_backprop"),
        *("guided_grad_cam", "smooth_grad", "integrated_gradients"),
    )
}
WITH_EXACT = {**METHODS, **EXACT}
CAUSES = {
    "mark": "the mark is the cause",
    "pale": "paleness is the cause",
    "decoy": "paleness is the cause, a pale mark is there",
    "both": "mark and paleness go together",
}


def in_each(names: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """Units of both networks."""
    return tuple(f"{short}/{name}" for short in NETWORKS for name in names(short))


def numbered(count: int) -> tuple[str, ...]:
    """Units of both networks by number."""
    return in_each(lambda short: map(str, range(count)))


def covered(short: str) -> tuple[str, ...]:
    """The photos that are covered, under each cover."""
    return tuple(f"{name}/{cover}" for name in photos(short, COVERED) for cover in COVERS)


def covered_once(short: str) -> tuple[str, ...]:
    """A few of them, each under another cover."""
    return tuple(f"{name}/{cover}" for name, cover in zip(photos(short, SCORED), COVERS[::-1], strict=False))


def about_halves(methods: Mapping[str, str], fails: bool) -> tuple[Claim, ...]:
    """The rows of the mosaics."""
    return (
        *claims_about(
            "own_half",
            "the share in the own halves (%)",
            "more than half of its maps lies in the own halves (mean of two classes, %)",
            above(50),
            0.5,
            methods,
            SHARES if fails else (),
        ),
        *claims_about(
            "two",
            "the correlation of two classes' maps",
            "the maps of a mosaic's two classes correlate below 0.5",
            below(0.5),
            0.02,
            methods,
            UNMOVED if fails else (),
        ),
    )


def about_covers(methods: Mapping[str, str], fails: bool) -> tuple[Claim, ...]:
    """The rows of deletion and insertion."""
    found: tuple[Claim, ...] = ()
    for measure in ("deletion", "insertion"):
        found += claims_about(
            measure,
            f"{measure} (gain over a random order, probability)",
            f"{measure}: better than a random order (gain in probability)",
            above(0),
            0.02,
            methods,
            ORDERED if fails else (),
        )
        found += claims_about(
            f"{measure} place",
            "",
            f"{measure}: better than its own shapes elsewhere (gain in probability)",
            above(0),
            0.02,
            methods,
        )
    return found


def about_draws() -> tuple[Claim, ...]:
    """The rows of networks that are drawn anew."""
    found: tuple[Claim, ...] = ()
    for stage, words in STAGES.items():
        sentence = f"{words} drawn anew, the map correlates below 0.5 with the old one (0: empty)"
        title = f"the correlation with {words} drawn anew"
        found += claims_about(stage, title, sentence, below(0.5), 0.02, METHODS, UNMOVED)
        found += claims_about(f"{stage} signed", "", f"{sentence}, signs kept", below(0.5), 0.02, SIGNED)
    for short in NETWORKS:
        for stage, words in STAGES.items():
            text = f"Baseline: {TITLES[short]}, Grad-CAM: {words} drawn anew, the map is empty (%)."
            found += (claim(f"{short} empty {stage}", text, None, 1.0),)
    found += claims_about("others", "", "a photo's map with that of another photo", None, 0.02, METHODS)
    return found + claims_about(
        "others signed", "", "the same for two photos, signs kept", None, 0.02, SIGNED
    )


def about_changes() -> tuple[Claim, ...]:
    """The rows of stability."""
    words = {
        "shift": "shifted by 8 pixels",
        "flip": "mirrored",
        "jpeg": "saved as JPEG of quality 50",
        "noise": "with noise of 5 of 255 levels",
        "192": "at 192 pixels",
        "256": "at 256 pixels",
    }
    found: tuple[Claim, ...] = ()
    for change, how in words.items():
        found += claims_about(
            change,
            f"the correlation {how}",
            f"{how}, the photo's map, moved back, correlates above 0.8",
            above(0.8),
            0.02,
            METHODS,
            UNMOVED,
        )
    return found


def about_corner() -> tuple[Claim, ...]:
    """The rows of the manipulated head."""
    kinds = {"own": "made for the photo", "common": "made for the other photos"}
    rows = claims_about(
        "corner before", "", "the share in the corner, as trained (%)", None, 0.5, METHODS, networks=("lite",)
    )
    for kind, words in kinds.items():
        sentence = f"a vector {words} moves more than half of the map into the corner (%)"
        rows += claims_about(f"corner {kind}", "", sentence, above(50), 1.0, METHODS, networks=("lite",))
    return rows + tuple(
        claim(
            f"lite probability {kind}",
            f"A vector {words}, added to all rows of the head, changes no probability by 0.0001.",
            below(1e-4),
            1e-4,
        )
        for kind, words in kinds.items()
    )


def about_causes() -> tuple[Claim, ...]:
    """The rows of the planted causes."""
    sentences = {
        "mark": ("more than half of the map lies in the corner (%)", above(50)),
        "pale": ("less than the corner's area, 17.4 %, lies there (%)", below(ch01.AREA)),
        "decoy": ("less than the corner's area, 17.4 %, lies there (%)", below(ch01.AREA)),
        "both": ("the share in the corner (%)", None),
    }
    every = {**METHODS, **SCORE}
    rows: tuple[Claim, ...] = ()
    for case, (sentence, holds) in sentences.items():
        words = f"{CAUSES[case]}: {sentence}"
        rows += claims_about(case, "", words, holds, 1.0, every, networks=("digits",))
        for name in ("edges", "random"):
            text = f"Baseline: {BAD[name]}, {CAUSES[case]}: share in the corner (%)."
            rows += (claim(f"digits {name} {case}", text, None, 1.0),)
        for cause in ("mark", "paleness"):
            text = f"Where {CAUSES[case]}: without the {cause} the lead of even falls (logits)."
            rows += (claim(f"cause {case} {cause}", text, None, 0.2),)
    return rows


def about_tasks() -> tuple[Claim, ...]:
    """The rows of one picture and two tasks."""
    every = {**METHODS, **SCORE}
    rows = tuple(
        claim(f"read {who}", f"Baseline: the {words} digit of two is read (%).", None, 2.0)
        for who, words in {"left": "left", "right": "right", "again": "left (another seed)"}.items()
    )
    for measure, sentence, holds, tolerance in (
        ("two tasks", "two networks, two tasks, one picture: the maps correlate below 0.5", below(0.5), 0.05),
        ("one task", "two networks, one task, one picture: correlation", None, 0.05),
        ("forgot", "the head drawn anew, the map correlates below 0.5 with the old one", below(0.5), 0.05),
        ("read half", "more than half of the map lies on the digit that is read (%)", above(50), 2.0),
    ):
        rows += claims_about(measure, "", sentence, holds, tolerance, every, networks=("digits",))
    return rows


def about_digits() -> tuple[Claim, ...]:
    """The rows of ROAR, its leak, and ROAD on digits."""
    gone = "without the brightest half"
    return (
        *claims_about(
            "roar",
            "ROAR (accuracy after training anew, %)",
            f"{gone}, a network trained anew reads so many digits (%)",
            None,
            3,
            DIGIT_METHODS,
            DIGIT_FAILS,
            ("digits",),
        ),
        *claims_about(
            "roar gain",
            "",
            "ROAR: worse to lose than a random half (difference of accuracies, points of %)",
            above(0),
            4,
            {**DIGIT_METHODS, **{name: BAD[name] for name in DIGIT_FAILS if name != "random"}},
            networks=("digits",),
        ),
        *claims_about(
            "leak",
            "",
            "from the masks alone a network reads more than 20 % of the digits (%; chance 10)",
            above(20),
            3,
            {**DIGIT_METHODS, **{name: BAD[name] for name in DIGIT_FAILS}},
            networks=("digits",),
        ),
        *claims_about(
            "digit_road",
            "ROAD on digits (accuracy, %)",
            f"{gone}, imputed, the network reads less than half of the digits (%)",
            below(50),
            3,
            DIGIT_METHODS,
            DIGIT_FAILS,
            ("digits",),
        ),
    )


EXPERIMENTS = (
    Experiment("ch15_halves", 15, numbered(MOSAICS), halves, about_halves(WITH_EXACT, True), 3),
    Experiment("ch15_score_halves", 15, numbered(7), score_halves, about_halves(SCORE, False), 12),
    Experiment(
        "ch15_pointing",
        15,
        numbered(GRIDS),
        pointed,
        (
            *claims_about(
                "hit",
                "photos pointed at (%)",
                "points at more than half of four photos in a grid (%)",
                above(50),
                25,
                WITH_EXACT,
                SHARES,
            ),
            *claims_about(
                "cell",
                "the share in the own quarters (%)",
                "more than half of its maps lies in the own quarters (mean of four, %; chance 25)",
                above(50),
                0.5,
                WITH_EXACT,
                SHARES,
            ),
        ),
        5,
    ),
    Experiment("ch15_covers", 15, in_each(covered), covers, about_covers(WITH_EXACT, True), 10),
    Experiment("ch15_score_covers", 15, in_each(covered_once), score_covers, about_covers(SCORE, False), 15),
    Experiment(
        "ch15_road",
        15,
        in_each(lambda short: photos(short, COVERED)),
        road,
        (
            *claims_about(
                "road_first",
                "ROAD, brightest first (probability)",
                "with its brightest places imputed, the probability is below 0.5 (mean of three parts)",
                below(0.5),
                0.03,
                WITH_EXACT,
                ORDERED,
            ),
            *claims_about(
                "road",
                "ROAD, both orders (probability)",
                "imputing the brightest places costs more than the darkest (half the difference)",
                above(0),
                0.03,
                WITH_EXACT,
                ORDERED,
            ),
        ),
        12,
    ),
    Experiment("ch15_draws", 15, numbered(PHOTOS), drawn_anew, about_draws(), 19),
    Experiment(
        "ch15_score_draws",
        15,
        numbered(3),
        score_drawn_anew,
        claims_about(
            "head",
            "",
            f"{STAGES['head']} drawn anew, the map correlates below 0.5 with the old one (0: empty)",
            below(0.5),
            0.02,
            SCORE,
        ),
        22,
    ),
    Experiment(
        "ch15_changes",
        15,
        in_each(lambda short: photos(short, COVERED)),
        stable,
        about_changes(),
        15,
    ),
    Experiment(
        "ch15_agree",
        15,
        both_right()[:8],
        agreeing,
        (
            *claims_about(
                "agree",
                "the correlation of two networks' maps",
                "the two networks' maps of a photo on which they agree correlate above 0.5",
                above(0.5),
                0.02,
                WITH_EXACT,
                UNMOVED,
                ("both",),
            ),
            *claims_about(
                "agree others",
                "",
                "Lite0's map of one photo and SqueezeNet's of another",
                None,
                0.02,
                METHODS,
                networks=("both",),
            ),
        ),
        8,
    ),
    Experiment("ch15_corner", 15, photos("lite", COVERED), manipulated, about_corner(), 7),
    Experiment("ch15_causes", 15, tuple(range(8)), planted, about_causes(), 12),
    Experiment("ch15_tasks", 15, tuple(range(8)), two_tasks, about_tasks(), 14),
    Experiment(
        "ch15_digits",
        15,
        tuple(f"{seed}/{name}" for seed in range(3) for name in (*DIGIT_METHODS, *DIGIT_FAILS)),
        roar,
        about_digits(),
        10,
    ),
)
