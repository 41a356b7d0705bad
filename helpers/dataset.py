"""A folder of pictures, explained on one machine or many: Parquet files with one row a picture.

It needs the extra `dataset`: `pip install "seeing-what-a-cnn-sees[dataset]"`. From a shell,
`explain-folder FOLDER OUT` does it all, and `explain-folder --help` says the rest. Built step by step in
chapter 17.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import hashlib
import importlib.metadata
import json
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from helpers.cam import logits_and_cam
from helpers.classifiers import Classifier, classifier_names, load_classifier
from helpers.hooks import Capture, capture
from helpers.images import FORMATS, load_image

try:
    import dask
    import distributed
    import pyarrow as pa
    import pyarrow.dataset
    import pyarrow.parquet as pq
    from distributed.comm.core import CommClosedError
    from tqdm import tqdm  # type: ignore[import-untyped]
except ImportError as error:
    _missing: str | None = error.name
else:
    _missing = None

__all__ = ["Summary", "explain", "explain_folder", "main", "pictures", "read"]

SUFFIXES = frozenset(
    suffix for suffix, format_ in Image.registered_extensions().items() if format_ in FORMATS
)
MANIFEST = "manifest.json"
MADE_BY = "helpers.dataset"
TOP = 5
# A part is begun anew when its worker dies, and the last one keeps all waiting: a second's work.
LARGEST_PART = 32
RETRIES = 2  # of a part that fails, such as by a network's hiccup
SECONDS_FOR_A_WORKER = 60
SECONDS_TO_CONNECT = 10
SHARED = "give folders of a file system that all machines share, under the same path"
# Dask forgets a worker that does not come back in time, 15 s by itself: less than a busy machine needs.
PATIENCE = {"distributed.deploy.lost-worker-timeout": f"{SECONDS_FOR_A_WORKER} s"}
# A terminal sends Ctrl-C to the workers, too, which would answer with tracebacks.
DEAF_TO_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as glibc's malloc.h numbers them


@dataclass(frozen=True)
class Summary:
    """What a run of `explain_folder` did.

    Attributes:
        pictures: rows of the result, one a picture.
        computed: how many of them this run computed; earlier runs had computed the others.
        errors: how many of them hold an error in place of a map.
    """

    pictures: int
    computed: int
    errors: int


@dataclass(frozen=True)
class _Job:
    """What all workers are told: the folders, and everything else that a row depends on."""

    folder: str
    out: str
    network: str
    layer: str | None
    versions: str


@dataclass(frozen=True)
class _File:
    name: str
    size: int
    modified: int


@dataclass(frozen=True)
class _Part:
    """Some pictures whose rows share a file.

    A part is named by the names, sizes and times of its pictures, the network, the layer and the versions:
    what has changed has no file yet, and nothing else is computed again. Checksums would need every file to
    be read before the first is explained.
    """

    files: tuple[_File, ...]
    key: str

    @property
    def finished(self) -> str:
        """The name of its file."""
        return f"{self.key}.parquet"

    @property
    def again(self) -> str:
        """The name of its file where the system kept a picture from being read: the next run tries again."""
        return f"{self.key}.again.parquet"


def pictures(folder: str | Path) -> list[str]:
    """The names of a folder's pictures, also in folders below it, sorted.

    Pictures are told by their suffix (.jpg, .png, .webp and so on, in upper case too). Names that begin with
    a dot are passed over, and so are links to folders.

    Returns:
        Paths relative to the folder, with `/` on every system.

    Raises:
        NotADirectoryError: there is no such folder.
        OSError: it, or a folder below it, cannot be read.

    >>> pictures(Path(__file__).parent)
    []
    """
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"There is no folder {str(folder)!r}: give the path of one with pictures.")
    found = []
    for where, below, names in os.walk(folder, onerror=_refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        at = Path(where).relative_to(folder)
        found += [(at / name).as_posix() for name in names if _is_picture(name)]
    return sorted(found)


def explain(
    folder: str | Path,
    names: Iterable[str],
    network: str = "efficientnet_lite0",
    layer: str | None = None,
) -> pa.Table:
    """A few pictures explained one after the other, in this process: a row each.

    A file that cannot be read becomes a row, too, with the reason. Larger batches gain nothing on a CPU.

    Args:
        folder: where the pictures are.
        names: their paths relative to it, as `pictures` gives them.
        network: a name that `load_classifier` knows; its model's device is followed.
        layer: a module's name in the network; None for the classifier's own.

    Returns:
        A table with the columns

        - `name`; `sha256` of the file, null where the system did not give it;
        - `error`: null, or in one sentence why there is no answer, and then the next four are null;
        - `classes`, `labels`, `logits`: lists of the five best, best first; int32, str, float32;
        - `cam`: the Grad-CAM map of the best class, h lists of w float16, zero or more, in logit units;
        - `network`, `layer`, `versions`: what computed it.

    Raises:
        ImportError: the extra `dataset` is not installed.
        ValueError, FileNotFoundError, ConnectionError: there is no such network or layer, or its weights
            cannot be had, as `load_classifier` and `grad_cam` say.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_image("mastiff").save(Path(folder, "dog.png"))
    ...     _ = Path(folder, "empty.png").write_bytes(b"")
    ...     table = explain(folder, pictures(folder))
    >>> table["name"].to_pylist(), table["labels"][0].as_py()[:2]
    (['dog.png', 'empty.png'], ['bull mastiff', 'boxer'])
    >>> len(table["cam"][0]), table["error"][1].as_py()
    (7, 'empty.png is empty: expected a picture (AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP).')
    """
    _check_extra()
    clf = load_classifier(network)
    how = {"network": network, "layer": layer or _name_of(clf), "versions": _versions()}
    with capture(clf.model, layer or clf.layer) as caught:
        rows = [_row(clf, caught, Path(folder), name) | how for name in names]
    return pa.Table.from_pylist(rows, schema=_schema())


def explain_folder(
    folder: str | Path,
    out: str | Path,
    client: distributed.Client | None = None,
    network: str = "efficientnet_lite0",
    layer: str | None = None,
    workers: int | None = None,
) -> Summary:
    """Explain all pictures of a folder on this machine, or on all machines of a cluster.

    Parts of a few pictures each are computed by Dask's workers and written whole or not at all. A run that
    was interrupted, whatever by, goes on where it stopped when it is started again: a part whose pictures (by
    name, size and time), network, layer and versions have not changed is never computed again. Parts of
    earlier runs are left in `out`; `read` passes over those that the latest run did not ask for. A progress
    bar shows in a terminal.

    A picture that cannot be read becomes a row with an error, and so does one that kills the worker that
    explains it, twice and then alone. Where the system was the reason, the next run tries again.

    Args:
        folder: the pictures, as `pictures` finds them. On a cluster this and `out` must be folders of a file
            system that all machines share, under the same path.
        out: the folder for the result, made where it is missing.
        client: a `distributed.Client`, of this machine (`Client(n_workers=2, threads_per_worker=1)`) or of a
            cluster (`Client("tcp://scheduler:8786")`). None starts workers here, and ends them again. A
            script that starts workers needs `if __name__ == "__main__":` around it.
        network, layer: as for `explain`. Where a worker has a GPU, the network runs there.
        workers: how many processes to start where there is no client; None for one a core.

    Returns:
        A `Summary`; `read(out)` gives the rows.

    Raises:
        ImportError: the extra `dataset` is not installed.
        ValueError: the folder holds no picture, or as `explain` says.
        OSError: a folder cannot be read or written, by this process or by a worker, or the disk is full.
        RuntimeError: a worker has other versions, or the scheduler is gone.
        TimeoutError: the cluster has no workers.

    On each machine of a cluster: `dask worker tcp://scheduler:8786 --nworkers N --nthreads 1`, N being its
    cores. A worker with several threads gives all of them to one picture at a time, which is slower. With
    several GPUs each worker must see one only (`CUDA_VISIBLE_DEVICES`). A run whose workers are all gone
    waits for new ones.
    """
    _check_extra()
    job = _Job(str(Path(folder).resolve()), str(Path(out).resolve()), network, layer, _versions())
    files = [_state(job.folder, name) for name in pictures(job.folder)]
    if not files:
        raise ValueError(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))}): give another folder.")
    there = _prepared(Path(job.out))
    parts = [one for part in _parts(job, files) for one in _as_begun(job, part, there)]
    _write_manifest(job, len(files), [part.finished for part in parts])
    todo = [part for part in parts if part.finished not in there]
    todo.sort(key=lambda part: len(part.files), reverse=True)  # so that the last ones are soon done
    written: dict[str, list[str]] = {part.key: [part.finished] for part in parts}
    if todo:
        with contextlib.nullcontext(client) if client else _local_client(workers, len(todo)) as hands:
            written |= _compute(hands, job, todo, already=len(files) - _count(todo))
    _write_manifest(job, len(files), [name for part in parts for name in written[part.key]])
    errors = len(files) - read(out, columns=["error"])["error"].null_count
    return Summary(len(files), _count(todo), errors)


def read(out: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """What the latest run of `explain_folder` found, in the order of the names.

    Args:
        out: the folder that it was given.
        columns: the names of some columns, which is faster; None for all of them.

    Returns:
        A table, a row a picture, as `explain` describes it. Without the rows that have an error, all maps
        make one array: `np.array(table["cam"].to_pylist())`, (N, h, w).

    Raises:
        ImportError: the extra `dataset` is not installed.
        FileNotFoundError: the folder holds no result, or the run has not finished.
        ValueError: a file is damaged, or there is no such column.
    """
    _check_extra()
    names, count = _manifest(Path(out))
    missing = len(set(names) - _listed(Path(out)))
    if missing:
        raise FileNotFoundError(
            f"{out} lacks {missing} of its {len(names)} parts, since the run has not finished: start it "
            "again, and it goes on where it stopped."
        )
    try:
        schema = _schema()
        chosen = pyarrow.dataset.dataset([str(Path(out, name)) for name in names], schema, format="parquet")
        table = chosen.to_table(columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(
            f"{out} cannot be read ({_one_line(error)}): name columns that there are; delete a damaged file, "
            "and start the run again."
        ) from error
    if len(table) != count:
        raise ValueError(f"{out} holds {len(table)} rows of {count}: delete it and explain the folder again.")
    return table


def main(argv: Sequence[str] | None = None) -> int:
    """The command `explain-folder`.

    Args:
        argv: its arguments; None for those of the process.

    Returns:
        The exit code, as `--help` explains it.
    """
    options = _parser().parse_args(argv)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    try:
        done = _explain_as_asked(options)
    except KeyboardInterrupt:
        return _complain(
            "interrupted; what is finished is kept, and the same command goes on from there.", 130
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        return _complain(_one_line(error), 2)
    finally:
        signal.signal(signal.SIGTERM, before)
    print(f"{done.pictures} pictures are explained in {options.out}, {done.computed} of them by this run.")
    if done.errors:
        return _complain(f"{done.errors} could not be explained: the column `error` says why.", 1)
    return 0


def _complain(sentence: str, code: int) -> int:
    print(f"explain-folder: {sentence}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="explain-folder",
        description="Explain every picture of FOLDER with Grad-CAM and write Parquet files, one row a "
        "picture, into OUT. Started again, it goes on where it stopped.",
        epilog="exit codes: 0 all pictures are explained; 1 it is done, but some pictures could not be "
        "explained, as the column `error` says; 2 it cannot be done, or the command is wrong; 130 it was "
        "interrupted. What is finished is kept in every case.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="the pictures, also in folders below it")
    parser.add_argument("out", metavar="OUT", help="the folder for the result; made where it is missing")
    parser.add_argument(
        "--network", choices=classifier_names(), default="efficientnet_lite0", help="default: %(default)s"
    )
    parser.add_argument("--layer", help="a layer of the network by name; default: its last map")
    hands = parser.add_mutually_exclusive_group()
    hands.add_argument("--workers", type=_number, help="processes on this machine; default: one a core")
    hands.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster, such as tcp://host:8786; it must see both folders",
    )
    return parser


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _explain_as_asked(options: argparse.Namespace) -> Summary:
    _check_extra()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # their tracebacks; ours is one sentence
    with contextlib.ExitStack() as ends:
        client = options.scheduler and ends.enter_context(_connected(options.scheduler))
        return explain_folder(
            options.folder, options.out, client or None, options.network, options.layer, options.workers
        )


def _connected(address: str) -> distributed.Client:
    try:
        return distributed.Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError, TypeError) as error:
        raise ConnectionError(
            f"No scheduler answers at {address}: start one with `dask scheduler`, which says its address."
        ) from error


def _check_extra() -> None:
    if _missing:
        raise ImportError(
            f"{_missing} is missing, which helpers.dataset needs: "
            'pip install "seeing-what-a-cnn-sees[dataset]".'
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _refuse(error: OSError) -> None:
    raise OSError(
        f"The folder {str(error.filename)!r} cannot be read ({error.strerror}): check who may."
    ) from error


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


@functools.cache
def _schema() -> pa.Schema:
    return pa.schema(
        {
            "name": pa.string(),
            "sha256": pa.string(),
            "error": pa.string(),
            "classes": pa.list_(pa.int32()),
            "labels": pa.list_(pa.string()),
            "logits": pa.list_(pa.float32()),
            "cam": pa.list_(pa.list_(pa.float16())),
            "network": pa.string(),
            "layer": pa.string(),
            "versions": pa.string(),
        }
    )


@functools.cache
def _versions() -> str:
    """What else decides about a row; without the builds, such as +cpu, which a cluster may mix."""
    packages = {"helpers": "seeing-what-a-cnn-sees"}
    packages |= {name: name for name in ("torch", "torchvision", "timm", "pillow")}
    found = {name: importlib.metadata.version(package) for name, package in packages.items()}
    return ", ".join(f"{name} {version.split('+')[0]}" for name, version in found.items())


# --- one picture


def _name_of(clf: Classifier) -> str:
    name: str = next(name for name, module in clf.model.named_modules() if module is clf.layer)
    return name


def _row(clf: Classifier, caught: Capture, folder: Path, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": _shown(name)}
    path = folder / name
    try:
        row["sha256"] = _checksum(path)
        x = clf.preprocessing(load_image(path))[None]
    except (OSError, MemoryError) as error:  # not the file's fault
        reason = getattr(error, "strerror", None) or _one_line(error)
        said = f"{row['name']} cannot be read ({reason}): the next run tries again."
        return row | {"sha256": None, "error": said}
    except Exception as error:  # a damaged file fails in many ways
        return row | {"error": _one_line(error).replace(str(path), row["name"])}
    logits, cam = logits_and_cam(caught, clf.model, x.to(next(clf.model.parameters())))
    best = logits[0].topk(TOP)
    classes = best.indices.tolist()
    return row | {
        "classes": classes,
        "labels": [clf.categories[index] for index in classes],
        "logits": best.values.tolist(),
        "cam": cam[0].tolist(),
    }


def _checksum(path: Path) -> str:
    if not path.is_file():  # a pipe would never end
        raise FileNotFoundError(None, "no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shown(name: str) -> str:
    """A name as text, also where the file system's bytes are none."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# --- parts


def _state(folder: str, name: str) -> _File:
    try:
        status = Path(folder, name).stat()
    except OSError:  # its row will say so
        return _File(name, -1, -1)
    return _File(name, status.st_size, status.st_mtime_ns)


def _parts(job: _Job, files: Iterable[_File]) -> Iterator[_Part]:
    """Runs of pictures, cut by the names alone: one more picture changes one part, and not all behind it."""
    run: list[_File] = []
    for file in files:
        run.append(file)
        drawn = hashlib.sha256(os.fsencode(file.name)).digest()[0]
        if drawn < 2 * 256 // LARGEST_PART or len(run) == LARGEST_PART:
            yield _part(job, run)
            run = []
    if run:
        yield _part(job, run)


def _part(job: _Job, files: Sequence[_File]) -> _Part:
    identity = [job.network, job.layer, job.versions, *(list(asdict(file).values()) for file in files)]
    return _Part(tuple(files), hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:40])


def _alone(job: _Job, part: _Part) -> list[_Part]:
    """A part for each picture of a part."""
    return [_part(job, [file]) for file in part.files]


def _as_begun(job: _Job, part: _Part, there: set[str]) -> list[_Part]:
    """A part as it is, or picture by picture where an earlier run had to explain it so."""
    if part.finished not in there:
        alone = _alone(job, part)
        if any(one.finished in there for one in alone):
            return alone
    return [part]


def _count(parts: Iterable[_Part]) -> int:
    return sum(len(part.files) for part in parts)


# --- files


def _prepared(out: Path) -> set[str]:
    """Make the folder, clear away what killed workers left half written, and tell what is there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob("*.tmp"):
            left.unlink(missing_ok=True)
        return _listed(out)
    except OSError as error:
        raise OSError(
            f"{out} cannot be used for the result ({error.strerror}): give another folder."
        ) from error


def _listed(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there as a whole or not at all, whatever ends the process."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(
            f"{path.parent} cannot be written ({error.strerror}): what is finished is kept; mend that, and "
            "start the run again."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write_table(job: _Job, part: _Part, table: pa.Table) -> str:
    """Write a part's rows; the name of the file tells whether the next run shall try again."""
    name = part.again if table["sha256"].null_count else part.finished
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    _write_whole(Path(job.out, name), sink.getvalue().to_pybytes())
    return name


def _write_manifest(job: _Job, count: int, parts: Sequence[str]) -> None:
    """Say which parts make the result; first those that are wanted, in the end those that were written."""
    content = {"made_by": MADE_BY, **asdict(job), "pictures": count, "parts": parts}
    _write_whole(Path(job.out, MANIFEST), json.dumps(content, indent=1).encode())


def _manifest(out: Path) -> tuple[list[str], int]:
    try:
        content = json.loads((out / MANIFEST).read_bytes())
        if content["made_by"] == MADE_BY:
            return list(content["parts"]), int(content["pictures"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise FileNotFoundError(
        f"{out} holds no result of explain_folder, or its {MANIFEST} is damaged: give the folder OUT of a "
        "run, or start the run again."
    )


# --- workers


@contextlib.contextmanager
def _local_client(workers: int | None, parts: int) -> Iterator[distributed.Client]:
    """Workers on this machine, no more than there are parts."""
    settings = PATIENCE | {
        "distributed.scheduler.allowed-failures": 1,  # two killed workers are no accident
        "distributed.worker.profile.enabled": False,  # it would look in every 10 ms
        "distributed.worker.preload": [DEAF_TO_CTRL_C],
    }
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=min(workers or dask.system.CPU_COUNT, parts),
            threads_per_worker=1,
            memory_limit=0,  # else a worker near its limit would pause for ever: it holds no results to spill
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _compute(client: distributed.Client, job: _Job, parts: list[_Part], already: int) -> dict[str, list[str]]:
    """The names of the files written for each part."""
    _wait_for_a_worker(client)
    written: dict[str, list[str]] = {}
    suspects = []
    with tqdm(initial=already, total=already + _count(parts), unit="picture", disable=None) as bar:
        for part, name in _results(client, job, parts):
            if name is None:
                suspects.append(part)
            else:
                written[part.key] = [name]
                bar.update(len(part.files))
        # One at a time, since Dask blames a worker's death on everything that waits there.
        for part in suspects:
            written[part.key] = []
            for one in _alone(job, part):
                ((_, name),) = _results(client, job, [one])
                written[part.key].append(name or _write_killed(job, one))
                bar.update()
    _check_visible(job, [name for names in written.values() for name in names])
    return written


def _wait_for_a_worker(client: distributed.Client) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_A_WORKER)
    except TimeoutError as error:
        raise TimeoutError(
            f"No worker has joined the scheduler within {SECONDS_FOR_A_WORKER} s: start some, as "
            "explain_folder's help says."
        ) from error


def _results(
    client: distributed.Client, job: _Job, parts: Sequence[_Part]
) -> Iterator[tuple[_Part, str | None]]:
    """Each part, as soon as it is done, with its file's name, or None where it killed its workers."""
    tasks = client.map(_explain_part, parts, job=job, retries=RETRIES, pure=False, batch_size=1000)
    part_of = dict(zip(tasks, parts, strict=True))
    try:
        for task in distributed.as_completed(tasks):
            yield part_of[task], _result(task)
    finally:
        if client.status == "running":
            client.cancel(tasks)


def _result(task: distributed.Future[str]) -> str | None:
    try:
        return task.result()
    except distributed.KilledWorker:
        return None
    except (CancelledError, CommClosedError) as error:
        raise RuntimeError(
            "The scheduler is gone, or has dropped the work: what is finished is kept; start the run again "
            "when it is back."
        ) from error


def _write_killed(job: _Job, part: _Part) -> str:
    """Write the row of a picture that killed its workers even alone."""
    how = {"network": job.network, "layer": job.layer, "versions": job.versions}
    (name,) = (_shown(file.name) for file in part.files)
    killed = (
        f"{name} kills the process that explains it, perhaps for want of memory: the next run tries again."
    )
    rows = [{"name": name, "error": killed, **how}]
    return _write_table(job, part, pa.Table.from_pylist(rows, schema=_schema()))


def _check_visible(job: _Job, names: Iterable[str]) -> None:
    if not set(names) <= _listed(Path(job.out)):
        raise FileNotFoundError(
            f"The workers have written into another folder {job.out} than this machine sees: {SHARED}."
        )


def _explain_part(part: _Part, job: _Job) -> str:
    """On a worker: explain a part and write it; the name of its file."""
    _check_worker(job)
    _keep_freed_memory()
    with _one_at_a_time, _threads(distributed.get_worker().state.nthreads):
        if torch.cuda.is_available():
            load_classifier(job.network).model.to("cuda")
        names = [file.name for file in part.files]
        table = explain(job.folder, names, job.network, job.layer)  # load_classifier keeps the model
        return _write_table(job, part, table)


# Threads of a worker share its model and PyTorch's threads.
_one_at_a_time = threading.Lock()


def _check_worker(job: _Job) -> None:
    for folder in (job.folder, job.out):
        if not Path(folder).is_dir():
            raise FileNotFoundError(
                f"The worker on {socket.gethostname()} sees no folder {folder}: {SHARED}."
            )
    if job.versions != _versions():
        raise RuntimeError(
            f"The worker on {socket.gethostname()} has {_versions()} where this machine has {job.versions}: "
            "install the same versions everywhere."
        )


def _keep_freed_memory() -> None:
    """Let glibc keep what PyTorch frees, for the next layer's output.

    Dask starts workers with MALLOC_TRIM_THRESHOLD_=65536 (its setting distributed.nanny.pre-spawn-environ):
    each layer's memory then goes back to the system and comes anew, page by page, and a forward pass takes
    three times as long. Set here, it holds for workers however they were started.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: 0)  # musl has none
        for parameter, size in ((M_TRIM_THRESHOLD, 1 << 30), (M_MMAP_THRESHOLD, 1 << 25)):
            mallopt(parameter, size)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    # What workers shall run must belong to a module that they can import, not to __main__.
    from helpers.dataset import main as command

    sys.exit(command())
