"""PREDICT, EVALUATE and LIST as tables: in FROM, JOIN, WITH and IN, with the model run once for each file."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from pathlib import PurePath

import pytest

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.planning.analyze import analyze
from query_service.planning.relations import columns_of
from query_service.running.arrow import read_rows
from thanosql.errors import Cancelled
from thanosql.types import Model, Notice, Progress, Rows, Snapshot


@pytest.fixture
def spoken(services, ready_model):
    """Six rows over five recordings, by two speakers; the played model hears a file's name."""
    paths = services.recordings(*(f"{name}.wav" for name in ("one", "two", "three", "four", "five")), folder="spoken")
    rows = [
        f"{i},{path},{'ann' if i % 2 else 'bob'},{PurePath(path).stem}" for i, path in enumerate([*paths, paths[0]], 1)
    ]
    services.table("spoken", "\n".join(["id,audio_path,speaker,said", *rows]))
    return services


PREDICT = "PREDICT USING ready AS SELECT * FROM spoken"


def heard_once(services) -> bool:
    """Whether no file was sent to the model twice."""
    return max(Counter(services.inference.heard).values(), default=0) <= 1


def test_conditions_groups_and_orders_over_transcripts(spoken):
    rows = spoken.rows(
        f"SELECT speaker, count(*) AS n FROM ({PREDICT}) WHERE predicted LIKE '%o%' GROUP BY speaker ORDER BY speaker"
    )
    assert rows == [{"speaker": "ann", "n": 1}, {"speaker": "bob", "n": 3}]
    assert heard_once(spoken)


def test_rows_come_in_the_order_of_the_inner_query(spoken):
    rows = spoken.rows("SELECT id, predicted FROM (PREDICT USING ready AS SELECT * FROM spoken ORDER BY id DESC) p")
    assert [row["id"] for row in rows] == [6, 5, 4, 3, 2, 1]
    assert rows[0] == {"id": 6, "predicted": "one"}


@pytest.mark.parametrize("cache", ["True", "False"])
def test_one_predict_joined_with_itself_runs_the_model_once_a_file(spoken, cache):
    predict = f"PREDICT USING ready OPTIONS (cache={cache}) AS SELECT * FROM spoken"
    rows = spoken.rows(f"SELECT a.id, b.predicted FROM ({predict}) a JOIN ({predict}) b USING (id) ORDER BY id")
    assert [row["predicted"] for row in rows] == ["one", "two", "three", "four", "five", "one"]
    assert len(spoken.inference.heard) == 5


@pytest.mark.parametrize("cache", ["True", "False"])
def test_predicts_that_differ_in_their_rows_share_what_the_model_has_heard(spoken, cache):
    predict = f"PREDICT USING ready OPTIONS (cache={cache}) AS SELECT * FROM spoken"
    rows = spoken.rows(
        f"SELECT count(*) AS n FROM ({predict} WHERE id < 5) a, ({predict} WHERE id > 1) b "
        "WHERE a.predicted = b.predicted"
    )
    assert rows == [{"n": 4}]
    assert heard_once(spoken)


@pytest.mark.parametrize("cache", ["True", "False"])
def test_predict_over_the_rows_of_predict(spoken, cache):
    options = f"OPTIONS (cache={cache}, result_col='again')"
    rows = spoken.rows(
        f"SELECT DISTINCT predicted = again AS same FROM (PREDICT USING ready {options} AS ({PREDICT})) p"
    )
    assert rows == [{"same": True}]
    assert len(spoken.inference.heard) == 5


def test_two_models_joined_run_once_a_file_each(spoken):
    spoken.catalog.register_model(Model("other", spoken.catalog.reserve_model_version("other"), "Wav2Vec2En", "a/b"))
    other = PREDICT.replace("ready", "other")
    rows = spoken.rows(
        f"SELECT a.id, a.predicted, b.predicted AS other FROM ({PREDICT}) a "
        f"JOIN ({other}) b ON a.id = b.id ORDER BY a.id"
    )
    assert [row["other"] for row in rows] == ["one", "two", "three", "four", "five", "one"]
    assert [start.model for start in spoken.inference.starts] == ["ready", "other"]
    assert Counter(spoken.inference.heard) == dict.fromkeys(set(spoken.inference.heard), 2)


def test_a_condition_without_the_transcript_is_met_before_the_model_runs(spoken):
    rows = spoken.rows(
        f"SELECT id FROM ({PREDICT}) p WHERE p.speaker = 'ann' AND predicted <> 'one' ORDER BY predicted"
    )
    assert [row["id"] for row in rows] == [5, 3]
    assert len(spoken.inference.heard) == 3


def test_a_limit_is_taken_before_the_model_runs(spoken):
    rows = spoken.rows(f"SELECT id, predicted FROM ({PREDICT}) p ORDER BY id DESC LIMIT 2 OFFSET 1")
    assert rows == [{"id": 5, "predicted": "five"}, {"id": 4, "predicted": "four"}]
    assert len(spoken.inference.heard) == 2


def test_a_limit_behind_a_condition_on_the_transcript_stops_the_model(services, ready_model):
    paths = services.recordings(*(f"r{i:03}.wav" for i in range(300)), folder="limited")
    services.table("limited", "\n".join(["audio_path", *paths]))
    services.inference.seconds_per_clip = 0.005
    rows = services.rows(
        "SELECT predicted FROM (PREDICT USING ready AS SELECT * FROM limited ORDER BY audio_path) p "
        "WHERE predicted LIKE 'r%' LIMIT 3 OFFSET 2"
    )
    assert [row["predicted"] for row in rows] == ["r002", "r003", "r004"]
    assert len(services.inference.heard) < 200


def test_no_row_is_wanted_and_no_file_is_heard(spoken):
    events = spoken.run(f"SELECT id, predicted FROM ({PREDICT}) p WHERE predicted = 'one' LIMIT 0")
    tables = [batch for event in events if isinstance(event, Rows) for batch in read_rows(event)]
    assert [batch.schema.names for batch in tables] == [["id", "predicted"]]
    assert sum(batch.num_rows for batch in tables) == 0
    assert spoken.inference.heard == []


def test_the_nullable_side_of_a_join_keeps_its_rows_until_the_join(spoken):
    rows = spoken.rows(
        f"SELECT s.id, p.predicted FROM spoken s LEFT JOIN ({PREDICT}) p ON p.id = s.id AND p.speaker = 'bob' "
        "WHERE p.speaker IS NULL ORDER BY s.id"
    )
    assert rows == [{"id": id, "predicted": None} for id in (1, 3, 5)]


def test_names_of_with_are_seen_inside(spoken):
    rows = spoken.rows(
        "WITH few AS (SELECT * FROM spoken WHERE id > 3), heard AS (PREDICT USING ready AS SELECT * FROM few) "
        "SELECT h.predicted FROM heard h JOIN few f USING (id) ORDER BY id"
    )
    assert [row["predicted"] for row in rows] == ["four", "five", "one"]
    assert len(spoken.inference.heard) == 3


def test_a_nested_statement_reads_the_rows_of_another_through_with(spoken):
    rows = spoken.rows(
        f"WITH first AS ({PREDICT}), long AS (SELECT * FROM first WHERE length(predicted) > 3) "
        "SELECT * FROM (PREDICT USING ready OPTIONS (result_col='second') AS SELECT id, audio_path FROM long) p "
        "ORDER BY id"
    )
    assert [row["second"] for row in rows] == ["three", "four", "five"]
    assert len(spoken.inference.heard) == 5


def test_predict_under_with_without_parentheses(spoken):
    rows = spoken.rows("WITH few AS (SELECT * FROM spoken WHERE id = 2) PREDICT USING ready AS SELECT * FROM few")
    assert [row["predicted"] for row in rows] == ["two"]


def test_in_exists_and_union(spoken):
    rows = spoken.rows(
        f"SELECT id FROM spoken WHERE said IN (SELECT predicted FROM ({PREDICT}) WHERE speaker = 'bob') "
        f"UNION ALL SELECT 100 WHERE EXISTS (PREDICT USING ready AS SELECT * FROM spoken WHERE id = 3) ORDER BY id"
    )
    assert [row["id"] for row in rows] == [1, 2, 4, 6, 100]
    assert heard_once(spoken)


def test_lists_are_tables(spoken):
    rows = spoken.rows(
        "SELECT m.name, t.rows FROM (LIST MODELS) m, (LIST TABLES) t WHERE m.name = 'ready' AND t.name = 'spoken'"
    )
    assert rows == [{"name": "ready", "rows": 6}]
    assert spoken.rows("SELECT count(*) AS n FROM (LIST JOBS) j WHERE state = 'no such state'") == [{"n": 0}]
    assert {row["name"] for row in spoken.rows("SELECT name FROM (LIST BASE MODELS)")} == {"Wav2Vec2En"}


@pytest.mark.parametrize("listing", ["LIST TABLES", "LIST MODELS", "LIST BASE MODELS", "LIST JOBS"])
def test_the_columns_that_a_plan_expects_of_a_list_are_those_that_come(spoken, listing):
    (statement,) = parse(listing)
    expected = columns_of(analyze(statement, Snapshot(), Source(listing)).steps)
    events = spoken.run(listing)
    assert [tuple(batch.schema.names) for event in events if isinstance(event, Rows) for batch in read_rows(event)] == [
        expected
    ]


def test_evaluate_is_a_table(spoken):
    rows = spoken.rows(
        "SELECT metric, score FROM (EVALUATE USING ready OPTIONS (text_col='said') AS SELECT * FROM spoken) e "
        "WHERE metric IN ('wer', 'rows')"
    )
    assert {row["metric"]: row["score"] for row in rows} == {"wer": 0.0, "rows": 6.0}


def test_rates_of_groups_over_predict(spoken):
    rows = spoken.rows(f"SELECT speaker, wer(speaker, predicted) FROM ({PREDICT}) GROUP BY speaker ORDER BY speaker")
    assert rows == [{"speaker": "ann", "wer": 1.0}, {"speaker": "bob", "wer": 1.0}]
    assert spoken.rows(f"SELECT wer(said, predicted), count(*) AS n FROM ({PREDICT})") == [{"wer": 0.0, "n": 6}]


def test_progress_and_notices_of_what_runs_inside_are_told(spoken):
    events = spoken.run(
        "SELECT count(*) FROM (PREDICT USING ready OPTIONS (text_col='said', epochs=3) AS SELECT * FROM spoken)"
    )
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices[0] == "epochs has no effect on PREDICT. PREDICT does not train."
    assert "Word error rate against said, over 6 rows: 0.0%." in notices
    assert any(isinstance(event, Progress) and event.phase == "transcribe" for event in events)


def test_columns_of_one_name_inside_are_told(spoken):
    error = spoken.fails("SELECT count(*) FROM (PREDICT USING ready AS SELECT a.*, b.id FROM spoken a, spoken b) p")
    assert "more than one column id" in error.message


def test_no_rows_inside_give_no_rows(spoken):
    assert spoken.rows("SELECT id FROM (PREDICT USING ready AS SELECT * FROM spoken WHERE id > 10) p") == []
    assert spoken.rows("SELECT count(*) AS n FROM (PREDICT USING ready AS SELECT * FROM spoken WHERE id > 10) p") == [
        {"n": 0}
    ]


def test_a_sample_is_drawn_anew_where_it_is_written_twice(spoken):
    sample = "(PREDICT USING ready AS SELECT * FROM spoken ORDER BY random() LIMIT 1)"
    rows = spoken.rows(f"SELECT count(*) AS n FROM {sample} a, {sample} b")
    assert rows == [{"n": 1}]
    assert heard_once(spoken)


def test_a_nested_predict_is_cancelled_and_what_was_heard_is_kept(services, ready_model):
    paths = services.recordings(*(f"n{i}.wav" for i in range(50)), folder="nested")
    services.table("cut_inside", "\n".join(["audio_path", *paths]))
    services.inference.seconds_per_clip = 0.05
    query_id = str(uuid.uuid4())
    text = "SELECT count(*) AS n FROM (PREDICT USING ready AS SELECT * FROM cut_inside) p"

    def cancel() -> None:
        while len(services.inference.heard) < 5:
            time.sleep(0.01)
        assert services.client.cancel(query_id)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Cancelled):
        list(services.client.execute(text, query_id))
    thread.join()
    before = list(services.inference.heard)
    assert len(before) < 50
    services.inference.seconds_per_clip = 0.0
    assert services.rows(text) == [{"n": 50}]
    assert len(services.inference.heard) < len(before) + 50
