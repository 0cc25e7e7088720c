"""Every statement of PostgreSQL, DuckDB and MySQL works here or is answered by its name, with what to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from query_service.language.dialect import parse
from thanosql.errors import NotSupported

LINES = [
    line.split(": ", 1)
    for line in (Path(__file__).parent / "elsewhere.txt").read_text("utf-8").splitlines()[1:]
    if ": " in line
]
THE_SAME_HERE = {
    *("ALTER TABLE", "COPY", "CREATE TABLE AS", "DELETE", "DROP TABLE", "EXPLAIN", "INSERT", "SELECT", "UPDATE"),
    *("VALUES", "WITH"),
}


@pytest.mark.parametrize(("name", "example"), [line for line in LINES if line[0] in THE_SAME_HERE])
def test_a_statement_that_there_is_here_too_is_read(name, example):
    (statement,) = parse(example)
    assert statement.text == example


@pytest.mark.parametrize(("name", "example"), [line for line in LINES if line[0] not in THE_SAME_HERE])
def test_a_statement_of_another_database_is_answered_by_its_name(name, example):
    with pytest.raises(NotSupported) as raised:
        parse(f"LIST TABLES;\n  {example}")
    assert raised.value.message.startswith(f"{name} is not supported")
    assert raised.value.hint
    assert raised.value.line == 2


def test_no_statement_is_listed_that_is_here_too():
    assert {line[0] for line in LINES} > THE_SAME_HERE
