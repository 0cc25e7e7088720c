"""Cutting long recordings into pieces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_service.speech.audio import (
    CUT_TO,
    PAUSE_CONTEXT,
    PIECE_SECONDS,
    SPEECH_CONTEXT,
    Piece,
    cut_pieces,
    expect_pieces,
)

RATE, STEP = 1_600, 32  # a tenth of the real ones, for speed


def cut(samples: np.ndarray, block: int = 5_000) -> list[Piece]:
    blocks = (samples[start : start + block] for start in range(0, len(samples), block))
    return list(cut_pieces(blocks, sample_rate=RATE, frame_samples=STEP))


def make_noise(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(round(seconds * RATE)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 200), st.sampled_from([700, 5_000, 100_000]))
def test_the_parts_that_count_make_the_recording(seconds: float, block: int) -> None:
    samples = make_noise(seconds)
    pieces = cut(samples, block)
    kept = [p.samples[p.span.keep_from - p.span.start : p.span.keep_until - p.span.start] for p in pieces]
    np.testing.assert_array_equal(np.concatenate(kept), samples)
    for piece in pieces:
        assert len(piece.samples) == piece.span.end - piece.span.start <= PIECE_SECONDS * RATE
        assert piece.span.start % STEP == piece.span.keep_from % STEP == 0
        assert piece.span.is_last == (piece is pieces[-1])
        assert piece.span.is_last or piece.span.keep_until % STEP == 0


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 150), st.integers(1, 200_000), st.integers(1, 200_000))
def test_the_cuts_do_not_depend_on_how_the_recording_comes_in(seconds: float, block: int, other: int) -> None:
    samples = make_noise(seconds)
    sizes = [max(each, len(samples) // 500) for each in (block, other)]  # few enough blocks
    one, two = ([piece.span for piece in cut(samples, size)] for size in sizes)
    assert one == two


def test_a_recording_that_fits_is_one_piece() -> None:
    assert len(cut(make_noise(PIECE_SECONDS))) == 1
    assert len(cut(make_noise(PIECE_SECONDS + 0.1))) > 1


def test_a_cut_falls_into_the_pause_with_little_context() -> None:
    samples = make_noise(40)
    pause = slice(round(11.5 * RATE), round(12.1 * RATE))
    samples[pause] *= 0.01
    first = cut(samples)[0].span
    assert pause.start < first.keep_until < pause.stop
    assert (first.end - first.keep_until) / RATE == pytest.approx(PAUSE_CONTEXT, abs=0.02)


def test_a_cut_through_speech_has_much_context_on_both_sides() -> None:
    pieces = cut(make_noise(70))
    for piece in pieces[1:-1]:
        assert (piece.span.keep_from - piece.span.start) / RATE == pytest.approx(SPEECH_CONTEXT, abs=0.02)
        assert (piece.span.end - piece.span.keep_until) / RATE == pytest.approx(SPEECH_CONTEXT, abs=0.02)


def test_an_hour_is_cut_without_being_held() -> None:
    taken = 0

    def read() -> Iterator[np.ndarray]:
        nonlocal taken
        block = make_noise(15)
        for _ in range(240):
            taken += len(block)
            yield block

    for piece in cut_pieces(read(), sample_rate=RATE, frame_samples=STEP):
        assert taken - piece.span.keep_from <= (PIECE_SECONDS + 15 + CUT_TO) * RATE
    assert taken == 3600 * RATE


def test_what_is_expected_of_a_recording_is_about_what_is_cut() -> None:
    for seconds in (20.0, 30.0, 31.0, 45.0, 200.0):
        # Of noise every cut has the full context of speech, so the pieces are longer than of speech with its pauses.
        lengths = [len(piece.samples) / RATE for piece in cut(make_noise(seconds))]
        expected = expect_pieces(seconds)
        assert 0.65 * sum(lengths) <= sum(expected) <= sum(lengths) + 1e-6
        assert max(expected) <= PIECE_SECONDS
