"""On whose behalf a job is: noted beside it when it is queued, taken up when it is worked on, perhaps minutes later."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from thanosql.rpc.logs import current_query_id, current_request_id, set_query_id, set_request_id
from thanosql.rpc.spans import continue_trace, current_traceparent
from thanosql.rpc.telemetry import Tracing

_FILE = "origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that has queued a job, or resumed it. Each is empty where it is not known."""

    request_id: str = ""
    query_id: str = ""
    traceparent: str = ""


def note_origin(folder: Path) -> None:
    """Keeps in a job's folder what this thread works for; does without where the disk does not take it."""
    origin = Origin(current_request_id(), current_query_id(), current_traceparent())
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FILE).write_text(json.dumps(asdict(origin)), "utf-8")


def read_origin(folder: Path) -> Origin:
    """What `note_origin` kept; nothing where nothing was."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Origin(**json.loads((folder / _FILE).read_text("utf-8")))
    return Origin()


@contextmanager
def working_for_origin(folder: Path, tracing: Tracing | None) -> Iterator[None]:
    """The work inside has the ids of the request that queued the job, in log and calls, and belongs to its trace."""
    origin = read_origin(folder)
    set_request_id(origin.request_id)
    set_query_id(origin.query_id)
    try:
        with continue_trace(tracing, origin.traceparent):
            yield
    finally:
        set_request_id("")
        set_query_id("")
