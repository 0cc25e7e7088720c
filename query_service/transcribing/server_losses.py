"""What is said of servers that went away while they transcribed."""

from __future__ import annotations

from thanosql.errors import ThanoSQLError, Unavailable
from thanosql.types import ClipFailure


def tell_gone(address: str, unanswered: int) -> str:
    """One has gone, and there are others."""
    recordings = "the recording" if unanswered == 1 else f"the {unanswered:,} recordings"
    return f"A server has gone, {address}: {recordings} that it had go to the others."


def tell_waiting(last: ThanoSQLError | None, patience: float) -> str:
    """There is none, and the statement waits.

    Args:
        last: Why the last one went, if any was there.
        patience: Seconds for which it waits.
    """
    return f"There is no server to transcribe: {_why(last)}. One is waited for, {patience:.0f} s at most."


def none_left(last: ThanoSQLError | None, patience: float, left: int) -> Unavailable:
    """There was none for too long; `left` recordings are not transcribed."""
    recordings = "1 recording is" if left == 1 else f"{left:,} recordings are"
    waited = f" for {patience:.0f} s" if patience else ""
    return Unavailable(
        f"there is no server to transcribe{waited}, and {recordings} not transcribed: {_why(last)}",
        hint="The transcripts that are done are kept: run the statement again when it is back, and it goes on.",
    )


def given_up(number: int) -> ClipFailure:
    """The answer for a recording that servers die of."""
    message = "inference_service ended several times while it had this recording and nothing else"
    return ClipFailure(number, "server died", message)


def _why(last: ThanoSQLError | None) -> str:
    return last.message if last is not None else "none of those that there are serves now"
