"""Every command of this book on every system: `python run.py help` lists them. It needs nothing but Python.

All work happens in .venv and in folders beside it; nothing outside of this folder is changed.
"""

import difflib
import inspect
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  # what an older Python reads before it gives up
    sys.exit(f"Expected Python 3.11 or newer, this is {sys.version.split()[0]}: start run.py with another.")

TOO_NEW = (3, 15)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
WINDOWS = os.name == "nt"
# Where PyTorch's build for processors alone is; PyPI has one for Windows and macOS only.
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# One process for each core and one thread for each process: much faster than all cores for one chapter.
PARALLEL = ("--numprocesses", "auto", "--dist", "loadfile")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
TARGETS: dict[str, Callable[..., None]] = {}


def target(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of it: its name, its first line as the help, its parameters as KEY=VALUE."""
    TARGETS[function.__name__.rstrip("_")] = function
    return function


# Environments and what runs in them


def inside(environment: Path, program: str = "python") -> Path:
    """Where a virtual environment keeps a program."""
    return environment / ("Scripts" if WINDOWS else "bin") / (program + (".exe" if WINDOWS else ""))


def call(*command: str | Path, **environment: str) -> None:
    """Run one command in this folder; where it fails, everything ends with its exit code."""
    words = [str(word) for word in command]
    settings = [f"{key}={value}" for key, value in environment.items()]
    print(*settings, shlex.join(words).replace(f"{ROOT}{os.sep}", ""), flush=True)
    # Windows would read and write text in its own code page.
    everything = os.environ | {"PYTHONUTF8": "1"} | environment
    with subprocess.Popen(words, cwd=ROOT, env=everything) as process:
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt:  # the command has got it, too, and ends in its own way
                continue
    if process.returncode:
        sys.exit(process.returncode if process.returncode > 0 else 128 - process.returncode)


def module(name: str, *arguments: str | Path, **environment: str) -> None:
    """Run a module with the Python of .venv."""
    call(inside(VENV), "-m", name, *arguments, **environment)


def install(environment: Path, *what: str | Path) -> None:
    """Install packages there; pip's own settings (PIP_NO_INDEX, PIP_FIND_LINKS and so on) hold."""
    call(inside(environment), "-m", "pip", "install", "--quiet", *what)


def newer(stamp: Path, *sources: Path) -> bool:
    """Whether a source has changed since the stamp was set."""
    return not stamp.exists() or any(source.stat().st_mtime > stamp.stat().st_mtime for source in sources)


def prepare(cpu: bool = False) -> None:
    """Make .venv anew when the set of packages or the package itself has changed."""
    stamp, wanted = VENV / ".ready", ROOT / "requirements.txt"
    if not newer(stamp, wanted, ROOT / "requirements-cuda.txt", ROOT / "pyproject.toml"):
        return
    if not (inside(VENV).exists() and inside(VENV, "pip").exists()):
        if sys.version_info >= TOO_NEW:
            sys.exit(
                f"Expected Python 3.11 to 3.14, since NumPy has no wheels for {sys.version.split()[0]} yet: "
                "start run.py with another, such as python3.13, on Windows py -3.13."
            )
        call(sys.executable, "-m", "venv", VENV)
    if cpu:
        lines = wanted.read_text(encoding="utf-8").splitlines()
        build = [line.split()[0] for line in lines if line.startswith(("torch==", "torchvision=="))]
        install(VENV, "--no-deps", "--index-url", CPU_INDEX, *build)
    install(VENV, "--requirement", wanted)
    install(VENV, "--no-deps", "--editable", ROOT)
    call(inside(VENV), "-c", "import matplotlib.font_manager")  # builds its font cache, with a remark
    stamp.touch()


def beside(environment: Path) -> None:
    """Make an environment that sees the packages of .venv, and may add or renew some for itself."""
    call(inside(VENV), "-m", "venv", environment)
    ask = [str(inside(VENV)), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    own = environment / packages.relative_to(VENV)
    (own / "book.pth").write_text(
        f"import site; site.addsitedir({str(packages)!a})\n", encoding="utf-8", newline="\n"
    )


def cleared(folder: Path) -> Path:
    """The folder, with nothing there any more."""
    if folder.exists():
        shutil.rmtree(folder)
    return folder


def own_environment(environment: Path, requirements: Path) -> Path:
    """The Python of an environment for packages that .venv must not have; made anew like .venv."""
    stamp = environment / ".ready"
    if newer(stamp, VENV / ".ready", requirements):
        beside(environment)
        install(environment, "--requirement", requirements)
        stamp.touch()
    return inside(environment)


# The commands, as help lists them


@target
def help_() -> None:
    """list the commands"""
    print("python run.py COMMAND, on any system; where there is make, make COMMAND does the same.\n")
    for name, function in TARGETS.items():
        print(f"{name:13} {' '.join(str(function.__doc__).split())}")
    print("\nCPU=1 with the first command of all takes PyTorch's build without the CUDA libraries.")


@target
def book() -> None:
    """build the book from the stored outputs, warnings as errors"""
    call(inside(VENV, "jupyter-book"), "build", ".", "-W", "-n", "--keep-going")
    print(f"The book is at {ROOT / '_build' / 'html' / 'index.html'}")


@target
def pdf() -> None:
    """print the whole book into one file beside its pages (needs chromium)"""
    book()
    module("tools.pdf")


@target
def test() -> None:
    """verify everything: style, types, tests, every output of every chapter, the book"""
    module("ruff", "check", ".")
    module("ruff", "format", "--check", ".")
    module("mypy")
    module("pytest", *PARALLEL, **ONE_THREAD)


@target
def execute(chapters: str = "") -> None:
    """run the chapters (CHAPTERS="chapters/08_grad_cam.ipynb" for one), store and normalise their outputs"""
    module("tools.execute", *chapters.split())


@target
def class_() -> None:
    """write the class: student, gap, solution and teacher's notebooks of each chapter, into class"""
    module("tools.classroom")


@target
def mark(submissions: str, cell: str = "", notebook: str = "", memory: str = "") -> None:
    """mark a folder of submitted notebooks: SUBMISSIONS=folder
    (CELL=300 NOTEBOOK=1800 for other limits in seconds, MEMORY=4000 in MB)"""
    limits = {"--cell": cell, "--notebook": notebook, "--memory": memory}
    module("tools.mark", submissions, *(f"{key}={value}" for key, value in limits.items() if value))


@target
def nbgrader() -> None:
    """export the class to nbgrader, which has an environment of its own on top of .venv"""
    python = own_environment(ROOT / ".nbgrader", ROOT / "tools" / "nbgrader_requirements.txt")
    call(python, "-m", "tools.nbgrader_export")


@target
def slides() -> None:
    """make slides of the chapters"""
    module("tools.slides")


@target
def offline(system: str, version: str = "", cpu: str = "") -> None:
    """prepare the folder offline for a room without internet: SYSTEM=windows, macos or linux
    (VERSION=3.12 for another Python than this one)"""
    module("tools.offline", system, *(["--python", version] if version else []), *(["--cpu"] if cpu else []))


@target
def memory() -> None:
    """measure the peak memory and the time of each chapter"""
    module("tools.memory")


@target
def explorables() -> None:
    """compute the data and draw the static figures of the explorables"""
    module("tools.explorables")


@target
def kernels() -> None:
    """compile the live lab's loops to WebAssembly (needs node and npm), to be committed"""
    module("tools.kernels")


@target
def portable() -> None:
    """verify the chapters again as other processors would compute them: instruction sets and threads"""
    for onednn, aten, mkl, threads in (("AVX2", "avx2", "AVX2", "2"), ("SSE41", "default", "SSE4_2", "4")):
        module(
            "pytest",
            "-q",
            *PARALLEL,
            "chapters",
            ONEDNN_MAX_CPU_ISA=onednn,
            ATEN_CPU_CAPABILITY=aten,
            MKL_ENABLE_INSTRUCTIONS=mkl,
            OMP_NUM_THREADS=threads,
            OMP_WAIT_POLICY="PASSIVE",
        )


@target
def benchmark() -> None:
    """speed and memory against the libraries, then all networks, a folder of pictures (about half an hour)"""
    for name in ("speed", "family", "gradients", "dataset", "settings", "families"):
        module(f"benchmarks.{name}")


@target
def claims(chapter: str = "") -> None:
    """measure how far the chapters' claims hold (CHAPTER=4 for one); an interrupted run goes on"""
    module("claims", *chapter.split(), **ONE_THREAD)


@target
def colab() -> None:
    """every chapter as in Colab, alone in a fresh environment (test takes a few by lot)"""
    module("pytest", "--numprocesses", "auto", "tests/test_colab.py", COLAB="all", **ONE_THREAD)


@target
def quantus() -> None:
    """compare the measures with Quantus, which has an environment of its own on top of .venv"""
    python = own_environment(ROOT / ".quantus", ROOT / "benchmarks" / "quantus_requirements.txt")
    call(python, "-m", "benchmarks.quantus", **ONE_THREAD)


@target
def conformance(latest: str = "") -> None:
    """compare every method of the libraries with formulas, write data/conformance.json
    (LATEST=1: newest releases, say what differs)"""
    if not latest:
        module("conformance", **ONE_THREAD)
        return
    environment = cleared(ROOT / ".latest")
    beside(environment)
    install(environment, "--upgrade", "grad-cam", "captum", "torchcam", "zennit")
    call(inside(environment), "-m", "conformance", "--check", **ONE_THREAD)


@target
def newest() -> None:
    """run all tests with the newest releases of all packages, in an environment of its own"""
    environment = cleared(ROOT / ".latest")
    call(sys.executable, "-m", "venv", environment)
    wanted = environment / "newest.txt"
    call(inside(environment), "-m", "tools.newest", wanted)
    install(environment, "--requirement", wanted, "--editable", ROOT)
    call(inside(environment), "-m", "pytest", *PARALLEL, **ONE_THREAD)


@target
def mutants(base: str = "HEAD~", all: str = "", sample: str = "", modules: str = "") -> None:
    """show which small changes of helpers no test notices
    (ALL=1 MODULES="cam hooks" SAMPLE=50; else on lines that differ from BASE=HEAD~; not on Windows)"""
    chosen = [*(["--all"] if all else []), *(["--sample", sample] if sample else []), *modules.split()]
    module("tools.mutants", "--base", base, *chosen, **ONE_THREAD)


@target
def browser() -> None:
    """read every page in a headless Chromium, narrow and wide, light and dark, and print the book"""
    module("pytest", "-m", "browser", "tests")


@target
def serve() -> None:
    """show the book at http://localhost:8000"""
    book()
    module("http.server", "8000", "--bind", "127.0.0.1", "--directory", "_build/html")


@target
def lab() -> None:
    """open the chapters in JupyterLab"""
    module("jupyterlab", "chapters")


@target
def repository(url: str) -> None:
    """change the repository's address everywhere: URL=https://github.com/you/book"""
    module("tools.repository", url)


@target
def release(tag: str) -> None:
    """what a release attaches, into _build/release: TAG=v2.1.0"""
    pdf()
    class_()
    module("tools.release", tag)


@target
def clean() -> None:
    """remove the built book"""
    cleared(ROOT / "_build")


# The command line


def taken(name: str, given: dict[str, str]) -> dict[str, str]:
    """Those of the variables given that a command takes; ends where it lacks one."""
    parameters = inspect.signature(TARGETS[name]).parameters.values()
    found = {one.name: given[one.name] for one in parameters if given.get(one.name)}
    for one in parameters:
        if one.default is one.empty and one.name not in found:
            key = one.name.upper()
            sys.exit(f"{name} needs {key}=…: say `python run.py {name} {key}=…` (help explains it).")
    return found


def read(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The commands and the variables of the command line, both known."""
    names = [word for word in words if "=" not in word] or ["help"]
    given = {key.lower(): value for key, _, value in (word.partition("=") for word in words if "=" in word)}
    given.pop("python", None)  # make's: with which Python it starts this file
    for name in names:
        if name not in TARGETS:
            close = difflib.get_close_matches(name, TARGETS)
            hint = f" ({' or '.join(close)}?)" if close else ""
            sys.exit(f"There is no command {name!r}{hint}: `python run.py help` lists them.")
    known = {"cpu"}.union(*(inspect.signature(TARGETS[name]).parameters for name in names))
    if unknown := sorted(given.keys() - known):
        takes = ", ".join(sorted(known)).upper()
        sys.exit(f"{' '.join(names)} takes {takes}, not {', '.join(unknown).upper()}.")
    return names, given


def main(words: list[str]) -> None:
    """Run the commands named, one after the other."""
    names, given = read(words)
    chosen = [(name, taken(name, given)) for name in names]
    for name, variables in chosen:
        if name not in ("help", "newest", "clean"):  # these do without .venv
            prepare(cpu=bool(given.get("cpu")))
        TARGETS[name](**variables)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"{error}: where a file of .venv is missing, delete .venv and start again.")
