r"""What a shell knows between two statements: its session, its parameters, its settings, and what was shown last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from thanosql.shell.names import Names
from thanosql.shell.output import Output
from thanosql.shell.script import Piece
from thanosql.shell.statements import run_text
from thanosql.shell.values import Value

if TYPE_CHECKING:
    from thanosql.session import Session

EFFECTS = ("SELECT", "PREDICT", "EVALUATE", "PRINT", "LIST", "DESCRIBE", "EXPLAIN", "WITH")
"""First words of statements after which no name is another."""


@dataclass
class Shell:
    """One shell at work."""

    session: Session
    output: Output
    folder: Path | None = None
    """Root of the paths in statements, where it is on this machine."""
    is_interactive: bool = True
    parameters: dict[str, Value] = field(default_factory=dict)
    """Values of `:name`s, of `\\set`."""
    last: str = ""
    """The statements that ran last, for `\\e` and `\\watch`."""
    draft: str = ""
    """Text that the next prompt begins with, of `\\e`."""
    is_over: bool = False
    """The user wants to leave."""
    code: int = 0
    """Exit code of what ran last."""
    names: Callable[[], Names] = Names
    """What the catalog has, as far as it is known."""
    changed: Callable[[], None] = lambda: None
    """Called when names may be others."""
    moved: Callable[[], None] = lambda: None
    """Called when the session is another."""

    def run(self, text: str, *, line: int = 1, source: str = "", keeps: bool = True) -> int:
        """Runs statements and shows what they give; 0, 1 after a failure, 130 after Ctrl-C.

        Args:
            text: Their text.
            line: Of `source`, where it begins.
            source: The file that it is from.
            keeps: Whether `\\e` and `\\watch` take them up: not those that a command of the shell stands for.
        """
        if keeps:
            self.last = text.strip()
        self.code = run_text(self.session, Piece(text, line), self.output, parameters=self.parameters, source=source)
        words = text.split(maxsplit=1)
        if not words or words[0].upper() not in EFFECTS or ";" in text.strip().rstrip(";"):
            self.changed()
        return self.code
