"""Values and messages say the same, field by field."""

from __future__ import annotations

import dataclasses
import typing
from datetime import UTC, datetime

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from thanosql import types
from thanosql.convert import from_message, one_of, to_message
from thanosql.errors import DataError
from thanosql.v1 import catalog_pb2, inference_pb2, query_pb2, trainer_pb2, types_pb2

MODULES = (types_pb2, catalog_pb2, trainer_pb2, inference_pb2, query_pb2)
# These two hold a oneof, which the clients and servicers translate with `one_of`.
WITH_A_ONEOF = {types.Event, types.JobEvent}
VALUES = sorted(
    (
        each
        for each in vars(types).values()
        if dataclasses.is_dataclass(each) and isinstance(each, type) and each not in WITH_A_ONEOF
    ),
    key=lambda each: each.__name__,
)

# Whole microseconds and doubles survive both ways; NaN is not equal to itself.
st.register_type_strategy(datetime, st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(int, st.integers(0, 2**31 - 1))
st.register_type_strategy(str, st.text(st.characters(exclude_categories=("Cs",))))


def message_type(value_type: type) -> type[Message]:
    (found,) = (getattr(module, value_type.__name__) for module in MODULES if hasattr(module, value_type.__name__))
    return typing.cast(type[Message], found)


@pytest.mark.parametrize("value_type", VALUES, ids=lambda each: each.__name__)
def test_a_value_and_its_message_have_the_same_fields(value_type: type) -> None:
    descriptor: Descriptor = message_type(value_type).DESCRIPTOR
    assert [field.name for field in dataclasses.fields(value_type)] == [field.name for field in descriptor.fields]


@pytest.mark.parametrize("value_type", VALUES, ids=lambda each: each.__name__)
@given(data=st.data())
def test_a_value_survives_the_way_there_and_back(value_type: type, data: st.DataObject) -> None:
    value = data.draw(st.from_type(value_type))
    if isinstance(value, types.TranscribeClip):  # path and audio are one oneof: only one is ever set
        value = dataclasses.replace(value, audio=None) if value.path is not None else value
    sent = message_type(value_type).FromString(to_message(value, message_type(value_type)).SerializeToString())
    assert from_message(sent, value_type) == value


def test_an_unknown_enumeration_number_is_refused_by_name() -> None:
    message = types_pb2.Notice(text="x")
    message.severity = 7  # type: ignore[assignment]
    with pytest.raises(DataError, match="severity has the unknown number 7"):
        from_message(message, types.Notice)


def test_an_empty_oneof_is_none() -> None:
    assert one_of(trainer_pb2.JobEvent(), "event", {"notice": types.Notice}) is None
