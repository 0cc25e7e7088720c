"""A result as HTML for a notebook: tables, and players for clips. Every text from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from thanosql.result import Result
from thanosql.tables import cell, is_number, preview, summary, type_name, visible
from thanosql.types import Clip, Notice, Severity

QUIET = "color:#777;font-size:smaller"
"""Style of what is not the matter itself: types, captions, summaries."""
LINES = "white-space:pre-wrap"
"""Style of a text that is written in lines, as a report's histograms are."""


def as_html(result: Result) -> str:
    """The result's rows or clips, and a line that sums it up."""
    body = (_table(result) if result.batches else "") + "".join(player(clip) for clip in result.clips)
    # The class keeps MathJax from setting a cell with two dollar signs as a formula.
    return (
        f'<div class="tex2jax_ignore mathjax_ignore">{body}<div style="{QUIET}">{escape(summary(result))}</div></div>'
    )


def player(clip: Clip) -> str:
    """A clip with its path and the other columns of its row."""
    texts = [visible(clip.path)] + ([f"{clip.seconds:.1f} s"] if clip.seconds else [])
    texts += [f"{visible(each.column)}: {cell(each.text)}" for each in clip.caption]
    caption = f'<figcaption style="{QUIET}">{escape(" · ".join(texts))}</figcaption>'
    if clip.error:
        what = f"<div>{escape(visible(clip.error))}</div>"
    else:
        source = f"data:{clip.media_type or 'audio/wav'};base64,{base64.b64encode(clip.audio).decode()}"
        what = f'<audio controls preload="metadata" src="{escape(source)}"></audio>'
    return f'<figure style="margin:0.4em 0">{what}{caption}</figure>'


def notice(notice: Notice) -> str:
    """A notice; a warning stands out."""
    if notice.severity is Severity.WARNING:
        style = "background:#fff3cd;color:#664d03;border-left:4px solid #ffc107;padding:0.4em 0.8em"
        return f'<div style="{style};{LINES}">⚠ {escape(notice.text)}</div>'
    return f'<div style="{QUIET};{LINES}">{escape(notice.text)}</div>'


def progress(head: str, fraction: float | None, detail: str) -> str:
    """A bar; one that only says that work goes on where `fraction` is None."""
    value = "" if fraction is None else f' value="{fraction:.4f}"'
    bar = f'<progress max="1"{value}></progress>'
    return f'<div><b>{escape(head)}</b> {bar} <span style="{QUIET}">{escape(detail)}</span></div>'


def line(text: str) -> str:
    """One quiet line."""
    return f'<div style="{QUIET}">{escape(text)}</div>'


def _table(result: Result) -> str:
    schema = result.batches[0].schema
    sides = ["right" if is_number(column.type) else "left" for column in schema]
    heads = "".join(
        f'<th style="text-align:{side}">{escape(visible(column.name))}<br><span style="{QUIET};font-weight:normal">'
        f"{escape(type_name(column.type))}</span></th>"
        for column, side in zip(schema, sides, strict=True)
    )
    body = "".join(_row(row, sides) for row in preview(result))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Sequence[str | None], sides: Sequence[str]) -> str:
    return f"<tr>{''.join(_cell(text, side) for text, side in zip(row, sides, strict=True))}</tr>"


def _cell(text: str | None, side: str) -> str:
    if text is None:
        return f'<td style="text-align:{side}"><i>NULL</i></td>'
    spaced = f";{LINES}" if text.startswith(" ") or "  " in text else ""  # as in the tree of EXPLAIN
    return f'<td style="text-align:{side}{spaced}">{escape(text)}</td>'
