"""Values of parameters, as they are typed."""

from __future__ import annotations

import pytest

from thanosql.errors import InvalidOption
from thanosql.shell.values import read_setting, read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("007", "007"),
        ("TRUE", True),
        ("null", None),
        ("'null'", "null"),
        ("'it''s'", "it's"),
        ("2026-01-01", "2026-01-01"),
        ("['Kim', 2, true, null]", ["Kim", 2, True, None]),
        ("['true']", ["true"]),
    ],
)
def test_a_value_has_the_type_that_it_looks_like(text, value):
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


@pytest.mark.parametrize("text", ["day", "=5", "a b=5", "x=[1, [2]]", "x=[open('f')]"])
def test_what_is_no_parameter_is_refused(text):
    with pytest.raises(InvalidOption):
        read_setting(text)
