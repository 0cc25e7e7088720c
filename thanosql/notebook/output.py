"""A result as it stands under a cell: its rows or its recordings, and a line that sums it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thanosql.notebook.players import players
from thanosql.notebook.style import frame, quiet
from thanosql.notebook.table import table
from thanosql.tables import count, duration

if TYPE_CHECKING:
    from thanosql.result import Result


def as_html(result: Result, rows: int | None = None) -> str:
    """The result as HTML; every text from outside is escaped. `rows` is as in `table`."""
    body = (table(result, rows) if result.batches else "") + (players(result.clips) if result.clips else "")
    return frame(body + quiet(_sum_up(result)))


def _sum_up(result: Result) -> str:
    parts = [result.message] if result.message else []
    if result.batches:
        parts += [count(len(result), "row"), count(len(result.columns), "column")]
    elif result.clips:
        parts.append(f"{count(len(result.clips), 'clip')}, {sum(clip.seconds for clip in result.clips):.1f} s of audio")
    elif result.rows:
        parts.append(count(result.rows, "row"))
    return " · ".join([*parts, duration(result.seconds)])
