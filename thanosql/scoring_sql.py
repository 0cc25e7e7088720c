"""Names of the functions that count errors of transcripts in SQL; every store of tables provides them.

Each takes a reference and a hypothesis as text and gives a bigint: a count of `thanosql.scoring`, after
its normalisation, or NULL where either argument is NULL. Rates of any group of rows are made of their
sums: the word error rate is `sum(thanosql_word_errors(r, h)) / sum(thanosql_words(r, h))`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from thanosql.scoring import character_errors, word_errors

WORD_ERRORS = "thanosql_word_errors"
"""Words that differ: substitutions, insertions and deletions."""

WORDS = "thanosql_words"
"""Words of the reference."""

CHARACTER_ERRORS = "thanosql_character_errors"
"""Characters that differ, spaces between words included."""

CHARACTERS = "thanosql_characters"
"""Characters of the reference."""


COUNTERS: Mapping[str, Callable[[str, str], int]] = MappingProxyType(
    {
        WORD_ERRORS: lambda reference, hypothesis: word_errors([reference], [hypothesis]).errors,
        # The hypothesis decides only whether there is a pair: a row that is not scored has no words either.
        WORDS: lambda reference, _: word_errors([reference], [""]).length,
        CHARACTER_ERRORS: lambda reference, hypothesis: character_errors([reference], [hypothesis]).errors,
        CHARACTERS: lambda reference, _: character_errors([reference], [""]).length,
    }
)
"""What each function counts for one pair."""
