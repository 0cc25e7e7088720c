"""Shows a result where this process runs: under a cell, or in a terminal as wide as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thanosql.result import Result


def show_result(result: Result, rows: int | None = None) -> None:
    """Shows `rows` rows of a result; 0: all; None: as many as suit the place."""
    if _draws_html():
        from IPython.display import display

        from thanosql.notebook.output import as_html
        from thanosql.tables import as_text

        bundle = {"text/plain": as_text(result, limit=rows), "text/html": as_html(result, rows)}
        display(bundle, raw=True)  # type: ignore[no-untyped-call]
    else:
        from thanosql.tables import show, standard_output

        show(result, standard_output(), limit=rows)


def _draws_html() -> bool:
    """Whether IPython runs this, and not in a terminal."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"
