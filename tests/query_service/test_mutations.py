"""Statements with something wrong in them never end in anything but one of our errors."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.planning.analyze import analyze
from thanosql.errors import ThanoSQLError
from thanosql.types import Snapshot

PIECES = [
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    "'",
    '"',
    "--",
    "/*",
    "*/",
    "$$",
    "$1",
    "?",
    "=",
    "*",
    ".",
    "..",
    "::",
    "E'",
    "x'",
]
PIECES += [
    "AS",
    "SELECT",
    "FROM",
    "OPTIONS",
    "USING",
    "WITH",
    "CASE",
    "WHEN",
    "JOIN",
    "UNION",
    "VALUES",
    "NOT",
    "INTERVAL",
]
PIECES += [
    "1e",
    "0x",
    "#",
    "\n#",
    "é",
    "한",
    "\u200b",
    "\N{NO-BREAK SPACE}",
    "PIVOT",
    "LATERAL",
    "OVER",
    "FILTER",
    "CAST(",
    "{",
    "~",
]


def check(text: str, snapshot: Snapshot) -> None:
    """Raises whatever is not one of our errors."""
    refusal = None
    try:
        for statement in parse(text):
            analyze(statement, snapshot, Source(text))
    except ThanoSQLError as error:
        refusal = error
    if refusal is not None:
        assert refusal.message
        assert refusal.line <= text.count("\n") + 1


def test_a_statement_cut_off_anywhere_is_refused_or_understood(texts, snapshot):
    for text in texts:
        for end in range(len(text)):
            check(text[:end], snapshot)


def test_a_statement_with_a_word_left_out_is_refused_or_understood(texts, snapshot):
    for text in texts:
        words = text.split(" ")
        for i in range(len(words)):
            check(" ".join(words[:i] + words[i + 1 :]), snapshot)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_statement_with_pieces_put_in_is_refused_or_understood(data, texts, snapshot):
    text = data.draw(st.sampled_from(texts))
    for piece in data.draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3)):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + piece + text[at:]
    check(text, snapshot)


@pytest.mark.slow
def test_many_random_mutations_are_refused_or_understood(texts, snapshot):
    chance = random.Random(1)
    for _ in range(20_000):
        words = " ".join(chance.sample(texts, 2)).split(" ")
        for _ in range(chance.randint(1, 4)):
            i, j = chance.randrange(len(words)), chance.randrange(len(words))
            words[i] = chance.choice([words[j], "", chance.choice(PIECES), words[i][:2], words[i] + words[j]])
        check(" ".join(words[: chance.randint(1, len(words))]), snapshot)
