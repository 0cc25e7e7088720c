"""What every test may use: the tutorial's data, a session over it; real speech and a Triton server where they are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
import pytest
import sqlalchemy as sa

import thanosql
from tests.built_once import build_once
from tests.postgres_server import connect, postgres_server
from thanosql import Session
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip import grpc_service_pb2_grpc as oip_grpc
from thanosql.rpc.channel import open_channel

pytest_plugins = ("tests.workers",)

CHECKOUT = Path(__file__).parents[1]

TRITON = "THANOSQL_TEST_TRITON"
"""Variable that names a virtual environment with a Triton server; that of nvidia-pytriton needs no GPU."""
TRITON_STARTS_WITHIN = 120.0
"""Seconds for which it is waited for."""


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout; its tutorial_data/ is always there."""
    return CHECKOUT


@pytest.fixture(scope="session")
def speech() -> Path:
    """Real recordings with transcripts: librispeech/, accented/, digits_8khz/, each with test.csv."""
    folder = CHECKOUT.parent / "shared" / "data"
    if not (folder / "librispeech" / "test.csv").exists():
        pytest.skip("needs the real recordings in ../shared/data, which are not part of the checkout")
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the tutorial's data, whose bundled model has been made ready; to be copied, not to be used."""
    return build_once(tmp_path_factory, "prepared", _prepare)


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    """A workspace of its own with the tutorial's data in it, in whose state the bundled model stands ready."""
    return Path(shutil.copytree(prepared, tmp_path_factory.mktemp("workspace"), dirs_exist_ok=True))


@pytest.fixture(scope="session")
def session(workspace: Path) -> Iterator[Session]:
    """A session in local mode, with the tutorial's tables loaded; models are not measured when they are loaded."""
    with _open_session(workspace) as session:
        for name in ("librispeech_train", "librispeech_test"):
            session.sql(f"COPY {name} OPTIONS (overwrite=True) FROM 'tutorial_data/librispeech_data/{name}.csv'")
        yield session


def _prepare(folder: Path) -> None:
    shutil.copytree(CHECKOUT / "tutorial_data", folder / "tutorial_data")
    spoken = "SELECT 'tutorial_data/librispeech_data/000.flac' AS audio_path"
    with _open_session(folder) as session:
        session.sql(f"PREDICT USING tutorial_audio_recognition OPTIONS (cache=False) AS {spoken}", progress=False)


def _open_session(workspace: Path) -> Session:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("THANOSQL_INFERENCE_CALIBRATION_SECONDS", "0")
        return thanosql.connect(workspace=workspace)


@pytest.fixture(scope="session")
def serve_triton(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], AbstractContextManager[str]]:
    """Serves the models of a repository by a real Triton; gives the address of its gRPC port."""
    environment = Path(os.environ.get(TRITON, "-"))
    if not list(environment.glob("lib/python*/site-packages/pytriton/tritonserver/bin/tritonserver")):
        needs = "pip install nvidia-pytriton onnxruntime soundfile soxr"
        pytest.skip(f"needs a Triton server: set {TRITON} to a virtual environment made with {needs}")
    return lambda repository: _run_triton(environment, repository, tmp_path_factory.mktemp("triton"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[sa.URL]:
    """A superuser's address of a PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres: sa.URL) -> Iterator[Callable[[], sa.URL]]:
    """Makes an empty database, owned by a login that may make roles and is no superuser; gives that login's address."""
    made: list[str] = []

    def make() -> sa.URL:
        name = f"thanosql_{os.getpid()}_{len(made)}"
        made.append(name)
        with connect(postgres) as superuser:
            superuser.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'secret of {name}'")
            superuser.execute(f"CREATE DATABASE {name} OWNER {name} ENCODING 'UTF8' TEMPLATE template0")
        return postgres.set(database=name, username=name, password=f"secret of {name}")

    yield make
    with connect(postgres) as superuser:
        for name in made:
            superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
            superuser.execute(f"DROP ROLE IF EXISTS thanosql_user_of_{name}")
            superuser.execute(f"DROP ROLE {name}")


@contextmanager
def _run_triton(environment: Path, repository: Path, temporary: Path) -> Iterator[str]:
    (packages,) = environment.glob("lib/python*/site-packages")
    server = packages / "pytriton" / "tritonserver"
    backend = temporary / "backends" / "python"
    backend.mkdir(parents=True)
    version = packages.parent.name.removeprefix("python")
    stub = server / "python_backend_stubs" / version / "triton_python_backend_stub"
    for file in (*(server / "backends" / "python").glob("*.*"), stub):
        (backend / file.name).symlink_to(file)
    port = _find_port()
    command = [
        *(server / "bin" / "tritonserver", f"--model-repository={repository}"),
        *(f"--backend-directory={backend.parent}", "--grpc-address=127.0.0.1", f"--grpc-port={port}"),
        *("--allow-http=false", "--allow-metrics=false"),
    ]
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    variables = {**os.environ, "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"), "PATH": path}
    variables.pop("PYTHONPATH", None)
    log = temporary / "triton.log"
    with log.open("wb") as output, subprocess.Popen(command, env=variables, stdout=output, stderr=output) as process:
        try:
            _wait_until_ready(f"127.0.0.1:{port}", process, log)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TRITON_STARTS_WITHIN
    with open_channel(address) as channel:
        stub = oip_grpc.GRPCInferenceServiceStub(channel)
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if stub.ServerReady(oip.ServerReadyRequest(), timeout=5).ready:
                    return
            except grpc.RpcError:
                time.sleep(0.2)
    pytest.fail(f"tritonserver did not start:\n{log.read_text('utf-8', 'replace')[-4000:]}")
