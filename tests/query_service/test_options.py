"""OPTIONS (…): every option of every statement takes what its table says, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_service.language import statements as s
from query_service.language.dialect import parse
from query_service.language.options import HOTWORD_WEIGHT as HOTWORD_WEIGHT_OPTION
from query_service.language.options import Effect, Kind, Name, Option
from query_service.planning.analyses.speech import HOTWORD_WEIGHT
from thanosql.errors import InvalidOption, StatementError
from thanosql.hotwords import MOST_WEIGHT, WEIGHT
from thanosql.types import IfExists

BEGINNINGS: dict[type[s.Statement], str] = {
    s.Copy: "COPY t OPTIONS ({}) FROM 't.csv'",
    s.PrintAudio: "PRINT AUDIO OPTIONS ({}) AS SELECT 1",
    s.Predict: "PREDICT USING m OPTIONS ({}) AS SELECT 1",
    s.BuildModel: "BUILD MODEL m USING b OPTIONS ({}) AS SELECT 1",
}
CASES = [(kind, option) for kind in BEGINNINGS for option in kind.OPTIONS]
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(lambda text: text.strip())


def good_values(option: Option) -> st.SearchStrategy[Any]:
    if option.kind is Kind.INTEGER:
        return st.integers(int(option.low or 0), int(option.high or 100))
    if option.kind is Kind.NUMBER:
        return st.floats(0, 1, exclude_min=option.open_low, exclude_max=option.open_high, allow_subnormal=False)
    if option.kind is Kind.BOOLEAN:
        return st.booleans()
    if option.kind is Kind.SWITCH_OR_PATH:
        return st.booleans() | TEXTS.filter(lambda text: text.lower() not in ("true", "false"))
    if option.kind is Kind.TEXTS:
        return st.lists(TEXTS, max_size=5)
    if option.kind is Kind.CHOICE:
        return st.sampled_from(sorted(str(value) for value in option.values or ()))
    return TEXTS


def written(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return repr(value)


@pytest.mark.parametrize(("kind", "option"), CASES, ids=[f"{kind.KIND} {option.name}" for kind, option in CASES])
@given(data=st.data())
def test_an_option_gives_back_the_value_that_was_written(kind, option, data):
    value = data.draw(good_values(option))
    (statement,) = parse(BEGINNINGS[kind].format(f"{option.name.upper()} = {written(value)}"))
    if option.effect is Effect.NONE:
        assert option in statement.weak
        return
    read = getattr(statement, option.target)
    expected = option.values[value] if option.values is not None else value
    if isinstance(read, Name):
        assert read.text == (str(value).lower() if isinstance(value, bool) else value)
    elif option.kind is Kind.TEXTS:
        assert [name.text for name in read] == value
    else:
        assert read == expected


@pytest.mark.parametrize(("kind", "option"), CASES, ids=[f"{kind.KIND} {option.name}" for kind, option in CASES])
@pytest.mark.parametrize("value", ["[1, 'a']", "''", "-1", "1e400", "nonsense", "True", "1.5", "'1'"])
def test_an_option_takes_a_value_of_its_kind_or_says_what_it_takes(kind, option, value):
    text = BEGINNINGS[kind].format(f"{option.name}={value}")
    try:
        (statement,) = parse(text)
    except StatementError as error:
        refusal = error
    else:
        read = getattr(statement, option.target, None)
        assert not isinstance(read, float) or math.isfinite(read)
        return
    assert isinstance(refusal, InvalidOption)
    assert f"option {option.name} takes " in refusal.message
    assert refusal.column


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("+0.25", 0.25),
        ("1E-3", 1e-3),
        ("1", 1),
    ],
)
def test_numbers_are_read_in_every_spelling(written, value):
    (statement,) = parse(f"BUILD MODEL m USING b OPTIONS (learning_rate={written}) AS SELECT 1")
    assert isinstance(statement, s.BuildModel)
    assert statement.learning_rate == value


@pytest.mark.parametrize("written", ["audio", "AUDIO", "'audio'", '"audio"'])
def test_a_column_is_named_bare_or_in_either_quotes(written):
    (statement,) = parse(f"PRINT AUDIO OPTIONS (audio_col={written}) AS SELECT 1")
    assert isinstance(statement, s.PrintAudio)
    assert statement.audio_col.text == "audio"


@pytest.mark.parametrize(("written", "words"), [("[]", []), ("'Anna'", ["Anna"]), ("['a b', \"c\"]", ["a b", "c"])])
def test_hotwords_are_a_list_or_a_single_one(written, words):
    (statement,) = parse(f"PREDICT USING m OPTIONS (hotwords={written}) AS SELECT 1")
    assert isinstance(statement, s.Predict)
    assert [word.text for word in statement.hotwords] == words


def test_hotwords_weigh_what_they_were_measured_with():
    assert HOTWORD_WEIGHT == WEIGHT
    assert HOTWORD_WEIGHT_OPTION.high == MOST_WEIGHT


def test_old_spellings_fill_the_same_fields():
    (old,) = parse("BUILD MODEL m USING b OPTIONS (max_epochs=2, if_exists='replace') AS SELECT 1")
    (new,) = parse("BUILD MODEL m USING b OPTIONS (epochs=2, overwrite=True) AS SELECT 1")
    assert isinstance(old, s.BuildModel)
    assert old == new
    assert old.if_exists is IfExists.REPLACE


@pytest.mark.parametrize("kind", BEGINNINGS, ids=lambda kind: kind.KIND)
def test_a_default_is_the_same_in_the_table_of_options_and_in_the_statement(kind):
    (statement,) = parse(BEGINNINGS[kind].replace("OPTIONS ({}) ", ""))
    for option in kind.OPTIONS:
        if option.effect is not Effect.NONE:
            assert getattr(statement, option.target) == option.default, option.name


@pytest.mark.parametrize("kind", [*BEGINNINGS, s.Select, s.DropTable, s.DeleteModel, s.DescribeTable, s.DescribeModel])
def test_the_example_in_a_statements_manual_is_a_statement_of_that_kind(kind):
    example = (kind.__doc__ or "").split("\n\n")[1]
    (statement,) = parse(example)
    assert type(statement) is kind
