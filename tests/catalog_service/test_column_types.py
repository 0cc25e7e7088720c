"""The rule for the types of text columns."""

from __future__ import annotations

import re

import pytest

from catalog_service.column_types import FORMS, choose_type, name_columns, repeated_names


def form(value: str) -> str:
    return next((kind for kind, pattern in FORMS.items() if re.fullmatch(pattern, value)), "text")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("0", "bigint"),
        ("-7", "bigint"),
        ("999999999999999999", "bigint"),
        ("9999999999999999999", "text"),
        ("007", "text"),
        ("+1", "text"),
        ("-0", "double precision"),
        ("1.50", "double precision"),
        ("1e-4", "double precision"),
        ("01.5", "text"),
        (".", "text"),
        ("1,5", "text"),
        ("1 000", "text"),
        ("True", "boolean"),
        ("yes", "text"),
        ("2024-01-31", "date"),
        ("01/02/2024", "text"),
        ("2024-01-31 10:00", "timestamp"),
        ("2024-01-31T10:00:00.123", "timestamp"),
        ("2024-01-31T10:00:00Z", "timestamp with time zone"),
        ("٣", "text"),
        ("one", "text"),
    ],
)
def test_a_value_has_the_form_that_it_would_be_written_in(value: str, kind: str) -> None:
    assert form(value) == kind


def test_a_column_of_one_form_has_its_type() -> None:
    assert choose_type("n", frozenset({"bigint"})) == "bigint"
    assert choose_type("n", frozenset({"date"})) == "date"


def test_whole_and_broken_numbers_together_are_broken_ones() -> None:
    assert choose_type("n", frozenset({"bigint", "double precision"})) == "double precision"


@pytest.mark.parametrize("forms", [{"bigint", "text"}, {"date", "timestamp"}, {"bigint", "boolean"}, set()])
def test_a_column_of_mixed_or_no_forms_is_text(forms: set[str]) -> None:
    assert choose_type("n", frozenset(forms)) == "text"


@pytest.mark.parametrize("name", ["text", "TEXT", "audio_path"])
def test_transcripts_and_paths_are_text_whatever_is_in_them(name: str) -> None:
    assert choose_type(name, frozenset({"bigint"})) == "text"


def test_columns_are_named_without_spaces_around_and_by_place_where_they_have_no_name() -> None:
    assert name_columns([" audio_path ", "", "text"]) == ["audio_path", "column2", "text"]


def test_names_repeat_whatever_the_case_of_their_letters() -> None:
    assert repeated_names(["Text", "a", "text", "TEXT"]) == ["Text"]
