"""The notebooks in examples/: written by the script, run, small; and what they show without a server."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from docs.notebook_pages import PAGES
from docs.write_notebooks import notebook
from tests.notebook.lab import Notebook
from thanosql.tutorial import STEPS

MEGABYTE = 1_000_000


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, checkout: Path) -> Path:
    return checkout / "examples" / request.param


def code_cells(page: Path) -> list[Any]:
    return [cell for cell in nbformat.read(page, as_version=4).cells if cell.cell_type == "code"]


def test_the_script_wrote_it(page):
    sources = [(cell.cell_type, cell.source) for cell in nbformat.read(page, as_version=4).cells]
    written = [(cell.cell_type, cell.source) for cell in notebook(page.name).cells]
    assert sources == written, f"run python docs/write_notebooks.py {page.name}"


def test_it_is_run_from_top_to_bottom_without_an_error(page):
    cells = code_cells(page)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [output for cell in cells for output in cell.outputs if output.output_type == "error"] == []


def test_it_is_small_and_says_nothing_of_the_machine_that_ran_it(page):
    assert page.stat().st_size <= 2 * MEGABYTE
    text = re.sub(r"[A-Za-z0-9+/=\\n]{400,}", "", page.read_text("utf-8"))  # but for pictures and recordings
    assert re.findall(r"/(?:tmp|home|root|work|Users)/\S*", text) == []


@pytest.mark.parametrize("name", ["tutorial.ipynb", "tutorial.ko.ipynb"])
def test_the_tutorials_statements_stand_unchanged(checkout, name):
    sources = [cell.source for cell in code_cells(checkout / "examples" / name)]
    assert [statement for _, statement in STEPS if f"%%thanosql\n{statement}" not in sources] == []


def test_the_tutorial_in_korean_has_hangul_in_each_of_its_texts():
    assert [words for words, _ in PAGES["tutorial.ko.ipynb"] if not re.search("[가-힣]", words)] == []


@pytest.mark.parametrize("name", ["tutorial.ipynb", "tutorial.ko.ipynb"])
def test_a_recording_in_it_is_a_short_file_of_its_own(checkout, name):
    shown = json.dumps([cell.outputs for cell in code_cells(checkout / "examples" / name)])
    clips = [base64.b64decode(each) for each in re.findall(r"data:audio/[^,]*;base64,([\w+/=]+)", shown)]
    assert len(clips) >= 3
    assert max(len(clip) for clip in clips) < 100_000


@pytest.mark.slow
def test_a_saved_tutorial_shows_its_tables_pictures_and_players_where_nothing_runs(window, start_jupyter):
    """Also on a machine that does not trust it, where Jupyter takes scripts and much of HTML away."""
    tutorial = Notebook(window, start_jupyter(), "examples/tutorial.ipynb")
    assert tutorial.output("SELECT * FROM librispeech_train LIMIT 5").locator("tbody tr").count() == 5
    players = tutorial.players()
    assert len(players) >= 3
    assert [player for player in players if player["error"] or not player["seconds"] or player["ready"] < 3] == []
    curves = tutorial.output("BUILD MODEL").locator("img, svg").first.bounding_box()
    assert curves is not None
    assert curves["width"] > 200
    assert curves["height"] > 100
