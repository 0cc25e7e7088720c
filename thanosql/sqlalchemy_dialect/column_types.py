"""SQLAlchemy's types for those that DESCRIBE TABLE names."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import types
from sqlalchemy.dialects import postgresql

_TYPES: dict[str, type[types.TypeEngine[Any]]] = {
    "text": types.TEXT,
    "boolean": types.BOOLEAN,
    "smallint": types.SMALLINT,
    "integer": types.INTEGER,
    "bigint": types.BIGINT,
    "real": types.REAL,
    "double precision": types.DOUBLE_PRECISION,
    "bytea": postgresql.BYTEA,
    "date": types.DATE,
    "time": types.TIME,
    "timestamp": types.TIMESTAMP,
    "interval": postgresql.INTERVAL,
    "json": types.JSON,
    "uuid": types.UUID,
}
_NUMERIC = re.compile(r"numeric\((\d+), ?(\d+)\)")


def to_type(name: str) -> types.TypeEngine[Any]:
    """The type of PostgreSQL's `name`: "bigint", "numeric(10,2)", "text[]"; NullType for one without a counterpart.

    >>> to_type("numeric(10,2)")
    NUMERIC(precision=10, scale=2)
    """
    if name.endswith("[]"):
        return types.ARRAY(to_type(name[:-2]))
    if found := _NUMERIC.fullmatch(name):
        return types.NUMERIC(int(found[1]), int(found[2]))
    if name in ("timestamptz", "timestamp with time zone"):
        return types.TIMESTAMP(timezone=True)
    return _TYPES.get(name, types.NullType)()
