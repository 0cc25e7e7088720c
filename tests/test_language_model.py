"""A model with a language model, and hotwords: from BUILD to PREDICT, in local mode, on the tutorial's recordings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from thanosql import Result, Session
from thanosql.errors import InvalidOption, JobFailed
from thanosql.language_model import FOLDER, is_installed
from thanosql.modelstore import read_description, version_folder

ROWS = "SELECT * FROM librispeech_train ORDER BY audio_path LIMIT 30"
TRAINED = "epochs=1, learning_rate=1e-9, eval_fraction=0.6, overwrite=True"  # next to nothing: what counts comes after

# Its pieces are tried one by one in tests/thanosql and tests/trainer_service/language.
pytestmark = pytest.mark.slow

needs_kenlm = pytest.mark.skipif(not is_installed(), reason="flashlight-text has no wheel for this Python")


@pytest.fixture(scope="module")
def built(session: Session, workspace: Path) -> Iterator[Result]:
    """A model `worded`, with a language model of a text that has all sentences of the recordings in it."""
    said = [row.text for row in session.sql(ROWS)]
    (workspace / "sentences.txt").write_text("\n".join(said) + "\n", "utf-8")
    yield session.sql(
        f"BUILD MODEL worded USING Wav2Vec2EnTiny OPTIONS ({TRAINED}, language_model='sentences.txt') AS {ROWS}"
    )
    session.sql("DELETE MODEL worded")


def error_rate(result: Result) -> float:
    (text,) = (each.text for each in result.notices if each.text.startswith("Word error rate"))
    return float(re.findall(r"([\d.]+)%", text)[0])


@needs_kenlm
def test_a_language_model_that_helps_is_kept_and_told(session: Session, built: Result, workspace: Path) -> None:
    assert any("decoded with a language model of sentences.txt" in each.text for each in built.notices)
    folder = version_folder(workspace / ".thanosql" / "models", "worded", 1)
    assert sorted(file.name for file in (folder / FOLDER).iterdir()) == ["decoding.json", "words.arpa", "words.tsv"]
    report = read_description(folder).report["language_model"]
    assert report["kept"]
    assert report["wer"] < report["wer_greedy"]
    shown = {row.property: row.value for row in session.sql("DESCRIBE MODEL worded")}
    assert shown["report.language_model.source"] == "sentences.txt"
    assert shown["report.language_model.order"] == "4"


@needs_kenlm
def test_predict_decodes_with_it(session: Session, built: Result) -> None:
    plain = session.sql(f"PREDICT USING tutorial_audio_recognition OPTIONS (text_col='text') AS {ROWS}")
    decoded = session.sql(f"PREDICT USING worded OPTIONS (text_col='text') AS {ROWS}")
    assert error_rate(decoded) < error_rate(plain) - 10


def test_hotwords_are_heard_and_do_not_stay_in_the_cache(session: Session) -> None:
    query = "SELECT * FROM librispeech_train WHERE text LIKE '%widdowson%'"
    statement = "PREDICT USING tutorial_audio_recognition {} AS " + query

    def hear(options: str) -> str:
        (row,) = session.sql(statement.format(options))
        return str(row.predicted).lower()

    assert "widdowson" not in hear("")
    assert "widdowson" in hear("OPTIONS (hotwords=['Widdowson', 'Kubernetes'])")
    assert "widdowson" not in hear("")


def test_a_hotword_that_cannot_be_spelled_is_shown_in_the_statement(session: Session) -> None:
    with pytest.raises(InvalidOption, match="cannot spell the hotword '東京'") as raised:
        session.sql(f"PREDICT USING tutorial_audio_recognition OPTIONS (hotwords=['東京'], cache=False) AS {ROWS}")
    assert raised.value.column


@needs_kenlm
def test_a_text_in_another_alphabet_is_refused_before_the_training(session: Session, workspace: Path) -> None:
    (workspace / "russian.txt").write_text("Это не по-английски\n", "utf-8")
    with pytest.raises(JobFailed, match="no sentence that the vocabulary can spell"):
        session.sql(
            f"BUILD MODEL refused USING Wav2Vec2EnTiny OPTIONS ({TRAINED}, language_model='russian.txt') AS {ROWS}"
        )
