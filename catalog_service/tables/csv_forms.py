"""Finds out the forms of the values in a csv file, by which `catalog_service.column_types` decides."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from catalog_service.column_types import FORMS, NEEDS_CAST, TEXT, choose_type
from catalog_service.tables.reading import Connection, File, fetch_with_progress, literal, quoted
from thanosql.types import Progress

_SAMPLE_ROWS = 10_000


def sample_forms(
    connection: Connection, file: File, names: Sequence[str], source: str
) -> Generator[Progress, None, dict[str, frozenset[str]]]:
    """The forms that occur in the first rows of each column.

    Args:
        source: The table function that gives every field as text.
    """
    _, forms = yield from _find_forms(connection, file, names, f"(FROM {source} LIMIT {_SAMPLE_ROWS})")
    return forms


def borne_out(name: str, forms: frozenset[str]) -> str:
    """A test of SQL whether a value leaves the type of a column what it is by `forms`; empty where every value does."""
    value = quoted(name)
    if not forms and choose_type(name, frozenset({"bigint"})) != TEXT:
        return f"nullif({value}, '') IS NULL"
    kind = choose_type(name, forms)
    if kind == TEXT:
        return ""
    # A whole number among others changes nothing.
    allowed = ("bigint", kind) if kind == "double precision" else (kind,)
    form = "|".join(f"(?:{FORMS[each]})" for each in allowed)
    return f"regexp_full_match(nullif({value}, ''), {literal(form)}) IS NOT FALSE"


def decide_types(
    connection: Connection, file: File, names: Sequence[str], source: str
) -> Generator[Progress, None, tuple[list[str], int]]:
    """The type of each column, from all its values, and how many rows there are. Arguments as of `sample_forms`."""
    # One text makes a column text: most are found out in the first rows, and need no test in the others.
    forms = yield from sample_forms(connection, file, names, source)
    rows, open_forms = yield from _find_forms(connection, file, [n for n in names if TEXT not in forms[n]], source)
    return [choose_type(name, (forms | open_forms)[name]) for name in names], rows


def _find_forms(
    connection: Connection, file: File, names: Sequence[str], source: str
) -> Generator[Progress, None, tuple[int, dict[str, frozenset[str]]]]:
    """How many rows there are, and the forms that occur in the columns `names`."""
    fields = "".join(f", bit_or({_form_bit(name)})" for name in names)
    (answer,) = yield from fetch_with_progress(connection, f"SELECT count(*){fields} FROM {source}", file, "find types")
    rows, *bits = answer
    return rows, {name: _forms_in(bit) for name, bit in zip(names, bits, strict=True)}


_TEXT_BIT = 1 << len(FORMS)

# Most texts are found out by their first letter, which spares them the other tests.
_MAYBE = r"(?i:[-0-9][-+.:0-9ETZ ]*|true|false)"


def _form_bit(name: str) -> str:
    """An expression that is one bit for the form of a value, by its place in FORMS; NULL for an empty one."""
    value = quoted(name)
    if choose_type(name, frozenset({"bigint"})) == TEXT:
        return f"CASE WHEN {value} IS NOT NULL THEN {_TEXT_BIT} END"
    tests = []
    for place, (kind, form) in enumerate(FORMS.items()):
        test = f"regexp_full_match({value}, {literal(form)})"
        if kind in NEEDS_CAST:
            test += f" AND try_cast({value} AS {kind}) IS NOT NULL"
        tests.append(f"WHEN {test} THEN {1 << place}")
    return (
        f"CASE WHEN {value} IS NULL OR {value} = '' THEN NULL "
        f"WHEN NOT regexp_full_match({value}, {literal(_MAYBE)}) THEN {_TEXT_BIT} "
        f"{' '.join(tests)} ELSE {_TEXT_BIT} END"
    )


def _forms_in(bits: int | None) -> frozenset[str]:
    return frozenset(kind for place, kind in enumerate([*FORMS, TEXT]) if (bits or 0) >> place & 1)
