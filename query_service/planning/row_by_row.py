"""Which expressions may be computed on some rows before others: one row at a time, and the same whenever it is done."""

from __future__ import annotations

from sqlglot import exp

from thanosql.scoring_sql import COUNTERS

_ROW_BY_ROW: frozenset[type[exp.Expr]] = frozenset(
    {
        # Names, values, and what holds them together.
        *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.Var, exp.Star),
        *(exp.Alias, exp.Interval, exp.DataType, exp.DataTypeParam, exp.Array, exp.Bracket, exp.Slice, exp.Dot),
        # Conditions.
        *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between),
        *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Any, exp.Like, exp.ILike, exp.SimilarTo, exp.Escape, exp.RegexpLike),
        *(exp.RegexpILike, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least),
        # Numbers.
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.Abs, exp.Round, exp.Floor, exp.Ceil),
        *(exp.Sqrt, exp.Pow, exp.Exp, exp.Ln, exp.Log, exp.Sign, exp.Cast, exp.TryCast),
        # Texts.
        *(exp.DPipe, exp.Concat, exp.ConcatWs, exp.Lower, exp.Upper, exp.Initcap, exp.Length, exp.Trim),
        *(exp.Substring, exp.Left, exp.Right, exp.Replace, exp.RegexpReplace, exp.SplitPart, exp.StrPosition),
        *(exp.StartsWith, exp.Reverse, exp.Repeat, exp.Levenshtein, exp.MD5),
        # Dates and times.
        *(exp.Extract, exp.DateTrunc, exp.TimestampTrunc),
        # JSON.
        *(exp.JSONExtract, exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot),
        exp.JSONPathSubscript,
    }
)
"""Everything else is left where it stands: aggregates, windows, queries, what makes several rows of one, the clock."""

_NEW_EACH_TIME = (exp.Rand, exp.Randn, exp.Uuid, exp.TableSample)
_NAMES_NEW_EACH_TIME = frozenset(
    {"random", "setseed", "gen_random_uuid", "uuid", "uuidv4", "uuidv7", "clock_timestamp", "timeofday", "nextval"}
)


def is_row_by_row(expression: exp.Expr) -> bool:
    """Whether it may be computed for one row without the others, early or late, once or twice."""
    return all(
        type(node) in _ROW_BY_ROW or (isinstance(node, exp.Anonymous) and node.name.lower() in COUNTERS)
        for node in expression.walk()
    )


def is_repeatable(query: exp.Expr) -> bool:
    """Whether a query that runs twice gives the same rows, as long as the tables stay as they are."""
    return not any(
        isinstance(node, _NEW_EACH_TIME)
        or (isinstance(node, exp.Anonymous) and node.name.lower() in _NAMES_NEW_EACH_TIME)
        for node in query.walk()
    )


def keeps_rows(select: exp.Select) -> bool:
    """Whether a SELECT gives a row for each row of its FROM that meets the WHERE, made of that row alone."""
    shapes = ("group", "having", "distinct", "windows", "qualify", "kind")
    return not any(select.args.get(part) for part in shapes) and all(map(is_row_by_row, select.expressions))


def limits_of(select: exp.Select) -> list[exp.Expr]:
    """The LIMIT and the OFFSET of a SELECT, as far as it has them."""
    return [limit for part in ("limit", "offset") if (limit := select.args.get(part)) is not None]


def count_of(limit: exp.Expr) -> int | None:
    """The number of a LIMIT or OFFSET where it is written as one."""
    number = limit.args.get("expression")
    if not isinstance(limit, (exp.Limit, exp.Offset)) or limit.args.get("expressions"):
        return None
    return int(number.this) if isinstance(number, exp.Literal) and number.is_int else None
