"""The functions that score transcripts, in PostgreSQL's own languages, made from the tables of `thanosql.scoring`.

They count as `thanosql.scoring` does, letter for letter, but for one thing: which letters are one and the same in
another form (NFKC) the server knows by its own version of Unicode, so characters younger than that, which Python
knows to fold, stay as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby

from thanosql.scoring import APOSTROPHES, is_compared

SCHEMA = "thanosql_functions"
"""Where they are: users may call what is there, and make nothing there."""


def scoring_sql(levenshtein: str | None) -> str:
    """What makes the functions, or makes them anew.

    Args:
        levenshtein: The extension's function with its schema, which is quick up to 255 characters; None where the
            server has no such extension: then all is counted in PL/pgSQL.
    """
    return (
        _TEMPLATE.replace("<normalise>", _normalise())
        .replace("<words>", _WORDS.replace("<levenshtein>", levenshtein) if levenshtein else "NULL")
        .replace("<characters>", _CHARACTERS.replace("<levenshtein>", levenshtein) if levenshtein else "NULL")
        .replace("<schema>", SCHEMA)
    )


_TEMPLATE = r"""
CREATE OR REPLACE FUNCTION <schema>.thanosql_normalise(t text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
<normalise>
$function$;

-- The fewest edits that make b of a: the furthest place that e edits reach on each diagonal (Ukkonen,
-- Algorithms for approximate string matching, 1985). It takes as many steps as the square of the edits.
CREATE OR REPLACE FUNCTION <schema>.thanosql_distance(a text[], b text[]) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
DECLARE
  n int := cardinality(a);
  m int := cardinality(b);
  middle int := n + 2;
  reached int[] := array_fill(-1, ARRAY[n + m + 3]);
  before int[];
  i int;
BEGIN
  FOR e IN 0 .. greatest(n, m) LOOP
    before := reached;
    FOR k IN greatest(-e, -n) .. least(e, m) LOOP
      IF e = 0 THEN
        i := 0;
      ELSE
        i := least(greatest(before[middle + k] + 1, before[middle + k - 1], before[middle + k + 1] + 1), n, m - k);
      END IF;
      WHILE i < n AND i + k < m AND a[i + 1] = b[i + k + 1] LOOP
        i := i + 1;
      END LOOP;
      IF k = m - n AND i = n THEN
        RETURN e;
      END IF;
      reached[middle + k] := i;
    END LOOP;
  END LOOP;
  RETURN greatest(n, m);
END
$function$;

CREATE OR REPLACE FUNCTION <schema>.thanosql_words(reference text, hypothesis text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $function$
  SELECT cardinality(string_to_array(<schema>.thanosql_normalise(reference), ' '))::bigint
$function$;

CREATE OR REPLACE FUNCTION <schema>.thanosql_characters(reference text, hypothesis text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $function$
  SELECT length(<schema>.thanosql_normalise(reference))::bigint
$function$;

CREATE OR REPLACE FUNCTION <schema>.thanosql_word_errors(reference text, hypothesis text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
DECLARE
  a text[];
  b text[];
BEGIN
  IF reference = hypothesis THEN
    RETURN 0;
  END IF;
  a := string_to_array(<schema>.thanosql_normalise(reference), ' ');
  b := string_to_array(<schema>.thanosql_normalise(hypothesis), ' ');
  IF a = b THEN
    RETURN 0;
  ELSIF cardinality(a) = 0 OR cardinality(b) = 0 THEN
    RETURN cardinality(a) + cardinality(b);
  ELSIF cardinality(a) <= 255 AND cardinality(b) <= 255 THEN
    RETURN coalesce(<words>, <schema>.thanosql_distance(a, b));
  END IF;
  RETURN <schema>.thanosql_distance(a, b);
END
$function$;

CREATE OR REPLACE FUNCTION <schema>.thanosql_character_errors(reference text, hypothesis text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $function$
DECLARE
  a text;
  b text;
BEGIN
  IF reference = hypothesis THEN
    RETURN 0;
  END IF;
  a := <schema>.thanosql_normalise(reference);
  b := <schema>.thanosql_normalise(hypothesis);
  IF a = b THEN
    RETURN 0;
  ELSIF length(a) <= 255 AND length(b) <= 255 THEN
    RETURN coalesce(<characters>, <schema>.thanosql_distance(string_to_array(a, NULL), string_to_array(b, NULL)));
  END IF;
  RETURN <schema>.thanosql_distance(string_to_array(a, NULL), string_to_array(b, NULL));
END
$function$;
"""

# Each word becomes one character, so that the extension's function counts words.
_WORDS = """(
      SELECT <levenshtein>(
        string_agg(chr(word), '' ORDER BY place) FILTER (WHERE of_reference),
        string_agg(chr(word), '' ORDER BY place) FILTER (WHERE NOT of_reference)
      )
      FROM (
        SELECT of_reference, place, 19968 + dense_rank() OVER (ORDER BY spelling COLLATE "C")::int AS word
        FROM (
          SELECT true AS of_reference, spelling, place FROM unnest(a) WITH ORDINALITY AS x(spelling, place)
          UNION ALL
          SELECT false, spelling, place FROM unnest(b) WITH ORDINALITY AS y(spelling, place)
        ) AS spelled
      ) AS numbered
    )"""

_CHARACTERS = "<levenshtein>(a, b)"


def _normalise() -> str:
    """The body of `thanosql_normalise`; see `thanosql.scoring.normalise`."""
    codes = [code for code in range(128, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    folded = {chr(code): chr(code).casefold() for code in codes if chr(code).casefold() != chr(code)}
    alone = {one: other for one, other in folded.items() if len(other) == 1}
    several = {one: other for one, other in folded.items() if len(other) > 1}
    # casefold() has made small letters of all the others.
    kept = "".join(_ranges(code for code in codes if is_compared(code)))
    replaced = "x"
    for one, other in several.items():
        replaced = f"replace({replaced}, {_text(one)}, {_text(other)})"
    return rf"""
DECLARE
  x text := lower(translate(t, {_text("".join(map(chr, APOSTROPHES)))}, {_text("'" * len(APOSTROPHES))}) COLLATE "C");
BEGIN
  IF octet_length(x) = length(x) THEN
    RETURN btrim(regexp_replace(x, '[^a-z0-9'']+', ' ', 'g'));
  END IF;
  x := lower(normalize(x, NFKC) COLLATE "C");
  IF x ~ '[{"".join(_ranges(map(ord, several)))}]' THEN
    x := {replaced};
  END IF;
  IF x ~ '[{"".join(_ranges(map(ord, alone)))}]' THEN
    x := translate(x, {_text("".join(alone))}, {_text("".join(alone.values()))});
  END IF;
  RETURN btrim(regexp_replace(normalize(x, NFKC), '[^a-z0-9''{kept}]+', ' ', 'g'));
END"""


def _ranges(codes: Iterable[int]) -> Iterator[str]:
    """Codes in ascending order as what stands between the brackets of a regular expression."""
    for _, group in groupby(enumerate(codes), lambda each: each[1] - each[0]):
        run = [code for _, code in group]
        yield rf"\U{run[0]:08X}" if len(run) == 1 else rf"\U{run[0]:08X}-\U{run[-1]:08X}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
