"""Finds the columns that options name among those of a query's result; asked before a query runs, and again after."""

from __future__ import annotations

from collections.abc import Sequence

from query_service.language.options import Name
from query_service.language.source import NO_PLACE, Source, suggest
from thanosql.errors import InvalidOption, UnknownColumn


def find_column(names: Sequence[str], wanted: str) -> int | None:
    """Index of a result's column by its name: as it stands, or else the one that differs in case only."""
    if wanted in names:
        return names.index(wanted)
    same = [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
    return same[0] if len(same) == 1 else None


def missing_column(source: Source, names: Sequence[str], wanted: Name, option: str, query_at: int) -> UnknownColumn:
    """The error that the result of a query has no such column."""
    at = query_at if wanted.at == NO_PLACE else wanted.at
    hint = suggest(wanted.text, names, "columns") if names else "Name the query's columns with AS."
    if wanted.at == NO_PLACE:
        hint += f" Say which one with OPTIONS ({option}='…')."
    return source.error(UnknownColumn, f"the query has no column {wanted}", at, hint)


def taken_column(source: Source, wanted: Name, option: str, query_at: int) -> InvalidOption:
    """The error that a column to be added is there already."""
    at = query_at if wanted.at == NO_PLACE else wanted.at
    hint = f"Give the new column another name with OPTIONS ({option}='…')."
    return source.error(InvalidOption, f"the query has a column {wanted} already", at, hint)


def audio_index(names: Sequence[str], wanted: Name) -> int | None:
    """Index of the column with the audio path; a query of one column need not be told which."""
    index = find_column(names, wanted.text)
    return 0 if index is None and wanted.at == NO_PLACE and len(names) == 1 else index
