"""What the shell offers at a place of a statement."""

from __future__ import annotations

import pytest

from thanosql.shell.completion import suggest
from thanosql.shell.names import Names

NAMES = Names(
    columns={"calls": ("audio_path", "text", "day"), "speakers": ("speaker", "city"), "통화": ("녹음",)},
    models={"our_words": "Wav2Vec2En, version 2", "tutorial_audio_recognition": "Wav2Vec2En, version 1"},
    bases={"Wav2Vec2En": "English"},
    jobs={"4f2e91ab": "BUILD MODEL m …"},
)


def offered(text: str, after: str = "", folder=None) -> list[str]:
    return [item.text for item in suggest(text, NAMES, folder, after=after)[1]]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("PRED", "PREDICT"),
        ("SELECT 1; ev", "EVALUATE"),
        ("PREDICT USING ", "our_words"),
        ("PREDICT USING tar", "tutorial_audio_recognition"),
        ("BUILD MODEL m USING ", "Wav2Vec2En"),
        ("SELECT * FROM ca", "calls"),
        ("SELECT * FROM calls JOIN spe", "speakers"),
        ("SELECT * FROM calls WHERE da", "day"),
        ("SELECT calls.te", "text"),
        ("DESCRIBE MODEL ou", "our_words"),
        ("DROP TABLE ca", "calls"),
        ("CANCEL JOB ", "4f2e91ab"),
        ("LIST ", "TABLES"),
        ("SELECT * FROM (PRE", "PREDICT"),
        ("PREDICT USING our_words OPTIONS (hotw", "hotwords="),
        ("PREDICT USING our_words OPTIONS (cache=", "True"),
        ("PREDICT USING our_words OPTIONS (cache=True, on_error='", "null"),
        ("SELECT * FROM 통", '"통화"'),
    ],
)
def test_the_first_that_is_offered_is(text, first):
    assert offered(text)[0] == first


def test_the_columns_of_tables_further_behind_are_offered_too():
    assert offered("SELECT te", after=" FROM calls")[0] == "text"
    assert "speaker" not in offered("SELECT ", after=" FROM calls")


def test_only_options_of_the_statement_are_offered_and_none_twice():
    options = offered("BUILD MODEL m USING Wav2Vec2En OPTIONS (epochs=1, ")
    assert "learning_rate=" in options
    assert "epochs=" not in options
    assert "hotwords=" not in options


def test_an_option_says_what_it_does():
    _, items = suggest("PREDICT USING m OPTIONS (confidence", NAMES)
    assert items[0].meta == "extra column: confidence from 0 to 1"


def test_the_columns_for_an_option_come_in_quotes():
    assert offered("PREDICT USING m OPTIONS (audio_col=", after=") AS SELECT * FROM calls")[0] == "'audio_path'"


def test_files_of_the_workspace_are_offered_for_copy(tmp_path):
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "calls.csv").touch()
    (tmp_path / ".hidden").touch()
    assert offered("COPY calls FROM '", folder=tmp_path) == ["recordings/"]
    assert offered("COPY calls FROM 'recordings/c", folder=tmp_path) == ["calls.csv"]
    assert offered("COPY calls FROM '../", folder=tmp_path) == []
    assert offered("COPY calls FROM 'rec", folder=None) == []


def test_nothing_is_offered_in_a_text():
    assert offered("SELECT 'sel") == []


def test_what_is_offered_replaces_what_was_typed_of_it():
    assert suggest("SELECT * FROM cal", NAMES)[0] == 3
    assert suggest("COPY t FROM 'recordings/ca", NAMES)[0] == 2
