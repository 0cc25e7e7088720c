"""Reads the statements about tables."""

from __future__ import annotations

from collections.abc import Callable

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.statements import Statement
from thanosql.errors import NotSupported


def _read_select(r: Reader) -> Statement:
    r.form = ""
    return r.end(s.Select, query=r.read_rest_as_query())


def _read_copy(r: Reader) -> Statement:
    r.begin(s.Copy, "COPY")
    table = r.read_name("the name of a table")
    values = r.read_options(s.Copy)
    if r.peek() == "TO":
        hint = "Keep the rows in Python: session.sql(…).to_pandas()."
        raise r.source.error(NotSupported, "COPY … TO is not supported", r.at(), hint)
    hint = "The file itself tells its columns, types and separator."
    if r.next < len(r.tokens) and r.written(r.tokens[r.next]) == "(":
        raise r.expected("FROM", hint)
    r.expect_word("FROM")
    path = r.read_path()
    if r.peek() and r.peek() != "OPTIONS":
        raise r.fail(f"the statement should end before {r.written(r.tokens[r.next])!r}", r.at(), hint)
    return r.end(s.Copy, table=table, path=path, **values)


READERS: dict[str, Callable[[Reader], Statement]] = {
    "SELECT": _read_select,
    "WITH": _read_select,
    "VALUES": _read_select,
    "(": _read_select,
    "COPY": _read_copy,
}
"""By the word that a statement begins with."""
