"""The process in which `tools.confined` runs cells: it starts the kernel and says how each cell ends."""

import ctypes
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat.v4 import new_code_cell, new_notebook

PR_SET_CHILD_SUBREAPER = 36
MIME = "application/x-confined"  # the kind of output that `Outcome.data` collects


@dataclass
class Outcome:
    """What became of a cell: what it printed, what it handed over, how it ended."""

    printed: str = ""
    data: list[Any] = field(default_factory=list)
    error: str = ""  # the exception's last line
    stopped: str = ""  # "time", "memory", "died" or "output", where the cell had to be left out


class _Client(NotebookClient):
    """Keeps what a cell prints and hands over, and nothing else; ends everything where that is too much."""

    def __init__(self, notebook: nbformat.NotebookNode, most: int) -> None:
        super().__init__(
            notebook, kernel_name="python3", timeout=None, allow_errors=True, shutdown_kernel="immediate"
        )
        self.most = most
        self.taken = 0
        self.outcome = Outcome()

    def begin(self, cell: nbformat.NotebookNode, cell_index: int) -> None:
        self.taken, self.outcome = 0, Outcome()
        _say(start=cell.metadata.number)

    def finish(self, cell: nbformat.NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        reply = execute_reply["content"]
        if any(part.get("source") == "ask_exit" for part in reply.get("payload", [])):
            _end("died")  # exit() ends the kernel a second later, in somebody else's cell
        if reply["status"] == "error":
            said = re.sub(r" \(\d+\.py, line", " (line", str(reply.get("evalue", ""))).strip().splitlines()
            self.outcome.error = ": ".join([reply.get("ename", "Error"), *said[:1]])[:500]
        self.outcome.printed = self.outcome.printed[-10_000:]
        _say(outcome=vars(self.outcome))

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> None:
        content = msg["content"]
        if msg["msg_type"] == "status":
            super().process_message(msg, cell, cell_index)
            return
        self.taken += len(json.dumps(content, default=str))
        if self.taken > self.most:
            _end("output")
        if msg["msg_type"] == "stream" and content["name"] == "stdout":
            self.outcome.printed += content["text"]
        elif msg["msg_type"] == "display_data" and MIME in content["data"]:
            self.outcome.data.append(content["data"][MIME])


def _say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def _end(reason: str) -> None:
    """Say that it is over, and wait to be killed: what has lost its parent must find this process alive."""
    _say(ended=reason)
    threading.Event().wait()


def _limit(file: int) -> None:
    """What the operating system itself can keep to, for this process and all that it starts."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file, file))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans become this process's children
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")  # first to go without memory


def _end_with_the_caller() -> None:
    """Wait for the end of stdin, which comes when the caller is killed; then end all that runs."""
    sys.stdin.read()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            process.kill()
    os._exit(1)


def main() -> None:
    """Run the cells that stdin's first line names; say on stdout when one starts and how it ends."""
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    _limit(job["file"])
    cells = [new_code_cell(code, metadata={"number": int(k)}) for k, code in job["cells"].items()]
    client = _Client(new_notebook(cells=cells), job["output"])
    client.on_cell_start = client.begin
    client.on_cell_executed = client.finish
    silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    try:
        client.execute(cwd=sys.argv[1], **silent)  # no cell reaches the pipe on which this process reports
    except DeadKernelError:
        _end("died")
    _end("")


if __name__ == "__main__":
    main()
