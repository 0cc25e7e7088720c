"""How a text falls into tokens and statements: comments, quotes and places, for any text."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.language.tokens import read_tokens, split
from thanosql.errors import StatementSyntaxError, ThanoSQLError

ANY = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def tokens_of(text: str) -> list[list[str]]:
    return [[token.text for token in statement] for statement in split(read_tokens(Source(text), longest=100_000))]


def quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, 2 * quote) + quote


@given(ANY)
def test_a_text_in_quotes_is_one_token_whatever_it_holds(text):
    assert tokens_of(f"SELECT {quoted(text, chr(39))}") == [["SELECT", text]]


@given(ANY.filter(bool))
def test_a_name_in_quotes_is_one_token_whatever_it_holds(text):
    assert tokens_of(f"SELECT {quoted(text, chr(34))}") == [["SELECT", text]]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n\r")), st.sampled_from(["--", "# ", "#", "  # "]))
def test_a_comment_line_hides_whatever_it_holds(text, mark):
    if mark.strip() == "#" and text.startswith(">"):
        text = " " + text
    assert tokens_of(f"SELECT 1;\n{mark}{text}\nSELECT 2") == [["SELECT", "1"], ["SELECT", "2"]]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0*/")))
def test_a_block_comment_hides_whatever_it_holds(text):
    assert tokens_of(f"SELECT 1 /* {text} /* {text} */ ; */ ; SELECT 2") == [["SELECT", "1"], ["SELECT", "2"]]


@given(
    st.lists(
        st.sampled_from(
            ["LIST TABLES", "SELECT ';'", 'SELECT ";"', "SELECT 1 -- ;\n", "SELECT $$;$$", "/* ; */ SELECT 1"]
        )
    )
)
def test_statements_are_split_at_semicolons_that_stand_in_the_open(statements):
    assert len(tokens_of(" ;; ".join(statements) + ";")) == len(statements)


@given(
    st.lists(st.sampled_from(["a", "'b;\n'", '"c"', "/* d\n */", "-- e\n", "1e-4", "\n", "\t", "한글"]), max_size=20)
)
def test_a_token_knows_its_place_in_the_text(pieces):
    text = " ".join(pieces)
    for statement in split(read_tokens(Source(text), longest=100_000)):
        for token in statement:
            written = text[token.start : token.end + 1]
            assert token.text in (written, written[1:-1])


@given(ANY)
def test_any_text_at_all_is_read_or_refused_with_one_of_our_errors(text):
    with suppress(ThanoSQLError):
        parse(text)


def test_a_hash_that_does_not_begin_a_line_is_no_comment():
    assert tokens_of("SELECT 5 # 3") == [["SELECT", "5", "#", "3"]]


def test_a_json_operator_at_the_start_of_a_line_is_no_comment():
    assert tokens_of("SELECT a\n #>> '{x}'") == [["SELECT", "a", "#>>", "{x}"]]


@pytest.mark.parametrize("text", ["E'it\\'s; so'", "$tag$ ; $$ $tag$"])
def test_postgresql_quotes_hold_semicolons(text):
    assert len(tokens_of(f"SELECT {text}; SELECT 2")) == 2


def test_a_text_that_is_too_long_is_refused():
    with pytest.raises(StatementSyntaxError, match="1,001 characters, more than the 1,000"):
        parse("SELECT 1 --" + 990 * "x", longest=1_000)


def test_a_query_that_is_nested_too_deeply_is_refused():
    with pytest.raises(StatementSyntaxError, match="nested too deeply"):
        parse("SELECT " + 2_000 * "NOT " + "true")


def test_a_long_line_is_shown_only_some_way_past_the_caret():
    with pytest.raises(StatementSyntaxError) as raised:
        parse("SELECT * FORM t WHERE x IN (" + ", ".join(map(str, range(1_000))) + ")")
    assert len(raised.value.excerpt) < 200
    assert raised.value.column == 10
