"""Errors of the table store show the place of what they name, where the statement names it once."""

from __future__ import annotations

import pytest

from query_service.language.naming import place_by_name
from query_service.language.source import Source
from thanosql.errors import StatementError, UnknownTable


def place(text: str, message: str) -> tuple[int, int]:
    error = place_by_name(Source(text), 0, len(text), StatementError(message))
    return error.line, error.column


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("SELECT sum(speaker) FROM calls", "the query cannot run: sum does not take text", 8),
        ("SELECT speaker + 1 FROM calls", "the query cannot run: + does not take text, integer", 16),
        ("SELECT speaker.x FROM calls", "Cannot extract field 'x' from expression \"speaker\" because it is text", 8),
        ("SELECT id FROM calls WHERE id = 'one'", "Could not convert string 'one' to INT64", 33),
        (
            "SELECT id, speaker::int FROM calls",
            "Could not convert string 'anna' when casting from source column speaker",
            12,
        ),
        ("SELECT substring(a) FROM t", "function substring(text) does not exist", 8),
        ("SELECT a || b * c FROM t", "operator does not exist: text * integer", 15),
    ],
)
def test_what_a_message_names_is_found(text, message, column):
    assert place(text, message) == (1, column)


def test_what_stands_twice_has_no_place():
    assert place("SELECT sum(a), sum(b) FROM t", "the query cannot run: sum does not take text") == (0, 0)


def test_what_stands_in_a_text_or_a_comment_is_not_meant():
    assert place("-- sum\nSELECT 'sum', sum(a) FROM t", "the query cannot run: sum does not take text") == (2, 15)


def test_a_name_of_another_statement_of_the_script_is_not_meant():
    text = "SELECT sum(a) FROM t; SELECT sum(b) FROM t"
    error = place_by_name(Source(text), 22, 20, StatementError("the query cannot run: sum does not take text"))
    assert (error.line, error.column) == (1, 30)


def test_a_place_that_is_known_stays():
    error = UnknownTable("the function 'sum' is no table", line=7, column=3, excerpt="sum")
    assert place_by_name(Source("SELECT sum(a)"), 0, 13, error).line == 7
