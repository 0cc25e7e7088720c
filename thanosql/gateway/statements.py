"""Statements that the gateway itself sends for a request, whose results are small."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from thanosql.clients import QueryClient
from thanosql.errors import ThanoSQLError
from thanosql.parameters import read_parameters
from thanosql.result import read_batches
from thanosql.types import Rows


def run_statement(client: QueryClient, text: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of one statement, with values by the names of their columns; `parameters` stand for its `:name`s.

    Raises:
        ThanoSQLError: without a place in the text, which is not the caller's.
    """
    rows: list[dict[str, Any]] = []
    try:
        with closing(client.execute(text, parameters=read_parameters(parameters))) as events:  # type: ignore[type-var]  # it is a generator
            for event in events:
                if isinstance(event.event, Rows):
                    for batch in read_batches(event.event):
                        rows += batch.to_pylist()
    except ThanoSQLError as error:
        error.line = error.column = 0
        raise
    return rows
