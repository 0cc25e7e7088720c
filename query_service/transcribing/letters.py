"""What a step that has recordings transcribed is told by the threads that work for it."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.transcribing.recordings import Result


@dataclass(frozen=True, slots=True)
class Known:
    """What becomes of a recording."""

    number: int
    result: Result
    lasts: bool = True
    """It is of the file as its key says: the file has not changed since it was looked at."""
    heard: bool = False
    """The model was asked."""
    stored: bool = False
    """It stands in the cache."""


@dataclass(frozen=True, slots=True)
class Released:
    """A recording that another statement was to have transcribed, and has not."""

    number: int


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """No more answers come; `failure` says why, where it is not because all were given."""

    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Something that the user should know."""

    text: str


Letter = Known | Released | StreamEnded | Told
"""What may lie in its mailbox."""
