"""Values of parameters through the services, over DuckDB and over PostgreSQL: what is sent comes back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from tests.query_service.test_both_stores import _catalog, calls  # noqa: F401 - the fixtures
from tests.query_service.test_parameters import NASTY
from thanosql.parameters import read_parameters
from thanosql.result import read_batches
from thanosql.types import Rows

VALUES = (
    *NASTY,
    *(None, True, False, 0, -1, 2**63 - 1, -(2**63), 0.1, float("inf"), -1e300),
    *(Decimal("-1.50"), date(2024, 2, 29), time(10, 30, 0, 5), datetime(2024, 2, 29, 10, 0, 0, 250), b"\0\xff'\\"),
    datetime(2024, 2, 29, 10, tzinfo=UTC),
)


def rows(services: Any, text: str, given: Any, query_id: str = "") -> list[tuple[Any, ...]]:
    """The rows of the last statement of a text."""
    found: list[tuple[Any, ...]] = []
    for event in services.client.execute(text, query_id, read_parameters(given)):
        if isinstance(event.event, Rows):
            found += [tuple(row.values()) for batch in read_batches(event.event) for row in batch.to_pylist()]
    return found


def test_every_value_comes_back_as_it_was_sent(calls: Any) -> None:  # noqa: F811
    names = {f"v{number}": value for number, value in enumerate(VALUES)}
    (row,) = rows(calls, "SELECT " + ", ".join(f":{name}" for name in names), names)
    assert list(row) == list(VALUES)


def test_rows_are_found_by_values(calls: Any) -> None:  # noqa: F811
    text = "SELECT id FROM calls WHERE speaker = :who OR minutes > :long OR day IN :days ORDER BY id LIMIT :most"
    given = {"who": "이영희", "long": 2.0, "days": [date(2023, 12, 31), "2024-02-29"], "most": 2}
    assert rows(calls, text, given) == [(1,), (2,)]
    assert rows(calls, "SELECT id FROM calls WHERE speaker NOT IN ? ORDER BY id", [[]]) == [(1,), (2,), (3,), (4,)]


def test_nasty_texts_are_written_into_a_table_and_found_again(calls: Any) -> None:  # noqa: F811
    rows(calls, "CREATE TABLE nasty AS SELECT :first AS said", {"first": "first"})
    marks = ", ".join("(?)" for _ in NASTY)
    rows(calls, f"INSERT INTO nasty VALUES {marks}", list(NASTY))
    rows(calls, "UPDATE nasty SET said = :new WHERE said = :old", {"new": "it''s", "old": "first"})
    try:
        for value in (*NASTY, "it''s"):
            assert rows(calls, "SELECT said FROM nasty WHERE said = :value", {"value": value}) == [(value,)]
        rows(calls, "DELETE FROM nasty WHERE said IN :all", {"all": list(NASTY)})
        assert rows(calls, "SELECT count(*) FROM nasty", None) == [(1,)]
    finally:
        rows(calls, "DROP TABLE nasty", None)


def test_lists_of_statements_show_the_text_and_no_values(calls: Any) -> None:  # noqa: F811
    text = "SELECT count(*) FROM calls WHERE speaker = :who"
    rows(calls, text, {"who": "a secret of mine"}, "11112222-0000-0000-0000-000000000000")
    told = rows(calls, "DESCRIBE JOB '11112222'", None)
    assert ("statement", text) in told
    assert "secret of mine" not in json.dumps(told, default=str)


@pytest.mark.parametrize("statement", ["EXPLAIN SELECT * FROM calls WHERE speaker = :who"])
def test_a_statement_with_parameters_is_explained(calls: Any, statement: str) -> None:  # noqa: F811
    assert rows(calls, statement, {"who": "kim"})
