"""EXPLAIN of statements that change tables: what would be made, replaced, added to or deleted."""

from __future__ import annotations

from pathlib import Path

from query_service.explaining.figures import number, size
from query_service.explaining.tree import Branch
from query_service.explaining.view import Explaining, View
from query_service.planning import steps as p
from query_service.planning.analyses.names import find_table
from thanosql.errors import NotFound, PathRefused
from thanosql.types import IfExists
from thanosql.workspace import existing_file, resolve

_FATES = {
    IfExists.FAIL: "the statement would be refused",
    IfExists.REPLACE: "they are replaced",
    IfExists.APPEND: "rows are added to them",
}


def explain_copying(step: p.CopyFile, view: View) -> Explaining:
    """The file, and what becomes of the table.

    Raises:
        NotFound, PathRefused: there is nothing to read.
    """
    yield from ()
    try:
        file = resolve(view.work.workspace, step.path.text)
        if not file.is_dir():
            file = existing_file(view.work.workspace, step.path.text.partition("#")[0])
    except (NotFound, PathRefused) as error:
        raise view.work.source.placed(error, step.path.at) from error
    return Branch(f"copy {step.path} into table {step.table}", (_tell_file(file), tell_table(step, view)))


def _tell_file(file: Path) -> str:
    return "a folder of recordings" if file.is_dir() else f"a file of {size(file.stat().st_size)}"


def tell_table(step: p.CopyFile, view: View) -> str:
    """What becomes of a table that is written."""
    table = find_table(step.table.text, view.work.snapshot)
    if table is None:
        return f"table {step.table} is made"
    return f"table {step.table} exists with {number(table.rows, 'row')}: {_FATES[step.if_exists]}"


def explain_removing(step: p.RemoveTable, view: View) -> Explaining:
    """What would be deleted."""
    yield from ()
    table = find_table(step.table.text, view.work.snapshot)
    lines = ("there is no such table: nothing is dropped",)
    if table is not None:
        lines = (f"it has {number(table.rows, 'row')}, which are deleted",)
    return Branch(f"drop table {step.table}", lines)


def explain_removing_model(step: p.RemoveModel, view: View) -> Explaining:
    """What would be deleted."""
    yield from ()
    there = [model for model in view.work.snapshot.models if model.name == step.model.text]
    lines = ("there is no such model: nothing is deleted",)
    if there:
        lines = (f"it is there in version {there[0].version}: all its versions are deleted",)
    return Branch(f"delete model {step.model}", lines)
