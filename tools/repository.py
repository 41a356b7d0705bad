"""Change the repository's address everywhere: pyproject.toml defines it, notebooks and pages repeat it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def address() -> str:
    """The address that pyproject.toml defines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def site(repository: str) -> str:
    """Where GitHub publishes the pages of a repository."""
    owner, name = repository.removeprefix("https://github.com/").split("/")
    return f"https://{owner}.github.io/{name}/"


def forms(repository: str) -> tuple[str, ...]:
    """How files name a repository: its address, its site, links that open it in Colab and so on."""
    path = repository.removeprefix("https://github.com/")
    links = ("colab.research.google.com/github/", "mybinder.org/v2/gh/", "codespaces.new/")
    return repository, site(repository), *(f"https://{link}{path}" for link in links)


def tracked() -> list[Path]:
    """The files under version control, and new ones that are not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def change(new: str) -> int:
    """Write the new address in all its forms where the old ones stand; the number of files changed."""
    pairs, count = list(zip(forms(address()), forms(new), strict=True)), 0
    for path in tracked():
        text = changed = path.read_bytes()
        for before, after in pairs:
            changed = changed.replace(before.encode(), after.encode())
        if changed != text:
            path.write_bytes(changed)
            count += 1
    return count


def main() -> None:
    """Take the new address from the command line."""
    new = sys.argv[1].removesuffix("/").removesuffix(".git") if len(sys.argv) == 2 else ""
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", new):
        sys.exit(
            f"{new!r} is not an address: expected https://github.com/owner/name. "
            "Say: make repository URL=https://github.com/owner/name"
        )
    print(f"{change(new)} files now say {new}")


if __name__ == "__main__":
    main()
