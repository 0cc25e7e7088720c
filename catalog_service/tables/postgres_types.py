"""What PostgreSQL's types are in Arrow, and what Arrow's are in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_SCALARS: dict[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int16(),
    23: pa.int32(),
    700: pa.float32(),
    701: pa.float64(),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", "UTC"),
}
"""Arrow's type by PostgreSQL's object id, which is the same on every server; what is not here travels as text."""

_NUMERIC = 1700

_ARRAYS: dict[int, pa.DataType] = {
    1000: pa.bool_(),
    1001: pa.binary(),
    1005: pa.int16(),
    1007: pa.int32(),
    1016: pa.int64(),
    1021: pa.float32(),
    1022: pa.float64(),
    1231: pa.float64(),
    1182: pa.date32(),
    1183: pa.time64("us"),
    1115: pa.timestamp("us"),
    1185: pa.timestamp("us", "UTC"),
    # text, character, character varying, uuid
    **dict.fromkeys((1009, 1014, 1015, 2951), pa.string()),
}
"""Arrow's type of the elements, by PostgreSQL's object id of the array."""

_MOST_DIGITS = 76
"""Of Arrow's widest decimal."""


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """One column of a result, as the server describes it before the first row comes."""

    name: str
    type_code: int
    """The type's object id."""
    precision: int | None = None
    """All digits of a numeric that has a bound."""
    scale: int | None = None
    """Of these, behind the point."""

    @property
    def is_array(self) -> bool:
        """Whether it travels as JSON, since the text form of arrays is PostgreSQL's own."""
        return self.type_code in _ARRAYS

    @property
    def arrow_type(self) -> pa.DataType:
        """Its type in Arrow.

        A numeric without a bound, such as the average of whole numbers, is a double: it has no scale that
        all its values share. `cast(x as numeric(38, 2))` gives it one.
        """
        if self.type_code in _ARRAYS:
            return pa.list_(_ARRAYS[self.type_code])
        if self.type_code != _NUMERIC:
            return _SCALARS.get(self.type_code, pa.string())
        if self.precision is None or self.precision > _MOST_DIGITS:
            return pa.float64()
        make = pa.decimal128 if self.precision <= 38 else pa.decimal256
        return make(self.precision, self.scale or 0)


def result_schema(columns: Sequence[ResultColumn]) -> pa.Schema:
    """The schema of the rows that `columns` describe."""
    return pa.schema([pa.field(column.name, column.arrow_type) for column in columns])


_NAMES: dict[str, str] = {
    "null": "text",
    "bool": "boolean",
    "int8": "smallint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "uint8": "smallint",
    "uint16": "integer",
    "uint32": "bigint",
    "uint64": "numeric(20,0)",
    "halffloat": "real",
    "float": "real",
    "double": "double precision",
    "string": "text",
    "large_string": "text",
    "string_view": "text",
    "binary": "bytea",
    "large_binary": "bytea",
    "binary_view": "bytea",
    "date32[day]": "date",
    "date64[ms]": "date",
    "month_day_nano_interval": "interval",
}


def column_type(type: Any) -> str:
    """The type of a table's column that keeps values of an Arrow type.

    Structures, maps and lists of lists are kept as JSON: PostgreSQL has no types of theirs that need no declaration.

    >>> column_type(pa.list_(pa.float64())), column_type(pa.decimal128(10, 2)), column_type(pa.timestamp("ns", "UTC"))
    ('double precision[]', 'numeric(10,2)', 'timestamp with time zone')
    """
    if isinstance(type, pa.BaseExtensionType):
        return "uuid" if type.extension_name == "arrow.uuid" else column_type(type.storage_type)
    if pa.types.is_dictionary(type):
        return column_type(type.value_type)
    if pa.types.is_decimal(type):
        return f"numeric({type.precision},{type.scale})"
    if pa.types.is_timestamp(type):
        return "timestamp with time zone" if type.tz else "timestamp without time zone"
    if pa.types.is_time(type):
        return "time without time zone"
    if pa.types.is_duration(type):
        return "interval"
    if is_list(type):
        element = column_type(type.value_type)
        return "jsonb" if element == "jsonb" or element.endswith("[]") else f"{element}[]"
    return _NAMES.get(str(type), "jsonb")


def is_list(type: pa.DataType) -> bool:
    """Whether its values are lists."""
    return pa.types.is_list(type) or pa.types.is_large_list(type) or pa.types.is_fixed_size_list(type)


def described_name(type: str) -> str:
    """What DESCRIBE calls a type that PostgreSQL's format_type calls `type`: as in the other store.

    >>> described_name("timestamp without time zone"), described_name("character varying(20)[]")
    ('timestamp', 'text[]')
    """
    if type.endswith("[]"):
        return described_name(type[:-2]) + "[]"
    if type.startswith("character"):
        return "text"
    return type.removesuffix(" without time zone")
