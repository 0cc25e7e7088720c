"""Steps over recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from query_service.language.options import Name
from query_service.planning.steps.query import TableQuery


@dataclass(frozen=True, slots=True)
class PlayAudio:
    """Gives a clip for each row of a query."""

    TITLE: ClassVar[str] = "play audio"

    query: TableQuery
    audio: Name
    """The column with the path; where its name is the default, a query of one column needs none."""
    reference: Name | None
    predicted: Name | None
    """The columns that are compared word by word; None: by their usual names, where the query has both."""


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Gives the rows of a query with the transcripts of their recordings."""

    TITLE: ClassVar[str] = "transcribe"

    query: TableQuery
    model: Name
    version: int
    """0: the one that the step before has made ready."""
    audio: Name
    reference: Name | None
    """Column to compute the word error rate against."""
    result: Name
    confidence: Name | None
    words: Name | None
    error: Name | None
    on_error: str
    cache: bool
    batch_size: int
    """Upper bound; 0: the server's own."""
    hotwords: tuple[Name, ...]
    hotword_weight: float | None
    """Nats for each letter of them; None where there are none."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Scores the transcripts of the recordings of a query against what was said."""

    TITLE: ClassVar[str] = "evaluate"
    COLUMNS: ClassVar[tuple[str, ...]] = ("metric", "score", "low", "high")
    """Of its rows."""

    query: TableQuery
    model: Name
    version: int
    """0: the one that the step before has made ready."""
    audio: Name
    reference: Name
    """Column with what was said."""
    on_error: str
    cache: bool
    batch_size: int
    """Upper bound; 0: the server's own."""
    hotwords: tuple[Name, ...]
    hotword_weight: float | None
    """Nats for each letter of them; None where there are none."""
