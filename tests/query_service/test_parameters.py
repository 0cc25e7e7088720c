"""Parameters of a text: where they may stand, what is told where they may not, and that no value is read as SQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from query_service.language.dialect import parse
from query_service.language.statements import Copy, Insert, Predict
from thanosql.errors import DataError, InvalidOption, StatementError, StatementSyntaxError
from thanosql.parameters import read_parameters

NASTY = (
    "it's",
    "--",
    "/* :b */",
    ";DROP TABLE t",
    "\\",
    "'; --",
    "한글 🎙",
    ":other",
    "?",
    "$1",
    "x" * 100_000,
    "%s\n\t",
)
"""Texts that would be something else, were they read as SQL."""


def sql(text: str, given: Any) -> str:
    """The one query of a text, as PostgreSQL would be told it."""
    (statement,) = parse(text, read_parameters(given), longest=1_000)
    return str(statement.query.tree.sql("postgres"))  # type: ignore[attr-defined]


def failure(text: str, given: Any) -> str:
    with pytest.raises((StatementError, DataError)) as caught:
        parse(text, read_parameters(given))
    return str(caught.value)


@pytest.mark.parametrize("value", NASTY)
def test_a_text_is_one_literal_whatever_it_holds(value: str) -> None:
    (statement,) = parse("SELECT a FROM t WHERE b = :value", read_parameters({"value": value}))
    literal = statement.query.tree.args["where"].this.expression  # type: ignore[attr-defined]
    assert literal.is_string
    assert literal.this == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (7, "7"),
        (-7, "(-7)"),
        (0.1, "CAST('0.1' AS DOUBLE PRECISION)"),
        (float("inf"), "CAST('Infinity' AS DOUBLE PRECISION)"),
        (Decimal("-1.50"), "CAST('-1.50' AS DECIMAL(3, 2))"),
        (2**70, f"CAST('{2**70}' AS DECIMAL(22, 0))"),
        (date(2026, 1, 2), "CAST('2026-01-02' AS DATE)"),
        (time(1, 2), "CAST('01:02:00' AS TIME)"),
        (datetime(2026, 1, 2, 3), "CAST('2026-01-02 03:00:00' AS TIMESTAMP)"),
        (datetime(2026, 1, 2, tzinfo=UTC), "CAST('2026-01-02 00:00:00+00:00' AS TIMESTAMPTZ)"),
        (timedelta(seconds=1.5), "CAST('1 seconds 500000 microseconds' AS INTERVAL)"),
    ],
)
def test_a_value_keeps_its_type(value: Any, written: str) -> None:
    assert sql("SELECT a FROM t WHERE b = :value", {"value": value}) == f"SELECT a FROM t WHERE b = {written}"


def test_what_looks_like_a_parameter_and_is_none_is_left_alone() -> None:
    text = "SELECT ':a', \"x:b\", a::text, l[1:n] -- :c\nFROM t /* :d ? */ WHERE j ? 'k' AND b = E':e'"
    (statement,) = parse("SELECT ':a', \"x:b\", a::text FROM t -- :c\n WHERE b = ':d?' /* ? */")
    assert "':a'" in statement.query.tree.sql("postgres")  # type: ignore[attr-defined]
    assert "no value is given" not in failure(text.replace("l[1:n]", "nothing("), None)


def test_a_list_stands_behind_in() -> None:
    assert sql("SELECT a FROM t WHERE b IN :l", {"l": [1, 2]}).endswith("b IN (1, 2)")
    assert sql("SELECT a FROM t WHERE b IN (:l, 3)", {"l": (1, 2)}).endswith("b IN (1, 2, 3)")


def test_nothing_is_in_an_empty_list() -> None:
    assert sql("SELECT a FROM t WHERE b IN :l", {"l": []}).endswith("WHERE FALSE")
    assert sql("SELECT a FROM t WHERE b NOT IN (:l)", {"l": []}).endswith("WHERE NOT FALSE")


def test_parameters_stand_in_limit_values_and_statements_inside() -> None:
    (insert,) = parse("INSERT INTO t VALUES (:a, :b), (:b, :a)", read_parameters({"a": 1, "b": "x"}))
    assert isinstance(insert, Insert)
    assert "VALUES (1, 'x'), ('x', 1)" in insert.query.tree.sql("postgres")
    inner = (
        "SELECT * FROM (PREDICT USING m OPTIONS (cache=:c) AS SELECT * FROM calls WHERE id < :n) WHERE predicted = :p"
    )
    (select,) = parse(f"{inner} LIMIT :most", read_parameters({"c": False, "n": 3, "p": "x", "most": 5}))
    predict = select.query.nested[0].statement  # type: ignore[attr-defined]
    assert isinstance(predict, Predict)
    assert predict.cache is False
    assert predict.query.tree.sql("postgres").endswith("id < 3")


def test_parameters_stand_in_options_and_paths() -> None:
    (copy,) = parse("COPY t OPTIONS (overwrite=:yes) FROM :path", read_parameters({"yes": True, "path": "a'b.csv"}))
    assert isinstance(copy, Copy)
    assert (copy.path.text, copy.if_exists.value) == ("a'b.csv", "replace")
    text = "PREDICT USING m OPTIONS (hotwords=?, audio_col=?) AS SELECT 1"
    (predict,) = parse(text, read_parameters([["Anna Müller", "x'y"], "path"]))
    assert isinstance(predict, Predict)
    assert [word.text for word in predict.hotwords] == ["Anna Müller", "x'y"]
    assert predict.audio_col.text == "path"


def test_an_option_refuses_a_value_of_another_kind() -> None:
    with pytest.raises(InvalidOption, match="option cache takes True or False"):
        parse("PREDICT USING m OPTIONS (cache=:c) AS SELECT 1", read_parameters({"c": 3}))


def test_one_name_stands_in_several_statements() -> None:
    statements = parse("SELECT :a; EXPLAIN SELECT :a, :b", read_parameters({"a": 1, "b": 2}))
    assert len(statements) == 2


def test_a_missing_value_is_shown_at_its_place_with_the_nearest_name() -> None:
    said = failure("SELECT a\nFROM t WHERE b = :nam", {"name": 1})
    assert "no value is given for :nam" in said
    assert said.splitlines()[1:3] == ["  2 | FROM t WHERE b = :nam", "    |                  ^"]
    assert "Did you mean :name?" in said


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("SELECT 1", {"name": 1}, "a value is given for :name, which does not stand in the text"),
        ("SELECT :a", None, "no value is given for :a"),
        ("SELECT ?, ?", [1], "no value is given for the 2. ?"),
        ("SELECT ?", [1, 2], "2 values are given for 1 ? in the text"),
        ("SELECT :a", [1], ":a has no value: those given have no names"),
        ("SELECT ?", {"a": 1}, "? has no value: those given have names"),
        ("DROP TABLE :t", {"t": "calls"}, ":t cannot stand for the name of a table"),
        ("SELECT a FROM :t", {"t": "calls"}, "':t' cannot stand here"),
        ("SELECT a FROM t ORDER BY :c", {"c": "a"}, ":c cannot stand for a column to sort or group by"),
        ("SELECT a FROM t WHERE b IN :l", {"l": 3}, ":l behind IN is no list"),
        ("SELECT a FROM t LIMIT :n", {"n": "3"}, ":n behind LIMIT is no whole number"),
        ("COPY t FROM :path", {"path": 3}, "the path is a text, and :path is not"),
        ("SELECT $1", [1], "1 values are given for no ?"),
    ],
)
def test_a_parameter_that_cannot_be_bound_is_explained(text: str, given: Any, message: str) -> None:
    assert message in failure(text, given)


def test_a_name_of_a_table_is_a_part_of_the_statement() -> None:
    with pytest.raises(StatementSyntaxError, match="Names of tables, columns and models are a part of the statement"):
        parse("SELECT a FROM :t", read_parameters({"t": "calls"}))


@pytest.mark.parametrize(
    ("value", "message"),
    [(object(), "has no counterpart in SQL"), ("a\0b", "holds the character NUL"), ("\ud800", "half a character")],
)
def test_a_value_without_a_form_in_sql_is_refused(value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_parameters({"a": value})
