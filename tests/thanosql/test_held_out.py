"""The held-out sample comes back as it was stored, and is bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thanosql.errors import DataError
from thanosql.held_out import (
    LONGEST_SECONDS,
    MOST_CLIPS,
    MOST_SECONDS,
    REFERENCES,
    SAMPLE,
    SampleClip,
    choose_sample,
    read_sample,
    write_sample,
)

RATE = 16_000


def make_clip(seed: int, text: str | None) -> SampleClip:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 1_600 + seed).astype(np.float32)
    return SampleClip(samples, text)


def test_a_sample_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    clips = [make_clip(1, "HELLO"), make_clip(2, None), make_clip(3, "schöne „Grüße“")]
    write_sample(tmp_path, clips, RATE)
    read = read_sample(tmp_path)
    assert [clip.text for clip in read] == ["HELLO", None, "schöne „Grüße“"]
    for before, after in zip(clips, read, strict=True):
        assert after.samples.dtype == np.float32
        np.testing.assert_allclose(before.samples, after.samples, atol=1 / 32_768)


def test_a_version_without_a_sample_has_an_empty_one(tmp_path: Path) -> None:
    write_sample(tmp_path, [], RATE)
    assert not (tmp_path / SAMPLE).exists()
    assert read_sample(tmp_path) == ()


@pytest.mark.parametrize("damage", ["references", "recording", "another kind"])
def test_a_damaged_sample_is_named(damage: str, tmp_path: Path) -> None:
    write_sample(tmp_path, [make_clip(1, "HELLO")], RATE)
    if damage == "recording":
        (tmp_path / SAMPLE / "00.flac").write_bytes(b"noise")
    else:
        (tmp_path / SAMPLE / REFERENCES).write_text("{" if damage == "references" else '{"clips": [1]}')
    with pytest.raises(DataError, match=r"held-out sample .* is damaged"):
        read_sample(tmp_path)


def test_a_sample_is_bounded_in_clips_and_seconds() -> None:
    assert len(choose_sample([0.5] * 1_000)) == MOST_CLIPS
    lengths = [3.0 + number % 9 for number in range(1_000)]
    chosen = choose_sample(lengths)
    assert MOST_SECONDS - 12 < sum(lengths[place] for place in chosen) <= MOST_SECONDS
    assert choose_sample([LONGEST_SECONDS + 1, 2.0]) == (1,)


def test_a_sample_is_drawn_from_all_rows_and_always_the_same() -> None:
    chosen = choose_sample([2.0] * 1_000)
    assert chosen == choose_sample([2.0] * 1_000)
    assert list(chosen) == sorted(set(chosen))
    assert chosen[-1] > 500
