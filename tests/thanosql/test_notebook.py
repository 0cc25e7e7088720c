"""The magic in a real kernel, as Jupyter runs it."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from thanosql.errors import UnknownTable
from thanosql.tutorial import STEPS
from thanosql.types import Notice, Progress, Severity


@pytest.fixture(autouse=True)
def _quiet_kernel() -> Iterator[None]:
    """jupyter_client leaves sockets to the garbage collector; they are not ours to close."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def run_cells(*cells: str, folder: Path, allow_errors: bool = False) -> Any:
    """The notebook of `cells`, run in a kernel whose current folder is `folder`."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    run_notebook(notebook, folder, allow_errors)
    return notebook


def run_notebook(notebook: Any, folder: Path, allow_errors: bool = False) -> None:
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        allow_errors=allow_errors,
        resources={"metadata": {"path": folder}},
    )
    client.execute()


def html(cell: Any) -> list[str]:
    """The HTML that stands under a cell."""
    return [output["data"]["text/html"] for output in cell.outputs if "data" in output]


def plain(error: Any) -> str:
    """What stands under a cell that failed, without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(error["traceback"]))


def test_progress_moves_in_place_and_shrinks_to_a_line(peer, tmp_path):
    steps = [Progress("transcribing", done, 80, "clips", 10.0) for done in (0, 40, 80)]
    notice = Notice("3 <b>rows</b> failed", Severity.WARNING)
    peer.plays(*peer.statement(*steps, notice, peer.rows(predicted=["HELLO"]), kind="PREDICT"))
    notebook = run_cells("%load_ext thanosql", f"%thanosql {peer.address}", "%%thanosql\nPREDICT …", folder=tmp_path)
    progress, warning, table = html(notebook.cells[2])
    assert "PREDICT: done in 1.5 s" in progress
    assert "<progress" not in progress
    assert "3 &lt;b&gt;rows&lt;/b&gt; failed" in warning
    assert "<td" in table
    assert "HELLO" in table


def test_a_failed_statement_fails_an_automated_run_with_one_message(peer, tmp_path):
    peer.plays(Progress("checking"), UnknownTable("there is no table 'callz'", hint="Did you mean calls?"))
    cells = ("%load_ext thanosql", f"%thanosql {peer.address}", "%%thanosql\nSELECT * FROM callz")
    with pytest.raises(CellExecutionError, match="there is no table 'callz'"):
        run_cells(*cells, folder=tmp_path)
    notebook = run_cells(*cells, folder=tmp_path, allow_errors=True)
    error = notebook.cells[2].outputs[-1]
    assert error["ename"] == "UnknownTable"
    assert plain(error) == "UnknownTable: there is no table 'callz'\nDid you mean calls?"


def test_an_interrupted_cell_stops_its_statement_and_the_next_one_runs(peer, tmp_path):
    peer.plays(*peer.statement(Progress("training", 3, 9, "steps"), peer.until_cancelled, kind="BUILD MODEL")[:-1])
    interrupt = "import os, signal, threading; threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()"
    cells = ("%load_ext thanosql", f"%thanosql {peer.address}", interrupt, "%%thanosql\nBUILD …", "%thanosql")
    notebook = run_cells(*cells, folder=tmp_path, allow_errors=True)
    progress, error = notebook.cells[3].outputs
    assert "BUILD MODEL: left off at training, 3 of 9 steps" in progress["data"]["text/html"]
    assert plain(error) == "Cancelled: interrupted: the statement is stopped"
    assert all(each.is_set() for each in peer.player.cancelled.values())
    assert "connected" in notebook.cells[4].outputs[0]["text"]


# Quicker: tests/test_tutorial runs the statements, tests/notebook/test_examples reads the notebook as it was run.
@pytest.mark.slow
def test_the_tutorial_runs_in_a_notebook(checkout, prepared, tmp_path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (tmp_path / "examples").mkdir()
    notebook = nbformat.read(checkout / "examples" / "tutorial.ipynb", as_version=4)
    run_notebook(notebook, tmp_path / "examples")
    cells = {cell.source.removeprefix("%%thanosql\n"): cell for cell in notebook.cells if cell.cell_type == "code"}
    assert [statement for _, statement in STEPS if statement not in cells] == [], "the statements stand unchanged"
    copy, select, play, predict, _, before, build, _, after = (cells[statement] for _, statement in STEPS)

    assert "Success · 80 rows" in html(copy)[-1]
    assert html(select)[-1].count("<tr>") == 6
    assert "tutorial_data/librispeech_data/000.flac" in html(select)[-1]
    assert html(play)[-1].count("<audio controls") == 3
    assert html(play)[-1].count("data:audio/mpeg;base64,") == 3

    *said, table = html(predict)
    assert any(re.search(r"PREDICT: done in \d", text) for text in said)
    assert any("epochs" in text for text in said), "an option without effect is noted"
    assert any("word error rate" in text.lower() for text in said)
    assert re.search(r">predicted<.*Show 60 more rows.*80 rows · 3 columns", table)

    *said, table = html(build)
    assert any(re.search(r"BUILD MODEL: done in \d", text) for text in said)
    assert "my_speech_recognition_model" in table
    assert not any("<progress" in text for text in said), "nothing moves any more"
    (curves,) = (found[1] for text in said if (found := re.search(r'<figure><img [^>]*alt="([^"]*)"', text)))
    assert re.fullmatch(r"training of \d+ steps; loss .* at step \d+; WER of the base [\d.]+%; WER [\d.]+%", curves)

    assert word_error_rate(after) < word_error_rate(before)
    (frame,) = (cell.outputs[-1] for source, cell in cells.items() if source.startswith("df = %thanosql"))
    assert frame["output_type"] == "execute_result"
    assert "letters" in frame["data"]["text/html"]


def word_error_rate(cell: Any) -> float:
    """The rate that a notice under a cell reports, in per cent."""
    (rate,) = (found[1] for text in html(cell) if (found := re.search(r"Word error rate.*?([\d.]+)%", text)))
    return float(rate)


@pytest.mark.parametrize("without", ["", "import sys\nsys.modules['ipywidgets'] = None\n"], ids=["", "no-ipywidgets"])
def test_services_in_a_kernel_draw_no_progress_of_their_own_below_a_cell(tmp_path, without):
    program = without + "from pathlib import Path\nfrom catalog_service.tables import duckdb_store, reading\n"
    settings = "SELECT current_setting('enable_progress_bar')"
    program += (
        "reader = reading.open_reader('100MB', 1)\n"
        "store = duckdb_store.open_duckdb_store(Path('x.duckdb'), '100MB', 1)\n"
        f'print(reader.execute("{settings}").fetchall(), store._connection.cursor().execute("{settings}").fetchall())'
    )
    notebook = run_cells(program, folder=tmp_path)
    assert notebook.cells[0].outputs[-1]["text"].strip() == "[(False,)] [(False,)]"
