"""Statements from a grammar of the dialect, by the hundred thousand: no internal error, and none that hangs."""

from __future__ import annotations

import importlib.util
import random
import time
from collections import Counter
from typing import Any

from serving_parts.report import Table, tell
from serving_parts.speech import CHECKOUT

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.planning.analyze import analyze
from sql_parts.services import run_services
from sql_parts.settings import Settings
from thanosql import Session
from thanosql.errors import InternalError, ThanoSQLError
from thanosql.types import Column, Model, ModelState, Snapshot
from thanosql.types import Table as TableOfRows

COUNT, QUICK_COUNT = 100_000, 2_000
MOST_SECONDS = 5.0
"""Of computing for one statement: some are of 100,000 characters, and some are nested a thousand deep."""
NOT_CARRIED_OUT = ("BUILD", "FIT", "PREDICT", "EVALUATE", "UPLOAD", "EXPORT", "GET", "EXPLAIN", "RESUME", "PRINT")
"""Not run for real: they would train and transcribe, for hours in all."""


def measure(settings: Settings) -> Table:
    """Parse and plan them all; carry a part of them out in real services."""
    table = Table("fuzzing")
    grammar = load_grammar()
    _plan(table, grammar, settings)
    _carry_out(table, grammar, settings)
    return table


def load_grammar() -> Any:
    """The module tests/query_service/grammar.py."""
    file = CHECKOUT / "tests" / "query_service" / "grammar.py"
    specification = importlib.util.spec_from_file_location("grammar", file)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _plan(table: Table, grammar: Any, settings: Settings) -> None:
    tables = tuple(
        TableOfRows(name.strip('"'), tuple(Column(column.strip('"'), "text") for column in columns))
        for name, columns in grammar.TABLES.items()
    )
    models = (Model("my_model", 3, "Wav2Vec2En", ""), Model("tutorial_audio_recognition", 1, "Wav2Vec2En", ""))
    pending = Model("pending", 1, "Wav2Vec2En", "", ModelState.PENDING)
    snapshot = Snapshot(tables=tables, models=(*models, pending))
    outcomes, internal, count = Counter[str](), list[str](), settings.of(COUNT, QUICK_COUNT)
    total, longest, slowest = 0.0, 0.0, ""
    for number in range(count):
        text = grammar.Grammar(random.Random(f"{settings.seed}/{number}")).script()
        begin = time.thread_time()
        try:
            for statement in parse(text):
                analyze(statement, snapshot, Source(text))
            outcomes["planned"] += 1
        except InternalError:
            internal.append(text)
        except ThanoSQLError as error:
            outcomes[type(error).__name__] += 1
        except Exception as error:
            internal.append(text)
            tell(f"{type(error).__name__}: {error}: {text[:500]!r}")
        took = time.thread_time() - begin
        total += took
        if took > longest:
            longest, slowest = took, text
        if number % 10_000 == 9_999:
            tell(f"{number + 1:,} statements, the slowest {longest:.2f} s")
    note = ", ".join(f"{times:,} {name}" for name, times in outcomes.most_common(5))
    table.add("statements parsed and planned", count, note=note)
    table.add("of them with an internal error", len(internal), at_most=0)
    note = f"{len(slowest):,} characters: {slowest[:50]!r}"
    table.add("the slowest", longest, "s", at_most=MOST_SECONDS, note=note)
    table.add("on average", total / count * 1e3, "ms")


def _carry_out(table: Table, grammar: Any, settings: Settings) -> None:
    folder = settings.scratch / "fuzz"
    folder.mkdir()
    internal, slowest, count = list[str](), 0.0, 0
    with run_services(folder, folder / "state") as (session, _):
        for number in range(settings.of(3_000, 200)):
            if number % 100 == 0:
                _make_tables(session, grammar)
            text = grammar.Grammar(random.Random(f"{settings.seed}/run/{number}")).script()
            if any(word in text.upper() for word in NOT_CARRIED_OUT):
                continue
            count += 1
            begin = time.perf_counter()
            try:
                session.sql(text, progress=False)
            except InternalError as error:
                internal.append(text)
                tell(f"{error}: {text[:500]!r}")
            except ThanoSQLError:
                pass
            slowest = max(slowest, time.perf_counter() - begin)
        answer = list(session.sql("SELECT 1", progress=False))
    table.add("statements carried out in real services", count, note=f"afterwards SELECT 1 gives {answer}")
    table.add("of them with an internal error", len(internal), at_most=0)
    table.add("the slowest", slowest, "s", at_most=60)


def _make_tables(session: Session, grammar: Any) -> None:
    for name, columns in grammar.TABLES.items():
        values = ", ".join(f"'{i}' AS {column}" for i, column in enumerate(columns))
        session.sql(f"DROP TABLE IF EXISTS {name}", progress=False)
        session.sql(f"CREATE TABLE {name} AS SELECT {values}", progress=False)
