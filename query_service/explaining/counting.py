"""How many rows a query would give, and an UPDATE or DELETE would meet: asked by a query that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from query_service.explaining.view import View
from query_service.planning.steps import ChangeTable, TableQuery


def count_rows(query: TableQuery, view: View) -> int | None:
    """Rows of a query; None where only running the statement would tell."""
    return _ask(TableQuery(f"SELECT count(*) FROM ({query.sql}) AS counted", query.relations), view)


def count_changes(step: ChangeTable, view: View) -> int | None:
    """Rows of the table that meet the conditions of an UPDATE or DELETE; None where that cannot be told."""
    try:
        tree = sqlglot.parse_one(step.query.sql, read=view.work.snapshot.sql_dialect)
    except SqlglotError:
        return None
    counting = as_count(tree)
    if counting is None:
        return None
    sql = counting.sql(view.work.snapshot.sql_dialect)
    read = {table.name for table in counting.find_all(exp.Table)}
    return _ask(TableQuery(sql, tuple(name for name in step.query.relations if name in read)), view)


def as_count(change: exp.Expr) -> exp.Select | None:
    """The query that counts what an UPDATE or DELETE changes; None for what is neither.

    >>> as_count(sqlglot.parse_one("DELETE FROM t USING u WHERE t.id = u.id")).sql()
    'SELECT COUNT(*) FROM t WHERE EXISTS(SELECT 1 FROM u WHERE t.id = u.id)'
    >>> as_count(sqlglot.parse_one("UPDATE t SET a = 1 WHERE b > 2")).sql()
    'SELECT COUNT(*) FROM t WHERE b > 2'
    """
    if not isinstance(change, exp.Update | exp.Delete) or not isinstance(change.this, exp.Table):
        return None
    where = change.args.get("where")
    counting = exp.select(exp.Count(this=exp.Star())).from_(change.this.copy())
    others = _others(change)
    if others:
        inner = exp.select("1").from_(others[0].copy())
        for each in others[1:]:
            inner = inner.join(each.copy(), join_type="cross")
        inner = inner if where is None else inner.where(where.this.copy())
        return counting.where(exp.Exists(this=inner))
    return counting if where is None else counting.where(where.this.copy())


def _others(change: exp.Expr) -> Sequence[exp.Expr]:
    """What else an UPDATE or DELETE reads."""
    from_ = change.args.get("from_")
    using = change.args.get("using") or ()
    return [*([from_.this] if from_ is not None else []), *using]


def _ask(query: TableQuery, view: View) -> int | None:
    if not view.is_known(query):
        return None
    counts: list[Any] = [count for batch in view.read(query) for count in batch.column(0).to_pylist()]
    return int(counts[0])
