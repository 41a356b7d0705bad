"""The package as Colab installs it: built from a clone, imported elsewhere."""

import csv
import importlib.resources
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from helpers.classifiers import classifier_names

ROOT = Path(__file__).parents[1]


def test_the_package_built_from_a_clone_finds_its_catalogue(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(clone)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        names = set(archive.namelist())
    assert {"helpers/py.typed", "helpers/cam.py", "helpers/data/photos.csv"} <= names
    assert not any(name.startswith(("tests", "tools", "benchmarks", "data/")) for name in names)
    ask = "import helpers; print(helpers.__file__, helpers.load_image('mastiff').size)"
    said = subprocess.run(
        [sys.executable, "-c", ask],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(tmp_path / "site") in said.stdout
    assert "(512, 512)" in said.stdout


def test_the_times_of_all_networks_are_stored():
    text = importlib.resources.files("helpers.data").joinpath("times.csv").read_text(encoding="utf-8")
    rows = {row["network"]: row for row in csv.DictReader(text.splitlines())}
    assert set(rows) == {*classifier_names(), "vit_b_16"}
    for row in rows.values():
        assert int(row["forward_ms"]) > 0
        assert 0.8 < float(row["grad_cam"]) < 10
