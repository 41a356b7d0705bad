"""Compare all libraries with the formulas; see `python -m conformance --help`."""

import argparse
import json
from pathlib import Path
from typing import Any

from conformance.matrix import COLUMNS, matrix

FILE = Path(__file__).parents[1] / "data" / "conformance.json"
SIGNS = {
    "equal": "=",
    "equal up to scale": "~",
    "unchanged": "=",
    "differs": "differs",
    "refuses": "refuses",
    "not defined": "n/a",
    "changes the model": "changes",
}
Found = dict[str, Any]


def text(found: Found) -> str:
    """The matrix as it is stored."""
    return json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def table(found: Found) -> str:
    """A line for each row and a word for each cell."""
    lines = [["library", "method", *COLUMNS]]
    for row in found["rows"]:
        cells = row.get("cells", {})
        words = [SIGNS[cells[name]["result"]] if name in cells else "" for name in COLUMNS]
        lines.append([row["library"], row["method"], *words])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """What changed between two matrices, a line for each value."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{path}, {key}")]
    if isinstance(old, list) and isinstance(new, list):
        return differences(_by_name(old), _by_name(new), path)
    return [] if old == new else [f"{path.removeprefix(', ')}: {_short(old)} -> {_short(new)}"]


def _by_name(rows: list[Found]) -> dict[str, Found]:
    return {f"{row['library']} {row['method']}": row for row in rows}


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if isinstance(part, str)) or "a record"
    return "nothing" if value is None else str(value)


def main(arguments: list[str] | None = None) -> int:
    """Write the matrix and print it, or print how it differs from what is written; 1 where it does."""
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, say what differs from the file")
    check = parser.parse_args(arguments).check
    found = matrix()
    if not check:
        FILE.write_text(text(found), encoding="utf-8", newline="\n")
        print(table(found))
        return 0
    changed = differences(json.loads(FILE.read_text(encoding="utf-8")), found)
    print("\n".join(changed) or "nothing differs from data/conformance.json")
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
