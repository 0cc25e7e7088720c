"""A result as a table of plain text, for terminals and logs."""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from thanosql.result import Result
from thanosql.types import Clip

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console, JustifyMethod, RenderableType

WHOLE_ROWS = 60
"""A result of no more rows is shown whole, of a longer one the first `PREVIEW_ROWS`."""
WHOLE_KINDS = ("EXPLAIN", "DESCRIBE")
"""Results that are read from top to bottom, and so are shown whole however long."""
PREVIEW_ROWS = 20
"""All rows are in `to_arrow()` and `to_pandas()`."""
CELL_CHARACTERS = 300
"""A longer value is cut when it is shown."""

COLUMN_GAP = 3
"""Characters between two columns."""
LEAST_WIDTH = 16
"""Characters that a column of words is left with when others are kept in one piece."""

TYPE_NAMES = {
    "string": "text",
    "large_string": "text",
    "string_view": "text",
    "bool": "boolean",
    "int8": "smallint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float": "real",
    "date32[day]": "date",
    "binary": "bytea",
    "large_binary": "bytea",
    "null": "unknown",
}
"""Arrow's types as SQL calls them, in short."""


def as_text(result: Result, *, width: int = 120, limit: int | None = None) -> str:
    """`result` as it stands in a log: no colours, at most `width` characters a line."""
    from rich.console import Console

    file = io.StringIO()
    show(result, Console(file=file, width=width, color_system=None, force_jupyter=False), limit=limit)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def standard_output() -> Console:
    """The console that results are printed on: as wide as the terminal, or 120 characters in a file."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 120)


def show(result: Result, console: Console, *, limit: int | None = None) -> None:
    """Prints the result's rows or clips, and a line that sums it up. `limit` is as in `shown_rows`."""
    from rich.text import Text

    show_body(result, console, limit=limit)
    console.print(Text(summary(result, limit), style="dim"))


def show_body(result: Result, console: Console, *, limit: int | None = None, scrolls: bool = False) -> None:
    """Prints the result's rows or clips.

    Args:
        result: Whose they are.
        console: What they are printed on.
        limit: As in `shown_rows`.
        scrolls: Whether what is wider than the console can be scrolled to: many columns keep their widths then.
            Otherwise each row stands by itself, a line for each column.
    """
    from rich.text import Text

    if result.batches:
        rows = preview(result, limit)
        widths = _natural_widths(rows, result)
        needed = sum(widths) + COLUMN_GAP * (len(widths) - 1)
        is_crowded = len(widths) * (LEAST_WIDTH + COLUMN_GAP) > console.width < needed
        if is_crowded and scrolls and len(rows) > 1:
            room, console.width = console.width, needed
            console.print(_table(rows, result, widths, needed))
            console.width = room
        elif is_crowded or (len(rows) == 1 and needed > console.width):
            for number, row in enumerate(rows, 1):
                if len(rows) > 1:
                    console.print(Text(f"─── row {number} ───", style="dim"))
                console.print(_upright_table(row, result))
        else:
            console.print(_table(rows, result, widths, console.width))
    if result.clips:
        console.print(_clip_table(result.clips))


def summary(result: Result, limit: int | None = None) -> str:
    """The line under a result: "80 rows, the first 20 shown · 0.4 s"."""
    parts = [result.message] if result.message else []
    if result.batches:
        shown = shown_rows(result, limit)
        parts.append(count(len(result), "row") + (f", the first {shown} shown" if shown < len(result) else ""))
    elif result.clips:
        parts.append(f"{count(len(result.clips), 'clip')}, {sum(clip.seconds for clip in result.clips):.1f} s of audio")
    elif result.rows:
        parts.append(count(result.rows, "row"))
    parts.append(duration(result.seconds))
    return " · ".join(parts)


def shown_rows(result: Result, limit: int | None = None) -> int:
    """How many rows are shown: `limit` of them; 0: all; None: as many as suit a screen."""
    if limit is None:
        limit = PREVIEW_ROWS if len(result) > WHOLE_ROWS and not result.kind.startswith(WHOLE_KINDS) else 0
    return min(limit, len(result)) or len(result)


def preview(result: Result, limit: int | None = None) -> list[tuple[str | None, ...]]:
    """The first rows, every value as `cell` shows it; None is NULL."""
    head = result.to_arrow().slice(0, shown_rows(result, limit))
    texts = ([None if value is None else cell(value) for value in column.to_pylist()] for column in head.columns)
    return list(zip(*texts, strict=True))


def cell(value: Any) -> str:
    """A value as one line of text, with control characters made visible (a terminal must not obey a cell)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = number(value)
    elif isinstance(value, bytes):
        text = f"⟨{count(len(value), 'byte')}⟩"
    elif isinstance(value, (datetime, date, time, timedelta, Decimal, int, str)):
        text = str(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) > CELL_CHARACTERS:
        text = text[: CELL_CHARACTERS - 1] + "…"
    return visible(text)


def number(value: float) -> str:
    """At most six digits, or two after the point: "0.630952", "1234567.89", "3"."""
    if not math.isfinite(value):
        return str(value)
    if 1e5 <= abs(value) < 1e15:
        return f"{value:.2f}".removesuffix(".00")
    return f"{value:.6g}"


def visible(text: str) -> str:
    """`text` with control characters as `\\n`, `\\x1b` …"""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda found: repr(found[0])[1:-1], text)


def type_name(kind: pa.DataType) -> str:
    """The name of an Arrow type in SQL, in short."""
    text = str(kind)
    if text.startswith("timestamp"):
        return "timestamptz" if "tz=" in text else "timestamp"
    if text.startswith("decimal"):
        return "numeric" + text[text.index("(") :]
    return TYPE_NAMES.get(text, text)


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type line up on the right."""
    import pyarrow.types

    return pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind) or pyarrow.types.is_decimal(kind)


def count(number: int, noun: str) -> str:
    """ "1 row", "1,234 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """ "12 ms", "3.4 s", "2 min 05 s"."""
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return f"{round(seconds) // 60} min {round(seconds) % 60:02} s"


def _table(rows: Sequence[tuple[str | None, ...]], result: Result, widths: Sequence[int], room: int) -> RenderableType:
    """A table in `room` characters; paths and numbers are kept in one piece if the rest can give way."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    whole = [all(" " not in (row[index] or "") for row in rows) for index in range(len(widths))]
    needed = sum(width if kept else LEAST_WIDTH for width, kept in zip(widths, whole, strict=True))
    fits = needed + COLUMN_GAP * (len(widths) - 1) <= room
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="")
    for column, kept in zip(result.batches[0].schema, whole, strict=True):
        head = Text(visible(column.name), style="bold").append(f"\n{type_name(column.type)}", style="dim")
        side: JustifyMethod = "right" if is_number(column.type) else "left"
        table.add_column(head, justify=side, overflow="fold", no_wrap=kept and fits)
    for row in rows:
        table.add_row(*(Text("NULL", style="dim") if value is None else Text(value) for value in row))
    return table


def _natural_widths(rows: Sequence[tuple[str | None, ...]], result: Result) -> list[int]:
    """Characters that each column would take if there were room for all."""
    from rich.cells import cell_len

    heads = [(visible(column.name), type_name(column.type)) for column in result.batches[0].schema]
    columns = zip(*rows, strict=True) if rows else ((),) * len(heads)
    return [
        max(cell_len(text) for text in (*head, *("NULL" if value is None else value for value in values)))
        for head, values in zip(heads, columns, strict=True)
    ]


def _upright_table(row: tuple[str | None, ...], result: Result) -> RenderableType:
    """A row of a table that is too wide for the terminal: a line for each column."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in zip(result.columns, row, strict=True):
        table.add_row(Text(visible(name)), Text("NULL", style="dim") if value is None else Text(value))
    return table


def _clip_table(clips: Sequence[Clip]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    captions = list(dict.fromkeys(each.column for clip in clips for each in clip.caption))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in ("clip", "seconds", *captions):
        table.add_column(Text(visible(name)), justify="right" if name == "seconds" else "left", overflow="fold")
    for clip in clips:
        caption = {each.column: each.text for each in clip.caption}
        length = Text(cell(clip.error), style="yellow") if clip.error else Text(f"{clip.seconds:.1f}")
        table.add_row(Text(cell(clip.path)), length, *(Text(cell(caption.get(name, ""))) for name in captions))
    return table
