"""Translates the values of parameters to the messages that carry them, and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from thanosql.errors import DataError
from thanosql.parameters import Parameter, Single, Value
from thanosql.v1 import query_pb2

_MICROSECOND = timedelta(microseconds=1)
_MOST_WHOLE = 2**63


def to_parameters(parameters: Iterable[Parameter]) -> list[query_pb2.Parameter]:
    """The messages that say what `parameters` say."""
    return [query_pb2.Parameter(name=each.name, value=_to_value(each.value)) for each in parameters]


def from_parameters(messages: Iterable[query_pb2.Parameter]) -> tuple[Parameter, ...]:
    """What the messages say.

    Raises:
        DataError: a value cannot be read.
    """
    return tuple(Parameter(each.name, _from_value(each.value, each.name)) for each in messages)


def _to_value(value: Value) -> query_pb2.Value:
    if not isinstance(value, tuple):
        return _to_single(value)
    return query_pb2.Value(values=query_pb2.Values(values=[_to_single(each) for each in value]))


def _to_single(value: Single) -> query_pb2.Value:
    if value is None:
        return query_pb2.Value()
    if isinstance(value, bool):  # before int, which it is too
        return query_pb2.Value(boolean=value)
    if isinstance(value, int):
        small = -_MOST_WHOLE <= value < _MOST_WHOLE
        return query_pb2.Value(integer=value) if small else query_pb2.Value(decimal=str(value))
    if isinstance(value, float):
        return query_pb2.Value(number=value)
    if isinstance(value, Decimal):
        return query_pb2.Value(decimal=str(value))
    if isinstance(value, str):
        return query_pb2.Value(text=value)
    if isinstance(value, bytes):
        return query_pb2.Value(bytes=value)
    if isinstance(value, datetime):  # before date, which it is too
        return query_pb2.Value(timestamp=value.isoformat(" "))
    if isinstance(value, date):
        return query_pb2.Value(date=value.isoformat())
    if isinstance(value, time):
        return query_pb2.Value(time=value.isoformat())
    return query_pb2.Value(interval=value // _MICROSECOND)


def _from_value(message: query_pb2.Value, name: str) -> Value:
    try:
        if message.WhichOneof("value") == "values":
            return tuple(_from_single(each) for each in message.values.values)
        return _from_single(message)
    except (ValueError, OverflowError, InvalidOperation) as error:
        raise DataError(f"the value of the parameter {name or '?'} cannot be read: {error}") from None


def _from_single(message: query_pb2.Value) -> Single:
    match message.WhichOneof("value"):
        case None:
            return None
        case "decimal":
            return Decimal(message.decimal)
        case "date":
            return date.fromisoformat(message.date)
        case "time":
            return time.fromisoformat(message.time)
        case "timestamp":
            return datetime.fromisoformat(message.timestamp)
        case "interval":
            return message.interval * _MICROSECOND
        case "values":
            raise ValueError("a list stands in a list")
        case plain:
            single: Single = getattr(message, plain)
            return single
