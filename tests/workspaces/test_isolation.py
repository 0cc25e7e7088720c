"""Two workspaces with tables, models, files and jobs of the same names and different contents: nothing crosses."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.workspaces.conftest import OTHER, WORKSPACES, Installation
from thanosql import Session
from thanosql.errors import NotFound, PathRefused, StatementError, ThanoSQLError, UnknownModel, UnknownTable
from thanosql.types import JobKind, JobSpec


@pytest.fixture(scope="module")
def sessions(installation: Installation) -> dict[str, Session]:
    """A session in each workspace, where `calls`, `m` and `a.wav` are others than in the other."""
    opened = {}
    for workspace in WORKSPACES:
        installation.write(workspace, "calls.csv", f"audio_path,text\na.wav,{workspace} wrote\n")
        installation.record(workspace, "a.wav", f"{workspace} said")
        opened[workspace] = session = installation.session(workspace)
        session.sql("COPY calls OPTIONS (overwrite=True) FROM 'calls.csv'")
    return opened


STATEMENTS = {
    "SELECT text FROM calls": "{} wrote",
    "PREDICT USING m OPTIONS (audio_col='audio_path') AS SELECT * FROM calls": "{} said",
    "SELECT p.predicted, c.text FROM (PREDICT USING m OPTIONS (audio_col='audio_path') AS SELECT * FROM calls) p "
    "JOIN calls c ON p.audio_path = c.audio_path": "{} said",
    "WITH heard AS (PREDICT USING m OPTIONS (audio_col='audio_path') AS SELECT * FROM calls) "
    "SELECT upper(predicted) FROM heard": "{} said",
    "SELECT name, version FROM (LIST MODELS) l WHERE name = 'm'": "m",
    "LIST TABLES": "calls",
    "EXPLAIN PREDICT USING m OPTIONS (audio_col='audio_path') AS SELECT * FROM calls": "cached: 1 of 1 file",
    "EVALUATE USING m OPTIONS (audio_col='audio_path', text_col='text') AS SELECT * FROM calls": "",
}
"""What is in the rows of each, with the name of the workspace."""


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("workspace", WORKSPACES)
def test_a_statement_sees_what_its_own_workspace_has(
    sessions: dict[str, Session], workspace: str, statement: str
) -> None:
    told = "\n".join(str(value) for row in sessions[workspace].sql(statement) for value in row).casefold()
    (other,) = set(WORKSPACES) - {workspace}
    assert STATEMENTS[statement].format(workspace) in told
    assert other not in told


def test_statements_of_both_at_the_same_time_do_not_meet(
    installation: Installation, sessions: dict[str, Session]
) -> None:
    def work(number: int) -> bool:
        workspace = WORKSPACES[number % 2]
        session, table = installation.session(workspace), f"t{number // 2}"
        session.sql(f"CREATE TABLE {table} AS PREDICT USING m OPTIONS (audio_col='audio_path') AS SELECT * FROM calls")
        session.sql(f"INSERT INTO {table} SELECT * FROM {table}")
        told = {str(value) for row in session.sql(f"SELECT text, predicted FROM {table}") for value in row}
        session.sql(f"DROP TABLE {table}")
        return told == {f"{workspace} wrote", f"{workspace} said"}

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(8)))


def test_what_is_dropped_deleted_or_changed_in_one_stays_in_the_other(installation: Installation) -> None:
    here, there = (installation.session(name) for name in WORKSPACES)
    for session, name in ((here, "default"), (there, OTHER)):
        installation.write(name, "short.csv", f"n\n{len(name)}\n")
        session.sql("COPY short OPTIONS (overwrite=True) FROM 'short.csv'")
        installation.record(name, "short.wav", name, model="leaves")
    here.sql("UPDATE short SET n = n + 1")
    assert there.sql("SELECT n FROM short").to_pandas()["n"].tolist() == [len(OTHER)]
    here.sql("DROP TABLE short")
    assert there.sql("SELECT n FROM short").to_pandas()["n"].tolist() == [len(OTHER)]
    with pytest.raises(UnknownTable):
        here.sql("SELECT n FROM short")
    here.sql("DELETE MODEL leaves")
    assert installation.catalog(OTHER).get_model("leaves").name == "leaves"
    with pytest.raises(UnknownModel):
        here.sql("PREDICT USING leaves OPTIONS (audio_col='audio_path') AS SELECT * FROM calls")


def test_names_that_only_the_other_one_has_are_not_even_suggested(installation: Installation) -> None:
    here, there = (installation.session(name) for name in WORKSPACES)
    installation.write(OTHER, "confidential.csv", "n\n1\n")
    there.sql("COPY confidential FROM 'confidential.csv'")
    installation.record(OTHER, "confidential.wav", "x", model="confidential")
    for statement in (
        "SELECT * FROM confidentia",
        "PREDICT USING confidentia AS SELECT 'a.wav' AS audio_path",
        "COPY x FROM 'confidential.csv'",
        "DROP TABLE confidential",
        "DELETE MODEL confidential",
    ):
        with pytest.raises(ThanoSQLError) as caught:
            here.sql(statement)
        assert "'confidential'" not in caught.value.hint
        assert isinstance(caught.value, NotFound | StatementError)


@pytest.mark.parametrize("path", ["../others/research/calls.csv", ".thanosql/x", "../state/workspaces/research/x"])
def test_no_path_leads_from_one_workspace_into_the_other(sessions: dict[str, Session], path: str) -> None:
    with pytest.raises(PathRefused):
        sessions["default"].sql(f"COPY stolen FROM '{path}'")


def test_the_files_of_other_workspaces_are_outside_the_root_of_the_first(installation: Installation) -> None:
    root = installation.folders("default").root
    assert not [path for path in root.rglob("*") if OTHER in path.parts]
    assert (installation.folders(OTHER).root / "calls.csv").is_file()


def test_a_statement_of_another_workspace_cannot_be_found_followed_or_cancelled(installation: Installation) -> None:
    here, there = (installation.session(name) for name in WORKSPACES)
    number = str(uuid.uuid4())
    client, others = (installation.client(name) for name in WORKSPACES)
    list(client.execute("SELECT text FROM calls", number))
    with pytest.raises(NotFound):
        list(others.attach(number))
    assert not others.cancel(number)
    assert list(client.attach(number))
    listed = [row for row in there.sql("LIST JOBS") if number.startswith(str(row[0]))]
    assert not listed
    with pytest.raises(NotFound):
        there.sql(f"DESCRIBE JOB '{number}'")
    with pytest.raises(NotFound):
        there.sql(f"CANCEL JOB '{number}'")
    assert [row for row in here.sql(f"DESCRIBE JOB '{number}'") if row[0] == "id"]


def test_the_same_id_is_another_statement_in_each_workspace(installation: Installation) -> None:
    number = str(uuid.uuid4())
    for workspace in WORKSPACES:
        client = installation.client(workspace)
        list(client.execute(f"SELECT '{workspace}'", number))
        assert next(client.attach(number)).event.statement == f"SELECT '{workspace}'"  # type: ignore[union-attr]


def test_a_training_of_another_workspace_cannot_be_found_cancelled_or_resumed(installation: Installation) -> None:
    here, there = (installation.session(name) for name in WORKSPACES)
    id = uuid.uuid4().hex
    installation.catalog("default").create_job(id, JobSpec(JobKind.BUILD, "m", "no-such-base"))
    for statement in ("DESCRIBE", "CANCEL", "RESUME"):
        with pytest.raises(NotFound):
            there.sql(f"{statement} JOB '{id}'")
    assert [row for row in here.sql(f"DESCRIBE JOB '{id}'") if row[0] == "id"]
    assert not [row for row in there.sql("LIST JOBS") if id.startswith(str(row[0]))]


def test_a_new_workspace_starts_with_the_model_of_the_tutorial_and_no_tables(installation: Installation) -> None:
    fresh = installation.session(f"w{uuid.uuid4().hex[:8]}")
    assert [row[0] for row in fresh.sql("LIST MODELS")] == ["tutorial_audio_recognition"]
    assert list(fresh.sql("LIST TABLES")) == []


def test_more_workspaces_than_are_open_at_once_take_turns(installation: Installation) -> None:
    names = [f"turn_{number}" for number in range(5)]

    def work(name: str) -> None:
        installation.session(name).sql(f"CREATE TABLE own AS SELECT '{name}' AS name")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, names))
    for name in names:
        assert [row[0] for row in installation.session(name).sql("SELECT name FROM own")] == [name]
