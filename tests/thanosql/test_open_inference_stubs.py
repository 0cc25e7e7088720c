"""The stubs of the Open Inference Protocol say what tritonclient's say, and live beside them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from thanosql.oip import grpc_service_pb2

pytest.importorskip("tritonclient.grpc", reason="compares with tritonclient[grpc] (the extra `dev`)")

from tritonclient.grpc import model_config_pb2, service_pb2

THEIRS = {**service_pb2.DESCRIPTOR.message_types_by_name, **model_config_pb2.DESCRIPTOR.message_types_by_name}
OURS = grpc_service_pb2.DESCRIPTOR.message_types_by_name

PROGRAMS = (
    "import sys, thanosql; assert not [name for name in sys.modules if name.startswith('thanosql.oip')]",
    "import thanosql.oip.grpc_service_pb2_grpc, tritonclient.grpc",
    "import tritonclient.grpc, thanosql.oip.grpc_service_pb2_grpc",
)


def describe(message: Any) -> dict[str, tuple[Any, ...]]:
    """Every field by its path, with all that decides how it is written on the wire."""
    fields: dict[str, tuple[Any, ...]] = {}
    for field in message.fields:
        named = field.message_type or field.enum_type
        oneof = field.containing_oneof.name if field.containing_oneof else ""
        fields[field.name] = (field.number, field.type, field.is_repeated, named and named.full_name, oneof)
    for nested in message.nested_types:
        fields |= {f"{nested.name}.{name}": described for name, described in describe(nested).items()}
    return fields


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_field_is_that_of_triton(name: str) -> None:
    theirs = describe(THEIRS[name])
    assert {field: theirs.get(field) for field in describe(OURS[name])} == describe(OURS[name])


def test_the_datatypes_are_those_of_triton() -> None:
    theirs = model_config_pb2.DESCRIPTOR.enum_types_by_name["DataType"]
    ours = grpc_service_pb2.DESCRIPTOR.enum_types_by_name["DataType"]
    assert {each.name: each.number for each in ours.values} == {each.name: each.number for each in theirs.values}


def test_the_calls_are_those_of_triton() -> None:
    theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    ours = grpc_service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert ours.full_name == "inference.GRPCInferenceService"
    for method in ours.methods:
        assert method.input_type.full_name == theirs[method.name].input_type.full_name
        assert method.output_type.full_name == theirs[method.name].output_type.full_name


@pytest.mark.parametrize("program", PROGRAMS, ids=("the SDK alone", "ours first", "tritonclient first"))
def test_a_program_may_import_both(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
