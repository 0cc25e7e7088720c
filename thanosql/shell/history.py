"""The history of what was typed: a file that only its user can read, and that keeps no secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import FileHistory

from thanosql.token_secrets import PATTERN

FILE = Path("~/.thanosql_history")
KEPT = 5_000
"""Entries that are kept."""

_SECRETS = re.compile(
    rf"{PATTERN.pattern}|\b(api[_-]?)?(token|secret|password|passwd|api[_-]?key)\b\s*[=:]|\w+://[^\s/@]*:[^\s/@]+@",
    re.IGNORECASE,
)


def holds_secret(text: str) -> bool:
    """Whether a text is better not kept: it has a token, a password or the like in it, or begins with a space."""
    return text.startswith(" ") or _SECRETS.search(text) is not None


class PrivateHistory(FileHistory):
    """The last entries of `file`, the newest first, without such as hold a secret."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self._file = file
        self._writes = True
        try:
            # Made and mended before it is written to: it is never open to others.
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
            file.chmod(0o600)
        except OSError:
            self._writes = False

    def load_history_strings(self) -> Iterable[str]:
        """The entries, the newest first; the file is cut when it has become long."""
        try:
            entries = list(super().load_history_strings())
        except (OSError, UnicodeDecodeError):
            return []
        if len(entries) > 2 * KEPT and self._writes:
            self._cut(entries[:KEPT])
        return entries[:KEPT]

    def store_string(self, string: str) -> None:
        """Keeps an entry."""
        if self._writes and not holds_secret(string):
            try:
                super().store_string(string)
            except OSError:  # a full disk is no reason to stop typing
                self._writes = False

    def _cut(self, entries: list[str]) -> None:
        shorter = self._file.with_name(self._file.name + f".{os.getpid()}")
        try:
            shorter.touch(0o600)
            newer = PrivateHistory(shorter)
            for entry in reversed(entries):
                newer.store_string(entry)
            shorter.replace(self._file)
        finally:
            shorter.unlink(missing_ok=True)
