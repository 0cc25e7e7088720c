"""wer(reference, hypothesis) and cer(…) in queries: over all rows, of groups, of rows, with FILTER and OVER."""

from __future__ import annotations

import pytest

from thanosql.scoring import character_errors, word_errors

ROWS = [
    ("ann", "the quick brown fox", "the quick brown fox"),
    ("ann", "jumps over", "jumps under it"),
    ("bob", "THE LAZY DOG", "the hazy dog"),
    ("bob", "it's 42!", "it’s 42"),
    ("bob", "안녕하세요 세계", "안녕하세요 세게"),
    ("eve", "no hypothesis", None),
    ("eve", None, "no reference"),
    ("sil", "", "noise here"),
]


def quote(text: str | None) -> str:
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


@pytest.fixture
def scored(services):
    """Pairs of texts of four speakers, with the NULLs and the silence that there are."""
    rows = [f"({i}, {', '.join(map(quote, row))})" for i, row in enumerate(ROWS)]
    services.run(
        "CREATE OR REPLACE TABLE scored AS "
        f"SELECT column1 AS id, column2 AS speaker, column3 AS said, column4 AS heard FROM (VALUES {', '.join(rows)}) "
        "AS v (column1, column2, column3, column4)"
    )
    return services


def rate(counter, speaker: str = "") -> float:
    pairs = [(said, heard) for who, said, heard in ROWS if speaker in ("", who) and None not in (said, heard)]
    return counter(*zip(*pairs, strict=True)).rate


def test_over_all_rows_errors_are_summed_and_so_are_words(scored):
    (row,) = scored.rows("SELECT wer(said, heard), cer(said, heard), count(*) AS n FROM scored")
    assert row == {"wer": pytest.approx(rate(word_errors)), "cer": pytest.approx(rate(character_errors)), "n": 8}


def test_of_groups(scored):
    rows = scored.rows("SELECT speaker, wer(said, heard) FROM scored GROUP BY speaker ORDER BY speaker")
    assert {row["speaker"]: row["wer"] for row in rows} == {
        "ann": pytest.approx(rate(word_errors, "ann")),
        "bob": pytest.approx(rate(word_errors, "bob")),
        "eve": None,
        "sil": 2.0,
    }


def test_groups_are_chosen_and_ordered_by_their_rates(scored):
    rows = scored.rows(
        "SELECT speaker FROM scored GROUP BY speaker HAVING wer(said, heard) > 0 ORDER BY cer(said, heard) DESC"
    )
    assert [row["speaker"] for row in rows] == ["sil", "ann", "bob"]


def test_of_each_row_beside_its_columns(scored):
    rows = scored.rows("SELECT id, wer(said, heard) AS errors FROM scored WHERE cer(said, heard) > 0 ORDER BY id")
    assert {row["id"]: row["errors"] for row in rows} == {
        1: pytest.approx(1.0),
        2: pytest.approx(1 / 3),
        4: pytest.approx(1 / 2),
        7: 2.0,
    }


def test_the_mean_of_the_rows_rates_is_another_figure(scored):
    (row,) = scored.rows(
        "SELECT avg(wer(said, heard)) AS mean, max(cer(said, heard)) AS worst FROM scored WHERE id < 6"
    )
    each = [word_errors([said], [heard]).rate for _, said, heard in ROWS[:5]]
    assert row["mean"] == pytest.approx(sum(each) / 5)
    assert row["mean"] != pytest.approx(rate(word_errors))


def test_filter_and_over(scored):
    (row,) = scored.rows("SELECT wer(said, heard) FILTER (WHERE speaker = 'bob') AS bob, wer(said, heard) FROM scored")
    assert row == {"bob": pytest.approx(rate(word_errors, "bob")), "wer": pytest.approx(rate(word_errors))}
    rows = scored.rows(
        "SELECT id, wer(said, heard) OVER (PARTITION BY speaker) AS whole, "
        "wer(said, heard) OVER (PARTITION BY speaker ORDER BY id) AS so_far "
        "FROM scored WHERE speaker = 'ann' ORDER BY id"
    )
    assert [row["whole"] for row in rows] == [pytest.approx(rate(word_errors, "ann"))] * 2
    assert [row["so_far"] for row in rows] == [0.0, pytest.approx(rate(word_errors, "ann"))]


def test_the_rank_of_groups_by_their_rates(scored):
    rows = scored.rows(
        "SELECT speaker, rank() OVER (ORDER BY wer(said, heard) NULLS LAST) AS place FROM scored "
        "GROUP BY speaker ORDER BY speaker"
    )
    assert [row["place"] for row in rows] == [2, 1, 4, 3]


def test_no_rows_and_no_pairs_have_no_rate(scored):
    assert scored.rows("SELECT wer(said, heard), cer(said, heard) FROM scored WHERE id > 100") == [
        {"wer": None, "cer": None}
    ]
    assert scored.rows("SELECT wer(said, heard) FROM scored WHERE speaker = 'eve'") == [{"wer": None}]


def test_the_column_has_the_functions_name_for_queries_around(scored):
    rows = scored.rows("SELECT s.wer > 0 AS any FROM (SELECT wer(said, heard), WER(heard, said) FROM scored) s")
    assert rows == [{"any": True}]


def test_of_each_row_in_group_by_join_and_case(scored):
    assert scored.rows(
        "SELECT wer(said, heard) = 0 AS perfect, count(*) AS n FROM scored WHERE id < 5 GROUP BY wer(said, heard) = 0 "
        "ORDER BY 2 DESC"
    ) == [{"perfect": False, "n": 3}, {"perfect": True, "n": 2}]
    assert scored.rows(
        "SELECT count(*) AS n FROM scored a JOIN scored b ON a.id = b.id AND wer(a.said, b.heard) > 0.4"
    ) == [{"n": 3}]
    assert scored.rows("SELECT CASE WHEN wer(said, heard) > 0.5 THEN 'bad' ELSE 'good' END AS verdict FROM scored") == [
        {"verdict": "good"}
    ]


def test_rates_are_no_other_names_of_the_stores_functions(scored):
    assert (
        "there is no function thanosql_word_errors here"
        in scored.fails("SELECT thanosql_word_errors(said, heard) FROM scored").message
    )


def test_rates_of_a_long_table_are_those_of_its_rows(scored):
    scored.run(
        "CREATE OR REPLACE TABLE long AS SELECT g AS id, 'a b c' AS said, "
        "CASE WHEN g % 2 = 0 THEN 'a b c' ELSE 'a x c' END AS heard FROM generate_series(1, 20000) AS s(g)"
    )
    assert scored.rows("SELECT wer(said, heard), cer(said, heard) FROM long") == [
        {"wer": pytest.approx(1 / 6), "cer": pytest.approx(1 / 10)}
    ]
