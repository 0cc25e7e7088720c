"""Reads EXPLAIN."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot.tokenizer_core import TokenType

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.statements import Statement
from query_service.language.tokens import word_of
from thanosql.errors import NotSupported

_ANALYZE = ("ANALYZE", "ANALYSE")
_OPTIONS = (
    *_ANALYZE,
    *("VERBOSE", "COSTS", "SETTINGS", "GENERIC_PLAN", "BUFFERS", "SERIALIZE", "WAL", "TIMING", "SUMMARY", "MEMORY"),
    *("FORMAT", "QUERY"),
)
"""What other databases let follow EXPLAIN."""


def _read_explain(r: Reader) -> Statement:
    r.begin(s.Explain, "EXPLAIN")
    _refuse_options(r)
    if r.peek() == "EXPLAIN":
        raise r.fail("EXPLAIN cannot explain an EXPLAIN", r.at(), "Write it once.")
    return r.end(s.Explain, explained=r.read_rest_as_statement())


def _refuse_options(r: Reader) -> None:
    """EXPLAIN ANALYZE would run the statement; nothing else is there to be chosen."""
    opens = r.next < len(r.tokens) and r.tokens[r.next].token_type == TokenType.L_PAREN
    inside = r.tokens[r.next + opens : r.next + opens + 1]
    word = word_of(inside[0]) if inside else ""
    if word in _ANALYZE:
        hint = (
            "EXPLAIN runs nothing, and says what there is to do and what is expected. "
            "Run the statement itself to see what it takes: its progress and its last line say so."
        )
        raise r.source.error(NotSupported, f"EXPLAIN {word} is not supported", inside[0].start, hint)
    if word in _OPTIONS:
        raise r.source.error(
            NotSupported, "EXPLAIN has no options", inside[0].start, "Write EXPLAIN and the statement."
        )


READERS: dict[str, Callable[[Reader], Statement]] = {
    "EXPLAIN": _read_explain,
}
"""By the word that a statement begins with."""
