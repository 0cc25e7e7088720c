"""A job: statements that go on by themselves, whether anybody follows them or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thanosql.errors import NotFound, ThanoSQLError
from thanosql.types import Event, JobState, Progress

if TYPE_CHECKING:
    from thanosql.result import Result
    from thanosql.session import Session


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is, at one moment."""

    state: JobState
    kind: str = ""
    """Of the statement that runs, or ran last: "predict", "build model"."""
    progress: Progress | None = None
    """The last that the statement told; None: it has told none."""
    rows: int = 0
    """That the statement has given so far, or touched."""
    error: str = ""
    """Why it failed."""
    statement: str = ""
    properties: dict[str, str | None] = field(default_factory=dict, repr=False)
    """All that DESCRIBE JOB tells, by its names."""


class Job:
    """Statements that were sent, made by `Session.submit` and `Session.job`.

    A job goes on when its session is closed and when this program ends; `session.job(id)` finds it again, for an hour
    after its end. In local mode it ends with the process that runs the services; a training goes on in the next.

    Args:
        session: Asks the server.
        id: Of the statements; LIST JOBS shows it too.
    """

    def __init__(self, session: Session, id: str) -> None:
        self._session, self.id = session, id

    def status(self) -> JobStatus:
        """How far it is now.

        Raises:
            NotFound: the server knows no such job (any more).
        """
        told = self._session.sql("DESCRIBE JOB :id", {"id": self.id}, progress=False)
        properties: dict[str, str | None] = dict(tuple(row) for row in told)
        return _read_status(properties)

    @property
    def progress(self) -> Progress | None:
        """The last progress that the statement told; None: it has told none."""
        return self.status().progress

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status().state.ended

    def events(self, next_event: int = 0) -> Iterator[Event]:
        """What has happened and happens, from event number `next_event` on, to its end; leaving early stops nothing.

        Raises:
            ThanoSQLError: how it ends, where it fails.
        """
        return self._session.events_of(self.id, next_event)

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> Result:
        """Waits for the end and gives the result of the last statement.

        Args:
            timeout: Seconds; None: as long as it takes.
            progress: Whether to show progress meanwhile.

        Raises:
            TimedOut: it has not ended in that time; it goes on.
            Cancelled: it was stopped.
            ThanoSQLError: how it ends, where it fails.
        """
        return self._session.attach(self.id, progress=progress, timeout=timeout)

    def cancel(self) -> bool:
        """Stops it, and the training that it started; False: it had ended already."""
        try:
            if self._session.stop(self.id):
                return True
            # A training's id is not that of the statement which follows it, if there is one.
            if "attempts" not in (told := self.status()).properties or told.state.ended:
                return False
            self._session.cancel(self.id)
            return True
        except NotFound:
            return False
        except ThanoSQLError as error:
            raise error.with_traceback(None) from None

    def __repr__(self) -> str:
        return f"<thanosql job {self.id}>"


def _read_status(properties: dict[str, str | None]) -> JobStatus:
    def number(name: str) -> float:
        return float(properties.get(name) or 0)

    progress = None
    if phase := properties.get("progress.phase"):
        left = properties.get("progress.seconds_left")
        usual = ("phase", "done", "total", "unit", "rate", "seconds_left")
        figures = {
            name: float(value)
            for key, value in properties.items()
            if value and (name := key.removeprefix("progress.")) != key and name not in usual
        }
        progress = Progress(
            phase,
            number("progress.done"),
            number("progress.total"),
            properties.get("progress.unit") or "",
            number("progress.rate"),
            float(left) if left else None,
            figures,
        )
    return JobStatus(
        JobState(properties.get("state") or JobState.RUNNING),
        properties.get("kind") or "",
        progress,
        int(number("rows")),
        properties.get("error") or "",
        properties.get("statement") or "",
        properties,
    )
