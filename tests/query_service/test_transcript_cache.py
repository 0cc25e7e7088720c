"""The transcript cache: what was said of a recording is known again by its content, whatever became of its file."""

from __future__ import annotations

import json
import os
import shutil
import threading
import uuid

import pytest

from query_service.transcribing.content import hash_file
from thanosql.clients import CatalogClient
from thanosql.errors import Cancelled, Unavailable
from thanosql.types import AudioKey, Model, Notice


@pytest.fixture
def predict(services, ready_model):
    """Runs PREDICT over paths; gives the texts that it gets for them."""

    def predict(*paths, options="", model=ready_model):
        services.table("kept", "\n".join(["id,audio_path", *(f"{i},{path}" for i, path in enumerate(paths))]) + "\n")
        rows = services.rows(f"PREDICT USING {model} {options} AS SELECT * FROM kept ORDER BY id")
        return [row["predicted"] for row in rows]

    return predict


def count_new(services):
    """How many recordings the model has heard since this was asked last."""
    heard, services.inference.heard = len(services.inference.heard), []
    return heard


def csv(paths):
    return "\n".join(["audio_path", *paths]) + "\n"


def test_a_file_that_was_moved_copied_or_touched_is_known(services, predict):
    (path,) = services.recordings("travels.wav", folder="cache")
    assert predict(path) == ["travels"]
    folder = services.workspace / "cache"
    shutil.copy(folder / "travels.wav", folder / "copied.wav")
    assert predict("cache/copied.wav") == ["travels"]
    (folder / "copied.wav").rename(folder / "moved.wav")
    assert predict("cache/moved.wav") == ["travels"]
    os.utime(folder / "travels.wav", (1, 1))
    assert predict(path) == ["travels"]
    assert count_new(services) == 1


def test_what_is_known_by_content_needs_no_model_and_is_found_by_its_file_the_next_time(services, predict):
    (path,) = services.recordings("served.wav", folder="cache")
    predict(path)
    streams = len(services.inference.starts)
    (services.workspace / path).rename(services.workspace / "cache" / "elsewhere.wav")
    for _ in range(2):
        assert predict("cache/elsewhere.wav") == ["served"]
    assert len(services.inference.starts) == streams


def test_files_of_the_same_bytes_are_heard_once_in_one_statement(services, predict):
    (path,) = services.recordings("twin.wav", folder="cache")
    copies = [f"cache/twin{i}.wav" for i in range(5)]
    for copy in copies:
        shutil.copy(services.workspace / path, services.workspace / copy)
    for options in ("", "OPTIONS (cache=False)"):
        texts = predict(*copies, path, options=options)
        assert len(set(texts)) == 1
        assert count_new(services) == 1


def test_files_of_the_same_bytes_that_fail_say_so_of_each(services, ready_model, predict):
    (path,) = services.recordings("broken.wav", folder="cache")
    shutil.copy(services.workspace / path, services.workspace / "cache/broken too.wav")
    for each in (path, "cache/broken too.wav"):
        services.inference.failures[each] = ("unreadable", f"{each} is broken")
    predict(path, "cache/broken too.wav")
    rows = services.rows(f"PREDICT USING {ready_model} OPTIONS (error_col='why') AS SELECT * FROM kept ORDER BY id")
    assert [row["why"] for row in rows] == ["cache/broken.wav is broken", "cache/broken too.wav is broken"]


def test_every_transcript_is_stored_with_its_content(services, ready_model, predict):
    (path,) = services.recordings("hashed.wav", folder="cache")
    predict(path)
    file = services.workspace / path
    key = hash_file(file, AudioKey(path, 0, 0))
    version = services.catalog.get_model(ready_model).version
    elsewhere = AudioKey("nowhere.wav", 1, 1, key.content)
    (found,) = services.catalog.lookup_transcripts(ready_model, version, [elsewhere])
    assert (found.text, found.key) == ("hashed", elsewhere)


def test_a_file_that_changes_while_it_is_heard_is_not_kept(services, predict):
    (path,) = services.recordings("written.wav", folder="cache")

    def write(heard):
        with (services.workspace / heard).open("ab") as file:
            file.write(b"more")

    services.inference.before_clip = write
    assert predict(path) == ["written"]
    services.inference.before_clip = lambda path: None
    assert predict(path) == ["written"]
    assert count_new(services) == 2


def test_a_new_version_of_the_model_starts_afresh(services, ready_model, predict):
    (path,) = services.recordings("versioned.wav", folder="cache")
    predict(path)
    version = services.catalog.reserve_model_version(ready_model)
    services.catalog.register_model(Model(ready_model, version, "Wav2Vec2En", "a/b@c"))
    predict(path)
    assert count_new(services) == 2


def test_transcripts_in_another_precision_are_others(services, predict):
    (path,) = services.recordings("precise.wav", folder="cache")
    for precision, new in (("fp32", 1), ("int8", 1), ("int8", 0), ("fp32", 0)):
        services.inference.precision = precision
        predict(path)
        assert count_new(services) == new, precision


def test_a_precision_that_is_not_known_before_the_model_is_loaded_is_asked_for_again(services, predict):
    first, second = services.recordings("cold.wav", "warm.wav", folder="cache")
    services.inference.precision = ""
    services.inference.before_clip = lambda path: setattr(services.inference, "precision", "int8")
    predict(first)
    predict(first, second)
    assert services.inference.heard == ["cache/cold.wav", "cache/warm.wav"]


def test_what_is_cached_needs_no_inference_service(services, predict):
    (path,) = services.recordings("alone.wav", folder="cache")
    predict(path)

    def refuse(request, context):
        context.abort(14, "down")

    services.inference.GetStatistics = refuse
    assert predict(path) == ["alone"]
    assert count_new(services) == 1


def test_ten_new_rows_cost_ten_transcripts(services, predict):
    old = services.recordings(*(f"old{i}.wav" for i in range(15)), folder="cache")
    predict(*old)
    count_new(services)
    new = services.recordings(*(f"new{i}.wav" for i in range(10)), folder="cache")
    assert predict(*new, *old) == [*(f"new{i}" for i in range(10)), *(f"old{i}" for i in range(15))]
    assert count_new(services) == 10


def test_a_predict_that_was_stopped_goes_on_where_it_was_even_though_the_files_have_moved(services, ready_model):
    names = [f"part{i}.wav" for i in range(30)]
    paths = services.recordings(*names, folder="stopped")
    services.table("stopped", csv(paths))
    query_id = str(uuid.uuid4())
    tenth = threading.Event()

    def count(path):
        if len(services.inference.heard) == 10:
            tenth.set()
            services.inference.cancelled.wait(20)

    services.inference.before_clip = count
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM stopped"
    events = services.client.execute(statement, query_id)
    next(events)
    assert tenth.wait(20)
    assert services.client.cancel(query_id)
    with pytest.raises(Cancelled):
        list(events)
    services.inference.before_clip = lambda path: None
    services.inference.heard = []
    (services.workspace / "stopped").rename(services.workspace / "moved")
    services.table("stopped", csv(f"moved/{name}" for name in names))
    assert len(services.rows(statement)) == 30
    assert len(services.inference.heard) <= 20


def test_transcripts_that_cannot_be_kept_are_told_of(services, ready_model, monkeypatch):
    def refuse(*arguments):
        raise Unavailable("the disk is full")

    monkeypatch.setattr(CatalogClient, "store_transcripts", refuse)
    paths = services.recordings(*(f"full{i}.wav" for i in range(201)), folder="full")
    services.table("full", csv(paths))
    events = services.run(f"PREDICT USING {ready_model} AS SELECT * FROM full")
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["The transcripts could not be kept for the next time: the disk is full."]


def test_word_times_outlive_a_move_that_nobody_wanted_them_for(services, predict):
    (path,) = services.recordings("timed.wav", folder="cache")
    predict(path, options="OPTIONS (words_col='words')")
    (services.workspace / path).rename(services.workspace / "cache/timed later.wav")
    predict("cache/timed later.wav")
    predict("cache/timed later.wav", options="OPTIONS (words_col='words')")
    assert count_new(services) == 1


def test_what_was_heard_before_a_limit_was_reached_is_kept(services, ready_model):
    paths = services.recordings(*(f"limit{i}.wav" for i in range(60)), folder="limited")
    services.table("limited", csv(paths))
    services.inference.seconds_per_clip = 0.01
    inner = f"(PREDICT USING {ready_model} AS SELECT * FROM limited)"
    assert len(services.rows(f"SELECT * FROM {inner} WHERE predicted LIKE 'limit%' LIMIT 20")) == 20
    assert services.inference.cancelled.wait(10)
    heard = count_new(services)
    assert 20 <= heard < 60
    assert len(services.rows(f"SELECT * FROM {inner}")) == 60
    assert count_new(services) <= 60 - 20


def test_the_hash_of_a_file_that_is_being_written_is_not_told(tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(bytes(3_000_000))

    def grow():
        with file.open("ab") as more:
            more.write(b"x")
        return False

    assert hash_file(file, AudioKey("a.wav", 0, 0), grow).content == ""
    settled = hash_file(file, AudioKey("a.wav", 0, 0))
    assert (len(settled.content), settled.size) == (32, file.stat().st_size)
    assert hash_file(file, settled, lambda: True).content == ""


def test_a_second_predict_takes_what_is_known_from_the_cache_and_says_so(services, ready_model):
    services.table("cached", csv(services.recordings("k1.wav", "k2.wav")))
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM cached"
    first = services.rows(statement)
    services.table("cached", csv([*services.recordings("k3.wav"), "audio/k1.wav", "audio/k2.wav"]))
    events = services.run(statement)
    assert [row["predicted"] for row in services.rows(statement)] == ["k3", *(row["predicted"] for row in first)]
    assert services.inference.heard == ["audio/k1.wav", "audio/k2.wav", "audio/k3.wav"]
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "2 files were transcribed before; their transcripts are taken from the cache."
    ]


def test_a_file_that_has_changed_is_transcribed_again(services, ready_model):
    services.table("changed", csv(services.recordings("changed.wav")))
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM changed"
    services.run(statement)
    (services.workspace / "audio" / "changed.wav").write_bytes(b"something else")
    services.run(statement)
    assert services.inference.heard == 2 * ["audio/changed.wav"]


def test_cache_false_neither_uses_nor_fills_the_cache(services, ready_model):
    services.table("uncached", csv(services.recordings("uncached.wav")))
    statement = f"PREDICT USING {ready_model} {{}} AS SELECT * FROM uncached"
    for options in ("OPTIONS (cache=False)", "", "OPTIONS (cache=False)"):
        services.run(statement.format(options))
    assert services.inference.heard == 3 * ["audio/uncached.wav"]


def test_transcripts_with_other_hotwords_are_others_and_are_kept_apart(services, ready_model):
    services.table("favoured", csv(services.recordings("favoured.wav")))
    statement = f"PREDICT USING {ready_model} {{}} AS SELECT * FROM favoured"
    plain, favoured = "", "OPTIONS (hotwords=['Anna Müller', 'Kubernetes'])"
    for options in (plain, favoured):
        services.run(statement.format(options))
    reordered = "OPTIONS (hotwords=['Kubernetes', 'Anna Müller'], hotword_weight=1)"
    for options in (plain, favoured, reordered):  # all three are known
        services.run(statement.format(options))
    assert len(services.inference.heard) == 2
    for options in ("OPTIONS (hotwords=['Anna Müller'])", favoured.replace("])", "], hotword_weight=2)")):
        services.run(statement.format(options))
    assert len(services.inference.heard) == 4
    sent = [(list(start.hotwords), start.hotword_weight) for start in services.inference.starts]
    assert sent == [
        ([], 0.0),
        (["Anna Müller", "Kubernetes"], 1.0),
        (["Anna Müller"], 1.0),
        (["Anna Müller", "Kubernetes"], 2.0),
    ]


def test_transcripts_without_word_times_do_not_serve_where_they_are_wanted(services, ready_model):
    services.table("worded", csv(services.recordings("worded.wav")))
    services.run(f"PREDICT USING {ready_model} AS SELECT * FROM worded")
    (row,) = services.rows(f"PREDICT USING {ready_model} OPTIONS (words_col='words') AS SELECT * FROM worded")
    assert json.loads(row["words"]) == [{"word": "worded", "start": 0.5, "end": 1.25, "confidence": 0.75}]
    (row,) = services.rows(f"PREDICT USING {ready_model} OPTIONS (words_col='words') AS SELECT * FROM worded")
    assert json.loads(row["words"])[0]["word"] == "worded"
    assert len(services.inference.heard) == 2
