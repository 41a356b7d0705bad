"""Every chapter: its form.

nbval compares the texts of all outputs (pytest collects the notebooks themselves), and test_colab.py executes
each chapter once more, elsewhere, and compares its figures as well.
"""

import re
import subprocess
import sys

import nbformat
import pytest

from tools import execute

ABSOLUTE_PATH = re.compile(r"(?<![\w/.:])/(?:tmp|work|root|home|usr|opt|Users)/[\w.-]+")


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def images(cell):
    return [
        (kind, data)
        for output in cell.outputs
        for kind, data in output.get("data", {}).items()
        if kind.startswith("image/")
    ]


def test_there_are_chapters():
    assert {"02_image_classifier", "08_grad_cam"} <= {path.stem for path in execute.CHAPTERS}


def test_it_is_normalised(path, notebook):
    assert path.read_text(encoding="utf-8") == execute.text(execute.normalised(notebook))


def test_it_ran_from_first_to_last_without_errors(notebook):
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text


def test_no_output_is_left_out_of_the_comparison(notebook):
    for cell in code(notebook):
        assert not {"nbval-skip", "nbval-ignore-output"} & set(cell.metadata.get("tags", []))
        assert not re.search("NBVAL_(SKIP|IGNORE_OUTPUT)", cell.source)


def test_no_path_of_one_machine(notebook):
    for cell in notebook.cells:
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
        assert not ABSOLUTE_PATH.search("\n".join(texts)), cell.id


def test_every_figure_has_a_name_a_caption_and_alt_text(notebook):
    names = []
    for cell in filter(images, code(notebook)):
        about = cell.metadata.mystnb
        assert len(about.image.alt) > 40, cell.id
        assert about.figure.caption.endswith("."), cell.id
        names.append(about.figure.name)
    assert names
    assert len(set(names)) == len(names)


def test_no_figure_changes_the_size_of_its_text(notebook):
    for cell in filter(images, code(notebook)):
        assert not re.search(r"fontsize|labelsize|font\.size", cell.source), cell.id


def test_imports_stand_in_the_setup_cell_only_and_it_is_folded(notebook):
    setup, *others = code(notebook)
    assert "hide-input" in setup.metadata.tags
    assert 'importlib.util.find_spec("helpers") is None' in setup.source
    assert "torch.manual_seed(" in setup.source
    for cell in others:
        assert not re.search(r"^\s*(import|from) \w", cell.source, re.MULTILINE), cell.id


def test_exercises_have_folded_solutions_with_code(notebook):
    exercises = re.findall(r"^:::\{exercise\}.*\n:label: (\S+)", prose(notebook), re.MULTILINE)
    solutions = re.findall(r"^:::\{solution-start\} (\S+)\n:class: dropdown", prose(notebook), re.MULTILINE)
    assert len(exercises) >= 3
    assert solutions == exercises
    inside, with_code = None, set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with_code.add(inside)
        elif found := re.search(r"^:::\{solution-start\} (\S+)", cell.source, re.MULTILINE):
            inside = found[1]
        elif ":::{solution-end}" in cell.source:
            inside = None
    assert set(exercises) <= with_code


def test_the_anatomy_of_a_chapter(notebook):
    text = prose(notebook)
    for part in ("**You will be able to**", "**You need**", "**It takes**", "## Setup"):
        assert part in text
    ending = ["## How far does it hold?", "## What this does not show"]
    ending += ["## Summary", "## Quiz", "## Exercises", "## Further reading"]
    places = [text.index(heading) for heading in ending]
    assert places == sorted(places)


def test_the_first_screen_shows_what_it_is_about(notebook):
    assert re.search(r"^:::\{(teaser|drawing)\} ", notebook.cells[0].source, re.MULTILINE)


def test_it_shows_how_far_its_claims_hold(path, notebook):
    calls = [cell for cell in code(notebook) if "claims_of(" in cell.source]
    assert [cell.source for cell in calls] == [f"claims_of({int(path.stem[:2])})"]
    assert "| claim | n | holds |" in calls[0].outputs[0].data["text/markdown"]


def test_it_names_no_chapter_that_is_not_there(notebook):
    named = {int(number) for number in re.findall(r"[Cc]hapters? (\d+)", prose(notebook))}
    assert named <= {int(path.stem[:2]) for path in execute.CHAPTERS}


def minutes(notebook):
    """How long a reader takes: 200 words of prose and eight lines of code a minute."""
    words = len(prose(notebook).split())
    lines = sum(bool(line.strip()) for cell in code(notebook) for line in cell.source.splitlines())
    return words / 200 + lines / 8


def test_it_says_how_long_it_takes(notebook):
    (said,) = re.findall(r"\*\*It takes\*\* about (\d+) minutes", prose(notebook))
    assert abs(int(said) - minutes(notebook)) <= 5


def test_no_residue_of_rounding_is_printed(path, notebook):
    """What is exact but for rounding is asserted with its bound: its digits differ between processors."""
    if "float64" in "".join(cell.source for cell in code(notebook)[:2]):
        pytest.skip("computed in double precision: its small numbers are far above the rounding")
    for cell in code(notebook):
        for output in cell.outputs:
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert not re.search(r"\d\.\d{6,}|\de-\d\d", text), (cell.id, text)


def test_setups_are_silent_without_triton(tmp_path):
    """PyTorch remarks on a missing triton, as on Windows and macOS, unless told not to, as by chapter 11."""
    paths = sorted(execute.CHAPTERS, key=lambda path: "11_" in path.stem)  # last, to silence no other
    setups = [code(nbformat.read(path, as_version=4))[0].source for path in paths]
    script = tmp_path / "setups.py"
    lines = ["import sys", "sys.modules['triton'] = None", *(re.sub("%pip.*", "pass", s) for s in setups)]
    script.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
