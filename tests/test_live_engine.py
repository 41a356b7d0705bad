"""The live lab's engine in the browser: pixels against Pillow, layers and answers against torch, faults.

The pages here are empty but for the engine's scripts; most are opened as files.
"""

import base64
import functools
import gzip
import http.server
import io
import json
import shutil
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import nn

from helpers import grad_cam, load_classifier, load_image
from helpers.images import catalogue
from tools import live

pytestmark = pytest.mark.browser

LIVE = Path(__file__).parents[1] / "_static" / "live"
SCRIPTS = ("pillow", "kernels", "network")
PACKAGED = [photo.name for photo in catalogue().values() if photo.package]
SIDE = 224


def in_worker(code):
    """A script that has a worker run this code first."""
    return (
        "globalThis.Blob = class extends Blob "
        f"{{ constructor(parts, type) {{ super([{json.dumps(code)}, ...parts], type); }} }};"
    )


# Ways to run: what a script takes away before the page's own are read, and the kernels that are left.
WAYS = {
    "newest": ("", "wasm"),
    "without relaxed instructions": (
        "globalThis.Live = {}; Object.defineProperty(Live, 'kernels', { get: () => Live.found, "
        "set: ({ plain }) => { Live.found = { plain }; } });",
        "wasm",
    ),
    "without WebAssembly": (in_worker("delete globalThis.WebAssembly;"), "js"),
    "in an older browser": (
        "delete Uint8Array.fromBase64;" + in_worker("delete Uint8Array.fromBase64;"),
        "wasm",
    ),
    "without workers": ("delete globalThis.Worker;", "wasm"),
    "without both": ("delete globalThis.Worker; delete globalThis.WebAssembly;", "js"),
}
HELP = """
globalThis.bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
globalThis.text = (array) => {
  const all = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let letters = "";
  for (let i = 0; i < all.length; i += 8192) letters += String.fromCharCode(...all.subarray(i, i + 8192));
  return btoa(letters);
};
globalThis.said = (promise) => promise.then(() => "", (error) => error.message);
"""


def sent(data):
    return base64.b64encode(
        data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes()
    ).decode()


def read(text, kind="f4"):
    return np.frombuffer(base64.b64decode(text), kind)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The empty page, the scripts and what they load."""
    folder = tmp_path_factory.mktemp("engine")
    lay(folder)
    live.write(folder / "weights")
    return folder


def lay(folder, policy=""):
    for name in SCRIPTS:
        shutil.copy(LIVE / f"{name}.js", folder)
    tags = "".join(f'<script src="{name}.js"></script>' for name in SCRIPTS)
    rule = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
    html = f'<!doctype html><meta charset="utf-8">{rule}<title>live</title><input type="file">{tags}'
    (folder / "page.html").write_text(html, encoding="utf-8")


@pytest.fixture(scope="module")
def open_page(chromium):
    """Open a page, without what a script takes away first; close all at the end."""
    contexts = []

    def opened(address, before=""):
        contexts.append(chromium.new_context())
        page = contexts[-1].new_page()
        page.add_init_script(HELP + before)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(open_page, folder):
    """The page, with the engine running."""
    page = open_page((folder / "page.html").as_uri())
    start(page)
    return page


def start(page):
    """Start the engine; what it says of its kernels."""
    return page.evaluate(
        "async () => { globalThis.engine = await Live.start({ base: 'weights/' }); return engine.kernels; }"
    )


@pytest.fixture(scope="module")
def clf():
    return load_classifier()


def noise(seed=0, shape=(SIDE, SIDE, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def run(page, pixels):
    found = page.evaluate(
        "async (pixels) => { const { logits, activations } = await engine.run(bytes(pixels));"
        " return [text(logits), text(activations)]; }",
        sent(pixels),
    )
    return read(found[0]), read(found[1]).reshape(1280, 7, 7)


# ---- Answers


@pytest.mark.parametrize("name", PACKAGED)
def test_a_photo_gets_the_answers_and_the_map_of_helpers(page, clf, name):
    found = page.evaluate(
        """async (name) => {
          const picture = await Live.decode(await Live.loadPhoto("weights/", name));
          const square = Live.resize(picture);
          const { logits, activations } = await engine.run(square);
          const top = logits.indexOf(Math.max(...logits));
          const places = [...Array(49).keys()];
          const votes = places.map((place) => Live.votes(engine.head, activations, place)[top]);
          return {
            size: [picture.width, picture.height], picture: text(picture.data), square: text(square),
            logits: text(logits), map: [...Live.classMap(engine.head, activations, top)], votes,
            bias: engine.head.bias[top],
          };
        }""",
        name,
    )
    image = load_image(name)
    assert tuple(found["size"]) == image.size
    assert read(found["picture"], "u1").tobytes() == image.tobytes()
    assert (
        read(found["square"], "u1").tobytes()
        == image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).tobytes()
    )

    logits = torch.from_numpy(read(found["logits"]).copy())
    x = clf.preprocess(image)[None]
    with torch.no_grad():
        wanted = clf.model(x)[0]
    assert (logits - wanted).abs().max() < 0.03
    assert (logits.softmax(dim=0) - wanted.softmax(dim=0)).abs().max() < 0.005
    for mine, theirs in zip(logits.topk(5).indices, wanted.topk(5).indices, strict=True):
        assert mine == theirs or (wanted[mine] - wanted[theirs]).abs() < 0.01  # two that are as good as equal

    top = int(logits.argmax())
    cam = grad_cam(clf.model, clf.layer, x, target=top)[0].flatten()
    signed = torch.tensor(found["map"])
    assert (signed.relu() - cam).abs().max() < 0.01 * cam.max()
    assert signed.sum() + found["bias"] == pytest.approx(logits[top].item(), abs=1e-3)
    np.testing.assert_allclose(found["votes"], signed, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_each_layer_is_that_of_torch(open_page, folder, clf, way):
    before, kernels = WAYS[way]
    page = open_page((folder / "page.html").as_uri(), before)
    assert start(page) == kernels
    pixels = noise(1)
    found = page.evaluate(
        """async (pixels) => {
          const layers = await engine.layers(bytes(pixels));
          return layers.map((layer) => ({ ...layer, values: text(layer.values) }));
        }""",
        sent(pixels),
    )
    wanted = outputs(live.as_sent(clf.model), clf.preprocess(Image.fromarray(pixels))[None])
    assert [layer["name"] for layer in found] == list(wanted)
    for layer, values in zip(found, wanted.values(), strict=True):
        mine = torch.from_numpy(read(layer["values"]).copy()).reshape(layer["rows"], layer["channels"])
        theirs = values.flatten(2)[0].T if values.ndim == 4 else values
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() < 1e-4 * theirs.abs().max(), layer["name"]
    assert len(found) == 50


def outputs(model, x):
    """What leaves each layer with weights: behind batch norm, ReLU6 and the sum that ends a block."""
    found, before = {}, {}
    name = ""
    for path, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            name = path
        elif isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda *args, name=name: found.__setitem__(name, args[2].clone()))
        elif isinstance(module, nn.Linear):
            module.register_forward_hook(lambda *args, path=path: found.__setitem__(path, args[2].clone()))
    for stage, blocks in enumerate(model.blocks):
        for i, block in enumerate(blocks):
            last = f"blocks.{stage}.{i}.{'conv_pwl' if stage else 'conv_pw'}"
            block.register_forward_hook(lambda *args, last=last: before.__setitem__(last, args[2].clone()))
    with torch.no_grad():
        model(x)
    return found | before


def test_both_kinds_of_kernels_agree(open_page, folder, page):
    scripted = open_page(
        (folder / "page.html").as_uri(), "delete globalThis.Worker; delete globalThis.WebAssembly;"
    )
    start(scripted)
    for pixels in (noise(2), np.zeros((SIDE, SIDE, 3), np.uint8), np.full((SIDE, SIDE, 3), 255, np.uint8)):
        for mine, other in zip(run(page, pixels), run(scripted, pixels), strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-4)


def test_runs_and_changes_of_the_network_wait_for_each_other(page):
    alone = [run(page, noise(seed))[0] for seed in range(3)]
    found = page.evaluate(
        """async (all) => {
          const first = all.map((pixels) => engine.run(bytes(pixels)));
          const changed = engine.randomise("head", 1);
          const between = engine.run(bytes(all[0]));
          const back = engine.randomise("none");
          const last = engine.run(bytes(all[0]));
          await Promise.all([changed, back]);
          return (await Promise.all([...first, between, last])).map(({ logits }) => text(logits));
        }""",
        [sent(noise(seed)) for seed in range(3)],
    )
    for mine, wanted in zip(found, alone, strict=False):
        assert np.array_equal(read(mine), wanted)
    assert not np.allclose(read(found[3]), alone[0], atol=0.1)
    assert np.array_equal(read(found[4]), alone[0])


# ---- A network drawn anew


def head(page):
    found = page.evaluate("() => [text(engine.head.weight), text(engine.head.bias)]")
    return read(found[0]).reshape(1000, 1280), read(found[1])


def randomise(page, what, seed):
    page.evaluate("([what, seed]) => engine.randomise(what, seed)", [what, seed])


@pytest.fixture
def drawn(page):
    """Draw the network anew; afterwards it is as it was."""
    yield functools.partial(randomise, page)
    randomise(page, "none", 0)


def test_the_head_is_the_networks_own(page, clf):
    weight, bias = head(page)
    sent_model = live.as_sent(clf.model)
    np.testing.assert_array_equal(weight, sent_model.classifier.weight.detach())
    np.testing.assert_allclose(bias, sent_model.classifier.bias.detach(), atol=1e-7)


def test_none_restores_everything(page, drawn):
    before, own = run(page, noise()), head(page)
    for what in ("head", "network"):
        drawn(what, 3)
        assert not np.array_equal(head(page)[0], own[0])
        drawn("none", 3)
        for mine, wanted in zip((*run(page, noise()), *head(page)), (*before, *own), strict=True):
            assert np.array_equal(mine, wanted)


def test_a_random_head_leaves_the_activations(page, drawn):
    before = run(page, noise())
    drawn("head", 0)
    logits, activations = run(page, noise())
    assert np.array_equal(activations, before[1])
    weight, bias = head(page)
    np.testing.assert_allclose(logits, weight @ activations.mean(axis=(1, 2)) + bias, atol=1e-4)


def test_the_seed_alone_says_what_is_drawn(page, drawn):
    heads = []
    for what, seed in (("head", 1), ("head", 2), ("head", 1), ("network", 1)):
        drawn(what, seed)
        heads.append(head(page)[0])
    assert np.array_equal(heads[0], heads[2])
    assert len({heads[i].tobytes() for i in (0, 1, 3)}) == 3


def mulberry32(seed):
    """The page's random numbers, from whole numbers as on paper."""
    while True:
        seed = (seed + 0x6D2B79F5) % 2**32
        t = (seed ^ seed >> 15) * (seed | 1) % 2**32
        t ^= (t + (t ^ t >> 7) * (t | 61)) % 2**32
        yield (t ^ t >> 14) / 2**32


def test_the_draws_are_he_uniform_and_the_same_everywhere(page, drawn):
    drawn("head", 5)
    weight, bias = head(page)
    numbers = mulberry32(5)
    wanted = np.array([(2 * next(numbers) - 1) * np.sqrt(6 / 1280) for _ in range(8 * 20)], np.float32)
    assert np.array_equal(weight[:8, :20].T.ravel(), wanted)
    assert weight.var() == pytest.approx(2 / 1280, rel=0.01)
    assert not bias.any()


@pytest.mark.parametrize("seed", range(3))
def test_in_a_random_network_nothing_dies_out_and_not_all_is_cut(page, drawn, seed):
    drawn("network", seed)
    shares = page.evaluate(
        """async () => {
          const picture = await Live.decode(await Live.loadPhoto("weights/", "cat"));
          const layers = await engine.layers(Live.resize(picture));
          return layers.map(({ values }) => [
            values.filter((value) => value !== 0 && value !== 6).length / values.length,
            values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0),
          ]);
        }"""
    )
    between, largest = np.array(shares).T
    assert between.min() > 0.2
    assert 0.5 < largest.min() < largest.max() < 50


# ---- Pixels


RESIZED = """([data, width, height, box, side]) =>
  text(Live.resize({ width, height, data: bytes(data) }, box, side ?? undefined))"""


def resized(page, pixels, box=None, side=None):
    height, width = pixels.shape[:2]
    return read(page.evaluate(RESIZED, [sent(pixels), width, height, box, side]), "u1").tobytes()


SIZES = [(1, 1), (1, 300), (300, 1), (2, 3), (223, 225), (224, 224), (224, 500), (500, 224), (1999, 37)]
SIZES += [
    (640, 1100),
    (300, 376),
    (300, 377),
    (80, 224),
    (80, 225),
    (60, 90),
]  # around where the order changes


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_size_is_resized_as_pillow_does_it(page, width, height):
    pixels = noise(width + height, (height, width, 3))
    wanted = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert resized(page, pixels) == wanted.tobytes()


@pytest.mark.parametrize("side", [1, 7, 300])
def test_to_other_sizes_too(page, side):
    pixels = noise(3, (90, 70, 3))
    assert resized(page, pixels, side=side) == Image.fromarray(pixels).resize((side, side), 3).tobytes()


def test_the_photo_itself_is_not_touched(page):
    found = page.evaluate(
        """() => {
          const photo = { width: 224, height: 224, data: new Uint8Array(224 * 224 * 3).fill(9) };
          Live.resize(photo).fill(0);
          Live.resize(photo, [0, 0, 224, 224]).fill(0);
          return photo.data.every((value) => value === 9);
        }"""
    )
    assert found


@pytest.mark.parametrize("values", [(0, 255), (255, 255), (0, 0)])
def test_sharp_edges_are_cut_at_black_and_white(page, values):
    pixels = np.array(values, np.uint8)[(np.indices((60, 80)).sum(axis=0) // 7) % 2]
    pixels = np.repeat(pixels[..., None], 3, axis=2)
    assert resized(page, pixels) == Image.fromarray(pixels).resize((SIDE, SIDE), 3).tobytes()


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 90, 60),
        (10, 20, 50, 60),
        (89, 59, 90, 60),
        (0, 0, 1, 60),
        (-20, -30, 40, 50),
        (70, 40, 130, 100),
    ],
)
def test_a_part_is_cropped_as_pillow_does_it(page, box):
    pixels = noise(4, (60, 90, 3))
    wanted = Image.fromarray(pixels).crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert resized(page, pixels, list(box)) == wanted.tobytes()


def file(image, kind, **more):
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of_16_bits(pixels, colour):
    """A PNG with 16 bits a channel, which Pillow does not write in colour."""
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def profile():
    """A colour profile with red and blue exchanged, so that it would show."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.find(b"rXYZ"), data.find(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data)


def files():
    """Pictures of all kinds, by what is special about them."""
    photo = load_image("cat").resize((90, 60))
    pixels = np.array(photo)
    few = photo.quantize(50)
    glass = Image.fromarray(np.dstack([pixels, noise(5, (60, 90))]))
    wide = np.random.default_rng(6).integers(0, 65536, (60, 90, 4), dtype=np.uint16)
    icc = profile()
    yield from ((f"orientation {i}", file(photo, "JPEG", exif=turned(i))) for i in range(1, 9))
    yield "PNG with an orientation", file(photo, "PNG", exif=turned(6))
    yield "progressive", file(photo, "JPEG", progressive=True)
    yield "colours at half the size", file(load_image("coffee"), "JPEG", subsampling=2, quality=80)
    yield "colours at full size", file(photo, "JPEG", subsampling=0)
    yield "four inks", file(photo.convert("CMYK"), "JPEG")
    yield "JPEG with a profile", file(photo, "JPEG", icc_profile=icc)
    yield "PNG with a profile", file(photo, "PNG", icc_profile=icc)
    yield "WebP with a profile", file(photo, "WEBP", lossless=True, icc_profile=icc)
    yield "opacity", file(glass, "PNG")
    yield "opacity in WebP", file(glass, "WEBP", lossless=True, exact=True)
    yield "grey and opacity", file(glass.convert("LA"), "PNG")
    yield "grey", file(photo.convert("L"), "PNG")
    yield "grey JPEG", file(photo.convert("L"), "JPEG")
    yield "black and white", file(photo.convert("1"), "PNG")
    yield "palette", file(few, "PNG")
    yield "palette with a transparent colour", file(few, "PNG", transparency=3)
    yield "GIF", file(few, "GIF")
    yield "GIF with a transparent colour", file(few, "GIF", transparency=3)
    yield "one transparent colour", file(photo, "PNG", transparency=tuple(map(int, pixels[10, 10])))
    yield "16 bits", png_of_16_bits(wide[..., :3], 2)
    yield "16 bits and opacity", png_of_16_bits(wide, 6)
    yield "16 bits grey", png_of_16_bits(wide[..., 0], 0)
    yield "lossy WebP", file(photo, "WEBP", quality=80)
    yield "AVIF", file(photo, "AVIF", quality=80)
    yield "BMP", file(photo, "BMP")
    yield "one column", file(photo.resize((1, 300)), "PNG")
    yield "taller than what is read at a time", file(load_image("hopper").resize((33, 1000)), "PNG")


FILES = dict(files())
DECODED = """async (data) => {
  const { width, height, data: pixels } = await Live.decode(new Blob([bytes(data)]));
  return [width, height, text(pixels)];
}"""


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_decoded_as_load_image_does_it(page, tmp_path, kind):
    width, height, pixels = page.evaluate(DECODED, sent(FILES[kind]))
    (tmp_path / "photo").write_bytes(FILES[kind])
    wanted = load_image(tmp_path / "photo")
    assert (width, height) == wanted.size
    difference = np.abs(read(pixels, "u1").astype(int) - np.array(wanted).ravel())
    assert difference.max() <= (kind == "16 bits grey")  # which browsers cut to 8 bits where Pillow rounds


def test_a_phones_photo_is_read(page, tmp_path):
    large = load_image("china").resize((4000, 3000))
    (tmp_path / "photo.jpg").write_bytes(file(large, "JPEG", exif=turned(6)))
    page.set_input_files("input", tmp_path / "photo.jpg")
    found = page.evaluate(
        """async () => {
          const picture = await Live.decode(document.querySelector("input").files[0]);
          return [picture.width, picture.height, text(Live.resize(picture))];
        }"""
    )
    wanted = load_image(tmp_path / "photo.jpg").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert (*found[:2], read(found[2], "u1").tobytes()) == (3000, 4000, wanted.tobytes())


NO_PICTURES = {
    "empty": (b"", "This file is empty."),
    "text": (b"hello", "This file is no picture that this browser can read, or it is damaged."),
    "cut short": (
        FILES["opacity"][:4000],
        "This file is no picture that this browser can read, or it is damaged.",
    ),
    "HEIC": (
        b"\0\0\0\x18ftypheic" + bytes(40),
        "This browser cannot read HEIC pictures: save the photo as JPEG.",
    ),
    "too many pixels": (
        file(Image.new("L", (9000, 6000)), "PNG"),
        "This picture has 54 million pixels, more than the 50 million that can be read here: "
        "save a smaller copy.",
    ),
    "too many bytes": (
        bytes(51_000_000),
        "This file has 51 MB, more than the 50 MB that can be read here: save a smaller copy.",
    ),
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_cannot_be_read_is_told_in_a_sentence(page, tmp_path, kind):
    data, sentence = NO_PICTURES[kind]
    (tmp_path / "photo").write_bytes(data)
    page.set_input_files("input", tmp_path / "photo")
    assert page.evaluate('said(Live.decode(document.querySelector("input").files[0]))') == sentence


# ---- Loading


def test_nothing_is_loaded_before_the_start_and_progress_is_told(open_page, folder):
    page = open_page((folder / "page.html").as_uri())
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(300)
    assert not requests
    told = page.evaluate(
        """async () => {
          const told = [];
          globalThis.engine = await Live.start({
            base: "weights/", onprogress: (done, total) => told.push([done, total]),
          });
          return told;
        }"""
    )
    done, total = np.array(told).T
    assert (np.diff(done) > 0).all()
    assert len(set(total)) == 1
    assert done[-1] == total[0] == page.evaluate("Live.model.characters")
    assert sum("weights-" in url for url in requests) == len(told) == page.evaluate("Live.model.chunks")


DAMAGES = {
    "missing": (
        lambda script: None,
        "weights-03.js could not be loaded: check the connection and try again.",
    ),
    "cut": (lambda script: script[: len(script) // 2], "weights-03.js arrived damaged: try again."),
    "empty": (lambda script: "", "weights-03.js arrived damaged: try again."),
    "one letter": (
        lambda script: script[:500_000] + ("B" if script[500_000] == "A" else "A") + script[500_001:],
        "The network's weights arrived damaged: try again.",
    ),
    "no base64": (
        lambda script: script[:500_000] + "~" + script[500_001:],
        "The network's weights arrived damaged: try again.",
    ),
    "a part": (
        lambda script: script[:400_000] + script[800_000:],
        "The network's weights arrived damaged: try again.",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_told_and_a_second_start_works(open_page, folder, tmp_path, clf, damage):
    change, sentence = DAMAGES[damage]
    lay(tmp_path)
    shutil.copytree(folder / "weights", tmp_path / "weights", ignore=shutil.ignore_patterns("photos"))
    chunk_file = tmp_path / "weights" / "weights-03.js"
    whole = chunk_file.read_text("utf-8")
    changed = change(whole)
    if changed is None:
        chunk_file.unlink()
    else:
        chunk_file.write_text(changed, encoding="utf-8")
    page = open_page((tmp_path / "page.html").as_uri())
    rejected = []
    page.on("pageerror", lambda error: rejected.append(str(error)))
    assert page.evaluate("said(Live.start({ base: 'weights/' }))") == sentence
    page.wait_for_timeout(100)
    assert not [error for error in rejected if damage != "cut" or "Invalid or unexpected token" not in error]
    chunk_file.write_text(whole, encoding="utf-8")
    assert start(page) == "wasm"
    assert run(page, noise())[0].argmax() == answer(clf, noise()).argmax()


def answer(clf, pixels):
    with torch.no_grad():
        return clf.model(clf.preprocess(Image.fromarray(pixels))[None])[0].numpy()


def test_weights_of_another_network_are_refused(open_page, folder, tmp_path):
    lay(tmp_path)
    (tmp_path / "weights").mkdir()
    shutil.copy(folder / "weights" / "model.js", tmp_path / "weights")
    for i, packed in enumerate([sent(gzip.compress(bytes(100))), *10 * [""]]):
        (tmp_path / "weights" / f"weights-{i:02}.js").write_text(f'Live.chunk({i}, "{packed}")')
    page = open_page((tmp_path / "page.html").as_uri())
    said = page.evaluate("said(Live.start({ base: 'weights/' }))")
    assert said == "The network's weights arrived damaged: try again."


@pytest.mark.parametrize(
    ("missing", "before"),
    [
        (1, ""),  # known before the turn of the one that is slow
        (
            0,  # known before the kernels are compiled
            in_worker(
                "const compile = WebAssembly.instantiate; WebAssembly.instantiate = (...all) => "
                "new Promise((later) => setTimeout(later, 500)).then(() => compile(...all));"
            ),
        ),
    ],
)
def test_a_fault_is_told_once(served, open_page, monkeypatch, missing, before):
    laid, address = served
    monkeypatch.setattr(Packed, "slow", "" if before else "weights-00")
    (laid / "weights" / f"weights-{missing:02}.js").unlink()
    page = open_page(address, before)
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    said = page.evaluate("said(Live.start({ base: 'weights/' }))")
    page.wait_for_timeout(700)
    assert said == f"weights-{missing:02}.js could not be loaded: check the connection and try again."
    assert not faults


POLICY = "default-src 'self'; img-src blob:; worker-src {}; script-src 'self' {}"


@pytest.fixture
def served(folder, tmp_path):
    """A folder of its own with the scripts and the weights, and its address on a web server."""
    lay(tmp_path)
    shutil.copytree(folder / "weights", tmp_path / "weights", ignore=shutil.ignore_patterns("photos"))
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Packed, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}/page.html"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("worker", "code", "kernels"),
    [("blob:", "'wasm-unsafe-eval'", "wasm"), ("blob:", "", "js"), ("'none'", "'wasm-unsafe-eval'", "wasm")],
)
def test_under_a_strict_policy(served, open_page, clf, worker, code, kernels):
    laid, address = served
    lay(laid, POLICY.format(worker, code))
    page = open_page(address)
    assert start(page) == kernels
    np.testing.assert_allclose(run(page, noise())[0], answer(clf, noise()), atol=0.06)


def test_what_arrived_damaged_is_not_taken_from_the_cache_again(served, open_page):
    laid, address = served
    chunk_file = laid / "weights" / "weights-05.js"
    whole = chunk_file.read_text("utf-8")
    chunk_file.write_text(whole[:400_000] + whole[800_000:], encoding="utf-8")
    page = open_page(address)
    assert "damaged" in page.evaluate("said(Live.start({ base: 'weights/' }))")
    chunk_file.write_text(whole, encoding="utf-8")
    assert start(page) == "wasm"


class Packed(http.server.SimpleHTTPRequestHandler):
    """The folder over http, packed and kept by browsers as hosts do it."""

    slow = ""  # the name of a file that comes late

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(404)
            return
        if path.stem == self.slow:
            time.sleep(0.5)
        body = gzip.compress(path.read_bytes(), 1)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("before", ["", "delete globalThis.Worker;"])
def test_stopped_is_stopped_until_the_next_start(open_page, folder, before):
    page = open_page((folder / "page.html").as_uri(), before)
    start(page)
    said = page.evaluate(
        """async () => {
          const waiting = said(engine.run(new Uint8Array(224 * 224 * 3)));
          engine.stop();
          return [await waiting, await said(engine.run(new Uint8Array(224 * 224 * 3)))];
        }"""
    )
    assert said == ["The network was stopped."] * 2
    start(page)
    assert run(page, noise())[0].shape == (1000,)


def test_two_engines_do_not_disturb_each_other(open_page, folder):
    page = open_page((folder / "page.html").as_uri())
    same = page.evaluate(
        """async () => {
          const [one, two] = await Promise.all([0, 1].map(() => Live.start({ base: "weights/" })));
          await one.randomise("network", 0);
          const pixels = new Uint8Array(224 * 224 * 3).map((_, i) => i % 251);
          const [mine, other] = [await one.run(pixels), await two.run(pixels)];
          await one.randomise("none");
          const back = await one.run(pixels);
          return [mine, back].map(({ logits }) => logits.every((value, k) => value === other.logits[k]));
        }"""
    )
    assert same == [False, True]


def test_the_engine_is_small():
    scripts = b"".join((LIVE / f"{name}.js").read_bytes() for name in SCRIPTS)
    assert len(gzip.compress(scripts)) < 15_000
