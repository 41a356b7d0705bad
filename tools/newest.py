"""The packages of requirements.txt without their pins, for a run with the newest releases.

Standard library only, as it is asked before anything is installed: `python -m tools.newest FILE` writes them.
"""

import re
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
LAST_GROUP = "# What those need"
# Whose next release is known not to fit; a pin in pyproject.toml holds as well.
HELD = {
    "jupyter-book": "<2",  # another program under the same name, without Sphinx
    "sphinx-book-theme": "<1.3",  # adds a second header
}


def newest() -> list[str]:
    """The names of the first groups; what those need follows from them."""
    chosen, _, _ = REQUIREMENTS.read_text(encoding="utf-8").partition(LAST_GROUP)
    names = re.findall(r"^([\w.-]+)==", chosen, re.MULTILINE)
    return [name + HELD.get(name, "") for name in names]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(newest()) + "\n", encoding="utf-8", newline="\n")
