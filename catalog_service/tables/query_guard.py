"""Checks that a text is one query over the users' tables, by the tree that DuckDB itself makes of it.

It is the first of three locks: the store has no access to files and network, a query runs in a
read-only transaction, and here only statements pass that select, with table functions that compute.
"""

from __future__ import annotations

import json
from typing import Any

from catalog_service.tables.duckdb_errors import refuse_write
from thanosql.errors import StatementError, StatementSyntaxError, ThanoSQLError

TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary"}
)
"""Table functions that only compute. The others read files, or DuckDB's own state."""

_WRITES = frozenset({"INSERT_QUERY_NODE", "UPDATE_QUERY_NODE", "DELETE_QUERY_NODE", "MERGE_QUERY_NODE"})


def check_query(serialised: str) -> None:
    """Whether a query may run.

    Args:
        serialised: the answer of DuckDB's `json_serialize_sql`.

    Raises:
        StatementError: it may not.
    """
    try:
        answer = json.loads(serialised)
    except RecursionError as error:
        raise StatementError("the query is nested too deeply", hint="Split it into smaller queries.") from error
    if answer["error"]:
        raise _refusal(answer)
    if len(answer["statements"]) != 1:
        raise StatementError(f"{len(answer['statements'])} statements came where one query was expected")
    waiting: list[Any] = [answer["statements"][0]]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            _check_node(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _refusal(answer: dict[str, Any]) -> ThanoSQLError:
    if answer["error_type"] == "parser":
        return StatementSyntaxError(f"the query is not valid SQL: {answer['error_message']}")
    return refuse_write()


def _check_node(node: dict[str, Any]) -> None:
    if node.get("type") in _WRITES:
        raise refuse_write()
    if node.get("type") == "TABLE_FUNCTION":
        function = node["function"]
        name = function["function_name"].lower() if function.get("function_name") else "?"
        if name not in TABLE_FUNCTIONS:
            raise StatementError(
                f"a query cannot read from {name}(…)",
                hint="Queries read tables: COPY t FROM 'file' makes a table of a file.",
            )
