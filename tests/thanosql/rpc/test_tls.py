"""TLS between a client and a server: who believes whom, and what each is told who calls in the wrong way."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import thanosql
from tests.certificates import Authority, make_authority
from thanosql.configuration import ServiceConfig
from thanosql.errors import NotFound, Unavailable
from thanosql.rpc.server import RunningServer, start_server
from thanosql.rpc.tls import ServerCertificate
from thanosql.v1 import query_pb2, query_pb2_grpc


class Config(ServiceConfig):
    service = "query"


class Answers(query_pb2_grpc.QueryServiceServicer):
    """Answers the question that every client begins with."""

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        return query_pb2.CancelResponse()


def start(certificate: ServerCertificate | None) -> RunningServer:
    register = partial(query_pb2_grpc.add_QueryServiceServicer_to_server, Answers())
    return start_server(Config(), {"thanosql.v1.QueryService": register}, certificate=certificate)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = make_authority(tmp_path_factory.mktemp("authority"))
    made.sign("first")
    made.sign("second")
    return made


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """Files with a certificate and its key, which a test may replace."""
    for end in ("pem", "key"):
        shutil.copy(authority.folder / f"first.{end}", tmp_path / f"server.{end}")
    return tmp_path / "server.pem", tmp_path / "server.key"


@pytest.fixture
def server(files: tuple[Path, Path]) -> Iterator[RunningServer]:
    running = start(ServerCertificate(*files))
    yield running
    running.stop(0)


def serial(server: RunningServer, authority: Authority) -> str:
    """The number of the certificate that a server shows to somebody new."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", server.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        return str(connection.getpeercert()["serialNumber"])  # type: ignore[index]


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "localhost:{}", "grpcs://localhost:{}"])
def test_who_believes_the_authority_is_connected(server: RunningServer, authority: Authority, address: str) -> None:
    with thanosql.connect(address.format(server.port), ca=authority.certificate) as session:
        assert "with TLS" in session.where


def test_the_authority_may_stand_in_the_environment(
    server: RunningServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THANOSQL_CA", str(authority.certificate))
    with thanosql.connect(server.address) as session:
        assert "with TLS" in session.where


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [({}, "It speaks TLS: connect with tls=True"), ({"tls": True}, "signed by nobody whom all believe")],
)
def test_a_client_that_calls_in_the_wrong_way_is_told_the_right_one(
    server: RunningServer, arguments: dict[str, Any], advice: str
) -> None:
    with pytest.raises(Unavailable, match="not understood") as caught:
        thanosql.connect(server.address, **arguments)
    assert advice in caught.value.hint


def test_a_client_that_believes_another_authority_is_told_so(server: RunningServer, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    with pytest.raises(Unavailable, match="not understood") as caught:
        thanosql.connect(server.address, ca=other.certificate)
    assert "certificate that is not believed" in caught.value.hint


def test_a_client_that_speaks_tls_to_a_server_without_is_told_so(authority: Authority) -> None:
    running = start(None)
    with pytest.raises(Unavailable, match="not understood") as caught:
        thanosql.connect(running.address, ca=authority.certificate)
    assert "speaks no TLS" in caught.value.hint
    running.stop(0)


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    running = start(None)
    (tmp_path / "empty.pem").touch()
    for name, problem in (("missing.pem", "cannot be read"), ("empty.pem", "no certificates")):
        with pytest.raises(NotFound, match=f"{name}.*{problem}"):
            thanosql.connect(running.address, ca=tmp_path / name)
    running.stop(0)


def test_a_new_certificate_is_shown_without_a_restart(
    server: RunningServer, authority: Authority, files: tuple[Path, Path]
) -> None:
    before = serial(server, authority)
    for file, end in zip(files, ("pem", "key"), strict=True):
        shutil.copy(authority.folder / f"second.{end}", file)
    after = serial(server, authority)
    assert before != after
    with thanosql.connect(server.address, ca=authority.certificate):
        pass


@pytest.mark.parametrize("spoil", [lambda file: file.write_text("half a"), Path.unlink], ids=["damaged", "missing"])
def test_a_certificate_that_cannot_be_used_leaves_the_old_one(
    server: RunningServer,
    authority: Authority,
    files: tuple[Path, Path],
    spoil: Callable[[Path], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = serial(server, authority)
    spoil(files[0])
    assert serial(server, authority) == before
    assert "cannot be used, the old one goes on" in caplog.text
    shutil.copy(authority.folder / "second.pem", files[0])  # the key has not come yet
    assert serial(server, authority) == before
    shutil.copy(authority.folder / "second.key", files[1])
    assert serial(server, authority) != before


def test_a_certificate_and_a_key_that_do_not_belong_together_are_refused(authority: Authority) -> None:
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        ServerCertificate(authority.folder / "first.pem", authority.folder / "second.key")
    assert "belong together" in caught.value.hint


def test_a_token_in_clear_text_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from thanosql import connection

    monkeypatch.setattr(connection, "_warned", set())
    with pytest.warns(UserWarning, match=r"the token goes to speech\.example:8470 unencrypted"):
        connection.warn_of_clear_text("speech.example:8470")
    connection.warn_of_clear_text("speech.example:8470")  # a warning is an error in tests
    connection.warn_of_clear_text("127.0.0.1:8470")
