"""The book's measures beside those of Quantus, grad-cam and Captum: where they agree, and where not.

Runs in an environment of its own, which quantus_requirements.txt describes. Prints one line for each
comparison and fails where a line does not hold, so that a release that mends a fault is noticed.
"""

import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

os.environ["TQDM_DISABLE"] = "1"  # grad-cam's and Captum's progress bars
warnings.filterwarnings("ignore")

import quantus  # noqa: E402
from captum.metrics import infidelity  # noqa: E402
from pytorch_grad_cam.metrics.road import ROADCombined, ROADMostRelevantFirstAverage  # noqa: E402
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget  # noqa: E402
from quantus.helpers.model.pytorch_model import PyTorchModel  # noqa: E402

from helpers import grad_cam, load_classifier, load_image, upsample  # noqa: E402
from helpers.checks import deletion, pointing, randomise  # noqa: E402
from helpers.gradients import saliency  # noqa: E402

QUIET = {"disable_warnings": True, "normalise": False, "abs": False}
Outcome = tuple[bool, str]


def photo() -> tuple[nn.Module, Tensor, int]:
    """SqueezeNet, a photo (1, 3, 227, 227) and its class."""
    clf = load_classifier("squeezenet1_1")
    return clf.model, clf.preprocess(load_image("cat"))[None], clf.class_index("tabby")


def cam_of(model: nn.Module, x: Tensor, target: int) -> Tensor:
    """Grad-CAM at the end of the features, as large as the photo (1, H, W)."""
    return upsample(grad_cam(model, "features.12", x, target), (x.shape[2], x.shape[3]))


def flips_as_deletion() -> Outcome:
    """Pixel flipping to the picture's own minimum, in grey, is deletion with that cover."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).eval()
    x, cam = torch.randn(2, 1, 8, 8), torch.rand(2, 8, 8)
    theirs = quantus.PixelFlipping(features_in_step=8, perturb_baseline="black", **QUIET)(
        net, x.numpy(), np.array([1, 3]), cam[:, None].numpy(), softmax=True
    )
    least = x.amin(dim=(1, 2, 3), keepdim=True)
    ours = deletion(net, x, cam, [1, 3], steps=8, cover=least)
    gap = np.abs(np.array(theirs) - ours[:, 1:].numpy()).max()
    return bool(
        gap < 1e-5
    ), f"largest difference of {ours.shape[1] - 1} steps {gap:.0e}; theirs leaves out step 0"


def black_is_no_black() -> Outcome:
    """`black` is the minimum of each picture: of one that is white it is white."""
    x = np.full((1, 1, 4, 4), 0.9)
    flipped = quantus.PixelFlipping(features_in_step=16, perturb_baseline="black", **QUIET).perturb_func(
        arr=x.reshape(1, -1), indices=np.arange(16)[None]
    )
    return bool((flipped == 0.9).all()), f"a picture of 0.9 is covered with {flipped.max():.1f}"


def colours_are_flipped_one_by_one() -> Outcome:
    """In colour a map is repeated: a step counts colours, not pixels."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)).eval()
    x, cam = torch.randn(1, 3, 4, 4), torch.rand(1, 1, 4, 4)
    curve = quantus.PixelFlipping(features_in_step=1, **QUIET)(
        net, x.numpy(), np.array([1]), cam.numpy(), softmax=True
    )
    return len(curve[0]) == 48, f"{len(curve[0])} steps for 16 pixels"


def points_alike() -> Outcome:
    """The pointing game agrees on random maps and boxes."""
    lot = torch.Generator().manual_seed(0)
    cams = torch.rand(200, 6, 8, generator=lot)
    masks = np.zeros((200, 1, 6, 8), dtype=bool)
    masks[:, :, 1:4, 2:7] = True
    theirs = quantus.PointingGame(**QUIET)(
        nn.Identity(), np.zeros((200, 1, 6, 8), np.float32), np.zeros(200, int), cams[:, None].numpy(), masks
    )
    ours = [pointing(cam, (2, 1, 7, 4), (8, 6)) for cam in cams]
    return [bool(hit) for hit in theirs] == ours, f"{sum(ours)} hits of 200, the same ones"


def points_at_nothing() -> Outcome:
    """A hit where the mask is empty: NaN, put into an array of truth values, becomes True."""
    return _points(np.zeros((1, 1, 4, 4), bool), torch.rand(1, 1, 4, 4)) == [True], "an empty mask is a hit"


def points_everywhere() -> Outcome:
    """A flat map hits every mask, unless the whole batch is flat, which is refused."""
    mask, cams = np.zeros((2, 1, 4, 4), bool), torch.zeros(2, 1, 4, 4)
    mask[:, :, 0, 0] = True
    cams[1, 0, 3, 3] = 1
    hits = _points(mask, cams)
    ours = [pointing(cam[0], (0, 0, 1, 1), (4, 4)) for cam in cams]
    return hits == [True, False] and ours == [False, False], "a zero map beside another: a hit, ours a miss"


def weighs_nothing() -> Outcome:
    """weighted=True ends in a TypeError."""
    try:
        _points(np.ones((1, 1, 4, 4), bool), torch.rand(1, 1, 4, 4), weighted=True)
    except TypeError as error:
        return True, f"TypeError: {str(error)[:60]}"
    return False, "no error"


def _points(mask: np.ndarray, cam: Tensor, weighted: bool = False) -> list[bool]:
    game = quantus.PointingGame(weighted=weighted, **QUIET)
    x = np.zeros(mask.shape, np.float32)
    return [bool(hit) for hit in game(nn.Identity(), x, np.zeros(len(x), int), cam.numpy(), mask)]


def forgets_alike() -> Outcome:
    """The correlation after the head is drawn anew is ours, given its draw."""
    scores, ours = _cascade()
    theirs = scores["7"][0]
    return bool(abs(theirs - ours) < 1e-4), f"theirs {theirs:.3f}, ours {ours:.3f}"


def averages_the_intact() -> Outcome:
    """The average correlation counts the intact network, whose correlation is 1, among the random ones."""
    scores, _ = _cascade()
    random = float(np.mean([value[0] for key, value in scores.items() if key != "original"]))
    (theirs,) = _mprt(return_average_correlation=True)
    with_it = (random * (len(scores) - 1) + scores["original"][0]) / len(scores)
    return bool(abs(theirs - with_it) < 1e-6 and theirs > random), f"{theirs:.3f} instead of {random:.3f}"


def draws_the_same_again() -> Outcome:
    """Each layer begins at the same seed: two layers of one shape get the same numbers."""
    twins = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    for _, net in PyTorchModel(twins).get_random_layer_generator("top_down", 42):
        theirs = torch.equal(net[0].weight, net[1].weight)
    ours = randomise(twins, ["1", "0"])
    return theirs and not torch.equal(ours[0].weight, ours[1].weight), "two layers drawn alike; ours differ"


def resets_statistics() -> Outcome:
    """Batch norm forgets its statistics as well: so does ours."""
    net = nn.Sequential(nn.BatchNorm2d(2))
    net[0].running_mean.fill_(3.0)
    for _, fresh in PyTorchModel(net).get_random_layer_generator("top_down", 42):
        theirs = fresh[0].running_mean.eq(0).all()
    return bool(theirs and randomise(net, ["0"])[0].running_mean.eq(0).all()), "both begin at mean 0"


def _small() -> tuple[nn.Module, Tensor]:
    """A network with random weights and a picture, quick to explain many times."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 10)),
    )
    return net.eval(), torch.rand(1, 3, 32, 32)


def _explained(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: object) -> np.ndarray:
    x, target = torch.as_tensor(inputs, dtype=torch.float32), torch.as_tensor(targets).long()
    return saliency(model.eval(), x, target).numpy()


def _mprt(**options: bool) -> Any:
    model, x = _small()
    return quantus.MPRT(similarity_func=quantus.similarity_func.correlation_pearson, **QUIET, **options)(
        model, x.numpy(), np.array([3]), explain_func=_explained, channel_first=True
    )


def _cascade() -> tuple[dict[str, list[float]], float]:
    """Quantus's correlations by layer, and ours after its own draw of the head."""
    model, x = _small()
    _, fresh = next(iter(PyTorchModel(model).get_random_layer_generator("top_down", 42)))
    both = [saliency(net, x, 3).flatten() for net in (model, fresh.eval())]
    return _mprt(), torch.corrcoef(torch.stack(both))[0, 1].item()


def road_fails_in_colour() -> Outcome:
    """ROAD repeats the map for each colour and takes places of the copies for places of the picture."""
    model, x, target = photo()
    cam = cam_of(model, x, target)[:, None].numpy()
    road = quantus.ROAD(percentages=[10, 50], **QUIET)
    try:
        road(model, x.numpy(), np.array([target]), cam)
    except IndexError as error:
        return True, f"IndexError: {str(error)[:60]}"
    return False, "no error"


def zero_wins_road() -> Outcome:
    """grad-cam's ROAD: a zero map loses all pixels at once, and wins "most relevant first"."""
    model, x, target = photo()
    goals = [ClassifierOutputSoftmaxTarget(target)]
    cams = {"Grad-CAM": cam_of(model, x, target).numpy(), "zero": np.zeros((1, *x.shape[2:]), np.float32)}
    torch.manual_seed(0)
    first = {
        name: float(ROADMostRelevantFirstAverage([20, 50, 80])(x, cam, goals, model)[0])
        for name, cam in cams.items()
    }
    both = {name: float(ROADCombined([20, 50, 80])(x, cam, goals, model)[0]) for name, cam in cams.items()}
    said = "; ".join(f"{name} {first[name]:.2f}, combined {both[name]:.2f}" for name in cams)
    return first["zero"] < first["Grad-CAM"] and abs(both["zero"]) < 1e-3, said


def zero_wins_infidelity() -> Outcome:
    """Captum's infidelity is lower, that is better, for a zero map than for the gradient, unless scaled."""
    clf = load_classifier()
    model, x, target = clf.model, clf.preprocess(load_image("mastiff"))[None], 243

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        noise = 0.1 * x.std() * torch.randn(inputs.shape)
        return noise, inputs - noise

    def of(attribution: Tensor, scaled: bool) -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            return infidelity(
                model, perturb, x, attribution, target=target, n_perturb_samples=8, normalize=scaled
            ).item()

    gradient, zero = saliency(model, x, target), torch.zeros_like(x)
    plain, scaled = ((of(gradient, by), of(zero, by)) for by in (False, True))
    said = f"gradient {plain[0]:.2f}, zero {plain[1]:.2f}; scaled {scaled[0]:.2f}, {scaled[1]:.2f}"
    return plain[1] < plain[0] and scaled[0] < scaled[1], said


CHECKS: dict[str, tuple[Callable[[], Outcome], ...]] = {
    "They agree": (flips_as_deletion, points_alike, forgets_alike, resets_statistics),
    "Quantus 0.6.0 is wrong": (
        *(black_is_no_black, colours_are_flipped_one_by_one, points_at_nothing, points_everywhere),
        *(weighs_nothing, averages_the_intact, draws_the_same_again, road_fails_in_colour),
    ),
    "A zero map wins": (zero_wins_road, zero_wins_infidelity),
}


def main() -> None:
    """Print every comparison; exit with 1 where one does not hold."""
    outcomes = []
    for title, checks in CHECKS.items():
        print(f"\n{title}")
        for check in checks:
            holds, said = check()
            outcomes.append(holds)
            words = (check.__doc__ or "").splitlines()[0]
            print(f"{'yes' if holds else 'NO ':3} {words}\n      {said}")
    raise SystemExit(0 if all(outcomes) else 1)


if __name__ == "__main__":
    main()
