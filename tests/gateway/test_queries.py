"""`POST /v1/query` and `/v1/jobs`: statements over HTTP."""

from __future__ import annotations

import io
import json
import time
import uuid

import httpx
import pyarrow as pa
import pytest

from tests.gateway.conftest import client_of

LONG = "SELECT count(*) FROM generate_series(1, 100000000000) AS t(i) WHERE i % 7 = 3"


def ask(http: httpx.Client, text: str, accept: str = "", **fields) -> httpx.Response:
    headers = {"Accept": accept} if accept else {}
    return http.post("/v1/query", json={"query": text, **fields}, headers=headers)


def test_rows_come_with_the_types_of_their_columns(http):
    answer = ask(http, "SELECT 1 AS a, '한글' AS b, 1.5::numeric(5,2) AS c, NULL AS d").json()
    (result,) = answer["results"]
    assert result["columns"][0] == {"name": "a", "type": "integer"}
    assert result["rows"] == [[1, "한글", "1.50", None]]
    assert (result["kind"], result["row_count"], "error" in answer) == ("SELECT", 1, False)


def test_parameters_are_values_whatever_stands_in_them(http):
    nasty = "'; DROP TABLE librispeech_test; -- :b"
    answer = ask(http, "SELECT :a AS a, :b AS b", parameters={"a": nasty, "b": [1.5, None][0]}).json()
    assert answer["results"][0]["rows"] == [[nasty, 1.5]]


def test_several_statements_have_a_result_each_and_effects_have_no_rows(http):
    name = f"t_{uuid.uuid4().hex[:8]}"
    text = f"CREATE TABLE {name} AS SELECT 1 AS a; SELECT * FROM {name} WHERE a > 1; DROP TABLE {name}"
    made, found, dropped = ask(http, text).json()["results"]
    assert (made["rows"], found["rows"], dropped["message"]) == ([], [], "Success")
    assert [column["name"] for column in found["columns"]] == ["a"]


def test_a_mistake_is_told_with_its_place(http):
    answer = ask(http, "SELECT *\nFROM librispeech_tes")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["line"], error["column"]) == (404, "unknown_table", 2, 6)
    assert "librispeech_test" in error["hint"]


def test_where_a_later_statement_fails_the_document_is_whole_and_says_so(http):
    answer = ask(http, "SELECT 1 AS a; SELECT * FROM nowhere")
    assert answer.status_code == 200
    assert answer.json()["results"][0]["rows"] == [[1]]
    assert answer.json()["error"]["code"] == "unknown_table"


def test_events_come_a_line_each(http):
    lines = ask(http, "SELECT 1 AS a", "application/x-ndjson").text.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["started", "rows", "done"]
    assert [event["number"] for event in events] == [0, 1, 2]


def test_csv_tells_null_from_empty_text(http):
    answer = ask(http, "SELECT 1 AS a, NULL AS b, '' AS c, [1, 2] AS d", "text/csv")
    assert answer.text == '"a","b","c","d"\n1,,"","[1,2]"\n'


def test_arrow_is_a_stream_of_batches(http):
    answer = ask(http, "SELECT i FROM generate_series(1, 300000) AS t(i)", "application/vnd.apache.arrow.stream")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.column("i").to_pylist() == list(range(1, 300_001))


def test_a_second_table_breaks_a_format_of_one_table_off(http):
    with pytest.raises(httpx.RemoteProtocolError):
        ask(http, "SELECT 1 AS a; SELECT 2 AS b", "text/csv")


def test_clips_come_in_base64(http):
    path = "tutorial_data/librispeech_data/000.flac"
    (result,) = ask(http, f"PRINT AUDIO AS SELECT '{path}' AS audio_path").json()["results"]
    assert result["clips"][0]["path"] == path
    assert result["clips"][0]["audio"]


def test_a_statement_goes_on_by_itself_where_that_is_asked_for(http):
    answer = http.post("/v1/query", json={"query": "SELECT 7 AS a"}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.headers['thanosql-query-id']}"
    assert http.get(answer.json()["result"]).json()["results"][0]["rows"] == [[7]]
    assert http.get(answer.json()["job"]).json()["state"] == "succeeded"


def test_a_statement_is_stopped_on_request(http):
    job = http.post("/v1/query", json={"query": LONG}, headers={"Prefer": "respond-async"}).json()["job"]
    assert http.get(job).json()["state"] == "running"
    assert http.delete(job).status_code == 204
    assert wait_for_end(http, job) == "cancelled"


def test_a_statement_is_stopped_when_its_caller_leaves(http):
    headers = {"Accept": "application/x-ndjson"}
    with http.stream("POST", "/v1/query", json={"query": LONG}, headers=headers) as answer:
        job = json.loads(next(answer.iter_lines()))["id"]
    assert wait_for_end(http, f"/v1/jobs/{job}") == "cancelled"


def wait_for_end(http: httpx.Client, job: str) -> str:
    for _ in range(300):
        state = http.get(job).json()["state"]
        if state != "running":
            return str(state)
        time.sleep(0.1)
    return "running still"


@pytest.mark.parametrize("id", ["ffffffff-0000", "no-such-job", "x';DROP TABLE t", "..%2f..%2fetc"])
def test_a_job_that_is_not_there_is_not_found(http, id):
    for answer in (http.get(f"/v1/jobs/{id}"), http.delete(f"/v1/jobs/{id}"), http.get(f"/v1/jobs/{id}/result")):
        assert answer.status_code == 404


def test_a_reader_reads_and_changes_nothing(http, gateway, session):
    reader = session.tokens.create("http reader", "reader").secret
    with client_of(gateway, reader) as client:
        assert ask(client, "SELECT 1 AS a").status_code == 200
        refused = ask(client, "CREATE TABLE mine AS SELECT 1 AS a")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")


def test_an_administrator_chooses_the_workspace_and_others_cannot(http, gateway, session):
    session.tokens.create("other", "writer", workspace="http_other")
    there = http.post("/v1/query", json={"query": "LIST TABLE"}, headers={"ThanoSQL-Workspace": "http_other"})
    assert there.json()["results"][0]["rows"] == []
    writer = session.tokens.create("http writer", "writer").secret
    with client_of(gateway, writer) as client:
        refused = client.get("/v1/models", headers={"ThanoSQL-Workspace": "http_other"})
    assert refused.status_code == 403
    assert http.get("/v1/models", headers={"ThanoSQL-Workspace": "../etc"}).status_code == 400
