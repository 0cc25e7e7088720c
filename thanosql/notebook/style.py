"""The look of what stands under a cell, in the colours of the notebook's theme, light or dark.

What matters (alignment, marks, words) is in the HTML itself: where a front end drops style sheets, as for a notebook
that it does not trust, all is there and only plainer.
"""

from __future__ import annotations

from html import escape

QUIET = "tq-quiet"
"""Class of what is not the matter itself: types, captions, summaries."""

# JupyterLab and Notebook 7 have --jp-…, Visual Studio Code has --vscode-…; other front ends get the last value.
_TEXT = "var(--jp-content-font-color2,var(--vscode-descriptionForeground,#6b6b6b))"
_LINE = "var(--jp-border-color2,var(--vscode-panel-border,#d0d0d0))"
_PAPER = "var(--jp-layout-color0,var(--vscode-editor-background,transparent))"

# A translucent ground and the theme's own ink can be read on white and on black.
SHEET = (
    f".tq .{QUIET}{{color:{_TEXT};font-size:smaller;font-weight:normal}}"
    ".tq-wide{overflow-x:auto;max-width:100%}"
    ".tq table{border-collapse:collapse;border:none;margin:0;font-variant-numeric:tabular-nums}"
    f".tq th,.tq td{{border:none;border-bottom:1px solid {_LINE};padding:.25em .8em;vertical-align:top;"
    "max-width:40em;white-space:pre-wrap;overflow-wrap:anywhere}"
    # A narrow column keeps its name in one piece.
    f".tq thead th{{background:{_PAPER};vertical-align:bottom;overflow-wrap:break-word}}"
    ".tq .tq-whole{white-space:pre;overflow-wrap:normal}"
    ".tq:not(:has(details[open])) .tq-more{display:none}"
    ".tq details{margin:.3em 0}.tq summary{cursor:pointer}"
    ".tq details[open] .tq-shut,.tq details:not([open]) .tq-open{display:none}"
    ".tq audio{height:2.2em;width:16em;display:block}"
    ".tq del{background:rgba(214,57,57,.22);text-decoration:line-through}"
    ".tq ins{background:rgba(30,140,90,.25);text-decoration:underline}"
    ".tq mark{background:rgba(230,150,0,.3);color:inherit;text-decoration:underline dotted}"
    ".tq-warning{border-left:4px solid #d98200;background:rgba(217,130,0,.12);padding:.4em .8em;margin:.2em 0}"
    ".tq progress{width:14em;vertical-align:middle}"
    ".tq figure{margin:.4em 0}.tq figure img{background:#fff;border-radius:4px;max-width:100%;height:auto}"
)


def frame(body: str) -> str:
    """An output: `body`, with the style sheet."""
    # The other classes keep MathJax from setting a cell with two dollar signs as a formula.
    return f'<div class="tq tex2jax_ignore mathjax_ignore"><style>{SHEET}</style>{body}</div>'


def quiet(text: str) -> str:
    """A quiet line; line breaks and runs of spaces are kept, as in a report's histograms."""
    # What has lines is set out in columns, as a report's histograms are.
    columns = ";font-family:var(--jp-code-font-family,monospace)" if "\n " in text else ""
    return f'<div class="{QUIET}" style="white-space:pre-wrap{columns}">{escape(text)}</div>'
