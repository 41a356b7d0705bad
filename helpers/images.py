"""Photos in: the book's catalogue, your own files and https addresses, always as upright RGB pictures."""

import csv
import difflib
import hashlib
import importlib.metadata
import importlib.resources
import io
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pooch
import requests
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = ["Mosaic", "Photo", "catalogue", "load_image", "mosaic", "photo_cache"]

Box = tuple[int, int, int, int]

MAX_BYTES = 50_000_000
CONNECT_AND_READ_SECONDS = (10, 15)
DOWNLOAD_SECONDS = 120
# Pixel formats only: the others (EPS, PDF, ...) are programs that Pillow hands to an interpreter.
Image.init()
FORMATS = sorted({"JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM"} & set(Image.OPEN))
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

    Transparent parts become white, 16-bit pictures are scaled to 8 bits, an animation gives its first
    frame, and a camera's rotation note (EXIF) is carried out.

    Args:
        source: a name of the catalogue ("mastiff"), the path of a file, or an https address.

    Returns:
        A `PIL.Image.Image` of mode "RGB".

    Raises:
        ValueError: the name is unknown, the address is not https, the file is empty, damaged, too large
            or no picture, or its checksum differs.
        FileNotFoundError: there is no such file, or the package that carries the photo is missing.
        ConnectionError: a download failed; for a photo of the catalogue the message names a stand-in.

    >>> load_image("mastiff").size
    (512, 512)

    Chapter 2 walks through what a network then does with it.
    """
    if isinstance(source, str) and "://" in source:
        return _from_web(source, f"{hashlib.sha256(source.encode()).hexdigest()[:16]}.image", sha256="")
    if isinstance(source, str) and source in catalogue():
        return _from_catalogue(catalogue()[source])
    path = Path(source).expanduser()
    if path.is_file():
        return _decode(_read(path), str(source))
    if isinstance(source, str) and path.name == source and not path.suffix:
        raise ValueError(_unknown("photo", source, catalogue()))
    raise FileNotFoundError(
        f"There is no file {str(source)!r}: give the path of a picture, an https address, "
        f"or one of the catalogue's names ({', '.join(catalogue())})."
    )


def mosaic(left: Image.Image, right: Image.Image, side: int = 300) -> Mosaic:
    """Two pictures as squares side by side, so that one knows exactly which pixels show what.

    Each picture is cut to its central square and resized (bicubic).

    Args:
        left, right: PIL pictures of any size.
        side: edge of each square in pixels, at least 1.

    Returns:
        The picture, 2 * side wide and side high, and the box of each square in it.

    Raises:
        ValueError: `side` is below 1.

    >>> picture, cat, dog = mosaic(load_image("cat"), load_image("mastiff"))
    >>> picture.size, cat, dog
    ((600, 300), (0, 0, 300, 300), (300, 0, 600, 300))
    """
    if side < 1:
        raise ValueError(f"side must be at least 1 pixel, not {side}.")
    canvas = Image.new("RGB", (2 * side, side))
    boxes = ((0, 0, side, side), (side, 0, 2 * side, side))
    for picture, box in zip((left, right), boxes, strict=True):
        square = ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC)
        canvas.paste(square, box)
    return Mosaic(canvas, *boxes)


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
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
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{url!r} is not an https address: only https://... pictures are fetched.")
    pooch.get_logger().setLevel("WARNING")  # its notes would land in the notebook
    downloads = _downloads({file: sha256 or None}, {file: url})
    kept = Path(downloads.abspath) / file
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
    except ValueError:
        path.unlink(missing_ok=True)  # else a login page, once cached, would be served for ever
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate is not trusted"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "it redirects to an address that is not https"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    return str(error).rstrip(".")


def _fetch(url: str, output_file: str, _: object) -> None:
    """Pooch's downloader: https only, also after redirects; bounded in size and in time."""
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
        with Path(output_file).open("wb") as file:
            for chunk in response.iter_content(1 << 16):
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd EXIF fields
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                return _to_rgb(ImageOps.exif_transpose(picture), origin)
    except UnidentifiedImageError as error:
        raise ValueError(f"{origin} is not a picture that can be read ({', '.join(FORMATS)}).") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{origin} has more than the {Image.MAX_IMAGE_PIXELS} pixels that are read: save a smaller copy."
        ) from error
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{origin} is damaged or cut short ({error}): fetch or save it again.") from error


def _to_rgb(picture: Image.Image, origin: str) -> Image.Image:
    if picture.mode == "F":
        raise ValueError(f"{origin} holds floating-point pixels of unknown range: save it with 8 or 16 bits.")
    if picture.mode.startswith("I"):  # 16 bits: Pillow's own conversion would clip at 255
        grey = np.asarray(picture, dtype=np.float64) / 257
        return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")
