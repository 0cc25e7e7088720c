"""Parts of queries that other databases know and that cannot run here, and comparisons that mean something else."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from query_service.language.source import Source, nearest, place_of
from thanosql.errors import NotSupported, StatementSyntaxError

_NODES: dict[type[exp.Expr], tuple[str, str]] = {
    exp.MatchRecognize: ("MATCH_RECOGNIZE", "Window functions look at neighbouring rows: lag(…) OVER (ORDER BY …)."),
    exp.Version: ("AS OF", "A table has its present rows only."),
    exp.WithTableHint: ("WITH ( hints )", "A query needs no hints here."),
    exp.IndexTableHint: ("USE INDEX", "A query needs no hints here."),
    exp.Connect: ("CONNECT BY", "Write WITH RECURSIVE … instead."),
    exp.Columns: ("COLUMNS(…)", "Name the columns, or leave some out: SELECT * EXCLUDE (column) FROM table."),
    exp.QueryTransform: ("TRANSFORM", "Use the functions of SQL."),
    exp.MatchAgainst: ("full-text search", "Use LIKE, ILIKE or regexp_matches(text, pattern)."),
    exp.XMLElement: ("XML", "Use JSON."),
    exp.SessionParameter: ("@@name", "There are no settings to be read."),
    exp.Command: ("this statement", "A query begins with SELECT, WITH or VALUES."),
}
"""What cannot stand anywhere in a query: its name, and what to do instead."""

_ARGUMENTS: dict[type[exp.Expr], dict[str, tuple[str, str]]] = {
    exp.Select: {
        "kind": ("SELECT AS", "Name the columns."),
        "operation_modifiers": ("a modifier of SELECT", "Take it away."),
        "hint": ("a hint", "Take it away."),
        "prewhere": ("PREWHERE", "Write WHERE."),
        "cluster": ("CLUSTER BY", "Write ORDER BY."),
        "distribute": ("DISTRIBUTE BY", "Write ORDER BY."),
        "sort": ("SORT BY", "Write ORDER BY."),
        "settings": ("SETTINGS", "Take it away."),
        "format": ("FORMAT", "Rows are typed; Python has them as session.sql(…).to_pandas()."),
        "options": ("OPTION", "Take it away."),
        "for_": ("FOR", "Take it away."),
        "laterals": ("LATERAL VIEW", "Write CROSS JOIN unnest(…)."),
    },
    exp.Table: {
        "only": ("FROM ONLY", "Write the table's name alone; tables have no children."),
        "version": ("AS OF", "A table has its present rows only."),
        "system_time": ("AS OF", "A table has its present rows only."),
        "when": ("AT and BEFORE", "A table has its present rows only."),
        "changes": ("CHANGES", "A table has its present rows only."),
        "partition": ("PARTITION", "Write WHERE."),
        "indexed": ("INDEXED BY", "A query needs no hints here."),
        "format": ("FORMAT", "A file is read into a table first: COPY table FROM 'path'."),
        "pattern": ("PATTERN", "A file is read into a table first: COPY table FROM 'path'."),
        "rows_from": ("ROWS FROM", "Join the functions' results."),
        "laterals": ("LATERAL VIEW", "Write CROSS JOIN unnest(…)."),
    },
    exp.Lateral: {
        "view": ("LATERAL VIEW", "Write CROSS JOIN unnest(…)."),
        "cross_apply": ("APPLY", "Write CROSS JOIN LATERAL (SELECT …)."),
    },
    exp.Limit: {"expressions": ("LIMIT … BY", "Number the rows: row_number() OVER (PARTITION BY … ORDER BY …).")},
    exp.With: {
        "search": ("SEARCH", "Keep the order in a column of the query."),
        "cycle": ("CYCLE", "Keep the way in a column of the query."),
    },
}
"""What cannot stand in one place of a query."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TYPES = (
    *("bigint", "blob", "boolean", "bytea", "char", "date", "decimal", "double", "float", "integer", "int", "interval"),
    *("json", "numeric", "real", "smallint", "text", "string", "time", "timestamp", "timestamptz", "uuid", "varchar"),
)


def refuse_foreign_parts(source: Source, tree: exp.Query, at: int) -> None:
    """Refuses by its name what would be left out, misread, or told by the table store in words of its own.

    Raises:
        NotSupported, StatementSyntaxError: with what to write instead.
    """
    for node in tree.walk():
        for name, instead in _foreign(node):
            raise source.error(NotSupported, f"{name} is not supported in a query", place_of(node, at), instead)
        if isinstance(node, exp.Alias) and isinstance(node.this, exp.Star):
            hint = f"Did you mean FROM {node.alias}?"
            message = f"{node.alias!r} cannot stand behind *"
            raise source.error(StatementSyntaxError, message, place_of(node.args["alias"], at), hint)
        if isinstance(node, exp.DataType) and node.this == exp.DType.USERDEFINED:
            _refuse_type(source, node, at)
        if isinstance(node, exp.Connector):
            _check_connector(source, node, at)
        if isinstance(node, (*_COMPARISONS, exp.Is)):
            _check_comparison(source, node, at)


def _foreign(node: exp.Expr) -> Iterator[tuple[str, str]]:
    if isinstance(node, exp.Pivot):
        if node.args.get("unpivot"):
            yield "UNPIVOT", "Write a SELECT for each column, with UNION ALL between them."
        yield "PIVOT", "Use GROUP BY, with count(*) FILTER (WHERE …) for each new column."
    found = _NODES.get(type(node))
    if found is not None:
        yield found
    for argument, refusal in _ARGUMENTS.get(type(node), {}).items():
        if node.args.get(argument):
            yield refusal


def _refuse_type(source: Source, node: exp.DataType, at: int) -> None:
    kind = node.args.get("kind")
    written = kind.sql() if isinstance(kind, exp.Expr) else str(kind)
    near = nearest(written, _TYPES)
    hint = f"Did you mean {near}?" if near else f"There are {', '.join(_TYPES)}, and arrays of them."
    place = place_of(kind, at) if isinstance(kind, exp.Expr) else at
    if place == at:
        place = place_of(node.parent, at) if node.parent is not None else at
    raise source.error(NotSupported, f"there is no type {written} here", place, hint)


def _check_connector(source: Source, node: exp.Connector, at: int) -> None:
    """`x = 'a' OR 'b'`, and in SET `x = 1 AND y = 2`: the store would take a number for a condition."""
    literal = next((each for each in (node.left, node.right) if isinstance(each, exp.Literal)), None)
    if literal is not None:
        word = node.key.upper()
        hint = "Write the whole comparison on both sides, or column IN (value, value); in SET stands a comma."
        message = f"{literal.sql()} beside {word} is no condition"
        raise source.error(StatementSyntaxError, message, place_of(node, at), hint)


def _check_comparison(source: Source, node: exp.Expr, at: int) -> None:
    left, right = node.this, node.args.get("expression")
    if isinstance(node, exp.Is):
        if isinstance(right, exp.Literal):
            hint = f"Write = {right.sql()}; behind IS stand NULL, TRUE and FALSE."
            raise source.error(StatementSyntaxError, "IS does not compare values", place_of(node, at), hint)
        return
    middle = left.args.get("expression") if isinstance(left, _COMPARISONS) else None
    if middle is None:
        return
    hint = "Write AND or OR between them."
    if isinstance(middle, exp.ArrayOverlaps):
        hint = "Write AND in the place of &&, which is of arrays."
    elif isinstance(middle, exp.DPipe):
        hint = "Write OR in the place of ||, which joins texts."
    raise source.error(StatementSyntaxError, "two comparisons stand side by side", place_of(node, at), hint)
