"""The checks of chapter 2."""

from itertools import product

from PIL import Image, ImageChops

from helpers.exercises.judging import Answer, Draw, Wrong, by_cases, same

FILTERS = tuple(Image.Resampling)


def _logits(draw: Draw) -> list[tuple[object, ...]]:
    return [
        (3 * draw.normal(draw.size(2, 4), draw.size(5, 9)), draw.number(1.5, 4)),
        (3 * draw.normal(2, 6), draw.number(0.3, 0.8)),
    ]


temperature = by_cases(
    right=lambda logits, divisor: (logits / divisor).softmax(dim=1),
    cases=_logits,
    wrong={
        "probabilities divided": (
            lambda logits, divisor: logits.softmax(dim=1) / divisor,
            "You divided the probabilities: they no longer add up to 1. Divide the logits.",
        ),
        "multiplied": (
            lambda logits, divisor: (logits * divisor).softmax(dim=1),
            "You multiplied the logits: that moves them apart. Divide them.",
        ),
        "no softmax": (
            lambda logits, divisor: logits / divisor,
            "You divided the logits and stopped: the softmax makes probabilities of them.",
        ),
        "over the pictures": (
            lambda logits, divisor: (logits / divisor).softmax(dim=0),
            "Your softmax runs over the pictures of the batch: it runs over the classes, dimension 1.",
        ),
        "each class on its own": (
            lambda logits, divisor: (logits / divisor).sigmoid(),
            "You took a sigmoid of each class: together the classes have a probability of 1.",
        ),
        "divisor forgotten": (
            lambda logits, divisor: logits.softmax(dim=1),
            "Your probabilities do not depend on the divisor: divide the logits before the softmax.",
        ),
    },
)

mirror = by_cases(
    right=lambda x, by: (x.flip(3), x.roll(by, dims=3)),
    cases=lambda draw: [
        (draw.normal(2, 3, draw.size(5, 8), draw.size(9, 12)), draw.size(1, 3)) for _ in range(2)
    ],
    wrong={
        "upside down": (
            lambda x, by: (x.flip(2), x.roll(by, dims=3)),
            "You turned the rows round: the photo stands on its head. Columns are dimension 3.",
        ),
        "colours turned": (
            lambda x, by: (x.flip(1), x.roll(by, dims=3)),
            "You turned the channels round: red and blue changed places. Columns are dimension 3.",
        ),
        "half a turn": (
            lambda x, by: (x.flip(2, 3), x.roll(by, dims=3)),
            "You turned rows and columns round, which is half a turn. A mirror turns the columns only.",
        ),
        "shifted down": (
            lambda x, by: (x.flip(3), x.roll(by, dims=2)),
            "You shifted the photo down: to shift it to the side, roll the columns, dimension 3.",
        ),
        "shifted to the left": (
            lambda x, by: (x.flip(3), x.roll(-by, dims=3)),
            "You shifted to the left: a positive number in `roll` moves the columns to the right.",
        ),
        "rolled as one row": (
            lambda x, by: (x.flip(3), x.roll(by)),
            "Without `dims`, `roll` lays all numbers out in one row, and pixels slip into the next line.",
        ),
    },
)


def small(answer: Answer) -> None:
    """A photo, made smaller and large again, by whichever filter."""
    for _ in range(2):
        draw = Draw()
        photo = draw.picture(draw.size(230, 300), draw.size(230, 300))
        side = draw.size(20, 60)
        found = answer(photo.copy(), side)
        if not isinstance(found, Image.Image):
            raise Wrong("", "Your function should return a picture (`Image`), as `resize` does.")
        if found.size == (side, side):
            raise Wrong("only shrunk", "Your picture stays small: enlarge it again to 224 × 224.")
        if found.size != (224, 224):
            raise Wrong(
                "proportions kept", "Your picture is not 224 × 224 in the end, as the network wants it."
            )
        wholes = [photo.resize((224, 224), one) for one in FILTERS]
        if any(same(found, whole) for whole in wholes):
            raise Wrong("nothing lost", f"Your picture kept its detail: shrink it to {side} × {side} first.")
        if any(same(found, piece.resize((224, 224))) for piece in _pieces(photo, side)):
            raise Wrong("cut out", "You cut a piece out and enlarged it: shrink the whole photo.")
        ways = (
            photo.resize((side, side), down).resize((224, 224), up) for down, up in product(FILTERS, FILTERS)
        )
        if not any(same(found, way) for way in ways):
            raise Wrong("", f"Your picture is not the photo at {side} × {side}, enlarged to 224 × 224.")


def _pieces(photo: Image.Image, side: int) -> list[Image.Image]:
    """The corner and the middle of a photo, as large as it should have been shrunk to."""
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return [photo.crop((0, 0, side, side)), photo.crop((left, top, left + side, top + side))]


def _squares(dog: Image.Image, cat: Image.Image) -> tuple[Image.Image, Image.Image]:
    return dog.resize((224, 224)), cat.resize((224, 224))


mix = by_cases(
    right=lambda dog, cat, share: Image.blend(*_squares(dog, cat), share),
    cases=lambda draw: [
        (
            draw.picture(draw.size(230, 300), 240),
            draw.picture(240, draw.size(230, 300)),
            draw.number(0.1, 0.4),
        )
        for _ in range(2)
    ],
    wrong={
        "the other way round": (
            lambda dog, cat, share: Image.blend(*_squares(cat, dog), share),
            "Your share is that of the dog: with share 0 only the dog should be seen, with 1 only the cat.",
        ),
        "always half": (
            lambda dog, cat, share: Image.blend(*_squares(dog, cat), 0.5),
            "Your mix is half and half whatever the share: hand the share on.",
        ),
        "added up": (
            lambda dog, cat, share: ImageChops.add(*_squares(dog, cat)),
            "You added the photos up: a mix weighs them with 1 - share and share.",
        ),
        "side by side": (
            lambda dog, cat, share: _beside(*_squares(dog, cat), round(224 * (1 - share))),
            "You put a part of one photo beside a part of the other: a mix shows both at each place.",
        ),
        "not resized": (
            lambda dog, cat, share: Image.blend(dog, cat.resize(dog.size), share),
            "Your mix is as large as the dog's photo: make both 224 × 224 first.",
        ),
    },
)


def _beside(dog: Image.Image, cat: Image.Image, seam: int) -> Image.Image:
    cat = cat.copy()
    cat.paste(dog.crop((0, 0, seam, dog.height)))
    return cat


def _names(draw: Draw) -> list[str]:
    """Names of one to three made-up words that have much in common."""
    parts = ["train", "er", "bull", "dog", "rain", "coat", "cat"]
    picks = iter([parts[k] for k in draw.labels(72, len(parts)).tolist()])
    names = [" ".join(next(picks) + next(picks) for _ in range(draw.size(1, 3))) for _ in range(12)]
    return list(dict.fromkeys(["bullet train", "trainer", "strain gauge", "cat", "Train", *names]))


own_photos = by_cases(
    right=lambda part, names: [name for name in names if part in name],
    cases=lambda draw: [("train", [*_names(draw), "rain", "train"]), ("cat", _names(draw))],
    wrong={
        "the whole name": (
            lambda part, names: [name for name in names if name == part],
            "You find names that are equal to the part: the part may stand anywhere in the name.",
        ),
        "at the beginning": (
            lambda part, names: [name for name in names if name.startswith(part)],
            "You find names that begin with the part: it may stand anywhere in the name.",
        ),
        "whole words": (
            lambda part, names: [name for name in names if part in name.split()],
            "You find whole words only: that is a better question for `train`, but not the one asked here.",
        ),
        "numbers": (
            lambda part, names: [k for k, name in enumerate(names) if part in name],
            "You return the places of the names in the list: return the names.",
        ),
        "the first one": (
            lambda part, names: [name for name in names if part in name][:1],
            "You return one name: return all that hold the part.",
        ),
        "turned round": (
            lambda part, names: [name for name in names if name in part],
            "You ask whether the name stands in the part: ask whether the part stands in the name.",
        ),
    },
)

JUDGES = {
    "ex-temperature": temperature,
    "ex-mirror": mirror,
    "ex-small": small,
    "ex-mix": mix,
    "ex-own-photos": own_photos,
}
