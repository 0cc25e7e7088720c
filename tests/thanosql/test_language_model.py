"""A version's language model: written, read, asked, and what is said where it cannot be."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thanosql.beam_search import beam_search
from thanosql.errors import DataError, NotSupported
from thanosql.language_model import (
    FOLDER,
    LanguageModel,
    Weights,
    build_lexicon,
    count_language_model_bytes,
    is_installed,
    read_language_model,
    write_language_model,
)
from thanosql.modelstore import ModelDescription

MODEL = ModelDescription("m", 1, "Test", "test", ("<pad>", "|", *"ACEHIRTW"), blank=0, word_delimiter=1)
WEIGHTS = Weights(1.0, 0.5, -2.0)

# After "the" comes "cat", after anything else "hat". Logarithms to base 10.
ARPA = """\\data\\
ngram 1=6
ngram 2=3

\\1-grams:
-3\t<unk>\t0
-99\t<s>\t-0.3
-1\t</s>\t0
-0.7\tthe\t-0.3
-0.8\tcat\t-0.3
-0.6\that\t-0.3

\\2-grams:
-0.2\t<s> the
-0.1\tthe cat
-0.4\tcat the

\\end\\
"""
SPELLINGS = {"the": "THE", "cat": "CAT", "hat": "HAT"}

needs_kenlm = pytest.mark.skipif(
    not is_installed(), reason="flashlight-text is not installed: no wheel for this Python"
)


def write(folder: Path) -> None:
    write_language_model(folder, ARPA.splitlines(), SPELLINGS, WEIGHTS)


def mixed(*frames: dict[str, float]) -> np.ndarray:
    """Log-probabilities of frames that hesitate; what is left goes to the blank."""
    probabilities = np.full((len(frames), len(MODEL.vocabulary)), 1e-9)
    for row, frame in zip(probabilities, frames, strict=True):
        for token, probability in frame.items():
            row[MODEL.vocabulary.index(token)] = probability
        row[0] += 1 - row.sum()
    return np.log(probabilities).astype(np.float32)


HESITATING = ({"H": 0.5, "C": 0.49}, {"A": 0.95}, {"T": 0.95})
THE = ({"T": 0.95}, {"H": 0.95}, {"E": 0.95}, {"|": 0.95})


@needs_kenlm
@pytest.mark.parametrize(
    ("frames", "text"),
    [(HESITATING, "HAT"), ((*THE, *HESITATING), "THE CAT"), ((*HESITATING, {"|": 0.95}, *HESITATING), "HAT HAT")],
)
def test_the_words_before_decide_where_the_sound_leaves_it_open(
    frames: tuple[dict[str, float], ...], text: str, tmp_path: Path
) -> None:
    write(tmp_path)
    found = read_language_model(tmp_path, MODEL)
    assert found is not None
    model, weights = found
    assert weights == WEIGHTS
    assert model.words == 3
    assert beam_search(mixed(*frames), MODEL, language=model.scores(weights)).text == text


@needs_kenlm
def test_a_word_scores_its_probability_in_nats_weighted(tmp_path: Path) -> None:
    write(tmp_path)
    found = read_language_model(tmp_path, MODEL)
    assert found is not None
    scores = found[0].scores(Weights(0.5, 2.0, -3.0))
    place = np.zeros(1, np.int64)
    for letter in "THE":
        place = scores.spell(place, np.array([MODEL.vocabulary.index(letter)]))
    history, score = scores.end_word(scores.start(), int(place[0]))
    assert score == pytest.approx(0.5 * -0.2 * math.log(10) + 2, abs=1e-5)
    # An unknown word backs off from "the", and is paid for when it leaves the words that are known.
    assert scores.leave_words(history) == pytest.approx(0.5 * (-0.3 - 3) * math.log(10) - 3, abs=1e-5)
    assert scores.end_word(history, -1)[1] == 2.0
    # TH is the beginning of a word and none itself.
    place = np.zeros(1, np.int64)
    for letter in "TH":
        place = scores.spell(place, np.array([MODEL.vocabulary.index(letter)]))
    assert scores.end_word(history, int(place[0]))[1] == pytest.approx(
        0.5 * (-0.3 - 3) * math.log(10) - 3 + 2, abs=1e-5
    )
    assert scores.finish(history) == pytest.approx(0.5 * (-0.3 - 1) * math.log(10), abs=1e-5)


@needs_kenlm
def test_kenlm_loads_without_a_word_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    read_language_model(tmp_path, MODEL)
    print("still here", file=sys.stderr)
    assert capfd.readouterr().err == "still here\n"


@needs_kenlm
def test_a_damaged_file_is_told_with_kenlms_reason(tmp_path: Path) -> None:
    (tmp_path / "words.arpa").write_text(ARPA.replace("-0.8", "minus"), "utf-8")
    with pytest.raises(DataError, match=r"cannot read the language model words\.arpa"):
        LanguageModel(tmp_path / "words.arpa", SPELLINGS, MODEL)


def test_a_version_without_a_language_model_has_none(tmp_path: Path) -> None:
    assert read_language_model(tmp_path, MODEL) is None
    assert count_language_model_bytes(tmp_path) == 0


def test_its_memory_is_told_from_its_files(tmp_path: Path) -> None:
    write(tmp_path)
    assert len(ARPA.encode()) < count_language_model_bytes(tmp_path) < 10_000


@pytest.mark.parametrize("text", ["{", "[]", '{"lm_weight": 1}'])
def test_damaged_weights_are_told_with_the_way_out(text: str, tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / FOLDER / "decoding.json").write_text(text, "utf-8")
    with pytest.raises(DataError, match="is damaged") as raised:
        read_language_model(tmp_path, MODEL)
    assert "remove that folder" in raised.value.hint


def test_where_flashlight_text_is_missing_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder.kenlm", None)
    assert not is_installed()
    with pytest.raises(NotSupported) as raised:
        read_language_model(tmp_path, MODEL)
    assert "pip install flashlight-text" in raised.value.hint


@given(
    st.lists(st.text("ABCD", max_size=5), max_size=30, unique=True), st.lists(st.text("ABCD", max_size=6), max_size=9)
)
def test_the_lexicon_knows_its_words_and_no_others(words: list[str], others: list[str]) -> None:
    lexicon = build_lexicon([["ABCD".index(letter) for letter in word] for word in words], 4)
    for word in {*words, *others} - {""}:
        node = np.zeros(1, np.int64)
        for letter in word:
            node = lexicon.spell(node, np.array(["ABCD".index(letter)]))
        begins = any(each.startswith(word) for each in words)
        assert (node[0] >= 0) == begins
        expected = words.index(word) if word in words else -1
        assert (lexicon.word[node[0]] if begins else -1) == expected
