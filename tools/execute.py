"""Execute chapters in place and store them so that an unchanged chapter gives the very same file again."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))


def executed(path: Path, kernel: str = "python3") -> NotebookNode:
    """The notebook with fresh outputs, normalised; the file is not touched."""
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, timeout=300, kernel_name=kernel, resources=folder, coalesce_streams=True
    )
    client.execute()
    return normalised(notebook)


def normalised(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what changes from run to run or from editor to editor."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        for editor_or_clock in ("execution", "collapsed", "ExecuteTime", "id", "outputId"):
            cell.metadata.pop(editor_or_clock, None)
    notebook.nbformat_minor = 5
    return notebook


def text(notebook: NotebookNode) -> str:
    """The notebook as it is stored."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def main() -> None:
    """Execute the chapters named, or all."""
    for path in [Path(name).resolve() for name in sys.argv[1:]] or CHAPTERS:
        print(f"executing {path.relative_to(ROOT)}", flush=True)
        path.write_text(text(executed(path)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
