"""Watches a statement from its begin to its end: it is counted, and a span of its query's trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from query_service.monitoring.figures import UNREAD, Ending, QueryFigures, StatementReport
from query_service.monitoring.hidden_literals import hide_literals
from thanosql.errors import Cancelled
from thanosql.rpc.spans import Value, span


@dataclass
class Watched:
    """A statement that runs."""

    rows: int = 0
    """That it has given or touched, as its end tells."""


@contextmanager
def watch_reading(figures: QueryFigures, clock: Callable[[], float]) -> Iterator[None]:
    """A text is read; what cannot be read counts as a statement that failed."""
    began = clock()
    try:
        with span("parse"):
            yield
    except Exception as error:
        figures.begin(UNREAD)
        figures.end(StatementReport(UNREAD, Ending.FAILED, clock() - began, error=type(error).__name__))
        raise


@contextmanager
def watch_statement(
    figures: QueryFigures,
    kind: str,
    text: str,
    query_id: str,
    *,
    index: int,
    clock: Callable[[], float],
    is_cancelled: Callable[[], bool],
) -> Iterator[Watched]:
    """The statement runs inside.

    Args:
        figures: Where it is counted.
        kind: "PREDICT".
        text: The statement; its span tells it without the literals in it.
        query_id: Of the text that it stands in.
        index: Its place in that text, from 0.
        clock: Gives seconds.
        is_cancelled: Whether whatever ends it is a cancellation: cut off, its calls fail in various ways.
    """
    began, watched = clock(), Watched()
    ending, error_name = Ending.SUCCEEDED, ""
    attributes: dict[str, Value] = {
        "db.system.name": "thanosql",
        "db.operation.name": kind,
        "thanosql.query_id": query_id,
        "thanosql.statement.index": index,
    }
    figures.begin(kind)
    try:
        with span(kind, attributes) as told:
            if told.is_recorded:
                told.set("db.query.text", hide_literals(text))
            yield watched
            told.set("db.response.returned_rows", watched.rows)
    except (Cancelled, GeneratorExit):  # closed by whoever runs it
        ending = Ending.CANCELLED
        raise
    except BaseException as error:
        ending = Ending.CANCELLED if is_cancelled() else Ending.FAILED
        error_name = "" if is_cancelled() else type(error).__name__
        raise
    finally:
        figures.end(StatementReport(kind, ending, clock() - began, watched.rows, error_name))


def name_step(step: object) -> str:
    """The name of a step's span: one for each kind of step.

    >>> name_step(type("MakeReady", (), {})())
    'make ready'
    """
    return " ".join(re.findall("[A-Z][a-z]*", type(step).__name__)).lower()
