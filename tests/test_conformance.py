"""The matrix of libraries: it is what it says, its formulas by hand, the faults that it rests on."""

import json
import math
import random
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from conformance import by_captum, formulas, relevance
from conformance.__main__ import FILE, differences, main, table, text
from conformance.compare import compare
from conformance.matrix import COLUMNS, LIBRARIES, matrix, quietly
from conformance.networks import CONDITIONS, network, pictures, ranked, steps
from conformance.state import changes, snapshot
from conformance.usage import GIVES, GRAD_CAM
from helpers import grad_cam
from helpers.cam_family import hires_cam
from helpers.gradients import saliency

REPRODUCTIONS = sorted((Path(__file__).parents[1] / "conformance" / "reproductions").glob("*.py"))
STORED = json.loads(FILE.read_text(encoding="utf-8"))
MEND = "Write the matrix anew with `make conformance`, and read what changed."


def row(library, method):
    (found,) = (one for one in STORED["rows"] if (one["library"], one["method"]) == (library, method))
    return found


# --- the stored matrix


def test_a_fresh_run_gives_the_stored_matrix_byte_for_byte():
    assert text(matrix()) == FILE.read_text(encoding="utf-8"), MEND


def test_every_method_of_the_installed_libraries_has_a_row():
    rows = {(one["library"], one["method"]) for one in STORED["rows"]}
    installed = {(part.NAME, name) for part in LIBRARIES for name in part.installed()}
    assert rows == installed
    assert len(STORED["rows"]) == len(rows)
    for part in LIBRARIES:
        assert len({method.name for method in part.METHODS}) == len(part.METHODS)
        assert not {method.name for method in part.METHODS} & set(part.NOT_COMPARED)
        assert set(part.NOT_COMPARED) <= part.installed()


def test_a_method_of_a_new_release_is_not_overlooked(monkeypatch):
    class NewCAM(by_captum.library.Attribution):
        pass

    monkeypatch.setattr(by_captum.library, "NewCAM", NewCAM, raising=False)
    (found,) = matrix(lambda _, name: name == "NewCAM")["rows"]
    assert found == {"library": "captum", "method": "NewCAM", "not compared": "no formula of ours"}


def test_every_row_is_compared_in_all_columns_or_says_why_not():
    for one in STORED["rows"]:
        if "not compared" in one:
            assert one["not compared"]
            continue
        assert set(COLUMNS) - set(one["cells"]) <= {"overwritten"}
        for cell in one["cells"].values():
            assert cell["result"] in ("equal", "equal up to scale", "unchanged") or cell["why"]


def test_all_but_one_of_the_differences_have_a_reason_that_was_verified():
    unexplained = {
        (one["method"], name)
        for one in STORED["rows"]
        for name, cell in one.get("cells", {}).items()
        if cell["result"] == "differs" and cell["why"].startswith("correlation")
    }
    assert unexplained == {("ShapleyCAM", "overwritten")}


@pytest.mark.parametrize(
    ("library", "method", "column", "result", "why"),
    [
        ("torchcam", "GradCAMpp", "ReLU", "differs", "it divides a copy"),
        ("grad-cam", "GuidedBackpropReLUModel", "twice", "differs", "2.0 times"),
        ("grad-cam", "GuidedBackpropReLUModel", "ReLU6", "differs", "plain gradient"),
        ("captum", "GuidedBackprop", "ReLU6", "differs", "plain gradient"),
        ("captum", "Deconvolution", "ReLU6", "differs", "plain gradient"),
        ("zennit", "guided_backprop", "ReLU6", "differs", "plain gradient"),
        ("zennit", "guided_backprop", "function", "differs", "plain gradient"),
        ("grad-cam", "AblationCAM", "two classes", "differs", "divided by the logit"),
        ("grad-cam", "GradCAM", "train mode", "changes the model", "training mode"),
        ("grad-cam", "GradCAM", "afterwards", "changes the model", "gradients of the parameters"),
        ("torchcam", "GradCAM", "afterwards", "unchanged", ""),
    ],
)
def test_what_was_seen_stands_in_the_matrix(library, method, column, result, why):
    cell = row(library, method)["cells"][column]
    assert cell["result"] == result
    assert why in cell.get("why", "")


def test_the_command_says_what_differs(tmp_path, monkeypatch, capsys):
    few = matrix(lambda library, name: (library, name) == ("torchcam", "GradCAM"))
    monkeypatch.setattr("conformance.__main__.matrix", lambda: few)
    monkeypatch.setattr("conformance.__main__.FILE", tmp_path / "conformance.json")
    assert main([]) == 0
    assert "torchcam  GradCAM" in capsys.readouterr().out
    assert main(["--check"]) == 0
    assert "nothing differs" in capsys.readouterr().out
    old = json.loads(json.dumps(few))
    old["rows"][0]["cells"]["ReLU"] = {"result": "differs", "why": "correlation 0.50"}
    old["versions"]["torchcam"] = "0.1"
    (tmp_path / "conformance.json").write_text(text(old), encoding="utf-8")
    assert main(["--check"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert "rows, torchcam GradCAM, cells, ReLU, result: differs -> equal" in said
    assert any(line.startswith("versions, torchcam: 0.1 -> ") for line in said)


def test_a_new_row_is_a_difference():
    new = {"library": "captum", "method": "New", "not compared": "no formula of ours"}
    (line,) = differences({"rows": []}, {"rows": [new]})
    assert line == "rows, captum New: nothing -> captum, New, no formula of ours"
    assert "captum   New" in table({"rows": [new]})


# --- the faults upstream, one script each


@pytest.mark.parametrize("script", REPRODUCTIONS, ids=lambda path: path.stem)
def test_the_fault_is_still_there_in_the_pinned_version(script, capfd):
    """With an exit code of 0 a release has mended it: then the script, and what is said of it, may go."""
    with torch.random.fork_rng(devices=[]), pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 1, capfd.readouterr().out
    assert "expected" in (out := capfd.readouterr().out)
    assert "found" in out


def test_scripts_need_only_torch_and_their_library():
    packages = {"grad": "pytorch_grad_cam", "torchcam": "torchcam", "captum": "captum", "zennit": "zennit"}
    for script in REPRODUCTIONS:
        lines = script.read_text(encoding="utf-8").splitlines()
        imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
        assert imported - {"contextlib", "warnings"} <= {"torch", packages[script.stem.split("_")[0]]}
        assert len(lines) <= 45


# --- comparing


def test_cells():
    maps = torch.tensor([[[0.0, 1.0], [2.0, 4.0]], [[1.0, 3.0], [2.0, 1.0]]])
    factors = torch.tensor([2.0, 5.0])[:, None, None]
    assert compare(maps, maps) == {"result": "equal"}
    assert compare(factors * maps, maps) == {"result": "equal up to scale", "why": "a factor for each map"}
    assert compare(factors * maps + 1, maps)["result"] == "equal up to scale"
    assert compare(-maps, maps) == {"result": "differs", "why": "correlation -1.00"}
    assert compare(maps[:1], maps) == {"result": "differs", "why": "1 map(s) of 2"}
    bent = maps + 1e-2 * maps.square()
    assert compare(bent, maps) == {"result": "differs", "why": "correlation 0.99"}
    large = nn.functional.interpolate(maps[None], (4, 4), mode="bilinear")[0]
    assert compare(large, maps) == {"result": "equal"}


def test_everything_that_a_library_may_change_is_noticed():
    def change(model, x):
        model.middle[2] = nn.ReLU()

    acts = {
        "modules": change,
        "hooks": lambda model, _: model.head.register_forward_hook(lambda *_: None),
        "attributes of modules": lambda model, _: setattr(model.head, "rule", 1),
        "training mode": lambda model, _: model.front[1].train(),
        "running statistics": lambda model, _: model.front[1].running_mean.add_(1),
        "values of the parameters": lambda model, _: model.head.bias.data.add_(1),
        "gradients of the parameters": lambda model, _: model(pictures()).sum().backward(),
        "requires_grad of the parameters": lambda model, _: model.head.bias.requires_grad_(False),
        "values of the picture": lambda _, x: x.add_(1),
        "gradient of the picture": lambda _, x: setattr(x, "grad", torch.ones_like(x)),
        "requires_grad of the picture": lambda _, x: x.requires_grad_(),
    }
    model, x = network(), pictures()
    assert list(snapshot(model, x)) == list(acts)
    assert changes(snapshot(model, x), model, x) == []
    for name, act in acts.items():
        model, x = network(), pictures()
        before = snapshot(model, x)
        act(model, x)
        assert changes(before, model, x) == [name]


def test_networks_reach_6_have_logits_of_both_signs_and_the_same_weights():
    x = pictures(3)
    expected = network()(x)
    assert (expected.amax(dim=1) > 0).all()
    assert (expected.amin(dim=1) < 0).all()
    for condition in CONDITIONS:
        model, h = network(condition), x
        if condition == "ReLU6":
            for step in steps(model)[:-3]:
                h = step(h)
                assert not isinstance(step, nn.ReLU6) or 0.02 < (h == 6).double().mean() < 0.5
        else:
            torch.testing.assert_close(model(x.clone()), expected)


# --- the shortest way with each library


@pytest.mark.parametrize("library", GRAD_CAM)
def test_five_lines_give_grad_cam(library):
    model, x = network(), pictures()
    k = ranked(model, x)[0][0]
    names = {"torch": torch, "model": model, "layer": model.middle, "x": x.clone(), "k": k}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(GRAD_CAM[library], names)
    cam = torch.as_tensor(names["cam"]).detach()
    assert compare(cam, grad_cam(network(), "middle", x, k))["result"] == GIVES[library]
    assert len(GRAD_CAM[library].splitlines()) <= 5


# --- the formulas by hand


class Toy(nn.Module):
    """The picture is the map; the score of class k is a function of it."""

    def __init__(self, score):
        super().__init__()
        self.maps, self.score = nn.Identity(), score
        self.eval()

    def forward(self, x):
        return self.score(self.maps(x))


def doubles(values):
    return torch.tensor(values, dtype=torch.float64)


def linear(*weights):
    """One score for each row of weights, of all values."""
    return Toy(lambda a: a.flatten(1) @ doubles(weights).T)


def at_maps(formula, model, x, target=(0,)):
    return formula(model, model.maps, x, list(target)).detach()


TWO = doubles([[[[3, 1]], [[1, 2]]]])  # two channels of two places


def test_element_wise_by_hand():
    found = at_maps(formulas.grad_cam_element_wise, linear([1, -1, -1, 2]), TWO)
    assert found.tolist() == [[[3, 4]]]  # max(3, 0) + max(-1, 0), max(-1, 0) + max(4, 0)


def test_cubes_and_epsilon_by_hand():
    assert at_maps(formulas.grad_cam_pp_of_cubes, linear([2, 1, -1, 0]), TWO).tolist() == [[[27, 9]]]
    # weights: 2·4/(8 + 8·4 + ε) + 1/(2 + 4 + ε)
    weight = 8 / (40 + 1e-6) + 1 / (6 + 1e-6)
    found = at_maps(formulas.grad_cam_pp_with_epsilon, linear([2, 1, -1, 0]), TWO)
    torch.testing.assert_close(found, doubles([[[3 * weight, weight]]]))


def test_eigen_patterns_by_hand():
    # g ∘ A has the channels (3, 0) and (0, 4): the second is longer
    assert at_maps(formulas.eigen_grad_cam, linear([1, 0, 0, 2]), TWO).allclose(doubles([[[0, 4]]]))
    # |g| ∘ A of (-3, 0) and (0, 4)
    assert at_maps(formulas.seg_eigen_cam, linear([1, 0, 0, -2]), -TWO).allclose(doubles([[[0, 4]]]))
    # centred: (1, -1) and (-1/2, 1/2), along (2, -1)/√5
    pattern = math.sqrt(5) / 2
    one, other = (
        at_maps(formulas.centred(lambda a, g: a.expand_as(g), sign), linear([1, 1, 1, 1]), TWO)
        for sign in (1, -1)
    )
    assert sorted(one.flatten().tolist()) == pytest.approx([0, pattern])
    assert other.allclose(one.flip(2))  # the sign is left to chance
    found = at_maps(formulas.centred(lambda a, g: 3 * a.expand_as(g), None), linear([1, 1, 1, 1]), -TWO)
    assert found.max().item() == pytest.approx(3 * pattern)


def test_shapley_cam_by_hand():
    """y = a² + b², one class: log p = 0, H = 2, so the weights are the means of 2a - ½ · 2a = a."""
    model = Toy(lambda a: a.square().sum(dim=(1, 2, 3))[:, None])
    found = at_maps(formulas.shapley_cam, model, TWO.clone())
    assert found.allclose(2 * TWO[:, 0] + 1.5 * TWO[:, 1])


def test_finer_cam_by_hand():
    """Logits 4, 3 and 10: of two references both, of one the nearer one."""
    model = linear([1, 1, 0, 0], [0, 0, 1, 1], [3, 1, 0, 0])
    assert model(TWO).tolist() == [[4, 3, 10]]
    assert formulas.alike(model(TWO)[0], 0, 1) == [1]
    one = at_maps(formulas.finer_cam(0.5, 1), model, TWO)
    assert one.allclose(doubles([[[3 - 0.5, 1 - 1]]]))
    both = at_maps(formulas.finer_cam(0.5, 2), model, TWO)  # (1, 1) - ¼ (3, 1) and -¼ (1, 1)
    assert both.allclose((0.5 * TWO[:, 0] - 0.25 * TWO[:, 1]).relu())
    weighted = at_maps(formulas.finer_cam(0.5, 1, by_softmax=True), model, TWO)
    assert weighted.allclose(one)  # of one reference the weight cancels


def test_smooth_grad_cam_pp_of_a_linear_network_is_grad_cam_pp():
    """Noise changes no gradient; 2 + 2·4 and 2 + 1·4 below the line."""
    weight = 2 / (2 + 2 * 4) + 1 / (2 + 1 * 4)
    found = at_maps(formulas.smooth_grad_cam_pp(), linear([2, 1, -1, 0]), TWO)
    torch.testing.assert_close(found, weight * TWO[:, 0], rtol=1e-6, atol=0)
    last = at_maps(formulas.smooth_grad_cam_pp(as_run=True), linear([2, 1, -1, 0]), TWO)
    assert not torch.allclose(last, found, atol=0.01)


def test_full_grad_by_hand():
    """One convolution by 2 with bias 3: x ∘ g = 2·x·v, b ∘ g = 3·v, for v = (1, -3)."""
    conv = nn.Conv2d(1, 1, 1).double()
    conv.weight.data.fill_(2)
    conv.bias.data.fill_(3)
    head = nn.Linear(2, 1).double()
    head.weight.data = doubles([[1, -3]])
    model = nn.Sequential(conv, nn.Flatten(), head)
    x = doubles([[[[5, 1]]]])  # |x ∘ g| = 10, 6; |b ∘ g| = 3, 9
    assert formulas.full_grad()(model, conv, x, [0]).tolist() == [[[1, 1]]]
    norm = nn.BatchNorm2d(1).double().eval()
    norm.running_mean.fill_(2)
    norm.running_var.fill_(4 - norm.eps)
    norm.weight.data.fill_(3)
    norm.bias.data.fill_(1)
    assert formulas._bias(norm).item() == pytest.approx(1 - 2 * 3 / 2)


def test_kernel_pattern_of_two_places_by_hand():
    """Centred places z and -z: the centred kernel is (tanh(z² + 1) - tanh(1 - z²)) / 2 · (1, -1; -1, 1)."""
    z = doubles([[3.0], [1.0]]).T[..., None].movedim(-1, 1)  # one channel, places 3 and 1: centred ±1
    same, other = math.tanh(1 + 1), math.tanh(-1 + 1)
    expected = math.sqrt((same - other) / 2)
    assert sorted(formulas._kernel_pattern(z).flatten().tolist()) == pytest.approx([-expected, expected])


def test_fem_by_hand():
    """Sixteen places: one of 16 in the first channel, mean 1, deviation √15; its 4 is not unusual."""
    x = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    x[..., 0, 0], x[..., 0, 1] = 16, 4
    model = linear([1.0] * 16)
    found = at_maps(formulas.fem, model, x)
    assert (found[0, 0, 0].item(), found.sum().item()) == (20 / 16, 20 / 16)
    shares = at_maps(formulas.fem_of_shares, model, x)
    assert (shares[0, 0, 0].item(), shares[0, 0, 1].item()) == (1, 0.25)


def test_drops_and_ablation_by_hand():
    """Weights 1 and -2 for the sums 4 and 3: the logit is -2."""
    model = linear([1, 1, -2, -2])
    assert at_maps(formulas.channel_drops, model, TWO).tolist() == [[4, -6]]
    found = at_maps(formulas.ablation_cam_over_logit(), model, TWO)
    assert found.allclose((-2 * TWO[:, 0] + 3 * TWO[:, 1]).relu())
    # the first channel becomes 1 - 10, the second 1 - 20
    assert at_maps(lambda *given: formulas.channel_drops(*given, low=10), model, TWO).tolist() == [
        [4 + 18, -6 - 2 * 38]
    ]


def test_masks_and_score_cam_by_hand():
    a = doubles([[[[0, 2], [0, 2]]]])
    assert formulas.corners_aligned(a, (2, 3)).tolist() == [[[[0, 0.5, 1]] * 2]]
    assert formulas.stretched_then_enlarged(a, (2, 4)).tolist() == [[[[0, 0.25, 0.75, 1]] * 2]]
    model = linear([1, 1, -2, -2])
    # masks (1, 0) and (0, 1): scores 3 - 2 = 1 and 1 - 4 = -3
    weights = doubles([1, -3]).softmax(dim=0)
    found = at_maps(formulas.score_cam_by(formulas.stretched_then_enlarged), model, TWO)
    assert found.allclose(torch.einsum("c,ncij->nij", weights, TWO))
    twice = at_maps(formulas.score_cam_by(formulas.stretched_then_enlarged, [0, 1]), model, TWO)
    assert twice.allclose(torch.einsum("c,ncij->nij", doubles([0.5, -1.5]).softmax(dim=0), TWO))
    # 0, 1/4 and 3/4, or 1/4, 3/4 and 6/4 times the masks
    for first, mean in ((0, (0 + 0.25 + 0.75 + 1.5) / 4), (1, (0.25 + 0.75 + 1.5 + 2.5) / 4)):
        found = at_maps(formulas.is_cam(first, 4), model, TWO)
        assert found.allclose(torch.einsum("c,ncij->nij", (mean * doubles([1, -3])).softmax(dim=0), TWO))


def test_ss_cam_is_score_cam_where_noise_does_not_count():
    model = Toy(lambda a: 0 * a.sum(dim=(1, 2, 3))[:, None])
    assert at_maps(formulas.ss_cam, model, TWO).allclose(TWO.mean(dim=1))
    # a noisy mask scores (m + noise)·x·v
    noise = sum(one.to(TWO) for one in formulas.noises(TWO.float(), 2.0)) / formulas.SAMPLES
    masks = doubles([[[[1, 0]], [[0, 1]]]]) + noise
    asked = torch.stack([(TWO * masks[:, c : c + 1]).sum() for c in (0, 1)]).softmax(dim=0)
    found = at_maps(formulas.ss_cam, linear([1, 1, 1, 1]), TWO)
    assert found.allclose(torch.einsum("c,ncij->nij", asked, TWO))


def test_occlusion_and_shapley_values_by_hand():
    """Of a linear network each square costs its own part; of a product each of two players half."""
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = Toy(lambda a: a.sum(dim=(1, 2, 3))[:, None])
    found = formulas.occlusion(total, total.maps, x, [0])
    assert found[0, 0, 0, 0].item() == pytest.approx(x[..., :4, :4].sum().item())
    assert found[0, 0, 7, 0].item() == pytest.approx(x[..., 4:, :4].sum().item())
    torch.testing.assert_close(formulas.shapley_values(total, total.maps, x, [0]), found)
    product = Toy(lambda a: a[:, :, 0, 0] * a[:, :, 7, 7])
    found = formulas.shapley_values(product, product.maps, x, [0])
    half = (x[0, 0, 0, 0] * x[0, 0, 7, 7]).item() / 2
    assert found[0, 0, [0, 0, 7], [0, 7, 7]].tolist() == pytest.approx([half, 0, half])


def test_paths_by_hand():
    """y = Σ x²: x · mean of 2·x·k/5; at the layer, from zero, its middles give x² exactly."""
    x = doubles([[[[3, -1]]]])
    model = nn.Sequential(nn.Identity(), Toy(lambda a: a.square().sum(dim=(1, 2, 3))[:, None]))
    assert formulas.integrated_at_ends(model, model[0], x, [0]).allclose(x**2 * 6 / 5)
    assert formulas.integrated_at_layer(model, model[0], x, [0]).allclose(x**2)
    assert formulas.internal_influence(model, model[0], x, [0]).allclose(x)
    a, g = formulas._at(model, model[0], x.clone(), [0])
    assert (a * g).allclose(2 * x**2)
    assert formulas.input_times_gradient(model, model[0], x, [0]).allclose(2 * x**2)
    noisy = formulas.smooth_grad_of(lambda x: [torch.ones_like(x), torch.zeros_like(x)])
    assert noisy(model, model[0], x, [0]).allclose(2 * x + 1)
    assert formulas.spread(x).item() == pytest.approx(0.15 * 4)


def sequence(*layers):
    return nn.Sequential(*layers).double().eval()


def weighed(layer, weight, bias=0.0):
    with torch.no_grad():
        layer.weight.copy_(doubles(weight).reshape(layer.weight.shape))
        layer.bias.fill_(bias)
    return layer


def test_slopes_by_hand():
    """ReLU6 of 8 gains 6 over zero: a chord of 6/8; below zero nothing is gained."""
    model = sequence(nn.ReLU6(), nn.Flatten(), weighed(nn.Linear(2, 1), [1, 1]))
    x = doubles([[[[8, -2]]]])
    assert formulas.deep_lift(model, model[0], x, [0]).tolist() == [[[[6, 0]]]]
    found = formulas.softplus_gradient()(model, model[0], doubles([[[[0, 0.1]]]]), [0])
    assert found.flatten().tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-1))])
    assert formulas.softplus_gradient(torch.relu)(model, model[0], -x.abs(), [0]).tolist() == [[[[0.5, 0.5]]]]


def test_cam_and_plain_gradients_by_hand():
    model = sequence(
        nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), weighed(nn.Linear(2, 2), [1, 2, 3, -4])
    )
    assert formulas.class_activation_map(model, model[0], TWO, [1]).tolist() == [[[5, -5]]]
    assert formulas.plain_gradient(model, model[0], TWO, [0]).tolist() == [[[[0.5, 0.5]], [[1, 1]]]]
    cam = grad_cam(model, "0", TWO, 0)
    found = formulas.plain_gradient_times_grad_cam(model, model[0], TWO, [0])
    assert found.allclose(saliency(model, TWO, 0) * cam[:, None])


def test_relevance_by_hand():
    """Contributions 2 · 3 = 6, 1 · -2 = -2 and the bias 1: shares of 5 by ε, of 7 or of -2 by sign."""
    model = sequence(nn.Flatten(), weighed(nn.Linear(2, 1), [3, -2], 1.0))
    step, a, one = model[1], doubles([[2, 1]]), doubles([[1]])
    for rule, expected in [
        (relevance.epsilon, [6 / 5, -2 / 5]),
        (relevance.positive, [6 / 7, 0]),
        (relevance.negative, [0, 1]),
        (relevance.alpha_beta, [12 / 7, -1]),
        (relevance.flat, [1 / 2, 1 / 2]),
        (relevance.gradient, [3, -2]),
        (relevance.through, [1]),
    ]:
        np.testing.assert_allclose(rule(step, a, one)[0], expected, rtol=1e-5)


def test_relevance_in_a_network_by_hand():
    """A convolution by 2 and -1, a ReLU, a mean, a head: the mean shares by what its places hold."""
    conv = weighed(nn.Conv2d(1, 1, (1, 2), (1, 2)), [2, -1])
    model = sequence(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), weighed(nn.Linear(1, 1), [5]))
    x = doubles([[[[2, 1, 1, 1]]]])  # places 3 and 1
    for first, expected in (
        (relevance.positive, [0.75, 0, 0.25, 0]),
        (relevance.flat, [0.375] * 2 + [0.125] * 2),
    ):
        found = relevance.composite(relevance.positive, first)(model, conv, x, [0])
        np.testing.assert_allclose(found.flatten(), expected, rtol=1e-5)
    found = relevance.excitation_backprop(model, conv, x, [0])
    np.testing.assert_allclose(found.flatten(), [0.75, 0, 0.25, 0], rtol=1e-5)


def test_formulas_leave_no_hook_and_agree_with_those_of_helpers():
    model, x = network(), pictures(2)
    target = [row[0] for row in ranked(model, x)]
    before = snapshot(model, x)
    a, g = formulas._at(model, model.middle, x.clone(), target)
    summed = (a * g).sum(dim=1).relu()
    assert summed.allclose(hires_cam(model, "middle", x, target))
    plain = formulas.finer_cam(0.0)(model, model.middle, x.clone(), target)
    assert plain.allclose(grad_cam(model, "middle", x, target))
    assert changes(before, model, x) == []


def test_a_call_from_the_matrix_is_seeded_and_silent(capfd):
    def run():
        print("said")
        warnings.warn("warned", stacklevel=1)
        return torch.rand(1)

    state = torch.get_rng_state()
    assert quietly(run) == quietly(run)
    assert torch.get_rng_state().equal(state)
    assert capfd.readouterr().out == ""


def test_rows_by_lot_do_not_depend_on_the_others():
    seed = random.randrange(2**16)
    print(f"rows drawn with seed {seed}")
    chosen = random.Random(seed).sample(STORED["rows"], 5)
    names = {(one["library"], one["method"]) for one in chosen}
    fresh = matrix(lambda library, name: (library, name) in names)["rows"]
    by_name = {(one["library"], one["method"]): one for one in fresh}
    assert [by_name[one["library"], one["method"]] for one in chosen] == chosen
