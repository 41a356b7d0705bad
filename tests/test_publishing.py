"""What publishes and keeps the book: workflows, citation, changes, releases, other machines, the guide."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import run
from tools import newest, release

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
# Beside the targets: what no target can do, since it needs a repository's permissions.
EQUIVALENTS = ("gh release create ",)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs():
    return {f"{path.stem} {name}": job for path in WORKFLOWS for name, job in read(path)["jobs"].items()}


def steps():
    return [(name, step) for name, job in jobs().items() for step in job["steps"]]


def matrix():
    return jobs()["ci everywhere"]["strategy"]["matrix"]


# ---- Workflows


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [GITHUB / "dependabot.yml"]),
        ("citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_they_fit_their_schema(schema, paths):
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run([*check, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def found_unsafe(folder):
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    assert zizmor, "expected zizmor in the environment: run.py book installs it"
    ask = [zizmor, "--offline", "--persona", "auditor", "--format", "plain", "--no-progress", folder]
    done = subprocess.run(ask, capture_output=True, text=True, encoding="utf-8", check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_nothing_in_them_is_unsafe():
    assert found_unsafe(GITHUB) == ""


@pytest.mark.parametrize(
    ("was", "becomes", "finding"),
    [
        (r"actions/checkout@\w{40}", "actions/checkout@main", "unpinned-uses"),
        ("persist-credentials: false", "persist-credentials: true", "artipacked"),
        ("contents: read", "contents: write", "excessive-permissions"),
    ],
)
def test_what_is_unsafe_would_be_found(was, becomes, finding, tmp_path):
    text = (GITHUB / "workflows" / "pages.yml").read_text(encoding="utf-8")
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "pages.yml").write_text(re.sub(was, becomes, text), encoding="utf-8")
    assert finding in found_unsafe(tmp_path)


def test_one_version_of_each_action_is_used_and_named():
    uses = [
        line.strip()
        for path in WORKFLOWS
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    pinned = [re.fullmatch(r"(?:- )?uses: ([\w/-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line) for line in uses]
    assert all(pinned), uses
    assert len({match[1] for match in pinned}) == len({match.groups() for match in pinned})


def test_they_call_what_run_py_has():
    called = set()
    for name, step in steps():
        command = step.get("run", "")
        if not command or command.startswith(EQUIVALENTS):
            continue
        python, script, *words = shlex.split(command)
        assert (python, script) == ("python", "run.py"), name
        for target in run.read(words)[0]:  # ends where a target or a variable is unknown
            run.taken(target, run.read(words)[1])
            called.add(target)
    assert called >= {"book", "test", "class", "portable", "quantus", "browser"}
    assert called >= {"pdf", "conformance", "newest", "release"}


def test_each_job_ends_and_may_do_little():
    for name, job in jobs().items():
        assert job["timeout-minutes"] <= 180, name
        assert job.get("permissions", {}).keys() <= {"contents", "pages", "id-token"}, name
        installs = any("run.py" in step.get("run", "") for step in job["steps"])
        assert not (installs and "permissions" in job), name  # no package gets at more than reading
    for path in WORKFLOWS:
        assert read(path)["permissions"] == {"contents": "read"}, path
        assert "concurrency" in read(path), path


def test_every_system_is_tested_with_the_lowest_and_the_highest_python():
    assert [name.split("-")[0] for name in matrix()["os"]] == ["ubuntu", "macos", "windows"]
    lowest, highest = matrix()["python"]
    assert PROJECT["requires-python"] == f">={lowest}"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert lowest in readme
    assert highest in readme


def test_all_other_pythons_lie_between():
    lowest, highest = (int(one.split(".")[1]) for one in matrix()["python"])
    others = [
        str(step["with"]["python-version"]) for _, step in steps() if "python-version" in step.get("with", {})
    ]
    others += (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").split()
    others.append(container()["image"])
    found = [int(match[1]) for one in others if (match := re.search(r"\b3\.(\d+)$", one))]
    assert len(found) >= 6
    assert lowest <= min(found) <= max(found) <= highest


# ---- Versions and releases


def test_one_version_stands_everywhere():
    assert release.disagreement(f"v{PROJECT['version']}") == ""


def test_the_citation_says_what_the_package_says():
    citation = read(ROOT / "CITATION.cff")
    authors = [author["name"] for author in citation["authors"]]
    assert f"Copyright (c) 2026 {authors[0]}" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert authors == [read(ROOT / "_config.yml")["author"]]
    assert citation["license"] == PROJECT["license"]
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    assert citation["url"] == read(ROOT / "_config.yml")["sphinx"]["config"]["html_baseurl"]


def test_changes_are_in_order():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads[0] == "[Unreleased]"
    assert all(release.HEAD.fullmatch(f"## {head}") for head in heads[1:])
    versions = [tuple(map(int, re.findall(r"\d+", head.split(" - ")[0]))) for head in heads[1:]]
    days = [head.split(" - ")[1] for head in heads[1:]]
    assert versions == sorted(versions, reverse=True)
    assert days == sorted(days, reverse=True)
    kinds = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A project of version 1.2.0, built."""
    monkeypatch.setattr(release, "ROOT", tmp_path)
    for name, text in {
        "pyproject.toml": '[project]\nversion = "1.2.0"\n',
        "CITATION.cff": "version: 1.2.0\ndate-released: 2026-05-04\n",
        "CHANGELOG.md": "## [Unreleased]\n\nno\n\n## [1.2.0] - 2026-05-04\n\n"
        "One\nline.\n\n### Added\n\n- new\n  thing\n- two\n"
        "\n## [1.1.0] - 2026-01-01\n\n- old\n",
        "_build/html/index.html": "book",
        f"_build/html/{release.NAME}.pdf": "pdf",
        "class/student/01.ipynb": "{}",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def released(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["release", *words])
    release.main()


def test_a_release_holds_book_pdf_class_and_notes(small, monkeypatch):
    released(monkeypatch, "v1.2.0")
    folder, name = small / "_build" / "release", f"{release.NAME}-1.2.0"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.zip",
        f"{name}.pdf",
        f"{name}-class.zip",
        "notes.md",
    }
    assert (folder / "notes.md").read_text(encoding="utf-8") == (
        "One line.\n\n### Added\n\n- new thing\n- two\n"
    )
    with zipfile.ZipFile(folder / f"{name}.zip") as archive:
        assert archive.namelist() == [f"{name}/index.html", f"{name}/{release.NAME}.pdf"]
        assert archive.read(f"{name}/index.html") == b"book"
    before = (folder / f"{name}.zip").read_bytes()
    (small / "_build" / "html" / "index.html").touch()
    released(monkeypatch, "v1.2.0")
    assert (folder / f"{name}.zip").read_bytes() == before


@pytest.mark.parametrize("words", [["v1.2.1"], ["1.2"], ["main"], []])
def test_another_tag_is_refused(words, small, monkeypatch):
    with pytest.raises(SystemExit, match="expected one version"):
        released(monkeypatch, *words)
    assert not (small / "_build" / "release").exists()


@pytest.mark.parametrize(
    ("name", "was", "becomes"),
    [
        ("CITATION.cff", "1.2.0", "1.1.0"),
        ("CITATION.cff", "05-04", "05-05"),
        ("pyproject.toml", "1.2.0", "1.3.0"),
        ("CHANGELOG.md", "[1.2.0]", "[1.2.1]"),
        ("CHANGELOG.md", "## [1.2.0] - 2026-05-04", "## 1.2.0"),
    ],
)
def test_a_forgotten_version_is_named(name, was, becomes, small):
    path = small / name
    path.write_text(path.read_text(encoding="utf-8").replace(was, becomes), encoding="utf-8")
    assert name in release.disagreement("v1.2.0")


@pytest.mark.parametrize(
    "missing", ["_build/html/index.html", f"_build/html/{release.NAME}.pdf", "class/student"]
)
def test_what_is_not_built_is_named(missing, small, monkeypatch):
    path = small / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(SystemExit, match=re.escape(path.name)):
        released(monkeypatch, "v1.2.0")
    assert not (small / "_build" / "release").exists()


def test_the_newest_are_all_that_the_book_asks_for():
    names = newest.newest()
    assert {"torch", "pytest", "jupyter-book<2", "zizmor"} <= set(names)
    assert not any("==" in name for name in names)
    assert {"sphinx", "jinja2"}.isdisjoint(names)  # what others need is theirs to choose
    for held in newest.HELD:
        assert held + newest.HELD[held] in names


def test_the_newest_are_written_into_the_file_that_is_named(tmp_path):
    file = tmp_path / "newest.txt"
    subprocess.run([sys.executable, "-m", "tools.newest", file], cwd=ROOT, check=True)
    assert file.read_text(encoding="utf-8").split() == newest.newest()


# ---- Other machines


def container():
    return json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def test_the_dev_container_is_made_by_the_same_command():
    told = container()
    known = {"name", "image", "hostRequirements", "postCreateCommand", "customizations"}
    assert told.keys() == known  # all of them as the specification writes them
    python, script, *words = shlex.split(told["postCreateCommand"])
    assert (python, script, run.read(words)[0]) == ("python", "run.py", ["book"])
    assert all(re.fullmatch(r"\d+([tgmk]b)?", told["hostRequirements"][key]) for key in ("memory", "storage"))


def test_a_binder_has_the_same_packages():
    lines = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        f"--extra-index-url {run.CPU_INDEX}",
        "--requirement ../requirements.txt",
    ]
    assert b"\r" not in (ROOT / "binder" / "postBuild").read_bytes()
    assert "cuda" not in "".join(
        re.findall(r"^[\w.-]+==", (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    )


# ---- How to write a chapter


def guide():
    return (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_guide_is_a_page_and_names_what_is_there():
    assert len(guide().splitlines()) <= 120
    for target in re.findall(r"\b(?:make|python run\.py) ([a-z]+)\b", guide()):
        assert target in run.TARGETS, target
    paths = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|cff|toml|yml|txt))`", guide())
    assert len(paths) > 8
    for path in paths:
        assert "18" in path or (ROOT / path).exists(), path


def test_the_guide_names_all_parts_of_a_chapter():
    tests = (ROOT / "tests" / "test_chapters.py").read_text(encoding="utf-8")
    parts = re.findall(r'"(\*\*[^"]+\*\*|## [^"]+)"', tests)
    assert len(parts) >= 9
    for part in parts:
        assert part in guide(), part
