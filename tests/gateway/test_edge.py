"""What holds for all requests: limits, ids, logs, metrics, TLS, pages of other origins, and the end."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time

import httpx
import pytest

from tests.certificates import make_authority
from tests.gateway.conftest import MODEL, client_of
from tests.gateway.test_queries import LONG
from thanosql.errors import Unavailable
from thanosql.gateway.__main__ import start
from thanosql.gateway.config import GatewayConfig

URL = "/v1/audio/transcriptions"


def test_the_id_of_a_request_comes_back_and_one_that_is_not_sane_is_replaced(http):
    assert http.get("/live", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/live", headers={"X-Request-ID": "mine 1 {}"}).headers["x-request-id"] != "mine 1 {}"


def test_the_log_has_route_status_and_id_and_never_the_token(http, token, caplog):
    with caplog.at_level(logging.INFO):
        http.get("/v1/models/some-secret-name", headers={"X-Request-ID": "seen-1"})
    (line,) = [each for each in caplog.records if each.name == "thanosql.gateway.edge"]
    assert line.fields["method"] == "GET /v1/models/{id}"
    assert line.fields["status"] == "404"
    ours = [each for each in caplog.records if each.name.startswith("thanosql.")]  # not the client's own
    told = "".join(each.getMessage() + str(getattr(each, "fields", "")) for each in ours)
    assert token not in told
    assert "some-secret-name" not in told


def test_requests_are_counted_by_route(http, gateway):
    http.get("/v1/models/nowhere")
    page = httpx.get(f"http://127.0.0.1:{gateway.metrics_port}/metrics", trust_env=False).text
    assert 'thanosql_http_requests_total{route="/v1/models/{id}",method="GET",status="404"}' in page


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic eDp5", "Bearer a b", "Bearer \xe9"])
def test_without_the_token_nothing_is_told(gateway, authorization):
    with client_of(gateway) as stranger:
        headers = {"Authorization": authorization.encode("latin-1")} if authorization else {}
        answer = stranger.get("/v1/models", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_what_is_not_there_is_told_in_the_same_shape(http):
    assert http.get("/v2").json()["error"]["code"] == "not_found"
    refused = http.put("/v1/query")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("is_told", [True, False], ids=["by its length", "while it comes"])
def test_a_body_that_is_too_large_is_refused(start_gateway, token, is_told):
    server = start_gateway(upload_bytes=1000)
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 5000 + b"\r\n--x--\r\n"
    with client_of(server, token) as client:
        answer = client.post(
            URL,
            content=body if is_told else iter([body[:100], body[100:]]),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_more_requests_than_are_taken_are_told_to_come_again(start_gateway, token):
    server = start_gateway(most_requests=1)
    headers = {"Accept": "application/x-ndjson"}
    with client_of(server, token) as client:
        with client.stream("POST", "/v1/query", json={"query": LONG}, headers=headers) as running:
            lines = running.iter_lines()
            next(lines)
            with client_of(server, token) as another:
                refused = another.get("/v1/models")
                assert another.get("/live").status_code == 200
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


def test_a_head_that_does_not_come_whole_ends_the_connection(start_gateway):
    server = start_gateway(header_seconds=0.3)
    with socket.create_connection(("127.0.0.1", server.port), 10) as slow:
        slow.sendall(b"GET /live HTTP/1.1\r\nX-A: ")
        assert slow.recv(100) == b""


def test_a_body_that_does_not_come_is_given_up(start_gateway, token):
    server = start_gateway(quiet_seconds=0.3)
    with socket.create_connection(("127.0.0.1", server.port), 10) as slow:
        head = f"POST /v1/query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 50\r\n\r\n"
        slow.sendall(head.encode() + b'{"query"')
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_transcription_that_takes_too_long_is_given_up(start_gateway, token, recording):
    server = start_gateway(transcribe_seconds=0.0)
    with client_of(server, token) as client:
        answer = client.post(URL, files={"file": ("a.flac", recording)}, data={"model": MODEL})
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timed_out")


def test_pages_of_other_origins_may_call_where_the_settings_name_them(http, start_gateway, token):
    asked = {"Origin": "https://speech.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in http.options("/v1/query", headers=asked).headers
    with client_of(start_gateway(cors_origins="https://speech.example"), token) as client:
        allowed = client.options("/v1/query", headers=asked)
        assert allowed.headers["access-control-allow-origin"] == "https://speech.example"
        other = client.get("/live", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_where_no_service_answers_it_says_so(start_gateway):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = start_gateway(query=f"127.0.0.1:{free.getsockname()[1]}")
        with client_of(server, "t") as client:
            assert client.get("/ready").status_code == 503
            answer = client.post("/v1/query", json={"query": "SELECT 1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]


def test_requests_that_outlast_the_grace_are_ended_with_a_message(running, token):
    server = start(GatewayConfig(port=0, query=running["address"]))
    answers: list[httpx.Response] = []

    def ask() -> None:
        with client_of(server, token) as client:
            answers.append(client.post("/v1/query", json={"query": LONG}))

    asking = threading.Thread(target=ask)
    asking.start()
    while server_running(server) == 0:
        time.sleep(0.02)
    server.stop(0.2)
    asking.join(30)
    assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (503, "unavailable")


def server_running(server) -> int:
    return len(server._server.server_state.tasks)


def test_tls_is_spoken_with_the_certificate_of_the_files(start_gateway, tmp_path):
    authority = make_authority(tmp_path / "ca")
    certificate, key = authority.sign("gateway")
    server = start_gateway(tls_certificate=certificate, tls_key=key)
    context = ssl.create_default_context(cafile=authority.certificate)
    assert httpx.get(f"https://localhost:{server.port}/live", verify=context, trust_env=False).text == "live\n"


def test_half_a_certificate_and_a_taken_port_are_refused(gateway, tmp_path):
    with pytest.raises(Unavailable, match="needs a certificate and its key"):
        start(GatewayConfig(port=0, tls_key=tmp_path / "key"))
    with pytest.raises(Unavailable, match="cannot listen"):
        start(GatewayConfig(port=gateway.port))


def test_reached_from_elsewhere_it_wants_a_token_and_a_query_service_that_asks_for_one(start_gateway, token, recording):
    server = start_gateway(host="0.0.0.0")
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as client:
        assert client.get("/v1/models").status_code == 401
        client.headers["Authorization"] = f"Bearer {token}"
        answer = client.post(URL, files={"file": ("a.flac", recording)}, data={"model": MODEL})
    assert answer.status_code == 200
    assert json.loads(answer.text)["text"]
