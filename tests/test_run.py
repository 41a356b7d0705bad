"""run.py: every command on every system, recorded where it would take long."""

import ast
import inspect
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).parents[1]
SOURCE = (ROOT / "run.py").read_text(encoding="utf-8")
MAKE = pytest.mark.skipif(shutil.which("make") is None, reason="no make")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows other signals")


@pytest.fixture
def called(monkeypatch):
    """What would be run, without running it."""
    commands = []
    monkeypatch.setattr(
        run, "call", lambda *words, **settings: commands.append(([*map(str, words)], settings))
    )
    monkeypatch.setattr(run, "prepare", lambda cpu=False: commands.append((["prepare"], {"cpu": cpu})))
    return commands


def said(words):
    """What ends the program, in one sentence."""
    with pytest.raises(SystemExit) as ended:
        run.main(words)
    assert re.fullmatch(r"[^\n]+\.|[^\n]+\)\.", str(ended.value.code))
    return ended.value.code


def test_it_needs_python_alone_and_an_older_one_can_read_it():
    for version in ((3, 11), (3, 8)):
        tree = ast.parse(SOURCE, feature_version=version)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


def test_an_older_python_is_told(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(SystemExit, match=r"^Expected Python 3\.11 or newer, this is [\d.]+\S*: .*\.$"):
        runpy.run_path(str(ROOT / "run.py"))


def test_a_python_that_is_too_new_makes_no_environment(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(sys, "version_info", (3, 15, 0))
    with pytest.raises(SystemExit, match=r"^Expected Python 3\.11 to 3\.14, .*py -3\.13\.$"):
        run.prepare()
    assert not list(tmp_path.iterdir())


def test_the_makefile_has_the_same_targets_and_no_other_words():
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    assert re.search(r"^TARGETS := (.+)$", text, re.MULTILINE)[1].split() == list(run.TARGETS)
    assert re.findall(r"^\t.*", text, re.MULTILINE) == ["\t@$(PYTHON) run.py $@ $(MAKEOVERRIDES)"]


@MAKE
def test_make_hands_the_variables_on():
    command = ["make", "-s", "execute", "book", "CHAPTERS=chapters/a.ipynb chapters/b.ipynb", "CPU=1"]
    environment = os.environ | {"PYTHON": "printf '%s|'", "MAKEFLAGS": ""}
    printed = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    variables = {"CHAPTERS=chapters/a.ipynb chapters/b.ipynb", "CPU=1"}
    first, second = re.findall(r"run\.py\|(\w+)\|(.+?)\|(.+?)\|", printed)
    assert [first[0], second[0]] == ["execute", "book"]
    assert set(first[1:]) == set(second[1:]) == variables


def test_help_lists_every_command_once(capsys):
    run.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == list(run.TARGETS)
    for name, function in run.TARGETS.items():
        for parameter in inspect.signature(function).parameters:
            if parameter != "cpu":
                assert f"{parameter.upper()}=" in function.__doc__, name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["boook"], r"There is no command 'boook' \(book\?\): `python run\.py help` lists them\."),
        (["qqq"], r"There is no command 'qqq': `python run\.py help` lists them\."),
        (["book", "qqq"], r"There is no command 'qqq': .*"),
        (["mark"], r"mark needs SUBMISSIONS=…: say `python run\.py mark SUBMISSIONS=…` .*"),
        (["mark", "SUBMISSIONS="], r"mark needs SUBMISSIONS=…: .*"),
        (["offline"], r"offline needs SYSTEM=…: .*"),
        (["claims", "CHAPTR=4"], r"claims takes CHAPTER, CPU, not CHAPTR\."),
    ],
)
def test_what_cannot_be_understood_is_told_before_anything_runs(words, sentence, called):
    assert re.fullmatch(sentence, said(words))
    assert called == []


def test_each_command_runs_what_it_says(called, monkeypatch):
    monkeypatch.setattr(run, "VENV", Path("v"))
    python = str(run.inside(Path("v")))
    parallel = ["--numprocesses", "auto", "--dist", "loadfile"]
    one = {"OMP_NUM_THREADS": "1"}
    expected = {
        "test": [
            (["-m", "ruff", "check", "."], {}),
            (["-m", "ruff", "format", "--check", "."], {}),
            (["-m", "mypy"], {}),
            (["-m", "pytest", *parallel], one),
        ],
        "execute CHAPTERS=a b": [(["-m", "tools.execute", "a", "b"], {})],
        "claims CHAPTER=4": [(["-m", "claims", "4"], one)],
        "claims": [(["-m", "claims"], one)],
        "conformance": [(["-m", "conformance"], one)],
        "colab": [
            (["-m", "pytest", "--numprocesses", "auto", "tests/test_colab.py"], {"COLAB": "all", **one})
        ],
        "mutants": [(["-m", "tools.mutants", "--base", "HEAD~"], one)],
        "mutants ALL=1 SAMPLE=5 MODULES=cam hooks": [
            (["-m", "tools.mutants", "--base", "HEAD~", "--all", "--sample", "5", "cam", "hooks"], one)
        ],
        "browser": [(["-m", "pytest", "-m", "browser", "tests"], {})],
        "lab": [(["-m", "jupyterlab", "chapters"], {})],
        "class": [(["-m", "tools.classroom"], {})],
        "mark SUBMISSIONS=a folder": [(["-m", "tools.mark", "a folder"], {})],
        "slides": [(["-m", "tools.slides"], {})],
        "memory": [(["-m", "tools.memory"], {})],
        "offline SYSTEM=linux VERSION=3.12 CPU=1": [
            (["-m", "tools.offline", "linux", "--python", "3.12", "--cpu"], {})
        ],
        "repository URL=https://github.com/you/book": [
            (["-m", "tools.repository", "https://github.com/you/book"], {})
        ],
    }
    for line, commands in expected.items():
        called.clear()
        run.main(re.split(r" (?=[A-Z]+=)", line))
        assert called[0][0] == ["prepare"]
        assert called[1:] == [([python, *words], settings) for words, settings in commands], line


def test_the_book_is_built_first_where_it_is_needed(called, capsys):
    jupyter_book = str(run.inside(run.VENV, "jupyter-book"))
    for name, last in (("pdf", "tools.pdf"), ("serve", "http.server")):
        called.clear()
        run.main([name])
        (_, (build, _), (then, _)) = called
        assert build == [jupyter_book, "build", ".", "-W", "-n", "--keep-going"]
        assert last in then
    assert "The book is at " in capsys.readouterr().out


def test_the_chapters_are_verified_as_two_other_processors_compute_them(called):
    run.main(["portable"])
    (_, (_, avx2), (_, sse)) = called
    assert avx2["ONEDNN_MAX_CPU_ISA"] == avx2["MKL_ENABLE_INSTRUCTIONS"] == "AVX2"
    assert (sse["ONEDNN_MAX_CPU_ISA"], sse["ATEN_CPU_CAPABILITY"]) == ("SSE41", "default")
    assert (avx2["OMP_NUM_THREADS"], sse["OMP_NUM_THREADS"]) == ("2", "4")


@pytest.mark.parametrize("windows", [False, True])
def test_programs_lie_where_the_system_has_them(windows, monkeypatch):
    monkeypatch.setattr(run, "WINDOWS", windows)
    places = [run.inside(Path("v"), program).as_posix() for program in ("python", "jupyter-book")]
    expected = [
        ["v/bin/python", "v/bin/jupyter-book"],
        ["v/Scripts/python.exe", "v/Scripts/jupyter-book.exe"],
    ]
    assert places == expected[windows]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the files that say which packages are wanted, and without an environment."""
    for name in ("requirements.txt", "requirements-cuda.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "VENV", tmp_path / ".venv")
    return tmp_path


@pytest.fixture
def installed(monkeypatch, project):
    """What prepare would run, where making the environment leaves the folder behind."""
    commands = []

    def call(*words, **_):
        commands.append([*map(str, words)])
        run.VENV.mkdir(exist_ok=True)

    monkeypatch.setattr(run, "call", call)
    return commands


def test_the_environment_is_made_anew_when_its_packages_change(project, installed):
    run.prepare()
    assert installed[0] == [sys.executable, "-m", "venv", str(project / ".venv")]
    assert installed[1][-2:] == ["--requirement", str(project / "requirements.txt")]
    assert installed[2][-2:] == ["--editable", str(project)]
    installed.clear()
    run.prepare()
    assert installed == []
    for name in ("requirements.txt", "requirements-cuda.txt", "pyproject.toml"):
        os.utime(project / name, (time.time() + 100, time.time() + 100))
        run.prepare()
        assert any("--editable" in words for words in installed), name
        os.utime(project / name, (1_000_000, 1_000_000))
        installed.clear()


def test_the_build_for_processors_comes_from_its_own_index_before_the_rest(project, installed):
    run.prepare(cpu=True)
    words = installed[1]
    assert words[words.index("--index-url") + 1] == run.CPU_INDEX
    assert "--no-deps" in words
    assert [re.sub("==.*", "", word) for word in words[-2:]] == ["torch", "torchvision"]
    assert set(words[-2:]) <= set((ROOT / "requirements.txt").read_text(encoding="utf-8").split())
    assert installed[2][-2] == "--requirement"


def test_an_environment_left_half_made_is_made_again(project, installed):
    python = run.inside(run.VENV)
    python.parent.mkdir(parents=True)
    python.touch()
    run.prepare()
    assert installed[0][1:3] == ["-m", "venv"]
    run.inside(run.VENV, "pip").touch()
    installed.clear()
    (run.VENV / ".ready").unlink()
    run.prepare()
    assert "venv" not in installed[0]


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="no virtual environment to stand beside")
def test_an_environment_beside_sees_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "VENV", Path(sys.prefix))
    run.beside(tmp_path / "own")
    ask = [
        str(run.inside(tmp_path / "own")),
        "-c",
        "import sys, numpy; print(sys.prefix, numpy.__file__, sep='|')",
    ]
    prefix, numpy = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip().split("|")
    assert Path(prefix) == tmp_path / "own"
    assert Path(numpy).is_relative_to(sys.prefix)


def test_newest_asks_for_no_pins_in_an_environment_without_venv(called, project):
    (project / ".latest").mkdir()
    run.main(["newest"])
    assert not (project / ".latest").exists()
    assert [words[2] for words, _ in called] == ["venv", "tools.newest", "pip", "pytest"]


# Real processes


def test_the_exit_code_is_that_of_the_command():
    with pytest.raises(SystemExit) as ended:
        run.call(sys.executable, "-c", "raise SystemExit(7)")
    assert ended.value.code == 7
    run.call(sys.executable, "-c", "")
    for words, code in ((["help"], 0), (["boook"], 1)):
        done = subprocess.run(
            [sys.executable, str(ROOT / "run.py"), *words], capture_output=True, check=False
        )
        assert done.returncode == code


def test_variables_and_utf8_reach_the_command_and_the_command_is_shown(capfd):
    program = "import os, sys; print(os.environ['COLOUR'], sys.flags.utf8_mode)"
    run.call(sys.executable, "-c", program, COLOUR="blue")
    shown, answer = capfd.readouterr().out.splitlines()
    assert shown.startswith("COLOUR=blue ")
    assert answer == "blue 1"


@POSIX
def test_a_killed_command_has_the_code_of_a_shell():
    with pytest.raises(SystemExit) as ended:
        run.call(sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")
    assert ended.value.code == 128 + signal.SIGTERM


@POSIX
def test_ctrl_c_is_quiet_and_lets_the_command_end_in_its_own_way(tmp_path):
    command = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try:\n    pathlib.Path('started').touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(1); pathlib.Path('kept').touch(); sys.exit(130)\n"
    )
    (tmp_path / "command.py").write_text(command, encoding="utf-8", newline="\n")
    program = (
        f"import signal, sys; sys.path.insert(0, {str(ROOT)!r}); import run, pathlib\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        f"run.ROOT = pathlib.Path({str(tmp_path)!r})\nrun.call(sys.executable, 'command.py')\n"
    )
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **options) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert (tmp_path / "kept").exists()


def test_a_missing_program_is_told_in_one_sentence(tmp_path):
    for name in ("run.py", "requirements.txt", "requirements-cuda.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    command = [sys.executable, str(tmp_path / "run.py"), "slides"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(
        r".+: where a file of \.venv is missing, delete \.venv and start again\.\n", done.stderr
    )
