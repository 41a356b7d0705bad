"""What the chapters need, as data/memory.csv says, and the command that measures it."""

import csv

import pytest

from tools import memory
from tools.execute import CHAPTERS

# With up to 350 MB of libraries' pages 1.8 GB, for a hub that gives 2; "the cells run in one to two minutes".
MEGABYTES, SECONDS = 1450, 120
LIGHTEST = "06_cam"


def test_every_chapter_was_measured_and_keeps_the_limits():
    rows = memory.stored()
    assert list(rows) == [path.stem for path in CHAPTERS]
    assert [row for row in rows.values() if row.peak_mb >= MEGABYTES or row.seconds >= SECONDS] == []


def test_a_measurement_repeats_the_stored_peak():
    (path,) = (path for path in CHAPTERS if path.stem == LIGHTEST)
    before = path.read_bytes()
    row = memory.measured(path)
    assert row.peak_mb == pytest.approx(memory.stored()[path.stem].peak_mb, rel=0.15)
    assert row.seconds > 0
    assert path.read_bytes() == before


def test_a_table_is_stored_whole_or_not_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "TABLE", tmp_path / "memory.csv")
    assert memory.stored() == {}
    rows = {path.stem: memory.Measured(path.stem, 1000 + k, 20 + k) for k, path in enumerate(CHAPTERS)}
    memory.store(dict(reversed(rows.items())))
    assert memory.stored() == rows
    written = memory.TABLE.read_bytes()
    with pytest.raises(csv.Error):
        memory.store({path.stem: None for path in CHAPTERS})
    assert memory.TABLE.read_bytes() == written


def test_rows_of_chapters_that_are_gone_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "TABLE", tmp_path / "memory.csv")
    kept = memory.Measured(CHAPTERS[0].stem, 1000, 20)
    memory.store({"00_gone": memory.Measured("00_gone", 1, 1), kept.chapter: kept})
    assert memory.stored() == {kept.chapter: kept}
