"""Checks what a text does to the users' tables, by the tree that DuckDB itself makes of it.

It is the second of three locks. Before it, query_service makes SQL of nothing but what its own parser knows; behind
it, the store has no access to files and network, whatever SQL says, and a query runs in a read-only transaction.
Here pass only statements that select, or that change one of the users' tables; that read the users' tables and
the rows that came along, and not the engine's own views; with table functions that compute, and without the
functions that tell or change the engine's state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from catalog_service.catalog import unknown_table
from catalog_service.tables.duckdb_errors import refuse_write
from thanosql.errors import StatementError, StatementSyntaxError, ThanoSQLError

Node = dict[str, Any]

TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary"}
)
"""Table functions that only compute. The others read files, or DuckDB's own state."""

REFUSED_FUNCTIONS = frozenset(
    {
        *("current_setting", "getvariable", "getenv", "current_query", "inet_server_addr", "inet_client_addr"),
        *("nextval", "currval", "setval", "setseed", "write_log", "sleep_ms", "pg_sleep"),
        *("json_serialize_plan", "json_execute_serialized_sql", "query", "query_table"),
    }
)
"""Functions that tell of the engine or the machine, change its state, or hold a thread for nothing."""

_ENGINE_PREFIXES = ("duckdb_", "pg_", "pragma_", "sqlite_")

_WRITES = frozenset({"INSERT_QUERY_NODE", "UPDATE_QUERY_NODE", "DELETE_QUERY_NODE", "MERGE_QUERY_NODE"})
_CHANGES = frozenset({"UPDATE_QUERY_NODE", "DELETE_QUERY_NODE"})

_CHANGED = "thanosql_changed_rows"


def check_query(serialised: str, tables: Iterable[str]) -> None:
    """Whether a query may run.

    Args:
        serialised: The answer of DuckDB's `json_serialize_sql`.
        tables: Names that it may read: the users' tables, and relations.

    Raises:
        StatementError: it may not.
        UnknownTable: it reads something else.
    """
    _check_tree(_only_statement(serialised), tables)


def enclose_change(sql: str) -> str:
    """A query around an UPDATE or DELETE, so that `json_serialize_sql`, which takes no other, shows its tree.

    `sql` must be known to be one whole statement. It is only looked at in this form, never run.
    """
    return f"WITH {_CHANGED} AS ({sql.strip().rstrip(';')}\nRETURNING 1) FROM {_CHANGED}"


def check_change(serialised: str, tables: Iterable[str], relations: Iterable[str] = ()) -> str:
    """Whether an UPDATE or DELETE may run; the name of the table that it changes, as the statement spells it.

    Args:
        serialised: The answer of DuckDB's `json_serialize_sql` to `enclose_change`.
        tables: The users' tables.
        relations: What it may read beside them.

    Raises:
        StatementError: it may not.
        UnknownTable: it reads or changes something else.
    """
    outer = _only_statement(serialised)["node"]
    change = outer["cte_map"]["map"][0]["value"]["query_node"]
    if change["type"] not in _CHANGES:
        raise StatementError("one UPDATE or DELETE is expected here", hint="Queries are run by Query.")
    target: str = change["table"]["table_name"]
    names = list(tables)
    if target.casefold() not in _folded(names):
        raise unknown_table(target, names)
    _check_tree({**change, "type": ""}, [*names, *relations])
    return target


def _only_statement(serialised: str) -> Node:
    try:
        answer = json.loads(serialised)
    except RecursionError as error:
        raise StatementError("the query is nested too deeply", hint="Split it into smaller queries.") from error
    if answer["error"]:
        raise _refusal(answer)
    if len(answer["statements"]) != 1:
        raise StatementError(f"{len(answer['statements'])} statements came where one query was expected")
    statement: Node = answer["statements"][0]
    return statement


def _refusal(answer: Node) -> ThanoSQLError:
    if answer["error_type"] == "parser":
        return StatementSyntaxError(f"the query is not valid SQL: {answer['error_message']}")
    return refuse_write()


def _check_tree(tree: Node, tables: Iterable[str]) -> None:
    nodes = list(_nodes(tree))
    defined = {each["key"] for node in nodes for each in (node.get("cte_map") or {}).get("map") or ()}
    engines = next((name for name in defined if name.casefold().startswith(_ENGINE_PREFIXES)), None)
    if engines is not None:
        raise StatementError(f"{engines!r} cannot be a name in WITH: the engine has it", hint="Choose another.")
    names = list(tables)
    readable = _folded([*names, *defined])
    for node in nodes:
        kind = node.get("type")
        if kind in _WRITES:
            raise refuse_write()
        if kind == "BASE_TABLE":
            _check_table(node, readable, names)
        elif kind == "TABLE_FUNCTION":
            _check_table_function(node)
        elif kind == "SHOW_REF" and not node.get("query"):
            raise StatementError("SHOW cannot be part of a query", hint="LIST TABLE lists the tables.")
        elif kind == "FUNCTION" and _function_name(node) in REFUSED_FUNCTIONS:
            raise StatementError(f"the function {_function_name(node)}(…) is not to be had")


def _nodes(tree: Node) -> Iterator[Node]:
    """Every node, without recursion: a deep query must not end this process."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _check_table(node: Node, readable: frozenset[str], names: list[str]) -> None:
    name: str = node["table_name"]
    if node.get("catalog_name") or node.get("schema_name", "").casefold() not in ("", "main"):
        place = ".".join(part for part in (node.get("catalog_name"), node.get("schema_name"), name) if part)
        raise StatementError(f"{place} is not a table of yours", hint="Tables are written without a schema.")
    if name.casefold() not in readable:
        raise unknown_table(name, names)


def _check_table_function(node: Node) -> None:
    name = _function_name(node["function"])
    if name not in TABLE_FUNCTIONS:
        raise StatementError(
            f"a query cannot read from {name}(…)",
            hint="Queries read tables: COPY t FROM 'file' makes a table of a file.",
        )


def _function_name(node: Node) -> str:
    name: str = node.get("function_name") or "?"
    return name.lower()


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
