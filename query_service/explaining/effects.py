"""EXPLAIN of statements that change tables and models: what would be made, replaced, added to, changed or deleted."""

from __future__ import annotations

from pathlib import Path

from query_service.explaining.counting import count_changes, count_rows
from query_service.explaining.figures import number, size
from query_service.explaining.tree import Branch
from query_service.explaining.view import Explaining, View
from query_service.language.options import Name
from query_service.planning import steps as p
from query_service.planning.analyses.names import find_table
from thanosql.errors import NotFound, PathRefused
from thanosql.types import IfExists
from thanosql.workspace import existing_file, resolve

_FATES = {
    IfExists.FAIL: "the statement would be refused",
    IfExists.REPLACE: "they are replaced",
    IfExists.APPEND: "they stay, and rows are added",
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
            file = existing_file(view.work.workspace, step.path.text)
    except (NotFound, PathRefused) as error:
        raise view.work.source.placed(error, step.path.at) from error
    return Branch(f"copy {step.path} into table {step.table}", (_tell_file(file), _tell_table(step, view)))


def explain_writing(step: p.WriteTable, view: View) -> Explaining:
    """How many rows would be written, and what becomes of the table."""
    yield from ()
    rows = count_rows(step.query, view)
    lines = (f"{_tell_count(rows)} would be written", _tell_table(step, view))
    query = Branch(f"fetch rows: {step.query.sql}", below=view.below(step.query))
    return Branch(f"write table {step.table}", lines, (query,))


def explain_changing(step: p.ChangeTable, view: View) -> Explaining:
    """How many rows would be changed or deleted."""
    yield from ()
    table = find_table(step.table.text, view.work.snapshot)
    there = table.rows if table is not None else 0
    verb = "deleted" if step.query.sql.lstrip().upper().startswith("DELETE") else "changed"
    lines = [f"{_tell_count(count_changes(step, view))} of {there:,} would be {verb}"]
    if step.all_rows:
        lines.append("there is no WHERE: this is said of all rows")
    return Branch(f"change table {step.table}: {step.query.sql}", tuple(lines), view.below(step.query))


def explain_keeping_table(step: p.KeepTable, view: View) -> Explaining:
    """Nothing would be done."""
    yield from ()
    return Branch(f"keep table {step.table}", (_tell_there(step.table, view) + ": it stays as it is",))


def explain_renaming(step: p.RenameTable | p.RenameColumn, view: View) -> Explaining:
    """Which name would be another."""
    yield from ()
    if isinstance(step, p.RenameColumn):
        return Branch(f"rename column {step.column} of table {step.table} to {step.new_name}")
    return Branch(f"rename table {step.table} to {step.new_name}", (_tell_there(step.table, view),))


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


def _tell_file(file: Path) -> str:
    return "a folder of recordings" if file.is_dir() else f"a file of {size(file.stat().st_size)}"


def _tell_count(rows: int | None) -> str:
    return "rows that are not known before the statement runs" if rows is None else number(rows, "row")


def _tell_table(step: p.CopyFile | p.WriteTable, view: View) -> str:
    """What becomes of a table that is written."""
    if find_table(step.table.text, view.work.snapshot) is None:
        return f"table {step.table} is made"
    return f"{_tell_there(step.table, view)}: {_FATES[step.if_exists]}"


def _tell_there(name: Name, view: View) -> str:
    table = find_table(name.text, view.work.snapshot)
    return f"table {name} exists with {number(table.rows if table is not None else 0, 'row')}"
