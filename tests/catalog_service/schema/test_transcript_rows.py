"""The transcript cache."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from catalog_service.schema.database import Database, found_workspace
from catalog_service.schema.models import Models
from catalog_service.schema.transcripts import Transcripts
from thanosql.types import AudioKey, CachedTranscript

MODEL = "tutorial_audio_recognition"


@pytest.fixture
def transcripts(database: Database) -> Transcripts:
    return Transcripts(database, "default", limit=10_000)


def make(count: int, first: int = 0) -> list[CachedTranscript]:
    return [
        CachedTranscript(AudioKey(f"{number}.wav", 1000 + number, 2**62 + number), f"text {number}", 0.5, "[]", 1.5)
        for number in range(first, first + count)
    ]


def keys(transcripts: list[CachedTranscript]) -> list[AudioKey]:
    return [each.key for each in transcripts]


def test_what_was_stored_is_found_in_any_number(transcripts: Transcripts, now: datetime) -> None:
    stored = make(2500)
    transcripts.store(MODEL, 1, stored, now)
    found = transcripts.lookup(MODEL, 1, keys(make(3000)), now)
    assert sorted(found, key=lambda t: t.key.size) == stored


def test_a_changed_file_is_not_found_and_its_new_transcript_replaces_the_old(
    transcripts: Transcripts, now: datetime
) -> None:
    (old,) = make(1)
    new = replace(old, key=replace(old.key, modified_ns=5), text="new")
    transcripts.store(MODEL, 1, [old], now)
    assert transcripts.lookup(MODEL, 1, [new.key], now) == ()
    transcripts.store(MODEL, 1, [new], now)
    assert transcripts.lookup(MODEL, 1, [new.key, old.key], now) == (new,)


def test_another_model_or_version_knows_nothing_of_it(transcripts: Transcripts, now: datetime) -> None:
    stored = make(1)
    transcripts.store(MODEL, 1, stored, now)
    assert transcripts.lookup(MODEL, 2, keys(stored), now) == ()
    assert transcripts.lookup("other", 1, keys(stored), now) == ()


def test_transcripts_go_with_their_model(transcripts: Transcripts, database: Database, now: datetime) -> None:
    stored = make(5)
    transcripts.store(MODEL, 1, stored, now)
    Models(database, "default").delete(MODEL, if_exists=False)
    assert transcripts.lookup(MODEL, 1, keys(stored), now) == ()


def test_transcripts_of_a_model_that_was_deleted_meanwhile_are_let_go(
    transcripts: Transcripts, database: Database, now: datetime
) -> None:
    Models(database, "default").delete(MODEL, if_exists=False)
    transcripts.store(MODEL, 1, make(1), now)
    assert transcripts.lookup(MODEL, 1, keys(make(1)), now) == ()


def test_beyond_the_limit_the_longest_unused_go(database: Database, now: datetime) -> None:
    transcripts = Transcripts(database, "default", limit=100)
    old, new = make(60), make(60, first=60)
    transcripts.store(MODEL, 1, old, now)
    transcripts.lookup(MODEL, 1, keys(old[:10]), now + timedelta(hours=2))
    transcripts.store(MODEL, 1, new, now + timedelta(hours=1))
    found = transcripts.lookup(MODEL, 1, keys(old + new), now)
    assert len(found) == 90
    assert {*keys(new), *keys(old[:10])} <= {each.key for each in found}


def test_nothing_to_store_and_nothing_to_look_up_is_fine(transcripts: Transcripts, now: datetime) -> None:
    transcripts.store(MODEL, 1, [], now)
    assert transcripts.lookup(MODEL, 1, [], now) == ()


def test_what_was_decoded_otherwise_is_another_transcript(transcripts: Transcripts, now: datetime) -> None:
    (plain,) = make(1)
    favoured = replace(plain, text="with hotwords")
    transcripts.store(MODEL, 1, [plain], now)
    assert transcripts.lookup(MODEL, 1, [plain.key], now, "hotwords") == ()
    transcripts.store(MODEL, 1, [favoured], now, "hotwords")
    assert transcripts.lookup(MODEL, 1, [plain.key], now, "hotwords") == (favoured,)
    assert transcripts.lookup(MODEL, 1, [plain.key], now) == (plain,)


def test_a_file_that_was_touched_moved_or_copied_is_known_by_its_content(
    transcripts: Transcripts, now: datetime
) -> None:
    (old,) = (replace(each, key=replace(each.key, content="ab12")) for each in make(1))
    transcripts.store(MODEL, 1, [old], now)
    touched = replace(old.key, modified_ns=5)
    copied = replace(old.key, path="copies/0.wav", modified_ns=6)
    found = transcripts.lookup(MODEL, 1, [touched, copied], now)
    assert {(each.key, each.text) for each in found} == {(touched, old.text), (copied, old.text)}
    without_content = [replace(key, content="") for key in (touched, copied)]
    assert {each.key for each in transcripts.lookup(MODEL, 1, without_content, now)} == {touched, copied}


def test_who_only_looks_leaves_no_trace(transcripts: Transcripts, now: datetime) -> None:
    (old,) = (replace(each, key=replace(each.key, content="ab12")) for each in make(1))
    transcripts.store(MODEL, 1, [old], now)
    copied = replace(old.key, path="copied.wav", modified_ns=7)
    (found,) = transcripts.lookup(MODEL, 1, [copied], now, only_looks=True)
    assert found.text == old.text
    assert transcripts.lookup(MODEL, 1, [replace(copied, content="")], now) == ()


def test_a_file_of_other_content_is_not_known_whatever_its_size_and_time_say(
    transcripts: Transcripts, now: datetime
) -> None:
    (old,) = (replace(each, key=replace(each.key, content="ab12")) for each in make(1))
    transcripts.store(MODEL, 1, [old], now)
    assert transcripts.lookup(MODEL, 1, [replace(old.key, content="cd34")], now) == ()
    assert transcripts.lookup(MODEL, 1, [replace(old.key, path="x.wav", content="cd34")], now) == ()
    assert transcripts.lookup(MODEL, 2, [replace(old.key, path="x.wav")], now) == ()
    assert transcripts.lookup(MODEL, 1, [replace(old.key, path="x.wav")], now, "hotwords") == ()


def test_a_file_whose_content_is_not_told_is_not_known_by_it(transcripts: Transcripts, now: datetime) -> None:
    transcripts.store(MODEL, 1, make(1), now)
    assert transcripts.lookup(MODEL, 1, [AudioKey("x.wav", 1000, 1)], now) == ()


def test_copies_count_against_the_limit(database: Database, now: datetime) -> None:
    transcripts = Transcripts(database, "default", limit=100)
    (one,) = (replace(each, key=replace(each.key, content="ab12")) for each in make(1))
    transcripts.store(MODEL, 1, [one], now)
    for copy in range(150):
        moment = now + timedelta(seconds=copy)
        assert transcripts.lookup(MODEL, 1, [replace(one.key, path=f"copies/{copy}.wav")], moment)
    paths = [AudioKey(f"copies/{copy}.wav", one.key.size, one.key.modified_ns) for copy in range(150)]
    assert len(transcripts.lookup(MODEL, 1, paths, now)) <= 101


def test_each_workspace_has_its_own_transcripts_and_its_own_room_for_them(database: Database, now: datetime) -> None:
    found_workspace(database, "research", now)
    here, there = (Transcripts(database, name, limit=100) for name in ("default", "research"))
    key = AudioKey("a.wav", 10, 20, "ab12")
    here.store(MODEL, 1, [CachedTranscript(key, "ours")], now)
    assert there.lookup(MODEL, 1, [key], now) == ()
    there.store(MODEL, 1, [CachedTranscript(key, "theirs")], now)
    there.store(
        MODEL, 1, [CachedTranscript(AudioKey(f"{n}.wav", 1, 2), "x") for n in range(200)], now + timedelta(hours=1)
    )
    assert [each.text for each in here.lookup(MODEL, 1, [key], now)] == ["ours"]
    Models(database, "research").delete(MODEL, if_exists=False)
    assert [each.text for each in here.lookup(MODEL, 1, [key], now)] == ["ours"]
