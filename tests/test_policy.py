"""Who may call what: every method of every server stands in the table, and servers do as the table says."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

import query_service.language.statements as statements
from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from inference_service.__main__ import start as start_inference
from inference_service.config import InferenceConfig
from query_service.__main__ import start as start_query
from query_service.config import QueryConfig
from thanosql.clients import QueryClient
from thanosql.errors import PermissionDenied, ThanoSQLError, Unauthenticated
from thanosql.oip import grpc_service_pb2
from thanosql.rpc.channel import open_channel
from thanosql.rpc.identity import Identity
from thanosql.rpc.policy import POLICY, Access, check_access
from thanosql.rpc.status import to_error
from thanosql.token_secrets import make_secret
from thanosql.types import Role
from thanosql.v1 import catalog_pb2, inference_pb2, query_pb2, trainer_pb2
from trainer_service.__main__ import start as start_trainer
from trainer_service.config import TrainerConfig

SECRET = "the installation's secret"
MODULES = (catalog_pb2, trainer_pb2, inference_pb2, query_pb2, grpc_service_pb2, health_pb2, reflection_pb2)


def services() -> list[ServiceDescriptor]:
    return [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]


CHECK_TOKEN = "/thanosql.v1.CatalogService/CheckToken"
"""Which answers in this way about the token that it is asked about, too."""
METHODS = {f"/{service.full_name}/{method.name}": method for service in services() for method in service.methods}


def test_every_method_stands_in_the_table_and_no_others() -> None:
    # Other releases of gRPC's packages have these too.
    may_be_missing = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/List"}
    assert METHODS.keys() - may_be_missing == POLICY.keys() - may_be_missing


def test_a_method_that_stands_in_no_table_is_refused_to_everybody() -> None:
    with pytest.raises(PermissionDenied, match="no entry in the table"):
        check_access("/thanosql.v1.QueryService/DropEverything", Identity(is_peer=True))


def test_every_statement_says_which_role_it_needs() -> None:
    for name in statements.__all__:
        if name != "Statement":
            assert isinstance(getattr(statements, name).ROLE, Role), name


def test_a_reader_runs_what_changes_nothing() -> None:
    kinds = [getattr(statements, name) for name in statements.__all__ if name != "Statement"]
    assert sorted(each.KIND for each in kinds if each.ROLE is Role.READER) == [
        *("CANCEL JOB", "DESCRIBE JOB", "DESCRIBE MODEL", "DESCRIBE TABLE", "EVALUATE", "EXPLAIN", "LIST BASE MODELS"),
        *("LIST JOBS", "LIST MODEL", "LIST TABLE", "LIST THANOSQL DATASET", "LIST THANOSQL MODEL", "PREDICT"),
        *("PRINT AUDIO", "SELECT"),
    ]


@dataclass(frozen=True)
class Installation:
    """Four servers that run, and what callers send."""

    addresses: dict[str, str]
    """By the name of the service."""
    tokens: dict[str, str]
    """By who has it."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("workspace")
    common: dict[str, Any] = {"port": 0, "token": SECRET, "workspace": root, "state": root / ".thanosql", "grace": 0.0}
    catalog = start_catalog(CatalogConfig(**common))
    trainer = start_trainer(TrainerConfig(**common, catalog=catalog.address))
    inference = start_inference(InferenceConfig(**common))
    query = start_query(
        QueryConfig(**common, catalog=catalog.address, trainer=trainer.address, inference=inference.address)
    )
    with open_channel(query.address, SECRET) as channel:
        client = QueryClient(channel)
        tokens = {role.value: client.create_token(role.value, role)[1] for role in Role}
    addresses = {"CatalogService": catalog.address, "TrainerService": trainer.address, "QueryService": query.address}
    addresses |= {"InferenceService": inference.address, "GRPCInferenceService": inference.address}
    yield Installation(addresses, {**tokens, "nobody": "", "stranger": make_secret(), "service": SECRET})
    for server in (query, inference, trainer, catalog):
        server.stop(0)


CALLERS = ("nobody", "stranger", "reader", "writer", "admin", "service")


def expected(method: str, caller: str) -> type[ThanoSQLError] | None:
    """How the table has a call refused; None: it is let in."""
    needed = POLICY[method]
    if needed is Access.OPEN or caller == "service":
        return None
    if caller in ("nobody", "stranger") or needed is Access.PEER:
        return Unauthenticated
    assert isinstance(needed, Role)
    return None if Role(caller).includes(needed) else PermissionDenied


def refusal(method: MethodDescriptor, address: str, token: str) -> ThanoSQLError | None:
    """How a server refuses a call with an empty message; None: it has let it in, whatever became of it."""
    kinds = {
        (False, False): "unary_unary",
        (False, True): "unary_stream",
        (True, False): "stream_unary",
        (True, True): "stream_stream",
    }
    service: Any = method.containing_service
    path = f"/{service.full_name}/{method.name}"
    request: Any = iter([]) if method.client_streaming else b""
    with open_channel(address, token) as channel:
        call = getattr(channel, kinds[method.client_streaming, method.server_streaming])(path)
        try:
            answer = call(request, timeout=20)
            if method.server_streaming:
                next(answer, None)
                answer.cancel()
        except grpc.RpcError as failure:
            error = to_error(failure, "the server")
            return error if type(error) in (Unauthenticated, PermissionDenied) else None
    return None


@pytest.mark.parametrize("caller", CALLERS)
def test_servers_let_in_whom_the_table_names(installation: Installation, caller: str) -> None:
    wrong = []
    for path, method in METHODS.items():
        service = path.split("/")[1].split(".")[-1]
        for address in {installation.addresses.get(service)} - {None} or set(installation.addresses.values()):
            assert address is not None
            found = refusal(method, address, installation.tokens[caller])
            is_answer = path == CHECK_TOKEN and caller == "service"
            if not is_answer and (None if found is None else type(found)) is not expected(path, caller):
                wrong.append((path, found))
    assert wrong == []


@pytest.mark.parametrize("caller", ["reader", "writer", "admin"])
def test_inner_services_tell_users_where_to_go(installation: Installation, caller: str) -> None:
    for path, method in METHODS.items():
        if POLICY[path] is Access.PEER:
            address = installation.addresses[path.split("/")[1].split(".")[-1]]
            found = refusal(method, address, installation.tokens[caller])
            assert found is not None
            assert "the token is a user's" in found.message
            assert "Connect to the query service" in str(found)


@cache
def served(address: str) -> tuple[str, ...]:
    """What a running server says it serves."""
    from grpc_reflection.v1alpha import reflection_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    return tuple(each.name for each in answer.list_services_response.service)


def test_no_server_has_a_service_that_this_test_does_not_know(installation: Installation) -> None:
    known = {service.full_name for service in services()}
    for address in installation.addresses.values():
        assert set(served(address)) <= known
        assert {reflection.SERVICE_NAME, "grpc.health.v1.Health"} <= set(served(address))


def test_the_page_on_security_says_what_the_code_says(checkout: Path) -> None:
    spec = importlib.util.spec_from_file_location("write_security", checkout / "docs" / "write_security.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    written = (checkout / "docs" / "security.md").read_text("utf-8")
    assert written == writer.text(), "run python docs/write_security.py"
    for name in ("most_queries_per_token", "most_queries", "longest_text"):
        assert f"| `{name}` | {getattr(QueryConfig, name):,} |" in written
    assert f"| `largest_message` | {QueryConfig.largest_message >> 20} MiB |" in written
