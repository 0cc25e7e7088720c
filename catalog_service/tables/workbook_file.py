"""Reads a sheet of an Excel workbook (.xlsx).

Of the workbook's sheets the first that is not hidden is read, or the one that OPTIONS (sheet='…') names. Its rows: see
`catalog_service.tables.sheet_table`; its types: see `catalog_service.tables.sheet_values`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from catalog_service.catalog import match_columns, suggest
from catalog_service.column_types import TEXT
from catalog_service.tables.reading import Connection, File, Selection, literal, quoted
from catalog_service.tables.sheet_parts import SheetFaults, check_sheet, damaged
from catalog_service.tables.sheet_table import ROW, SheetReading, SheetTable
from catalog_service.tables.sheet_values import cell_name
from thanosql.errors import DataError, InvalidOption
from thanosql.types import Column, Notice, Progress, Severity

_RELATION = "sheet_rows"
_WHOLE = ("smallint", "integer", "bigint")


def prepare_workbook(connection: Connection, file: File) -> Generator[Progress | Notice, None, Selection]:
    """See `catalog_service.tables.reading.Prepare`."""
    _check_beginning(file)
    try:
        with CalamineWorkbook.from_path(file.place) as workbook:
            name, others = _choose_sheet(file, workbook)
            faults = yield from check_sheet(file, name)
            sheet = workbook.get_sheet_by_name(name)
    except PasswordError as error:
        raise DataError(f"{file.path!r} is protected by a password", hint="Save it without one.") from error
    except (CalamineError, OSError) as error:
        raise damaged(file, error) from error
    if others and not file.sheet:
        shown = ", ".join(map(repr, others[:5])) + (", …" if len(others) > 5 else "")
        yield Notice(f"The sheet {name!r} is read, the first one; others: {shown}. OPTIONS (sheet='…') names one.")
    yield from _tell(name, faults)
    table = yield from SheetReading(file, sheet).read()
    connection.register(_RELATION, table.rows)
    if file.append_to is None:
        fields = ", ".join(map(quoted, table.names))
    else:
        matched = match_columns(file.append_to, table.names, file.path)
        _check_types(connection, file, table, matched)
        fields = ", ".join(f"CAST({quoted(n)} AS {column.type}) AS {quoted(n)}" for n, column in matched.items())
    return Selection(f"SELECT {fields} FROM {_RELATION}", table.rows.num_rows)


def _check_beginning(file: File) -> None:
    with file.place.open("rb") as content:
        head = content.read(8)
    if not head:
        raise DataError(f"{file.path!r} is empty", hint="It has 0 bytes. Was it written to the end?")
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(
            f"{file.path!r} is an old Excel workbook (.xls), or one that is protected by a password",
            hint="Open it in Excel and save it as .xlsx, without a password.",
        )
    if not head.startswith(b"PK"):
        raise DataError(f"{file.path!r} is no Excel workbook", hint="COPY goes by the suffix: a text table is .csv.")


def _choose_sheet(file: File, workbook: CalamineWorkbook) -> tuple[str, list[str]]:
    """The sheet that is read, and the others that are not hidden."""
    sheets = [each for each in workbook.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    visible = [each.name for each in sheets if each.visible == SheetVisibleEnum.Visible]
    if file.sheet:
        wanted = file.sheet.strip().casefold()
        name = next((each.name for each in sheets if each.name.strip().casefold() == wanted), None)
        if name is None:
            hint = suggest(file.sheet, [each.name for each in sheets])
            raise InvalidOption(f"there is no sheet {file.sheet!r} in {file.path!r}", hint=hint)
    elif visible:
        name = visible[0]
    else:
        raise DataError(f"{file.path!r} has no sheet that is not hidden", hint="OPTIONS (sheet='…') names one.")
    return name, [each for each in visible if each != name]


def _tell(name: str, faults: SheetFaults) -> Iterator[Notice]:
    if faults.errors:
        what = f"{faults.errors} cells hold an error" if faults.errors > 1 else "A cell holds an error"
        where = "the first is" if faults.errors > 1 else "it is"
        text = f"{what} of Excel in sheet {name!r}, and NULL in the table: {where} {faults.first_error}."
        yield Notice(text, Severity.WARNING)
    if faults.formulas:
        text = (
            f"{faults.formulas} formulas in sheet {name!r} have no value, and are NULL in the table. "
            "Open the file in Excel and save it: that computes them."
        )
        yield Notice(text, Severity.WARNING)


def _check_types(connection: Connection, file: File, table: SheetTable, columns: dict[str, Column]) -> None:
    """Whether each cell is of the type of its column in the table that is appended to.

    Raises:
        DataError: one is not.
    """
    for name, place in zip(table.names, table.places, strict=True):
        kind = columns[name].type
        if kind == TEXT:
            continue
        value = quoted(name)
        bad = f"try_cast({value} AS {kind}) IS NULL"
        if kind in _WHOLE:  # a cast would round
            bad += f" OR NOT regexp_full_match({value}, {literal('[-+]?[0-9]+')})"
        found = connection.execute(
            f"SELECT count(*), min({quoted(ROW)}), arg_min({value}, {quoted(ROW)}) FROM {_RELATION} "
            f"WHERE {value} IS NOT NULL AND ({bad})"
        ).fetchall()
        count, row, example = found[0]
        if count:
            cell = cell_name(row, place)
            raise DataError(
                f"{file.path!r} cannot be appended: column {columns[name].name!r} of the table is {kind}, and "
                f"{count} of its {table.rows.num_rows} cells in sheet {table.sheet!r} are not; {cell} is {example!r}",
                hint="Mend the cells, or load the sheet into a table of its own.",
            )
