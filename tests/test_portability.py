"""What Windows and macOS would trip over, sought in the sources; the packages, resolved for each system."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import offline, repository

ROOT = Path(__file__).parents[1]
FILES = sorted(path for path in repository.tracked() if path.suffix == ".py")
# Those that run on a reader's or a maintainer's machine whatever it is.
OURS = [path for path in FILES if path.relative_to(ROOT).parts[0] != "tests"]
UNIX = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
NOT_ON_WINDOWS = {"fork", "getuid", "killpg", "mkfifo", "setsid", "SIGALRM", "SIGKILL"}
# Says so on Windows; has a branch for Windows; tells people what to type; looks for them.
ALLOWED = ("tools/mutants.py", "run.py", "tools/offline.py", "tests/test_portability.py")
BINARY = {".gif", ".ico", ".jpeg", ".jpg", ".pdf", ".png", ".wasm", ".webp", ".woff2", ".zip"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def nodes(path, kind):
    return [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, kind)]


def calls(path):
    """Each call's line, the name of what is called, its arguments and its keywords."""
    for call in nodes(path, ast.Call):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        yield call, called, {keyword.arg: keyword.value for keyword in call.keywords}


def mode(call, keywords):
    """The mode of `open(path, mode)` or of `path.open(mode)`; "" where it is another open."""
    place = 0 if isinstance(call.func, ast.Attribute) else 1
    given = keywords.get("mode", call.args[place] if len(call.args) > place else ast.Constant("r"))
    value = given.value if isinstance(given, ast.Constant) else ""
    return value if isinstance(value, str) and re.fullmatch("[rwax][bt+]*", value) else ""


def text_without(path):
    """Lines that read or write text in the encoding, or with the ends of lines, of the system."""
    for call, called, keywords in calls(path):
        reads = called == "read_text"
        writes = called == "write_text"
        if called == "open" and (found := mode(call, keywords)) and "b" not in found:
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id in ("Image", "os", "browser", "webbrowser"):
                continue
            writes = found[0] in "wax"
            reads = not writes
        if called == "write_text" and "/proc/" in ast.unparse(call.func):  # Linux's own
            continue
        needed = {"encoding", "newline"} if writes else {"encoding"} if reads else set()
        positional = 1 if called == "read_text" and call.args else 0
        if needed - keywords.keys() and not positional:
            yield f"{path}:{call.lineno} lacks {' and '.join(sorted(needed - keywords.keys()))}"


def test_text_is_read_and_written_alike_everywhere():
    assert [line for path in OURS for line in text_without(path)] == []


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ('p.write_text("a", encoding="utf-8", newline="\\n")\np.read_text(encoding="utf-8")', ""),
        ('p.open("wb")\nopen(p, "rb")\nImage.open(p)\np.open("w", encoding="utf-8", newline="")', ""),
        ('p.write_text("a", encoding="utf-8")', "newline"),
        ('p.write_text("a")', "encoding and newline"),
        ('p.open("a", encoding="utf-8")', "newline"),
        ('open(p, "w", encoding="utf-8")', "newline"),
        ('open(p, mode="x", newline="")', "encoding"),
        ("open(p)", "encoding"),
        ("p.open()", "encoding"),
        ("p.read_text()", "encoding"),
    ],
)
def test_what_depends_on_the_system_is_found(source, lacks, tmp_path):
    path = tmp_path / "a.py"
    path.write_text(source, encoding="utf-8", newline="\n")
    assert [found.partition(" lacks ")[2] for found in text_without(path)] == ([lacks] if lacks else [])


def test_no_shell_is_asked():
    for path in FILES:
        for call, called, keywords in calls(path):
            owner = getattr(getattr(call.func, "value", None), "id", "")
            assert "shell" not in keywords, f"{path}:{call.lineno}"
            assert (owner, called) not in {("os", "system"), ("os", "popen")}, f"{path}:{call.lineno}"


def test_what_unix_alone_has_is_not_imported_with_a_module():
    for path in FILES:
        tree = ast.parse(path.read_bytes())
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {getattr(node, "module", None) or alias.name for node in imports for alias in node.names}
        assert not names & UNIX, path


def test_what_unix_alone_has_is_not_called_where_windows_works():
    for path in OURS:
        found = {node.attr for node in nodes(path, ast.Attribute)} & NOT_ON_WINDOWS
        assert name(path) in ALLOWED or not found, (path, found)


def test_no_place_of_one_system_is_written_down():
    places = re.compile(r"^/(tmp|usr|home|opt|var|etc|bin|dev)\b|\.venv[/\\\\](bin|Scripts)")
    for path in FILES:
        for node in nodes(path, ast.Constant):
            if isinstance(node.value, str) and places.search(node.value) and name(path) not in ALLOWED:
                raise AssertionError(f"{path}:{node.lineno} {node.value!r}")


def test_paths_are_no_text_with_the_slashes_of_the_system():
    for path in FILES:
        for call, called, _ in calls(path):
            inner = call.args[0] if called == "str" and call.args else None
            relative = isinstance(inner, ast.Call) and getattr(inner.func, "attr", "") == "relative_to"
            assert not relative, f"{path}:{call.lineno}: say .as_posix()"


def test_every_file_can_be_checked_out_on_every_system():
    files = [path.relative_to(ROOT) for path in repository.tracked()]
    assert len({path.as_posix().lower() for path in files}) == len(files)
    for path in files:
        assert not re.search(r'[<>:"|?*\\]|[ .]$', path.name), path
        assert path.stem.lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1"}, path
        assert len(str(path)) < 120, path  # of the 260 that Windows allows


def test_ends_of_lines_are_kept():
    listed = ["git", "ls-files", "--eol", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no git repository")
    for line in done.stdout.splitlines():
        about, path = line.split("\t")
        index, here, attributes = about.split(maxsplit=2)
        binary = "-text" in attributes or "-text" in here
        assert binary or "eol=lf" in attributes, line
        assert not {index, here} & {"i/crlf", "i/mixed", "w/crlf", "w/mixed"}, line
        assert binary == ((ROOT / path).suffix in BINARY), line


# --- the packages


@pytest.fixture(scope="module")
def resolve(tmp_path_factory):
    """Let uv work out what is installed, from a package index that answers."""
    cache = tmp_path_factory.mktemp("cache")
    environment = os.environ | {"UV_CACHE_DIR": str(cache), "MACOSX_DEPLOYMENT_TARGET": "14.0"}

    def compiled(*words):
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
        done = subprocess.run(
            [*command, *map(str, words)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
            pytest.skip("no package index")
        return done

    return compiled


def packages(text):
    return {canonicalize_name(one.name): str(one) for one in map(Requirement, text.splitlines())}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    ("system", "platform"),
    [
        ("linux", "x86_64-manylinux_2_28"),
        ("macos", "aarch64-apple-darwin"),
        ("windows", "x86_64-pc-windows-msvc"),
        (None, "aarch64-manylinux_2_28"),
    ],
)
def test_there_is_a_wheel_of_each_package_and_no_pin_is_lacking(resolve, system, platform, version):
    wheels = ["--only-binary=:all:", *(f"--no-binary={name}" for name in offline.SOURCES)]
    where = ["--python-platform", platform, "--python-version", version]
    done = resolve("requirements.txt", *wheels, *where)
    assert done.returncode == 0, done.stderr
    if system:
        assert set(packages(done.stdout).values()) == set(offline.pins(system, f"{version}.0"))


@pytest.mark.parametrize(
    ("platform", "version"),
    [
        ("x86_64-apple-darwin", "3.12"),
        ("aarch64-pc-windows-msvc", "3.12"),
        ("x86_64-pc-windows-msvc", "3.15"),
    ],
)
def test_what_the_readme_calls_impossible_is_so(resolve, platform, version):
    done = resolve(
        "requirements.txt", "--only-binary=:all:", *(f"--no-binary={name}" for name in offline.SOURCES),
        "--python-platform", platform, "--python-version", version,
    )  # fmt: skip
    assert re.search("no (usable )?wheels", done.stderr), done.stderr


@pytest.fixture
def for_processors(tmp_path):
    """Wheels that name themselves and what they need as those of PyTorch's index for processors do."""
    needs = ("filelock", "typing-extensions", "setuptools", "sympy", "networkx", "jinja2", "fsspec")
    pins = packages("\n".join(offline.pins("linux", "3.12.0", cpu=True)))
    for package, wanted in (("torch", needs), ("torchvision", ("numpy", "torch", "pillow"))):
        version = pins[package].partition("==")[2]
        about = f"{package}-{version}.dist-info"
        with zipfile.ZipFile(tmp_path / f"{package}-{version}-py3-none-any.whl", "w") as wheel:
            told = "".join(f"Requires-Dist: {one}\n" for one in wanted)
            wheel.writestr(
                f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n{told}"
            )
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
    return tmp_path


def test_a_build_for_processors_wants_nothing_of_cuda(resolve, for_processors):
    where = ["--python-platform", "linux", "--python-version", "3.12", "--find-links", for_processors]
    done = resolve("requirements.txt", *where)
    assert done.returncode == 0, done.stderr
    assert set(packages(done.stdout).values()) == set(offline.pins("linux", "3.12.0", cpu=True))
    assert not re.search("nvidia|cuda|triton", done.stdout)


def test_the_last_group_is_what_the_others_need(resolve, tmp_path):
    """Pins that nobody needs any longer, and needs without a pin: work out the last group anew."""
    whole = [(ROOT / name).read_text(encoding="utf-8") for name in offline.PINS]
    (tmp_path / "upper.txt").write_text(
        whole[0].partition("# What those need")[0].replace("--constraint", "# "),
        encoding="utf-8",
        newline="\n",
    )
    (tmp_path / "all.txt").write_text(
        "\n".join(whole).replace("--constraint", "# "), encoding="utf-8", newline="\n"
    )
    done = resolve(
        "--universal",
        "--python-version",
        "3.11",
        "--constraint",
        tmp_path / "all.txt",
        tmp_path / "upper.txt",
    )
    assert done.returncode == 0, done.stderr
    wanted = {line.split(" ;")[0] for line in done.stdout.splitlines()}
    stored = {line.split()[0] for text in whole for line in text.splitlines() if re.match(r"\w", line)}
    assert wanted == stored
