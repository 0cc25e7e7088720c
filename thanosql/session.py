"""A session: statements and files in, results out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from thanosql.display import Display, Silence, suitable_display
from thanosql.errors import Cancelled, DataError, InternalError, ThanoSQLError
from thanosql.follow import follow, rejoin
from thanosql.interrupts import INTERRUPTED, interrupts_held_back
from thanosql.result import Collector, Result, read_batches
from thanosql.tokens import Tokens
from thanosql.types import Event, Progress, Rows, StatementDone, StatementStarted

if TYPE_CHECKING:
    import pyarrow as pa

    from thanosql.clients import QueryClient
    from thanosql.connection import Connection
    from thanosql.upload import UploadReport


class Session:
    """A connection to the query service, made by `thanosql.connect`.

    Use it from any thread; close it, or use it as a context manager, when it is done with.

    Args:
        open: Makes the connection; called again when the one at hand has ended.
    """

    def __init__(self, open: Callable[[], Connection]) -> None:
        self._open = open
        self._connection: Connection | None = open()

    def sql(self, text: str, *, progress: bool = True, on_event: Callable[[Event], None] | None = None) -> Result:
        """Runs the statements of `text` in order and returns the result of the last.

        Args:
            text: One or more statements, separated by `;`.
            progress: Whether to show progress and notices while they run; notices are in `Result.notices` too.
            on_event: Called with every event as it comes.

        Raises:
            ThanoSQLError: the first failure; statements before it have taken effect.
            Cancelled: Ctrl-C was pressed; the statement is stopped on the server, and the session can be used on.
        """
        return _last(self.run(text, progress=progress, on_event=on_event))

    def run(
        self, text: str, *, progress: bool = True, on_event: Callable[[Event], None] | None = None
    ) -> Iterator[Result]:
        """Runs the statements of `text` and yields the result of each as it ends; see `sql`."""
        return self._results(lambda client: follow(client, text), INTERRUPTED, progress, on_event)

    @property
    def tokens(self) -> Tokens:
        """Gives, lists and revokes tokens; for administrators."""
        return Tokens(lambda: self._live_connection().client)

    def attach(
        self,
        id: str,
        next_event: int = 0,
        *,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Result:
        """Takes up statements that were sent before, by this program or another, and returns the result of the last.

        They go on whether anybody follows them or not, and so they do when Ctrl-C ends this; `cancel` stops them.

        Args:
            id: As LIST JOBS shows it, or `Result.id`; the first characters are enough.
            next_event: Number of the event to begin with; what came before it is not in the result.
            progress: As in `sql`.
            on_event: As in `sql`.

        Raises:
            NotFound: the server knows no such statement (any more).
            ThanoSQLError: how they end, where they fail.
        """
        return _last(self.follow(id, next_event, progress=progress, on_event=on_event))

    def follow(
        self,
        id: str,
        next_event: int = 0,
        *,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Iterator[Result]:
        """Takes up statements that were sent before, and yields the result of each as it ends; see `attach`."""
        goes_on = f"left: the statement goes on. CANCEL JOB {id} stops it"
        return self._results(lambda client: rejoin(client, id, next_event), goes_on, progress, on_event)

    def cancel(self, id: str) -> Result:
        """Stops a statement or a training, whoever has started it: CANCEL JOB.

        Raises:
            NotFound: there is none of that id.
        """
        return self.sql("CANCEL JOB '" + id.replace("'", "''") + "'", progress=False)

    def stream(self, text: str) -> Iterator[pa.RecordBatch]:
        """Runs one statement and yields its rows as they come, for results that are too large to hold.

        A caller that stops early stops the statement.
        """
        for event in self._events(lambda client: follow(client, text), INTERRUPTED, Silence()):
            if isinstance(event.event, Rows):
                yield from read_batches(event.event)

    def upload(
        self,
        *paths: str | Path,
        to: str = "",
        overwrite: bool = False,
        progress: bool = True,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> UploadReport:
        """Sends files and folders into the workspace, where statements name them by their paths.

        What is there already is not sent again, and what broke off before is gone on with: after Ctrl-C, or when the
        connection was lost for long, the same call goes on where the last one stopped.

        Args:
            paths: Of files and folders on this machine; of a folder everything is sent that is not hidden.
            to: Folder of the workspace that files, and the contents of folders, are sent into; for a single file also
                its whole path. Left out: what lies below the current folder keeps its path from there, and what lies
                elsewhere its name.
            overwrite: Other files that stand there are replaced; otherwise they are left alone, and `refused` tells.
            progress: Whether to show progress.
            on_progress: Called with it several times a second; `done` and `total` are in MB.

        Raises:
            NotFound: a path is that of nothing.
            Unavailable: the server went away and stayed away.
            PermissionDenied: the token is only for reading.
            Cancelled: Ctrl-C was pressed.
        """
        from thanosql.upload import upload
        from thanosql.upload_files import select_files

        selection = select_files(paths, to)
        display = suitable_display() if progress else Silence()
        client = self._live_connection().client

        def show(moment: Progress) -> None:
            with interrupts_held_back():
                display.show(Event(0, moment))
            if on_progress is not None:
                on_progress(moment)

        try:
            display.show(Event(0, StatementStarted("", 0, "UPLOAD", "")))
            report = upload(client, selection, overwrite, show)
            display.show(Event(0, StatementDone(0, len(report.sent), report.seconds, "Success")))
            return report
        except ThanoSQLError as error:
            raise error.with_traceback(None) from None
        finally:
            with interrupts_held_back():
                display.close()

    def close(self) -> None:
        """Ends the connection, and the services of local mode if nobody else in this process uses them."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def where(self) -> str:
        """Where the statements go: "local, workspace /home/me/speech"."""
        return self._connection.description if self._connection is not None else "closed"

    def __repr__(self) -> str:
        return f"<thanosql session: {self.where}>"

    def _results(
        self,
        start: Callable[[QueryClient], Generator[Event]],
        interrupted: str,
        progress: bool,
        on_event: Callable[[Event], None] | None,
    ) -> Iterator[Result]:
        display = suitable_display() if progress else Silence()
        collector = Collector(StatementStarted("", 0, "", ""))
        for event in self._events(start, interrupted, display):
            if on_event is not None:
                on_event(event)
            if isinstance(event.event, StatementStarted):
                collector = Collector(event.event)
            elif (result := collector.add(event)) is not None:
                yield result

    def _events(
        self, start: Callable[[QueryClient], Generator[Event]], interrupted: str, display: Display
    ) -> Iterator[Event]:
        """The events that `start` gives, shown; a failure has no frames of the transport in its traceback."""
        connection = self._live_connection()
        try:
            with closing(start(connection.client)) as events:
                try:
                    for event in events:
                        with interrupts_held_back():
                            display.show(event)
                        yield event
                finally:
                    with interrupts_held_back():
                        display.close()
        except ThanoSQLError as error:
            if isinstance(error, InternalError) and connection.log:
                error.hint = f"This is a fault of ours; what is known of it is in the log: {connection.log}"
            raise error.with_traceback(None) from None
        except KeyboardInterrupt:
            raise Cancelled(interrupted) from None

    def _live_connection(self) -> Connection:
        if self._connection is None:
            raise ThanoSQLError("the session is closed", hint="Open another with thanosql.connect().")
        if not self._connection.is_alive():
            self._connection.close()
            self._connection = self._open()
        return self._connection


def _last(results: Iterator[Result]) -> Result:
    result = None
    for result in results:  # noqa: B007 - the last one is wanted
        pass
    if result is None:
        raise DataError("there is no statement in the text", hint='For a start: session.sql("LIST TABLE")')
    return result
