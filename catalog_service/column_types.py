"""Decides the types of the columns of a text file, from the forms of all their values.

The rule, for every column of a csv or tsv file:

* a column named `text` or `audio_path` is text, whatever is in it;
* a column is `bigint` where each value is a whole number as people write one: no leading zero, no
  plus sign, at most 18 digits. So `007`, `+82 10` and a 20-digit id stay text, letter for letter;
* `double precision` where each is a number, at least one of them with a decimal point or an exponent;
* `boolean` where each is true or false, in any case; `date` and `timestamp` where each is one of ISO 8601;
* everything else is text.

An empty field is NULL and says nothing of the type; a quoted empty field ("") is the empty text in a
text column and NULL in any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ALWAYS_TEXT = frozenset({"text", "audio_path"})

TEXT = "text"

FORMS: Mapping[str, str] = MappingProxyType(
    {
        "bigint": r"0|-?[1-9][0-9]{0,17}",
        # At most 15 digits before the point: a double holds that many.
        "double precision": r"-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?",
        "boolean": r"(?i:true|false)",
        "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "timestamp": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?",
        "timestamp with time zone": (
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[-+][0-9]{2}(:[0-9]{2})?)"
        ),
    }
)
"""What a value of each type looks like, as a regular expression of RE2 over the whole value; the first that fits."""

NEEDS_CAST = frozenset({"date", "timestamp", "timestamp with time zone"})
"""Types whose form does not make a value: there is no 2024-13-01."""


def choose_type(name: str, forms: frozenset[str]) -> str:
    """The type of a column, from the forms that occur in it (`text` where none fits)."""
    if name.casefold() in ALWAYS_TEXT or not forms:
        return TEXT
    if forms == {"bigint", "double precision"}:
        return "double precision"
    return next(iter(forms)) if len(forms) == 1 else TEXT


def name_columns(header: list[str]) -> list[str]:
    """Names for the columns of a header: as written, without spaces around; `column3` where the third is empty."""
    return [name.strip() or f"column{number}" for number, name in enumerate(header, 1)]


def repeated_names(names: list[str]) -> list[str]:
    """Names that come more than once, letter case aside, as they are written first."""
    first: dict[str, str] = {}
    repeated: dict[str, str] = {}
    for name in names:
        fold = name.casefold()
        if fold in first:
            repeated[fold] = first[fold]
        first.setdefault(fold, name)
    return list(repeated.values())
