"""Statements that are understood and not to be had: what they are called, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from query_service.language.elsewhere import BESIDE_THE_OBJECT, OBJECTS, STATEMENTS


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A statement recognised by its first words."""

    words: tuple[str, ...]
    instead: str

    @property
    def message(self) -> str:
        """What to tell the user."""
        return f"{' '.join(self.words)} is not supported"


_ELSEWHERE: dict[tuple[str, ...], Unsupported] = {
    entry.words: entry
    for entry in (
        *(
            Unsupported((verb, *name.split()), instead)
            for instead, names in OBJECTS.items()
            for name in names
            for verb in ("CREATE", "ALTER", "DROP")
        ),
        *(Unsupported(tuple(name.split()), instead) for instead, names in STATEMENTS.items() for name in names),
    )
}
_LONGEST = max(map(len, _ELSEWHERE))


def find_unsupported(words: Sequence[str]) -> Unsupported | None:
    """What a statement with these first words, in capitals, is called, if it is one that is not to be had."""
    if words[:1] == ["CREATE"]:
        rest = list(words[1:])
        while rest and rest[0] in BESIDE_THE_OBJECT:
            del rest[0]
        words = ["CREATE", *rest]
    for count in range(min(_LONGEST, len(words)), 0, -1):
        found = _ELSEWHERE.get(tuple(words[:count]))
        if found is not None:
            return found
    return None
