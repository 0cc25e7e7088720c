"""What goes wrong for a new user beside statements: tokens that have ended, kernels that restart, names in Hangul."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

import thanosql
from tests.thanosql.test_notebook import run_cells
from thanosql import Session, errors
from thanosql.running import read_note
from thanosql.types import Event, Progress

RECORDING = "tutorial_data/librispeech_data/000.flac"


@pytest.fixture(scope="module")
def address(session: Session, workspace: Path) -> str:
    """Where the services of the session listen, for users with a token."""
    note = read_note(workspace / ".thanosql")
    assert note is not None
    return note.address


@pytest.fixture(scope="module")
def calls(session: Session, workspace: Path) -> Iterator[str]:
    """A table with a recording, every name of it in Hangul; its name."""
    (workspace / "녹음 모음").mkdir()
    shutil.copy(workspace / RECORDING, workspace / "녹음 모음" / "첫 통화.flac")
    (workspace / "통화 기록.csv").write_text("음성_경로,말한_것\n녹음 모음/첫 통화.flac,안녕하세요\n", "utf-8")
    session.sql("COPY 통화 OPTIONS (overwrite=True) FROM '통화 기록.csv'")
    yield "통화"
    session.sql("DROP TABLE 통화")


def test_a_token_that_has_expired_is_named_and_said_to_be_so(session: Session, address: str) -> None:
    given = session.tokens.create("김 철수", expires=1)
    with thanosql.connect(address, given.secret) as open_before:
        time.sleep(1.1)
        with pytest.raises(errors.Unauthenticated, match="'김 철수' has expired") as caught:
            open_before.sql("SELECT 1")
        assert "administrator" in caught.value.hint
    with pytest.raises(errors.Unauthenticated, match="'김 철수' has expired"):
        thanosql.connect(address, given.secret)


def test_of_three_statements_the_wrong_one_is_shown_and_the_others_accounted_for(session: Session) -> None:
    with pytest.raises(errors.UnknownTable) as caught:
        session.sql(
            "CREATE OR REPLACE TABLE 하나 AS SELECT 1 AS x;\nSELECT * FROM 없음;\nCREATE TABLE 셋 AS SELECT 3 AS x"
        )
    assert "  2 | SELECT * FROM 없음;\n    |               ^" in str(caught.value)
    assert "statement 2 of 3. The one before it has taken effect. The one after it was not run." in caught.value.hint
    names = {row.name for row in session.sql("LIST TABLE")}
    assert "하나" in names
    assert "셋" not in names
    session.sql("DROP TABLE 하나")


def test_tables_columns_files_and_values_may_be_written_in_hangul(session: Session, calls: str) -> None:
    frame = session.sql("SELECT 말한_것 AS \"들은 말\", 음성_경로 FROM 통화 WHERE 말한_것 = '안녕하세요'").to_pandas()
    assert list(frame.columns) == ["들은 말", "음성_경로"]
    assert frame.iloc[0].tolist() == ["안녕하세요", "녹음 모음/첫 통화.flac"]
    (clip,) = session.sql("PRINT AUDIO OPTIONS (audio_col='음성_경로') AS SELECT 음성_경로 FROM 통화").clips
    assert clip.path == "녹음 모음/첫 통화.flac"
    options = "OPTIONS (audio_col='음성_경로', result_col='받아쓴_글')"
    said = session.sql(f"PREDICT USING tutorial_audio_recognition {options} AS SELECT * FROM 통화")
    assert said.columns == ("음성_경로", "말한_것", "받아쓴_글")
    assert next(iter(said)).받아쓴_글


def test_a_name_in_hangul_that_is_mistyped_is_found_by_its_letters(session: Session, calls: str) -> None:
    with pytest.raises(errors.UnknownTable, match="Did you mean 통화"):
        session.sql("SELECT * FROM 통하")
    with pytest.raises(errors.UnknownColumn, match="Did you mean 말한_것") as caught:
        session.sql("SELECT 말항_것 FROM 통화")
    assert str(caught.value).splitlines()[1:3] == ["  1 | SELECT 말항_것 FROM 통화", "    |        ^"]
    with pytest.raises(errors.UnknownColumn) as caught:
        session.sql("SELECT 말한_것, 없음 FROM 통화")
    # A syllable is two cells wide.
    assert str(caught.value).splitlines()[2] == "    | " + " " * len("SELECT 말한_것, ") + " " * 3 + "^"


def test_the_name_of_a_workspace_is_latin_and_the_message_says_so(address: str) -> None:
    with pytest.raises(errors.InvalidOption, match="'연구실' is not the name of a workspace") as caught:
        thanosql.connect(address, "token", workspace="연구실")
    assert "small Latin letters" in caught.value.hint


def test_what_a_notebook_has_shown_is_still_shown_without_the_server(
    session: Session, address: str, calls: str, tmp_path: Path
) -> None:
    given = session.tokens.create("공책", expires="1h")
    notebook = run_cells(
        "%load_ext thanosql",
        f"%thanosql API_TOKEN={given.secret} {address}",
        "%%thanosql\nSELECT * FROM 통화",
        "%%thanosql\nPRINT AUDIO OPTIONS (audio_col='음성_경로') AS SELECT 음성_경로 FROM 통화",
        folder=tmp_path,
    )
    session.tokens.revoke(given.info.id)
    nbformat.write(notebook, tmp_path / "공책.ipynb")
    *_, table, players = nbformat.read(tmp_path / "공책.ipynb", as_version=4).cells
    shown = ["".join(output["data"].get("text/html", "") for output in cell.outputs) for cell in (table, players)]
    assert "안녕하세요" in shown[0]
    assert "<audio" in shown[1]
    assert "data:audio/" in shown[1]
    assert not [text for text in shown if address in text or given.secret in text or "http://" in text]


def test_a_notebook_without_its_server_says_so_in_one_message(tmp_path: Path) -> None:
    cells = ("%load_ext thanosql", "%thanosql 127.0.0.1:9", "%%thanosql\nSELECT 1")
    notebook = run_cells(*cells, folder=tmp_path, allow_errors=True)
    for cell in notebook.cells[1:]:
        (error,) = (output for output in cell.outputs if output["output_type"] == "error")
        text = "\n".join(error["traceback"])
        assert "nothing answers at 127.0.0.1:9: Connection refused" in text
        assert "thanosql up" in text
        assert "Traceback" not in text


KERNEL = """
import sys, thanosql
session = thanosql.connect()
session.sql("COPY t FROM 'tutorial_data/librispeech_data/librispeech_train.csv'")
tell = lambda event: print(getattr(event.event, "phase", ""), flush=True)
session.sql("BUILD MODEL begun USING Wav2Vec2EnTiny OPTIONS (epochs=3) AS SELECT * FROM t LIMIT 8", on_event=tell)
"""


# Quicker: trainer_service/test_service has the next trainer take up what the last one left.
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_goes_on_when_the_kernel_that_began_it_has_been_restarted(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert kernel.stdout is not None
    with kernel.stdout as phases:
        assert any("train" in line for line in phases)
        kernel.kill()
    kernel.wait()
    with thanosql.connect(workspace=tmp_path) as session:
        (job, *_) = session.sql("LIST JOBS", progress=False)
        assert (job.kind, job.model, job.state) == ("build", "begun", "running")
        losses: list[float] = []

        def note(event: Event) -> None:
            if isinstance(event.event, Progress) and "loss" in event.event.figures:
                losses.append(event.event.done)

        result = session.attach(job.id, progress=False, on_event=note)
        assert next(iter(result)).model == "begun"
        assert losses, "the curves go on"
        (job, *_) = session.sql("LIST JOBS", progress=False)
        assert (job.state, job.attempts) == ("succeeded", 2)
        assert next(iter(session.sql("PREDICT USING begun AS SELECT * FROM t LIMIT 1", progress=False))).predicted
