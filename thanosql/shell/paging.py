"""Long results go through a pager: `less`, or what PAGER names."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping

from rich.cells import cell_len
from rich.text import Text

LESS = "less -SRFX"
"""Cuts long lines (the arrow keys scroll), keeps colours, and leaves what it showed on the screen."""


def needs_pager(text: str, columns: int, lines: int) -> bool:
    """Whether `text` is taller or wider than the screen; the prompt's lines want room too."""
    rows = text.splitlines()
    return len(rows) > lines - 3 or any(cell_len(Text.from_ansi(row).plain) > columns for row in rows)


def pager_command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The pager and its arguments; none where there is no pager."""
    given = environment.get("PAGER", "").strip()
    words = shlex.split(given) if given else shlex.split(LESS)
    if words and shutil.which(words[0]):
        # less alone would show escape codes instead of colours, and fold wide tables.
        return [*words, "-SRFX"] if words == ["less"] else words
    return []


def page(text: str, *, folds: bool = False) -> None:
    """Shows `text`, by a pager where it is larger than the screen.

    Args:
        text: Lines.
        folds: Whether long lines are folded, as prose is; otherwise the arrow keys scroll to their ends.
    """
    size = shutil.get_terminal_size()
    command = pager_command() if needs_pager(text, size.columns, size.lines) else []
    if folds and command[:1] == ["less"]:
        command = [word.replace("S", "") for word in command]
    if not command:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, encoding="utf-8") as pager:
        while True:
            try:
                pager.communicate(text)
                break
            except KeyboardInterrupt:  # which is the pager's own matter
                text = ""
            except (BrokenPipeError, ValueError):
                break
        pager.wait()
