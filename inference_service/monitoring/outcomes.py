"""How requests end: judged by the error that ended them, and recorded in the model's figures."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inference_service.monitoring.figures import ModelFigures, Outcome, RequestReport
from thanosql.errors import (
    AudioError,
    Cancelled,
    NotFound,
    Overloaded,
    PathRefused,
    ThanoSQLError,
    TimedOut,
    Unavailable,
)
from thanosql.types import Priority


@contextmanager
def recorded(figures: ModelFigures, priority: Priority, clock: Callable[[], float]) -> Iterator[None]:
    """Records how the request that the block answers has ended."""
    begin = clock()
    outcome, reason = Outcome.SUCCESS, ""
    try:
        yield
    except BaseException as error:
        outcome, reason = judge(error)
        raise
    finally:
        figures.record_request(RequestReport(outcome, priority, clock() - begin, reason))


def judge(error: BaseException) -> tuple[Outcome, str]:
    """What an error says of the request that it ended, and why, in a word or two to count by."""
    match error:
        case Overloaded():
            return Outcome.REJECTED, error.reason
        case TimedOut():
            return Outcome.LATE, ""
        case asyncio.CancelledError() | GeneratorExit() | Cancelled():
            return Outcome.CANCELLED, ""
        case AudioError():
            return Outcome.FAILED, error.reason
        case PathRefused():
            return Outcome.FAILED, "path refused"
        case NotFound():
            return Outcome.FAILED, "missing"
        case Unavailable():
            return Outcome.FAILED, "stopping"
        case ThanoSQLError():
            return Outcome.FAILED, "model"
    return Outcome.FAILED, "internal"
