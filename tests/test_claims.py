"""The stored claims: the tables agree with each other and the code, and a random part is measured again."""

import itertools
import os
import random
import re
import sys
import types

import nbformat
import pytest
import torch

from claims import __main__ as runner
from claims import exam, table
from claims.exam import NETWORKS
from claims.headlines import HEADLINES
from claims.table import Claim, Experiment
from helpers import claims_of, load_classifier
from tools import execute

SECONDS = 60  # of measuring again, by the experiments' own estimates


def stored():
    return [table.experiments(chapter) for chapter in table.chapters()]


def all_experiments():
    return [experiment for found in stored() for experiment in found.values()]


def test_the_summary_is_that_of_the_stored_units():
    units = table.read(table.UNITS)
    expected = [row for experiment in all_experiments() for row in table.summary_rows(experiment, units)]
    assert table.read(table.SUMMARY) == expected


def test_what_is_stored_is_what_the_code_measures():
    rows = [(row["experiment"], row["key"], row["unit"]) for row in table.read(table.UNITS)]
    assert len(rows) == len(set(rows))
    code = {
        (experiment.name, claim.key, str(unit))
        for experiment in all_experiments()
        for claim in experiment.claims
        for unit in experiment.units
    }
    assert set(rows) <= code
    assert {row[:2] for row in rows} == {row[:2] for row in code}
    names = [experiment.name for experiment in all_experiments()]
    assert len(names) == len(set(names))


def test_sentences_are_sentences():
    for experiment in all_experiments():
        keys = [claim.key for claim in experiment.claims]
        assert len(keys) == len(set(keys)), experiment.name
        for claim in experiment.claims:
            assert claim.text[0].isupper() or not claim.text[0].isalpha(), claim.text
            assert claim.text[-1] in ".)", claim.text


def drawn(seed: int) -> list[tuple[Experiment, table.Unit]]:
    """Units by lot, experiments taking turns, until their estimates fill the time; at least one."""
    lot = random.Random(seed)
    units = {experiment.name: list(experiment.units) for experiment in all_experiments()}
    turns = [experiment for experiment in all_experiments() if experiment.cost <= SECONDS / 2]
    lot.shuffle(turns)
    chosen, left = [], float(SECONDS)
    for experiment in itertools.islice(itertools.cycle(turns), 3 * len(turns)):
        if experiment.cost <= left and units[experiment.name]:
            unit = lot.choice(units[experiment.name])
            units[experiment.name].remove(unit)
            chosen.append((experiment, unit))
            left -= experiment.cost
    return chosen


def differences(experiment, unit, values, rows):
    """What differs by more than its tolerance from the stored rows, in words."""
    mine = [row for row in rows if row["experiment"] == experiment.name and row["unit"] == str(unit)]
    kept = {row["key"]: float(row["value"]) for row in mine}
    found = {claim.key: values[claim.key] for claim in experiment.claims if claim.key in values}
    if found.keys() != kept.keys():
        return [f"{experiment.name}, {unit}: measured {sorted(found)}, stored {sorted(kept)}"]
    return [
        f"{experiment.name}, {unit}, {claim.key}: measured {found[claim.key]:.6g}, stored "
        f"{kept[claim.key]:.6g}, tolerance {claim.tolerance:g}"
        for claim in experiment.claims
        if claim.key in found and not abs(found[claim.key] - kept[claim.key]) <= claim.tolerance
    ]


def state(short: str) -> list[tuple]:
    """What an experiment could change in a network that the others measure, too."""
    model = load_classifier(NETWORKS[short][0]).model
    kept = [
        (t.stride(), t._version, t.requires_grad)
        for t in itertools.chain(model.parameters(), model.buffers())
    ]
    return kept + [(m.training, len(m._forward_hooks)) for m in model.modules()]


def test_an_experiment_leaves_the_networks_of_the_others_alone():
    for short in NETWORKS:
        before = state(short)
        exam.network.__wrapped__(short)
        assert state(short) == before


def test_a_random_part_is_reproduced(capsys):
    seed = int(os.environ.get("CLAIMS_SEED") or random.SystemRandom().randrange(10**6))
    chosen = drawn(seed)
    with capsys.disabled():
        print(f" [CLAIMS_SEED={seed}: {len(chosen)} units]", end="", flush=True)
    rows = table.read(table.UNITS)
    before, wrong = {short: state(short) for short in NETWORKS}, []
    for experiment, unit in chosen:
        wrong += differences(experiment, unit, experiment.measure(unit), rows)
        wrong += [f"{experiment.name}, {unit}: changed {n}" for n in NETWORKS if state(n) != before[n]]
    assert not wrong, f"CLAIMS_SEED={seed} repeats this draw:\n" + "\n".join(wrong)


def test_the_trainings_of_chapter_4_are_those_of_its_page():
    """They take too long to be drawn; nbval repeats the page's own, which are those of seed 0."""
    rows = [row for row in table.read(table.UNITS) if (row["experiment"], row["unit"]) == ("depth", "0")]
    kept = {row["key"]: float(row["value"]) for row in rows}
    chapter = execute.ROOT / "chapters" / "04_resnet.ipynb"
    page = "\n".join(
        output.text
        for cell in nbformat.read(chapter, as_version=4).cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    printed = re.findall(r"(plain|residual) +(\d+) layers: loss [\d.]+ +training set +(\d+)%", page)
    assert [(kind, layers) for kind, layers, _ in printed] == [
        (kind, layers) for kind in ("plain", "residual") for layers in ("8", "20", "26")
    ]
    for kind, layers, percent in printed:
        if kind == "plain":
            assert round(kept[f"plain_{layers}"]) == int(percent)
    assert round(kept["residual_worst"]) == min(
        int(right) for kind, _, right in printed if kind == "residual"
    )


def test_a_value_out_of_tolerance_is_named():
    claim = Claim("k", "It is one.", lambda value: value == 1, 0.1)
    experiment = Experiment("one", 99, ("a",), lambda unit: {}, (claim,))
    rows = [{"chapter": "99", "experiment": "one", "key": "k", "unit": "a", "value": "1"}]
    assert differences(experiment, "a", {"k": 1.09}, rows) == []
    assert differences(experiment, "a", {"k": 1.2}, rows) == [
        "one, a, k: measured 1.2, stored 1, tolerance 0.1"
    ]
    assert differences(experiment, "a", {"k": float("nan")}, rows) != []
    assert differences(experiment, "a", {}, rows) != []


@pytest.fixture
def chapter99(monkeypatch, tmp_path):
    """A chapter with one experiment of four units, all folders under tmp_path; it notes what is measured."""
    measured = []

    def measure(unit):
        if unit == module.fails_at:
            raise KeyboardInterrupt
        measured.append(unit)
        return {"k": float(unit), "odd": float(unit % 2)} if unit else {"k": 0.0}

    claims = (
        Claim("k", "It is above one.", lambda value: value > 1, 0),
        Claim("odd", "Baseline: odd.", None, 0),
    )
    module = types.ModuleType("claims.ch99")
    module.__file__ = str(tmp_path / "ch99.py")
    (tmp_path / "ch99.py").write_text("# one\n", encoding="utf-8")
    module.EXPERIMENTS = (Experiment("fake", 99, (0, 1, 2, 3), measure, claims),)
    module.measured, module.fails_at = measured, None
    monkeypatch.setitem(sys.modules, "claims.ch99", module)
    monkeypatch.setattr(table, "chapters", lambda: [99])
    monkeypatch.setattr(table, "UNITS", tmp_path / "units.csv")
    monkeypatch.setattr(table, "SUMMARY", tmp_path / "claims.csv")
    monkeypatch.setattr(runner, "KEPT", tmp_path / ".claims")
    return module


def interrupted(module, at):
    module.fails_at = at
    with pytest.raises(KeyboardInterrupt):
        runner.run(99)
    module.fails_at = None


def test_an_interrupted_run_goes_on_and_measures_nothing_twice(chapter99):
    interrupted(chapter99, at=2)
    assert not table.SUMMARY.exists()
    runner.run(99)
    assert chapter99.measured == [0, 1, 2, 3]
    assert not list(runner.KEPT.iterdir())
    runner.run(99)  # all anew
    assert chapter99.measured == [0, 1, 2, 3] * 2


def test_a_torn_line_is_measured_again(chapter99):
    interrupted(chapter99, at=2)
    (kept,) = runner.KEPT.iterdir()
    kept.write_text(kept.read_text(encoding="utf-8")[:-5], encoding="utf-8")
    runner.run(99)
    assert chapter99.measured == [0, 1, 1, 2, 3]


def test_a_changed_module_starts_anew(chapter99, tmp_path):
    interrupted(chapter99, at=2)
    (tmp_path / "ch99.py").write_text("# two\n", encoding="utf-8")
    runner.run(99)
    assert chapter99.measured == [0, 1, 0, 1, 2, 3]
    assert not list(runner.KEPT.iterdir())


def test_one_chapter_replaces_its_own_rows_only(chapter99):
    row = dict.fromkeys(table.UNITS_COLUMNS, "x") | {"chapter": "100"}
    first = dict.fromkeys(table.UNITS_COLUMNS, "y") | {"chapter": "9"}
    old = dict.fromkeys(table.UNITS_COLUMNS, "z") | {"chapter": "99"}
    table.write(table.UNITS, table.UNITS_COLUMNS, [first, old, row])
    runner.run(99)
    rows = table.read(table.UNITS)
    assert [row["chapter"] for row in rows] == ["9"] + ["99"] * 7 + ["100"]
    assert rows[0] == first
    assert rows[-1] == row


def test_the_summary_counts_and_sorts_as_one_does_by_hand(chapter99):
    runner.run(99)
    above, odd = table.read(table.SUMMARY)
    assert list(above) == list(table.SUMMARY_COLUMNS)
    assert (above["n"], above["holds"]) == ("4", "2")  # of 0, 1, 2, 3 two are above one
    assert (above["lowest"], above["median"], above["highest"]) == ("0", "1.5", "3")
    assert (above["lower_quartile"], above["upper_quartile"]) == ("0.75", "2.25")
    assert (odd["n"], odd["holds"], odd["median"]) == ("3", "", "1")  # unit 0 has no such value


def test_a_value_that_is_no_number_is_refused(chapter99):
    experiment = table.experiments(99)["fake"]
    rows = table.unit_rows(experiment, {str(unit): {"k": float("nan"), "odd": 1.0} for unit in range(4)})
    with pytest.raises(ValueError, match="expected finite values of fake, k"):
        table.summary_rows(experiment, rows)


def test_double_precision_ends_with_its_block():
    @table.in_double()
    def fails():
        assert torch.zeros(1).dtype == torch.float64
        raise RuntimeError

    before = torch.get_default_dtype()
    with pytest.raises(RuntimeError):
        fails()
    assert torch.get_default_dtype() == before


def test_a_chapter_shows_its_rows_and_no_others():
    for chapter in table.chapters():
        rows = [row for row in table.read(table.SUMMARY) if row["chapter"] == str(chapter) and row["shown"]]
        lines = claims_of(chapter).data.splitlines()
        assert lines[1] == "| --- | ---: | ---: | ---: | ---: | ---: |"
        assert [line.split(" | ")[0][2:] for line in lines[2:]] == [row["claim"] for row in rows]
        assert [line.split(" | ")[2] for line in lines[2:]] == [row["holds"] for row in rows]


def test_a_chapter_without_claims_says_which_have_some():
    with pytest.raises(ValueError, match=r"needs a chapter with stored claims \(.*\), not 99"):
        claims_of(99)


def test_every_headline_is_a_claim():
    for chapter, headlines in HEADLINES.items():
        there = {f"{e.name} {claim.key}" for e in table.experiments(chapter).values() for claim in e.claims}
        assert set(headlines) <= there
        assert len(set(headlines)) == len(headlines)
