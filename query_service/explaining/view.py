"""What EXPLAIN knows while it walks a plan: the statement, and which rows of earlier steps are known before it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from query_service.explaining.tree import Branch
from query_service.planning.steps import Step, TableQuery
from query_service.running.arrow import read_rows
from query_service.running.work import Work
from query_service.transcribing.hearing import Hearing
from thanosql.types import AudioKey, Progress

Explaining = Generator[Progress, None, Branch | None]
"""A step that is explained: yields how far that is, returns what there is to say; None: others say it."""


@dataclass(frozen=True, slots=True)
class View:
    """One plan, while it is explained."""

    work: Work
    heard: set[tuple[Hearing, AudioKey]] = field(default_factory=set)
    """Files that a step before has transcribed in the same way: they are transcribed once."""
    times: list[float | None] = field(default_factory=list)
    """Seconds that each step that transcribes or trains is expected to take; None: not known."""
    branches: dict[str, tuple[Branch, ...]] = field(default_factory=dict)
    """What gives the rows that steps leave for later ones, by their name; each is shown where it is first read."""
    unheard: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of rows that are known but for some columns, which are NULL: what is heard will stand there."""
    unknown: set[str] = field(default_factory=set)
    """Names of rows that only running the statement would tell."""

    def is_known(self, query: TableQuery) -> bool:
        """Whether the query can be asked now, and will give the same rows, but for what is heard in them."""
        return self.unknown.isdisjoint(query.relations) and not any(
            depends_on(query.sql, self.unheard[name]) for name in query.relations if name in self.unheard
        )

    def below(self, query: TableQuery | None) -> tuple[Branch, ...]:
        """The steps whose rows a query reads, those left out that were shown."""
        names = query.relations if query is not None else ()
        return tuple(branch for name in names for branch in self.branches.pop(name, ()))

    def read(self, query: TableQuery) -> Iterator[pa.RecordBatch]:
        """The rows of a query that is known."""
        for rows in self.work.query(query):
            self.work.cancellation.check()
            yield from read_rows(rows)


_DEPENDING = ("distinct", "union", "except", "intersect", "natural")
"""Words of a query that looks at all columns, also at those that it does not name."""


def depends_on(sql: str, columns: Sequence[str]) -> bool:
    """Whether which rows a query gives may depend on some columns of what it reads, as far as its words tell.

    >>> depends_on("SELECT * FROM predict_1", ["predicted"])
    False
    >>> depends_on("SELECT * FROM predict_1 WHERE predicted LIKE 'a%'", ["predicted"])
    True
    """
    words = set(re.findall(r"\w+", sql.lower()))
    named = (word for column in columns for word in re.findall(r"\w+", column.lower()))
    return not words.isdisjoint(_DEPENDING) or not words.isdisjoint(named)


Explainer = Callable[[Any, View], Explaining]
"""Tells what a step of one kind would do."""

ExplainSteps = Callable[[Sequence[Step], View], Generator[Progress, None, tuple[Branch, ...]]]
"""Tells what steps would do, whatever they are."""

NOT_KNOWN = "how much there is to do is not known before the statement runs: it depends on what is heard"
"""Of steps over rows that transcripts decide on."""
