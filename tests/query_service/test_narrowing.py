"""What is taken into a nested PREDICT changes no result: random queries against the same ones over a plain table."""

from __future__ import annotations

import random
from collections.abc import Iterator

import duckdb
import pytest

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.language.tokens import StatementDialect
from query_service.planning import steps as p
from query_service.planning.analyze import analyze

PREDICT = "PREDICT USING my_model OPTIONS (audio_col='recording') AS SELECT * FROM calls"
"""Hears in each file its name in capitals."""
PLAIN = "SELECT *, upper(recording) AS predicted FROM (SELECT * FROM calls) AS heard"


@pytest.fixture(scope="module")
def store() -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of the snapshot, with NULLs, equal rows, and rows that no other table knows."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE calls (id bigint, recording text, speaker text, minutes double)")
        connection.execute("CREATE TABLE librispeech_test (audio_path text, text text)")
        draw = random.Random(5)
        for i in range(40):
            speaker, minutes = draw.choice(["ann", "bob", None]), draw.choice([0.5, 1.0, 2.5, None])
            row = [draw.choice([i, i, None, 7]), draw.choice("abcd"), speaker, minutes]
            connection.execute("INSERT INTO calls VALUES (?, ?, ?, ?)", row)
        for name in "aabcxyz":
            row = [name, draw.choice(["A", "B", None])]
            connection.execute("INSERT INTO librispeech_test VALUES (?, ?)", row)
        yield connection


class Played:
    """Carries out plans on one connection, and counts the rows that the model would hear."""

    def __init__(self, store: duckdb.DuckDBPyConnection) -> None:
        self._store = store
        self.heard = 0

    def run(self, steps: tuple[p.Step, ...]) -> list[tuple]:
        rows: list[tuple] = []
        for step in steps:
            if isinstance(step, p.KeepRows):
                self._keep(step.relation, *self._transcribe(step.steps[-1]))
            elif isinstance(step, p.StreamRows):
                rows = self._stream(step)
            else:
                rows = self._store.execute(step.query.sql).fetchall()
        return rows

    def _transcribe(self, step: p.Transcribe) -> tuple[list[str], list[tuple]]:
        result = self._store.execute(step.query.sql)
        names = [column[0] for column in result.description]
        audio = names.index(step.audio.text)
        rows = [(*row, row[audio] and row[audio].upper()) for row in result.fetchall()]
        self.heard += len(rows)
        return [*names, step.result.text], rows

    def _keep(self, relation: str, names: list[str], rows: list[tuple]) -> None:
        like = PLAIN if len(names) == 5 else f"SELECT *, predicted AS {names[-1]} FROM ({PLAIN}) AS heard"
        self._store.execute(f"CREATE OR REPLACE TEMP TABLE {relation} AS SELECT * FROM ({like}) AS heard LIMIT 0")
        if rows:
            one = f"({', '.join('?' * len(names))})"
            values = [value for row in rows for value in row]
            self._store.execute(f"INSERT INTO {relation} VALUES {', '.join([one] * len(rows))}", values)

    def _stream(self, step: p.StreamRows) -> list[tuple]:
        names, rows = self._transcribe(step.steps[-1])
        found: list[tuple] = []
        for start in range(0, len(rows), 7):
            part = rows[start : start + 7]
            if step.query is not None:
                self._keep(step.relation, names, part)
                part = self._store.execute(step.query.sql).fetchall()
            found += part
        end = None if step.limit is None else step.offset + step.limit
        return found[step.offset : end]


def draw_condition(draw: random.Random, name: str, depth: int = 0) -> str:
    """A condition on the rows that go by a name."""
    if depth < 2 and draw.random() < 0.35:
        left, right = (draw_condition(draw, name, depth + 1) for _ in range(2))
        return draw.choice([f"({left} OR {right})", f"({left} AND {right})", f"NOT ({left})"])
    column = draw.choice(["id", "minutes", "speaker", "recording", "predicted", "ID", '"speaker"'])
    literal = {"id": "7", "ID": "20", "minutes": "1.0"}.get(column, draw.choice(["'ann'", "'a'", "'B'"]))
    full = f"{name}.{column}" if name else column
    return draw.choice(
        [
            f"{full} = {literal}",
            f"{full} > {literal}",
            f"{full} IS NULL",
            f"{full} IS NOT NULL",
            f"coalesce({full}, {literal}) <= {literal}",
            f"{full} IN ({literal}, {literal})",
            f"{full} IS DISTINCT FROM {literal}",
            f"{name + '.' if name else ''}id IN (SELECT max(id) FROM calls)",
            f"lower({name + '.' if name else ''}predicted) = 'a'",
            "true",
        ]
    )


def draw_query(draw: random.Random) -> str:
    """A query over the rows of {P}, which come in no order unless the query says so."""
    conditions = " AND ".join(draw_condition(draw, draw.choice(["p", "p", "", "P"])) for _ in range(draw.randint(0, 3)))
    where = f" WHERE {conditions}" if conditions else ""
    source = draw.choice(["({P}) AS p", "({P}) p", "(({P})) p", "({P}) AS P"])
    with_ = ""
    if draw.random() < 0.3:  # through a SELECT that only hands rows on
        inner = draw.choice(
            ["*", "q.*", "id, upper(recording) AS predicted, speaker, minutes, lower(predicted) AS recording"]
        )
        condition = draw.choice(["", " WHERE minutes > 0.5", " WHERE predicted <> 'A' OR id = 7"])
        last = draw.choice(["", "", " ORDER BY minutes, id, speaker, recording LIMIT 9"])
        source = f"(SELECT {inner} FROM ({{P}}) q{condition}{last}) {draw.choice(['p', 'AS p'])}"
        if draw.random() < 0.3:
            with_, source = f"WITH s AS {source.rsplit(')', 1)[0]}) ", "s AS p"
    elif draw.random() < 0.25:
        with_, source = "WITH heard AS ({P}) ", draw.choice(["heard p", "heard AS p"])
    shape = draw.random()
    if shape < 0.35:  # one row for each
        columns = draw.choice(["*", "id, predicted, minutes", "p.id AS minutes, recording, speaker AS id, predicted"])
        names = ["id", "recording", "speaker", "minutes", "predicted"] if columns == "*" else ["1", "2", "3"]
        keys = draw.choice([names, ["p.minutes", "p.id", "p.recording", "p.speaker"]]) if draw.random() < 0.7 else []
        directions = [draw.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]) for _ in keys]
        order = f" ORDER BY {', '.join(map(''.join, zip(keys, directions, strict=True)))}" if keys else ""
        limit = draw.choice(["", " LIMIT 3", " LIMIT 0", " LIMIT 5 OFFSET 2", " OFFSET 3"]) if len(keys) > 3 else ""
        return f"{with_}SELECT {columns} FROM {source}{where}{order}{limit}"
    if shape < 0.5:
        return f"{with_}SELECT speaker, count(*), max(predicted) FROM {source}{where} GROUP BY speaker"
    if shape < 0.6:
        return f"{with_}SELECT DISTINCT speaker, predicted FROM {source}{where}"
    join = draw.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
    on = draw.choice(
        ["p.recording = t.audio_path", "p.recording = t.audio_path AND p.minutes > 0.5", "p.predicted = t.text"]
    )
    more = draw.choice(
        ["", f" {draw.choice(['LEFT', 'FULL', 'INNER'])} JOIN calls c ON c.id = p.id AND p.speaker = 'ann'"]
    )
    where = where.replace(" id", " p.id").replace("(id", "(p.id")
    conditions = " AND ".join(draw_condition(draw, "p") for _ in range(draw.randint(0, 2)))
    where = f" WHERE {conditions}" if conditions else ""
    items = [f"{source} {join} librispeech_test t ON {on}", f"librispeech_test t {join} {source} ON {on}"]
    return f"{with_}SELECT p.id, p.predicted, t.text FROM {draw.choice(items)}{more}{where}"


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 40))])
def test_a_query_over_predict_gives_what_it_gives_over_a_table(store, snapshot, seed):
    draw = random.Random(seed)
    for _ in range(50):
        query = draw_query(draw)
        text = query.replace("{P}", PREDICT)
        (statement,) = parse(text)
        plain = StatementDialect().parse(query.replace("{P}", PLAIN))[0].sql("duckdb")
        expected = store.execute(plain).fetchall()
        found = Played(store).run(analyze(statement, snapshot, Source(text)).steps)
        if "ORDER BY" not in query[query.rfind(")") :]:  # that of the whole query stands behind everything else
            expected, found = sorted(expected, key=repr), sorted(found, key=repr)
        assert found == expected, query


def test_most_conditions_that_can_go_inside_do(store, snapshot):
    text = f"SELECT id FROM ({PREDICT}) p WHERE minutes = 0.5 AND speaker = 'ann'"
    (statement,) = parse(text)
    played = Played(store)
    rows = played.run(analyze(statement, snapshot, Source(text)).steps)
    assert played.heard == len(rows) < 40
