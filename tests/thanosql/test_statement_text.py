"""Where the statements of a text end, and which parameters they name."""

from __future__ import annotations

import pytest

from thanosql.statement_text import ends_statement, find_parameters, last_statement, split


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("SELECT 1;", True),
        ("SELECT 1; \n", True),
        ("SELECT 1; -- done", True),
        ("SELECT 1; /* done */", True),
        ("SELECT 1; /* a /* b */ c */", True),
        ("SELECT 1;\n# done", True),
        ("SELECT 1", False),
        ("SELECT ';'", False),
        ("SELECT 'it''s;", False),
        ("SELECT 'it''s';", True),
        (r"SELECT e'it\'s;", False),
        ("SELECT $a$ ; $a$", False),
        ("SELECT $a$ ;", False),
        ('SELECT ";" ', False),
        ("SELECT 1 -- ;", False),
        ("# ;", False),
        ("SELECT 1 /* ;", False),
        ("SELECT 1 /* a /* b */ ;", False),
        ("SELECT 1; SELECT 2", False),
        ("SELECT 1; SELECT 2;", True),
        ("SELECT '';", True),
        ("SELECT 6/2;", True),
    ],
)
def test_a_statement_ends_with_a_semicolon_that_is_one(text, ends):
    assert ends_statement(text) is ends


def test_a_script_is_cut_into_statements_that_know_their_lines():
    text = "-- first\nSELECT ';';\n\n/* x */ SELECT\n2;;\n# end\n"
    assert [(each.text, each.line) for each in split(text)] == [("SELECT ';'", 2), ("SELECT\n2", 4)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("SELECT :day, :이름", {"day", "이름"}),
        ("SELECT a::text, ':x', \":y\" -- :z", set()),
        ("SELECT a[1:n], b::int = :n", {"n"}),
        ("SELECT '{\"a\":1}' WHERE x=:x", {"x"}),
        ("SELECT a[b :n], [:m]", {"m"}),
        ("/* a /* b */ :x */ SELECT $y, :z", {"z"}),
    ],
)
def test_parameters_are_found_and_casts_and_texts_are_none(text, names):
    assert {each.name for each in find_parameters(text)} == names


def test_what_is_typed_is_what_stands_behind_the_last_semicolon():
    assert last_statement("SELECT ';'; SEL") == " SEL"
