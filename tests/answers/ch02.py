"""Answers to the exercises of chapter 2."""

import math

import numpy as np
import torch
from PIL import Image, ImageChops

from tests.answers import Answers


def softened_in_loops(logits, divisor):
    rows = []
    for row in logits.tolist():
        powers = [math.exp(value / divisor) for value in row]
        rows.append([power / sum(powers) for power in powers])
    return torch.tensor(rows)


def softened_in_place(logits, divisor):
    logits /= divisor
    logits -= logits.max(dim=1, keepdim=True).values
    logits.exp_()
    return logits.div_(logits.sum(dim=1, keepdim=True))


def shifted_by_slices(x, by):
    return x[..., list(range(x.shape[-1] - 1, -1, -1))], torch.cat([x[..., -by:], x[..., :-by]], dim=-1)


def mirrored_in_loops(x, by):
    mirrored, shifted = torch.empty_like(x), torch.empty_like(x)
    width = x.shape[3]
    for column in range(width):
        mirrored[..., width - 1 - column] = x[..., column]
        shifted[..., (column + by) % width] = x[..., column]
    return mirrored, shifted


def mixed_by_hand(dog, cat, share):
    first, second = (np.asarray(photo.resize((224, 224)), float) for photo in (dog, cat))
    return Image.fromarray(((1 - share) * first + share * second).round().astype(np.uint8))


def found_in_a_loop(part, names):
    found = []
    for name in names:
        if name.find(part) != -1:
            found.append(name)
    return found


def squares(*photos):
    return [photo.resize((224, 224)) for photo in photos]


def side_by_side(dog, cat, share):
    dog, cat = squares(dog, cat)
    seam = round(224 * (1 - share))
    dog.paste(cat.crop((seam, 0, 224, 224)), (seam, 0))
    return dog


ANSWERS = {
    "ex-temperature": Answers(
        right=[
            lambda logits, divisor: torch.softmax(logits / divisor, dim=-1),
            lambda logits, divisor: (logits.T / divisor).softmax(dim=0).T,
            softened_in_loops,
            softened_in_place,
        ],
        wrong=[
            ("probabilities divided", lambda logits, t: torch.softmax(logits, -1) / t),
            ("multiplied", lambda logits, t: torch.softmax(logits * t, -1)),
            ("no softmax", lambda logits, t: logits.div(t)),
            ("over the pictures", lambda logits, t: torch.softmax(logits / t, 0)),
            ("each class on its own", lambda logits, t: 1 / (1 + (-logits / t).exp())),
            ("divisor forgotten", lambda logits, t: torch.softmax(logits, -1)),
            ("", lambda logits, t: (logits / t).softmax(1)[0]),
        ],
    ),
    "ex-mirror": Answers(
        right=[
            lambda x, by: (torch.fliplr(x.permute(2, 3, 0, 1)).permute(2, 3, 0, 1), torch.roll(x, by, -1)),
            shifted_by_slices,
            mirrored_in_loops,
        ],
        wrong=[
            ("upside down", lambda x, by: (torch.flip(x, [-2]), torch.roll(x, by, -1))),
            ("colours turned", lambda x, by: (x[:, [2, 1, 0]], torch.roll(x, by, -1))),
            ("half a turn", lambda x, by: (torch.rot90(x, 2, (2, 3)), torch.roll(x, by, -1))),
            ("shifted down", lambda x, by: (torch.flip(x, [-1]), torch.roll(x, by, -2))),
            ("shifted to the left", lambda x, by: (x.flip(-1), torch.cat([x[..., by:], x[..., :by]], -1))),
            ("rolled as one row", lambda x, by: (x.flip(-1), torch.roll(x, by))),
            ("", lambda x, by: x.flip(3)),
        ],
    ),
    "ex-small": Answers(
        right=[
            lambda image, side: image.resize((side, side)).resize((224, 224)),
            lambda image, side: image.resize((side,) * 2, Image.Resampling.BOX).resize((224, 224), 0),
            lambda image, side: image.resize([side, side], 2).resize([224, 224], 2),
        ],
        wrong=[
            ("only shrunk", lambda image, side: image.resize((side, side))),
            ("proportions kept", lambda image, side: image.resize((side, side)).resize(image.size)),
            ("nothing lost", lambda image, side: image.resize((224, 224))),
            ("cut out", lambda image, side: image.crop((0, 0, side, side)).resize((224, 224))),
            ("nothing lost", lambda image, side: image.resize((224, 224)).resize((224, 224))),
            ("", lambda image, side: np.asarray(image.resize((side, side)).resize((224, 224)))),
        ],
    ),
    "ex-mix": Answers(
        right=[
            lambda dog, cat, share: Image.blend(*squares(dog, cat), share),
            lambda dog, cat, share: Image.blend(*squares(cat, dog), 1 - share),
            mixed_by_hand,
        ],
        wrong=[
            ("the other way round", lambda dog, cat, share: Image.blend(*squares(dog, cat), 1 - share)),
            ("always half", lambda dog, cat, share: Image.blend(*squares(dog, cat), 1 / 2)),
            ("added up", lambda dog, cat, share: ImageChops.add(*squares(cat, dog))),
            ("side by side", side_by_side),
            ("not resized", lambda dog, cat, share: Image.blend(dog, cat.resize(dog.size), share)),
        ],
    ),
    "ex-own-photos": Answers(
        right=[
            lambda part, names: [name for name in names if part in name],
            lambda part, names: list(filter(lambda name: part in name, names)),
            found_in_a_loop,
        ],
        wrong=[
            ("the whole name", lambda part, names: [part] if part in names else []),
            ("at the beginning", lambda part, names: [n for n in names if n[: len(part)] == part]),
            ("whole words", lambda part, names: [n for n in names if part in n.split(" ")]),
            ("numbers", lambda part, names: [names.index(n) for n in names if part in n]),
            ("the first one", lambda part, names: [next(n for n in names if part in n)]),
            ("turned round", lambda part, names: [n for n in names if n in part]),
        ],
    ),
}
