"""Chapters as in Colab: alone in an empty folder, in an environment that has torch but not `helpers`.

With COLAB=all every chapter; otherwise a few by lot, since each is executed once more.

The setup cell installs the package from a bare clone of this repository, which stands in for its public
address; what the rest of the chapter then puts out must be the stored outputs, figures included.
"""

import base64
import importlib.metadata
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image

from tools import execute, repository

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="links and folders as on Colab, which is Linux"
)

# What of our packages Colab has installed beforehand; ipykernel runs the notebook, pip is its %pip.
USUAL = [
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pillow",
    "matplotlib",
    "opencv-python-headless",
    "scikit-image",
    "scikit-learn",
    "requests",
    "ipython",
    "ipykernel",
    "ipywidgets",
    "pip",
]


@pytest.fixture(scope="session")
def usual(tmp_path_factory):
    """A folder of links to the usual packages and all that they need, and to nothing else."""
    folder = tmp_path_factory.mktemp("usual")
    for distribution in with_all_they_need(USUAL):
        for entry in {Path(file).parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (folder / entry).exists():
                (folder / entry).symlink_to(distribution.locate_file(entry))
    return folder


def with_all_they_need(names):
    found, seen, todo = {}, set(), [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        if str(wanted) in seen:
            continue
        seen.add(str(wanted))
        distribution = importlib.metadata.distribution(wanted.name)
        found[distribution.name] = distribution
        for needed in map(Requirement, distribution.requires or []):
            extras = wanted.extras | {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(needed)
    return found.values()


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """A bare clone of this repository as it stands, with what is not yet committed."""
    if not (repository.ROOT / ".git").exists():
        pytest.skip("no git repository: Colab installs from one")
    copy, bare = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("bare") / "book.git"
    for file in repository.tracked():
        target = copy / file.relative_to(repository.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it stands"]):
        subprocess.run([*git, *command], cwd=copy, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(copy), str(bare)], check=True)
    return bare


@pytest.fixture(scope="session")
def _package_index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("download")
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "ttach==0.0.3"]
    if subprocess.run(download, capture_output=True, check=False).returncode:
        pytest.skip("no package index: the setup cell cannot install anything")


@pytest.fixture
def colab(tmp_path, usual, bare, _package_index, monkeypatch):
    """A fresh environment with a kernel named colab, for which the book's address is the bare clone."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    (site,) = (tmp_path / "env").glob("lib/python3*/site-packages")
    (site / "usual.pth").write_text(str(usual))
    redirect = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bare.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": repository.address(),
    }
    kernel = {"argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"], "env": redirect}
    kernels = tmp_path / "jupyter" / "kernels" / "colab"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        json.dumps({**kernel, "display_name": "as in Colab", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(kernels.parents[1]))
    return site


def drawn(by_lot=3):
    """The chapters that install an extra, and a few by lot, the same ones in all of xdist's processes."""
    if os.environ.get("COLAB") == "all":
        return execute.CHAPTERS
    extra = [path for path in execute.CHAPTERS if "[dataset] @" in path.read_text(encoding="utf-8")]
    lot = random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
    return extra + lot.sample([path for path in execute.CHAPTERS if path not in extra], by_lot)


@pytest.fixture(params=drawn(), ids=lambda path: path.stem)
def alone(request, tmp_path):
    """A chapter in a folder of its own."""
    folder = tmp_path / "content"
    folder.mkdir()
    return Path(shutil.copy(request.param, folder))


def test_it_installs_the_package_and_gives_the_very_same_outputs(alone, colab):
    stored, again = nbformat.read(alone, as_version=4), execute.executed(alone, kernel="colab")
    for notebook in (stored, again):
        setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
        setup.outputs = []  # pip may have had something to say
    origin = json.loads(next(colab.glob("seeing_what_a_cnn_sees-*/direct_url.json")).read_text())
    assert origin["url"] == repository.address()
    assert (colab / "helpers" / "__init__.py").exists()
    if execute.text(again) == execute.text(stored):
        return
    # On another processor the last bits of a number differ, and so may single pixels; no text may.
    for kind, mean_difference in (("image/jpeg", 0.5), ("image/svg+xml", 0.05)):  # of 255; in points
        for old, new in zip(pictures(stored, kind), pictures(again, kind), strict=True):
            assert old.shape == new.shape
            assert np.abs(old - new).mean() < mean_difference
    assert execute.text(without_pictures(again)) == execute.text(without_pictures(stored))


def image_data(notebook):
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    yield output.data, kind


def pictures(notebook, kind):
    """Their pixels, or the numbers of their drawings."""
    as_numbers = pixels if kind == "image/jpeg" else coordinates
    return [as_numbers(data[kind]) for data, found in image_data(notebook) if found == kind]


def pixels(jpeg):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(jpeg))), dtype=float)


def coordinates(svg):
    return np.array(re.findall(r"(?<![#\w])-?\d+\.\d+", svg), dtype=float)


def without_pictures(notebook):
    for data, kind in image_data(notebook):
        data[kind] = ""
    return notebook
