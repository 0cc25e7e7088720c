"""The lexer of the dialect: which colour a piece of a statement has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pygments.token import Comment, Error, Keyword, Name, Operator, String

from thanosql.lexer import LEADING, QUERY, SPEECH, TYPES, ThanoSQLLexer


def pieces(text: str) -> list[tuple[object, str]]:
    return [(kind, value) for kind, value in ThanoSQLLexer().get_tokens(text) if value.strip()]


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("predict USING m AS SELECT 1", (Keyword.Declaration, "predict")),
        ("PREDICT USING m OPTIONS (audio_col='a') AS SELECT 1", (Name.Attribute, "audio_col")),
        ("SELECT a = 'b' FROM t", (Name, "a")),
        ("SELECT wer(text, predicted) FROM t", (Name.Function, "wer")),
        ("SELECT * FROM t WHERE day = :day", (Name.Variable, ":day")),
        ("SELECT a::text", (Operator, "::")),
        ("SELECT 'it''s; -- no comment'", (String.Single, "'it''s; -- no comment'")),
        ('SELECT "From" FROM t', (Name.Quoted, '"From"')),
        ("SELECT 1 -- FROM t", (Comment.Single, "-- FROM t")),
        ("# SELECT\nSELECT 1", (Comment.Single, "# SELECT")),
        ("\\dt", (Name.Builtin.Pseudo, "\\dt")),
        ("SELECT 이름 FROM 통화", (Name, "통화")),
    ],
)
def test_a_piece_has_the_kind(text, piece):
    assert piece in pieces(text)


def test_a_comment_in_a_comment_does_not_end_it():
    assert all(kind is Comment.Multiline for kind, _ in pieces("/* a /* b */ SELECT */"))


@pytest.mark.parametrize(
    "text",
    [
        "BUILD MODEL m USING Wav2Vec2En OPTIONS (epochs=1, learning_rate=1e-4, overwrite=True) AS (SELECT * FROM t);",
        "COPY t FROM 'still open",
        "PREDICT USING m OPTIONS (hotwords=['Anna Müller', '쿠버네티스']) AS SELECT * FROM t WHERE a <> b AND c @> d",
        "SELECT $$ a 'b' $$, x ->> 'y' FROM t /* open",
    ],
)
def test_nothing_of_a_statement_is_unknown(text):
    assert Error not in [kind for kind, _ in pieces(text)]
    assert "".join(value for _, value in ThanoSQLLexer(stripnl=False, ensurenl=False).get_tokens(text)) == text


def test_jupyterlabs_extension_knows_the_same_words(checkout: Path):
    code = (checkout / "thanosql/notebook/labextension/static/remoteEntry.js").read_text("utf-8")
    known = {
        name: set("".join(re.findall('"([^"]*)"', words)).split())
        for name, words in re.findall(r"const (WORDS|TYPES) =([^;]*);", code)
    }
    assert known == {"WORDS": {*LEADING, *SPEECH, *QUERY}, "TYPES": set(TYPES)}
