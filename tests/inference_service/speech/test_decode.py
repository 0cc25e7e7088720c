"""Joining the frames of pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_service.speech.audio import Span, cut_pieces
from inference_service.speech.decode import FrameScores, blank_frames, count_frames, join_frames, make_transcript
from thanosql.errors import DataError
from thanosql.modelstore import ModelDescription

MODEL = ModelDescription(
    name="m", version=3, class_name="Test", base="test", vocabulary=("<pad>", "|", "A", "B"), blank=0, word_delimiter=1
)
STEP = MODEL.frame_samples
SECOND = 16_000


def frames_of(tokens: list[int]) -> FrameScores:
    return FrameScores(np.array(tokens, np.int64), np.full(len(tokens), -0.01, np.float32))


def test_frames_are_counted_as_the_model_does() -> None:
    assert [count_frames(samples, MODEL) for samples in (0, 399, 400, 719, 720, SECOND)] == [0, 0, 1, 1, 2, 49]


def test_the_middle_of_each_piece_is_kept() -> None:
    pieces = [
        (Span(0, 8 * STEP + 80, 0, 5 * STEP, is_last=False), frames_of([2, 2, 0, 2, 2, 3, 3, 3])),
        (Span(3 * STEP, 9 * STEP + 80, 5 * STEP, 9 * STEP + 80, is_last=True), frames_of([3, 3, 2, 0, 2, 1])),
    ]
    assert join_frames(pieces, MODEL).tokens.tolist() == [2, 2, 0, 2, 2, 2, 0, 2, 1]


def hear(samples: np.ndarray) -> FrameScores:
    """A model that looks at the first and last sample of each frame's receptive field, and nowhere else."""
    first = np.arange(count_frames(len(samples), MODEL)) * STEP
    seen = samples[first] + samples[first + MODEL.receptive_samples - 1]
    return FrameScores((seen * 4).astype(np.int64), -seen, np.stack([seen, -seen], axis=1))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.05, 150), st.integers(0, 2**32 - 1), st.sampled_from([8_000, 262_144]))
def test_a_model_that_hears_no_context_says_of_the_pieces_what_it_says_of_the_whole(
    seconds: float, seed: int, block: int
) -> None:
    samples = np.random.default_rng(seed).random(round(seconds * SECOND), np.float32) / 2
    samples[len(samples) // 3 : len(samples) // 2] *= 0.001  # a pause, in which a cut may fall
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    pieces = [(piece.span, hear(piece.samples)) for piece in cut_pieces(blocks, sample_rate=SECOND, frame_samples=STEP)]
    joined, whole = join_frames(pieces, MODEL), hear(samples)
    np.testing.assert_array_equal(joined.tokens, whole.tokens)
    np.testing.assert_array_equal(joined.scores, whole.scores)
    assert joined.log_probs is not None
    np.testing.assert_array_equal(joined.log_probs, whole.log_probs)


def test_a_letter_across_a_cut_is_one_letter() -> None:
    pieces = [
        (Span(0, 4 * STEP + 80, 0, 2 * STEP, is_last=False), frames_of([0, 2, 2, 0])),
        (Span(STEP, 5 * STEP + 80, 2 * STEP, 5 * STEP + 80, is_last=True), frames_of([2, 2, 0, 3])),
    ]
    transcript = make_transcript(7, pieces, MODEL, words=True)
    assert (transcript.id, transcript.text) == (7, "AB")
    assert [(w.start, w.end) for w in transcript.words] == [(0.02, 0.1)]
    assert transcript.audio_seconds == (5 * STEP + 80) / SECOND


def test_times_go_on_over_a_piece_without_sound() -> None:
    silent = Span(0, 12 * SECOND, 0, 11 * SECOND, is_last=False)
    spoken = Span(10 * SECOND, 13 * SECOND, 11 * SECOND, 13 * SECOND, is_last=True)
    said = frames_of([3] * 50 + [0] * 50 + [2] + [0] * 48)
    transcript = make_transcript(0, [(silent, blank_frames(silent, MODEL)), (spoken, said)], MODEL, words=True)
    assert [(w.word, w.start, w.end) for w in transcript.words] == [("A", 12.0, 12.02)]


def test_words_are_sent_only_where_they_are_wanted() -> None:
    piece = (Span(0, 2 * STEP + 80, 0, 2 * STEP + 80, is_last=True), frames_of([2, 3]))
    assert make_transcript(0, [piece], MODEL, words=False).words == ()
    assert make_transcript(0, [piece], MODEL, words=False).confidence > 0.9


def test_a_model_that_gives_no_numbers_is_named() -> None:
    frames = FrameScores(np.array([0, 0]), np.array([np.nan, 0], np.float32))
    with pytest.raises(DataError, match="version 3 of model 'm'"):
        make_transcript(0, [(Span(0, 720, 0, 720, is_last=True), frames)], MODEL, words=False)
