"""Transcripts are cut where somebody who reads along would want it."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from thanosql.gateway.segments import LONGEST_SECONDS, MOST_CHARACTERS, PAUSE_SECONDS, cut_segments
from thanosql.types import Word


def words_at(*starts: float, long: float = 0.3) -> list[Word]:
    return [Word(f"w{place}", start, start + long, 0.5) for place, start in enumerate(starts)]


def test_a_pause_ends_a_segment():
    segments = cut_segments(words_at(0.0, 0.4, 0.8, 2.5, 2.9))
    assert [each.text for each in segments] == ["w0 w1 w2", "w3 w4"]
    assert [(each.start, round(each.end, 3)) for each in segments] == [(0.0, 1.1), (2.5, 3.2)]


def test_a_stretch_that_is_too_long_is_cut_at_its_longest_gap_in_the_middle():
    starts = [0.4 * place for place in range(12)] + [0.4 * place + 0.5 for place in range(12, 20)]
    assert [len(each.words) for each in cut_segments(words_at(*starts))] == [12, 8]


def test_no_words_give_no_segments():
    assert cut_segments([]) == []


def test_confidence_is_told_as_its_mean_logarithm():
    (segment,) = cut_segments([Word("a", 0, 1, 0.5), Word("b", 1, 2, 1.0)])
    assert math.isclose(segment.mean_log_confidence, math.log(0.5) / 2)


@given(st.lists(st.tuples(st.text("abc가", min_size=1, max_size=60), st.floats(0, 3), st.floats(0, 9)), max_size=60))
def test_every_word_is_in_one_segment_in_order_and_none_is_longer_than_allowed_but_of_one_word(parts):
    words, now = [], 0.0
    for text, gap, long in parts:
        words.append(Word(text, now + gap, now + gap + long, 1.0))
        now += gap + long
    segments = cut_segments(words)
    assert [word for segment in segments for word in segment.words] == words
    for segment in segments:
        if len(segment.words) > 1:
            assert segment.end - segment.start <= LONGEST_SECONDS
            assert len(segment.text) <= MOST_CHARACTERS
            gaps = [b.start - a.end for a, b in zip(segment.words, segment.words[1:], strict=False)]
            assert max(gaps) < PAUSE_SECONDS
