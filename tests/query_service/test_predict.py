"""PREDICT: rows with the transcripts of their recordings, through a real catalog and a played inference service."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from thanosql.errors import Cancelled, DataError, InvalidOption, Unavailable, UnknownColumn
from thanosql.types import Notice, Progress, Rows, Severity


def csv(paths, header="audio_path", values=None):
    lines = [header, *(values or paths)]
    return "\n".join(lines) + "\n"


def notices(events):
    return [event.text for event in events if isinstance(event, Notice)]


def test_rows_come_in_their_order_with_all_columns_then_the_transcript(services, ready_model):
    services.inference.backwards = True
    paths = services.recordings("b.wav", "a.wav", "c.wav")
    services.table("ordered", csv([], "id,audio_path", [f"{i},{path}" for i, path in enumerate(paths)]))
    rows = services.rows(f"PREDICT USING {ready_model} AS SELECT audio_path, id FROM ordered ORDER BY id DESC")
    assert rows == [
        {"audio_path": "audio/c.wav", "id": 2, "predicted": "c"},
        {"audio_path": "audio/a.wav", "id": 1, "predicted": "a"},
        {"audio_path": "audio/b.wav", "id": 0, "predicted": "b"},
    ]


def test_each_distinct_file_is_transcribed_once_whatever_the_rows_call_it(services, ready_model):
    services.recordings("once.wav")
    services.table("same", csv(["audio/once.wav", "./audio/once.wav", "audio/once.wav", "audio/../audio/once.wav"]))
    rows = services.rows(f"PREDICT USING {ready_model} AS SELECT * FROM same")
    assert [row["predicted"] for row in rows] == 4 * ["once"]
    assert services.inference.heard == ["audio/once.wav"]


def test_what_is_wrong_with_a_hotword_is_shown_where_it_stands(services, ready_model):
    services.table("misspelled", csv(services.recordings("misspelled.wav")))
    services.inference.refuses = InvalidOption(
        "model 'm' cannot spell the hotword 'Київ'", hint="Its letters are: ABC."
    )
    error = services.fails(f"PREDICT USING {ready_model}\nOPTIONS (hotwords=['Київ']) AS SELECT * FROM misspelled")
    assert isinstance(error, InvalidOption)
    assert "'Київ'" in error.message
    assert (error.line, error.column) == (2, 19)


def test_bad_files_give_null_and_one_notice_with_counts_and_names(services, ready_model):
    good, broken = services.recordings("good.wav", "broken.wav")
    services.inference.failures[broken] = ("unreadable", "audio/broken.wav is not audio")
    services.table("mixed", csv([good, "missing.wav", broken, "../x.wav", '""', "missing.wav", good]))
    events = services.run(
        f"PREDICT USING {ready_model} OPTIONS (confidence_col='sure', error_col='why') AS SELECT * FROM mixed"
    )
    table = services.rows(f"PREDICT USING {ready_model} OPTIONS (error_col='why') AS SELECT * FROM mixed")
    assert [row["predicted"] for row in table] == ["good", None, None, None, None, None, "good"]
    assert table[1]["why"] == "file 'missing.wav' does not exist"
    assert table[2]["why"] == "audio/broken.wav is not audio"
    assert table[4]["why"] == "the row names no recording"
    assert notices(events) == [
        "5 of 7 rows have no transcript: 2 missing (missing.wav, …), 1 unreadable (audio/broken.wav), "
        "1 path refused (../x.wav), 1 without a path (row 5)."
    ]
    assert [event.severity for event in events if isinstance(event, Notice)] == [Severity.WARNING]


def test_on_error_fail_stops_with_the_row_named(services, ready_model):
    services.table("strict", csv([*services.recordings("strict.wav"), "audio/strict.wav", "missing.wav"]))
    error = services.fails(f"PREDICT USING {ready_model} OPTIONS (on_error='fail') AS SELECT * FROM strict")
    assert isinstance(error, DataError)
    assert error.message == "row 3: file 'missing.wav' does not exist"


def test_on_error_fail_stops_at_a_row_that_names_no_recording(services, ready_model):
    services.table(
        "nameless", csv([], "id,audio_path", [f"1,{services.recordings('named.wav')[0]}", "2,", "3,missing.wav"])
    )
    error = services.fails(f"PREDICT USING {ready_model} OPTIONS (on_error='fail') AS SELECT * FROM nameless")
    assert error.message == "row 2: the row names no recording"
    assert services.inference.heard == []


def test_on_error_fail_stops_at_what_only_the_model_finds_out(services, ready_model):
    (path,) = services.recordings("quiet.wav")
    services.inference.failures[path] = ("silent", "audio/quiet.wav is silent")
    services.table("quiet", csv([path]))
    error = services.fails(f"PREDICT USING {ready_model} OPTIONS (on_error='fail') AS SELECT * FROM quiet")
    assert error.message == "row 1: audio/quiet.wav is silent"


def test_text_col_reports_the_word_error_rate(services, ready_model):
    services.recordings("one.wav", "two.wav", "three.wav")
    values = ["audio/one.wav,One!", "audio/two.wav,not two", "audio/three.wav,", "missing.wav,four"]
    services.table("scored", csv([], "audio_path,text", values))
    events = services.run(f"PREDICT USING {ready_model} OPTIONS (text_col='text') AS SELECT * FROM scored")
    assert notices(events)[-1] == "Word error rate against text, over the 2 of 4 rows that have both: 33.3%."


def test_a_model_that_is_not_exported_yet_is_made_ready_first(services, pending_model):
    services.trainer.fallback_notice = "The bundled model stands in for facebook/wav2vec2-base-960h."
    services.table("pending", csv(services.recordings("pending.wav")))
    events = services.run(f"PREDICT USING {pending_model} AS SELECT * FROM pending")
    assert [(spec.kind.value, spec.model, spec.base) for spec in services.trainer.specs] == [
        ("export", pending_model, "Wav2Vec2En")
    ]
    warnings = [event.text for event in events if isinstance(event, Notice) and event.severity is Severity.WARNING]
    assert warnings[0] == services.trainer.fallback_notice
    made = services.catalog.get_model(pending_model).version
    assert services.inference.starts[0].version == made
    services.run(f"PREDICT USING {pending_model} AS SELECT * FROM pending")
    assert len(services.trainer.specs) == 1


def test_no_rows_give_the_columns_and_no_rows(services, ready_model):
    services.table("empty", csv(services.recordings("empty.wav")))
    events = services.run(f"PREDICT USING {ready_model} AS SELECT * FROM empty WHERE audio_path = ''")
    (rows,) = (event for event in events if isinstance(event, Rows))
    assert services.inference.heard == []
    assert rows.ipc
    assert events[-1].rows == 0


def test_batch_size_and_words_reach_the_inference_service(services, ready_model):
    services.table("sized", csv(services.recordings("sized.wav")))
    services.run(
        f"PREDICT USING {ready_model} OPTIONS (batch_size=3, words_col='w', cache=False) AS SELECT * FROM sized"
    )
    (start,) = services.inference.starts
    assert (start.model, start.batch_size, start.words) == (ready_model, 3, True)


def test_a_column_of_numbers_holds_no_paths(services, ready_model):
    error = services.fails(f"PREDICT USING {ready_model} AS SELECT 7 AS audio_path")
    assert isinstance(error, InvalidOption)
    assert error.message == "the column audio_path holds int32, not paths of recordings"


def test_columns_that_are_known_only_at_run_time_are_checked_then(services, ready_model):
    error = services.fails(f"PREDICT USING {ready_model} AS SELECT * FROM unnest(ARRAY['a', 'b'])")
    assert isinstance(error, UnknownColumn)
    assert error.message == "the query has no column audio_path"
    assert error.column


def test_progress_counts_rows_and_ends_complete(services, ready_model):
    names = [f"p{i}.wav" for i in range(30)]
    services.inference.seconds_per_clip = 0.02
    services.table("progress", csv(2 * services.recordings(*names)))
    events = services.run(f"PREDICT USING {ready_model} AS SELECT * FROM progress")
    shown = [event for event in events if isinstance(event, Progress) and event.phase == "transcribe"]
    assert (shown[0].done, shown[-1].done, shown[-1].total, shown[-1].unit) == (0, 60, 60, "rows")
    assert 3 <= len(shown) <= 12
    assert shown[-1].rate > 0
    assert shown[-1].figures["audio_seconds_per_second"] > 0


def test_rows_come_while_others_are_still_at_work(services, ready_model):
    names = [f"s{i}.wav" for i in range(520)]
    services.table("streamed", csv(services.recordings(*names, folder="many")))
    services.inference.seconds_per_clip = 0.002
    events = services.client.execute(f"PREDICT USING {ready_model} AS SELECT * FROM streamed")
    seen = [len(services.inference.heard) for event in events if isinstance(event.event, Rows)]
    assert len(seen) > 2
    assert seen[0] < 100


def test_cancel_stops_and_keeps_what_was_done(services, ready_model):
    names = [f"c{i}.wav" for i in range(50)]
    services.table("cut", csv(services.recordings(*names)))
    services.inference.seconds_per_clip = 0.05
    query_id = str(uuid.uuid4())
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM cut"

    def cancel():
        while len(services.inference.heard) < 5:
            time.sleep(0.01)
        assert services.client.cancel(query_id)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled, match="the statement was cancelled"):
        for _ in services.client.execute(statement, query_id):
            pass
    thread.join()
    assert services.inference.cancelled.wait(1)
    done = len(services.inference.heard)
    services.inference.seconds_per_clip = 0
    services.run(statement)
    assert len(services.inference.heard) - done <= 50 - 4


def test_a_statement_goes_on_when_the_inference_service_is_back(services, ready_model):
    services.table("came_back", csv(services.recordings(*(f"c{i}.wav" for i in range(20)))))
    services.inference.dies_after = 6
    rows = services.rows(f"PREDICT USING {ready_model} AS SELECT * FROM came_back")
    assert [row["predicted"] for row in rows] == [f"c{i}" for i in range(20)]
    assert len(services.inference.starts) > 2
    assert len(services.inference.heard) == 20


def test_what_was_done_before_the_inference_service_died_for_good_is_kept(services, ready_model):
    services.table("died", csv(services.recordings(*(f"d{i}.wav" for i in range(10)))))
    services.inference.dies_after = 6
    statement = f"PREDICT USING {ready_model} AS SELECT * FROM died"
    impatient = services.another(inference_patience=0.0)
    with pytest.raises(Unavailable, match="there is no server to transcribe, and 4 recordings are not") as raised:
        list(impatient.execute(statement))
    assert "inference_service at 127.0.0.1:" in raised.value.message
    services.inference.dies_after = None
    services.inference.heard.clear()
    services.run(statement)
    assert len(services.inference.heard) == 4
