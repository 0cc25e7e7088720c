"""Progress and notices as HTML.

A bar of plain HTML that is updated in place, and no widget: it moves in every front end, needs no extension of it, and
what is left of it when the statement has ended is in the saved notebook.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from thanosql.notebook.style import QUIET, frame, quiet
from thanosql.types import Severity

if TYPE_CHECKING:
    from thanosql.types import Notice


def notice(notice: Notice) -> str:
    """A notice; a warning stands out."""
    if notice.severity is Severity.WARNING:
        text = escape(notice.text)
        return frame(f'<div class="tq-warning" role="note" style="white-space:pre-wrap">⚠ {text}</div>')
    return frame(quiet(notice.text))


def bar(head: str, fraction: float | None, detail: str, below: str = "") -> str:
    """A bar; one that only says that work goes on where `fraction` is None. `below` is HTML that stands under it."""
    value = "" if fraction is None else f' value="{fraction:.4f}"'
    name = escape(head)
    moving = f'<progress max="1"{value} aria-label="{escape(head, quote=True)}"></progress>'
    return frame(f'<div><b>{name}</b> {moving} <span class="{QUIET}">{escape(detail)}</span></div>{below}')


def line(text: str, below: str = "") -> str:
    """One quiet line."""
    return frame(f"{quiet(text)}{below}")
