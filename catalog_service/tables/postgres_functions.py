"""Functions that queries find in both stores and that PostgreSQL lacks or answers otherwise, and those that score."""

from __future__ import annotations

from catalog_service.tables.postgres_scoring import SCHEMA, scoring_sql


def functions_sql(levenshtein: str | None) -> str:
    """What makes all functions of ours, or makes them anew; see `scoring_sql`."""
    return scoring_sql(levenshtein) + _OTHERS.replace("<schema>", SCHEMA)


_OTHERS = """
-- A sum of whole numbers is a whole number, and not a numeric.
CREATE OR REPLACE AGGREGATE <schema>.sum(bigint) (
  SFUNC = pg_catalog.int8pl, STYPE = bigint, COMBINEFUNC = pg_catalog.int8pl, PARALLEL = SAFE
);

-- Error rates and seconds are doubles, which PostgreSQL rounds to whole numbers only.
CREATE OR REPLACE FUNCTION <schema>.round(value double precision, digits integer) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $function$
  SELECT pg_catalog.round(value::numeric, digits)::double precision
$function$;

-- PostgreSQL has it from 16 on.
CREATE OR REPLACE FUNCTION <schema>.thanosql_keep(kept anyelement, other anyelement) RETURNS anyelement
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $function$
  SELECT kept
$function$;
CREATE OR REPLACE AGGREGATE <schema>.any_value(anyelement) (
  SFUNC = <schema>.thanosql_keep, STYPE = anyelement, COMBINEFUNC = <schema>.thanosql_keep, PARALLEL = SAFE
);
"""
