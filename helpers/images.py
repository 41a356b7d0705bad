"""Photos in: the book's catalogue, your own files and https addresses, always as upright RGB pictures."""

import csv
import difflib
import errno
import hashlib
import importlib.metadata
import importlib.resources
import io
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, SupportsIndex
from urllib.parse import urlsplit

import numpy as np
import pooch
import requests
import urllib3
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from helpers.scores import whole

__all__ = ["Mosaic", "Photo", "as_rgb", "catalogue", "load_image", "mosaic", "photo_cache"]

Box = tuple[int, int, int, int]

MAX_BYTES = 50_000_000
CONNECT_AND_READ_SECONDS = (10, 15)
DOWNLOAD_SECONDS = 120
# Pixel formats only: the others (EPS, PDF, ...) are programs that Pillow hands to an interpreter.
Image.init()
FORMATS = sorted({"JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM"} & set(Image.OPEN))
TURNS = {  # by the number of the EXIF note
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by the colour type of the header
EVERY_PIXEL = ((0, 0, 1, 1),)
# Seven coarse pictures one after the other: first column and row, steps between columns and rows.
INTERLACED = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
# Wikimedia turns away clients that do not say who they are.
USER_AGENT = "seeing-what-a-cnn-sees/1.0 (https://github.com/seeing-what-a-cnn-sees/book)"


@dataclass(frozen=True)
class Photo:
    """One row of the catalogue: where a photo comes from and what it shows.

    Attributes:
        name: what `load_image` is asked for.
        package: the installed distribution that carries the photo; empty for a photo on the web.
        file: the path inside that distribution.
        url: the https address of a photo on the web; empty for a packaged one.
        classes: the ImageNet class indices (0 to 999) that are right for it; empty where there is none.
        author, licence, page: the credit, "not known" where the source does not tell.
        sha256: the checksum of the file, hexadecimal; empty where nobody could take it yet.
        stand_in: for a photo on the web, the packaged photo to use where there is no network.
        alt: what is to be seen, for readers who do not see it.
        note: what else one should know; often empty.
    """

    name: str
    package: str
    file: str
    url: str
    classes: tuple[int, ...]
    author: str
    licence: str
    page: str
    sha256: str
    stand_in: str
    alt: str
    note: str

    @property
    def credit(self) -> str:
        """Author and licence in one line, for a caption.

        >>> catalogue()["mastiff"].credit
        'Foxcroft Academy, CC BY 2.0'
        """
        return f"{self.author}, {self.licence}"


class Mosaic(NamedTuple):
    """Two square pictures side by side, and the box of each: (left, upper, right, lower) in pixels."""

    image: Image.Image
    left: Box
    right: Box


@cache
def catalogue() -> Mapping[str, Photo]:
    """The photos that the book uses, by name.

    Returns:
        A read-only mapping from name to `Photo`, in the order of `data/photos.csv`.

    >>> catalogue()["mastiff"].classes
    (243,)
    """
    text = importlib.resources.files("helpers.data").joinpath("photos.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(io.StringIO(text))
    photos = (
        Photo(**{**row, "classes": tuple(map(int, row["classes"].split()))})  # type: ignore[arg-type]
        for row in rows
    )
    return MappingProxyType({photo.name: photo for photo in photos})


def photo_cache() -> Path:
    """The folder that keeps downloaded photos.

    The environment variable `SEEING_CNN_CACHE` names another one; a classroom can fill it beforehand.
    """
    return Path(_downloads({}, {}).abspath)


def load_image(source: str | Path) -> Image.Image:
    """A picture as upright RGB, 8 bits a channel.

    Transparent parts become white, 12-bit and 16-bit pictures are scaled to 8 bits, an animation gives its
    first frame, and a camera's rotation note (EXIF) is carried out.

    Args:
        source: a name of the catalogue ("mastiff"), the path of a file, or an https address.

    Returns:
        A `PIL.Image.Image` of mode "RGB".

    Raises:
        ValueError: the name is unknown, the address is not https, the file is empty, damaged, too large
            or no picture, or its checksum differs.
        FileNotFoundError: there is no such file, or the package that carries the photo is missing.
        OSError: the file is there but may not be read.
        ConnectionError: a download failed; for a photo of the catalogue the message names a stand-in.
        TypeError: `source` is neither a str nor a path.

    >>> load_image("mastiff").size
    (512, 512)

    Chapter 2 walks through what a network then does with it.
    """
    if not isinstance(source, str | Path):
        raise TypeError(f"load_image takes a name, a path or an https address, not {type(source).__name__}.")
    if isinstance(source, str) and "://" in source:
        if not _is_https(source):
            raise ValueError(f"{source!r} is not an https address: only https://... pictures are fetched.")
        return _from_web(source, f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.image", sha256="")
    if isinstance(source, str) and source in catalogue():
        return _from_catalogue(catalogue()[source])
    data = _from_file(Path(source))
    if data is not None:
        return _decode(data, str(source))
    if isinstance(source, str) and Path(source).name == source and not Path(source).suffix:
        raise ValueError(_unknown("photo", _shortened(source), catalogue()))
    raise FileNotFoundError(
        f"There is no file {_shortened(str(source))!r}: give the path of a picture, an https address, "
        f"or one of the catalogue's names ({', '.join(catalogue())})."
    )


def mosaic(left: Image.Image, right: Image.Image, side: SupportsIndex = 300) -> Mosaic:
    """Two pictures as squares side by side, so that one knows exactly which pixels show what.

    Each picture is cut to its central square and resized (bicubic).

    Args:
        left, right: PIL pictures of any size.
        side: edge of each square in pixels, at least 1.

    Returns:
        The picture, 2 * side wide and side high, and the box of each square in it.

    Raises:
        TypeError: `left` or `right` is not a PIL picture.
        ValueError: `side` is not a whole number of at least 1.

    >>> picture, cat, dog = mosaic(load_image("cat"), load_image("mastiff"))
    >>> picture.size, cat, dog
    ((600, 300), (0, 0, 300, 300), (300, 0, 600, 300))
    """
    edge = whole(side)
    if edge is None or edge < 1:
        raise ValueError(f"side must be a whole number of at least 1 pixel, not {side!r}.")
    canvas = Image.new("RGB", (2 * edge, edge))
    boxes = ((0, 0, edge, edge), (edge, 0, 2 * edge, edge))
    for picture, box in zip((left, right), boxes, strict=True):
        square = ImageOps.fit(as_rgb(picture), (edge, edge), Image.Resampling.BICUBIC)
        canvas.paste(square, box)
    return Mosaic(canvas, *boxes)


def as_rgb(picture: Image.Image) -> Image.Image:
    """Any picture as RGB, 8 bits a channel: transparent parts on white, 12 and 16 bits scaled.

    Args:
        picture: a PIL picture of any mode.

    Raises:
        TypeError: `picture` is not a PIL picture.
        ValueError: it has no pixels or has lost its palette, or its pixels have no known range (floating
            point, or whole numbers that do not fit into 16 bits).

    >>> as_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 0))).getpixel((0, 0))
    (255, 255, 255)
    """
    if not isinstance(picture, Image.Image):
        raise TypeError(
            f"Expected a PIL picture, as load_image gives it, not {type(picture).__name__}: "
            "PIL.Image.fromarray makes one from an array."
        )
    if 0 in picture.size:
        raise ValueError(f"the picture has {picture.width} × {picture.height} pixels: give one with some.")
    if picture.mode == "F":
        raise ValueError("floating-point pixels have no known range: save the picture with 8 or 16 bits.")
    if picture.mode.startswith("I"):
        return Image.fromarray(_grey_8_bits(picture)).convert("RGB")
    if picture.mode.startswith("P") and picture.palette is None:
        raise ValueError("the palette with the picture's colours is missing: save the picture again as RGB.")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _grey_8_bits(picture: Image.Image) -> np.ndarray:
    """12 or 16 bits as 8: Pillow's own conversion would clip at 255."""
    grey = np.array(picture, dtype=np.float64)
    if grey.min() < 0 or grey.max() > 65535:
        raise ValueError("the pixels do not fit into 16 bits: save the picture with 8 or 16 bits.")
    tags = picture.tag_v2 if isinstance(picture, TiffImagePlugin.TiffImageFile) else {}
    largest = 4095 if tags.get(TiffImagePlugin.BITSPERSAMPLE) == (12,) else 65535
    if tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0:  # in this file zero is white
        grey = largest - grey
    if "transparency" in picture.info:
        grey[grey == picture.info["transparency"]] = largest
    return (grey / largest * 255).round().astype(np.uint8)


def _shortened(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:100]}…{name[-20:]}"


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name.casefold(), known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(known)}."
    return f"There is no {kind} {name!r}: {hint}"


def _from_catalogue(photo: Photo) -> Image.Image:
    if photo.package:
        return _decode(_packaged(photo), photo.name)
    try:
        return _from_web(photo.url, photo.name + Path(urlsplit(photo.url).path).suffix.lower(), photo.sha256)
    except ConnectionError as error:
        raise ConnectionError(
            f"{error} Without a network load_image({photo.stand_in!r}), a packaged photo, can stand in."
        ) from error


def _packaged(photo: Photo) -> bytes:
    try:
        data = _read(Path(str(importlib.metadata.distribution(photo.package).locate_file(photo.file))))
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(
            f"The photo {photo.name!r} comes with the package {photo.package}, which is missing or has "
            f"moved its files: pip install {photo.package}, in the version that requirements.txt names."
        ) from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise ValueError(
            f"The photo {photo.name!r} in the package {photo.package} is not the one that the book knows "
            f"(its sha256 differs): reinstall the version that requirements.txt names."
        )
    return data


def _from_file(path: Path) -> bytes | None:
    """What the file holds; None where there is none."""
    try:
        path = path.expanduser()
    except RuntimeError:  # ~nobody: there is no such user
        return None
    try:
        return _read(path) if path.is_file() else None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise OSError(
            f"The file {str(path)!r} cannot be read ({error.strerror}): check who may, or give a copy."
        ) from error


def _read(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(
            f"{path.name} has {path.stat().st_size / 1e6:.0f} MB, more than the {MAX_BYTES / 1e6:.0f} MB "
            f"that a photo may have: save a smaller copy."
        )
    return path.read_bytes()


def _downloads(registry: Mapping[str, str | None], urls: Mapping[str, str]) -> pooch.Pooch:
    return pooch.create(
        path=pooch.os_cache("seeing-what-a-cnn-sees"),
        base_url="",
        registry=dict(registry),
        urls=dict(urls),
        retry_if_failed=2,
        env="SEEING_CNN_CACHE",
    )


def _from_web(url: str, file: str, sha256: str) -> Image.Image:
    pooch.get_logger().setLevel("WARNING")  # its notes would land in the notebook
    downloads = _downloads({file: sha256 or None}, {file: url})
    kept = Path(downloads.abspath) / file
    was_there = kept.exists()
    try:
        path = Path(downloads.fetch(file, downloader=_fetch))
    except OSError as error:  # as requests' errors are, some of them ValueErrors as well
        raise ConnectionError(
            f"{url} could not be fetched ({_reason(error)}): check the network, or put the picture at {kept}."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"What arrived from {url} is not the picture that the book knows (its sha256 differs); "
            f"nothing was kept: try again, or put the right file at {kept}."
        ) from error
    try:
        return _decode(_read(path), url)
    except ValueError as error:
        if was_there:
            raise ValueError(f"{error} The file is {kept}: replace or delete it.") from error
        path.unlink(missing_ok=True)  # else a login page, once cached, would be served for ever
        raise


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and bool(url.encode())
    except ValueError:  # brackets or characters that no address has
        return False


def _reason(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate is not trusted"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "it redirects to an address that is not https"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    if isinstance(error, PermissionError | NotADirectoryError | FileNotFoundError):
        return f"its folder cannot be written, {error.strerror}; SEEING_CNN_CACHE can name another one"
    return str(error).rstrip(".")


def _fetch(url: str, output_file: str, _: object) -> None:
    """Pooch's downloader; what goes wrong becomes an OSError."""
    try:
        _stream(url, Path(output_file))
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from error
    except ValueError as error:
        if isinstance(error, OSError):
            raise
        raise ConnectionError(f"an address on the way is malformed: {error}") from error


def _stream(url: str, output_file: Path) -> None:
    """Fetch over https only, also after redirects, bounded in size and in time."""
    session = requests.Session()
    session.adapters.pop("http://")  # a redirect to another scheme then finds no way to go
    end = time.monotonic() + DOWNLOAD_SECONDS
    with (
        session,
        session.get(
            url, stream=True, timeout=CONNECT_AND_READ_SECONDS, headers={"User-Agent": USER_AGENT}
        ) as response,
    ):
        if 400 <= response.status_code < 500:
            raise ConnectionError(f"the server answered {response.status_code}")  # final: no retry
        response.raise_for_status()
        size = 0
        with output_file.open("wb") as file:
            # read1 returns what has come; iter_content would wait for a whole chunk
            while chunk := response.raw.read1(1 << 16, decode_content=True):
                size += len(chunk)
                if size > MAX_BYTES:
                    raise ConnectionError(f"it is larger than {MAX_BYTES / 1e6:.0f} MB")
                if time.monotonic() > end:
                    raise ConnectionError(f"it took longer than {DOWNLOAD_SECONDS} s")
                file.write(chunk)


def _decode(data: bytes, origin: str) -> Image.Image:
    if not data:
        raise ValueError(f"{origin} is empty: expected a picture ({', '.join(FORMATS)}).")
    try:
        with _one_at_a_time, warnings.catch_warnings():  # which is not made for threads
            warnings.simplefilter("ignore")  # Pillow's remarks on odd EXIF fields
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(data), formats=FORMATS)
            opened.load()
            turn = _turn(opened)
            if opened.format == "PNG" and _ends_early(data):
                raise ValueError("its last rows are missing")
    except UnidentifiedImageError as error:
        raise ValueError(f"{origin} is not a picture that can be read ({', '.join(FORMATS)}).") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{origin} has more than the {Image.MAX_IMAGE_PIXELS} pixels that are read: save a smaller copy."
        ) from error
    except (OSError, SyntaxError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"{origin} is damaged or cut short ({error}): fetch or save it again.") from error
    try:
        picture = as_rgb(opened)
    except ValueError as error:
        raise ValueError(f"{origin}: {error}") from error
    return picture if turn is None else picture.transpose(turn)


_one_at_a_time = threading.Lock()


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        return TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a damaged note is no reason to refuse a good picture
        return None


def _ends_early(png: bytes) -> bool:
    """Whether a PNG's pixels end before its last row; Pillow would load the missing rows as black."""
    chunks = list(_chunks(png))
    missing = _unpacked_size(chunks[0][1])
    packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
    inflate = zlib.decompressobj()
    while packed and missing > 0:
        missing -= len(inflate.decompress(packed, 1 << 20))
        packed = inflate.unconsumed_tail
    return missing > len(inflate.flush())


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        yield kind, png[at + 8 : at + 8 + length]
        at += length + 12


def _unpacked_size(header: bytes) -> int:
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    bits = depth * PNG_CHANNELS[colour]
    size = 0
    for left, top, across, down in INTERLACED if interlaced else EVERY_PIXEL:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        size += rows * (1 + -(-columns * bits // 8)) if columns else 0  # a byte in front names the filter
    return size
