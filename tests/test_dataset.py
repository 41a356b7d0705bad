"""A folder of pictures: its rows against those of a plain loop, and what can go wrong, made to go wrong."""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import cloudpickle
import dask
import distributed
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from helpers import dataset, grad_cam, load_classifier, load_image
from helpers.dataset import Summary, explain, explain_folder, main, pictures, read

# The workers cannot import the tests.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

PHOTOS = ("mastiff", "cat", "buckeye", "tilted_jeep")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="what it does exists on Linux only")
UNIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links or signals")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # any signal kills on Windows
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def fill(folder, count, size=(240, 200)):
    """Pictures cut out of packaged photos; every third one lies in a folder below."""
    (folder / "below").mkdir(parents=True)
    for number in range(count):
        photo = load_image(PHOTOS[number % len(PHOTOS)])
        edge = 5 * (number // len(PHOTOS))
        picture = photo.crop((edge, edge, photo.width, photo.height)).resize(size)
        picture.save(folder / ("below" if number % 3 == 2 else ".") / f"{number:02}.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Twelve good pictures; not to be changed."""
    return fill(tmp_path_factory.mktemp("good") / "pictures", 12)


def by_one_thread(folder):
    """The rows of the plain loop; with more threads the last digits differ."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    rows = explain(folder, pictures(folder))
    torch.set_num_threads(before)
    return rows


@pytest.fixture(scope="module")
def by_loop(good):
    return by_one_thread(good)


@pytest.fixture
def folder(good, tmp_path):
    return shutil.copytree(good, tmp_path / "pictures")


@pytest.fixture(scope="module")
def client():
    """Two workers; a part is given up as soon as it has killed one."""
    settings = dataset.PATIENCE | {"distributed.scheduler.allowed-failures": 0}
    with (
        dask.config.set(settings),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def _no_test_hangs():
    """A cluster that has lost its wits may wait for ever."""

    if sys.platform == "win32":  # has no alarm
        yield
        return

    def give_up(*_):
        raise TimeoutError("The test has not ended within five minutes.")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(dataset, "LARGEST_PART", 3)


def parts(out):
    """The finished parts, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}


def wait_until(happens, seconds=60):
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def wait_for_the_part():
    """On a worker: let it end a part that nobody waits for any more."""
    with dataset._one_at_a_time:
        pass


# --- pictures


def test_pictures_are_found_by_suffix_in_all_folders_and_sorted(tmp_path):
    for name in (
        "b.jpg",
        "a.PNG",
        "sub/deep/c.webp",
        "sub/notes.txt",
        "._b.jpg",
        ".cache/d.jpg",
        "e.jpg.bak",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    assert pictures(tmp_path) == pictures(str(tmp_path)) == ["a.PNG", "b.jpg", "sub/deep/c.webp"]


@UNIX
def test_a_link_in_a_circle_is_not_followed(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "circle").symlink_to(tmp_path)
    assert pictures(tmp_path) == ["a.jpg"]


def test_a_folder_that_is_none_or_may_not_be_read_is_refused(tmp_path, monkeypatch):
    with pytest.raises(NotADirectoryError, match=r"There is no folder '.*nowhere': give the path"):
        pictures(tmp_path / "nowhere")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=r"The folder '.*' cannot be read \(Permission denied\): check who may"):
        pictures(tmp_path)


# --- rows


def test_a_row_is_what_the_helpers_say_one_by_one(good, by_loop):
    clf = load_classifier()
    assert by_loop["name"].to_pylist() == sorted(by_loop["name"].to_pylist()) == pictures(good)
    for row in by_loop.slice(0, 3).to_pylist():
        image = load_image(good / row["name"])
        guesses = clf.predict(image, k=5)
        assert row["classes"] == [guess.index for guess in guesses]
        assert row["labels"] == [guess.label for guess in guesses]
        assert row["logits"] == pytest.approx([guess.logit for guess in guesses], abs=1e-4)
        cam = grad_cam(clf.model, clf.layer, clf.preprocess(image)[None])[0]
        np.testing.assert_allclose(np.array(row["cam"]), cam.half(), rtol=2e-3, atol=1e-3)
        assert row["sha256"] == hashlib.sha256((good / row["name"]).read_bytes()).hexdigest()
        assert (row["error"], row["network"], row["layer"]) == (None, "efficientnet_lite0", "bn2")
        assert row["versions"].startswith("helpers 2")
        assert f"torch {torch.__version__.split('+')[0]}" in row["versions"]
    assert np.array(by_loop["cam"].to_pylist()).shape == (12, 7, 7)
    assert by_loop.schema.field("cam").type.value_type.value_type == pa.float16()


def test_another_network_and_layer_are_explained(good):
    name = pictures(good)[0]
    clf = load_classifier("squeezenet1_1")
    (row,) = explain(good, [name], "squeezenet1_1", "features.7").to_pylist()
    cam = grad_cam(clf.model, "features.7", clf.preprocess(load_image(good / name))[None])[0]
    np.testing.assert_allclose(np.array(row["cam"]), cam.half(), rtol=2e-3, atol=1e-3)
    assert (row["network"], row["layer"]) == ("squeezenet1_1", "features.7")
    with pytest.raises(ValueError, match=r"no layer 'features\.99'"):
        explain(good, [name], layer="features.99")
    with pytest.raises(ValueError, match="no classifier 'resnet'"):
        explain(good, [name], network="resnet")


def spoil(folder):
    """Files that cannot be explained, with what their rows must say."""
    whole = (folder / "00.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (folder / "empty.jpg").touch()
    (folder / "html.jpg").write_bytes(b"<html>log in</html>")
    Image.new("1", (10_000, 9_500)).save(folder / "huge.png")
    return {
        "cut.jpg": "cut.jpg is damaged or cut short",
        "damaged.png": "damaged.png is",
        "empty.jpg": "empty.jpg is empty",
        "html.jpg": "html.jpg is not a picture",
        "huge.png": "huge.png has more than",
    }


def test_bad_files_become_rows_and_the_others_are_explained_all_the_same(folder, tmp_path, client, by_loop):
    expected = spoil(folder)
    done = explain_folder(folder, tmp_path / "out", client)
    assert done == Summary(pictures=17, computed=17, errors=5)
    rows = {row["name"]: row for row in read(tmp_path / "out").to_pylist()}
    for name, begins in expected.items():
        row = rows.pop(name)
        assert row["error"].startswith(begins)
        assert row["error"].endswith(".")
        assert str(tmp_path) not in row["error"]
        assert row["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert row["cam"] is row["classes"] is row["labels"] is row["logits"] is None
        assert row["network"] == "efficientnet_lite0"
    assert list(rows.values()) == by_loop.to_pylist()
    assert explain_folder(folder, tmp_path / "out") == Summary(17, 0, 5)


@LINUX
def test_what_is_no_file_becomes_a_row_and_is_tried_again(folder, tmp_path, client):
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.jpg")
    done = explain_folder(folder, tmp_path / "out", client)
    assert (done.pictures, done.errors) == (14, 2)
    bad = [row for row in read(tmp_path / "out").to_pylist() if row["error"]]
    assert [row["error"] for row in bad] == [
        f"{name} cannot be read (no such file): the next run tries again."
        for name in ("gone.jpg", "pipe.jpg")
    ]
    assert [row["sha256"] for row in bad] == [None, None]
    again = explain_folder(folder, tmp_path / "out", client)
    assert 2 <= again.computed < 14
    shutil.copy(folder / "00.jpg", tmp_path / "nowhere")
    (folder / "pipe.jpg").unlink()
    assert explain_folder(folder, tmp_path / "out", client).errors == 0


def test_a_file_that_may_not_be_read_or_that_memory_does_not_hold_becomes_a_row(good, monkeypatch):
    for error, reason in (
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (MemoryError("no 3 GB"), "no 3 GB"),
        (MemoryError(), "MemoryError"),
    ):
        monkeypatch.setattr(dataset, "load_image", lambda _, error=error: (_ for _ in ()).throw(error))
        (row,) = explain(good, ["00.jpg"]).to_pylist()
        assert row["error"] == f"00.jpg cannot be read ({reason}): the next run tries again."
        assert row["sha256"] is None


def test_an_odd_error_of_a_decoder_becomes_a_row(good, monkeypatch):
    def fail(path):
        raise RuntimeError(f"a decoder\nmet {path}")

    monkeypatch.setattr(dataset, "load_image", fail)
    assert explain(good, ["00.jpg"])["error"].to_pylist() == ["a decoder met 00.jpg"]


@LINUX
def test_a_name_that_is_no_text_is_shown_with_its_bytes(tmp_path, client):
    name = os.fsdecode(b"caf\xe9.jpg")
    load_image("cat").save(tmp_path / name)
    assert explain_folder(tmp_path, tmp_path / "out", client) == Summary(1, 1, 0)
    assert read(tmp_path / "out", ["name"])["name"].to_pylist() == ["caf\\xe9.jpg"]


# --- the same rows, wherever


def test_two_workers_give_the_rows_of_the_plain_loop(good, tmp_path, client, by_loop):
    assert explain_folder(good, tmp_path, client) == Summary(12, 12, 0)
    assert read(tmp_path).equals(by_loop)
    assert len(parts(tmp_path)) > 3
    assert not list(tmp_path.glob("*.tmp"))


def test_threads_of_one_process_take_turns(good, tmp_path, by_loop):
    before = torch.get_num_threads()
    with distributed.Client(
        processes=False, n_workers=1, threads_per_worker=3, memory_limit=0, dashboard_address=":0"
    ) as threads:
        explain_folder(good, tmp_path, threads)
    found = read(tmp_path)
    assert found["labels"].to_pylist() == by_loop["labels"].to_pylist()
    np.testing.assert_allclose(found["cam"].to_pylist(), by_loop["cam"].to_pylist(), rtol=0.01, atol=0.01)
    assert torch.get_num_threads() == before


@contextlib.contextmanager
def apart(*command):
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler(tmp_path):
    """The process of a scheduler started apart, and the file that says where it is."""
    place = tmp_path / "scheduler.json"
    at = ("--scheduler-file", str(place), "--host", "127.0.0.1", "--port", "0")
    with apart("distributed.cli.dask_scheduler", "--no-dashboard", *at) as process:
        wait_until(place.exists)
        yield process, place


@pytest.fixture
def cluster(scheduler, tmp_path):
    """The process of a scheduler that has two workers, and its address."""
    process, place = scheduler
    at = ("--scheduler-file", str(place), "--local-directory", str(tmp_path))
    worker = ("distributed.cli.dask_worker", "--no-dashboard", "--nthreads", "1", *at)
    with apart(*worker), apart(*worker):
        yield process, address(place)


def address(place):
    return json.loads(place.read_text())["address"]


def test_a_cluster_started_apart_gives_the_same_rows_and_its_end_is_told(
    good, tmp_path, cluster, by_loop, monkeypatch
):
    scheduler, address = cluster
    out, second = tmp_path / "out", tmp_path / "second"
    assert address.startswith("tcp://127.0.0.1:")
    with distributed.Client(address) as client:
        client.wait_for_workers(2)
        assert explain_folder(good, out, client) == Summary(12, 12, 0)
        assert read(out).equals(by_loop)
        many = fill(tmp_path / "many", 60)
        killer = threading.Thread(target=lambda: (wait_until(lambda: parts(second)), scheduler.kill()))
        killer.start()
        with pytest.raises(RuntimeError, match=r"The scheduler is gone.*: what is finished is kept; start"):
            explain_folder(many, second, client)
        killer.join()
    assert parts(second)


# --- what a second run repeats


def test_a_second_run_repeats_nothing_and_starts_no_workers(good, tmp_path, client, monkeypatch):
    explain_folder(good, tmp_path, client)
    before = parts(tmp_path)
    monkeypatch.setattr(dataset, "_local_client", None)
    assert explain_folder(good, tmp_path) == Summary(12, 0, 0)
    assert parts(tmp_path) == before


def test_only_what_has_changed_is_computed_again(folder, tmp_path, client):
    out = tmp_path / "out"
    explain_folder(folder, out, client)
    before = parts(out)
    (folder / "04.jpg").write_bytes((folder / "below/05.jpg").read_bytes())
    shutil.copy(folder / "03.jpg", folder / "03b.jpg")
    (folder / "below/11.jpg").unlink()
    done = explain_folder(folder, out, client)
    assert 2 <= done.computed <= 9
    rows = {row["name"]: row for row in read(out).to_pylist()}
    assert list(rows) == pictures(folder)
    assert rows["04.jpg"]["logits"] == rows["below/05.jpg"]["logits"]
    assert rows["03.jpg"]["sha256"] == rows["03b.jpg"]["sha256"]
    assert rows["03.jpg"]["logits"] == rows["03b.jpg"]["logits"]
    assert before.items() <= parts(out).items()


def test_another_network_is_not_taken_from_old_parts_nor_the_first_computed_again(
    good, tmp_path, client, by_loop
):
    explain_folder(good, tmp_path, client)
    assert explain_folder(good, tmp_path, client, network="squeezenet1_1").computed == 12
    assert set(read(tmp_path)["network"].to_pylist()) == {"squeezenet1_1"}
    assert explain_folder(good, tmp_path, client).computed == 0
    assert read(tmp_path).equals(by_loop)


@pytest.mark.parametrize(
    "other",
    [{"network": "b"}, {"layer": "b"}, {"versions": "b"}, {"name": "b"}, {"size": 2}, {"modified": 2}],
)
def test_all_that_a_row_depends_on_names_its_part(other):
    job = {"folder": "f", "out": "o", "network": "a", "layer": None, "versions": "a"}
    file = {"name": "a", "size": 1, "modified": 1}

    def key(**changed):
        job_ = dataset._Job(**{name: changed.get(name, job[name]) for name in job})
        return dataset._part(
            job_, [dataset._File(**{name: changed.get(name, file[name]) for name in file})]
        ).key

    assert key() == key(folder="elsewhere", out="elsewhere")
    assert key() != key(**other)


def test_one_more_picture_changes_one_part(monkeypatch):
    monkeypatch.setattr(dataset, "LARGEST_PART", 32)
    job = dataset._Job("f", "o", "a", None, "a")
    files = [dataset._File(f"{number:05}.jpg", 1, 1) for number in range(3000)]
    before = list(dataset._parts(job, files))
    after = list(dataset._parts(job, [*files[:1000], dataset._File("00999b.jpg", 1, 1), *files[1000:]]))
    assert [file for part in before for file in part.files] == files
    assert max(len(part.files) for part in before) == 32
    assert 10 < len(files) / len(before) < 20
    assert len({part.key for part in after} - {part.key for part in before}) <= 2


# --- faults


class Killer(distributed.WorkerPlugin):
    """Kills the worker that opens a picture of this name, as the system does where memory is short."""

    def setup(self, worker):
        def load_or_die(path):
            if path.name == "killer.jpg":
                os.kill(os.getpid(), KILL)
            return load_image(path)

        dataset.load_image = load_or_die

    def teardown(self, worker):
        dataset.load_image = load_image


def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path, client):
    folder, out = fill(tmp_path / "pictures", 40), tmp_path / "out"
    workers = list(client.run(os.getpid).values())
    killer = threading.Thread(target=lambda: (wait_until(lambda: parts(out)), os.kill(workers[0], KILL)))
    killer.start()
    assert explain_folder(folder, out, client) == Summary(40, 40, 0)
    killer.join()
    assert read(out).equals(by_one_thread(folder))
    assert explain_folder(folder, out, client).computed == 0


def test_a_worker_of_ours_that_takes_its_time_to_come_back_is_not_given_up():
    """By itself Dask forgets one after 15 s, which a busy machine needs to import PyTorch."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}),
        dataset._local_client(1, 1) as ours,
    ):
        ours.wait_for_workers(1)
        before = list(ours.scheduler_info()["workers"])
        for process in ours.cluster.workers.values():
            os.kill(process.pid, KILL)
        wait_until(lambda: before != list(ours.scheduler_info()["workers"]))
        ours.wait_for_workers(1, timeout=60)


def test_a_picture_that_kills_its_worker_is_told_and_all_others_are_explained(
    folder, tmp_path, client, by_loop, capsys
):
    out = tmp_path / "out"
    shutil.copy(folder / "00.jpg", folder / "killer.jpg")
    client.wait_for_workers(2)
    client.register_plugin(Killer(), name="killer")
    try:
        code = main([str(folder), str(out), "--scheduler", client.scheduler.address])
    finally:
        client.unregister_worker_plugin("killer")
    assert code == 1
    assert capsys.readouterr().err == (
        "explain-folder: 1 could not be explained: the column `error` says why.\n"
    )
    rows = {row["name"]: row for row in read(out).to_pylist()}
    assert rows.pop("killer.jpg")["error"].startswith("killer.jpg kills the process that explains it")
    assert list(rows.values()) == by_loop.to_pylist()
    assert explain_folder(folder, out, client) == Summary(13, 1, 0)


@LINUX
def test_a_file_that_cannot_be_written_whole_is_not_written(good, tmp_path, client):
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def limit_files(size):
        wait_for_the_part()
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    client.wait_for_workers(2)
    client.run(limit_files, 1000)
    try:
        with pytest.raises(OSError, match=r"cannot be written \(File too large\): what is finished is kept"):
            explain_folder(good, tmp_path, client)
    finally:
        client.run(limit_files, hard)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
    with pytest.raises(
        FileNotFoundError, match=r"lacks (\d+) of its \1 parts, since the run has not finished"
    ):
        read(tmp_path)
    assert explain_folder(good, tmp_path, client) == Summary(12, 12, 0)


@LINUX
def test_a_full_disk_is_told_in_one_sentence_and_the_next_run_goes_on(
    good, tmp_path, client, by_loop, capsys
):
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        command = [str(good), str(tmp_path), "--scheduler", client.scheduler.address]
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "cannot be written (No space left on device): what is finished is kept" in said
        assert said.count("\n") == 1
        assert not list(tmp_path.glob("*.tmp"))
        before = parts(tmp_path)
        subprocess.run(["mount", "-o", "remount,size=4m", str(tmp_path)], check=True)
        assert main(command) == 0
        assert len(before) > 0
        assert before.items() <= parts(tmp_path).items()
        assert read(tmp_path).equals(by_loop)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


INTERRUPTED = (
    "explain-folder: interrupted; what is finished is kept, and the same command goes on from there.\n"
)


@UNIX
def test_an_interrupted_run_goes_on_and_repeats_nothing(tmp_path, client, capsys):
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    load_image("mastiff").resize((4000, 3000)).save(folder / "00.jpg")  # slow to decode
    for number in range(1, 24):
        shutil.copy(folder / "00.jpg", folder / f"{number:02}.jpg")

    # Ctrl-C reaches all processes of the terminal.
    arguments = [str(folder), str(out), "--workers", "1"]
    program = (
        "import signal, sys, helpers.dataset as d\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        f"d.LARGEST_PART = 3; sys.exit(d.main({arguments!r}))"
    )
    options = {"env": ENVIRONMENT, "start_new_session": True, "text": True}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    run = subprocess.Popen([sys.executable, "-c", program], **options, **pipes)
    wait_until(lambda: parts(out))
    os.killpg(run.pid, signal.SIGINT)
    assert run.communicate(timeout=60) == ("", INTERRUPTED)
    assert run.returncode == 130
    first = parts(out)

    def stop():
        wait_until(lambda: len(parts(out)) > len(first))
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert main([str(folder), str(out), "--scheduler", client.scheduler.address]) == 130
    stopper.join()
    assert capsys.readouterr().err == INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    client.run(wait_for_the_part)
    second = parts(out)
    assert first.items() < second.items()

    finished = sum(pq.read_metadata(out / name).num_rows for name in second)
    assert 2 <= finished < 24
    (out / "abandoned.parquet.0.tmp").touch()
    assert explain_folder(folder, out, client) == Summary(24, 24 - finished, 0)
    assert second.items() < parts(out).items()
    assert len(read(out)) == 24
    assert not list(out.glob("*.tmp"))


def test_a_worker_that_sees_no_folder_or_has_other_versions_is_told(good, tmp_path, client, monkeypatch):
    job = dataset._Job(str(good), str(tmp_path / "out"), "efficientnet_lite0", None, dataset._versions())
    with pytest.raises(
        FileNotFoundError, match=r"^The worker on .* sees no folder .*out: give folders of a file"
    ):
        dataset._check_worker(job)
    with pytest.raises(
        FileNotFoundError, match=r"written into another folder .*: give folders of a file system"
    ):
        dataset._check_visible(dataset._Job(str(good), str(tmp_path), "a", None, ""), ["part.parquet"])
    monkeypatch.setattr(dataset, "_versions", lambda: "helpers 1")
    with pytest.raises(
        RuntimeError, match=r"^The worker on .* has helpers .* has helpers 1: install the same"
    ):
        explain_folder(good, tmp_path, client)


def test_an_error_of_the_network_ends_the_run_with_its_sentence(good, tmp_path, client):
    with pytest.raises(ValueError, match="no layer 'nowhere'"):
        explain_folder(good, tmp_path, client, layer="nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@LINUX
def test_a_worker_keeps_its_memory(good, tmp_path, client):
    def faults():
        import resource

        clf = load_classifier()
        x = torch.zeros(1, 3, 224, 224)
        before = 0
        with torch.no_grad():
            for _ in range(4):
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                clf.model(x)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    def as_dask_has_it():
        return os.environ["MALLOC_TRIM_THRESHOLD_"]

    client.wait_for_workers(2)
    assert set(client.run(as_dask_has_it).values()) == {"65536"}
    client.run(dataset._keep_freed_memory)
    assert max(client.run(faults).values()) < 2000  # 22,000 otherwise


# --- read


def test_read_takes_columns_and_refuses_what_is_no_result(good, tmp_path, client):
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match="holds no result of explain_folder"):
        read(tmp_path)
    explain_folder(good, out, client)
    assert read(out, ["labels", "name"]).column_names == ["labels", "name"]
    with pytest.raises(ValueError, match=r"out cannot be read \(.*nothing.*\): name columns that there are"):
        read(out, ["nothing"])
    (first, *_) = parts(out)
    whole = (out / first).read_bytes()
    (out / first).write_bytes(whole[:200])
    with pytest.raises(ValueError, match=r"out cannot be read \(.*\): .* delete a damaged file, and start"):
        read(out)
    (out / first).unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks 1 of its \d+ parts, since the run has not finished"):
        read(out)
    assert explain_folder(good, out, client).computed == pq.read_table(out / first).num_rows
    for wrong in (b"{", b"[]", b'{"made_by": "another"}', b'{"made_by": "helpers.dataset"}'):
        (out / "manifest.json").write_bytes(wrong)
        with pytest.raises(FileNotFoundError, match=r"or its manifest\.json is damaged: give the folder OUT"):
            read(out)


def test_rows_that_are_missing_in_a_part_are_noticed(good, tmp_path, client):
    explain_folder(good, tmp_path, client)
    (first, *_) = parts(tmp_path)
    table = pq.read_table(tmp_path / first)
    pq.write_table(table.slice(1), tmp_path / first)
    with pytest.raises(ValueError, match="holds 11 rows of 12: delete it"):
        read(tmp_path)


# --- the command


def test_the_command_explains_and_says_so(good, tmp_path, client, capsys):
    address = client.scheduler.address
    assert main([str(good), str(tmp_path / "out"), "--scheduler", address]) == 0
    said = capsys.readouterr()
    assert said.out == f"12 pictures are explained in {tmp_path / 'out'}, 12 of them by this run.\n"
    assert said.err == ""
    assert main([str(good), str(tmp_path / "out"), "--layer", "blocks.5", "--scheduler", address]) == 0
    assert set(read(tmp_path / "out")["layer"].to_pylist()) == {"blocks.5"}


def test_bad_pictures_show_in_the_exit_code(folder, tmp_path, client, capsys):
    (folder / "empty.jpg").touch()
    assert main([str(folder), str(tmp_path / "out"), "--scheduler", client.scheduler.address]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@UNIX
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{}/nowhere", "{}/out"], "There is no folder '.*nowhere': give the path of one with pictures."),
        (["{}/empty", "{}/out"], r".*empty holds no pictures \(\.apng, .*\): give another folder\."),
        (
            ["{}/good", "{}/file"],
            r".*file cannot be used for the result \(File exists\): give another folder\.",
        ),
        (
            ["{}/good", "{}/out", "--scheduler", "tcp://127.0.0.1:9"],
            "No scheduler answers at tcp://127.0.0.1:9: .*",
        ),
        (["{}/good", "{}/out", "--scheduler", "here:there"], "No scheduler answers at here:there: .*"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(good, tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.setattr(dataset, "SECONDS_TO_CONNECT", 0.5)
    (tmp_path / "good").symlink_to(good)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert main([argument.format(tmp_path) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert re.fullmatch(f"explain-folder: {says}\n", said.err)


def test_a_cluster_without_workers_is_told(good, tmp_path, scheduler):
    """In a process of its own, with nothing left of the tests before it."""
    _, place = scheduler
    command = [str(good), str(tmp_path / "out"), "--scheduler", address(place)]
    ask = f"from helpers import dataset; dataset.SECONDS_FOR_A_WORKER = 0.2; exit(dataset.main({command}))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 2
    assert "No worker has joined the scheduler within 0.2 s" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["a"],
        ["a", "b", "--network", "resnet"],
        ["a", "b", "--workers", "0"],
        ["a", "b", "--workers", "x"],
    ],
)
def test_wrong_use_is_told(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
    assert "explain-folder: error: " in capsys.readouterr().err


def test_help_says_what_the_exit_codes_mean(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in (
        "usage: explain-folder",
        "FOLDER",
        "OUT",
        "--network",
        "--workers",
        "--scheduler",
        "exit codes: 0",
    ):
        assert part in said


def test_the_module_runs_with_workers_of_its_own(folder, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "helpers.dataset", str(folder), str(out), "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"12 pictures are explained in {out}, 12 of them by this run.\n"


def test_without_the_extra_helpers_work_and_the_command_says_what_to_install(tmp_path):
    program = (
        "import sys, runpy, helpers; print({'dask', 'distributed', 'pyarrow'} & set(sys.modules)); "
        "sys.modules['distributed'] = None; sys.argv = ['explain-folder', '.', 'out']; "
        "runpy.run_module('helpers.dataset', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (2, "set()\n")
    assert done.stderr == (
        "explain-folder: distributed is missing, which helpers.dataset needs: "
        'pip install "seeing-what-a-cnn-sees[dataset]".\n'
    )
