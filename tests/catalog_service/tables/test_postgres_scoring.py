"""PostgreSQL's scoring functions count as `thanosql.scoring` does, over every letter and any pair of texts."""

from __future__ import annotations

import csv
import random
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog_service.tables.postgres_scoring import SCHEMA, scoring_sql
from tests.postgres_server import connect
from thanosql.scoring import normalise
from thanosql.scoring_sql import COUNTERS

WORDS = st.lists(
    st.sampled_from(
        ["one", "two", "ONE", "don’t", "don't", "나는", "학교에", "4", "Straße", "STRASSE", "İstanbul", "ΣΊΣΥΦΟΣ",
         "ﬁne", "fine", "café", "cafe\u0301", "–", "", "\t", "हिन्दी", "١٢", "x\u200by", "A\u030a", "Å", "Ǆ", "ẞ", "`a´"]
    ),
    max_size=12,
).map(" ".join)  # fmt: skip
# Without the letters that Unicode gets year by year, which the server may not know yet.
TEXTS = WORDS | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0", max_codepoint=0xFFFF), max_size=30
)


@pytest.fixture(scope="module", params=["with fuzzystrmatch", "without"])
def connection(
    request: pytest.FixtureRequest, postgres_database: Callable[[], sa.URL], postgres: sa.URL
) -> Iterator[psycopg.Connection]:
    """A database with the functions, and with or without the extension that makes them quick."""
    url = postgres.set(database=postgres_database().database)
    with connect(url) as opened:
        opened.execute(f"CREATE SCHEMA {SCHEMA}")
        levenshtein = None
        if request.param == "with fuzzystrmatch":
            opened.execute(f"CREATE EXTENSION fuzzystrmatch SCHEMA {SCHEMA}")
            levenshtein = f"{SCHEMA}.levenshtein"
        opened.execute(scoring_sql(levenshtein).encode())
        opened.execute(f"SET search_path = {SCHEMA}")
        yield opened


def counts(connection: psycopg.Connection, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, ...]]:
    """What each function counts for each pair, in PostgreSQL."""
    calls = ", ".join(f"{name}(r, h)" for name in COUNTERS)
    query = f"SELECT {calls} FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS pairs(r, h, place) ORDER BY place"
    return connection.execute(query.encode(), [[r for r, _ in pairs], [h for _, h in pairs]]).fetchall()


def expected(pairs: Sequence[tuple[str, str]]) -> list[tuple[int, ...]]:
    return [tuple(count(r, h) for count in COUNTERS.values()) for r, h in pairs]


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=40))
def test_any_two_texts_are_counted_alike(connection: psycopg.Connection, pairs: list[tuple[str, str]]) -> None:
    assert counts(connection, pairs) == expected(pairs)


def normalised(connection: psycopg.Connection, texts: Sequence[str]) -> list[str]:
    query = "SELECT thanosql_normalise(t) FROM unnest(%s::text[]) WITH ORDINALITY AS texts(t, place) ORDER BY place"
    return [text for (text,) in connection.execute(query, [list(texts)]).fetchall()]


def assert_alike(connection: psycopg.Connection, letters: Sequence[str]) -> None:
    """Between other letters; but for those that Python's Unicode takes apart and the server's does not know yet."""
    query = "SELECT normalize(t, NFKC) FROM unnest(%s::text[]) WITH ORDINALITY AS texts(t, place) ORDER BY place"
    composed = [text for (text,) in connection.execute(query, [list(letters)]).fetchall()]
    for letter, other in zip(letters, composed, strict=True):
        assert other in (letter, unicodedata.normalize("NFKC", letter))
    known = [
        letter
        for letter, other in zip(letters, composed, strict=True)
        if other == unicodedata.normalize("NFKC", letter)
    ]
    assert len(letters) - len(known) < 200
    assert normalised(connection, [f"a{each}b" for each in known]) == [normalise(f"a{each}b") for each in known]


def test_letters_that_change_are_changed_alike(connection: psycopg.Connection) -> None:
    letters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    changed = [each for each in letters if each.casefold() != each]
    others = random.Random(1).sample(letters, 3_000)
    assert_alike(connection, [*changed, *others])


@pytest.mark.slow
def test_every_letter_is_normalised_alike(connection: psycopg.Connection) -> None:
    for plane in range(0, sys.maxunicode + 1, 0x4000):
        codes = range(max(plane, 1), plane + 0x4000)
        assert_alike(connection, [chr(code) for code in codes if not 0xD800 <= code < 0xE000])


def test_texts_longer_than_the_extension_takes_are_counted_alike(connection: psycopg.Connection) -> None:
    chance = random.Random(1)
    pairs = []
    for length in (254, 255, 256, 257, 700):
        words = [chance.choice(["a", "bc", "def", "가나"]) for _ in range(length)]
        heard = [word if chance.random() > 0.1 else chance.choice(["x", "", "a bc"]) for word in words]
        pairs += [(" ".join(words), " ".join(heard)), ("b" * length, "ab" * (length // 2)), ("c" * length, "")]
    assert counts(connection, pairs) == expected(pairs)


def test_the_tutorial_s_transcripts_are_counted_alike(connection: psycopg.Connection, checkout: Path) -> None:
    with (checkout / "tutorial_data" / "librispeech_data" / "librispeech_train.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    # Each against the one behind it, and against itself with a word less.
    pairs = [*pairwise(texts), *((text, text.lower().partition(" ")[2]) for text in texts)]
    assert counts(connection, pairs) == expected(pairs)


def test_real_transcripts_are_counted_alike(connection: psycopg.Connection, speech: Path) -> None:
    for name in ("librispeech", "accented"):
        with (speech / name / "test.csv").open(encoding="utf-8") as file:
            texts = [row["text"] for row in csv.DictReader(file)]
        pairs = list(pairwise(texts))
        assert counts(connection, pairs) == expected(pairs)
