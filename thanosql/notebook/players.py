"""Recordings as players, each with its path, its transcript beside what was said, and its row's other columns."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from thanosql.notebook.style import QUIET
from thanosql.notebook.word_diff import Verdict, WordDiff, compare_words
from thanosql.tables import cell, visible

if TYPE_CHECKING:
    from thanosql.types import Clip


def players(clips: Sequence[Clip]) -> str:
    """A table with a row for each clip."""
    compared = [(clip.reference_column, clip.predicted_column) for clip in clips if clip.predicted_column]
    reference, predicted = compared[0] if compared else ("", "")
    captions = dict.fromkeys(each.column for clip in clips for each in clip.caption)
    others = [name for name in captions if name not in (reference, predicted)]
    heads = ["recording", *([reference, predicted, "WER"] if compared else []), *others]
    head = "".join(f'<th scope="col" style="text-align:left">{escape(visible(name))}</th>' for name in heads)
    body = "".join(_row(clip, reference, predicted, others) for clip in clips)
    legend = f'<div class="{QUIET}">{_LEGEND}</div>' if compared else ""
    return (
        '<div class="tq-wide" role="region" tabindex="0" aria-label="recordings"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{legend}"
    )


# The marks differ in form too: nobody has to tell colours apart.
_LEGEND = (
    "<del>struck out</del>: said and not heard · <ins>underlined</ins>: heard and not said · "
    "<mark>dotted</mark>: heard as another word"
)


def _row(clip: Clip, reference: str, predicted: str, others: Sequence[str]) -> str:
    caption = {each.column: each.text for each in clip.caption}
    cells = [_player(clip)]
    if predicted:
        diff = compare_words(caption.get(reference, ""), caption.get(predicted, ""))
        cells += [_said(diff), _heard(diff), f'<span class="tq-whole">{diff.wer:.0%}</span>']
    cells += [escape(cell(caption.get(name, ""))) for name in others]
    return "<tr>" + "".join(f'<td style="text-align:left">{each}</td>' for each in cells) + "</tr>"


def _player(clip: Clip) -> str:
    length = f" · {clip.seconds:.1f}\N{NO-BREAK SPACE}s" if clip.seconds else ""
    path = f'<div class="{QUIET}">{escape(visible(clip.path))}{length}</div>'
    if clip.error:
        return f"{path}<div>{escape(visible(clip.error))}</div>"
    source = f"data:{clip.media_type or 'audio/wav'};base64,{base64.b64encode(clip.audio).decode()}"
    name = escape(visible(clip.path), quote=True)
    return f'<audio controls preload="none" aria-label="{name}" src="{escape(source)}"></audio>{path}'


def _said(diff: WordDiff) -> str:
    tags = {Verdict.WRONG: "mark", Verdict.MISSED: "del"}
    return " ".join(_marked(pair.said, tags.get(pair.verdict)) for pair in diff.pairs if pair.said)


def _heard(diff: WordDiff) -> str:
    tags = {Verdict.WRONG: "mark", Verdict.ADDED: "ins"}
    return " ".join(_marked(pair.heard, tags.get(pair.verdict)) for pair in diff.pairs if pair.heard)


def _marked(word: str, tag: str | None) -> str:
    text = escape(visible(word))
    return f"<{tag}>{text}</{tag}>" if tag else text
