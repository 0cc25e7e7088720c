"""What every store must do when transcripts are scored in SQL: count as `thanosql.scoring` does."""

from __future__ import annotations

import threading

import pytest

from catalog_service.tables.store import TableStore
from tests.catalog_service.tables.store_rows import change, rows_of, with_rows, write, write_query
from thanosql.errors import Cancelled
from thanosql.scoring import character_errors, word_errors

PAIRS = (
    ("one two three", "one two three"),
    ("One, two: THREE!", "one two tree"),
    ("one two three", ""),
    ("", "one"),
    ("", ""),
    ("don’t panic", "don't panic"),
    ("나는 학교에 간다", "나는 학교 간다"),
    ("ﬁne Café", "fine cafe"),
    ("a b c d e f", "f e d c b a"),
    ("kitten sitting " * 30, "sitting kitten " * 31),
    ("naïve\tquoted\nlines", "naive quoted lines"),
    ("100 %", "one hundred percent"),
)


class ScoringTests:
    def test_errors_and_lengths_are_counted_for_each_row(self, store: TableStore) -> None:
        sides = {"place": list(range(len(PAIRS))), "r": [r for r, _ in PAIRS], "h": [h for _, h in PAIRS]}
        write(store, "said", sides)
        sql = (
            "SELECT thanosql_word_errors(r, h), thanosql_words(r, h), "
            "thanosql_character_errors(r, h), thanosql_characters(r, h) FROM said ORDER BY place"
        )
        expected = [
            (words.errors, words.length, letters.errors, letters.length)
            for words, letters in ((word_errors([r], [h]), character_errors([r], [h])) for r, h in PAIRS)
        ]
        assert rows_of(store, sql) == expected

    @pytest.mark.parametrize(("reference", "hypothesis"), [(None, "a"), ("a", None), (None, None)])
    def test_a_row_that_lacks_either_side_is_not_scored(
        self, store: TableStore, reference: str | None, hypothesis: str | None
    ) -> None:
        write(store, "said", {"r": [reference, "a b"], "h": [hypothesis, "a c"]})
        sql = (
            "SELECT sum(thanosql_word_errors(r, h)), sum(thanosql_words(r, h)), "
            "sum(thanosql_character_errors(r, h)), count(thanosql_characters(r, h)) FROM said"
        )
        assert rows_of(store, sql) == [(1, 2, 1, 1)]

    def test_a_rate_of_groups_is_made_of_sums(self, store: TableStore) -> None:
        write(store, "said", {"who": ["a", "a", "b"], "r": ["x y", "z", "x y"], "h": ["x", "z", "p q"]})
        rate = (
            "SELECT who, cast(sum(thanosql_word_errors(r, h)) AS double precision) / sum(thanosql_words(r, h)) "
            "FROM said GROUP BY who ORDER BY who"
        )
        assert rows_of(store, rate) == [("a", pytest.approx(1 / 3)), ("b", 1.0)]

    def test_rows_that_came_along_are_scored_and_written_and_say_what_is_deleted(self, store: TableStore) -> None:
        heard = {"r": ["a b", "c"], "h": ["a b", "d"]}
        sql = "SELECT r, thanosql_word_errors(r, h) AS errors FROM heard"
        assert write_query(store, "scored", sql, relations=with_rows(heard=heard)) == 2
        assert change(store, "DELETE FROM scored WHERE errors = thanosql_word_errors(r, 'x')") == 1
        assert rows_of(store, "SELECT r, errors FROM scored") == [("a b", 0)]

    def test_a_pair_that_many_rows_share_is_scored_like_any_other(self, store: TableStore) -> None:
        write(store, "said", {"r": ["a b", "c d"] * 20_000, "h": ["a", "c d"] * 20_000})
        sql = "SELECT sum(thanosql_word_errors(r, h)), sum(thanosql_words(r, h)) FROM said"
        assert rows_of(store, sql) == [(20_000, 80_000)]

    def test_scoring_is_stopped_from_another_thread(self, store: TableStore) -> None:
        write(store, "said", {"r": [f"{n} some words that are said" for n in range(2_000)]})
        query = store.query("SELECT sum(thanosql_character_errors(a.r, b.r)) FROM said a, said b")
        threading.Timer(0.3, query.cancel).start()
        with pytest.raises(Cancelled):
            list(query)
