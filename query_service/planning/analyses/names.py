"""Finds what names in a statement mean, and says which names may be given."""

from __future__ import annotations

import re

from query_service.language.options import Name
from query_service.language.source import Source, suggest
from query_service.planning.columns import CheckedQuery
from query_service.planning.result_columns import find_column, missing_column
from thanosql.errors import StatementError, UnknownModel, UnknownTable
from thanosql.types import Model, Snapshot, Table

LONGEST_NAME = 63
"""Characters of a table's or model's name: PostgreSQL's limit."""


def find_table(name: str, snapshot: Snapshot) -> Table | None:
    """The table of that name: as it stands, or else the one that differs in the case of its letters only."""
    same = [table for table in snapshot.tables if table.name.lower() == name.lower()]
    exact = next((table for table in same if table.name == name), None)
    return exact or (same[0] if len(same) == 1 else None)


def check_name(name: Name, what: str, source: Source) -> None:
    """A new table or model: its name becomes part of SQL and, for a model, of a path."""
    good = r"[^\W\d][\w.-]*" if what == "model" else r"[^\W\d][^\x00-\x1f\x7f]*"
    if not re.fullmatch(good, name.text) or len(name.text) > LONGEST_NAME:
        of = "letters, digits, _, - and ." if what == "model" else "printable characters"
        hint = f"A {what}'s name begins with a letter or _, and holds {of}, {LONGEST_NAME} at most."
        raise source.error(StatementError, f"{name.text!r} cannot be the name of a {what}", name.at, hint)


def check_table(table: Name, snapshot: Snapshot, source: Source) -> Table:
    """The table of that name.

    Raises:
        UnknownTable: with the nearest name.
    """
    found = find_table(table.text, snapshot)
    if found is None:
        hint = suggest(table.text, sorted(each.name for each in snapshot.tables), "tables")
        raise source.error(UnknownTable, f"there is no table {table}", table.at, hint)
    return found


def find_model(name: Name, snapshot: Snapshot, source: Source) -> Model:
    """The model of that name.

    Raises:
        UnknownModel: with the nearest name.
    """
    for model in snapshot.models:
        if model.name == name.text:
            return model
    models = sorted(model.name for model in snapshot.models)
    hint = suggest(name.text, models, "models")
    same_base = [model.name for model in snapshot.models if model.class_name.lower() == name.text.lower()]
    if same_base:
        hint = f"That is the name of a base model; the model made from it is {same_base[0]}."
    raise source.error(UnknownModel, f"there is no model {name}", name.at, hint)


def check_column(source: Source, query: CheckedQuery, wanted: Name, option: str, query_at: int) -> None:
    """Refuses a column that the result of a query certainly has not.

    Raises:
        UnknownColumn: with the nearest name.
    """
    if query.columns is not None and find_column(query.columns, wanted.text) is None:
        raise missing_column(source, query.columns, wanted, option, query_at)
