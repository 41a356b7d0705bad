"""Run the cells of a notebook that somebody else wrote, so that nothing they do outlasts them.

A process of its own starts a kernel and runs the cells; the caller watches time and memory of both and of all
that they start, and kills them together, loops in C included. A cell that does not come back is left out, and
the others run again without it. The working folder, the home folder, the copy of `helpers` and the temporary
files are thrown away afterwards; of the environment's variables a cell sees only those of `KEPT`.

Accidents end here. Malice does not: the cells run as you, may read and write what you may where they know its
path, and reach the network. Run what you do not trust in an account or on a machine that you can lose.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import matplotlib
import pooch
import psutil

from tools.confined_cells import Outcome

ROOT = Path(__file__).parents[1]
# What a kernel needs to start; the second line is for Windows.
KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "VIRTUAL_ENV")
KEPT += ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "NUMBER_OF_PROCESSORS")
MB = 2**20
STOP = threading.Event()  # set, it ends all that runs
STARTING = 120  # seconds that a kernel may take to start on a busy machine


@dataclass(frozen=True)
class Limits:
    """How much a notebook may take: seconds and megabytes."""

    cell: float = 120
    notebook: float = 900
    memory: int = 3000  # all its processes together
    output: int = 20  # what one cell prints and shows
    file: int = 500  # one file that it writes (not on Windows)


def run(sources: list[str], limits: Limits, package: Path = ROOT / "helpers") -> list[Outcome]:
    """Run cells one after the other in one kernel; an exception does not keep the next ones from running.

    Args:
        sources: the cells' code.
        limits: the notebook's time is that of all attempts together.
        package: the folder of `helpers`, of which the kernel gets a copy.

    Raises:
        RuntimeError: no kernel started.
    """
    outcomes: dict[int, Outcome] = {}
    left_out: dict[int, str] = {}
    end = time.monotonic() + limits.notebook
    while True:
        todo = {k: source for k, source in enumerate(sources) if k not in left_out}
        with _folders(package) as (folder, environment):
            at, reason = _attempt(todo, outcomes, limits, end, folder, environment)
        if not reason:
            break
        if at < 0 and not left_out:
            raise RuntimeError(f"No kernel started ({reason}): see whether a notebook runs in `make lab`.")
        left_out[at] = reason
        if time.monotonic() > end:
            left_out = {k: "time" for k in todo if k not in outcomes} | left_out
            break
    return [
        Outcome(stopped=left_out[k]) if k in left_out else outcomes.get(k, Outcome())
        for k in range(len(sources))
    ]


def _attempt(
    sources: dict[int, str],
    outcomes: dict[int, Outcome],
    limits: Limits,
    end: float,
    folder: Path,
    environment: dict[str, str],
) -> tuple[int, str]:
    """Run the cells once, note the outcomes; which cell had to be stopped, and why ("" where none was)."""
    job = json.dumps({"cells": sources, "output": limits.output * MB, "file": limits.file * MB})
    runner = subprocess.Popen(
        [sys.executable, "-m", "tools.confined_cells", str(folder)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(runner.stdout, events), daemon=True).start()
        runner.stdin.write(job.encode() + b"\n")
        runner.stdin.flush()
        return _watch(runner, events, outcomes, limits, end)
    finally:
        _kill(runner, environment["CONFINED"])
        runner.stdin.close()


def _listen(stream: IO[bytes], events: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Pass on what the runner says, a line for each event, and that it has ended."""
    with stream, suppress(ValueError):  # the end may cut a line
        for line in stream:
            events.put(json.loads(line))
    events.put({"ended": "died"})


def _watch(
    runner: "subprocess.Popen[bytes]",
    events: "queue.SimpleQueue[dict[str, Any]]",
    outcomes: dict[int, Outcome],
    limits: Limits,
    end: float,
) -> tuple[int, str]:
    """Note the outcomes until the runner is done, or has to go: the last cell that started, and why."""
    at, since = -1, time.monotonic()
    while True:
        event: dict[str, Any] = {}
        with suppress(queue.Empty):
            event = events.get(timeout=0.1)
        now = time.monotonic()
        if "start" in event:
            at, since = event["start"], now
        elif "outcome" in event:
            outcomes[at] = Outcome(**event["outcome"])
        elif "ended" in event:
            return at, event["ended"]
        if STOP.is_set():
            raise InterruptedError
        if now > min(since + (STARTING if at < 0 else limits.cell), end):
            return at, "time"
        if _memory(runner.pid) > limits.memory * MB:
            return at, "memory"


def _memory(pid: int) -> int:
    """The memory of a process and of all that descend from it."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def _kill(runner: "subprocess.Popen[bytes]", token: str) -> None:
    """End the runner and all that it has started, also what has left its session or lost its parent."""
    for _ in range(100):  # what is being started meanwhile goes in the next round
        family = list(_family(runner.pid, token))
        if not family:
            break
        for process in family:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)
    runner.kill()  # last: on Linux orphans come back to it
    runner.wait()


def _family(pid: int, token: str) -> Iterator[psutil.Process]:
    found = {}
    with suppress(psutil.Error):
        found = {one.pid: one for one in psutil.Process(pid).children(recursive=True)}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != pid and process.environ().get("CONFINED") == token:
                found[process.pid] = process
    for process in found.values():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process


@contextmanager
def _folders(package: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder to work in, and the environment that leads there."""
    with tempfile.TemporaryDirectory(prefix="confined-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve()
        home, scratch, library = root / "home", root / "scratch", root / "library"
        work = home.joinpath("a", "b", "c", "d", "work")  # so deep that ../../x stays inside
        for folder in (work, scratch):
            folder.mkdir(parents=True)
        without = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, library / "helpers", ignore=without)
        if (data := package.parent / "data").is_dir():
            shutil.copytree(data, library / "helpers" / "data", ignore=without)
        fonts = root / "matplotlib"  # their list takes long to make
        shutil.copytree(matplotlib.get_cachedir(), fonts)
        yield work, _environment(home, scratch, library, fonts)


def _environment(home: Path, scratch: Path, library: Path, fonts: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    caches = {  # of photos and weights, which are too large to copy
        "SEEING_CNN_CACHE": os.environ.get("SEEING_CNN_CACHE", str(pooch.os_cache("seeing-what-a-cnn-sees"))),
        "TORCH_HOME": os.environ.get("TORCH_HOME", str(Path(cache, "torch"))),
    }
    return (
        kept
        | caches
        | dict.fromkeys(("HOME", "USERPROFILE"), str(home))
        | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
        | dict.fromkeys(("PIP_NO_INDEX", "PIP_DRY_RUN"), "1")  # %pip install changes nothing
        | {"OMP_NUM_THREADS": "1"}
        | {"PYTHONPATH": str(library), "MPLCONFIGDIR": str(fonts), "CONFINED": uuid.uuid4().hex}
    )
