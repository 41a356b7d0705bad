"""The maintainers' tools, and that the repository's address agrees everywhere."""

import json
import re
import shutil
import subprocess
import sys

import nbformat
import pytest

from tools import execute, mutants, repository

PLACES = [
    "pyproject.toml",
    "_config.yml",
    "README.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "helpers/images.py",
]


def test_the_address_agrees_everywhere():
    address = repository.address()
    for place in [repository.ROOT / name for name in PLACES] + execute.CHAPTERS:
        text = place.read_text(encoding="utf-8")
        found = set(
            re.findall(r"https://github\.com/seeing-what-a-cnn-sees/[\w-]+|" + re.escape(address), text)
        )
        assert found == {address}, place


def test_one_command_changes_it_everywhere(tmp_path, monkeypatch):
    for name in PLACES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(repository.ROOT / name, tmp_path / name)
    (tmp_path / "binary.png").write_bytes(b"\x89PNG\xff")
    links = "https://mybinder.org/v2/gh/{0}/main https://codespaces.new/{0}"
    links += " https://colab.research.google.com/github/{0}/blob/main"
    (tmp_path / "links.md").write_text(links.format("seeing-what-a-cnn-sees/book"), encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    old = repository.address()
    assert repository.change("https://github.com/someone/a-fork") == len(PLACES) + 1
    assert repository.address() == "https://github.com/someone/a-fork"
    assert not any(old in (tmp_path / name).read_text(encoding="utf-8") for name in PLACES)
    config = (tmp_path / "_config.yml").read_text(encoding="utf-8")
    assert "html_baseurl: https://someone.github.io/a-fork/\n" in config
    assert (tmp_path / "binary.png").read_bytes() == b"\x89PNG\xff"
    assert (tmp_path / "links.md").read_text(encoding="utf-8") == links.format("someone/a-fork")


@pytest.mark.parametrize(
    "bad", ["", "http://github.com/a/b", "https://example.org/a/b", "https://github.com/a"]
)
def test_a_wrong_address_is_refused(bad, monkeypatch):
    monkeypatch.setattr("sys.argv", ["repository", bad])
    with pytest.raises(SystemExit, match=r"expected https://github\.com/owner/name"):
        repository.main()


@pytest.fixture
def small(tmp_path):
    notebook = nbformat.v4.new_notebook()
    source = "import sys\nfor i in range(3):\n    print(i, flush=True)\n    sys.stdout.flush()"
    notebook.cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell(source)]
    notebook.cells[1].metadata = {"execution": {"when": "now"}, "collapsed": True, "tags": ["kept"]}
    path = tmp_path / "small.ipynb"
    nbformat.write(notebook, path)
    return path


def test_executing_twice_gives_the_same_text(small):
    once = execute.text(execute.executed(small))
    small.write_text(once, encoding="utf-8")
    assert execute.text(execute.executed(small)) == once
    stored = json.loads(once)
    assert [cell["id"] for cell in stored["cells"]] == ["cell-00", "cell-01"]
    assert stored["cells"][1]["metadata"] == {"tags": ["kept"]}
    (output,) = stored["cells"][1]["outputs"]
    assert "".join(output["text"]) == "0\n1\n2\n"
    assert stored["metadata"]["kernelspec"]["name"] == "python3"


def test_an_error_leaves_the_file_as_it_was(small, monkeypatch):
    notebook = nbformat.read(small, as_version=4)
    notebook.cells[1].source = "1 / 0"
    nbformat.write(notebook, small)
    before = small.read_bytes()
    monkeypatch.setattr(execute, "ROOT", small.parent)
    monkeypatch.setattr("sys.argv", ["execute", str(small)])
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute.main()
    assert small.read_bytes() == before


SMALL = """def halve(x):
    if x > 8:
        raise ValueError(f"x is {x}, more than 8")
    return x / 2
"""
NOTICES = """from helpers.small import halve


def test_halve():
    assert halve(4) == 2
"""


@pytest.fixture
def project(tmp_path):
    """A package with one module, whose test does not look at the limit, and the tool."""
    for name, text in {
        "helpers/__init__.py": "",
        "helpers/small.py": SMALL,
        "tests/test_small.py": NOTICES,
        "tools/__init__.py": "",
        "tools/accepted_mutants.txt": "helpers/small.py\n- if x > 8:\n+ if x > 9:\n= for the test\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    shutil.copy(mutants.__file__, tmp_path / "tools")
    return tmp_path


def test_mutants_change_one_thing_and_no_error(project, monkeypatch):
    monkeypatch.setattr(mutants, "ROOT", project)
    found = list(mutants.mutants(project / "helpers" / "small.py"))
    changes = {(one.line, one.after) for one in found}
    assert {(2, "if x >= 8:"), (2, "if x > 9:"), (4, "return x * 2"), (4, "return x / 3")} <= changes
    assert {line for line, _ in changes} == {2, 4}
    for one in found:
        differing = [a for a, b in zip(SMALL.splitlines(), one.source.splitlines(), strict=True) if a != b]
        assert differing == [SMALL.splitlines()[one.line - 1]]
    assert [one.line for one in mutants.mutants(project / "helpers" / "small.py", {4})] == [4, 4]


def test_mutants_tells_what_no_test_notices(project):
    command = [sys.executable, "-m", "tools.mutants", "--all", "small"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "+ if x >= 8:" in done.stdout  # the test does not know the limit
    assert "+ if x > 9:" not in done.stdout  # accepted
    assert "return" not in done.stdout  # noticed
    assert re.search(r"== helpers/small\.py: \d+ changes, .*'accepted': 1", done.stdout)
    (project / "tests" / "test_small.py").write_text(NOTICES + "    assert halve(3) == 2\n", encoding="utf-8")
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert "fail without any change" in done.stderr


def test_what_mutants_may_survive_still_stands_in_the_code():
    accepted = mutants.accepted()
    assert len(accepted) == mutants.ACCEPTED.read_text(encoding="utf-8").count("\n= ")
    for file, before, _ in accepted:
        code = " ".join((mutants.ROOT / file).read_text(encoding="utf-8").split())
        assert " ".join(before.split()) in code, (file, before)
