"""Reads one sheet of an Excel workbook: the first that is not hidden, or the one that is named."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from catalog_service.catalog import suggest
from catalog_service.tables.pace import Clock
from catalog_service.tables.sheet_parts import SheetFaults, check_sheet, damaged
from catalog_service.tables.sheet_table import SheetReading, SheetTable
from catalog_service.tables.sheet_task import SheetTask
from thanosql.errors import DataError, InvalidOption
from thanosql.types import Notice, Progress, Severity


def read_sheet(task: SheetTask, clock: Clock) -> Generator[Progress | Notice, None, SheetTable]:
    """The rows of a sheet, and what the user should know of it.

    Raises:
        DataError: the file is no workbook, or its sheet no table.
        InvalidOption: there is no sheet of that name.
    """
    _check_beginning(task)
    try:
        with CalamineWorkbook.from_path(task.place) as workbook:
            name, others = _choose_sheet(task, workbook)
            faults = yield from check_sheet(task.place, task.path, name, clock)
            sheet = workbook.get_sheet_by_name(name)
    except PasswordError as error:
        raise DataError(f"{task.path!r} is protected by a password", hint="Save it without one.") from error
    except (CalamineError, OSError) as error:
        raise damaged(task.path, str(error)) from error
    if others and not task.sheet:
        shown = ", ".join(map(repr, others[:5])) + (", …" if len(others) > 5 else "")
        yield Notice(f"The sheet {name!r} is read, the first one; others: {shown}. OPTIONS (sheet='…') names one.")
    yield from _tell(name, faults)
    return (yield from SheetReading(task.path, sheet, task.exact, clock).read())


def _check_beginning(task: SheetTask) -> None:
    with task.place.open("rb") as content:
        head = content.read(8)
    if not head:
        raise DataError(f"{task.path!r} is empty", hint="It has 0 bytes. Was it written to the end?")
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(
            f"{task.path!r} is an old Excel workbook (.xls), or one that is protected by a password",
            hint="Open it in Excel and save it as .xlsx, without a password.",
        )
    if not head.startswith(b"PK"):
        raise DataError(f"{task.path!r} is no Excel workbook", hint="COPY goes by the suffix: a text table is .csv.")


def _choose_sheet(task: SheetTask, workbook: CalamineWorkbook) -> tuple[str, list[str]]:
    """The sheet that is read, and the others that are not hidden."""
    sheets = [each for each in workbook.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    visible = [each.name for each in sheets if each.visible == SheetVisibleEnum.Visible]
    if task.sheet:
        wanted = task.sheet.strip().casefold()
        name = next((each.name for each in sheets if each.name.strip().casefold() == wanted), None)
        if name is None:
            hint = suggest(task.sheet, [each.name for each in sheets])
            raise InvalidOption(f"there is no sheet {task.sheet!r} in {task.path!r}", hint=hint)
    elif visible:
        name = visible[0]
    else:
        raise DataError(f"{task.path!r} has no sheet that is not hidden", hint="OPTIONS (sheet='…') names one.")
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
