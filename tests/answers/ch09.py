"""Answers to the exercises of chapter 9."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps

from tests.answers import Answers


def decided(one, other):
    difference = one - other
    plus, minus = difference.relu().sum(), (-difference).relu().sum()
    return plus, minus, divmod(difference.abs().argmax().item(), difference.shape[1])


def decided_by_numpy(one, other):
    difference = np.asarray(one) - np.asarray(other)
    row, column = np.unravel_index(np.abs(difference).argmax(), difference.shape)
    return difference[difference > 0].sum(), -difference[difference < 0].sum(), (int(row), int(column))


def decided_in_loops(one, other):
    plus, minus, largest, place = 0.0, 0.0, 0.0, None
    for i in range(one.shape[0]):
        for j in range(one.shape[1]):
            change = (one[i, j] - other[i, j]).item()
            plus, minus = plus + max(change, 0), minus + max(-change, 0)
            if abs(change) > largest:
                largest, place = abs(change), [i, j]
    return plus, minus, place


def placed(values):
    return divmod(values.argmax().item(), values.shape[1])


def compared(ours, theirs):
    return np.mean(theirs) - np.mean(ours), (np.array(theirs) > np.array(ours)).sum()


def compared_in_a_loop(ours, theirs):
    gains = [b - a for a, b in zip(ours, theirs, strict=True)]
    return sum(gains) / len(gains), len([gain for gain in gains if gain > 0])


def compared_by_torch(ours, theirs):
    gain = torch.tensor(theirs).sub(torch.tensor(ours))
    return gain.mean().item(), int((gain > 0).count_nonzero())


def only(second):
    """The right difference, with another count."""
    return lambda ours, theirs: (compared(ours, theirs)[0], second(np.array(ours), np.array(theirs)))


def apart(picture, seam, bar, colour="black", start=None):
    width, height = picture.size
    result = Image.new("RGB", (width + bar, height), colour)
    result.paste(picture.crop((0, 0, seam, height)), (0, 0))
    start = seam if start is None else start
    result.paste(picture.crop((start, 0, width, height)), (start + bar, 0))
    return result


def apart_by_arrays(picture, seam, bar):
    pixels = np.array(picture)
    black = np.zeros((len(pixels), bar, 3), np.uint8)
    return Image.fromarray(np.concatenate([pixels[:, :seam], black, pixels[:, seam:]], axis=1))


def apart_by_expanding(picture, seam, bar):
    result = ImageOps.expand(picture, (0, 0, bar, 0))
    result.paste(picture, (bar, 0))
    result.paste(picture.crop((0, 0, seam, picture.height)), (0, 0))
    ImageDraw.Draw(result).rectangle((seam, 0, seam + bar - 1, picture.height), fill=(0, 0, 0))
    return result


def painted(picture, start, bar):
    result = picture.copy()
    ImageDraw.Draw(result).rectangle((start, 0, start + bar - 1, picture.height), fill=0)
    return result


def exchanged(picture, seam, bar):
    mirrored = apart(ImageOps.mirror(picture), picture.width - seam, bar)
    pixels = np.array(mirrored)
    cut = picture.width - seam
    return Image.fromarray(
        np.concatenate(
            [pixels[:, :cut][:, ::-1], pixels[:, cut : cut + bar], pixels[:, cut + bar :][:, ::-1]], 1
        )
    )


def array(picture, width, height):
    return np.array(picture.resize((width, height), Image.Resampling.BICUBIC))


def pixels_of(picture, width, height):
    x = torch.from_numpy(array(picture, width, height)).permute(2, 0, 1)[None] / 255
    return (x - 0.5) / 0.5


def pixels_by_numpy(picture, width, height):
    return (array(picture, width, height).transpose(2, 0, 1)[np.newaxis].astype(float) - 127.5) / 127.5


def pixels_by_channel(picture, width, height):
    channels = [torch.tensor(np.array(part)) for part in picture.resize((width, height)).split()]
    return (torch.stack(channels)[None].float() / 255 * 2).sub_(1)


def slope(model, pixels, k):
    pixels = pixels.clone().requires_grad_()
    return torch.autograd.grad(model(pixels)[0, k], pixels)[0]


def towards(model, pixels, k):
    return (pixels + slope(model, pixels, k).sign() / 127.5).clamp(-1, 1)


def towards_by_backward(model, pixels, k):
    pixels = pixels.detach().clone().requires_grad_(True)
    model(pixels)[:, k].sum().backward()
    with torch.no_grad():
        pixels += torch.where(pixels.grad > 0, 1, -1) * (2 / 255)
        return pixels.clip(min=-1.0, max=1.0)


def towards_in_place(model, pixels, k):
    direction = slope(model, pixels, k)
    pixels[direction > 0] += 1 / 127.5
    pixels[direction < 0] -= 1 / 127.5
    return torch.maximum(torch.minimum(pixels, torch.ones(1)), -torch.ones(1))


def step(length, low=-1, high=1):
    return lambda model, pixels, k: (pixels + length * slope(model, pixels, k).sign()).clamp(low, high)


def towards_all(model, pixels, k):
    pixels = pixels.clone().requires_grad_()
    model(pixels).backward(torch.ones(1, model(pixels).shape[1], dtype=pixels.dtype))
    return (pixels + pixels.grad.sign() / 127.5).clamp(-1, 1)


ANSWERS = {
    "ex-three-cats": Answers(
        right=[decided, decided_by_numpy, decided_in_loops],
        wrong=[
            ("the sign", lambda one, other: (*decided(one, other)[:2], placed(one - other))),
            ("the first map's maximum", lambda one, other: (*decided(one, other)[:2], placed(one))),
            ("one number", lambda one, other: (*decided(one, other)[:2], (one - other).abs().argmax())),
            (
                "divided by the rows",
                lambda one, other: (
                    *decided(one, other)[:2],
                    divmod((one - other).abs().argmax().item(), one.shape[0]),
                ),
            ),
            ("positive parts", lambda one, other: decided(one.clamp(min=0), other.clamp(min=0))),
            ("turned round", lambda one, other: decided(other, one)),
            (
                "minus below zero",
                lambda one, other: (decided(one, other)[0], -decided(one, other)[1], decided(one, other)[2]),
            ),
            (
                "means",
                lambda one, other: (
                    *[part / one.numel() for part in decided(one, other)[:2]],
                    decided(one, other)[2],
                ),
            ),
            ("", lambda one, other: (*decided(one, other)[:2], *decided(one, other)[2])),
        ],
    ),
    "ex-squeeze": Answers(
        right=[compared, compared_in_a_loop, compared_by_torch],
        wrong=[
            ("turned round", lambda ours, theirs: compared_in_a_loop(theirs, ours)),
            (
                "the mean turned round",
                lambda ours, theirs: (np.mean(ours) - np.mean(theirs), compared(ours, theirs)[1]),
            ),
            ("equal ones counted", only(lambda ours, theirs: (theirs - ours >= 0).sum())),
            ("not in pairs", only(lambda ours, theirs: (np.sort(theirs) > np.sort(ours)).sum())),
            ("a share", only(lambda ours, theirs: (theirs > ours).mean())),
            ("against the mean", only(lambda ours, theirs: (theirs > ours.mean()).sum())),
            ("the sum", lambda ours, theirs: (np.subtract(theirs, ours).sum(), compared(ours, theirs)[1])),
            ("", lambda ours, theirs: compared(ours, theirs)[0]),
        ],
    ),
    "ex-swap": Answers(
        right=[apart, apart_by_arrays, apart_by_expanding],
        wrong=[
            ("painted over", painted),
            ("painted over the middle", lambda picture, seam, bar: painted(picture, seam - bar // 2, bar)),
            (
                "hidden behind the bar",
                lambda picture, seam, bar: painted(ImageOps.expand(picture, (0, 0, bar, 0)), seam, bar),
            ),
            ("in the middle", lambda picture, seam, bar: apart(picture, picture.width // 2, bar)),
            ("not black", lambda picture, seam, bar: apart(picture, seam, bar, colour="white")),
            ("grey", lambda picture, seam, bar: apart(picture, seam, bar, colour=(128, 128, 128))),
            ("at the end", lambda picture, seam, bar: ImageOps.expand(picture, (0, 0, bar, 0))),
            ("swapped once more", exchanged),
            ("", lambda picture, seam, bar: np.array(apart(picture, seam, bar))),
        ],
    ),
    "ex-unsquashed": Answers(
        right=[pixels_of, pixels_by_numpy, pixels_by_channel],
        wrong=[
            ("rows and columns exchanged", lambda picture, width, height: pixels_of(picture, height, width)),
            (
                "turned",
                lambda picture, width, height: (
                    (torch.tensor(array(picture, width, height)).permute(2, 1, 0)[None] / 255 - 0.5) * 2
                ),
            ),
            ("not around zero", lambda *case: pixels_by_numpy(*case) / 2 + 0.5),
            ("grey levels", lambda *case: array(*case).transpose(2, 0, 1)[None]),
            (
                "another network's",
                lambda *case: (
                    (pixels_of(*case) / 2 + 0.5 - torch.tensor([0.485, 0.456, 0.406])[:, None, None])
                    / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
                ),
            ),
            (
                "reshaped",
                lambda p, width, height: (
                    torch.tensor(array(p, width, height)).view(1, 3, height, width) / 127.5 - 1
                ),
            ),
            ("channels last", lambda *case: torch.tensor(array(*case))[None] / 127.5 - 1),
            ("no batch", lambda *case: pixels_by_numpy(*case)[0]),
            ("", lambda *case: pixels_of(*case) * 2),
        ],
    ),
    "ex-car": Answers(
        right=[towards, towards_by_backward, towards_in_place],
        wrong=[
            ("downhill", step(-2 / 255)),
            ("no sign", lambda model, pixels, k: (pixels + slope(model, pixels, k) / 127.5).clamp(-1, 1)),
            ("half a level", step(1 / 255)),
            ("far too large", step(1)),
            ("not kept inside", step(2 / 255, low=-9, high=9)),
            ("kept from 0 to 1", step(2 / 255, low=0)),
            ("all scores", towards_all),
            ("the step alone", lambda model, pixels, k: slope(model, pixels, k).sign() * 2 / 255),
            ("", lambda model, pixels, k: towards(model, towards(model, pixels, k), k)),
        ],
    ),
}
