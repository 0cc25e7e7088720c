"""The manual that clients have of the statements is that of the statements themselves."""

from __future__ import annotations

import importlib.util

import pytest

from thanosql.manual import manual


def test_the_manual_is_what_the_statements_give(checkout):
    spec = importlib.util.spec_from_file_location("write_manual", checkout / "docs" / "write_manual.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    assert (checkout / "thanosql" / "manual.json").read_text("utf-8") == writer.text(), (
        "run python docs/write_manual.py"
    )


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("predict", ["PREDICT"]),
        ("drop model", ["DELETE MODEL"]),
        ("build", ["BUILD MODEL"]),
        ("list models", ["LIST MODEL"]),
        ("jobs", ["LIST JOBS"]),
        ("nothing", []),
    ],
)
def test_a_statement_is_found_by_its_words(words, kinds):
    assert [each.kind for each in manual().find(words)] == kinds


def test_the_options_that_may_follow_are_those_of_the_innermost_statement():
    text = "CREATE TABLE t AS SELECT * FROM (PREDICT USING m OPTIONS ("
    found = manual().statement_of(text)
    assert found is not None
    assert found.kind == "PREDICT"
    assert "hotwords" in [option.name for option in found.options]


def test_the_nearest_statement_is_named():
    assert manual().nearest("evalute") == "EVALUATE"
