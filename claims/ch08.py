"""Chapter 8: what a Grad-CAM map adds up to, and whether its bright places matter."""

import numpy as np
import torch
from torch import Tensor

from claims.pictures import (
    above,
    below,
    claim,
    correlation,
    cover,
    head,
    labelled,
    named_rightly,
    others_alike,
    photo,
    right_class,
    right_maps,
    scores,
    signed_maps,
    squashed,
    unsquashed,
    untrained,
    within,
)
from claims.table import Experiment, Unit, Values
from helpers import (
    catalogue,
    grad_cam,
    load_classifier,
    load_image,
    occlusion_map,
    upsample,
)

PAINTS = tuple(
    f"{fill}/{edge}" for fill in ("grey", "black", "surroundings", "blurred") for edge in ("hard", "soft")
)
SIDES = (192, 256, 448)


def sums(unit: Unit) -> Values:
    """How exactly Grad-CAM is CAM and adds up to the logit, and which channels and places speak against."""
    name = str(unit)
    clf, target = load_classifier(), right_class(name)
    activations, maps, logits = signed_maps(name)
    weights, bias = head(clf).weight[target].detach(), head(clf).bias[target].item()
    cam = grad_cam(clf.model, clf.layer, photo(name), target)[0]
    means = activations.mean(dim=(1, 2))
    return {
        "cam": (cam - maps[target].relu()).abs().max().item(),
        "sum": abs(maps[target].sum().item() + bias - logits[target].item()),
        "weights": 100 * (weights > 0).double().mean().item(),
        "places": int((maps[target] < 0).sum()),
        "channels": (means[weights > 0].mean() / means[weights < 0].mean()).item(),
    }


def places_mask(places: Tensor) -> Tensor:
    """Masks (N, 224, 224) of sets of places (N, 7, 7)."""
    return places.double().repeat_interleave(32, dim=1).repeat_interleave(32, dim=2)


def rectangles() -> Tensor:
    """All 48 rectangles of 2 × 4 and 4 × 2 of the 7 × 7 places, (48, 7, 7)."""
    found: list[Tensor] = []
    for height, width in ((2, 4), (4, 2)):
        for row in range(8 - height):
            for column in range(8 - width):
                places = torch.zeros(7, 7)
                places[row : row + height, column : column + width] = 1
                found.append(places)
    return torch.stack(found)


def elsewhere(places: Tensor, lot: np.random.Generator) -> Tensor:
    """Up to twelve other placements of the same shape (7, 7), moved or mirrored, by lot; (N, 7, 7)."""
    rows, columns = places.any(dim=1).nonzero().flatten(), places.any(dim=0).nonzero().flatten()
    shape = places[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    found: list[Tensor] = []
    for turned in (shape, shape.flip(0), shape.flip(1), shape.flip(0, 1)):
        for row in range(8 - len(shape)):
            for column in range(8 - shape.shape[1]):
                moved = torch.zeros(7, 7)
                moved[row : row + len(shape), column : column + shape.shape[1]] = turned
                if not moved.equal(places) and not any(moved.equal(other) for other in found):
                    found.append(moved)
    chosen = lot.permutation(len(found))[:12]
    return torch.stack([found[k] for k in chosen]) if found else torch.zeros(0, 7, 7)


def share_below(value: Tensor, others: Tensor) -> float:
    """The percentage of others that are below a value."""
    return 100 * (others < value).double().mean().item()


def bright(unit: Unit) -> Values:
    """What covering the eight brightest places costs, beside scattered and contiguous covers of eight."""
    name, fill, edge = str(unit).split("/")
    clf, target, map_ = load_classifier(), right_class(name), right_maps()[name]
    lot = np.random.default_rng(labelled().index(name))
    best = torch.zeros(49).index_fill(0, map_.flatten().topk(8).indices, 1).reshape(7, 7)
    scattered = torch.stack([torch.from_numpy(lot.permutation(49) < 8).reshape(7, 7) for _ in range(10)])
    shifted, blocks = elsewhere(best, lot), rectangles()
    masks = places_mask(torch.cat([best[None], scattered, shifted, blocks]))
    x = photo(name)
    y = scores(clf, torch.cat([x, cover(clf, x, masks, fill, edge)]), target)
    drop, by_chance, moved, by_block = (y[0] - y[1:]).split([1, 10, len(shifted), len(blocks)])
    inside = (blocks * map_).sum(dim=(1, 2))
    values = {
        "scattered": (drop - by_chance.max()).item(),
        "blocks": share_below(drop, by_block),
        "brightest_block": share_below(by_block[inside.argmax()], by_block),
        "follows": correlation(inside, by_block),
        "moved": share_below(drop, moved),
        "others": float(np.mean([correlation((blocks * m).sum(dim=(1, 2)), by_block) for m in rest(name)])),
    }
    values |= {
        "wins": int(by_block.argmax() == inside.argmax()),
        "more": values["follows"] - values["others"],
        f"kinds_{edge}": (by_chance.mean() - by_block.mean()).item(),
    }
    if f"{fill}/{edge}" == "grey/hard":
        values["scattered_grey"] = values["scattered"]
    return values


def rest(name: str) -> list[Tensor]:
    """The right maps of all other photos."""
    return [map_ for other, map_ in right_maps().items() if other != name]


def occlusion(unit: Unit) -> Values:
    """The correlation of a map with the drops under 7 × 7 grey squares of 64 pixels, and its baseline."""
    name = str(unit)
    clf = load_classifier()
    drops = occlusion_map(clf.model, photo(name), right_class(name))[0]
    own, others = correlation(right_maps()[name], drops), others_alike(drops, name)
    return {"own": own, "others": others, "more": own - others}


def random_weights(unit: Unit) -> Values:
    """An untrained network's map of its own best guess: how alike it is to the trained one's, by seed."""
    model = untrained(int(unit))
    found: list[tuple[float, float]] = []
    for name in labelled():
        map_ = grad_cam(model, model.get_submodule("bn2"), photo(name))[0]
        if map_.std() > 0:
            found.append((correlation(map_, right_maps()[name]), others_alike(map_, name)))
    own, others = np.array(found).mean(axis=0)
    return {
        "own": float(own),
        "others": float(others),
        "more": float(own - others),
    }


def probability(unit: Unit) -> Values:
    """How far the map shrinks when the probability is differentiated: p(1 - p), times the bracket."""
    _, maps, logits = signed_maps(str(unit))
    p = logits.double().softmax(dim=0)
    values: Values = {}
    for place, k in zip(("first", "second"), logits.topk(2).indices.tolist(), strict=True):
        weights = p.clone()
        weights[k] = 0
        others = torch.einsum("k,kij->ij", weights / weights.sum(), maps.double())
        bracket = (maps[k] - others).relu()
        cam = maps[k].relu()
        values |= {
            f"{place}_factor": (p[k] * (1 - p[k])).item(),
            f"{place}_bracket": (bracket.max() / cam.max()).item(),
            f"{place}_alike": correlation(bracket, cam),
        }
    if p.max() > 0.9:
        values["sure_alike"] = values["first_alike"]
        values["sure_height"] = values["first_factor"] * values["first_bracket"]
    return values


def two_guesses(unit: Unit) -> Values:
    """How alike the maps of the first two guesses are, beside those of any two classes and photos."""
    name = str(unit)
    _, maps, logits = signed_maps(name)
    first, second = logits.topk(2).indices.tolist()
    cams = maps.relu()
    lit = [k for k in range(len(cams)) if cams[k].std() > 0 and k not in (first, second)]
    return {
        "alike": correlation(cams[first], cams[second]),
        "classes": float(np.median([correlation(cams[first], cams[k]) for k in lit])),
        "photos": others_alike(cams[first], name),
    }


def sizes(unit: Unit) -> Values:
    """How alike the map stays at other sizes of the input."""
    name = str(unit)
    clf, target = load_classifier(), right_class(name)
    own, classes = right_maps()[name], catalogue()[name].classes
    values: Values = {"others": others_alike(own, name)}
    for side in SIDES:
        x = squashed(clf, [load_image(name)], side)
        cam = grad_cam(clf.model, clf.layer, x, target)[0]
        values[f"map_{side}"] = correlation(upsample(cam, (224, 224)), upsample(own, (224, 224)))
        values[f"right_{side}"] = int(predicted(x) in classes)
    return values


def predicted(x: Tensor) -> int:
    """The first guess for one picture."""
    with torch.no_grad():
        return int(load_classifier().model(x).argmax())


def proportions(unit: Unit) -> Values:
    """A photo that is not square, squashed and with its own proportions."""
    name = str(unit)
    clf, image = load_classifier(), load_image(name)
    square, wide = photo(name), unsquashed(clf, image)
    target = predicted(square)
    cams = [grad_cam(clf.model, clf.layer, x, target)[0] for x in (square, wide)]
    one, other = (upsample(cam, (224, 224)) for cam in cams)
    return {
        "alike": correlation(one, other),
        "same": int(predicted(wide) == target),
        "others": others_alike(cams[0], name),
    }


def not_square() -> tuple[str, ...]:
    """The packaged photos whose width is not their height."""
    names = [name for name, entry in catalogue().items() if entry.package]
    return tuple(name for name in names if load_image(name).width != load_image(name).height)


EXPERIMENTS = (
    Experiment(
        "ch08_sums",
        8,
        labelled(),
        sums,
        (
            claim(
                "cam", "Grad-CAM and the ReLU of CAM/49 differ by less than 0.0001 logits.", below(1e-4), 1e-4
            ),
            claim("sum", "Signed map plus bias and logit differ by less than 0.0001.", below(1e-4), 1e-4),
            claim("weights", "40 to 60 % of the right class's weights are positive.", within(40, 60), 0.1),
            claim("places", "At most 10 of the 49 places speak against the right class.", below(11), 1),
            claim(
                "channels", "Channels for the class are more active than those against it (ratio).", above(1)
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch08_bright",
        8,
        tuple(f"{name}/{paint}" for name in named_rightly() for paint in PAINTS),
        bright,
        (
            claim(
                "scattered_grey",
                "Covering the eight brightest in grey costs more than ten scattered eights (chance 1 in 11).",
                above(0),
                0.02,
            ),
            claim(
                "scattered",
                "In eight paints the eight brightest cost more than each of ten scattered eights (lead, "
                "logits; chance 1 in 11).",
                above(0),
                0.02,
            ),
            claim(
                "moved",
                "The eight brightest cost more than half of the same shapes elsewhere (% of them).",
                above(50),
                9,
            ),
            claim(
                "blocks",
                "The eight brightest cost more than half of all 2 × 4 rectangles (% of them).",
                above(50),
                5,
            ),
            claim(
                "brightest_block",
                "The 2 × 4 rectangle with most of the map costs more than half of all 48 (% of them).",
                above(50),
                5,
            ),
            claim(
                "wins",
                "The 2 × 4 rectangle with most of the map costs most of all 48 (1: yes; chance 1 in 48).",
                above(0),
                0,
            ),
            claim(
                "follows",
                "Over the 48 rectangles, what they hold of the map and what they cost correlate above 0.",
                above(0),
                0.02,
            ),
            claim("others", "Baseline: the same with the maps of other photos (mean).", None, 0.02),
            claim(
                "more",
                "Rectangles: the photo's own map correlates more than that baseline (difference).",
                above(0),
                0.02,
            ),
            claim(
                "kinds_hard",
                "With hard edges, scattered squares cost more than rectangles (mean lead in logits).",
                above(0),
                0.02,
            ),
            claim(
                "kinds_soft",
                "With soft edges, scattered squares cost more than rectangles (mean lead in logits).",
                above(0),
                0.02,
            ),
        ),
        2.5,
    ),
    Experiment(
        "ch08_occlusion",
        8,
        labelled(),
        occlusion,
        (
            claim("own", "Map and cost of 49 grey squares of 64 pixels correlate above 0.", above(0), 0.02),
            claim("others", "Baseline: the maps of other photos with these costs (mean).", None, 0.02),
            claim(
                "more",
                "49 squares: the photo's own map correlates more than that baseline (difference).",
                above(0),
                0.02,
            ),
        ),
        1.5,
    ),
    Experiment(
        "ch08_untrained",
        8,
        tuple(range(10)),
        random_weights,
        (
            claim(
                "own",
                "Trained and untrained map of a photo correlate below 0.4 (mean of 26 photos, by seed).",
                below(0.4),
            ),
            claim("others", "Baseline: the untrained map with the trained maps of other photos.", None),
            claim(
                "more",
                "The same photo's maps correlate more than those of different photos (difference).",
                above(0),
            ),
        ),
        2,
    ),
    Experiment(
        "ch08_two_guesses",
        8,
        labelled(),
        two_guesses,
        (
            claim("alike", "The maps of the first two guesses correlate above 0.8.", above(0.8)),
            claim(
                "classes", "Baseline: the first guess's map with those of all other classes (median).", None
            ),
            claim(
                "photos", "Baseline: the first guess's map with the right maps of other photos (mean).", None
            ),
        ),
        0.3,
    ),
    Experiment(
        "ch08_probability",
        8,
        labelled(),
        probability,
        (
            claim(
                "sure_alike",
                "Of a first guess above 90 %, the maps from logit and probability correlate above 0.95.",
                above(0.95),
            ),
            claim(
                "sure_height",
                "Of a first guess above 90 %, the probability's map is less than a tenth as high (ratio).",
                below(0.1),
            ),
            claim("first_factor", "First guess: the factor p(1 - p).", None),
            claim(
                "first_bracket",
                "First guess: the bracket keeps more than half of the height (ratio).",
                above(0.5),
            ),
            claim("second_factor", "Second guess: the factor p(1 - p).", None),
            claim(
                "second_bracket",
                "Second guess: the bracket keeps more than half of the height (ratio).",
                above(0.5),
            ),
            claim(
                "second_alike",
                "Second guess: the maps from logit and probability correlate above 0.95.",
                above(0.95),
            ),
        ),
        0.1,
    ),
    Experiment(
        "ch08_sizes",
        8,
        labelled(),
        sizes,
        (
            *(
                claim(
                    f"map_{side}",
                    f"The map at {side} pixels correlates above 0.8 with that at 224.",
                    above(0.8),
                )
                for side in SIDES
            ),
            claim("others", "Baseline: maps of different photos at 224 pixels (mean).", None),
            *(
                claim(f"right_{side}", f"The first guess at {side} pixels is right (1: yes).", above(0), 0)
                for side in SIDES
            ),
        ),
        1,
    ),
    Experiment(
        "ch08_proportions",
        8,
        not_square(),
        proportions,
        (
            claim(
                "same",
                "Photo not square: squashed and unsquashed have one first guess (1: yes).",
                above(0),
                1,
            ),
            claim(
                "alike", "Photo not square: its squashed and unsquashed maps correlate above 0.8.", above(0.8)
            ),
            claim("others", "Baseline: the squashed map with those of other photos (mean).", None),
        ),
        0.3,
    ),
)
