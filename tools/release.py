"""What a release attaches: the built book, its PDF, the class notebooks; and what CHANGELOG.md says of it.

Run after book, pdf and class: `python -m tools.release v2.1.0`.
"""

import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
NAME = "seeing-what-a-cnn-sees"
HEAD = re.compile(r"^## \[(?P<version>\d+\.\d+\.\d+)\] - (?P<day>\d{4}-\d\d-\d\d)$", re.MULTILINE)


def version() -> str:
    """The version that pyproject.toml defines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def said() -> dict[str, tuple[str, str]]:
    """What each file says of the newest release: its version and its day."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = HEAD.search((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    return {
        "CITATION.cff": (str(citation["version"]), str(citation["date-released"])),
        "CHANGELOG.md": (newest["version"], newest["day"]) if newest else ("none", "none"),
    }


def disagreement(tag: str) -> str:
    """What keeps a tag from being released, in one sentence; empty where nothing does."""
    places = {"pyproject.toml": version()} | {name: number for name, (number, _) in said().items()}
    places |= {"the tag": tag.removeprefix("v")}
    if len(set(places.values())) == 1 and len({day for _, day in said().values()}) == 1:
        return ""
    told = ", ".join(f"{place} {number}" for place, number in places.items())
    days = " and ".join(f"{day} in {place}" for place, (_, day) in said().items())
    return f"expected one version and one day everywhere, found {told}; released {days}. Make them agree."


def notes() -> str:
    """What CHANGELOG.md says of the newest release, a line for each paragraph: GitHub keeps line breaks."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, _, _, rest = HEAD.split(text, maxsplit=1)
    part = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0].strip()
    return re.sub(r"(?<!\n)\n(?![\n#-]) *", " ", part) + "\n"


def pack(folder: Path, target: Path) -> None:
    """All files of a folder as one archive, the same for the same files, whole or not at all."""
    new = target.with_suffix(".tmp")
    day = tuple(map(int, said()["CHANGELOG.md"][1].split("-")))
    with zipfile.ZipFile(new, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = f"{target.stem}/{path.relative_to(folder).as_posix()}"
            about = zipfile.ZipInfo(name, (*day, 0, 0, 0))
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(about, path.read_bytes())
    new.replace(target)


def main() -> None:
    """Write what belongs to a tag into _build/release."""
    if wrong := disagreement(sys.argv[1] if len(sys.argv) == 2 else "no tag"):
        sys.exit(wrong)
    book, lessons, release = ROOT / "_build" / "html", ROOT / "class", ROOT / "_build" / "release"
    for needed in (book / "index.html", book / f"{NAME}.pdf", lessons / "student"):
        if not needed.exists():
            sys.exit(f"expected {needed}, found none: run make book, make pdf and make class first")
    release.mkdir(parents=True, exist_ok=True)
    pack(book, release / f"{NAME}-{version()}.zip")
    pack(lessons, release / f"{NAME}-{version()}-class.zip")
    shutil.copyfile(book / f"{NAME}.pdf", release / f"{NAME}-{version()}.pdf")
    (release / "notes.md").write_text(notes(), encoding="utf-8", newline="\n")
    print(f"What belongs to version {version()} is in {release}.")


if __name__ == "__main__":
    main()
