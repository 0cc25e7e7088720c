"""Checks that a text is one query, or one change, of the users' tables before PostgreSQL sees it.

It is the second of three locks. The parser of query_service is the first; the third is the engine's: the text
runs as a login that may use the users' tables only, queries in a read-only transaction, one statement at a time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise

from sqlglot import exp, parse
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from catalog_service.tables.duckdb_errors import refuse_write
from thanosql.errors import StatementError, StatementSyntaxError

_STEADY = """
    age array_to_json array_to_string bernoulli clock_timestamp concat concat_ws convert convert_from convert_to
    current_user date date_part date_trunc enum_first enum_last enum_range extract format gen_random_uuid
    generate_series json_agg json_build_array json_build_object json_object_agg json_populate_record
    json_populate_recordset json_to_record json_to_recordset jsonb_agg jsonb_build_array jsonb_build_object
    jsonb_object_agg jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz
    jsonb_path_query_tz jsonb_populate_record jsonb_populate_recordset jsonb_to_record jsonb_to_recordset length
    make_timestamptz money now numeric overlaps pg_typeof phraseto_tsquery plainto_tsquery quote_literal
    quote_nullable random row_to_json setseed statement_timestamp system time timeofday timestamp timestamptz timetz
    timezone to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp
    ts_headline version websearch_to_tsquery xml
"""

STEADY = frozenset(_STEADY.split())
"""Functions of PostgreSQL's that are not immutable and yet reach nothing but their arguments, the clock and chance.

Of the immutable ones all may be called: they compute. What is neither, such as set_config, pg_sleep,
pg_read_file or lo_import, may not.
"""

_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Command, exp.DDL, exp.Set, exp.Copy)
_NO_NAMES = frozenset({TokenType.STRING, TokenType.NUMBER, TokenType.R_PAREN, TokenType.R_BRACKET})


@dataclass(frozen=True, slots=True)
class Checked:
    """What a text that may run names; PostgreSQL knows what the names are."""

    calls: frozenset[str]
    """What may be functions: whatever stands before a parenthesis."""
    own_tables: frozenset[str]
    """Names that must be users' tables, since PostgreSQL has tables of its own under such names."""
    target: str = ""
    """The table that the text changes."""
    deletes: bool = False
    """Whether it takes rows away."""


def check_query(sql: str) -> Checked:
    """Whether a text is one query.

    Raises:
        StatementError: it is not.
    """
    tree = _parse(sql)
    if isinstance(tree, (*_WRITES, exp.Describe, exp.Use, exp.Pragma, exp.Attach, exp.Transaction)):
        raise refuse_write()
    if not isinstance(tree, (exp.Query, exp.Values)):
        raise StatementSyntaxError("the query is not valid SQL: it begins with none of SELECT, WITH and VALUES")
    _check_nodes(tree, allowed=None)
    return Checked(_calls(sql), _own_tables(tree))


def check_change(sql: str) -> Checked:
    """Whether a text is one UPDATE or DELETE of one table.

    Raises:
        StatementError: it is not.
    """
    tree = _parse(sql)
    if not isinstance(tree, (exp.Update, exp.Delete)):
        raise StatementError("only an UPDATE or a DELETE changes rows")
    target = tree.this
    if not isinstance(target, exp.Table) or not isinstance(target.this, exp.Identifier) or tree.args.get("returning"):
        raise StatementError("an UPDATE or a DELETE names one table and returns nothing")
    _check_nodes(tree, allowed=tree)
    name = target.name if target.this.args.get("quoted") else target.name.lower()
    return Checked(_calls(sql), _own_tables(tree), name, isinstance(tree, exp.Delete))


def _parse(sql: str) -> exp.Expr:
    # sqlglot warns of statements that it keeps as they are; here they are refused.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        trees = parse(sql, read="postgres")
    except SqlglotError as error:
        raise StatementSyntaxError(f"the query is not valid SQL: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise StatementError("the query is nested too deeply", hint="Split it into smaller queries.") from error
    if len(trees) != 1 or trees[0] is None:
        raise StatementError(f"{len(trees)} statements came where one query was expected")
    return trees[0]


def _check_nodes(tree: exp.Expr, allowed: exp.Expr | None) -> None:
    for node in tree.walk():
        if isinstance(node, _WRITES) and node is not allowed:
            raise refuse_write()
        if isinstance(node, (exp.Into, exp.Lock)):
            raise refuse_write()
        if isinstance(node, (exp.Placeholder, exp.Parameter)):
            raise StatementError("a query has no parameters here")
        if isinstance(node, exp.Table) and (node.args.get("db") or node.args.get("catalog")):
            raise StatementError(
                f"a query cannot read from {node.sql('postgres')}",
                hint="Queries read the users' tables, which have no schema here.",
            )


def _own_tables(tree: exp.Expr) -> frozenset[str]:
    tables = (table for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier))
    return frozenset(table.name for table in tables if table.name.lower().startswith("pg_"))


def _calls(sql: str) -> frozenset[str]:
    """What stands before a parenthesis, from the tokens: a tree may spell a function otherwise than its text."""
    calls: set[str] = set()
    tokens = Postgres().tokenize(sql)
    before: Token | None = None
    for token, after in pairwise(tokens):
        if token.text.upper() == "U" and after.text == "&":
            raise StatementError("names and texts with U& are not supported", hint="Write the characters themselves.")
        if after.token_type is TokenType.L_PAREN and token.token_type not in _NO_NAMES and token.text:
            if before is not None and before.token_type is TokenType.DOT:
                raise StatementError(
                    f"a query cannot call {token.text}(…) with a schema", hint="Write the function's name alone."
                )
            quoted = token.token_type is TokenType.IDENTIFIER
            calls.add(token.text if quoted else token.text.lower())
        before = token
    return frozenset(calls)
