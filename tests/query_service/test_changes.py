"""Tables that are made and changed by statements: CREATE TABLE AS, INSERT, UPDATE, DELETE and ALTER TABLE."""

from __future__ import annotations

import pytest

from thanosql.errors import DataError, NameTaken, Unavailable, UnknownTable
from thanosql.types import Notice, StatementDone


@pytest.fixture
def talks(services, ready_model):
    """Four rows over three recordings, of which the played model hears the names."""
    one, two, three = services.recordings("one.wav", "two.wav", "three.wav", folder="talks")
    rows = [f"1,{one},ann", f"2,{two},bob", f"3,{three},ann", f"4,{one},"]
    services.table("talks", "\n".join(["id,audio_path,speaker", *rows]))
    for name in ("made", "other", "renamed"):
        services.run(f"DROP TABLE IF EXISTS {name}")
    return services


def done(services, text: str) -> list[tuple[int, str]]:
    """Rows and message of each statement of a text."""
    return [(event.rows, event.message) for event in services.run(text) if isinstance(event, StatementDone)]


PREDICT = "PREDICT USING ready AS SELECT * FROM talks"


@pytest.mark.parametrize("query", [PREDICT, f"({PREDICT})", f"SELECT * FROM ({PREDICT}) p"])
def test_transcripts_become_a_table(talks, query):
    assert done(talks, f"CREATE TABLE made AS {query}") == [(4, "Success")]
    assert talks.rows("SELECT id, predicted FROM made ORDER BY id") == [
        {"id": 1, "predicted": "one"},
        {"id": 2, "predicted": "two"},
        {"id": 3, "predicted": "three"},
        {"id": 4, "predicted": "one"},
    ]
    assert len(talks.inference.heard) == 3


def test_a_table_is_made_replaced_or_left(talks):
    talks.run("CREATE TABLE made AS SELECT 1 AS x")
    assert isinstance(talks.fails("CREATE TABLE made AS SELECT 2 AS x"), NameTaken)
    events = talks.run(f"CREATE TABLE IF NOT EXISTS made AS {PREDICT}")
    assert Notice("There is a table made already: it stays as it is.") in events
    assert talks.inference.heard == []
    assert talks.rows("SELECT * FROM made") == [{"x": 1}]
    talks.run("CREATE OR REPLACE TABLE made AS SELECT x + 1 AS x, 'a' AS y FROM made")
    assert talks.rows("SELECT * FROM made") == [{"x": 2, "y": "a"}]


def test_a_table_that_cannot_be_made_whole_is_not_made(talks):
    talks.run("CREATE TABLE made AS SELECT 1 AS x")
    error = talks.fails("CREATE OR REPLACE TABLE made AS SELECT CAST(speaker AS integer) AS x FROM talks")
    assert isinstance(error, DataError)
    assert talks.rows("SELECT * FROM made") == [{"x": 1}]


def test_a_list_becomes_a_table(talks):
    talks.run("CREATE TABLE made AS LIST MODELS")
    assert {"name": "ready"} in talks.rows("SELECT name FROM made")


def test_rows_are_added_by_place_and_by_name(talks):
    talks.run("CREATE TABLE made AS SELECT id, speaker FROM talks WHERE id < 3")
    assert done(talks, "INSERT INTO made VALUES (5, 'eve'), (6, NULL)") == [(2, "Success")]
    assert done(talks, f"INSERT INTO made (speaker, id) SELECT predicted, id FROM ({PREDICT}) WHERE id = 3") == [
        (1, "Success")
    ]
    assert done(talks, "INSERT INTO made (id) SELECT id FROM talks WHERE id = 4") == [(1, "Success")]
    assert [tuple(row.values()) for row in talks.rows("SELECT id, speaker FROM made ORDER BY id")] == [
        (1, "ann"),
        (2, "bob"),
        (3, "three"),
        (4, None),
        (5, "eve"),
        (6, None),
    ]


def test_rows_that_do_not_fit_leave_the_table_as_it_was(talks):
    talks.run("CREATE TABLE made AS SELECT 1 AS x")
    assert isinstance(talks.fails("INSERT INTO made SELECT * FROM (VALUES ('2'), ('two')) AS v"), DataError)
    assert talks.rows("SELECT * FROM made") == [{"x": 1}]


def test_values_are_changed_by_transcripts(talks):
    talks.run("CREATE TABLE made AS SELECT id, audio_path, speaker AS said FROM talks")
    text = f"UPDATE made SET said = p.predicted FROM ({PREDICT}) AS p WHERE p.id = made.id AND p.speaker = 'ann'"
    assert done(talks, text) == [(2, "Success")]
    assert [row["said"] for row in talks.rows("SELECT said FROM made ORDER BY id")] == ["one", "bob", "three", None]
    assert len(talks.inference.heard) == 2


def test_values_are_changed_by_what_the_row_holds(talks):
    talks.run("CREATE TABLE made AS SELECT id, speaker, 0.0 AS rate FROM talks")
    assert done(talks, "UPDATE made AS m SET rate = wer('ann', m.speaker), speaker = upper(speaker) WHERE id < 4") == [
        (3, "Success")
    ]
    rows = talks.rows("SELECT speaker, rate FROM made WHERE id < 4 ORDER BY id")
    assert [(row["speaker"], float(row["rate"])) for row in rows] == [("ANN", 0.0), ("BOB", 1.0), ("ANN", 0.0)]


def test_rows_are_deleted_by_their_transcripts(talks):
    talks.run("CREATE TABLE made AS SELECT * FROM talks")
    text = f"DELETE FROM made WHERE id IN (SELECT id FROM ({PREDICT}) WHERE predicted LIKE 't%')"
    assert done(talks, text) == [(2, "Success")]
    assert [row["id"] for row in talks.rows("SELECT id FROM made ORDER BY id")] == [1, 4]


def test_rows_are_deleted_by_other_tables(talks):
    talks.run("CREATE TABLE made AS SELECT * FROM talks; CREATE TABLE other AS SELECT 2 AS x")
    assert done(talks, "DELETE FROM made m USING other o, talks t WHERE m.id = o.x AND t.id = m.id") == [(1, "Success")]
    assert [row["id"] for row in talks.rows("SELECT id FROM made ORDER BY id")] == [1, 3, 4]


@pytest.mark.parametrize("text", ["UPDATE made SET speaker = 'x'", "DELETE FROM made"])
def test_who_forgets_where_is_told_that_all_rows_were_meant(talks, text):
    talks.run("CREATE TABLE made AS SELECT * FROM talks")
    assert Notice("There is no WHERE: this was said of all 4 rows of made.") in talks.run(text)


def test_names_are_changed(talks):
    talks.run("CREATE TABLE made AS SELECT id FROM talks")
    assert done(talks, "ALTER TABLE made RENAME COLUMN id TO number; ALTER TABLE made RENAME TO renamed") == [
        (0, "Success"),
        (0, "Success"),
    ]
    assert talks.rows("SELECT min(number) AS least FROM renamed") == [{"least": 1}]
    assert isinstance(talks.fails("SELECT * FROM made"), UnknownTable)


def test_a_create_that_was_cut_off_goes_on_where_it_stopped(talks):
    talks.inference.dies_after = 2
    with pytest.raises(Unavailable):
        list(talks.another(inference_patience=0.0).execute(f"CREATE TABLE made AS {PREDICT}"))
    assert isinstance(talks.fails("SELECT * FROM made"), UnknownTable)
    heard = list(talks.inference.heard)
    talks.inference.dies_after = None
    assert done(talks, f"CREATE TABLE made AS {PREDICT}") == [(4, "Success")]
    assert set(talks.inference.heard[len(heard) :]).isdisjoint(heard)


def test_a_function_that_reads_elsewhere_is_refused_in_changes_too(talks):
    for text in (
        "UPDATE talks SET speaker = read_text('/etc/passwd')",
        "DELETE FROM talks WHERE speaker = getenv('HOME')",
        "DELETE FROM talks USING read_csv('/etc/passwd') AS f WHERE true",
        "INSERT INTO talks SELECT * FROM read_csv('/etc/passwd')",
        "CREATE TABLE made AS SELECT * FROM '/etc/passwd'",
        "UPDATE duckdb_settings SET value = 1",
    ):
        talks.fails(text)
    assert [row["id"] for row in talks.rows("SELECT id FROM talks ORDER BY id")] == [1, 2, 3, 4]
