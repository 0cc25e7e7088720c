"""Writes and runs the notebooks in examples/: `python docs/write_notebooks.py`; some minutes.

Each runs in a folder of its own with the tutorial's data. With names of notebooks, only those are written.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from docs.notebook_pages import PAGES

CHECKOUT = Path(__file__).parents[1]
EXAMPLES = CHECKOUT / "examples"

CELL_WITHIN = 1800
"""Seconds."""


def notebook(name: str) -> Any:
    """The notebook of that name, not run yet."""
    cells = []
    for words, source in PAGES[name]:
        cells += [nbformat.v4.new_markdown_cell(words)] if words else []
        cells += [nbformat.v4.new_code_cell(source)] if source else []
    return notebook_of(*cells)


def notebook_of(*cells: Any) -> Any:
    """A notebook for Python."""
    # The names of cells are the same each time, and do not show in a comparison of two versions.
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number:02}"
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)


def run(made: Any) -> Any:
    """The notebook with what its cells show.

    Raises:
        CellExecutionError: a cell failed.
    """
    with tempfile.TemporaryDirectory(prefix="notebooks-") as name:
        folder = Path(name)
        shutil.copytree(CHECKOUT / "tutorial_data", folder / "tutorial_data")
        (folder / "examples").mkdir()
        resources = {"metadata": {"path": folder / "examples"}}
        client = NotebookClient(
            made, timeout=CELL_WITHIN, kernel_name="python3", record_timing=False, resources=resources
        )
        client.execute()
    made.metadata["language_info"] = {"name": "python"}
    return made


def write(names: Sequence[str]) -> None:
    """Writes the notebooks; those with the same cells in two languages are run once."""
    outputs: dict[tuple[str, ...], list[Any]] = {}
    for name in names:
        made = notebook(name)
        cells = [cell for cell in made.cells if cell.cell_type == "code"]
        sources = tuple(cell.source for cell in cells)
        if sources not in outputs:
            outputs[sources] = [cell for cell in run(made).cells if cell.cell_type == "code"]
        for cell, done in zip(cells, outputs[sources], strict=True):
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
        nbformat.write(made, EXAMPLES / name)
        print(f"{name}: {(EXAMPLES / name).stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    write(sys.argv[1:] or list(PAGES))
