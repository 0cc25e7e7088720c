"""What a trace tells of a statement says nothing of its literals, however they are written."""

from __future__ import annotations

import pytest

from query_service.monitoring.hidden_literals import LONGEST, hide_literals


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("SELECT 'a''b' FROM t", "SELECT ? FROM t"),
        (r"SELECT E'it\'s secret' FROM t", "SELECT ? FROM t"),
        ("SELECT $$secret$$, $x$se'cret$x$", "SELECT ?, ?"),
        ("SELECT 1, -2.5e-3, .5 FROM t2", "SELECT ?, -?, ? FROM t2"),
        ('SELECT "my 7 columns" FROM "it\'s"', 'SELECT "my 7 columns" FROM "it\'s"'),
        ("SELECT a -- 'secret\n, b /* 'secret' */ FROM t", "SELECT a , b FROM t"),
        ("SELECT 'never closed", "SELECT ?"),
        (
            "PREDICT USING m OPTIONS (hotwords=['secret'])  AS\n SELECT 1",
            "PREDICT USING m OPTIONS (hotwords=[?]) AS SELECT ?",
        ),
    ],
)
def test_literals_and_comments_are_hidden_and_names_are_kept(text: str, hidden: str) -> None:
    assert hide_literals(text) == hidden


def test_a_long_statement_is_cut_off() -> None:
    hidden = hide_literals("SELECT " + ", ".join(f"column_{n}x" for n in range(1000)))
    assert len(hidden) == LONGEST
    assert hidden.endswith("…")
