"""The examination of chapter 15: its own instruments, on numbers done by hand and against libraries."""

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from skimage.filters import sobel_h, sobel_v

from claims import ch01, ch15, exam, pictures
from claims.table import in_double


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # in grad-cam
def test_imputation_is_that_of_road_up_to_the_noise():
    lot = torch.Generator().manual_seed(0)
    x, hidden = torch.rand(3, 12, 9, generator=lot), torch.rand(12, 9, generator=lot) < 0.6
    hidden[0], hidden[:, -1] = True, True  # borders, too
    theirs = NoisyLinearImputer(noise=0)(x, 1 - hidden.float())
    ours = ch15.imputed(x, hidden, 0)
    assert torch.equal(ours[:, ~hidden], x[:, ~hidden])
    gap = (ours - theirs)[:, hidden]
    assert 0.005 * x.std() < gap.std() < 0.02 * x.std()
    assert gap.abs().max() < 0.05 * x.std()
    assert torch.equal(ours, ch15.imputed(x, hidden, 0))
    assert not torch.equal(ours, ch15.imputed(x, hidden, 1))


def test_the_brightest_part_by_hand():
    map_ = torch.tensor([[0.0, 3.0], [0.0, 2.0]])
    assert ch15.brightest(map_, 0.5).tolist() == [[False, True], [False, True]]
    assert ch15.brightest(map_, 0.75).tolist() == [[True, True], [False, True]]


def test_edges_are_skimages_sobel_inside_the_picture():
    x = torch.rand(2, 3, 9, 11, dtype=torch.float64)
    for ours, grey in zip(pictures.sobel(x), x.mean(dim=1).numpy(), strict=True):
        theirs = 4 * np.hypot(sobel_h(grey), sobel_v(grey))  # skimage's kernels sum to one
        np.testing.assert_allclose(ours[1:-1, 1:-1], theirs[1:-1, 1:-1])


def test_bad_maps_know_only_the_picture_and_a_seed():
    x = torch.rand(1, 3, 20, 30)
    found, again = exam.bad(x, 3), exam.bad(x, 3)
    assert found.keys() == exam.BAD.keys()
    assert all(torch.equal(found[name], again[name]) for name in found)
    assert [name for name, map_ in found.items() if not exam.lit(map_)] == ["uniform"]
    assert found["rows"].flatten().diff().max() < 0  # the first pixel is the brightest
    row, column = divmod(int(found["centre"].argmax()), 30)
    assert (row, column) in {(9, 14), (9, 15), (10, 14), (10, 15)}


def test_a_lead_is_what_a_bad_map_is_better_by():
    values = exam.leads("lite", "two", {"grad_cam": 0.2, "centre": 1.0, "saliency": 0.5}, sign=-1)
    assert values == {
        "lite grad_cam two": 0.2,
        "lite centre two": 1.0,
        "lite saliency two": 0.5,
        "lite centre two lead": pytest.approx(-0.8),
    }
    assert exam.leads("lite", "two", {"centre": 1.0}) == {"lite centre two": 1.0}


def test_an_attribution_becomes_a_map_by_absolute_values():
    attribution = torch.tensor([[[1.0, -2.0]], [[-3.0, 0.5]], [[0.0, 1.0]]])
    assert exam.as_map(attribution).tolist() == [[4.0, 3.5]]


def test_a_map_moved_keeps_its_values_and_leaves_its_place():
    map_ = torch.zeros(16, 16)
    map_[3, 5] = 1
    rolled = ch15.moved(map_, 0)
    assert rolled.sum() == 1
    row, column = divmod(int(rolled.argmax()), 16)
    assert 4 <= (row - 3) % 16 <= 12
    assert 4 <= (column - 5) % 16 <= 12


def test_a_new_map_that_is_empty_has_nothing_in_common_with_the_old_one():
    before = torch.tensor([[1.0, 0.0]])
    assert ch15.kept(before, torch.zeros(1, 2)) == 0
    assert ch15.kept(before, torch.tensor([[3.0, 1.0]])) == pytest.approx(1)


def test_the_vector_paints_the_hill_on_its_own_photo():
    places = ch15.places_of("mastiff")
    map_ = places @ ch15.vector(["mastiff"], 1e-6) / 49
    torch.testing.assert_close(map_, ch15.hill(), atol=0.05, rtol=0)


@in_double()
def test_shares_of_the_digits_corner_leave_empty_maps_out():
    cams = torch.zeros(3, 12, 12)
    cams[0, 0, 0] = cams[1, 11, 11] = 2
    assert ch01.in_corner(cams).mean() == 50


def test_every_examinee_has_its_row():
    rows = exam.claims_about(
        "m", "the m", "it is so", lambda v: v > 0, 0.1, {"saliency": "saliency"}, ["rows"]
    )
    assert [row.key for row in rows] == [
        f"{short} {key}" for short in ("lite", "squeeze") for key in ("saliency m", "rows m", "rows m lead")
    ]
    assert [row.text for row in rows[:3]] == [
        "Lite0, saliency: it is so.",
        "Baseline: Lite0, a flat map, read row by row: the m.",
        "Lite0, a flat map, read row by row: better than Grad-CAM by the m (lead).",
    ]
