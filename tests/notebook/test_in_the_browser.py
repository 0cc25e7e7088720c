"""The tutorial as its reader sees it: JupyterLab in a real browser, a real kernel, services of its own.

With the variable THANOSQL_TEST_PICTURES set to a folder, as docs/images, the screenshots are stored there.
"""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest

from docs.write_notebooks import notebook_of
from tests.notebook.lab import Notebook
from tests.notebook.pictures import MOST_BYTES, store
from thanosql.tutorial import STEPS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

COPY, SELECT, LISTEN, PREDICT, _, BEFORE, BUILD, _, AFTER = (statement for _, statement in STEPS)
COMPARE = "PRINT AUDIO AS SELECT audio_path, text, predicted"
TYPO = "PREDICT USING tutorial_audio_recogniton OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_test"
LONG = PREDICT.replace("epochs=1", "cache=False")

# Bars come and go while a statement runs: what is seen of them is kept.
WATCH = """() => {
    window.bars = [];
    const look = () => document.querySelectorAll('.jp-OutputArea progress')
        .forEach((bar) => window.bars.push(bar.hasAttribute('value') ? bar.value : -1));
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("THANOSQL_TEST_PICTURES")
    return Path(named).absolute() if named else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def jupyter(start_jupyter):
    return start_jupyter()


@pytest.fixture(scope="module")
def tutorial(window, jupyter):
    """The tutorial, after every cell of it was run in the browser."""
    notebook = Notebook(window, jupyter, "examples/tutorial.ipynb")
    notebook.wait_for_kernel()
    notebook.command("notebook:clear-all-cell-outputs")
    window.evaluate(WATCH)
    notebook.run_all()
    notebook.save()
    return notebook


@pytest.fixture(scope="module")
def other(window, tutorial, jupyter, folder):
    """A notebook with a typo, and with a PREDICT that takes its time."""
    statements = [f"%%thanosql\n{statement}" for statement in (COPY, TYPO, LONG)]
    cells = ("%load_ext thanosql", "%thanosql WORKSPACE=..", *statements, "1 + 1")
    made = notebook_of(*[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(made, folder / "examples" / "other.ipynb")
    return lambda: Notebook(window, jupyter, "examples/other.ipynb")


def test_every_cell_of_the_tutorial_runs_and_none_ends_in_a_traceback(tutorial):
    prompts = tutorial.prompts()
    assert prompts == [f"[{number}]:" for number in range(1, len(prompts) + 1)]
    assert tutorial.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_inner_texts() == []
    assert tutorial.page.get_by_text("Traceback").count() == 0


def test_rows_are_tables_with_types(tutorial):
    table = tutorial.output(SELECT).locator("table")
    assert table.locator("tbody tr").count() == 5
    assert "text" in table.locator("thead").inner_text()
    assert "librispeech_data/000.flac" in table.locator("tbody tr").first.inner_text()


def test_players_play(tutorial):
    players = tutorial.players()
    assert len(players) == 3 + 4
    assert [player for player in players if player["error"] or not player["seconds"] or player["ready"] < 3] == []


def test_a_transcript_stands_beside_what_was_said_with_the_differences_marked(tutorial):
    rows = tutorial.output(COMPARE).locator("tbody tr")
    assert rows.count() == 4
    assert rows.locator("mark, del, ins").count() > 0


def test_progress_was_seen_to_move_and_is_gone(tutorial):
    seen = set(tutorial.page.evaluate("() => window.bars"))
    assert len([value for value in seen if 0 < value <= 1]) > 3
    assert tutorial.page.locator(".jp-OutputArea progress").count() == 0


def test_the_curves_of_a_training_stay_as_a_picture(tutorial):
    picture = tutorial.output(BUILD).locator("img, svg").first
    box = picture.bounding_box()
    assert box is not None
    assert box["width"] > 200
    assert box["height"] > 100
    assert picture.get_attribute("alt") or picture.get_attribute("aria-label")


def test_screenshots_are_taken_of_it(tutorial, pictures):
    for name, cells in {
        "notebook-table": [SELECT],
        "notebook-training": [BUILD],
        "notebook-compare": [COMPARE],
    }.items():
        assert store(tutorial.picture(pictures / f"{name}.png", *cells)) < MOST_BYTES


def test_a_typo_is_answered_with_its_place_and_the_nearest_name(tutorial, other, pictures):
    notebook = other()
    notebook.wait_for_kernel()
    notebook.run_all()
    said = notebook.output("recogniton").inner_text()
    assert "there is no model tutorial_audio_recogniton" in said
    assert "Did you mean tutorial_audio_recognition?" in said
    assert "^" in said
    assert "Traceback" not in said
    assert store(notebook.picture(pictures / "notebook-mistake.png", "recogniton")) < MOST_BYTES


def test_the_interrupt_button_stops_a_statement_and_the_next_cell_runs(other):
    notebook = other()
    notebook.wait_for_kernel()
    notebook.run("load_ext")
    notebook.run("WORKSPACE")
    notebook.run(COPY)
    notebook.run(LONG, wait=False)
    notebook.output(LONG).locator("progress").wait_for()
    notebook.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    notebook.wait_until_run()
    said = notebook.output(LONG).inner_text()
    assert "the statement is stopped" in said
    assert "Traceback" not in said
    notebook.run("1 + 1")
    assert notebook.output("1 + 1").inner_text().endswith("2")


def test_the_saved_tutorial_is_small_and_shows_all_of_it_elsewhere(tutorial, start_jupyter, window, folder):
    assert (folder / "examples" / "tutorial.ipynb").stat().st_size <= 2_000_000
    elsewhere = Notebook(window, start_jupyter(), "examples/tutorial.ipynb")
    assert elsewhere.output(SELECT).locator("tbody tr").count() == 5
    players = elsewhere.players()
    assert len(players) == 3 + 4
    assert [player for player in players if player["error"] or not player["seconds"] or player["ready"] < 3] == []
    box = elsewhere.output(BUILD).locator("img, svg").first.bounding_box()
    assert box is not None
    assert box["width"] > 200
