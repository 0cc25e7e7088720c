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
    later: bool = True
    """It belongs to the dialect and comes with a later release."""

    @property
    def message(self) -> str:
        """What to tell the user."""
        return f"{' '.join(self.words)} is not {'yet ' if self.later else ''}supported"


_FILES = "Put the files under the workspace root by hand, and read a csv with COPY table FROM 'path'."

UNSUPPORTED: tuple[Unsupported, ...] = (
    # What belongs to the dialect and is not there yet; delete the line when it is.
    Unsupported(
        ("GET", "THANOSQL", "MODEL"),
        "The model tutorial_audio_recognition is there from the start: LIST MODELS shows it; others: BUILD MODEL.",
    ),
    Unsupported(("GET", "THANOSQL", "DATASET"), f"The tutorial's data is in the folder tutorial_data. {_FILES}"),
    Unsupported(("UPLOAD", "MODEL"), "Name the folder as the base: BUILD MODEL model USING 'folder' AS query."),
    Unsupported(("LIST", "THANOSQL", "MODEL"), "LIST MODELS and LIST BASE MODELS show the models that are there."),
    Unsupported(("LIST", "THANOSQL", "DATASET"), "LIST TABLES shows the tables that are there."),
)

_ELSEWHERE: dict[tuple[str, ...], Unsupported] = {
    entry.words: entry
    for entry in (
        *UNSUPPORTED,
        *(
            Unsupported((verb, *name.split()), instead, later=False)
            for instead, names in OBJECTS.items()
            for name in names
            for verb in ("CREATE", "ALTER", "DROP")
        ),
        *(
            Unsupported(tuple(name.split()), instead, later=False)
            for instead, names in STATEMENTS.items()
            for name in names
        ),
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
