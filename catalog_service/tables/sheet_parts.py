"""Looks into the archive that a workbook is, before its cells are read into memory: how large the sheet is, and what is
wrong with its cells.

The library that reads the cells (calamine) makes a rectangle of all that lies between the first cell and the last,
and gives an empty cell where Excel has an error. Both are found out here, by a pass over the sheet's own XML.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from catalog_service.tables.pace import Clock, Pace
from catalog_service.tables.sheet_values import column_number
from thanosql.errors import DataError
from thanosql.types import Progress

LARGEST_BYTES = 512 * 1024 * 1024
"""Of a sheet and the texts of its workbook, unpacked."""
MOST_CELLS = 10_000_000
"""In the rectangle around a sheet's cells: some 32 bytes each."""

_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 16 * 1024 * 1024
_WORKBOOK, _TEXTS = "xl/workbook.xml", "xl/sharedStrings.xml"
_COLUMN = re.compile(rb'r="([A-Z]{1,3})\d')
_ROW = re.compile(rb'<(?:\w+:)?row\s[^>]*?\br="(\d{1,9})"')
_CELL = re.compile(rb"<(?:\w+:)?c[\s>/]")
_FAULTY = re.compile(
    rb'<(?:\w+:)?c\s([^>]*\bt="e"[^>]*)>(?:<(?:\w+:)?f[^>]*(?:/>|>[^<]*</(?:\w+:)?f>))?<(?:\w+:)?v>([^<]*)'
)
_PLACE = re.compile(rb'\br="([A-Z]+\d+)"')
_VALUELESS = (b"</f></c>", b"</f><v/></c>", b"</f><v /></c>", b"</f><v></v></c>")


@dataclass(slots=True)
class SheetFaults:
    """Cells of a sheet that have no value, and are NULL in the table."""

    errors: int = 0
    """Cells in which Excel has an error, such as #N/A."""
    first_error: str = ""
    """The first of them, and its error."""
    formulas: int = 0
    """Formulas that no program has computed since they were written."""


def check_sheet(place: Path, path: str, sheet: str, clock: Clock) -> Generator[Progress, None, SheetFaults]:
    """Whether a sheet can be read, and which of its cells have no value.

    Args:
        place: Of the workbook; `path` is what the user calls it.
        sheet: Its name.
        clock: For the progress.

    Raises:
        DataError: the archive is damaged, or the sheet too large.
    """
    try:
        with zipfile.ZipFile(place) as archive:
            part = _find_part(archive, sheet)
            size = sum(info.file_size for info in archive.infolist() if info.filename in (part, _TEXTS))
            if size > LARGEST_BYTES:
                raise _too_large(path, sheet, f"it has {size / 2**20:.0f} MiB of XML, over {LARGEST_BYTES / 2**20:.0f}")
            return (yield from _look_through(archive, part, path, sheet, clock))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, str(error)) from error


def damaged(path: str, reason: str) -> DataError:
    """The error for a workbook that cannot be made sense of."""
    shown = reason.strip("'\"")
    return DataError(
        f"{path!r} is no workbook that can be read{': ' if shown else ''}{shown}",
        hint="Open it in Excel and save it again as .xlsx, or save the sheet as CSV UTF-8.",
    )


def _find_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """The name in the archive of the XML of a sheet."""
    ids = {}
    for each in _parse(archive, _WORKBOOK).iter():
        if _local(each.tag) == "sheet":
            ids[each.get("name", "")] = next((v for k, v in each.attrib.items() if _local(k) == "id"), "")
    for each in _parse(archive, "xl/_rels/workbook.xml.rels").iter():
        if each.get("Id") == ids[sheet]:
            target = each.get("Target", "")
            return target[1:] if target.startswith("/") else f"xl/{target}"
    raise KeyError(f"the sheet {sheet!r} is not in the archive")


def _parse(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    if archive.getinfo(part).file_size > _SMALL_BYTES:
        raise zipfile.BadZipFile(f"{part} is larger than any list of sheets")
    return ElementTree.fromstring(archive.read(part))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _look_through(
    archive: zipfile.ZipFile, part: str, path: str, sheet: str, clock: Clock
) -> Generator[Progress, None, SheetFaults]:
    faults = SheetFaults()
    columns: set[bytes] = set()
    rows = cells = placed = done = 0
    pace = Pace("check", "bytes", archive.getinfo(part).file_size, clock)
    with archive.open(part) as content:
        kept, chunk = b"", b"-"
        while chunk:
            chunk = content.read(_CHUNK_BYTES)
            done += len(chunk)
            # Whole rows: one that goes on in the next chunk is looked at with it.
            text = kept + chunk
            cut = text.rfind(b"row>") + 4 if chunk else len(text)
            kept, text = text[cut:], text[:cut]
            if len(kept) > _SMALL_BYTES:
                raise zipfile.BadZipFile(f"{part} has a row without an end")
            found = _COLUMN.findall(text)
            columns.update(found)
            placed += len(found)
            cells += len(_CELL.findall(text))
            rows = max([rows, *map(int, _ROW.findall(text))])
            _count_faults(text, faults)
            yield from pace.report(done)
    if placed < cells:
        raise zipfile.BadZipFile("its cells do not say where they stand")
    area = rows * (max((column_number(each.decode()) for each in columns), default=-1) + 1)
    if area > MOST_CELLS:
        raise _too_large(path, sheet, f"from its first cell to its last there are {area:,}, over {MOST_CELLS:,}")
    return faults


def _count_faults(text: bytes, faults: SheetFaults) -> None:
    faults.formulas += sum(text.count(ending) for ending in _VALUELESS)
    if b't="e"' not in text:
        return
    for attributes, error in _FAULTY.findall(text):
        place = _PLACE.search(attributes)
        if place and not faults.errors:
            faults.first_error = f"{place[1].decode()} ({error.decode(errors='replace')})"
        faults.errors += 1


def _too_large(path: str, sheet: str, why: str) -> DataError:
    return DataError(
        f"sheet {sheet!r} of {path!r} is too large to be read as a workbook: {why}",
        hint="Is there a forgotten cell far out in the sheet? Otherwise save the sheet as CSV UTF-8, "
        "which may be as large as it likes.",
    )
