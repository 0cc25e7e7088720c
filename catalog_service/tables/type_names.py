"""PostgreSQL's names of DuckDB's types, which users read in DESCRIBE."""

from __future__ import annotations

_NAMES = {
    "VARCHAR": "text",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "numeric(20,0)",
    "HUGEINT": "numeric(38,0)",
    "UHUGEINT": "numeric(38,0)",
    "BIGNUM": "numeric",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "BLOB": "bytea",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    '"NULL"': "text",
}


def postgres_name(duckdb_type: str) -> str:
    """What PostgreSQL calls a type that DuckDB calls `duckdb_type`.

    >>> postgres_name("DOUBLE[]"), postgres_name("DECIMAL(10,2)"), postgres_name("DATE")
    ('double precision[]', 'numeric(10,2)', 'date')
    """
    if duckdb_type.endswith("[]"):
        return postgres_name(duckdb_type[:-2]) + "[]"
    if duckdb_type.startswith("DECIMAL("):
        return duckdb_type.replace("DECIMAL", "numeric")
    if duckdb_type.startswith("ENUM("):
        return "text"
    return _NAMES.get(duckdb_type, duckdb_type if "(" in duckdb_type else duckdb_type.lower())
