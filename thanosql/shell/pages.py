r"""What `\?` and `\h` show."""

from __future__ import annotations

import textwrap

from thanosql.errors import NotFound
from thanosql.manual import StatementManual, manual

WIDTH = 100
"""Characters of a line."""

KEYS = r"""A statement may have several lines and ends with ; and Enter.
  Tab            completes; Enter takes what is chosen        Ctrl-C  stops a statement, or drops what was typed
  →              takes the grey text, from the history        Ctrl-D  leaves
  ↑ ↓ Ctrl-R     earlier statements; a search in them         F4      keys of vi, or of Emacs
  Alt-Enter      a new line behind a ;                        Ctrl-X Ctrl-E  edits what is typed, in $EDITOR

  \h lists the statements, \h PREDICT explains one.
"""


def statement_page(words: str) -> str:
    """The page of a statement, or the list of all where no words are given.

    Raises:
        NotFound: there is no such statement.
    """
    if not words.strip():
        listed = dict.fromkeys(each.form for each in manual().statements)
        return "\n".join([*listed, r"\h STATEMENT says what one does, and its options."])
    found = manual().find(words)
    if not found:
        near = manual().nearest(words)
        hint = f"Did you mean \\h {near}?" if near else "\\h lists them."
        raise NotFound(f"there is no statement {words.strip()!r}", hint=hint)
    if len(found) > 3:
        return "\n".join([*(f"{each.kind:<22} {each.summary}" for each in found)])
    return "\n\n".join(_page(each) for each in found)


def _page(statement: StatementManual) -> str:
    parts = [statement.form, "", statement.manual]
    if statement.options:
        parts += ["", "OPTIONS"]
        width = max(len(option.name) for option in statement.options)
        for option in statement.options:
            words = f"{option.meaning} ({option.takes}{f'; {option.default}' if option.default else ''})"
            words += {"none": ": accepted, without effect here", "partial": ": in part"}.get(option.effect, "")
            indent = " " * (width + 4)
            parts.append(
                textwrap.fill(words, WIDTH, initial_indent=f"  {option.name:<{width}}  ", subsequent_indent=indent)
            )
    return "\n".join(parts)


def command_page(commands: list[tuple[str, str]]) -> str:
    """The keys, and the commands with what they do.

    Args:
        commands: Their forms and meanings.
    """
    width = max(len(form) for form, _ in commands)
    return KEYS + "\n" + "\n".join(f"  {form:<{width}}  {meaning}" for form, meaning in commands)
