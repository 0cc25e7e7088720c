"""Beam search says what greedy decoding says where the model is certain, and what is likelier where it is not."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thanosql.beam_search import beam_search
from thanosql.ctc import decode, decode_text
from thanosql.hotwords import find_hotwords
from thanosql.modelstore import ModelDescription

MODEL = ModelDescription(
    "m", 1, "Test", "test", ("<pad>", "<s>", "|", *"ABCEHLOT"), blank=0, word_delimiter=2, special=(1,)
)
SIZE = len(MODEL.vocabulary)
LETTER = {"-": 0, "<": 1, "|": 2} | {letter: place for place, letter in enumerate(MODEL.vocabulary) if len(letter) == 1}


def frames_of(text: str, certainty: float) -> np.ndarray:
    """Log-probabilities of frames that each say one token, `-` being the blank, with this probability."""
    probabilities = np.full((len(text), SIZE), (1 - certainty) / (SIZE - 1))
    probabilities[np.arange(len(text)), [LETTER[each] for each in text]] = certainty
    return np.log(probabilities).astype(np.float32)


def mixed(*frames: dict[str, float]) -> np.ndarray:
    """Log-probabilities of frames that hesitate; what is left goes to the blank."""
    probabilities = np.full((len(frames), SIZE), 1e-9)
    for row, frame in zip(probabilities, frames, strict=True):
        for token, probability in frame.items():
            row[LETTER[token]] = probability
        row[0] += 1 - row.sum()
    return np.log(probabilities).astype(np.float32)


@given(st.text("-|<ABHELO", max_size=60))
@settings(deadline=None)
def test_where_the_model_is_certain_the_result_is_that_of_greedy_decoding(text: str) -> None:
    log_probs = frames_of(text, 0.999)
    tokens = log_probs.argmax(-1) if len(text) else np.zeros(0, np.int64)
    found = beam_search(log_probs, MODEL)
    greedy = decode(tokens, log_probs.max(-1, initial=-9), MODEL)
    assert found.text == greedy.text == decode_text(tokens, MODEL)
    assert [(w.word, w.start, w.end) for w in found.words] == [(w.word, w.start, w.end) for w in greedy.words]
    assert found.confidence == pytest.approx(greedy.confidence, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_the_text_is_the_likeliest_one_over_all_its_alignments(seed: int) -> None:
    model = ModelDescription("m", 1, "Test", "test", ("<pad>", "<s>", "|", "A", "B"), 0, 2, (1,))
    draw = np.random.default_rng(seed)
    log_probs = np.log(draw.dirichlet(np.full(5, 0.7), size=6))
    sums: dict[tuple[str, bool], float] = {}
    for alignment in itertools.product(range(5), repeat=6):
        text = decode_text(np.array(alignment), model)
        # A text behind which another word may begin is a text of its own.
        is_open = [token for token in alignment if token > 1][-1:] != [2]
        sums[text, is_open] = sums.get((text, is_open), 0.0) + float(np.exp(log_probs[range(6), alignment].sum()))
    best = max(sums, key=lambda each: sums[each])
    assert beam_search(log_probs, model, hypotheses=500).text == best[0]


def test_alignments_of_one_text_add_up() -> None:
    # Greedy takes the blank twice: 0.36. But A is said in 1 - 0.36 of all cases.
    log_probs = mixed({"A": 0.4}, {"A": 0.4})
    assert decode_text(log_probs.argmax(-1), MODEL) == ""
    assert beam_search(log_probs, MODEL).text == "A"


def test_a_special_token_parts_double_letters_as_in_greedy_decoding() -> None:
    assert beam_search(frames_of("HEL<LO", 0.99), MODEL).text == "HELLO"


def test_no_frames_say_nothing() -> None:
    found = beam_search(np.zeros((0, SIZE), np.float32), MODEL)
    assert (found.text, found.confidence, found.words) == ("", 0.0, ())


def test_impossible_tokens_of_silence_do_no_harm() -> None:
    log_probs = np.full((50, SIZE), float(np.log(np.finfo(np.float32).tiny)), np.float32)
    log_probs[:, 0] = 0.0
    assert beam_search(log_probs, MODEL, hotwords=find_hotwords(["HELLO"], 1.0, MODEL)).text == ""


def test_a_hotword_wins_where_the_sound_leaves_it_open() -> None:
    log_probs = mixed({"C": 0.55, "H": 0.44}, {"A": 0.95}, {"T": 0.95}, {"|": 0.95}, {"A": 0.95}, {"T": 0.95})
    assert beam_search(log_probs, MODEL).text == "CAT AT"
    assert beam_search(log_probs, MODEL, hotwords=find_hotwords(["hat"], 1.0, MODEL)).text == "HAT AT"


def test_a_hotword_that_is_not_said_is_not_inserted() -> None:
    log_probs = frames_of("THE|CELL|-|BA-", 0.95)
    hotwords = find_hotwords(["HELLO", "TABLE", "A BELL"], 1.0, MODEL)
    assert beam_search(log_probs, MODEL, hotwords=hotwords).text == beam_search(log_probs, MODEL).text


class Words:
    """A language model that knows three words, each after any other."""

    def __init__(self, known: Iterable[str], bonus: float) -> None:
        self._places = {"": 0}
        for word in known:
            for end in range(1, len(word) + 1):
                self._places.setdefault(word[:end], len(self._places))
        self._known, self._bonus = set(known), bonus
        self._texts = {place: text for text, place in self._places.items()}

    def start(self) -> int:
        return 0

    def begin_word(self) -> int:
        return 0

    def spell(self, places: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        pairs = zip(places.tolist(), tokens.tolist(), strict=True)
        texts = [self._texts.get(place, "?") + MODEL.vocabulary[token] for place, token in pairs]
        return np.array([self._places.get(text, -1) for text in texts], np.int64)

    def leave_words(self, history: int) -> float:
        return -self._bonus

    def end_word(self, history: int, place: int) -> tuple[int, float]:
        return history + 1, self._bonus if self._texts.get(place) in self._known else 0.0

    def finish(self, history: int) -> float:
        return 0.0


def test_a_known_word_wins_where_the_sound_leaves_it_open() -> None:
    log_probs = mixed({"C": 0.55, "H": 0.44}, {"A": 0.95}, {"T": 0.95}, {"|": 0.95}, {"A": 0.95}, {"T": 0.95})
    assert beam_search(log_probs, MODEL, language=Words(["HAT", "AT", "TEA"], 1.0)).text == "HAT AT"


def test_a_word_that_the_language_model_does_not_know_comes_out_where_it_is_clearly_said() -> None:
    log_probs = frames_of("HAT|-BOB|TEA-", 0.99)
    assert beam_search(log_probs, MODEL, language=Words(["HAT", "AT", "TEA"], 2.0)).text == "HAT BOB TEA"


def test_times_and_confidence_are_those_of_the_letters_that_were_chosen() -> None:
    log_probs = mixed({}, {"C": 0.55, "H": 0.44}, {"A": 0.95}, {"A": 0.95}, {"T": 0.95}, {})
    (word,) = beam_search(log_probs, MODEL, hotwords=find_hotwords(["hat"], 1.0, MODEL)).words
    assert (word.word, word.start, word.end) == ("HAT", pytest.approx(0.02), pytest.approx(0.10))
    assert word.confidence == pytest.approx((SIZE * 0.44 - 1) / (SIZE - 1), abs=1e-4)


def test_a_long_recording_is_decoded_in_one_go() -> None:
    text = "HELLO|-CAT-|" * 300
    assert beam_search(frames_of(text, 0.97), MODEL).text == " ".join(["HELO CAT"] * 300)
