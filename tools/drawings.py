"""Draw the book's drawings: `python -m tools.drawings` writes all of them into _static/drawings."""

import itertools
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

FOLDER = Path(__file__).parents[1] / "_static" / "drawings"
WIDTH = 520  # of every drawing, in its own units: on a phone 16 units are 11 pixels

# Blue and solid: forwards. Orange and dashed: backwards, and what speaks for a class. Both by Okabe and Ito.
INK, GREY, PALE, CARD = "#1a1a1a", "#555555", "#ececec", "#fdfdfb"
MARKED = "#f0a875"
BLUE, LIGHT_BLUE, ORANGE, LIGHT_ORANGE, RUST = "#0072b2", "#dcebf5", "#d55e00", "#fbe6d8", "#9c4400"

Point = tuple[float, float]
MARKUP = re.compile(r"\*([^*]+)\*|_\{([^}]*)\}|\^\{([^}]*)\}|([^*_^]+|.)")


def num(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def spans(markup: str) -> str:
    """Rich text: *x* is italic, _{c} a lower and ^{c} an upper index; single letters there are italic."""
    pieces, shift = [], 0
    for italic, low, high, plain in MARKUP.findall(markup):
        wanted = 5 if low else -7 if high else 0
        slanted = italic or re.fullmatch("[a-z]{1,3}", low)
        style = ' font-style="italic"' if slanted else ""
        style += ' font-size="13"' if low or high else ""
        style += f' dy="{wanted - shift}"' if wanted != shift else ""
        words = escape(italic or low or high or plain)
        pieces.append(f"<tspan{style}>{words}</tspan>" if style else words)
        shift = wanted
    return "".join(pieces)


def bump(rows: int, columns: int, middle: Point, width: float) -> list[list[float]]:
    """The values of a map that is largest at one place, between 0 and 1."""
    return [
        [math.exp(-((i - middle[0]) ** 2 + (j - middle[1]) ** 2) / width**2) for j in range(columns)]
        for i in range(rows)
    ]


def tint(colour: str, share: float) -> str:
    """A colour between white (0) and the one named (1)."""
    parts = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + share * (part - 255)):02x}" for part in parts)


class Sheet:
    """The shapes of one drawing, in the order in which they are drawn."""

    def __init__(self, height: int) -> None:
        """A card of the given height, still without a shape on it."""
        self.height = height
        self.shapes: list[str] = []
        self.box(1, 1, WIDTH - 2, height - 2, fill=CARD, ink="#c8c8c8", round_=12, thick=1)

    def add(self, tag: str, **attributes: float | str) -> None:
        """One SVG element; an underscore in an attribute's name stands for a hyphen."""
        written = (
            f"{key.replace('_', '-')}={quoteattr(value if isinstance(value, str) else num(value))}"
            for key, value in attributes.items()
        )
        self.shapes.append(f"<{tag} {' '.join(written)}/>")

    def label(
        self,
        x: float,
        y: float,
        words: str,
        size: int = 16,
        anchor: str = "middle",
        ink: str = INK,
        bold: bool = False,
        mono: bool = False,
    ) -> None:
        """A line of text; x is its middle, start or end, y its base line."""
        style = f'x="{num(x)}" y="{num(y)}" font-size="{size}" fill="{ink}"'
        style += f' text-anchor="{anchor}"' if anchor != "start" else ""
        style += ' font-weight="bold"' if bold else ""
        style += ' font-family="ui-monospace, monospace"' if mono else ""
        self.shapes.append(f"<text {style}>{escape(words) if mono else spans(words)}</text>")

    def lines(self, x: float, y: float, words: Iterable[str], size: int = 16, **style: str) -> None:
        """Lines of text below one another."""
        for row, line in enumerate(words):
            self.label(
                x, y + row * (size + 5), line, size, style.get("anchor", "start"), style.get("ink", INK)
            )

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: str = "#ffffff",
        ink: str = INK,
        round_: float = 6,
        thick: float = 1.5,
        dash: str = "",
    ) -> None:
        """A rectangle with round corners."""
        more = {"stroke_dasharray": dash} if dash else {}
        rounded = {"rx": round_} if round_ else {}
        self.add(
            "rect", x=x, y=y, width=w, height=h, **rounded, fill=fill, stroke=ink, stroke_width=thick, **more
        )

    def part(
        self, x: float, y: float, w: float, h: float, words: list[str], fill: str = "#ffffff", size: int = 16
    ) -> None:
        """A part of a network: a box with one or two centred lines in it."""
        self.box(x, y, w, h, fill)
        first = y + h / 2 + size * 0.36 - (len(words) - 1) * (size + 4) / 2
        for row, line in enumerate(words):
            self.label(x + w / 2, first + row * (size + 4), line, size)

    def line(self, *points: Point, ink: str = INK, thick: float = 1.5, dash: str = "") -> None:
        """A line through the points."""
        more = {"stroke_dasharray": dash} if dash else {}
        path = " ".join(f"{num(x)},{num(y)}" for x, y in points)
        self.add("polyline", points=path, fill="none", stroke=ink, stroke_width=thick, **more)

    def polygon(self, *points: Point, fill: str, ink: str = "none", thick: float = 1) -> None:
        """A filled shape with corners at the points."""
        path = " ".join(f"{num(x)},{num(y)}" for x, y in points)
        self.add("polygon", points=path, fill=fill, stroke=ink, stroke_width=thick)

    def arrow(self, *points: Point, back: bool = False, ink: str = "") -> None:
        """An arrow through the points: solid and blue forwards, dashed and orange backwards."""
        ink = ink or (ORANGE if back else BLUE)
        (x0, y0), (x, y) = points[-2:]
        length = math.hypot(x - x0, y - y0)
        u, v = (x - x0) / length, (y - y0) / length
        neck = (x - 9 * u, y - 9 * v)
        self.line(*points[:-1], neck, ink=ink, thick=2.5, dash="7 4" if back else "")
        wings = [(x - 11 * u + side * 6 * v, y - 11 * v - side * 6 * u) for side in (1, -1)]
        self.polygon((x, y), *wings, fill=ink)

    def circle(
        self, x: float, y: float, r: float, fill: str = "#ffffff", ink: str = INK, dash: str = ""
    ) -> None:
        """A circle; x, y is its middle."""
        more = {"stroke_dasharray": dash} if dash else {}
        self.add("circle", cx=x, cy=y, r=r, fill=fill, stroke=ink, stroke_width=2, **more)

    def plus(self, x: float, y: float) -> None:
        """The node that adds what arrives."""
        self.circle(x, y, 14)
        self.line((x - 7, y), (x + 7, y), thick=2.5)
        self.line((x, y - 7), (x, y + 7), thick=2.5)

    def grid(self, x: float, y: float, cell: float, values: list[list[float]], colour: str = BLUE) -> None:
        """A map seen from the front, darker where it is larger; a minus sign where it is negative."""
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                left, top = x + j * cell, y + i * cell
                fill = tint(colour, 0.92 * value) if value >= 0 else LIGHT_BLUE
                self.box(left, top, cell, cell, fill, GREY, round_=0, thick=0.5)
                if value < 0:
                    self.line((left + 3, top + cell / 2), (left + cell - 3, top + cell / 2), ink=BLUE)
        self.box(x, y, cell * len(values[0]), cell * len(values), "none", round_=0)

    def stack(
        self, x: float, y: float, cell: float, values: list[list[float]], colour: str = BLUE, sheets: int = 4
    ) -> None:
        """A map with many channels: one grid in front, the others behind it, up and to the right."""
        size, behind = cell * len(values), 6
        for sheet in range(sheets - 1, 0, -1):
            shift = sheet * behind
            self.box(x + shift, y + (sheets - 1 - sheet) * behind, size, size, tint(colour, 0.14), round_=0)
        self.grid(x, y + (sheets - 1) * behind, cell, values, colour)

    def strip(
        self,
        x: float,
        y: float,
        cell: float,
        values: list[float],
        colour: str = BLUE,
        marked: int | None = None,
    ) -> None:
        """A row of numbers, one cell for each; the marked one has a thick frame."""
        for j, value in enumerate(values):
            self.box(x + j * cell, y, cell, 22, tint(colour, 0.85 * value), GREY, round_=0, thick=0.8)
        self.box(x, y, cell * len(values), 22, "none", round_=0)
        if marked is not None:
            self.box(x + marked * cell, y, cell, 22, "none", round_=0, thick=4)

    def brace(self, left: float, right: float, y: float, deep: float = 14) -> None:
        """A brace that opens upwards, with its tip in the middle below."""
        middle, half = (left + right) / 2, deep / 2
        turns = [  # straight to the first point, then around the second to the third
            ((left, y), (left, y + half), (left + half, y + half)),
            ((middle - half, y + half), (middle, y + half), (middle, y + deep)),
            ((middle, y + deep), (middle, y + half), (middle + half, y + half)),
            ((right - half, y + half), (right, y + half), (right, y)),
        ]
        path = f"M{num(left)} {num(y)}" + "".join(
            f" L{num(a)} {num(b)} Q{num(c)} {num(d)} {num(e)} {num(f)}" for (a, b), (c, d), (e, f) in turns
        )
        self.add("path", d=path, fill="none", stroke=INK, stroke_width=1.5)

    def hatch(self, x: float, y: float, w: float, h: float) -> None:
        """A cover: a white rectangle with slanted lines."""
        self.box(x, y, w, h, round_=0)
        for start in range(8, int(w + h), 8):
            a, b = max(0, start - h), min(w, start)
            self.line((x + a, y + start - a), (x + b, y + start - b), ink=GREY, thick=1)
        self.box(x, y, w, h, "none", round_=0, thick=2)

    def photo(self, x: float, y: float, size: float, heat: bool = False) -> None:
        """A photo of a dog on grass; with heat, a map is laid over it."""
        s = size / 100
        self.box(x, y, size, size, "#f4f4f4", round_=0, thick=0)
        self.box(x, y + 66 * s, size, 34 * s, "#d2d2d2", "#d2d2d2", round_=0, thick=0)
        for leg in (33, 42, 62, 71):
            self.box(x + leg * s, y + 58 * s, 6 * s, 27 * s, GREY, GREY, round_=0, thick=0)
        self.add("ellipse", cx=x + 54 * s, cy=y + 53 * s, rx=25 * s, ry=13 * s, fill=GREY)
        self.line((x + 75 * s, y + 50 * s), (x + 88 * s, y + 36 * s), ink=GREY, thick=5 * s)
        self.add("circle", cx=x + 30 * s, cy=y + 38 * s, r=14 * s, fill=GREY)
        self.box(x + 9 * s, y + 37 * s, 18 * s, 12 * s, GREY, GREY, round_=5 * s, thick=0)
        ear = [(x + a * s, y + b * s) for a, b in ((31, 25), (41, 27), (46, 47), (37, 47))]
        self.polygon(*ear, fill="#222222")
        for left, top, r in ((24, 34, 2.2), (10, 40, 3)):
            self.add(
                "circle", cx=x + left * s, cy=y + top * s, r=r * s, fill="#ffffff" if r < 3 else "#222222"
            )
        if heat:
            for reach in (31, 25, 19, 13, 8):
                self.add(
                    "circle", cx=x + 35 * s, cy=y + 42 * s, r=reach * s, fill=ORANGE, fill_opacity="0.28"
                )
        self.box(x, y, size, size, "none", round_=0, thick=2)

    def svg(self, name: str) -> str:
        """The finished file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}"'
            f' viewBox="0 0 {WIDTH} {self.height}" role="img"'
            f' font-family="system-ui, sans-serif" aria-labelledby="{name}-title {name}-desc">'
        )
        told = [
            f'<title id="{name}-title">{escape(TITLES[name])}</title>',
            f'<desc id="{name}-desc">{escape(ALT[name])}</desc>',
        ]
        return "\n".join([head, *told, *self.shapes, "</svg>", ""])


DOG = bump(7, 7, (2.4, 2.1), 1.9)  # the map of the dog in the photo
CHANNEL = bump(7, 7, (3.4, 3.4), 2.2)
VECTOR = [0.2, 0.7, 0.1, 0.4, 0.9, 0.3, 0.6, 0.15, 0.5, 0.8]
SIGNED = [
    [value if value > 0.12 or (i + j) % 3 else -1 for j, value in enumerate(row)] for i, row in enumerate(DOG)
]


def cam_forward() -> Sheet:
    """CAM: the mean and the linear layer may change places."""
    d = Sheet(652)
    d.photo(24, 24, 98)
    d.label(24, 146, "*x*  (*N*, 3, 224, 224)", anchor="start")
    d.arrow((128, 74), (184, 74))
    d.part(186, 48, 120, 52, ["features:", "convolutions"])
    d.arrow((308, 74), (358, 74))
    d.stack(362, 24, 11, CHANNEL)
    d.label(408, 146, "*A*  (*N*, 1280, 7, 7)")
    d.box(14, 188, 240, 336, LIGHT_BLUE, GREY, 10, 1)
    d.box(266, 188, 240, 336, LIGHT_ORANGE, GREY, 10, 1)
    d.line((408, 156), (408, 170), ink=BLUE, thick=2.5)
    d.arrow((408, 169), (134, 169), (134, 190))
    d.arrow((408, 168), (408, 190))
    d.label(134, 213, "first the mean, then *V*", bold=True)
    d.label(386, 213, "first *V*, then the mean", bold=True)
    d.part(34, 228, 200, 34, ["mean over the places"])
    d.arrow((134, 264), (134, 316))
    d.strip(54, 320, 16, VECTOR)
    d.label(134, 364, "(*N*, 1280)")
    d.arrow((134, 374), (134, 452))
    d.part(34, 456, 200, 50, ["linear layer:", "times *V*, plus *b*"])
    d.part(286, 228, 200, 34, ["*V* at each place"])
    d.arrow((386, 264), (386, 286))
    d.stack(340, 290, 11, DOG, ORANGE)
    d.label(386, 405, "*M*  (*N*, 1000, 7, 7)")
    d.label(386, 425, "in front: the map of class *k*", 14)
    d.arrow((386, 432), (386, 452))
    d.part(286, 456, 200, 50, ["mean over the places,", "plus *b*"])
    d.arrow((134, 508), (134, 582))
    d.arrow((386, 508), (386, 582))
    d.strip(60, 586, 40, [*VECTOR[:6], 1, *VECTOR[7:]], marked=6)
    d.label(320, 570, "*y*_{k}", 18)
    d.label(260, 632, "*y*  (*N*, 1000): the same logits both ways")
    return d


def grad_cam_backward() -> Sheet:
    """Grad-CAM: from the logit of one class back to the map."""
    d = Sheet(694)
    d.photo(20, 26, 96)
    d.label(68, 144, "*x*")
    d.arrow((120, 74), (182, 74))
    d.label(150, 62, "features", 14)
    d.stack(188, 26, 11, CHANNEL)
    d.label(234, 144, "*A*  (*N*, 1280, 7, 7)")
    d.arrow((290, 74), (410, 74))
    d.label(348, 62, "mean, then *V*", 14)
    for row in range(6):
        d.box(416, 26 + 16 * row, 24, 16, tint(BLUE, 0.9 if row == 3 else 0.12), GREY, 0, 0.8)
    d.box(416, 26, 24, 96, "none", round_=0)
    d.box(416, 74, 24, 16, "none", round_=0, thick=4)
    d.label(428, 144, "*y*  (*N*, 1000)")
    d.label(448, 88, "*y*_{k}", 18, "start")
    d.arrow((474, 82), (502, 82), (502, 222), (294, 222), back=True)
    d.label(396, 212, "gradient of *y*_{k}", ink=RUST)
    d.stack(188, 174, 11, [[0.45] * 7] * 7, ORANGE)
    d.lines(300, 250, ["∂*y*_{k}/∂*A*", "same shape as *A*"])
    d.arrow((234, 276), (234, 322), back=True)
    d.label(250, 304, "mean over the places", anchor="start", ink=RUST)
    d.strip(154, 326, 16, VECTOR, ORANGE)
    d.lines(326, 334, ["*α*  (*N*, 1280):", "one weight a channel"], 15)
    d.arrow((234, 352), (234, 394))
    d.arrow((188, 118), (136, 118), (136, 394))
    d.label(126, 300, "*A*", 18)
    d.part(40, 398, 300, 54, ["weighted sum of the channels", "*S*_{ij} = Σ_{c} *α*_{c} *A*_{cij}"])
    d.arrow((80, 454), (80, 488))
    d.grid(32, 494, 14, SIGNED, ORANGE)
    d.label(81, 616, "*S*  (*N*, 7, 7)")
    d.arrow((136, 543), (204, 543))
    d.label(169, 531, "ReLU")
    d.grid(210, 494, 14, [[max(0, value) for value in row] for row in SIGNED], ORANGE)
    d.label(259, 616, "*L*  (*N*, 7, 7)")
    d.arrow((314, 543), (388, 543))
    d.label(350, 531, "enlarge")
    d.photo(394, 490, 104, heat=True)
    d.label(446, 616, "over the photo")
    d.arrow((36, 656), (86, 656))
    d.label(96, 661, "forwards", anchor="start")
    d.arrow((206, 656), (256, 656), back=True)
    d.label(266, 661, "backwards: gradients", anchor="start")
    return d


def block(d: Sheet, x: float, projected: bool) -> None:
    """One residual block, from its input at the top to its output at the bottom."""
    down, side = x + 68, x + 188
    size = "(*N*, 128, 28, 28)" if projected else "(*N*, 64, 56, 56)"
    d.label(x + 120, 34, "projection shortcut" if projected else "identity shortcut", bold=True)
    d.label(x + 120, 68, "*x*  (*N*, 64, 56, 56)")
    d.box(x + 2, 112, 132, 308, LIGHT_BLUE, GREY, 10, 1, dash="4 3")
    d.arrow((down, 78), (down, 126))
    d.line((down, 94), (side, 94), ink=BLUE, thick=2.5)
    d.circle(down, 94, 3, BLUE, BLUE)
    stride = "3 × 3, stride 2" if projected else "3 × 3"
    for y, high, words in [
        (128, 48, ["convolution", stride]),
        (198, 30, ["batch norm"]),
        (250, 30, ["ReLU"]),
        (302, 48, ["convolution", "3 × 3"]),
        (372, 30, ["batch norm"]),
    ]:
        d.part(x + 7, y, 122, high, words)
    for y, to in [(178, 196), (230, 248), (282, 300), (352, 370)]:
        d.arrow((down, y), (down, to))
    if projected:
        d.arrow((side, 93), (side, 186))
        d.part(x + 140, 190, 98, 74, ["convolution", "1 × 1,", "stride 2"], size=14)
        d.arrow((side, 266), (side, 298))
        d.part(x + 140, 302, 98, 30, ["batch norm"], size=14)
        d.arrow((side, 334), (side, 458), (down + 16, 458))
    else:
        d.arrow((side, 93), (side, 458), (down + 16, 458))
        d.label(side + 14, 280, "*x*", 18)
    d.arrow((down, 404), (down, 442))
    d.label(x + 12, 442, "*F*(*x*)", 18, "start")
    d.plus(down, 458)
    d.arrow((down, 474), (down, 504))
    d.part(x + 7, 508, 122, 30, ["ReLU"])
    d.arrow((down, 540), (down, 566))
    d.label(x + 120, 588, f"*y*  {size}")


def residual_block() -> Sheet:
    """A residual block with either kind of shortcut."""
    d = Sheet(684)
    block(d, 12, projected=False)
    d.line((260, 20), (260, 600), ink="#c8c8c8")
    block(d, 268, projected=True)
    d.label(132, 626, "*y* = ReLU(*x* + *F*(*x*))")
    d.lines(132, 648, ["same shape in and out:", "*x* arrives unchanged"], 14, anchor="middle")
    told = ["half the rows and columns,", "twice the channels:", "*x* is brought to that shape"]
    d.lines(388, 629, told, 14, anchor="middle")
    return d


def batch_norm_axes() -> Sheet:
    """The part of a batch over which batch norm takes one mean and one variance."""
    d = Sheet(560)
    n, c, places, cell, chosen = 4, 6, 9, 30, 2
    x0, y0, deep_x, deep_y = 96, 130, 24, 16

    def at(channel: float, place: float, picture: float) -> Point:
        return x0 + channel * cell + picture * deep_x, y0 + place * cell * 0.9 - picture * deep_y

    def face(*corners: tuple[float, float, float], marked: bool) -> None:
        d.polygon(*(at(*corner) for corner in corners), fill=MARKED if marked else "#ffffff", ink=GREY)

    for channel in range(c):
        for place in range(places):
            a, b = channel, place
            face((a, b, 0), (a + 1, b, 0), (a + 1, b + 1, 0), (a, b + 1, 0), marked=channel == chosen)
        for picture in range(n):
            a, b = channel, picture
            face((a, 0, b), (a + 1, 0, b), (a + 1, 0, b + 1), (a, 0, b + 1), marked=channel == chosen)
    for place in range(places):
        for picture in range(n):
            a, b = place, picture
            face((c, a, b), (c, a, b + 1), (c, a + 1, b + 1), (c, a + 1, b), marked=False)
    for low, high in (((chosen, 0, 0), (chosen + 1, 0, 0)), ((chosen, places, 0), (chosen + 1, places, 0))):
        d.line(at(*low), at(*high), thick=3)
    for edge in (chosen, chosen + 1):
        d.line(at(edge, places, 0), at(edge, 0, 0), at(edge, 0, n), thick=3)
    d.line(at(chosen, 0, n), at(chosen + 1, 0, n), thick=3)
    return _batch_norm_words(d, at)


def _batch_norm_words(d: Sheet, at: Callable[[float, float, float], Point]) -> Sheet:
    bottom = at(0, 9, 0)[1]
    d.arrow((96, bottom + 14), (276, bottom + 14), ink=INK)
    d.label(186, bottom + 36, "channels *C* = 6")
    d.arrow((82, 130), (82, bottom), ink=INK)
    d.lines(20, 226, ["places", "*H* · *W*", "= 3 · 3"])
    d.arrow((84, 120), (180, 56), ink=INK)
    d.lines(40, 70, ["pictures", "*N* = 4"])
    d.line((267, 42), (267, 64), thick=1.5)
    d.label(267, 34, "one channel *c*: all pictures, all places", 15, ink=RUST)
    d.lines(
        390,
        190,
        ["*m* = *N* · *H* · *W*", "numbers, here", "4 · 9 = 36,", "give one mean", "and one", "variance"],
    )
    for row, (name, y) in enumerate([("*μ*", 438), ("*σ*^{2}", 466), ("*γ*", 494), ("*β*", 522)]):
        d.label(84, y + 17, name, 18, "end")
        for column in range(6):
            marked = column == 2
            d.box(96 + 30 * column, y, 30, 22, MARKED if marked else "#ffffff", GREY, 0, 1)
        d.box(96 + 60, y, 30, 22, "none", round_=0, thick=3)
        if row == 0:
            d.lines(292, y + 17, ["measured: one for"], 15)
            d.lines(292, y + 37, ["each channel"], 15)
        if row == 2:
            d.lines(292, y + 17, ["learned: one for"], 15)
            d.lines(292, y + 37, ["each channel"], 15)
    return d


def tag(d: Sheet, y: float, name: str, call: str, told: list[str], back: bool, tips: list[Point]) -> None:
    """What one kind of hook is called with, joined to its place in the network."""
    for tip in tips:
        d.line(tip, (204, tip[1]), ink=INK)
        d.circle(*tip, 6, ORANGE if back else BLUE, INK)
    d.box(204, y, 304, 48 + 19 * len(told), LIGHT_ORANGE if back else LIGHT_BLUE, INK)
    d.label(214, y + 20, name, anchor="start", bold=True)
    d.label(214, y + 39, call, 14, "start", mono=True)
    d.lines(214, y + 58, told, 14)


def hooks() -> Sheet:
    """The four kinds of hooks at their places in a small network."""
    d = Sheet(676)
    go, back = 64, 140
    d.label(102, 36, "*x*  (*N*, 3, 8, 8)")
    parts = [
        (106, "conv", False),
        (196, "ReLU", False),
        (286, "*A*  (*N*, 4, 8, 8)", True),
        (376, "flatten", False),
        (466, "linear", False),
        (566, "score *y*_{k}", True),
    ]
    for y, words, tensor in parts:
        d.box(28, y, 148, 40, LIGHT_BLUE if tensor else "#ffffff", round_=20 if tensor else 6)
        d.label(102, y + 26, words)
    d.arrow((go, 46), (go, 102))
    for (above, _, _), (below, _, _) in itertools.pairwise(parts):
        d.arrow((go, above + 42), (go, below - 4))
        d.arrow((back, below - 2), (back, above + 44), back=True)
    tag(
        d, 24, "forward pre-hook", "register_forward_pre_hook",
        ["on a module: sees the inputs before it", "runs; may replace them"], False, [(go, 72)],
    )  # fmt: skip
    tag(
        d, 196, "forward hook", "register_forward_hook",
        ["on a module: sees inputs and output;", "hands the output on or replaces it"], False, [(go, 259)],
    )  # fmt: skip
    tag(
        d, 310, "tensor hook", "register_hook",
        ["on a tensor: sees its gradient; may", "replace it on its further way"], True, [(back, 352)],
    )  # fmt: skip
    tag(
        d, 428, "full backward hook", "register_full_backward_hook",
        ["on a module: sees grad_input, which", "leaves it, and grad_output, which",
         "arrives; may replace grad_input"], True, [(back, 446), (back, 518)],
    )  # fmt: skip
    d.label(172, 440, "in", 14)
    d.label(172, 534, "out", 14)
    d.arrow((30, 640), (80, 640))
    d.label(90, 645, "forward pass", anchor="start")
    d.arrow((240, 640), (290, 640), back=True)
    d.label(300, 645, "backward pass", anchor="start")
    return d


STEPS = [
    (
        "Forward pass, with a hook",
        "keep *A*, read the logits *y*",
        "*A*  (*N*, *C*, *h*, *w*),  *y*  (*N*, *K*)",
    ),
    ("Gradient of the score", "∂*y*_{k} / ∂*A*_{cij}", "(*N*, *C*, *h*, *w*), the same as *A*"),
    ("One weight for each channel", "*α*_{c} = 1/(*h* *w*) · Σ_{ij} ∂*y*_{k}/∂*A*_{cij}", "*α*  (*N*, *C*)"),
    ("Weighted sum", "*S*_{ij} = Σ_{c} *α*_{c} *A*_{cij}", "*S*  (*N*, *h*, *w*), with a sign"),
    ("ReLU", "*L*_{ij} = max(0, *S*_{ij})", "*L*  (*N*, *h*, *w*), zero or more"),
    ("Enlarge and overlay", "bilinear, to the size of the photo", "as many rows and columns as the photo"),
]


def six_steps() -> Sheet:
    """Grad-CAM in six steps, with formula and shape."""
    d = Sheet(724)
    for row, (name, formula, shape) in enumerate(STEPS):
        y = 16 + 117 * row
        d.box(12, y, 496, 104, "#ffffff", "#c8c8c8", 8, 1)
        d.circle(38, y + 28, 16, INK)
        d.label(38, y + 34, str(row + 1), 17, ink="#ffffff", bold=True)
        d.label(66, y + 34, name, 17, "start", bold=True)
        d.label(66, y + 64, formula, 17, "start")
        d.label(66, y + 91, shape, 14, "start", GREY)
        if row:
            d.arrow((452, y - 17), (452, y + 3), ink=INK)
    tops = [16 + 117 * row for row in range(6)]
    d.stack(410, tops[0] + 7, 10, CHANNEL, BLUE, 4)
    d.stack(410, tops[1] + 7, 10, [[0.45] * 7] * 7, ORANGE, 4)
    d.strip(392, tops[2] + 42, 15, VECTOR[:7], ORANGE)
    d.grid(413, tops[3] + 14, 11, SIGNED, ORANGE)
    d.grid(413, tops[4] + 14, 11, [[max(0, value) for value in line] for line in SIGNED], ORANGE)
    d.photo(410, tops[5] + 9, 86, heat=True)
    return d


# Name, places in the field, places a side, their spacing and the first one's border in pixels, stride below.
Level = tuple[str, int, int, float, float, int]
STEADY: list[Level] = [
    ("last map", 1, 13, 1, 3, 1),
    ("second map", 3, 15, 1, 2, 1),
    ("first map", 5, 17, 1, 1, 1),
    ("photo", 7, 19, 1, 0, 0),
]
STRIDED: list[Level] = [
    ("last map", 1, 2, 4, 5.5, 1),
    ("second map", 3, 4, 4, 1.5, 2),
    ("first map", 7, 9, 2, 0.5, 2),
    ("photo", 15, 19, 1, 0, 0),
]


def field_column(d: Sheet, x: float, title: str, levels: list[Level]) -> None:
    """Maps below one another, the photo lowest; marked in each is what one place at the top has seen.

    Each place is drawn where it lies over the photo, as wide as its distance to the next.
    """
    pixel, tops = 7.0, [52, 188, 334, 490]
    d.label(x + 120, 34, title, bold=True)
    sides: list[float] = []  # of the field above
    for top, (name, field, count, spacing, first, stride) in zip(tops, levels, strict=True):
        left, cell = x + pixel * first, pixel * spacing
        wide, bottom = field * cell, top + count * cell
        d.box(left, top, count * cell, count * cell, round_=0)
        d.box(left, top, wide, wide, MARKED, round_=0, thick=0)
        for k in range(1, count):
            d.line((left + k * cell, top), (left + k * cell, bottom), ink="#8a8a8a", thick=0.8)
            d.line((left, top + k * cell), (left + count * cell, top + k * cell), ink="#8a8a8a", thick=0.8)
        d.box(left, top, wide, wide, "none", round_=0, thick=3)
        for above, below in zip(sides, (left, left + wide), strict=False):
            d.line((above, sides[2]), (below, top), ink=RUST, dash="5 3")
        seen = ["1 place"] if field == 1 else [f"{field} × {field}"]
        d.lines(x + 142, top + 18, [name, *seen, *(["pixels"] if name == "photo" else [])], 15)
        sides = [left, left + wide, top + wide]
        if stride:
            d.label(x + 142, tops[tops.index(top) + 1] - 20, f"*k* = 3, *s* = {stride}", 14, "start", GREY)


def receptive_field() -> Sheet:
    """The field of one place, followed backwards through three layers."""
    d = Sheet(760)
    field_column(d, 16, "stride 1 everywhere", STEADY)
    d.line((260, 20), (260, 634), ink="#c8c8c8")
    field_column(d, 272, "strides 2, 2, 1", STRIDED)
    d.box(14, 646, 492, 100, LIGHT_BLUE, GREY, 8, 1)
    d.label(260, 674, "From the photo upwards, beginning with *r* = *d* = 1:")
    d.label(260, 704, "*r* ← *r* + (*k* − 1) · *d*,   then   *d* ← *d* · *s*", 17)
    d.label(260, 733, "left: *r* = 3, 5, 7 pixels;   right: *r* = 3, 7, 15 pixels", 15)
    return d


def tokens(d: Sheet, y: float) -> None:
    """A row of tokens: the class token, round, and those of the sixteen patches."""
    d.circle(35, y + 13, 14, LIGHT_ORANGE)
    d.label(35, y + 18, "c", 14, bold=True)
    for k in range(16):
        d.box(58 + 28 * k, y, 26, 26, tint(BLUE, 0.14), round_=3)
        d.label(71 + 28 * k, y + 18, str(k + 1), 14)


def transformer() -> Sheet:
    """A vision transformer: patches, tokens, and back to a grid."""
    d = Sheet(830)
    d.photo(24, 22, 136)
    for k in range(1, 4):
        d.line((24 + 34 * k, 22), (24 + 34 * k, 158))
        d.line((24, 22 + 34 * k), (160, 22 + 34 * k))
    for k in range(16):
        x, y = 27 + 34 * (k % 4), 25 + 34 * (k // 4)
        d.box(x, y, 20, 16, "#ffffff", "#ffffff", 2, 0)
        d.label(x + 10, y + 13, str(k + 1), 14)
    d.label(180, 44, "photo, cut into patches", anchor="start", bold=True)
    told = [
        "Here 4 × 4. ViT-B/16 has 14 × 14",
        "patches of 16 × 16 pixels: 196",
        "and the class token make 197",
        "tokens of 768 numbers.",
    ]
    d.lines(180, 70, told, 15)
    d.arrow((92, 164), (92, 194))
    d.label(108, 184, "each patch becomes a token", anchor="start")
    tokens(d, 200)
    d.label(22, 246, "c: the class token; it belongs to no patch", 15, "start")
    d.box(14, 258, 492, 146, "#ffffff", INK)
    d.lines(30, 282, ["blocks 1 to 11:  attention mixes the tokens"])
    for k in range(17):
        here = 35 if k == 0 else 43 + 28 * k
        d.line((here, 296), (295, 364), ink=BLUE, thick=1.2)
        d.line((here, 296), (35, 364), ink=RUST, thick=1.2, dash="4 3")
        d.circle(here, 296, 3, INK)
        d.circle(here, 364, 3, INK)
    d.label(260, 392, "each takes in something from every other; two are drawn", 15)
    d.arrow((260, 404), (260, 424))
    tokens(d, 430)
    d.brace(58, 504, 462)
    d.arrow((281, 478), (281, 540))
    d.lines(294, 504, ["input of the last attention,", "back to a grid, row by row"], 15)
    d.stack(228, 546, 22, bump(4, 4, (1.3, 1.1), 1.3))
    d.label(281, 674, "*A*  (*N*, 768, 4, 4)")
    d.arrow((344, 600), (400, 600))
    d.grid(406, 558, 22, bump(4, 4, (1.1, 0.9), 1.1), ORANGE)
    d.label(450, 674, "*L*  (*N*, 4, 4)")
    d.lines(372, 570, ["Grad-", "CAM"], 14, anchor="middle")
    d.arrow((35, 460), (35, 546))
    d.arrow((281, 490), (180, 490), (180, 546))
    d.part(14, 550, 188, 70, ["last block: c takes", "in from all tokens"])
    d.arrow((35, 622), (35, 660))
    d.circle(35, 676, 14, LIGHT_ORANGE)
    d.label(35, 681, "c", 14, bold=True)
    d.arrow((35, 692), (35, 722))
    d.part(14, 726, 188, 34, ["head: a linear layer"])
    d.arrow((108, 762), (108, 786))
    d.label(108, 806, "*y*  (*N*, 1000)")
    told = [
        "The head reads the class token",
        "alone. What the last block makes",
        "of the patches is thrown away:",
        "its gradient is zero.",
    ]
    d.lines(222, 720, told, 15)
    return d


def scene(d: Sheet, x: float, y: float, cover: Point | None = None) -> None:
    """A photo of a rocket with a tower at its left border; a cover may hide a stripe of it."""
    w, h = 184, 124
    d.box(x, y, w, h, "#f4f4f4", round_=0, thick=0)
    d.box(x, y + 106, w, 18, "#c4c4c4", "#c4c4c4", round_=0, thick=0)
    for side in (8, 28):
        d.line((x + side, y + 10), (x + side, y + 106), ink=GREY, thick=3)
    for rung in range(6):
        top = y + 10 + 16 * rung
        d.line((x + 8, top), (x + 28, top + 16), ink=GREY)
        d.line((x + 28, top), (x + 8, top + 16), ink=GREY)
    d.polygon(
        (x + 92, y + 16),
        (x + 102, y + 36),
        (x + 102, y + 106),
        (x + 82, y + 106),
        (x + 82, y + 36),
        fill="#3a3a3a",
    )
    for side in (-1, 1):
        d.polygon(
            (x + 92 + side * 10, y + 84),
            (x + 92 + side * 22, y + 106),
            (x + 92 + side * 10, y + 106),
            fill="#3a3a3a",
        )
    if cover:
        d.hatch(x + cover[0], y + 2, 36, 104)
    d.box(x, y, w, h, "none", round_=0, thick=2)


def cover_and_control() -> Sheet:
    """A hypothesis, the cover that could refute it, and the control."""
    d = Sheet(812)
    scene(d, 20, 22)
    d.label(220, 42, "1  Hypothesis", 17, "start", bold=True)
    told = ["one sentence that names a part", "of the photo: “The tower makes", "it a drilling platform.”"]
    d.lines(220, 68, told, 15)
    d.arrow((112, 150), (112, 204))
    d.arrow((112, 170), (396, 170), (396, 204))
    d.label(124, 226, "2  Cover what it names", 17, bold=True)
    d.label(392, 226, "3  Control cover", 17, bold=True)
    scene(d, 20, 240, (1, 0))
    scene(d, 304, 240, (147, 0))
    d.label(112, 386, "the tower is hidden", 15)
    d.lines(396, 386, ["same shape, same area,", "also at a border, elsewhere"], 15, anchor="middle")
    d.arrow((112, 396), (112, 436))
    d.arrow((396, 414), (396, 436))
    d.part(20, 440, 480, 36, ["ask the network both times: is it the same answer?"])
    d.arrow((260, 478), (260, 508))
    d.label(20, 534, "4  Verdict, from what the answer does", 17, "start", bold=True)
    d.label(82, 566, "with cover", bold=True)
    d.label(212, 566, "with control", bold=True)
    rows = [
        ("changes", "stays", ["confirmed by this test:", "it survived its chance to fail"]),
        ("stays", "either way", ["refuted: the answer does", "without the tower"]),
        ("changes", "changes", ["not confirmed: covering", "anything does it"]),
    ]
    for row, (first, second, verdict) in enumerate(rows):
        y = 578 + 72 * row
        d.box(16, y, 488, 64, [LIGHT_BLUE, PALE, LIGHT_ORANGE][row], GREY, 8, 1)
        d.label(82, y + 38, first)
        d.label(212, y + 38, second)
        d.lines(282, y + 27, verdict, 15)
    return d


def classes(d: Sheet, truth: Point, rings: list[tuple[int, int, int]], labels: list[Point]) -> None:
    """Classes of functions as circles, and from each the way that is left to the true function."""
    for (x, y, r), dash in zip(reversed(rings), ("", "9 4", "2 3"), strict=True):
        d.circle(x, y, r, "none", BLUE, dash)
    for k, ((x, y, r), place) in enumerate(zip(rings, labels, strict=True)):
        length = math.hypot(truth[0] - x, truth[1] - y)
        best = (x + r * (truth[0] - x) / length, y + r * (truth[1] - y) / length)
        d.line(best, truth, ink=RUST, thick=1.5, dash="4 3")
        d.circle(*best, 5, ORANGE)
        d.label(*place, str(k + 1), 17, bold=True)
    star = [
        (truth[0] + r * math.sin(k * math.pi / 5), truth[1] - r * math.cos(k * math.pi / 5))
        for k, r in enumerate([14, 6] * 5)
    ]
    d.polygon(*star, fill=INK)
    d.label(truth[0], truth[1] - 20, "*f*^{∗}", 18)


BESIDE = [(100, 186, 36), (190, 230, 44), (90, 286, 78)]  # middle and radius of each class
NESTED = [(362, 256, 24), (340, 236, 54), (366, 232, 90)]
STARS = ((222, 96), (470, 110))  # the true function in either group


def nested_functions() -> Sheet:
    """Classes of functions that contain one another, and classes that do not."""
    d = Sheet(514)
    d.label(132, 36, "not nested", bold=True)
    d.label(388, 36, "nested", bold=True)
    d.line((260, 20), (260, 444), ink="#c8c8c8")
    classes(d, STARS[0], BESIDE, [(92, 186), (196, 246), (78, 306)])
    classes(d, STARS[1], NESTED, [(360, 264), (312, 226), (414, 290)])
    d.lines(20, 396, ["Class 3 is the largest, and", "yet it ends farthest from *f*^{∗}."], 15)
    told = [
        "Each contains the one before,",
        "so larger is never farther:",
        "with blocks that may be idle.",
    ]
    d.lines(276, 396, told, 15)
    d.circle(32, 466, 5, ORANGE)
    d.label(46, 471, "the best function of a class", 15, "start")
    d.line((276, 466), (314, 466), ink=RUST, dash="4 3")
    d.label(324, 471, "what is left to *f*^{∗}", 15, "start")
    d.label(20, 498, "1, 2, 3: larger and larger classes. *f*^{∗}: the true function.", 15, "start")
    return d


DRAWINGS: dict[str, Callable[[], Sheet]] = {
    "cam_forward": cam_forward,
    "grad_cam_backward": grad_cam_backward,
    "residual_block": residual_block,
    "batch_norm_axes": batch_norm_axes,
    "hooks": hooks,
    "six_steps": six_steps,
    "receptive_field": receptive_field,
    "transformer": transformer,
    "cover_and_control": cover_and_control,
    "nested_functions": nested_functions,
}

TITLES = {
    "cam_forward": "The mean and the linear layer change places",
    "grad_cam_backward": "Grad-CAM, from one logit back to the map",
    "residual_block": "A residual block with either kind of shortcut",
    "batch_norm_axes": "What batch norm averages over",
    "hooks": "Four kinds of hooks at their places",
    "six_steps": "Grad-CAM in six steps",
    "receptive_field": "The receptive field, followed backwards",
    "transformer": "From patches to tokens and back",
    "cover_and_control": "A hypothesis, a cover and its control",
    "nested_functions": "Function classes, nested and not nested",
}

# Read aloud in place of the drawing: what is to be seen, in the order in which one would look.
ALT = {
    "cam_forward": (
        "A photo x goes through convolutions and becomes the activations A, 1280 channels of 7 × 7 places. "
        "From there two ways lead to the same logits y. Left: the mean over the places gives 1280 numbers, "
        "and the linear layer V with bias b makes 1000 logits of them. Right: V is applied at each place "
        "and gives M, one map of 7 × 7 places for each of the 1000 classes; the mean over its places, plus "
        "b, is the logit."
    ),
    "grad_cam_backward": (
        "Upper row, forwards: a photo x, the activations A with 1280 channels of 7 × 7 places, the logits "
        "y, one of them marked as y k. A dashed arrow leads from y k back to a stack of gradients of the "
        "same shape as A. Their mean over the places gives alpha, one weight for each channel. Alpha and A "
        "meet in a weighted sum S, a map of 7 × 7 places, some with a minus sign. ReLU removes the negative "
        "places and leaves the map L, which is enlarged and laid over the photo of the dog."
    ),
    "residual_block": (
        "Two blocks side by side. In both the branch F consists of a 3 × 3 convolution, batch norm, ReLU, a "
        "second 3 × 3 convolution and batch norm; a plus node adds the shortcut to F of x, and a ReLU "
        "follows. Left, the identity shortcut: x, 64 channels of 56 × 56 places, goes around the branch "
        "unchanged. Right, the projection shortcut: the first convolution has stride 2, and x passes a 1 × "
        "1 convolution with stride 2 and batch norm, so that both have 128 channels of 28 × 28 places."
    ),
    "batch_norm_axes": (
        "A block of small boxes with three axes: 4 pictures to the back, 6 channels to the right, and 9 "
        "places downwards, rows and columns in one axis. One channel is marked as a slab through all "
        "pictures and all places: its 4 times 9, that is 36, numbers give one mean and one variance. Below, "
        "four rows of 6 boxes: mean, variance, gamma and beta, one of each for every channel."
    ),
    "hooks": (
        "A small network from top to bottom: input x, conv, ReLU, activations A, flatten, linear, score y "
        "k. Solid arrows run down, dashed arrows for the gradient run up. A forward pre-hook sits on the "
        "arrow into conv and sees the inputs. A forward hook sits behind ReLU, sees inputs and output and "
        "hands the output on. A tensor hook sits where the gradient arrives at A. A full backward hook sits "
        "on linear, with two marks: the gradient that arrives at its output and the one that leaves at its "
        "input."
    ),
    "six_steps": (
        "Six numbered boxes below one another, each with a small picture. 1: forward pass with a hook, keep "
        "A of shape N, C, h, w. 2: gradient of the score y k at A, of the same shape. 3: one weight for "
        "each channel, the mean of the gradient over the places, shape N, C. 4: weighted sum S of the "
        "channels, shape N, h, w, with a sign. 5: ReLU keeps what is positive, the map L. 6: enlarge L to "
        "the size of the photo and lay it over."
    ),
    "receptive_field": (
        "Two columns of four grids: the last map at the top, two maps below it, the photo at the bottom; "
        "kernels of 3 × 3 everywhere. In each grid the part is marked that one place of the last map has "
        "seen, and dashed lines join these parts. Left, with stride 1: 1 place, 3 × 3, 5 × 5, and 7 × 7 "
        "pixels of the photo. Right, with strides 2, 2 and 1: 1 place, 3 × 3, 7 × 7, and 15 × 15 pixels; "
        "there the maps have fewer and larger places."
    ),
    "transformer": (
        "A photo is cut into 4 × 4 numbered patches. They become a row of 16 tokens, with a round class "
        "token in front. In blocks 1 to 11 attention mixes them; for two tokens, lines from all others show "
        "it. Then the way forks. The class token and the patches' tokens enter the last block, and the head "
        "reads the class token alone and gives the logits y. The 16 tokens at the input of the last "
        "attention are put back into a grid of 4 × 4 places, A, of which Grad-CAM makes the map L."
    ),
    "cover_and_control": (
        "1: a photo of a rocket with a tower at its left border, and a hypothesis: the tower makes it a "
        "drilling platform. 2: the same photo with a hatched cover over the tower. 3: a control, a cover of "
        "the same shape and area at the right border, where no tower is. The network is asked both times. "
        "4: if the answer changes with the cover and stays with the control, the hypothesis is confirmed by "
        "this test; if it stays with the cover, refuted; if it changes with both, not confirmed."
    ),
    "nested_functions": (
        "Two groups of three circles, each circle a class of functions, and a star for the true function f. "
        "Left, not nested: the circles 1, 2 and 3 grow but lie beside one another, and the largest is "
        "farthest from the star. Right, nested: circle 3 contains circle 2, which contains circle 1, and "
        "each comes closer to the star than the one inside it. A dot marks the best function of each class, "
        "a dashed line what is left to the star."
    ),
}


def write_all(folder: Path = FOLDER) -> list[Path]:
    """Write every drawing into a folder; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, draw in DRAWINGS.items():
        path = folder / f"{name}.svg"
        path.write_text(draw().svg(name), encoding="utf-8", newline="\n")
        files.append(path)
    return files


if __name__ == "__main__":
    for file in write_all():
        print(file.relative_to(FOLDER.parents[1]))
