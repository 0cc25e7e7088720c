"""The manual of the dialect: what each statement does, its form and its options.

It is written from the statements themselves (`docs/write_manual.py`), so that a client has it without a service.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class OptionManual:
    """One option of one statement."""

    name: str
    takes: str
    """The values that make sense, in words: "a whole number from 1 up to 10000"."""
    meaning: str
    default: str
    """As it would be written; empty where there is none."""
    choices: tuple[str, ...]
    """All values, as they are written, where they are few."""
    is_column: bool
    """The value is the name of a column."""
    effect: str
    """"full", "partial" or "none": an option that is accepted and does nothing."""


@dataclass(frozen=True)
class StatementManual:
    """What one statement does."""

    kind: str
    """The words that it begins with: "BUILD MODEL"."""
    form: str
    """ "BUILD MODEL model USING base [OPTIONS (…)] AS query"."""
    role: str
    """What its sender must be: reader, writer or admin."""
    manual: str
    """The whole text, with an example; the first paragraph says what it does."""
    options: tuple[OptionManual, ...]

    @property
    def summary(self) -> str:
        """What it does, in a sentence or two."""
        return " ".join(self.manual.split("\n\n", 1)[0].split())


@dataclass(frozen=True)
class Manual:
    """The whole of it."""

    statements: tuple[StatementManual, ...]
    functions: tuple[str, ...]
    """Names of the functions that a query may call."""

    def find(self, words: str) -> tuple[StatementManual, ...]:
        """The statements that `words` name, as a user would: "predict", "build", "list", "delete model".

        None where there is nothing of that name; see `nearest`.
        """
        wanted = words.upper().split()
        wanted = [{"TABLES": "TABLE", "MODELS": "MODEL"}.get(word, word) for word in wanted]
        wanted = ["DELETE", "MODEL"] if wanted == ["DROP", "MODEL"] else wanted
        exact = tuple(each for each in self.statements if each.kind.split() == wanted)
        if exact:
            return exact
        begun = tuple(each for each in self.statements if each.kind.split()[: len(wanted)] == wanted)
        return begun or tuple(each for each in self.statements if set(wanted) <= set(each.kind.split()))

    def nearest(self, words: str) -> str:
        """The statement that was probably meant; empty where none is near."""
        kinds = dict.fromkeys(name for each in self.statements for name in (each.kind, each.kind.split()[0]))
        return next(iter(difflib.get_close_matches(words.upper(), kinds, 1, 0.7)), "")

    def statement_of(self, text: str) -> StatementManual | None:
        """The innermost statement that `text`, a statement or its beginning, is in: that whose OPTIONS could follow."""
        words = text.upper().replace("(", " ").split()
        for place in reversed(range(len(words))):
            for each in self.statements:
                if each.options and words[place : place + len(each.kind.split())] == each.kind.split():
                    return each
        return None


@cache
def manual() -> Manual:
    """The manual of this release of the dialect."""
    content = json.loads(Path(__file__).with_name("manual.json").read_text("utf-8"))
    return Manual(
        tuple(
            StatementManual(
                each["kind"],
                each["form"],
                each["role"],
                each["manual"],
                tuple(
                    OptionManual(**{**option, "choices": tuple(option["choices"])})  # JSON has lists only
                    for option in each["options"]
                ),
            )
            for each in content["statements"]
        ),
        tuple(content["functions"]),
    )
