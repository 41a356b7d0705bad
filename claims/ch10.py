"""Chapter 10: four wrong answers, questioned again with many paints, edges, boxes and crops."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from claims.table import Claim, Experiment, Unit, Values
from helpers import catalogue, grad_cam, load_classifier, load_image
from helpers.cam import upsample
from helpers.classifiers import Classifier
from helpers.images import Box

EDGES = (0, 4, 12)  # radius of the blur of the mask, in pixels of the photo; 0 is a hard edge
PLAIN = {"grey": (128, 128, 128), "black": (0, 0, 0), "white": (255, 255, 255)}


@cache
def lite0() -> Classifier:
    """The chapter's network."""
    return load_classifier()


def answers(images: Sequence[Image.Image]) -> Tensor:
    """The logits (N, 1000) of some pictures."""
    clf = lite0()
    with torch.no_grad():
        logits: Tensor = clf.model(torch.stack([clf.preprocess(image) for image in images]))
    return logits


def lead(logits: Tensor, label: str) -> Tensor:
    """By how much a class leads the best other class, in logits, (N,); below zero where it is not first."""
    k = lite0().class_index(label)
    others = logits.clone()
    others[:, k] = -torch.inf
    return logits[:, k] - others.amax(dim=1)


def random_colours(count: int, seed: int = 10) -> list[tuple[int, ...]]:
    """Colours by lot."""
    return [tuple(map(int, rgb)) for rgb in np.random.default_rng(seed).integers(0, 256, (count, 3))]


COLOURS = {f"colour {k}": rgb for k, rgb in enumerate(random_colours(4))}
FILLS = (*PLAIN, *COLOURS, "surroundings", "blurred", "noise")
PAINTS = tuple(f"{fill}, {edge} px" for fill in FILLS for edge in EDGES)


def soften(mask: Image.Image, edge: float) -> Image.Image:
    """A mask with a softer edge."""
    return mask.filter(ImageFilter.GaussianBlur(edge)) if edge else mask


def box_mask(size: tuple[int, int], boxes: Sequence[Box]) -> Image.Image:
    """A mask that is white in the boxes."""
    mask = Image.new("L", size, 0)
    for box in boxes:
        mask.paste(255, box)
    return mask


def paint_of(image: Image.Image, mask: Image.Image, fill: str) -> Image.Image:
    """What a cover is made of."""
    pixels = np.asarray(image)
    if fill == "sky":  # the colour that the rocket's clear sky has in each row
        row = pixels[:, 230:270].mean(axis=1).astype(np.uint8)
        return Image.fromarray(np.repeat(row[:, None], image.width, axis=1))
    if fill == "blurred":
        return image.filter(ImageFilter.GaussianBlur(40))
    if fill == "noise":
        return Image.fromarray(np.random.default_rng(0).integers(0, 256, pixels.shape, dtype=np.uint8))
    if fill == "surroundings":
        mean = pixels[np.asarray(mask) == 0].mean(axis=0).round()
        return Image.new("RGB", image.size, tuple(map(int, mean)))
    return Image.new("RGB", image.size, {**PLAIN, **COLOURS}[fill])


def covered(image: Image.Image, boxes: Sequence[Box], paint: Unit) -> Image.Image:
    """A photo with its boxes painted over; `paint` names fill and edge, as in "grey, 4 px"."""
    fill, edge = str(paint).removesuffix(" px").split(", ")
    mask = box_mask(image.size, boxes)
    return Image.composite(paint_of(image, mask, fill), image, soften(mask, int(edge)))


GROUND = 370  # above the rocket's lights
AREAS: dict[str, list[Box]] = {
    "far": [(0, 0, 100, GROUND), (540, 0, 640, GROUND)],
    "near": [(155, 100, 215, GROUND), (420, 100, 480, GROUND)],
    # five controls with the area of the far towers' boxes
    "near_large": [(135, 0, 235, GROUND), (400, 0, 500, GROUND)],
    "top": [(0, 0, 640, 116)],
    "ends": [(0, 0, 640, 58), (0, 369, 640, 427)],
    "block": [(216, 0, 416, GROUND)],
    "stripes": [(105, 0, 150, GROUND), (225, 0, 275, GROUND), (355, 0, 415, GROUND), (485, 0, 535, GROUND)],
    # two boxes each, all of one shape
    "slim_far": [(0, 0, 50, GROUND), (590, 0, 640, GROUND)],
    "slim_near": [(160, 0, 210, GROUND), (425, 0, 475, GROUND)],
    "slim_inner": [(217, 0, 267, GROUND), (360, 0, 410, GROUND)],
    "slim_outer": [(105, 0, 155, GROUND), (485, 0, 535, GROUND)],
    "left": [(0, 0, 100, GROUND)],
    "right": [(540, 0, 640, GROUND)],
    "rocket": [(280, 110, 350, 400)],
    "heart": [(274, 183, 366, 244)],  # 32 × 32 pixels of x, at the middle of the map
}
CONTROLS = ("top", "ends", "block", "stripes", "near_large")


def rocket(paint: Unit) -> Values:
    """Covers on the rocket photo."""
    photo = load_image("rocket")
    logits = answers([photo, *(covered(photo, boxes, paint) for boxes in AREAS.values())])
    k = lite0().class_index("drilling platform")
    change = dict(zip(AREAS, (logits[1:, k] - logits[0, k]).tolist(), strict=True))
    first = dict(zip(AREAS, lead(logits[1:], "drilling platform").tolist(), strict=True))
    missile = dict(zip(AREAS, lead(logits[1:], "missile").tolist(), strict=True))
    stay = {f"{name}_stays": first[name] for name in (*CONTROLS, "near", "left", "right")}
    slim = {name: first[name] for name in AREAS if name.startswith("slim")}
    return {
        "far": first["far"],
        "far_missile": missile["far"],
        "far_change": change["far"],
        "far_change_any": change["far"],
        "far_most": min(change[name] for name in CONTROLS) - change["far"],
        **stay,
        **slim,
        "rocket_rises": change["rocket"],
        "heart_falls": change["heart"],
    }


def wide(unit: Unit) -> Values:
    """The far towers under boxes of several widths; the unit is "width, fill"."""
    width, fill = str(unit).split(", ")
    boxes: list[Box] = [(0, 0, int(width), GROUND), (640 - int(width), 0, 640, GROUND)]
    images = [covered(load_image("rocket"), boxes, f"{fill}, {edge} px") for edge in (0, 10)]
    hard, soft = lead(answers(images), "drilling platform").tolist()
    return {"wide_hard": hard, "wide_soft": soft}


def cropped_rocket(percent: Unit) -> Values:
    """The rocket photo without a margin: at the sides, or at top and bottom."""
    photo = load_image("rocket")
    across, down = (round(length * int(percent) / 100) for length in photo.size)
    sides = photo.crop((across, 0, photo.width - across, photo.height))
    ends = photo.crop((0, down, photo.width, photo.height - down))
    lead_sides, lead_ends = lead(answers([sides, ends]), "drilling platform").tolist()
    return {"sides": lead_sides, "sides_ends": lead_ends}


SHUTTLES: tuple[Box, ...] = (
    (320, 0, 512, 256),
    (350, 0, 470, 220),
    (300, 0, 512, 280),
    (335, 0, 495, 240),
    (340, 0, 480, 280),
    (360, 10, 460, 225),
)
PARTS: dict[str, list[Box]] = {
    "face": [(140, 20, 270, 180)],
    "helmet": [(280, 325, 512, 512)],
    "both": [(140, 20, 270, 180), (280, 325, 512, 512)],
    "flag_and_suit": [(0, 20, 130, 180), (20, 325, 252, 512)],
}


def astronaut(paint: Unit) -> Values:
    """Covers on the shuttle behind the astronaut, and on her face and helmet."""
    photo = load_image("astronaut")
    boxes = [[box] for box in SHUTTLES] + list(PARTS.values())
    logits = answers([photo, *(covered(photo, box, paint) for box in boxes)])
    bobsled, shuttle = ((logits[1:, k] - logits[0, k]).tolist() for k in map(lite0().class_index, BOBSLED))
    part = dict(zip(PARTS, bobsled[len(SHUTTLES) :], strict=True))
    return {
        "shuttle_rises": bobsled[0],
        "shuttle_tight": bobsled[1],
        "shuttle_worst": min(bobsled[: len(SHUTTLES)]),
        "shuttle_hidden": max(shuttle[: len(SHUTTLES)]),
        "face_most": part["helmet"] - part["face"],
        "face_and_helmet": part["both"],
        "flag_and_suit": part["flag_and_suit"],
        "person": part["flag_and_suit"] - part["both"],
    }


BOBSLED = ("bobsled", "space shuttle")
ANGLES = (-30, -20, -10, 0, 10, 15, 20, 25, 30)
CORNERS = (*PLAIN, "mirror", "blurred")
CUTS = (0, 20, 40)  # pixels cut from each side after turning
TURNS = (*(f"{corner}, {cut} px" for corner in CORNERS for cut in CUTS), "none, 90 px")


def turned(image: Image.Image, degrees: int, corner: str) -> Image.Image:
    """A photo turned about its middle, with something in its empty corners."""
    bicubic = Image.Resampling.BICUBIC
    if corner == "mirror":
        reach = image.width // 2
        pixels = np.pad(np.asarray(image), ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
        large = Image.fromarray(pixels).rotate(degrees, bicubic)
        return large.crop((reach, reach, reach + image.width, reach + image.height))
    if corner == "blurred":
        inside = soften(Image.new("L", image.size, 255).rotate(degrees), 6)
        ground = image.filter(ImageFilter.GaussianBlur(40))
        return Image.composite(image.rotate(degrees, bicubic), ground, inside)
    return image.rotate(degrees, bicubic, fillcolor=PLAIN.get(corner, (0, 0, 0)))


def car(unit: Unit) -> Values:
    """The tilted car, turned by nine angles; the unit is "corner, cut"."""
    corner, cut = str(unit).removesuffix(" px").split(", ")
    photo, k = load_image("tilted_jeep"), lite0().class_index("convertible")
    window = (int(cut), int(cut), photo.width - int(cut), photo.height - int(cut))
    logits = answers([turned(photo, angle, corner).crop(window) for angle in ANGLES])
    probability = dict(zip(ANGLES, logits.softmax(dim=1)[:, k].tolist(), strict=True))
    return {
        "survives": lead(logits, "convertible").min().item(),
        "level": probability[20] - probability[0],
        "worse": probability[-20] - probability[0],
    }


# the car's outline on a square of 500 pixels
CAR = [
    (40, 215),
    (45, 175),
    (85, 152),
    (190, 182),
    (270, 163),
    (300, 168),
    (400, 215),
    (485, 245),
    (498, 315),
]
CAR += [(440, 350), (420, 385), (380, 385), (345, 340), (150, 270), (120, 285), (75, 280), (62, 240)]


def car_maps(label: Unit) -> Values:
    """How much of a map lies within the car's outline."""
    clf, photo = lite0(), load_image("tilted_jeep")
    mask = Image.new("L", photo.size, 0)
    ImageDraw.Draw(mask).polygon([(x * photo.width / 500, y * photo.height / 500) for x, y in CAR], fill=255)
    inside = torch.from_numpy(np.array(mask) > 0)
    cam = grad_cam(clf.model, clf.layer, clf.preprocess(photo)[None], clf.class_index(str(label)))
    large = upsample(cam, (photo.height, photo.width))[0]
    share = (large[inside].sum() / large.sum()).item()
    return {"on_car": 100 * share, "car_area": 100 * inside.double().mean().item()}


LEFT_FRUIT, RIGHT_FRUIT = (35, 145, 240, 400), (205, 290, 450, 500)
HUSK: Box = (283, 200, 452, 348)
GROUNDS = dict(enumerate(random_colours(20, seed=0)))


def ahead(images: Sequence[Image.Image]) -> list[float]:
    """Buckeye minus custard apple for each picture, in logits."""
    logits, clf = answers(images), lite0()
    buckeye, custard = clf.class_index("buckeye"), clf.class_index("custard apple")
    return (logits[:, buckeye] - logits[:, custard]).tolist()


def ellipse(size: tuple[int, int], inset: int) -> Image.Image:
    """A mask of the left fruit in its crop, so many pixels inside its outline."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse((3 + inset, 5 + inset, 205 - inset, 250 - inset), fill=255)
    return mask


def both_fruits(size: tuple[int, int]) -> Image.Image:
    """A mask of both fruits in the photo."""
    mask = Image.new("L", size, 0)
    pen = ImageDraw.Draw(mask)
    pen.ellipse((38, 150, 240, 395), fill=255)
    pen.ellipse((205, 285, 445, 505), fill=255)
    pen.rectangle((285, 210, 420, 330), fill=255)
    return mask


def on_ground(image: Image.Image, mask: Image.Image, edge: int, ground: Image.Image) -> Image.Image:
    """What the mask holds, on a ground of the same size."""
    return Image.composite(image, ground, soften(mask, edge))


def smaller(fruit: Image.Image, inset: int, edge: int, colour: tuple[int, ...]) -> Image.Image:
    """The crop at 134 pixels on a plain square of 224, less so many pixels at each side."""
    plain = Image.new("RGB", (224, 224), colour)
    canvas = plain.copy()
    canvas.paste(fruit.resize((134, 134), Image.Resampling.BICUBIC), (45, 45))
    window: Box = (45 + inset, 45 + inset, 179 - inset, 179 - inset)
    return on_ground(canvas, box_mask(canvas.size, [window]), edge, plain)


def plain_ground(unit: Unit) -> Values:
    """The buckeye on one plain ground, cut out with hard and soft edges."""
    colour, photo = GROUNDS[int(unit)], load_image("buckeye")
    fruit = photo.crop(LEFT_FRUIT)
    plain, large = (Image.new("RGB", image.size, colour) for image in (fruit, photo))
    pictures = {
        f"inside{inset}_{edge}": on_ground(fruit, ellipse(fruit.size, inset), edge, plain)
        for inset in (0, 20, 30)
        for edge in (0, 4, 6, 10)
    }
    for edge in (0, 6, 12):
        pictures[f"fruits_{edge}"] = on_ground(photo, both_fruits(photo.size), edge, large)
    for inset in (0, 8):
        for edge in (0, 4):
            pictures[f"small{inset}_{edge}"] = smaller(fruit, inset, edge, colour)
    ring = fruit.copy()
    ImageDraw.Draw(ring).ellipse((3, 5, 205, 250), outline=colour, width=2)
    margins = dict(zip([*pictures, "ring", "photo"], ahead([*pictures.values(), ring, fruit]), strict=True))
    whole = margins.pop("photo")
    return {**margins, "ring_costs": margins["ring"] - whole}


def photo_ground(name: Unit) -> Values:
    """The left fruit on another photo, cut out with a hard and a soft edge."""
    fruit = load_image("buckeye").crop(LEFT_FRUIT)
    ground = load_image(str(name)).resize(fruit.size)
    pictures = [
        on_ground(fruit, ellipse(fruit.size, inset), edge, ground) for inset in (0, 20) for edge in (0, 4)
    ]
    hard, soft, hard20, soft20 = ahead(pictures)
    return {
        "ground_hard": hard,
        "ground_soft": soft,
        "ground_gain": soft - hard,
        "ground_gain20": soft20 - hard20,
    }


def windows(unit: Unit) -> Values:
    """Crops of the buckeye photo by lot: nearly all of it, the fruits, larger windows around the left one."""
    lot, photo = np.random.default_rng(int(unit)), load_image("buckeye")

    def moved(box: Box, reach: int) -> Image.Image:
        left, upper, right, lower = (
            int(side + step) for side, step in zip(box, lot.integers(-reach, reach + 1, 4), strict=True)
        )
        return photo.crop((left, upper, min(right, photo.width), min(lower, photo.height)))

    less, more = lot.integers(0, 27, 4), lot.uniform(0.6, 0.95)
    nearly = photo.crop((int(less[0]), int(less[1]), photo.width - int(less[2]), photo.height - int(less[3])))
    width, height = 205 / more, 255 / more
    left = lot.uniform(max(0, 240 - width), min(35, photo.width - width))
    upper = lot.uniform(max(0, 400 - height), min(145, photo.height - height))
    larger = photo.crop((int(left), int(upper), int(left + width), int(upper + height)))
    margins = ahead([nearly, moved(LEFT_FRUIT, 25), moved(RIGHT_FRUIT, 15), larger])
    return dict(zip(("nearly_all", "left_alone", "right_alone", "larger_window"), margins, strict=True))


def buckeye_covers(paint: Unit) -> Values:
    """Covers on each closed fruit and on the open husk."""
    photo, clf = load_image("buckeye"), lite0()
    logits = answers([photo, *(covered(photo, [box], paint) for box in (LEFT_FRUIT, RIGHT_FRUIT, HUSK))])
    buckeye, custard = (
        (logits[1:, clf.class_index(label)] - logits[0, clf.class_index(label)]).tolist()
        for label in ("buckeye", "custard apple")
    )
    return {
        "left_both": max(buckeye[0], custard[0]),
        "right_buckeye": buckeye[1],
        "right_custard": custard[1],
        "husk_buckeye": buckeye[2],
        "husk_custard": custard[2],
    }


PHOTOS = tuple(name for name, photo in catalogue().items() if photo.package)


def positive(value: float) -> bool:
    """More than zero."""
    return value > 0


def negative(value: float) -> bool:
    """Less than zero."""
    return value < 0


LOGITS, POINTS = 0.05, 0.5


def logit(key: str, text: str, holds: Callable[[float], bool] | None) -> Claim:
    """A claim about logits."""
    return Claim(key, text, holds, LOGITS)


PLATFORM = "(lead of drilling platform in logits)"
ROCKET = (
    logit("far", f"Without the far towers drilling platform is no longer the answer {PLATFORM}.", negative),
    logit("far_missile", "Without the far towers missile is the answer (its lead in logits).", positive),
    logit(
        "far_change",
        "Without the far towers drilling platform loses more than two logits (its change).",
        lambda change: change < -2,
    ),
    logit(
        "far_change_any",
        "Without the far towers drilling platform loses more than one logit (its change).",
        lambda change: change < -1,
    ),
    logit(
        "far_most",
        "The far towers cost drilling platform more than each of five controls of the same area "
        "(difference to the dearest, in logits).",
        positive,
    ),
    logit(
        "near_stays",
        f"Without the near towers, in small boxes, drilling platform stays {PLATFORM}.",
        positive,
    ),
    logit(
        "near_large_stays",
        f"Without the near towers, in boxes as large as the far ones', drilling platform stays {PLATFORM}.",
        positive,
    ),
    logit(
        "top_stays",
        f"A cover of the same area along the upper border leaves drilling platform {PLATFORM}.",
        positive,
    ),
    logit(
        "ends_stays",
        f"Covers of the same area along the upper and the lower border leave drilling platform {PLATFORM}.",
        positive,
    ),
    logit(
        "block_stays",
        f"A block of the same area in the middle leaves drilling platform {PLATFORM}.",
        positive,
    ),
    logit("stripes_stays", f"Four stripes that hold no tower leave drilling platform {PLATFORM}.", positive),
    logit("left_stays", f"Without the left far tower alone drilling platform stays {PLATFORM}.", positive),
    logit("right_stays", f"Without the right far tower alone drilling platform stays {PLATFORM}.", positive),
    logit(
        "slim_far",
        f"Two boxes of 50 × 370 pixels on the far towers, at the borders, take the platform away {PLATFORM}.",
        negative,
    ),
    logit("slim_near", f"Two such boxes on the near towers leave it {PLATFORM}.", positive),
    logit("slim_inner", f"Two such boxes beside the rocket, on no tower, leave it {PLATFORM}.", positive),
    logit(
        "slim_outer",
        f"Two such boxes between far and near towers, on no tower, leave it {PLATFORM}.",
        positive,
    ),
    logit("rocket_rises", "Without the rocket the score of drilling platform rises (its change).", positive),
    logit(
        "heart_falls", "A small cover on the rocket's middle costs drilling platform (its change).", negative
    ),
)
WIDE = (
    logit(
        "wide_hard",
        f"Far towers under boxes 60 to 130 pixels wide, hard edge: drilling platform is gone {PLATFORM}.",
        negative,
    ),
    logit("wide_soft", f"The same with edges of 10 pixels {PLATFORM}.", negative),
)
CROPS = (
    logit(
        "sides", f"Cropped by 5 to 16 % at left and right, it is no drilling platform {PLATFORM}.", negative
    ),
    logit("sides_ends", f"Cropped as much at top and bottom, it stays one {PLATFORM}.", positive),
)
ASTRONAUT = (
    logit(
        "shuttle_rises", "With the shuttle's corner covered, bobsled rises (its change in logits).", positive
    ),
    logit(
        "shuttle_tight", "With a tight box on the shuttle, bobsled rises (its change in logits).", positive
    ),
    logit(
        "shuttle_worst",
        "No box of six on the shuttle costs bobsled a logit (the largest fall of the six).",
        lambda change: change > -1,
    ),
    logit(
        "shuttle_hidden",
        "Each of the six costs space shuttle more than one and a half logits (the smallest fall).",
        lambda change: change < -1.5,
    ),
    logit(
        "face_most", "Covering the face costs bobsled more than the helmet (difference in logits).", positive
    ),
    logit(
        "face_and_helmet",
        "Covering face and helmet costs bobsled more than a logit (its change).",
        lambda change: change < -1,
    ),
    logit("flag_and_suit", "Baseline: covers of the same sizes on flag and suit (change of bobsled).", None),
    logit(
        "person", "Face and helmet cost bobsled more than flag and suit do (difference in logits).", positive
    ),
)
CAR_TURNS = (
    logit(
        "survives",
        "Convertible stays the answer at nine angles from -30 to 30 degrees (its smallest lead, logits).",
        positive,
    ),
    Claim(
        "level", "Level, the car is less surely a convertible (change of the probability).", negative, 0.01
    ),
    Claim("worse", "Tilted further, it is less surely one, too (change of the probability).", negative, 0.01),
)
CAR_MAPS = (
    Claim(
        "on_car", "More than 90 % of the map lies on the car (share in its outline, %).", lambda p: p > 90, 1
    ),
    Claim("car_area", "Baseline: the car's share of the picture, in %.", None, 0.1),
)
AHEAD = "(buckeye minus custard apple, logits)"
CUT = {
    0: "The left fruit cut out at its outline",
    20: "The left fruit cut out 20 pixels inside its outline",
    30: "The left fruit cut out 30 pixels inside its outline",
}
PLAIN_GROUND = (
    *(
        logit(f"inside{inset}_{edge}", f"{text}, {how}, on plain ground: {name} is ahead {AHEAD}.", holds)
        for inset, text in CUT.items()
        for edge, how, name, holds in (
            (0, "hard edge", "custard apple", negative),
            (4, "edge blurred by 4 pixels", "buckeye", positive),
            (6, "edge blurred by 6 pixels", "buckeye", positive),
            (10, "edge blurred by 10 pixels", "buckeye", positive),
        )
    ),
    logit("fruits_0", f"Both fruits on plain ground, hard edge: custard apple is ahead {AHEAD}.", negative),
    logit("fruits_6", f"Both fruits, edge blurred by 6 pixels: buckeye is ahead {AHEAD}.", positive),
    logit("fruits_12", f"Both fruits, edge blurred by 12 pixels: buckeye is ahead {AHEAD}.", positive),
    logit(
        "small0_0", f"The crop at 60 %, hard edge, on plain ground: custard apple is ahead {AHEAD}.", negative
    ),
    logit("small0_4", f"The same, edge blurred by 4 pixels: buckeye is ahead {AHEAD}.", positive),
    logit(
        "small8_0", f"The same cut 8 pixels further in, hard edge: custard apple is ahead {AHEAD}.", negative
    ),
    logit("small8_4", f"The same, 8 pixels further in, blurred by 4: buckeye is ahead {AHEAD}.", positive),
    logit(
        "ring",
        f"With a line of 2 pixels around the fruit, and its real leaves: buckeye is ahead {AHEAD}.",
        positive,
    ),
    logit(
        "ring_costs",
        "The line costs buckeye's lead over custard apple more than two logits (its change).",
        lambda change: change < -2,
    ),
)
PHOTO_GROUND = (
    logit(
        "ground_hard",
        f"The left fruit on another photo, hard edge: custard apple is ahead {AHEAD}.",
        negative,
    ),
    logit("ground_soft", f"The same, edge blurred by 4 pixels: buckeye is ahead {AHEAD}.", positive),
    logit("ground_gain", "Blurring the edge moves the lead towards buckeye (gain in logits).", positive),
    logit("ground_gain20", "So it does 20 pixels inside the outline (gain in logits).", positive),
)
WINDOWS = (
    logit(
        "nearly_all",
        f"The photo less up to 26 pixels at each side: custard apple is ahead {AHEAD}.",
        negative,
    ),
    logit("left_alone", f"The left fruit alone, the box moved by lot: buckeye is ahead {AHEAD}.", positive),
    logit("right_alone", f"The right fruit alone, the box moved by lot: buckeye is ahead {AHEAD}.", positive),
    logit(
        "larger_window",
        f"The left fruit at 60 to 95 %, with real leaves: buckeye is ahead {AHEAD}.",
        positive,
    ),
)
FRUIT_COVERS = (
    logit(
        "left_both",
        "Covering the left fruit costs both classes more than two logits (the smaller fall).",
        lambda change: change < -2,
    ),
    logit(
        "right_buckeye",
        "Covering the closed fruit on the right costs buckeye (its change in logits).",
        negative,
    ),
    logit(
        "right_custard",
        "Covering the closed fruit on the right raises custard apple (its change in logits).",
        positive,
    ),
    logit("husk_buckeye", "Covering the open husk costs buckeye (its change in logits).", negative),
    logit("husk_custard", "Covering the open husk raises custard apple (its change in logits).", positive),
)
ROCKET_PAINTS = (*PAINTS, *(f"sky, {edge} px" for edge in EDGES))
WIDTHS = tuple(
    f"{width}, {fill}" for width in range(60, 131, 10) for fill in ("sky", "grey", "black", "noise")
)

EXPERIMENTS = (
    Experiment("rocket", 10, ROCKET_PAINTS, rocket, ROCKET, cost=0.5),
    Experiment("rocket_widths", 10, WIDTHS, wide, WIDE, cost=0.1),
    Experiment("rocket_crops", 10, tuple(range(5, 17)), cropped_rocket, CROPS, cost=0.1),
    Experiment("astronaut", 10, PAINTS, astronaut, ASTRONAUT, cost=0.3),
    Experiment("car", 10, TURNS, car, CAR_TURNS, cost=0.3),
    Experiment("car_maps", 10, ("convertible", "jeep"), car_maps, CAR_MAPS, cost=0.1),
    Experiment("buckeye_plain_ground", 10, tuple(GROUNDS), plain_ground, PLAIN_GROUND, cost=0.4),
    Experiment(
        "buckeye_photo_ground",
        10,
        tuple(name for name in PHOTOS if name != "buckeye"),
        photo_ground,
        PHOTO_GROUND,
        cost=0.1,
    ),
    Experiment("buckeye_windows", 10, tuple(range(40)), windows, WINDOWS, cost=0.1),
    Experiment("buckeye_covers", 10, PAINTS, buckeye_covers, FRUIT_COVERS, cost=0.2),
)
