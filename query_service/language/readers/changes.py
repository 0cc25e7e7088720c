"""Reads the statements that make and change tables out of queries: CREATE TABLE, INSERT, UPDATE, DELETE FROM, ALTER."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot.tokenizer_core import TokenType

from query_service.language import statements as s
from query_service.language.change import read_change
from query_service.language.options import Name
from query_service.language.reader import Reader
from query_service.language.statements import Statement
from query_service.language.tokens import word_of
from thanosql.errors import NotSupported
from thanosql.types import IfExists


def _read_create(r: Reader) -> Statement:
    r.begin(s.CreateTable, "CREATE")
    replaces = bool(r.take_word("OR") and r.expect_word("REPLACE"))
    if r.peek() in ("TEMP", "TEMPORARY", "UNLOGGED", "LOCAL", "GLOBAL"):
        hint = "A table stays until DROP TABLE: CREATE TABLE table AS query."
        raise r.source.error(NotSupported, f"CREATE {r.peek()} TABLE is not supported", r.at(), hint)
    r.expect_word("TABLE")
    if_not_exists_at = r.at()
    if_not_exists = bool(r.take_word("IF") and r.expect_word("NOT") and r.expect_word("EXISTS"))
    if replaces and if_not_exists:
        hint = "OR REPLACE makes it anew, IF NOT EXISTS leaves it as it is."
        raise r.fail("OR REPLACE and IF NOT EXISTS cannot both be meant", if_not_exists_at, hint)
    table = r.read_name("the name of a table")
    if r.next < len(r.tokens) and r.tokens[r.next].token_type == TokenType.L_PAREN:
        hint = (
            "A table has the columns of a query: CREATE TABLE table AS SELECT 1 AS id, 'a' AS text; or of a file: COPY."
        )
        raise r.source.error(NotSupported, "CREATE TABLE with a list of columns is not supported", r.at(), hint)
    return r.end(
        s.CreateTable,
        table=table,
        query=r.read_query(),
        if_exists=IfExists.REPLACE if replaces else IfExists.FAIL,
        if_not_exists=if_not_exists,
    )


def _read_insert(r: Reader) -> Statement:
    r.begin(s.Insert, "INSERT", "INTO")
    table = r.read_name("the name of a table")
    columns: list[Name] = []
    if _has_columns(r):
        r.take(TokenType.L_PAREN)
        while not columns or r.take(TokenType.COMMA):
            columns.append(r.read_name("the name of a column"))
        if not r.take(TokenType.R_PAREN):
            raise r.expected("a comma or the closing ) of the columns")
    if r.peek() == "DEFAULT":
        hint = "Tables have no defaults: VALUES (NULL, …)."
        raise r.source.error(NotSupported, "INSERT … DEFAULT VALUES is not supported", r.at(), hint)
    _refuse_tail(r)
    return r.end(s.Insert, table=table, columns=tuple(columns), query=r.read_rest_as_query())


def _has_columns(r: Reader) -> bool:
    """Whether a list of columns begins here, and not a query in parentheses."""
    first, second = (r.tokens[r.next + i] if r.next + i < len(r.tokens) else None for i in range(2))
    if first is None or second is None or first.token_type != TokenType.L_PAREN:
        return False
    if second.token_type == TokenType.IDENTIFIER:
        return True
    beginnings = ("SELECT", "WITH", "VALUES", "PREDICT", "EVALUATE", "LIST", "FROM")
    after = r.tokens[r.next + 2].token_type if r.next + 2 < len(r.tokens) else None
    is_name = bool(word_of(second)) and after in (TokenType.COMMA, TokenType.R_PAREN)
    return is_name or bool(word_of(second) and word_of(second) not in beginnings)


def _refuse_tail(r: Reader) -> None:
    """What PostgreSQL allows behind the query of an INSERT, and cannot be done here."""
    depth = 0
    rest = r.tokens[r.next :]
    for token, after in zip(rest, [*rest[1:], None], strict=False):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth:
            continue
        word = word_of(token)
        if word == "RETURNING":
            hint = "The number of rows is told; ask for the rows with SELECT."
            raise r.source.error(NotSupported, "RETURNING is not supported", token.start, hint)
        if word == "ON" and after is not None and word_of(after) == "CONFLICT":
            hint = "Tables have no keys: leave rows out with WHERE id NOT IN (SELECT id FROM table), or UPDATE first."
            raise r.source.error(NotSupported, "ON CONFLICT is not supported", token.start, hint)


def _read_update(r: Reader) -> Statement:
    r.begin(s.Update, "UPDATE")
    table = r.read_name("the name of a table")
    if r.take_word("AS") or [word_of(token) for token in r.tokens[r.next + 1 : r.next + 2]] == ["SET"]:
        r.read_name("another name of the table")
    r.expect_word("SET")
    if r.next >= len(r.tokens):
        raise r.expected("column = value")
    change = read_change(r.source, r.tokens, r.nesting)
    r.next = len(r.tokens)
    return r.end(s.Update, table=table, columns=change.columns, query=change.query, has_where=change.has_where)


def read_delete_from(r: Reader) -> Statement:
    """DELETE FROM, of which the first word is read."""
    r.form = s.Delete.FORM
    r.expect_word("FROM")
    table = r.read_name("the name of a table")
    if r.next < len(r.tokens) and r.tokens[r.next].token_type == TokenType.COMMA:
        raise r.fail("rows of one table are deleted at a time", r.at(), "Write a statement for each.")
    change = read_change(r.source, r.tokens, r.nesting)
    r.next = len(r.tokens)
    return r.end(s.Delete, table=table, query=change.query, has_where=change.has_where)


_OTHER_CHANGES = (
    *("ADD", "DROP", "ALTER", "MODIFY", "CHANGE", "SET", "RESET", "OWNER", "ENABLE", "DISABLE", "INHERIT", "NO"),
    *("ATTACH", "DETACH", "VALIDATE", "CLUSTER", "REPLICA", "FORCE"),
)


def _read_alter(r: Reader) -> Statement:
    r.begin(s.RenameTable, "ALTER", "TABLE")
    table = r.read_name("the name of a table")
    if r.peek() in (
        "ADD",
        "DROP",
        "ALTER",
        "SET",
        "RESET",
        "OWNER",
        "ENABLE",
        "DISABLE",
        "INHERIT",
        "ATTACH",
        "DETACH",
    ):
        hint = f"Make the table anew: CREATE OR REPLACE TABLE {table} AS SELECT … FROM {table}."
        raise r.source.error(NotSupported, f"ALTER TABLE … {r.peek()} is not supported", r.at(), hint)
    r.expect_word("RENAME")
    if r.take_word("TO"):
        return r.end(s.RenameTable, table=table, new_name=r.read_name("the new name of the table"))
    r.take_word("COLUMN")
    column = r.read_name("the name of a column")
    r.expect_word("TO")
    return r.end(s.RenameColumn, table=table, column=column, new_name=r.read_name("the new name of the column"))


READERS: dict[str, Callable[[Reader], Statement]] = {
    "CREATE": _read_create,
    "INSERT": _read_insert,
    "UPDATE": _read_update,
    "ALTER": _read_alter,
}
"""By the word that a statement begins with; DELETE FROM is read beside DELETE MODEL."""
