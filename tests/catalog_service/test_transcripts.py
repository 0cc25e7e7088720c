"""Which transcripts are still true, and how many are kept."""

from __future__ import annotations

import pytest

from catalog_service.transcripts import chunks, newest_by_path, still_true, surplus
from thanosql.errors import DataError
from thanosql.types import AudioKey, CachedTranscript


def transcript(path: str, size: int = 1, text: str = "hello") -> CachedTranscript:
    return CachedTranscript(AudioKey(path, size, 5), text)


def test_chunks_hold_everything_in_order() -> None:
    assert list(chunks(range(5), 2)) == [(0, 1), (2, 3), (4,)]
    assert list(chunks([], 2)) == []


def test_a_file_that_has_changed_has_no_transcript() -> None:
    found = [transcript("a.wav"), transcript("b.wav", size=2)]
    assert still_true(found, [AudioKey("a.wav", 1, 5), AudioKey("b.wav", 1, 5)]) == (found[0],)


def test_the_last_transcript_of_a_path_counts() -> None:
    assert newest_by_path([transcript("a.wav", text="old"), transcript("a.wav", text="new")])[0].text == "new"


def test_a_transcript_of_nothing_is_refused() -> None:
    with pytest.raises(DataError):
        newest_by_path([transcript("")])


def test_room_is_made_for_a_tenth_more_than_needed() -> None:
    assert surplus(100, 100) == 0
    assert surplus(101, 100) == 11
