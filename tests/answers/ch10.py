"""Answers to the exercises of chapter 10."""

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from tests.answers import Answers


def likeness(maps):
    return np.corrcoef(maps.flatten(1))


def likeness_by_scaling(maps):
    rows = maps.reshape(len(maps), -1)
    rows = rows - rows.mean(dim=1, keepdim=True)
    rows /= rows.norm(dim=1, keepdim=True)
    return rows @ rows.T


def likeness_in_loops(maps):
    found = np.eye(len(maps))
    for i, one in enumerate(maps):
        for j, other in enumerate(maps):
            product = ((one - one.mean()) * (other - other.mean())).mean()
            found[i, j] = product / (one.std(correction=0) * other.std(correction=0))
    return found


def cover_at(x, place, side):
    top, left = 32 * place[0] + 16 - side // 2, 32 * place[1] + 16 - side // 2
    covered = x.clone()
    covered[..., max(top, 0) : top + side, max(left, 0) : left + side] = 0
    return covered


def cover_by_mask(x, place, side):
    row, column = place
    rows = (torch.arange(x.shape[2]) - 32 * row - 15.5).abs() < side / 2
    columns = (torch.arange(x.shape[3]) - 32 * column - 15.5).abs() < side / 2
    return torch.where(rows[:, None] & columns, 0.0, x)


def cover_in_loops(x, place, side):
    x = x.clone()
    for i in range(32 * place[0] + 16 - side // 2, 32 * place[0] + 16 + side // 2):
        for j in range(32 * place[1] + 16 - side // 2, 32 * place[1] + 16 + side // 2):
            if 0 <= i < x.shape[-2] and 0 <= j < x.shape[-1]:
                x[:, :, i, j] = 0
    return x


def cover_in_place(x, place, side):
    top, left = 32 * place[0] + 16 - side // 2, 32 * place[1] + 16 - side // 2
    x[..., max(top, 0) : top + side, max(left, 0) : left + side] = 0
    return x


def cover_from(begin, end):
    """A cover from and to the pixels that two functions give."""

    def answer(x, place, side):
        (top, bottom), (left, right) = ((begin(32 * k, side), end(32 * k, side)) for k in place)
        covered = x.clone()
        covered[:, :, top:bottom, left:right] = 0
        return covered

    return answer


def softly(image, boxes, level, edge):
    mask = Image.new("L", image.size, 255)
    for box in boxes:
        mask.paste(0, box)
    mask = mask.filter(ImageFilter.GaussianBlur(edge))
    return Image.composite(image, Image.new("RGB", image.size, (level,) * 3), mask)


def softly_pasted(image, boxes, level, edge):
    paint = Image.new("L", image.size)
    for left, top, right, bottom in boxes:
        ImageDraw.Draw(paint).rectangle((left, top, right - 1, bottom - 1), fill=255)
    image.paste((level, level, level), mask=paint.filter(ImageFilter.GaussianBlur(edge)))
    return image


def softly_by_arrays(image, boxes, level, edge):
    mask = np.zeros((image.height, image.width), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 255
    share = np.array(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(edge)), float)[:, :, None] / 255
    return Image.fromarray((share * level + (1 - share) * np.array(image)).round().astype(np.uint8))


def hard(image, boxes, level, edge):
    for box in boxes:
        image.paste((level,) * 3, box)
    return image


def rest_covered(image, boxes, level, edge):
    mask = Image.new("L", image.size)
    for box in boxes:
        mask.paste(255, box)
    mask = mask.filter(ImageFilter.GaussianBlur(edge))
    return Image.composite(image, Image.new("RGB", image.size, (level,) * 3), mask)


def blurred_inside(image, boxes, level, edge):
    blurred = image.filter(ImageFilter.GaussianBlur(edge))
    for box in boxes:
        image.paste(blurred.crop(box), box)
    return image


def one_mask_each(image, boxes, level, edge):
    for box in boxes:
        changed = softly(image, [box], level, edge)
    return changed


def pair(image, by):
    return image.point(lambda level: min(255, level + by)), image.point(lambda level: 255 - level)


def pair_by_arrays(image, by):
    levels = np.array(image)
    light = np.clip(levels.astype(int) + by, 0, 255).astype(np.uint8)
    return [Image.fromarray(light), Image.fromarray(~levels)]


def pair_by_chops(image, by):
    return ImageChops.add(image, Image.new("RGB", image.size, (by,) * 3)), ImageOps.invert(image)


def wrapped(image, by):
    return Image.fromarray(np.array(image) + np.uint8(by)), pair(image, by)[1]


def softly_drawn(image, boxes, level, edge):
    mask = Image.new("L", image.size, 255)
    for box in boxes:
        ImageDraw.Draw(mask).rectangle(box, fill=0)
    paint = Image.new("RGB", image.size, (level,) * 3)
    return Image.composite(image, paint, mask.filter(ImageFilter.GaussianBlur(edge)))


ANSWERS = {
    "ex-colour-of-cover": Answers(
        right=[likeness, likeness_by_scaling, likeness_in_loops],
        wrong=[
            (
                "means left in",
                lambda maps: torch.cosine_similarity(maps.flatten(1)[:, None], maps.flatten(1)[None], dim=2),
            ),
            ("not divided", lambda maps: np.cov(maps.flatten(1))),
            ("places compared", lambda maps: np.corrcoef(maps.flatten(1).T)),
            ("positive parts", lambda maps: np.corrcoef(maps.clamp(min=0).flatten(1))),
            ("without the sign", lambda maps: np.abs(np.corrcoef(maps.flatten(1)))),
            ("squared", lambda maps: np.corrcoef(maps.flatten(1)) ** 2),
            ("of the row means", lambda maps: np.corrcoef(maps.numpy().mean(axis=-1))),
            ("", lambda maps: likeness(maps)[0]),
        ],
    ),
    "ex-size-of-cover": Answers(
        right=[cover_at, cover_by_mask, cover_in_loops],
        wrong=[
            ("the photo itself", cover_in_place),
            ("from the corner", cover_from(lambda at, side: at, lambda at, side: at + side)),
            (
                "centre on a corner",
                cover_from(lambda at, side: max(at - side // 2, 0), lambda at, side: at + side // 2),
            ),
            (
                "twice as wide",
                cover_from(lambda at, side: max(at + 16 - side, 0), lambda at, side: at + 16 + side),
            ),
            ("rows and columns exchanged", lambda x, place, side: cover_at(x, (place[1], place[0]), side)),
            (
                "lost at the border",
                cover_from(lambda at, side: at + 16 - side // 2, lambda at, side: at + 16 + side // 2),
            ),
            (
                "pushed inside",
                cover_from(
                    lambda at, side: max(at + 16 - side // 2, 0),
                    lambda at, side: max(at + 16 - side // 2, 0) + side,
                ),
            ),
            ("the rest covered", lambda x, place, side: torch.where(cover_at(x, place, side) == 0, x, 0.0)),
            (
                "the first picture only",
                lambda x, place, side: torch.stack([cover_at(x, place, side)[0], *x[1:]]),
            ),
            ("", lambda x, place, side: cover_at(x, place, side)[0]),
        ],
    ),
    "ex-bobsled": Answers(
        right=[softly, softly_pasted, softly_by_arrays, softly_drawn],
        wrong=[
            ("a hard edge", hard),
            ("the photo blurred", lambda *case: hard(*case).filter(ImageFilter.GaussianBlur(case[-1]))),
            ("blurred instead of covered", blurred_inside),
            ("turned round", rest_covered),
            ("the last box only", one_mask_each),
            ("the first box only", lambda image, boxes, *rest: softly_pasted(image, [boxes[0]], *rest)),
            ("always grey", lambda image, boxes, level, edge: softly_by_arrays(image, boxes, 128, edge)),
            ("always eight pixels", lambda image, boxes, level, edge: softly_pasted(image, boxes, level, 8)),
            ("", lambda *case: np.array(softly(*case))),
        ],
    ),
    "ex-fifth-case": Answers(
        right=[pair, pair_by_arrays, pair_by_chops],
        wrong=[
            ("round the corner", wrapped),
            (
                "multiplied",
                lambda image, by: (image.point(lambda k: min(255, k * (1 + by / 255))), pair(image, by)[1]),
            ),
            (
                "darker",
                lambda image, by: (
                    ImageChops.subtract(image, Image.new("RGB", image.size, (by,) * 3)),
                    pair(image, by)[1],
                ),
            ),
            (
                "mixed with white",
                lambda image, by: (
                    Image.blend(image, Image.new("RGB", image.size, "white"), by / 255),
                    pair(image, by)[1],
                ),
            ),
            (
                "the negative of the lighter one",
                lambda image, by: (pair(image, by)[0], ImageOps.invert(pair(image, by)[0])),
            ),
            (
                "below zero",
                lambda image, by: (pair(image, by)[0], Image.fromarray(np.array(image) * np.uint8(255))),
            ),
            ("exchanged", lambda image, by: pair(image, by)[::-1]),
            ("upside down", lambda image, by: (pair(image, by)[0], ImageOps.flip(image))),
            ("", lambda image, by: pair(image, by)[0]),
        ],
    ),
}
