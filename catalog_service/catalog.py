"""Decides about names: which model version is meant, what may be created, replaced or appended to."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum

from thanosql.errors import (
    DataError,
    NameTaken,
    StatementError,
    UnknownColumn,
    UnknownModel,
    UnknownTable,
)
from thanosql.types import Column, IfExists, Model, ModelState, Table

FIRST_MODEL = "tutorial_audio_recognition"
"""The model that a new catalog starts with."""


class WriteMode(Enum):
    """What a write does to its table."""

    CREATE = "create"
    REPLACE = "replace"
    APPEND = "append"


def suggest(name: str, names: Iterable[str]) -> str:
    """A sentence that names the nearest of `names`, or some of them; empty where there are none."""
    by_fold = {_spell_out(each): each for each in sorted(names)}
    near = difflib.get_close_matches(_spell_out(name), by_fold, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {by_fold[near[0]]!r}?"
    some = list(by_fold.values())
    return f"There are: {', '.join(some[:8])}{', …' if len(some) > 8 else ''}." if some else ""


def _spell_out(name: str) -> str:
    """Letter by letter, for a syllable of Hangul is one character and several keys."""
    return unicodedata.normalize("NFD", name.casefold())


def unknown_table(name: str, names: Iterable[str]) -> UnknownTable:
    """The error for a table that is not there."""
    return UnknownTable(
        f"table {name!r} does not exist",
        hint=suggest(name, names) or "There are no tables yet: COPY … FROM 'file' makes one.",
    )


def unknown_model(name: str, names: Iterable[str]) -> UnknownModel:
    """The error for a model that is not there."""
    return UnknownModel(
        f"model {name!r} does not exist",
        hint=suggest(name, names) or "There are no models: BUILD MODEL … makes one.",
    )


def find_table(name: str, tables: Iterable[Table]) -> Table | None:
    """The table of that name; names differ only in more than the case of their letters."""
    return next((each for each in tables if each.name.casefold() == name.casefold()), None)


def choose_write(name: str, existing: Table | None, if_exists: IfExists) -> WriteMode:
    """What a COPY into `name` does.

    Raises:
        NameTaken: the table exists, and the statement does not say what becomes of it.
        StatementError: the name is empty.
    """
    if not name.strip():
        raise StatementError(
            "the name of the table is empty", hint="COPY calls FROM 'calls.csv' makes the table calls."
        )
    if existing is None:
        return WriteMode.CREATE
    match if_exists:
        case IfExists.REPLACE:
            return WriteMode.REPLACE
        case IfExists.APPEND:
            return WriteMode.APPEND
    raise NameTaken(
        f"table {existing.name!r} exists already, with {existing.rows} rows",
        hint="OPTIONS (overwrite=True) replaces it, OPTIONS (if_exists='append') adds to it.",
    )


def choose_target(name: str, tables: Iterable[Table], if_exists: IfExists) -> tuple[str, WriteMode]:
    """The table, as it is spelt, that CREATE TABLE AS makes or INSERT adds to, and how.

    Args:
        name: As the statement spells it.
        tables: Those that there are.
        if_exists: APPEND: INSERT, the table must be there.

    Raises:
        NameTaken, StatementError: see `choose_write`.
        UnknownTable: rows are to be added, and the table is not there.
    """
    known = tuple(tables)
    existing = find_table(name, known)
    if if_exists is IfExists.APPEND and existing is None:
        raise unknown_table(name, (table.name for table in known))
    return (name if existing is None else existing.name), choose_write(name, existing, if_exists)


def match_columns(table: Table, columns: Sequence[str], path: str) -> dict[str, Column]:
    """The table's column for each column of the file that is appended, in the file's order.

    Raises:
        DataError: the two do not have the same columns.
    """
    of_table = {column.name.casefold(): column for column in table.columns}
    of_file = {name.casefold(): name for name in columns}
    missing = [column.name for fold, column in of_table.items() if fold not in of_file]
    extra = [name for fold, name in of_file.items() if fold not in of_table]
    if missing or extra:
        differences = [
            *([f"{path!r} lacks {', '.join(missing)}"] if missing else []),
            *([f"the table lacks {', '.join(extra)}"] if extra else []),
        ]
        raise DataError(
            f"{path!r} cannot be appended to table {table.name!r}: {'; '.join(differences)}",
            hint=f"The table has the columns {', '.join(column.name for column in table.columns)}; "
            "the file must have the same, in any order.",
        )
    return {name: of_table[fold] for fold, name in of_file.items()}


def match_insert(
    table: str, of_table: Sequence[str], chosen: Sequence[str], of_query: Sequence[str]
) -> tuple[str, ...]:
    """The table's column for each column of the query that is inserted.

    Args:
        table: Its name.
        of_table: Its columns.
        chosen: Those of them that the statement names; empty: all.
        of_query: Names of the query's columns, for the message only: they are taken by their places.

    Raises:
        UnknownColumn: the table has not that column.
        StatementError: a column is named twice, or there are more or fewer than the query has.
    """
    by_fold = {name.casefold(): name for name in of_table}
    for place, name in enumerate(chosen):
        if name.casefold() not in by_fold:
            raise unknown_column(table, name, of_table)
        if name.casefold() in {earlier.casefold() for earlier in chosen[:place]}:
            raise StatementError(f"column {name!r} is named twice", hint="Name each column once.")
    targets = tuple(by_fold[name.casefold()] for name in chosen) or tuple(of_table)
    if len(targets) != len(of_query):
        raise StatementError(
            f"the query has {_count_columns(of_query)}, and {_count_columns(targets)} of table {table!r} "
            f"{'is' if len(targets) == 1 else 'are'} to be filled",
            hint="Select as many as are filled, or name those that are: INSERT INTO t (a, b) SELECT …",
        )
    return targets


def _count_columns(names: Sequence[str]) -> str:
    return f"{len(names)} column{'' if len(names) == 1 else 's'} ({', '.join(names)})"


def unknown_column(table: str, name: str, columns: Iterable[str]) -> UnknownColumn:
    """The error for a column that a table has not."""
    return UnknownColumn(f"table {table!r} has no column {name!r}", hint=suggest(name, columns))


def check_rename(name: str, new_name: str, tables: Iterable[Table]) -> Table:
    """The table that may get the name `new_name`.

    Raises:
        UnknownTable, NameTaken, StatementError: there is none; another table has the name; the name is empty.
    """
    known = tuple(tables)
    table = find_table(name, known)
    if table is None:
        raise unknown_table(name, (each.name for each in known))
    if not new_name.strip():
        raise StatementError("the new name of the table is empty")
    other = find_table(new_name, known)
    if other is not None and other is not table:
        raise NameTaken(
            f"table {other.name!r} exists already, with {other.rows} rows",
            hint=f"Choose another name, or remove it first: DROP TABLE {other.name}.",
        )
    return table


def check_rename_column(table: str, name: str, new_name: str, tables: Iterable[Table]) -> str:
    """The column, as the table spells it, that may get the name `new_name`.

    Raises:
        UnknownTable, UnknownColumn, NameTaken, StatementError: there is none; another column has the name; it is empty.
    """
    known = tuple(tables)
    found = find_table(table, known)
    if found is None:
        raise unknown_table(table, (each.name for each in known))
    by_fold = {column.name.casefold(): column.name for column in found.columns}
    if name.casefold() not in by_fold:
        raise unknown_column(found.name, name, by_fold.values())
    if not new_name.strip():
        raise StatementError("the new name of the column is empty")
    if new_name.casefold() != name.casefold() and new_name.casefold() in by_fold:
        raise NameTaken(
            f"table {found.name!r} has a column {by_fold[new_name.casefold()]!r} already", hint="Choose another name."
        )
    return by_fold[name.casefold()]


_MODEL_NAME = re.compile(r"[\w\-][\w.\-]{0,62}")


def check_model_name(name: str) -> None:
    """A model's name is also the name of a folder.

    Raises:
        StatementError: it cannot be one.
    """
    if not _MODEL_NAME.fullmatch(name):
        raise StatementError(
            f"{name!r} cannot be the name of a model" if name else "the name of the model is empty",
            hint="Use letters, digits, '_', '-' and, not at the beginning, '.'; 63 characters at most.",
        )


def newest(models: Iterable[Model]) -> tuple[Model, ...]:
    """The version of each model that is served: the newest ready one, or else the newest; by name."""
    chosen: dict[str, Model] = {}
    for model in sorted(models, key=lambda m: (m.name, m.state is ModelState.READY, m.version)):
        chosen[model.name] = model
    return tuple(chosen.values())


def find_model(name: str, version: int, models: Sequence[Model]) -> Model:
    """The version `version` of a model, or the one that is served where `version` is 0.

    Raises:
        UnknownModel: there is none.
    """
    versions = [model for model in models if model.name == name]
    if not versions:
        raise unknown_model(name, {model.name for model in models})
    if version == 0:
        return newest(versions)[0]
    for model in versions:
        if model.version == version:
            return model
    known = ", ".join(str(model.version) for model in sorted(versions, key=lambda m: m.version))
    raise UnknownModel(f"model {name!r} has no version {version}", hint=f"It has: {known}.")


def check_registration(model: Model) -> None:
    """Whether a version may be registered.

    Raises:
        StatementError: the name cannot be one.
        DataError: the version is not a number that was reserved.
    """
    check_model_name(model.name)
    if model.version < 1:
        raise DataError(
            f"version {model.version} of model {model.name!r} cannot be registered: versions count from 1",
            hint="Reserve the version first (ReserveModelVersion).",
        )


def first_model(now: datetime) -> Model:
    """The model that a new catalog starts with: exported from its base when first needed."""
    return Model(
        FIRST_MODEL,
        1,
        class_name="Wav2Vec2En",
        base="facebook/wav2vec2-base-960h",
        state=ModelState.PENDING,
        updated_at=now,
    )
