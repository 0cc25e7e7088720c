"""The same statements through the services, once over DuckDB and once over PostgreSQL, with the same rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from thanosql.errors import DataError, NotSupported, StatementError, UnknownColumn, UnknownTable

if TYPE_CHECKING:
    from tests.query_service.conftest import Services

CALLS = (
    "id,Speaker,recording,text,minutes,day,at,ok\n"
    "1,kim,audio/one.wav,one,1.5,2024-02-29,2024-02-29 10:00:00,true\n"
    "2,이영희,audio/two.wav,three,2.5,2024-03-01,2024-03-01 11:30:00.25,false\n"
    "3,kim,audio/three.wav,three,,,,\n"
    '4,,audio/four.wav,"a ""quoted"" word, and 한국어",0.25,2023-12-31,2023-12-31 23:59:59,true\n'
)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def _catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogConfig]:
    workspace = tmp_path_factory.mktemp("workspace")
    config = CatalogConfig(port=0, token="secret", workspace=workspace, state=workspace / ".thanosql")
    if request.param == "postgres":
        # Metadata and tables in one database, under one login, as a small server has them.
        url = request.getfixturevalue("postgres_database")().render_as_string(hide_password=False)
        config = dataclasses.replace(config, tables=url, database=url)
    server = start_catalog(config)
    yield dataclasses.replace(config, port=server.port)
    server.stop(0)


@pytest.fixture
def calls(services: Services) -> Services:
    """Four calls, in the table `calls`, and the two people who made them."""
    services.recordings("one.wav", "two.wav", "three.wav", "four.wav")
    services.table("calls", CALLS)
    services.table("people", "name,city\nkim,서울\n이영희,부산\n박,대전\n")
    return services


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        (
            "SELECT id, text FROM calls WHERE text LIKE '%한국어' OR id = 2",
            [(2, "three"), (4, 'a "quoted" word, and 한국어')],
        ),
        (
            "SELECT count(*), count(speaker) AS c, sum(id), sum(minutes) AS m, max(text) FROM calls",
            [(4, 3, 10, 4.25, "three")],
        ),
        ("SELECT avg(id) AS a, avg(minutes) AS m FROM calls", [(2.5, 17 / 12)]),
        (
            "SELECT speaker, count(*) AS n FROM calls GROUP BY speaker ORDER BY n DESC, speaker",
            [("kim", 2), ("이영희", 1), (None, 1)],
        ),
        ("SELECT id FROM calls ORDER BY minutes, id", [(4,), (1,), (2,), (3,)]),
        ("SELECT id FROM calls ORDER BY minutes DESC, id", [(3,), (2,), (1,), (4,)]),
        (
            "SELECT c.id, p.city FROM calls c LEFT JOIN people p ON p.name = c.speaker ORDER BY c.id",
            [(1, "서울"), (2, "부산"), (3, "서울"), (4, None)],
        ),
        ("SELECT 7 / 2.0 AS part, 7 / 2 AS whole, 7 % 4 AS rest FROM calls WHERE id = 1", [(3.5, 3, 3)]),
        ("SELECT round(minutes * 2) AS r FROM calls WHERE id = 1", [(3,)]),
        ("SELECT upper(text) AS u, length(text) AS l FROM calls WHERE id = 1", [("ONE", 3)]),
        ("SELECT coalesce(speaker, 'nobody') AS who FROM calls WHERE id = 4", [("nobody",)]),
        ("SELECT id FROM calls WHERE text ILIKE 'THREE' ORDER BY id LIMIT 1 OFFSET 1", [(3,)]),
        ("SELECT extract(year FROM day) AS y FROM calls WHERE id = 1", [(2024,)]),
        ("SELECT date_trunc('month', at) = timestamp '2024-03-01' AS b FROM calls WHERE id = 2", [(True,)]),
        ("SELECT day - date '2024-02-28' AS days FROM calls WHERE id = 2", [(2,)]),
        ("SELECT split_part(recording, '/', 2) AS file FROM calls WHERE id = 1", [("one.wav",)]),
        ("SELECT regexp_replace(text, '[aeiou]', '_') AS t FROM calls WHERE id = 1", [("_ne",)]),
        ("SELECT string_agg(text, '+' ORDER BY id) AS t FROM calls WHERE id < 3", [("one+three",)]),
        ("WITH k AS (SELECT * FROM calls WHERE speaker = 'kim') SELECT sum(id) AS s FROM k", [(4,)]),
        ("SELECT id, row_number() OVER (PARTITION BY speaker ORDER BY id DESC) AS n FROM calls WHERE speaker = 'kim'"
         " ORDER BY id", [(1, 2), (3, 1)]),
        (
            "SELECT id FROM calls WHERE id IN (SELECT id FROM calls WHERE ok) UNION SELECT 9 ORDER BY id",
            [(1,), (4,), (9,)],
        ),
        (
            "SELECT round(avg(minutes), 1) AS a, round(max(minutes) / 3, 2) AS b, any_value(speaker) AS c "
            "FROM calls WHERE id = 2",
            [(2.5, 0.83, "이영희")],
        ),
        ("SELECT n FROM generate_series(1, 3) AS g(n)", [(1,), (2,), (3,)]),
        ("SELECT CASE WHEN ok THEN 1 ELSE 0 END AS c FROM calls ORDER BY id", [(1,), (0,), (0,), (1,)]),
        ("SELECT cast('12' AS integer) + 1 AS n, 5::text || 'x' AS t", [(13, "5x")]),
    ],
)  # fmt: skip
def test_a_query_gives_the_same_rows(calls: Services, query: str, rows: list[tuple[Any, ...]]) -> None:
    assert [tuple(row.values()) for row in calls.rows(query)] == rows


def test_types_of_a_file_are_the_same(calls: Services) -> None:
    (table,) = [each for each in calls.catalog.get_snapshot().tables if each.name == "calls"]
    assert [(column.name, column.type) for column in table.columns] == [
        ("id", "bigint"),
        ("Speaker", "text"),
        ("recording", "text"),
        ("text", "text"),
        ("minutes", "double precision"),
        ("day", "date"),
        ("at", "timestamp"),
        ("ok", "boolean"),
    ]
    assert table.rows == 4


def test_names_are_the_same_in_any_case_where_that_names_one(calls: Services) -> None:
    assert calls.rows("SELECT Speaker, c.SPEAKER AS s FROM Calls AS c WHERE id = 1")[0]["s"] == "kim"
    assert calls.rows('SELECT "Speaker" AS s FROM calls WHERE id = 1') == [{"s": "kim"}]


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("SELECT * FROM cals", UnknownTable, "calls"),
        ("SELECT tezt FROM calls", UnknownColumn, "text"),
        ("SELECT cast(text AS integer) FROM calls", DataError, ""),
        ("SELECT pg_read_file('/etc/passwd')", NotSupported, ""),
        ("SELECT * FROM pg_catalog.pg_authid", UnknownTable, "schema"),
        ("SELECT text FROM calls GROUP BY id", StatementError, ""),
    ],
)
def test_a_mistake_is_told_alike(calls: Services, text: str, kind: type[Exception], hint: str) -> None:
    error = calls.fails(text)
    assert isinstance(error, kind)
    assert hint in str(error)


def test_a_function_that_the_store_lacks_is_told_by_name(calls: Services) -> None:
    lacking = {"duckdb": "to_number(text, '99')", "postgres": "strip_accents(text)"}
    call = lacking[calls.catalog.get_snapshot().sql_dialect]
    error = calls.fails(f"SELECT {call} AS x FROM calls")
    assert isinstance(error, StatementError)
    assert call.partition("(")[0] in str(error).lower()


def test_names_in_capital_letters_are_found_through_derived_tables(calls: Services) -> None:
    calls.run("DROP TABLE IF EXISTS Loud")
    calls.run('CREATE TABLE "Loud" AS SELECT id AS "Id", Speaker AS "Who" FROM calls')
    rows = calls.rows(
        "WITH q AS (SELECT id, who FROM loud) SELECT q.id, loud.id AS n, upper(loud.who) AS who "
        "FROM q JOIN Loud ON LOUD.ID = q.id WHERE q.id = 1 ORDER BY who"
    )
    assert [list(row.values())[1:] for row in rows] == [[1, "KIM"]]
    calls.run("UPDATE LOUD SET Who = 'lee' WHERE loud.id = 1")
    calls.run("DELETE FROM loud USING people AS p WHERE p.name = loud.who")
    calls.run("INSERT INTO loud (WHO, id) SELECT who, id + 10 FROM loud WHERE id = 1")
    assert calls.rows('SELECT Id, "Who" FROM loud ORDER BY id') == [
        {"Id": 1, "Who": "lee"},
        {"Id": 4, "Who": None},
        {"Id": 11, "Who": "lee"},
    ]
    calls.run("DROP TABLE Loud")


def test_tables_are_made_filled_changed_and_renamed(calls: Services) -> None:
    for text in (
        "DROP TABLE IF EXISTS spoken",
        "DROP TABLE IF EXISTS kept",
        "CREATE TABLE spoken AS SELECT id, speaker, text FROM calls WHERE id <= 2",
        "INSERT INTO spoken SELECT id, speaker, text FROM calls WHERE id = 3",
        "INSERT INTO spoken (text, id) VALUES ('한국어', 9)",
        "UPDATE spoken SET text = upper(text) WHERE speaker = 'kim'",
        "UPDATE spoken SET speaker = p.city FROM people AS p WHERE p.name = spoken.speaker AND p.city = '부산'",
        "DELETE FROM spoken WHERE id = 1",
        "ALTER TABLE spoken RENAME COLUMN text TO said",
        "ALTER TABLE spoken RENAME TO kept",
    ):
        calls.run(text)
    assert [tuple(row.values()) for row in calls.rows("SELECT id, speaker, said FROM kept ORDER BY id")] == [
        (2, "부산", "three"),
        (3, "kim", "THREE"),
        (9, None, "한국어"),
    ]
    (table,) = [each for each in calls.catalog.get_snapshot().tables if each.name == "kept"]
    assert table.rows == 3
    calls.run("DROP TABLE kept")


def test_a_nested_predict_is_scored_by_speaker(calls: Services, ready_model: str) -> None:
    rows = calls.rows(
        "SELECT speaker, count(*) AS n, wer(text, predicted) AS wer FROM "
        f"(PREDICT USING {ready_model} OPTIONS (audio_col='recording') AS SELECT * FROM calls WHERE id <= 3) AS p "
        "GROUP BY speaker ORDER BY speaker"
    )
    assert [tuple(row.values()) for row in rows] == [("kim", 2, 0.0), ("이영희", 1, 1.0)]


def test_transcripts_become_a_table_and_update_another(calls: Services, ready_model: str) -> None:
    predict = f"PREDICT USING {ready_model} OPTIONS (audio_col='recording') AS SELECT id, recording FROM calls"
    calls.run("DROP TABLE IF EXISTS transcripts")
    calls.run(f"CREATE TABLE transcripts AS {predict}")
    calls.run(f"UPDATE calls SET text = p.predicted FROM ({predict} WHERE id = 4) AS p WHERE p.id = calls.id")
    assert calls.rows("SELECT predicted FROM transcripts ORDER BY id") == [
        {"predicted": each} for each in ("one", "two", "three", "four")
    ]
    assert calls.rows("SELECT text FROM calls WHERE id = 4") == [{"text": "four"}]
    calls.run("DROP TABLE transcripts")


def test_statements_are_explained_scored_and_listed_inside_others(calls: Services, ready_model: str) -> None:
    predict = f"PREDICT USING {ready_model} OPTIONS (audio_col='recording') AS SELECT * FROM calls WHERE id < 4"
    for text in (predict, "DELETE FROM calls WHERE Speaker = 'kim'", f"CREATE TABLE explained AS {predict}"):
        assert calls.rows(f"EXPLAIN {text}")
    assert calls.rows("SELECT count(*) AS n FROM calls") == [{"n": 4}]
    evaluated = f"EVALUATE USING {ready_model} OPTIONS (audio_col='recording') AS SELECT * FROM calls WHERE id < 4"
    rows = calls.rows(f"SELECT score FROM ({evaluated}) AS e WHERE metric = 'wer'")
    assert rows == [{"score": pytest.approx(1 / 3)}]
    listed = calls.rows("SELECT name, rows FROM (LIST TABLE) AS t WHERE name IN ('calls', 'people') ORDER BY name")
    assert listed == [{"name": "calls", "rows": 4}, {"name": "people", "rows": 3}]


def test_a_filter_and_a_limit_stop_the_model_early(calls: Services, ready_model: str) -> None:
    predict = f"PREDICT USING {ready_model} OPTIONS (audio_col='recording', cache=False) AS SELECT * FROM calls"
    rows = calls.rows(f"SELECT id, predicted FROM ({predict}) AS p WHERE Speaker = 'kim' AND id > 1")
    assert (rows, calls.inference.heard) == ([{"id": 3, "predicted": "three"}], ["audio/three.wav"])
