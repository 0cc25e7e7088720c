"""Variables of the notebook in statements: their values travel beside the text."""

from __future__ import annotations

import pytest

from thanosql.errors import DataError, StatementError
from thanosql.notebook.variables import bind_variables

VALUES = {"name": "it's; DROP TABLE t", "n": 3, "x": 1.5}


@pytest.mark.parametrize(
    ("text", "bound", "names"),
    [
        ("SELECT :name, $n", "SELECT :name, :n", {"name", "n"}),
        ("SELECT $n + $n", "SELECT :n + :n", {"n"}),
        ("SELECT ':name $n'", None, set()),
        ("SELECT 'it''s :name'", None, set()),
        (r"SELECT E'\' :name'", None, set()),
        ('SELECT ":name" FROM "$n"', None, set()),
        ("SELECT 1 -- :name\n, :n", "SELECT 1 -- :name\n, :n", {"n"}),
        ("# :name\nSELECT 1", None, set()),
        ("SELECT /* $n\n:name */ 1", None, set()),
        ("SELECT a::text, b ::n", None, set()),
        ("SELECT $$ :name $n $$, $tag$ :name $tag$", None, set()),
        ("SELECT a[1:n], a[:n]", "SELECT a[1:n], a[:n]", {"n"}),
        ("SELECT a[b:n], (a)[f(1):n]", None, set()),
        ("SELECT f(:x), [:n]", "SELECT f(:x), [:n]", {"x", "n"}),
        ("SELECT $1, {b}", None, set()),
        ("COPY t OPTIONS (overwrite=$n) FROM $name", "COPY t OPTIONS (overwrite=:n) FROM :name", {"n", "name"}),
    ],
)
def test_names_outside_texts_and_comments_are_parameters(text, bound, names):
    found = bind_variables(text, VALUES)
    assert found.text == (text if bound is None else bound)
    assert dict(found.parameters) == {name: VALUES[name] for name in names}


def test_a_variable_that_is_not_there_is_shown_with_its_place():
    with pytest.raises(StatementError) as caught:
        bind_variables("SELECT *\nFROM t WHERE a = $speeker", VALUES)
    assert str(caught.value).splitlines()[:3] == [
        "there is no variable 'speeker' in this notebook",
        "  2 | FROM t WHERE a = $speeker",
        "    |                  ^",
    ]


def test_a_variable_that_sql_has_no_value_for_is_shown_with_its_place():
    with pytest.raises(DataError, match="the value of :x is a function") as caught:
        bind_variables("SELECT :x", {"x": test_a_variable_that_is_not_there_is_shown_with_its_place})
    assert (caught.value.line, caught.value.column) == (1, 8)
