"""Names, versions, and what may be replaced."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catalog_service.catalog import (
    WriteMode,
    check_model_name,
    check_rename,
    check_rename_column,
    choose_target,
    choose_write,
    find_model,
    find_table,
    first_model,
    match_columns,
    match_insert,
    newest,
    suggest,
)
from thanosql.errors import DataError, NameTaken, StatementError, UnknownModel, UnknownTable
from thanosql.types import Column, IfExists, Model, ModelState, Table

CALLS = Table("calls", (Column("audio_path", "text"), Column("id", "bigint")), rows=3)


def model(name: str, version: int, state: ModelState = ModelState.READY) -> Model:
    return Model(name, version, "Wav2Vec2En", "base", state)


def test_a_near_name_is_suggested_whatever_its_case() -> None:
    assert suggest("Cals", ["orders", "calls"]) == "Did you mean 'calls'?"


def test_where_no_name_is_near_some_are_listed() -> None:
    assert suggest("x", ["calls", "orders"]) == "There are: calls, orders."
    assert suggest("x", []) == ""


def test_tables_are_found_whatever_the_case_of_their_letters() -> None:
    assert find_table("CALLS", [CALLS]) is CALLS
    assert find_table("call", [CALLS]) is None


@pytest.mark.parametrize(
    ("existing", "if_exists", "mode"),
    [
        (None, IfExists.FAIL, WriteMode.CREATE),
        (None, IfExists.APPEND, WriteMode.CREATE),
        (CALLS, IfExists.REPLACE, WriteMode.REPLACE),
        (CALLS, IfExists.APPEND, WriteMode.APPEND),
    ],
)
def test_a_write_does_what_the_option_says(existing: Table | None, if_exists: IfExists, mode: WriteMode) -> None:
    assert choose_write("calls", existing, if_exists) is mode


def test_a_taken_name_says_how_many_rows_are_at_stake_and_what_to_do() -> None:
    with pytest.raises(NameTaken, match="'calls' exists already, with 3 rows") as caught:
        choose_write("calls", CALLS, IfExists.FAIL)
    assert "OPTIONS (overwrite=True)" in caught.value.hint


def test_columns_are_matched_by_name_and_keep_the_order_of_the_file() -> None:
    matched = match_columns(CALLS, ["ID", "audio_path"], "more.csv")
    assert [(name, column.name) for name, column in matched.items()] == [("ID", "id"), ("audio_path", "audio_path")]


def test_columns_that_differ_are_named_on_both_sides() -> None:
    with pytest.raises(DataError, match="lacks id; the table lacks speaker"):
        match_columns(CALLS, ["audio_path", "speaker"], "more.csv")


@pytest.mark.parametrize("name", ["m", "my_model-2.1", "나의모델", "2024", "_x", "a" * 63])
def test_names_that_are_safe_as_folders_are_models(name: str) -> None:
    check_model_name(name)


@pytest.mark.parametrize("name", ["", ".hidden", "..", "a/b", "a\\b", "a b", "a\n", "a:b", "a" * 64, "../up", "nul\0"])
def test_names_that_are_not_safe_as_folders_are_refused(name: str) -> None:
    with pytest.raises(StatementError) as caught:
        check_model_name(name)
    assert "letters, digits" in caught.value.hint


def test_the_newest_ready_version_is_served_and_a_pending_one_where_there_is_no_other() -> None:
    models = [
        model("a", 1),
        model("a", 3, ModelState.PENDING),
        model("a", 2),
        model("b", 1, ModelState.PENDING),
        model("b", 2, ModelState.PENDING),
    ]
    assert [(m.name, m.version) for m in newest(models)] == [("a", 2), ("b", 2)]
    assert find_model("a", 0, models).version == 2
    assert find_model("a", 3, models).version == 3


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="'my_modle' does not exist") as caught:
        find_model("my_modle", 0, [model("my_model", 1)])
    assert caught.value.hint == "Did you mean 'my_model'?"


def test_an_unknown_version_names_those_there_are() -> None:
    with pytest.raises(UnknownModel, match="'a' has no version 7") as caught:
        find_model("a", 7, [model("a", 2), model("a", 1)])
    assert caught.value.hint == "It has: 1, 2."


def test_the_first_model_waits_for_its_export() -> None:
    first = first_model(datetime(2025, 1, 1, tzinfo=UTC))
    assert (first.name, first.version, first.class_name, first.state) == (
        "tutorial_audio_recognition",
        1,
        "Wav2Vec2En",
        ModelState.PENDING,
    )


def test_rows_are_added_to_a_table_that_is_there_under_its_own_spelling() -> None:
    assert choose_target("CALLS", [CALLS], IfExists.APPEND) == ("calls", WriteMode.APPEND)
    assert choose_target("Calls", [CALLS], IfExists.REPLACE) == ("calls", WriteMode.REPLACE)
    assert choose_target("other", [CALLS], IfExists.REPLACE) == ("other", WriteMode.CREATE)
    with pytest.raises(UnknownTable, match="'cals'"):
        choose_target("cals", [CALLS], IfExists.APPEND)


def test_columns_that_are_filled_are_those_named_or_all_in_their_order() -> None:
    assert match_insert("calls", ["audio_path", "id"], (), ["x", "y"]) == ("audio_path", "id")
    assert match_insert("calls", ["audio_path", "id"], ("ID",), ["x"]) == ("id",)


def test_a_name_that_another_has_is_not_given() -> None:
    other = Table("other", (Column("a", "text"),))
    assert check_rename("CALLS", "Calls", [CALLS, other]) is CALLS
    with pytest.raises(NameTaken, match="'other' exists already"):
        check_rename("calls", "OTHER", [CALLS, other])
    assert check_rename_column("calls", "ID", "Id", [CALLS]) == "id"
    with pytest.raises(NameTaken, match="has a column 'audio_path' already"):
        check_rename_column("calls", "id", "Audio_Path", [CALLS])
    with pytest.raises(StatementError, match="empty"):
        check_rename_column("calls", "id", " ", [CALLS])
