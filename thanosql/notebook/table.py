"""Rows as an HTML table that can be read in a saved notebook too: the first rows, and more at a click."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from thanosql.notebook.style import QUIET
from thanosql.tables import count, is_number, preview, shown_rows, type_name, visible

if TYPE_CHECKING:
    from thanosql.result import Result

MOST_ROWS = 200
"""Rows of a result that a notebook holds, unless more are asked for with `Result.show`."""
MOST_CHARACTERS = 100_000
"""Of HTML that the rows beyond the first may take in the saved notebook."""


def table(result: Result, rows: int | None = None) -> str:
    """The result's rows.

    Args:
        result: One with rows.
        rows: How many to show, all of them at once; 0: all; None: as many as suit a page, more behind a click.
    """
    at_first = shown_rows(result, rows)
    schema = result.batches[0].schema
    sides = ["right" if is_number(column.type) else "left" for column in schema]
    lines = preview(result, at_first if rows is not None else max(at_first, min(len(result), MOST_ROWS)))
    first, more = lines[:at_first], _bounded(_row(line, sides, "tq-more") for line in lines[at_first:])
    there = len(first) + len(more)
    heads = "".join(
        f'<th scope="col" style="text-align:{side}">{escape(visible(column.name))}'
        f'<br><span class="{QUIET}">{escape(type_name(column.type))}</span></th>'
        for column, side in zip(schema, sides, strict=True)
    )
    name = escape(visible(f"{result.kind}: {count(len(result), 'row')}"), quote=True)
    body = "".join(_row(line, sides) for line in first) + "".join(more)
    return (
        f'<div class="tq-wide" role="region" tabindex="0" aria-label="{name}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{_switch(len(more))}"
        f"{_what_is_left(there, len(result))}"
    )


def _bounded(rows: Iterable[str]) -> list[str]:
    taken: list[str] = []
    room = MOST_CHARACTERS
    for row in rows:
        room -= len(row)
        if room < 0:
            break
        taken.append(row)
    return taken


def _switch(more: int) -> str:
    """What shows the rows that are there and hidden: no script, so that it works in a saved notebook."""
    if not more:
        return ""
    shut, opened = f"Show {count(more, 'more row')}", f"Hide {count(more, 'row')}"
    return (
        f'<details><summary class="{QUIET}"><span class="tq-shut">{shut}</span>'
        f'<span class="tq-open">{opened}</span></summary></details>'
    )


def _what_is_left(there: int, rows: int) -> str:
    if there == rows:
        return ""
    ask = "<code>_.show(rows=1000)</code> shows more, <code>_.to_pandas()</code> has all of them."
    return f'<div class="{QUIET}">The first {there:,} of {count(rows, "row")} are in this page. {ask}</div>'


def _row(row: Sequence[str | None], sides: Sequence[str], kind: str = "") -> str:
    begin = f'<tr class="{kind}">' if kind else "<tr>"
    return f"{begin}{''.join(_cell(text, side) for text, side in zip(row, sides, strict=True))}</tr>"


def _cell(text: str | None, side: str) -> str:
    if text is None:
        return f'<td style="text-align:{side}"><i class="{QUIET}">NULL</i></td>'
    # Numbers, moments and paths are kept in one piece; the tree of EXPLAIN keeps its indentation.
    whole = "  " in text or text.startswith(" ") or (" " not in text and len(text) <= _WHOLE)
    kind = ' class="tq-whole"' if whole else ""
    return f'<td{kind} style="text-align:{side}">{escape(text)}</td>'


_WHOLE = 60
