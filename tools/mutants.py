"""Change helpers in small ways, one at a time, and show which changes no test notices.

The changes are mutmut's (an operator, a number, an argument, a condition, a string). Each is made in memory:
a forked process imports the changed module in place of the file and runs the module's tests until one fails.
What an error says is not changed, nor are types and the list of public names.
"""

import argparse
import collections
import contextlib
import difflib
import importlib
import importlib.abc
import importlib.util
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

ROOT = Path(__file__).parents[1]
ACCEPTED = ROOT / "tools" / "accepted_mutants.txt"
PROCESSES = 2
# Where a module's tests are not tests/test_<module>.py and its own examples.
TESTS = {"scores": ["helpers/scores.py", "tests/test_cam.py", "tests/test_checks.py", "tests/test_hooks.py"]}
QUICK = "not network and not browser and not cuda"


@dataclass(frozen=True)
class Mutant:
    """One change: where, what the lines said before and after, and the changed module's source."""

    file: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        """As an editor finds it, and as accepted_mutants.txt wants it."""
        return f"{self.file}:{self.line}\n- {self.before}\n+ {self.after}"


class _Visitor(MutationVisitor):
    """Mutmut's, but functions with a decorator are changed, too, since nothing is copied here."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Raise | cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
            return True
        if isinstance(node, cst.Assign) and cst.Module([]).code_for_node(node).startswith("__all__"):
            return True
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)

    def _create_mutations(self, node: cst.CSTNode) -> None:
        known = len(self.mutations)
        super()._create_mutations(node)
        for mutation in self.mutations[known:]:
            mutation.line = self.get_metadata(PositionProvider, node).start.line


def mutants(path: Path, lines: set[int] | None = None, sample: int | None = None) -> Iterator[Mutant]:
    """The changes of a file that begin on one of the lines (None: on any), all or so many drawn by lot."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text(encoding="utf-8")))
    visitor = _Visitor(mutation_operators, IgnoredCode(set(), set(), set()), lines)
    wrapper.visit(visitor)
    found = visitor.mutations
    for mutation in found if sample is None else random.sample(found, min(sample, len(found))):
        changed = deep_replace(wrapper.module, mutation.original_node, mutation.mutated_node).code
        if _compiles(changed):
            before, after = _difference(wrapper.module.code, changed)
            yield Mutant(path.relative_to(ROOT).as_posix(), mutation.line, before, after, changed)


def _difference(original: str, changed: str) -> tuple[str, str]:
    lines = difflib.unified_diff(original.splitlines(), changed.splitlines(), n=0, lineterm="")
    parts = list(lines)[2:]
    before, after = (" ".join(line[1:].strip() for line in parts if line[0] == sign) for sign in "-+")
    return before, after


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def touched(base: str) -> dict[Path, set[int] | None]:
    """The lines of helpers that differ from a commit, by file."""
    command = ["git", "diff", "--unified=0", "--no-color", base, "--", "helpers/*.py"]
    diff = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: dict[Path, set[int] | None] = {}
    for part in re.split(r"^diff --git .*\n", diff, flags=re.MULTILINE)[1:]:
        hunks = re.findall(r"^@@ .*?\+(\d+)(?:,(\d+))? @@", part, re.MULTILINE)
        lines = {int(start) + i for start, count in hunks for i in range(int(count or 1))}
        if name := re.search(r"^\+\+\+ b/(.*)$", part, re.MULTILINE):
            found[ROOT / name[1]] = lines
    return found


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = mutant.file.removesuffix(".py").replace("/", ".")
        self.path = str(ROOT / mutant.file)
        self.source = mutant.source

    def find_spec(self, name: str, *_: object) -> object:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_filename(self, _: str) -> str:
        return self.path

    def get_data(self, path: str) -> bytes:
        if path != self.path:  # no stored bytecode
            raise OSError(path)
        return self.source.encode()


class _QuickestFirst:
    """Orders the tests by the seconds that they took without any change: most mutants fall within a few."""

    def __init__(self, times: Path) -> None:
        self.times = times
        self.seconds: dict[str, float] = (
            json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
        )
        self.took: collections.Counter[str] = collections.Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: self.seconds.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.took[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        if not self.times.exists():
            self.times.write_text(json.dumps(self.took), encoding="utf-8", newline="\n")


def _pytest(file: str, *more: str, plugins: tuple[object, ...] = ()) -> int:
    name = Path(file).stem
    tests = TESTS.get(name, [f"tests/test_{name}.py", file])
    shared = "ignore:Module already imported"
    options = [*tests, "-x", "-q", "-m", QUICK, "-W", shared, "-p", "no:cacheprovider", *more]
    return int(pytest.main(options, list(plugins)))


def _prepare(file: str) -> None:
    """Import once what all processes need: all that the tests import, without helpers and the tests."""
    with contextlib.redirect_stdout(io.StringIO()):
        _pytest(file, "--collect-only")
    ours = (str(ROOT / "helpers"), str(ROOT / "tests"))
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(ours):
            del sys.modules[name]


def _run(mutant: Mutant, folder: str, times: Path) -> None:
    """In a forked process: the tests against the changed module; never returns."""
    code = 1
    try:
        changed = _Changed(mutant)
        sys.meta_path.insert(0, changed)
        importlib.import_module(changed.name)  # before pytest, which would import the file itself
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        code = _pytest(mutant.file, f"--basetemp={folder}", plugins=(_QuickestFirst(times),))
    finally:
        os._exit(code)


def _verdicts(pending: Iterator[Mutant], limit: float, times: Path) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with "killed", "survived" or "timeout" as they come, some running side by side."""
    running: dict[int, tuple[Mutant, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        while True:
            while len(running) < PROCESSES and (mutant := next(pending, None)):
                child = os.fork()
                if not child:
                    _run(mutant, f"{folder}/{os.getpid()}", times)
                running[child] = mutant, time.monotonic() + limit
            if not running:
                return
            for child, (mutant, end) in list(running.items()):
                done, status = os.waitpid(child, os.WNOHANG)
                late = not done and time.monotonic() > end
                if late:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                if done or late:
                    del running[child]
                    shutil.rmtree(f"{folder}/{child}", ignore_errors=True)
                    yield mutant, "timeout" if late else "killed" if status else "survived"
            time.sleep(0.05)


def accepted() -> dict[tuple[str, str, str], str]:
    """The changes that may survive, with the reason: they change nothing, or nothing that matters."""
    text = ACCEPTED.read_text(encoding="utf-8") if ACCEPTED.exists() else ""
    pattern = re.compile(r"^(helpers/\S+)\n- (.*)\n\+ (.*)\n= (.+)$", re.MULTILINE)
    return {(file, before, after): reason for file, before, after, reason in pattern.findall(text)}


def _survivors(path: Path, found: Iterator[Mutant], times: Path) -> int:
    """How many changes survive that are not accepted; prints each, and a line for the module."""
    start, allowed = time.monotonic(), accepted()
    counts: collections.Counter[str] = collections.Counter()
    _prepare(path.relative_to(ROOT).as_posix())
    as_it_is = Mutant(path.relative_to(ROOT).as_posix(), 1, "", "", path.read_text(encoding="utf-8"))
    if [verdict for _, verdict in _verdicts(iter([as_it_is]), 1200, times)] != ["survived"]:
        sys.exit(f"The tests of {as_it_is.file} fail without any change: mend them first.")
    for mutant, verdict in _verdicts(found, 30 + 5 * (time.monotonic() - start), times):
        if verdict == "survived" and (mutant.file, mutant.before, mutant.after) in allowed:
            verdict = "accepted"
        if verdict == "survived":
            print(mutant, flush=True)
        counts[verdict] += 1
        print(f"{as_it_is.file}: {dict(counts)}", file=sys.stderr, end="\r")
    print(f"== {as_it_is.file}: {counts.total()} changes, {dict(counts)}", flush=True)
    return counts["survived"]


def main() -> None:
    """Print the survivors; exit with 1 where there is one that is not accepted."""
    if not hasattr(os, "fork"):
        sys.exit("Expected a system that forks, this is Windows: run make mutants on Linux or macOS.")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as cam; all where none is named")
    parser.add_argument("--base", default="HEAD~", help="change only lines that differ from this commit")
    parser.add_argument("--all", action="store_true", help="change all lines")
    parser.add_argument("--sample", type=int, help="at most so many changes of a module, drawn by lot")
    options = parser.parse_args()
    everything = dict.fromkeys((ROOT / "helpers").glob("*.py"))
    lines = everything if options.all else touched(options.base)
    chosen = [path for path in sorted(lines) if not options.modules or path.stem in options.modules]
    with tempfile.TemporaryDirectory() as folder:
        survivors = sum(
            _survivors(path, mutants(path, lines[path], options.sample), Path(folder, f"{path.stem}.json"))
            for path in chosen
        )
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
