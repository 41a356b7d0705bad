"""The checks of the exercises: they accept what is right, and name what is wrong with what is wrong."""

import re

import nbformat
import numpy as np
import pytest
import torch

from helpers import exercises
from helpers.exercises import Prediction, check, compare, predict
from helpers.exercises.judging import Draw, Wrong, by_cases, same
from tests.answers import answers
from tools import execute

ANSWERS = answers()


@pytest.fixture
def _one_lot(monkeypatch):
    """The same draws in each run: now and then two mistakes have one result, and a check names the other."""
    monkeypatch.setattr("helpers.exercises.judging.secrets.randbits", lambda _: 0)


def judge(label):
    return exercises._judges(label)[label]


def blame(label, answer):
    """The misconception that a check finds, or None for a right answer."""
    try:
        judge(label)(exercises._written(answer))
    except Wrong as verdict:
        return verdict.name
    return None


@pytest.mark.usefixtures("_one_lot")
@pytest.mark.parametrize("label", sorted(ANSWERS))
def test_right_answers_are_right_however_they_are_written(label):
    assert len(ANSWERS[label].right) >= 2
    for answer in ANSWERS[label].right:
        judge(label)(exercises._written(answer))


@pytest.mark.usefixtures("_one_lot")
@pytest.mark.parametrize("label", sorted(ANSWERS))
def test_wrong_answers_are_blamed_for_what_is_wrong_with_them(label):
    wrong = ANSWERS[label].wrong
    assert len(wrong) >= 5
    assert len({name for name, _ in wrong if name}) >= 4
    assert [blame(label, answer) for _, answer in wrong] == [name for name, _ in wrong]


@pytest.mark.parametrize("label", sorted(ANSWERS))
def test_what_is_not_written_yet_is_told(label, capsys):
    def stub(*_):
        """Only what it is for stands here."""

    def gap(*arguments):
        weights = ...
        return weights * arguments[0]

    for answer in (stub, lambda *_: ..., gap, 3):
        assert not check(label, answer)
        assert "..." in capsys.readouterr().out or answer is not gap


def test_every_exercise_of_every_chapter_has_a_check_and_answers():
    written = [
        label
        for path in execute.CHAPTERS
        for cell in nbformat.read(path, as_version=4).cells
        for label in re.findall(r"^:::\{exercise\}.*\n:label: (\S+)", cell.source, re.MULTILINE)
    ]
    assert list(ANSWERS) == written


# ---- How a check speaks


def test_a_check_says_right_in_one_line(capsys):
    assert check("ex-temperature", lambda z, t: (z / t).softmax(1))
    assert capsys.readouterr().out == "ex-temperature: right.\n"


def test_a_check_names_the_misconception_and_never_the_answer(capsys):
    assert not check("ex-temperature", lambda z, t: z.softmax(1) / t)
    said = capsys.readouterr().out
    assert said.startswith("ex-temperature: not yet. You divided the probabilities")
    assert said.count("\n") == 1


def test_a_check_tells_what_an_answer_raises(capsys):
    def broken(logits, divisor):
        raise ValueError("first line\nsecond line")

    assert not check("ex-temperature", broken)
    assert capsys.readouterr().out == "ex-temperature: not yet. Your function raised ValueError: first line\n"


def test_a_check_tells_the_form_where_it_differs(capsys):
    assert not check("ex-temperature", lambda z, t: z[0])
    said = capsys.readouterr().out
    assert "your function returns an array of shape" in said
    assert "it should return an array of shape" in said


def test_a_check_asks_for_a_prediction_first(capsys):
    right = lambda z, t: (z / t).softmax(1)  # noqa: E731
    for prediction in (Prediction("ex-temperature", {"best": ...}), Prediction("ex-mirror", {"best": 1})):
        assert not check("ex-temperature", right, prediction)
        assert "Predict first" in capsys.readouterr().out
    assert check("ex-temperature", right, Prediction("ex-temperature", {"best": 1}))


def test_an_unknown_exercise_is_told():
    with pytest.raises(ValueError, match=r"no exercise 'ex-temprature': did you mean 'ex-temperature'\?"):
        check("ex-temprature", print)
    with pytest.raises(ValueError, match="no exercise 'x': give its label"):
        predict("x")


def test_a_check_leaves_the_draws_of_the_page_as_they_are():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check("ex-temperature", lambda z, t: torch.rand(5))
    assert torch.rand(2).equal(expected)


def test_a_prediction_says_what_is_missing(capsys):
    assert predict("ex-temperature", order=..., best="grows").missing == ["order"]
    assert "not predicted yet: order" in capsys.readouterr().out
    assert not predict("ex-temperature", order="the same").missing
    assert "is kept" in capsys.readouterr().out


def test_predictions_are_compared_with_what_was_found():
    mine = Prediction("ex-small", {"lost_at": 28, "half": "stays"})
    rows = compare(mine, lost_at=28, half="goes").data.splitlines()[2:]
    assert rows == ["| lost at | 28 | 28 | yes |", "| half | stays | goes | no |"]


@pytest.mark.parametrize(
    ("said", "found", "agree"),
    [
        ("yes", True, True),
        ("No", np.bool_(False), True),
        ("yes", False, False),
        ("7 x 7", "7 × 7", True),
        ([1, 2], {2, 1}, True),
        (1, 0.9999999, True),
        (0.2, 0.19, False),
        ("grows", "stays", False),
        (7, "7 × 7", False),
    ],
)
def test_a_prediction_may_be_written_in_another_way(said, found, agree):
    assert exercises._agree(said, found) is agree


def test_of_einsum_s_ellipsis_nothing_is_said(capsys):
    check("ex-temperature", lambda z, t: torch.einsum("c,chw->hw", z, z))
    assert "..." not in capsys.readouterr().out.replace("…", "").split("raised")[0]


def test_what_is_missing_for_a_comparison_is_told():
    said = compare(Prediction("ex-small", {"a": ..., "b": 1}), a=2, b=...).data
    assert said.startswith("ex-small: nothing to compare yet: a, b. ")
    with pytest.raises(ValueError, match="ex-small asks for a; you gave nothing"):
        compare(Prediction("ex-small", {"a": 1}))


# ---- How results are compared


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (torch.ones(2), [1, 1], True),
        (torch.ones(2), torch.ones(2, 1), False),
        (torch.tensor([1.0, 1.00001]), torch.ones(2, dtype=torch.float64), True),
        (torch.tensor([1.0, 1.00001]).double(), torch.ones(2, dtype=torch.float64), False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"b": 1}, False),
        ([1, "x"], [1, "x"], True),
        ([1, "x"], [1, "x", 2], False),
        (True, 1, False),
        (1, True, False),
        ("a", "a", True),
        (float("nan"), float("nan"), True),
        (None, 1.0, False),
        (object(), 1.0, False),
    ],
)
def test_results_are_equal_but_for_rounding_and_their_kind(one, other, equal):
    assert same(one, other) is equal


def test_draws_differ_from_call_to_call_but_not_with_a_seed():
    assert not Draw().normal(4).equal(Draw().normal(4))
    assert Draw(1).uniform(4).equal(Draw(1).uniform(4))
    assert {Draw().size(2, 3) for _ in range(50)} == {2, 3}


def test_an_answer_may_change_what_it_is_given():
    judge = by_cases(right=lambda x: x + 1, cases=lambda draw: [(draw.normal(3),)], wrong={})
    judge(lambda x: x.add_(1))
