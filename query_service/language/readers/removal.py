"""Reads DROP and DELETE."""

from __future__ import annotations

from collections.abc import Callable

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.readers.changes import read_delete_from
from query_service.language.statements import Statement


def _read_delete(r: Reader) -> Statement:
    r.begin(s.DeleteModel, "DELETE")
    if r.peek() == "FROM":
        return read_delete_from(r)
    r.form = f"{s.Delete.FORM}, or {s.DeleteModel.FORM}"
    r.expect_word("FROM", "MODEL")
    r.form = s.DeleteModel.FORM
    if_exists = r.read_if_exists()
    return r.end(s.DeleteModel, model=r.read_name("the name of a model"), if_exists=if_exists)


def _read_drop(r: Reader) -> Statement:
    r.begin(s.DropTable, "DROP")
    r.form = "DROP {TABLE | MODEL} [IF EXISTS] name"
    word = r.expect_word("TABLE", "MODEL")
    if_exists = r.read_if_exists()
    if word == "MODEL":
        return r.end(s.DeleteModel, model=r.read_name("the name of a model"), if_exists=if_exists)
    table = r.read_name("the name of a table")
    if r.next < len(r.tokens) and r.written(r.tokens[r.next]) == ",":
        raise r.fail("one table is dropped at a time", r.at(), "Write a statement for each.")
    return r.end(s.DropTable, table=table, if_exists=if_exists)


READERS: dict[str, Callable[[Reader], Statement]] = {
    "DELETE": _read_delete,
    "DROP": _read_drop,
}
"""By the word that a statement begins with."""
