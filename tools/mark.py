"""Mark a folder of submitted notebooks: `make mark SUBMISSIONS=folder` writes its marks.csv and marks.html.

The masters are the notebooks of class/student, which `make class` makes. What was submitted runs in its own
order, with the master's setup cell before it and the master's check cells in it; the checks decide. Where a
check cell was edited, deleted or doubled, the row says "tampered", and the master's cell has decided all the
same. Its `check` comes from `helpers.exercises` as its files say at that moment, so that a `check` or a
module that was written over does not count.

`tools.confined` says what it protects: the machine and the next submission. The marks themselves are not safe
from a notebook that sets out to forge them, since it runs in the process of the checks: they are read anew,
but PyTorch and Python are not. Look at a submission whose marks surprise you.
"""

import argparse
import ast
import csv
import io
import re
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import jinja2

from tools.confined import STOP, Limits, run
from tools.confined_cells import MIME, Outcome
from tools.submissions import MASTERS, Cell, Master, Submission, masters, submissions

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "helpers"
LIMITS = Limits()
AT_ONCE = 2
WRITTEN = ("predict", "answer")  # what comes before a check

# For a cell that had to be stopped: the verdict and its sentence.
STOPPED = {
    "time": ("time", "It ran longer than {0.cell:g} s, or the notebook longer than {0.notebook:g} s."),
    "memory": ("memory", "It used more than {0.memory} MB."),
    "died": ("error", "It ended the kernel."),
    "output": ("error", "It printed or showed more than {0.output} MB."),
}

ELSEWHERE = "Something of it stands in another cell than those that were handed out: read it there."

# What runs in place of a check cell: the same code, with a `check` that hands its answers over.
CHECKED = """
def _checked(source, folder, mime, key):
    import importlib.util, sys
    from IPython import get_ipython

    def loaded():
        return [name for name in sys.modules if (name + ".").startswith("helpers.exercises.")]

    def check(label, answer, prediction=None):  # which a prediction does not decide
        verdict = module.check(label, answer)
        found.append(verdict is True)
        return verdict

    found, shell = [], get_ipython()
    sys.dont_write_bytecode = True
    others = {name: sys.modules.pop(name) for name in loaded()}
    spec = importlib.util.spec_from_file_location(
        "helpers.exercises", folder + "/__init__.py", submodule_search_locations=[folder]
    )
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shell.user_ns["check"] = check
    try:
        exec(compile(shell.transform_cell(source), "check", "exec"), shell.user_ns)
    finally:
        shell.display_pub.publish({mime: {"key": key, "found": found}})
        shell.user_ns["check"] = module.check
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(others)
"""


@dataclass(frozen=True)
class Row:
    """One exercise of one student."""

    student: str
    chapter: str
    exercise: str = ""
    verdict: str = ""
    prediction: str = ""  # whether one was committed and ran; "" where the exercise asks for none
    tampered: str = ""
    sentence: str = ""


def arranged(master: Master, cells: list[Cell]) -> list[Cell]:
    """The submission's cells, with the master's setup cell before them and the master's check cells in them.

    A check comes after those cells of its exercise that stand before it in the master, and no earlier than
    where the submission has it.
    """
    order = [(0.0, master.setup)]
    order += [
        (float(k), cell)
        for k, cell in enumerate(cells, 1)
        if cell.code and cell.role != "check" and cell.plain != master.setup.plain
    ]
    for number, check in enumerate(master.cells):
        if check.role == "check":
            before = {
                (cell.label, cell.role) for cell in master.cells[: number + 1] if cell.label == check.label
            }
            places = [k for k, cell in enumerate(cells, 1) if (cell.label, cell.role) in before]
            order.append((max(places, default=len(cells)) + 0.5, check))
    return [cell for _, cell in sorted(order, key=lambda placed: placed[0])]


def marked(master: Master, submission: Submission, limits: Limits, package: Path) -> list[Row]:
    """A row for each exercise of a chapter."""
    blank = [Row(submission.student, master.chapter, label) for label in master.labels]
    if not submission.cells:
        return [replace(row, verdict=submission.verdict, sentence=submission.fault) for row in blank]
    cells = [master.known(cell) for cell in submission.cells]
    order = arranged(master, cells)
    keys = [secrets.token_hex() if cell.role == "check" else "" for cell in order]
    sources = [
        f"{CHECKED}\n_checked({cell.source!r}, {str(package / 'exercises')!r}, {MIME!r}, {key!r})"
        if key
        else cell.source
        for cell, key in zip(order, keys, strict=True)
    ]
    ran = list(zip(order, keys, run(sources, limits, package), strict=True))
    rows = []
    for row in blank:
        own = [cell for cell in cells if cell.label == row.exercise]
        verdict, sentence = _verdict(
            label=row.exercise,
            attempted=_attempted(master, row.exercise, own),
            elsewhere=_elsewhere(master, row.exercise, cells),
            checks=[(key, outcome) for cell, key, outcome in ran if key and cell.label == row.exercise],
            others=[
                outcome for cell, _, outcome in ran if cell.label == row.exercise and cell.role in WRITTEN
            ],
            limits=limits,
        )
        failed = [cell for cell, _, outcome in ran if outcome.error or outcome.stopped]
        prediction = _prediction(master, row.exercise, own, failed)
        tampered = _tampered(master, row.exercise, own)
        rows.append(
            replace(row, verdict=verdict, sentence=sentence, prediction=prediction, tampered=tampered)
        )
    return rows


def _attempted(master: Master, label: str, own: list[Cell]) -> bool:
    """Whether a cell that is to be written is no longer as it was handed out."""
    asked = master.of(label, "answer") or master.of(label, "predict", "experiment", "compare", "reflection")
    roles = {cell.role for cell in asked}
    return any(cell.role in roles and cell.plain not in master.stubs for cell in own)


def _elsewhere(master: Master, label: str, cells: list[Cell]) -> bool:
    """Whether something of it stands in a cell that was not handed out for it."""
    answers = master.of(label, "answer")
    names = {
        name for cell in answers for name in re.findall(r"^(?:def|class) (\w+)", cell.source, re.MULTILINE)
    }
    traces = [rf"^\s*(?:def|class) {name}\b" for name in names] + [
        rf"\bcheck\(\s*[\"']{re.escape(label)}[\"']"
    ]
    given = {cell.plain for cell in master.cells} | master.stubs
    return any(
        re.search(trace, cell.source, re.MULTILINE)
        for cell in cells
        if cell.code and (cell.label, cell.role) not in {(label, "answer"), (label, "check")}
        if cell.plain not in given
        for trace in traces
    )


def _verdict(
    label: str,
    attempted: bool,
    elsewhere: bool,
    checks: list[tuple[str, Outcome]],
    others: list[Outcome],
    limits: Limits,
) -> tuple[str, str]:
    """The verdict on an exercise, and the sentence that goes with it."""
    if not checks:
        return ("by hand", "No check decides this one: read it.") if attempted else ("not attempted", "")
    passed = [_passed(key, outcome) for key, outcome in checks]
    if all(one is True for one in passed):
        return "right", ""
    outcomes = [*others, *(outcome for _, outcome in checks)]
    for stopped in (one.stopped for one in outcomes if one.stopped):
        verdict, sentence = STOPPED[stopped]
        return verdict, sentence.format(limits)
    if not attempted:
        return ("by hand", ELSEWHERE) if elsewhere else ("not attempted", "")
    if False in passed:
        lines = "\n".join(outcome.printed for _, outcome in checks).splitlines()
        said = [line.removeprefix(f"{label}: ") for line in lines if line.startswith(f"{label}: ")]
        return "wrong", said[-1].removeprefix("not yet. ") if said else ""
    return "error", next((one.error for one in outcomes if one.error), "Its check was not called.")


def _passed(key: str, outcome: Outcome) -> bool | None:
    """What a check cell handed over, once and with its key; None where its check did not get so far."""
    found = [data["found"] for data in outcome.data if isinstance(data, dict) and data.get("key") == key]
    return None if outcome.stopped or len(found) != 1 or not found[0] else all(found[0])


def _prediction(master: Master, label: str, own: list[Cell], failed: list[Cell]) -> str:
    """Whether a prediction was committed; "" where none is asked for."""
    if not master.of(label, "predict"):
        return ""
    made = [_complete(cell.source) and cell not in failed for cell in own if cell.role == "predict"]
    return "yes" if made and all(made) else "no"


def _complete(source: str) -> bool:
    """Whether no value is still `...`."""
    try:
        nodes = ast.walk(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not any(isinstance(node, ast.Constant) and node.value is ... for node in nodes)


def _tampered(master: Master, label: str, own: list[Cell]) -> str:
    """Whether the check cells are others than those handed out."""
    given = Counter(cell.plain for cell in master.of(label, "check"))
    return "" if Counter(cell.plain for cell in own if cell.role == "check") == given else "yes"


def mark(
    folder: Path, limits: Limits = LIMITS, handed_out: Path = MASTERS, package: Path = PACKAGE
) -> list[Row]:
    """Mark all submissions of a folder: the rows of the table, a student's together.

    Args:
        folder: where the submissions lie.
        limits: what each notebook may take.
        handed_out: the folder of the masters.
        package: the folder of `helpers`.

    Raises:
        ValueError: there is nothing to mark, or nothing to compare with.
    """
    chapters = masters(handed_out)

    def one(submission: Submission) -> list[Row]:
        failed = Row(submission.student, submission.chapter, verdict="unreadable", sentence=submission.fault)
        if submission.chapter not in chapters:
            return [failed]
        try:
            rows = marked(chapters[submission.chapter], submission, limits, package)
        except Exception as error:
            if STOP.is_set():
                raise
            rows = [replace(failed, sentence=f"The marker failed: {type(error).__name__}: {error}")]
        counts = _counted(Counter(row.verdict for row in rows))
        print(f"{submission.student}, {submission.chapter}: {counts}", flush=True)
        return rows

    handed_in = submissions(folder, chapters)  # all is read before any of it runs
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return [row for rows in pool.map(one, handed_in) for row in rows]
        except KeyboardInterrupt:
            STOP.set()
            pool.shutdown(cancel_futures=True)
            raise


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.items())


# --- the tables


def plain(text: str) -> str:
    """Text on one line, without what a terminal or a spreadsheet would carry out."""
    text = "".join(c if c.isprintable() else " " for c in re.sub(r"\x1b\[[0-9;]*m", "", text))
    return text.encode("utf-8", "replace").decode()


def table(rows: list[Row]) -> str:
    """The rows as CSV; what a spreadsheet would take for a formula begins with an apostrophe."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(one.name for one in fields(Row))
    for row in rows:
        cells = map(plain, astuple(row))
        lines.writerow(f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell for cell in cells)
    return written.getvalue()


@dataclass(frozen=True)
class Summary:
    """A student's exercises, counted."""

    student: str
    right: int
    of: int
    verdicts: str
    predictions: str
    tampered: int


def summaries(rows: list[Row]) -> Iterator[Summary]:
    """A summary for each student."""
    for student in dict.fromkeys(row.student for row in rows):
        own = [row for row in rows if row.student == student]
        counts = Counter(row.verdict for row in own)
        asked = [row.prediction for row in own if row.prediction]
        yield Summary(
            student=student,
            right=counts.pop("right", 0),
            of=sum(bool(row.exercise) for row in own),
            verdicts=_counted(counts),
            predictions=f"{asked.count('yes')} of {len(asked)}",
            tampered=sum(row.tampered == "yes" for row in own),
        )


def page(rows: list[Row]) -> str:
    """The rows as a page, with a summary for each student."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    template = environment.from_string((ROOT / "tools" / "marks.html").read_text(encoding="utf-8"))
    return template.render(rows=rows, students=list(summaries(rows))) + "\n"


def _shown(value: Any) -> Any:
    return plain(value) if type(value) is str else value


def write(path: Path, text: str) -> None:
    """Write a whole file or none."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8", newline="\n")
    new.replace(path)


def main() -> None:
    """Mark the folder that the command line names."""
    command = argparse.ArgumentParser(prog="python -m tools.mark", description="Mark submitted notebooks.")
    command.add_argument("folder", type=Path, help="a folder for each student, or files name_chapter.ipynb")
    command.add_argument("--out", type=Path, help="where marks.csv and marks.html go (the same folder)")
    command.add_argument("--cell", type=float, default=LIMITS.cell, help="seconds a cell (%(default)s)")
    command.add_argument(
        "--notebook", type=float, default=LIMITS.notebook, help="seconds a notebook (%(default)s)"
    )
    command.add_argument("--memory", type=int, default=LIMITS.memory, help="MB a notebook (%(default)s)")
    given = command.parse_args()
    out = given.out or given.folder
    limits = replace(LIMITS, cell=given.cell, notebook=given.notebook, memory=given.memory)
    try:
        rows = mark(given.folder, limits, MASTERS)
        out.mkdir(parents=True, exist_ok=True)
        write(out / "marks.csv", f"\ufeff{table(rows)}")  # without this mark Excel garbles names
        write(out / "marks.html", page(rows))
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted: nothing was written.")
    print(f"The marks are in {out / 'marks.csv'} and {out / 'marks.html'}")


if __name__ == "__main__":
    main()
