"""Photos: the catalogue, every kind of file, every kind of bad file, downloads good and bad."""

import dataclasses
import gzip
import importlib.metadata
import io
import struct
import sys
import time
import zlib
from pathlib import Path
from threading import Event

import numpy as np
import pooch
import pytest
import requests
from PIL import Image, ImageOps
from werkzeug import Response

from helpers import images
from helpers.images import as_rgb, catalogue, load_image, mosaic

PACKAGED = [photo.name for photo in catalogue().values() if photo.package]
ON_THE_WEB = [photo.name for photo in catalogue().values() if not photo.package]


def encoded(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def png(size, depth, colour, pixels, *chunks, interlaced=0):
    """A PNG by hand, for what Pillow does not write; colour 0 is grey, 2 RGB, 3 a palette."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def grey_tiff(size, bits, zero_is, data):
    """An uncompressed grey TIFF by hand."""
    width, height = size
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: ("white", "black").index(zero_is), 273: 8}
    tags |= {277: 1, 278: height, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def greys(picture):
    return np.asarray(picture)[..., 0].tolist()


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def write(tmp_path):
    def write(data, name="photo.png"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


# --- the catalogue


@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_photo_loads_as_upright_rgb(name):
    image = load_image(name)
    assert image.mode == "RGB"
    assert min(image.size) >= 224 or name == "cat"


def test_the_catalogue_is_complete():
    assert len([p for p in catalogue().values() if p.package == "foolbox"]) == 20
    for photo in catalogue().values():
        assert photo.author, photo.name
        assert photo.licence, photo.name
        assert photo.alt.endswith("."), photo.name
        assert photo.page.startswith("http"), photo.name
        assert bool(photo.package) != bool(photo.url), photo.name
        assert all(0 <= index < 1000 for index in photo.classes), photo.name
        if photo.package:
            assert len(photo.sha256) == 64, photo.name
        else:
            assert photo.url.startswith("https://"), photo.name
            assert photo.stand_in in PACKAGED, photo.name


def test_a_photo_of_the_wrong_version_is_refused(monkeypatch):
    changed = dataclasses.replace(catalogue()["mastiff"], sha256="0" * 64)
    with pytest.raises(ValueError, match=r"'mastiff' in the package foolbox is not the one"):
        images._from_catalogue(changed)


def test_a_missing_package_is_named(monkeypatch):
    changed = dataclasses.replace(catalogue()["mastiff"], package="no-such-package")
    with pytest.raises(FileNotFoundError, match="pip install no-such-package"):
        images._from_catalogue(changed)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("mastif", "'mastiff'"), ("dalmation", "'dalmatian'"), ("zzzzzz", "there are mastiff,")],
)
def test_an_unknown_name_gets_the_closest_ones(name, hint):
    with pytest.raises(ValueError, match=f"There is no photo '{name}': .*{hint}"):
        load_image(name)


def test_a_damaged_packaged_photo_is_named(monkeypatch):
    monkeypatch.setattr(images, "_packaged", lambda _: b"")
    with pytest.raises(ValueError, match=r"^mastiff is empty"):
        load_image("mastiff")


def test_at_most_three_names_are_suggested():
    known = dict.fromkeys(["cart", "card", "care", "carp"])
    assert images._unknown("photo", "car", known).endswith(": did you mean 'cart' or 'carp' or 'care'?")


def test_a_long_name_is_shortened_in_its_middle():
    assert images._shortened("a" * 200) == "a" * 200
    assert images._shortened("a" * 100 + "b" * 81 + "c" * 20) == "a" * 100 + "…" + "c" * 20


# --- files


def test_a_file_loads_by_str_and_by_path(photo, write):
    path = write(encoded(photo, format="PNG"))
    for source in (path, str(path)):
        np.testing.assert_array_equal(np.asarray(load_image(source)), np.asarray(photo))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*nowhere\.jpg': give the path"):
        load_image(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load_image(tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("note", range(1, 9))
def test_a_turned_photo_is_loaded_upright(photo, write, note, kind):
    by_hand = {
        1: lambda pixels: pixels,
        2: np.fliplr,
        3: lambda pixels: np.rot90(pixels, 2),
        4: np.flipud,
        5: lambda pixels: pixels.swapaxes(0, 1),
        6: lambda pixels: np.rot90(pixels, -1),
        7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
        8: np.rot90,
    }
    exif = Image.Exif()
    exif[0x0112] = note
    turned = load_image(write(encoded(photo, format=kind, exif=exif, lossless=True)))
    np.testing.assert_array_equal(np.asarray(turned), by_hand[note](np.asarray(photo)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_exif_note_does_no_harm(photo, write, kind):
    to_turn = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    text_for_a_number = struct.pack(">HHI4s", 0x011A, 2, 4, b"72/\0")
    odd = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + to_turn + text_for_a_number + b"\0\0\0\0"
    assert load_image(write(encoded(photo, format=kind, exif=odd))).size == photo.size[::-1]
    for broken in (b"Exif\0\0garbage!", b"Exif\0\0MM\0*"):
        assert load_image(write(encoded(photo, format=kind, exif=broken))).size == photo.size


@pytest.mark.parametrize("wrong", [None, 3, b"mastiff", Image.new("RGB", (2, 2))])
def test_what_names_no_picture_is_refused(wrong):
    with pytest.raises(TypeError, match="takes a name, a path or an https address"):
        load_image(wrong)


@pytest.mark.parametrize("beyond", [2**20, 65536, -1])
def test_whole_numbers_beyond_16_bits_are_refused(write, beyond):
    data = encoded(Image.fromarray(np.array([[0, beyond]], dtype=np.int32)), format="TIFF")
    with pytest.raises(ValueError, match=r"i\.tif: the pixels do not fit into 16 bits: save"):
        load_image(write(data, "i.tif"))


def test_a_file_that_may_not_be_read_is_named(write, monkeypatch):
    path = write(b"")

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(OSError, match=r"photo\.png' cannot be read \(Permission denied\): check who may"):
        load_image(path)


@pytest.mark.parametrize("name", ["a" * 300 + ".png", "~nosuchuser/x", "a/" * 5000, "x\0.png", "\udcff.png"])
def test_a_name_that_no_file_can_have_is_refused_in_one_sentence(name):
    with pytest.raises(FileNotFoundError, match=r"^There is no file '.*: give the path") as caught:
        load_image(name)
    assert len(str(caught.value).split(": give")[0]) < 200


@pytest.mark.parametrize("name", ["a" * 300, "~nosuchuser"])
def test_a_name_that_nothing_can_have_is_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match=rf"^There is no photo '{name[:10]}.*: there are mastiff"):
        load_image(name)


def test_a_path_below_the_home_folder_is_found(photo, write, monkeypatch):
    monkeypatch.setenv("HOME", str(write(encoded(photo, format="PNG"), "mine.png").parent))
    monkeypatch.setenv("USERPROFILE", str(Path("~").expanduser()))
    assert load_image("~/mine.png").size == photo.size


def test_damage_that_pillow_finds_late_is_named(write):
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_image(write(b"P2 2 1 255\n1 x", "a.pgm"))


def test_transparency_becomes_white(write):
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    picture.putpixel((1, 0), (255, 0, 0, 0))
    loaded = load_image(write(encoded(picture, format="PNG")))
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


def test_a_palette_with_a_transparent_colour_becomes_white(write):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    loaded = load_image(write(encoded(picture, format="PNG", transparency=1)))
    assert [loaded.getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (255, 255, 255)]


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P"])
def test_grey_and_palette_pictures_become_rgb(photo, write, mode):
    loaded = load_image(write(encoded(photo.convert(mode), format="PNG")))
    np.testing.assert_array_equal(np.asarray(loaded), np.asarray(photo.convert(mode).convert("RGB")))


def test_16_bit_grey_is_scaled_and_not_clipped(write):
    grey = Image.fromarray(np.array([[0, 128, 129, 257, 32896, 65535]], dtype=np.uint16))
    assert greys(load_image(write(encoded(grey, format="PNG")))) == [[0, 0, 1, 1, 128, 255]]


def test_16_bit_grey_with_a_transparent_grey_becomes_white(write):
    # 33025 of 65535 is above 128.5 of 255; of 65536 it would be below
    data = png((4, 1), 16, 0, b"\0" + struct.pack(">4H", 0, 257, 33025, 65535), (b"tRNS", b"\x01\x01"))
    assert greys(load_image(write(data))) == [[0, 255, 129, 255]]


def test_12_bits_are_scaled_by_their_own_range(write):
    # 0x109 of 4095 is above 16.5 of 255; of 4096 it would be below
    path = write(grey_tiff((4, 1), 12, "black", bytes.fromhex("1097ff800fff")), "a.tif")
    assert greys(load_image(path)) == [[17, 127, 128, 255]]
    with Image.open(path) as opened:
        assert greys(as_rgb(opened)) == [[17, 127, 128, 255]]


@pytest.mark.parametrize(
    ("bits", "pixels"), [(8, bytes([0, 1, 128, 255])), (16, struct.pack("<4H", 0, 257, 32896, 65535))]
)
def test_a_tiff_whose_zero_is_white_is_no_negative(write, bits, pixels):
    for zero_is, expected in (("black", [0, 1, 128, 255]), ("white", [255, 254, 127, 0])):
        assert greys(load_image(write(grey_tiff((4, 1), bits, zero_is, pixels), "a.tif"))) == [expected]


def test_a_palette_picture_without_its_palette_is_refused(write):
    with pytest.raises(ValueError, match=r"photo\.png: the palette .* is missing: save the picture again"):
        load_image(write(png((2, 1), 8, 3, b"\0\0\1")))


@pytest.mark.parametrize("size", [(0, 5), (5, 0)])
def test_a_picture_without_pixels_is_refused(photo, size):
    with pytest.raises(ValueError, match=f"has {size[0]} × {size[1]} pixels"):
        as_rgb(Image.new("RGB", size))
    with pytest.raises(ValueError, match="pixels: give one"):
        mosaic(photo, Image.new("L", size))


def test_cmyk_becomes_rgb(write):
    loaded = load_image(write(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), format="TIFF"), "a.tif"))
    assert loaded.mode == "RGB"
    assert loaded.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(write, kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("blue", "red")]
    data = encoded(frames[0], format=kind, save_all=True, append_images=frames[1:], lossless=True)
    assert load_image(write(data)).getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize("keep", [0.5, 0.98])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_truncated_file_is_refused(photo, write, kind, keep):
    data = encoded(photo, format=kind)
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_image(write(data[: int(keep * len(data))]))


@pytest.mark.parametrize("rows", range(5))
@pytest.mark.parametrize(("depth", "colour", "row"), [(8, 0, 4), (8, 2, 12), (1, 0, 1), (16, 6, 32)])
def test_a_png_whose_last_rows_are_missing_is_refused(write, rows, depth, colour, row):
    whole = b"".join(b"\0" + bytes([200] * row) for _ in range(5))
    assert load_image(write(png((4, 5), depth, colour, whole))).size == (4, 5)
    with pytest.raises(ValueError, match=r"photo\.png is damaged or cut short"):
        load_image(write(png((4, 5), depth, colour, whole[: rows * (row + 1)])))
    with pytest.raises(ValueError, match=r"photo\.png is damaged or cut short"):
        load_image(write(png((4, 5), depth, colour, whole[:-1])))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 5), (7, 7), (8, 8), (13, 13), (9, 17)])
def test_an_interlaced_png_needs_all_of_its_passes(write, size):
    width, height = size
    steps = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    passes = [(len(range(x, width, dx)), len(range(y, height, dy))) for x, y, dx, dy in steps]
    whole = b"".join(b"\0" + bytes(columns) for columns, rows in passes if columns for _ in range(rows))
    assert load_image(write(png(size, 8, 0, whole, interlaced=1))).size == size
    assert images._unpacked_size(struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 1)) == len(whole)
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_image(write(png(size, 8, 0, whole[:-1], interlaced=1)))


def test_a_remark_of_pillows_does_no_harm(write):
    without_frames = (b"acTL", struct.pack(">II", 0, 0))
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(png((4, 1), 8, 0, bytes(5), without_frames)))
    assert load_image(write(png((4, 1), 8, 0, bytes(5), without_frames))).size == (4, 1)


def test_a_large_png_in_many_parts_is_whole(write):
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), dtype=np.uint8)
    loaded = load_image(write(encoded(Image.fromarray(noise), format="PNG")))
    np.testing.assert_array_equal(np.asarray(loaded), noise)


def test_an_empty_file_is_refused(write):
    with pytest.raises(ValueError, match="is empty"):
        load_image(write(b""))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM"])
def test_every_usual_format_is_read(write, kind):
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    shown = np.asarray(load_image(write(encoded(Image.new("RGB", (9, 7), (200, 200, 200)), format=kind))))
    assert shown.shape == (7, 9, 3)
    assert np.abs(shown.astype(int) - 200).max() <= 3


@pytest.mark.parametrize("data", [b"<html>log in</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n(x) show", b"\0" * 1000])
def test_what_is_no_picture_is_refused(write, data):
    with pytest.raises(ValueError, match="is not a picture that can be read"):
        load_image(write(data))


@pytest.mark.parametrize("kind", ["PCX", "TGA", "ICO"])
def test_other_formats_are_not_even_tried(photo, write, kind):
    with pytest.raises(ValueError, match="is not a picture that can be read"):
        load_image(write(encoded(photo, format=kind)))


@pytest.mark.parametrize("height", [9_000, 17_000, 18_000, 100_000])
def test_too_many_pixels_are_refused(write, height):
    with pytest.raises(ValueError, match=r"has more than the 89478485 pixels that are read: save"):
        load_image(write(png((10_000, height), 1, 0, b"")))


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10_000_000_000)  # sparse: takes no room
    with pytest.raises(ValueError, match=r"huge\.png has 10000 MB"):
        load_image(tmp_path / "huge.png")


def test_floating_point_pixels_are_refused(write):
    data = encoded(Image.fromarray(np.ones((4, 4), dtype=np.float32)), format="TIFF")
    with pytest.raises(ValueError, match="floating-point pixels"):
        load_image(write(data, "f.tif"))


# --- addresses


@pytest.fixture
def waiting(photo_cache):
    """The files left in the cache."""
    return lambda: sorted(path.name for path in photo_cache.glob("*")) if photo_cache.exists() else []


def test_the_cache_is_the_books_own_unless_named(monkeypatch):
    monkeypatch.delenv("SEEING_CNN_CACHE", raising=False)
    assert images._downloads({}, {}).abspath == Path(pooch.os_cache("seeing-what-a-cnn-sees")).absolute()


def test_an_address_is_fetched_once(https, photo, waiting):
    https.expect_oneshot_request("/a.png").respond_with_data(encoded(photo, format="PNG"))
    for _ in range(2):  # a second request would be answered with 500
        loaded = load_image(https.url_for("/a.png"))
        np.testing.assert_array_equal(np.asarray(loaded), np.asarray(photo))
    assert len(waiting()) == 1
    assert "seeing-what-a-cnn-sees" in https.log[0][0].headers["User-Agent"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_passing_fault_is_tried_again(https, photo, status):
    https.expect_ordered_request("/a.png").respond_with_data("busy", status=status)
    https.expect_ordered_request("/a.png").respond_with_data(encoded(photo, format="PNG"))
    assert load_image(https.url_for("/a.png")).size == photo.size


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost/a.png",
        "ftp://localhost/a.png",
        "file:///a.png",
        "https://",
        "https://[::1/x.png",
        "https://\udcff.x/",
    ],
)
def test_only_https_is_fetched(address):
    with pytest.raises(ValueError, match="is not an https address"):
        load_image(address)


@pytest.mark.parametrize("status", [400, 404, 499])
def test_a_missing_page_is_final(https, waiting, status):
    https.expect_request("/a.png").respond_with_data("none", status=status)
    with pytest.raises(ConnectionError, match=rf"could not be fetched \(the server answered {status}\)"):
        load_image(https.url_for("/a.png"))
    assert len(https.log) == 1
    assert waiting() == []


@pytest.mark.parametrize(
    "goal", ["http://localhost:1/a.png", "ftp://localhost/a.png", "file:///etc/hostname"]
)
def test_a_redirect_to_another_scheme_is_refused(https, waiting, goal):
    https.expect_request("/a.png").respond_with_data("", status=302, headers={"Location": goal})
    with pytest.raises(ConnectionError, match=r"\(it redirects to an address that is not https\)"):
        load_image(https.url_for("/a.png"))
    assert waiting() == []


def test_a_redirect_within_https_is_followed(https, photo):
    https.expect_request("/a.png").respond_with_data("", status=302, headers={"Location": "/b.png"})
    https.expect_request("/b.png").respond_with_data(encoded(photo, format="PNG"))
    assert load_image(https.url_for("/a.png")).size == photo.size


def test_what_a_server_has_packed_is_unpacked(https, photo):
    packed = gzip.compress(encoded(photo, format="BMP"))
    https.expect_request("/a.bmp").respond_with_data(packed, headers={"Content-Encoding": "gzip"})
    assert load_image(https.url_for("/a.bmp")).size == photo.size


def test_a_reason_ends_without_a_full_stop():
    assert images._reason(ConnectionError("...it is gone.")) == "...it is gone"


def test_a_server_that_stalls_is_given_up(https, waiting, monkeypatch):
    monkeypatch.setattr(images, "CONNECT_AND_READ_SECONDS", (1, 0.2))
    https.expect_request("/a.png").respond_with_handler(lambda _: Event().wait(1) or Response("late"))
    with pytest.raises(ConnectionError, match=r"\(no answer in time\)"):
        load_image(https.url_for("/a.png"))
    assert waiting() == []


def test_a_server_that_drips_is_given_up(https, waiting, monkeypatch):
    monkeypatch.setattr(images, "DOWNLOAD_SECONDS", 0.5)

    def drip():
        for _ in range(100):
            Event().wait(0.1)
            yield b"x"

    https.expect_request("/a.png").respond_with_handler(lambda _: Response(drip()))
    start = time.monotonic()
    with pytest.raises(ConnectionError, match=r"it took longer than 0\.5 s"):
        load_image(https.url_for("/a.png"))
    assert time.monotonic() - start < 5
    assert waiting() == []


def test_a_wrong_file_put_into_the_cache_is_named_and_kept(photo_cache):
    photo_cache.mkdir()
    (photo_cache / "pug.jpg").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"is not a picture .* The file is .*pug\.jpg: replace or delete it"):
        load_image("pug")
    assert (photo_cache / "pug.jpg").exists()


@pytest.mark.parametrize(
    "goal", ["https://a..invalid/x", "https://[bad/x", "https://" + "a" * 70 + ".invalid/"]
)
def test_a_malformed_redirect_is_a_failed_download(https, goal):
    https.expect_request("/a.png").respond_with_data("", status=302, headers={"Location": goal})
    with pytest.raises(ConnectionError, match="could not be fetched"):
        load_image(https.url_for("/a.png"))


def test_a_cache_that_cannot_be_written_is_named(https, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEEING_CNN_CACHE", str(tmp_path / "file" / "x"))
    with pytest.raises(ConnectionError, match="SEEING_CNN_CACHE can name another"):
        load_image(https.url_for("/a.png"))


def test_a_download_that_is_too_large_is_given_up(https, waiting, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 150_000)  # more than is read at once
    https.expect_request("/a.png").respond_with_data(b"x" * 200_000)
    with pytest.raises(ConnectionError, match="it is larger than"):
        load_image(https.url_for("/a.png"))
    assert waiting() == []


def test_a_download_of_just_the_largest_size_is_taken(https, waiting, monkeypatch):
    file = io.BytesIO()
    Image.new("RGB", (5, 4)).save(file, "PNG")
    monkeypatch.setattr(images, "MAX_BYTES", len(file.getvalue()))
    https.expect_request("/a.png").respond_with_data(file.getvalue())
    assert load_image(https.url_for("/a.png")).size == (5, 4)


def test_a_login_page_is_not_kept(https, waiting):
    https.expect_request("/a.png").respond_with_data("<html>log in</html>")
    with pytest.raises(ValueError, match=rf"^{https.url_for('/a.png')} is not a picture"):
        load_image(https.url_for("/a.png"))
    assert waiting() == []


def test_an_untrusted_certificate_is_refused(https, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ConnectionError, match=r"\(the certificate is not trusted\)"):
        load_image(https.url_for("/a.png"))


def test_a_wrong_checksum_is_refused(https, waiting, photo, monkeypatch):
    https.expect_request("/both.png").respond_with_data(encoded(photo, format="PNG"))
    row = dataclasses.replace(catalogue()["cat_and_dog"], url=https.url_for("/both.png"))
    with pytest.raises(ValueError, match="its sha256 differs"):
        images._from_catalogue(row)
    assert waiting() == []


@pytest.mark.parametrize("name", ON_THE_WEB)
def test_without_a_network_the_error_names_a_stand_in(name, photo_cache, monkeypatch):
    def refuse(*_, **__):
        raise requests.exceptions.ConnectionError

    monkeypatch.setattr(requests.Session, "send", refuse)
    with pytest.raises(ConnectionError, match=r"\(no connection\).* load_image\('\w+'\), a packaged photo"):
        load_image(name)


def test_a_photo_put_into_the_cache_beforehand_is_used(photo, photo_cache):
    photo_cache.mkdir()
    (photo_cache / "pug.jpg").write_bytes(encoded(photo, format="JPEG"))
    assert images.photo_cache() == photo_cache
    assert load_image("pug").size == photo.size


# --- the mosaic


def test_the_mosaic_puts_each_picture_into_its_box():
    red, blue = Image.new("RGB", (50, 30), "red"), Image.new("L", (20, 80), 128)
    image, left, right = mosaic(red, blue, side=10)
    assert image.size == (20, 10)
    assert set(np.unique(np.asarray(image.crop(left)).reshape(-1, 3), axis=0)[0]) == {255, 0}
    assert (np.asarray(image.crop(right)) == 128).all()


def test_the_mosaic_resizes_the_central_squares_bicubically(photo):
    tall = photo.transpose(Image.Transpose.ROTATE_90)
    image, left, right = mosaic(photo, tall, side=np.int64(23))
    for picture, box in ((photo, left), (tall, right)):
        expected = ImageOps.fit(picture, (23, 23), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(np.asarray(image.crop(box)), np.asarray(expected))


def test_a_mosaic_of_two_pixels(photo):
    assert mosaic(photo, photo, side=1)[0].size == (2, 1)


@pytest.mark.parametrize("side", [0, -3, 2.0, "9", None, True])
def test_the_mosaic_needs_a_side(photo, side):
    with pytest.raises(ValueError, match="side must be a whole number of at least 1 pixel"):
        mosaic(photo, photo, side=side)


def test_no_package_of_photos_is_imported_by_loading_one():
    assert importlib.metadata.distribution("foolbox").locate_file("foolbox/data/imagenet_00_243.jpg")
    load_image("mastiff")
    assert "foolbox" not in sys.modules
