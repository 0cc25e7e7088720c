"""Translates between the values of `thanosql.types` and the generated messages of the same names.

The two mirror each other field by field, so one rule for each kind of field serves all of them:
nested values, tuples, string maps, enumerations (`IfExists.FAIL` is `IF_EXISTS_FAIL`), moments
(`datetime` is `google.protobuf.Timestamp`) and optional fields (`None` is an unset field).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from google.protobuf.message import Message

from thanosql.errors import DataError

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def to_message(value: Any, message_type: type[M]) -> M:
    """The message that says what `value`, a dataclass of `thanosql.types`, says."""
    plan = _plan_of(type(value))
    message = message_type(**dict(zip(plan.plain, plan.read(value), strict=True)))
    for name, _ in plan.others:
        _set_field(message, name, getattr(value, name))
    return message


def from_message(message: Message, value_type: type[T]) -> T:
    """The value of type `value_type` that says what `message` says.

    Raises:
        DataError: an enumeration has a number that this program does not know.
    """
    plan = _plan_of(value_type)
    values = dict(zip(plan.plain, plan.read(message), strict=True))
    for name, kind in plan.others:
        values[name] = _get_field(message, name, kind)
    return value_type(**values)


def one_of(message: Message, group: str, kinds: Mapping[str, type[T]]) -> T | None:
    """The value in the oneof `group`, whose fields are translated to `kinds`; None where none is set."""
    name = message.WhichOneof(group)
    return None if name is None else from_message(getattr(message, name), kinds[name])


_PLAIN = (str, int, float, bool, bytes)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a type is translated; found out once, as a hundred thousand transcripts may go by in one statement."""

    plain: tuple[str, ...]
    """Fields that are the same on both sides."""
    read: Callable[[Any], Iterable[Any]]
    """Their values."""
    others: tuple[tuple[str, Any], ...]
    """The other fields, with their types."""


def _plan_of(value_type: Any) -> _Plan:
    known = _PLANS.get(value_type)
    if known is None:
        hints = typing.get_type_hints(value_type)
        kinds = [(field.name, hints[field.name]) for field in fields(value_type)]
        plain = tuple(name for name, kind in kinds if kind in _PLAIN)
        # `attrgetter` gives a tuple of two attributes and more, and a single one as it is.
        read = attrgetter(*plain) if len(plain) > 1 else lambda each: [getattr(each, name) for name in plain]
        known = _PLANS[value_type] = _Plan(plain, read, tuple(each for each in kinds if each[1] not in _PLAIN))
    return known


_PLANS: dict[Any, _Plan] = {}


def _set_field(message: Message, name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, tuple):
        target = getattr(message, name)
        for each in value:
            if is_dataclass(each):
                target.append(to_message(each, _element_type(message, name)))
            else:
                target.append(each)
    elif isinstance(value, Mapping):
        getattr(message, name).update(value)
    elif isinstance(value, datetime):
        getattr(message, name).FromDatetime(value)
    elif isinstance(value, StrEnum):
        values = _field(message, name).enum_type.values_by_name
        setattr(message, name, values[f"{_prefix(type(value))}_{value.name}"].number)
    elif is_dataclass(value):
        getattr(message, name).CopyFrom(to_message(value, type(getattr(message, name))))
    else:
        setattr(message, name, value)


def _get_field(message: Message, name: str, kind: Any) -> Any:
    if isinstance(kind, type) and is_dataclass(kind):
        return from_message(getattr(message, name), kind)
    if isinstance(kind, types.UnionType):
        if not message.HasField(name):
            return None
        (kind,) = (each for each in kind.__args__ if each is not type(None))
    value = getattr(message, name)
    origin = typing.get_origin(kind)
    if origin is tuple:
        element: Any = typing.get_args(kind)[0]
        return tuple(from_message(each, element) if isinstance(each, Message) else each for each in value)
    if origin is not None and issubclass(origin, Mapping):
        return dict(value)
    if kind is datetime:
        return value.ToDatetime(UTC)
    if issubclass(kind, StrEnum):
        full = _field(message, name).enum_type.values_by_number.get(value)
        if full is None:
            raise DataError(f"{name} has the unknown number {value}", hint="Is the other side a newer release?")
        return kind[full.name.removeprefix(_prefix(kind) + "_")]
    if isinstance(value, Message):
        return from_message(value, kind)
    return value


def _field(message: Message, name: str) -> Any:
    return message.DESCRIPTOR.fields_by_name[name]


@cache
def _prefix(enumeration: type[StrEnum]) -> str:
    """`IF_EXISTS` for `IfExists`."""
    words = "".join("_" + c if c.isupper() else c for c in enumeration.__name__)
    return words.lstrip("_").upper()


def _element_type(message: Message, name: str) -> type[Message]:
    concrete: type[Message] = _field(message, name).message_type._concrete_class
    return concrete
