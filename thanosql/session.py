"""A session: statements and files in, results out."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast, overload

from thanosql.display import Display, Silence, suitable_display
from thanosql.errors import Cancelled, DataError, InternalError, ThanoSQLError
from thanosql.follow import follow
from thanosql.interrupts import INTERRUPTED, interrupts_held_back
from thanosql.job import Job
from thanosql.parameters import GivenParameters, read_parameters
from thanosql.result import Collector, Result
from thanosql.row_stream import RowStream
from thanosql.rpc.closing import CLOSED
from thanosql.taking_up import take_up
from thanosql.tokens import Tokens
from thanosql.types import (
    ClipFailure,
    Event,
    Priority,
    Progress,
    StatementDone,
    StatementStarted,
    TranscribeStart,
    Transcript,
)

if TYPE_CHECKING:
    from thanosql.clients import QueryClient
    from thanosql.connection import Connection
    from thanosql.upload import UploadReport


class Samples(Protocol):
    """An array of numpy, a tensor of torch, or what can be made one."""

    def __array__(self) -> Any: ...


class Session:
    """A connection to the query service, made by `thanosql.connect`.

    Use it from any thread; close it, or use it as a context manager, when it is done with.

    Args:
        open: Makes the connection; called again when the one at hand has ended.
    """

    def __init__(self, open: Callable[[], Connection]) -> None:
        self._open = open
        self._connection: Connection | None = open()

    def sql(
        self,
        text: str,
        parameters: GivenParameters | None = None,
        *,
        timeout: float | None = None,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Result:
        """Runs the statements of `text` in order and returns the result of the last.

        Args:
            text: One or more statements, separated by `;`.
            parameters: The values of `:name` in the text, by their names; or of its `?`, in their order. They are never
                read as a part of the text. A list stands behind IN, and for a list of an option.
            timeout: Seconds for all of it; None: as long as it takes.
            progress: Whether to show progress and notices while they run; notices are in `Result.notices` too.
            on_event: Called with every event as it comes.

        Raises:
            ThanoSQLError: the first failure; statements before it have taken effect.
            TimedOut: they have not ended in that time; what still ran is stopped on the server.
            Cancelled: Ctrl-C was pressed; the statement is stopped on the server, and the session can be used on.
        """
        return _last(self.run(text, parameters, timeout=timeout, progress=progress, on_event=on_event))

    def run(
        self,
        text: str,
        parameters: GivenParameters | None = None,
        *,
        timeout: float | None = None,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Iterator[Result]:
        """Runs the statements of `text` and yields the result of each as it ends; see `sql`."""
        start = _starter(text, parameters, timeout)
        return self._results(start, INTERRUPTED, progress, on_event)

    def submit(self, text: str, parameters: GivenParameters | None = None) -> Job:
        """Starts the statements of `text` and returns at once: they go on by themselves, as a job.

        Raises:
            StatementError: the text is wrong; nothing runs.
        """
        given, id = read_parameters(parameters), str(uuid.uuid4())
        first = self._events(
            lambda client: cast("Generator[Event]", client.execute(text, id, given)), INTERRUPTED, Silence()
        )
        with closing(first):
            next(first, None)  # the server has it now
        return Job(self, id)

    def job(self, id: str) -> Job:
        """Statements that were sent before, by this program or another.

        Args:
            id: As LIST JOBS shows it, or `Job.id`; the first characters are enough.

        Raises:
            NotFound: the server knows no such job (any more).
        """
        return Job(self, Job(self, id).status().properties.get("id") or id)

    @overload
    def transcribe(
        self,
        recordings: str | PathLike[str] | bytes | bytearray | memoryview | Samples,
        model: str,
        *,
        version: int = 0,
        words: bool = False,
        hotwords: Sequence[str] = (),
        hotword_weight: float | None = None,
        sample_rate: int | None = None,
        timeout: float | None = None,
    ) -> Transcript: ...

    @overload
    def transcribe(
        self,
        recordings: Iterable[Any],
        model: str,
        *,
        version: int = 0,
        words: bool = False,
        hotwords: Sequence[str] = (),
        hotword_weight: float | None = None,
        sample_rate: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[Transcript | ClipFailure]: ...

    def transcribe(
        self,
        recordings: Any,
        model: str,
        *,
        version: int = 0,
        words: bool = False,
        hotwords: Sequence[str] = (),
        hotword_weight: float | None = None,
        sample_rate: int | None = None,
        timeout: float | None = None,
    ) -> Transcript | Iterator[Transcript | ClipFailure]:
        """Transcribes recordings of this machine: one, or many, without a table; nothing of them is kept.

        Many are sent as they are read and the transcripts come as they are done, in the order of the recordings; no
        more than a few hundred are on their way. One that cannot be transcribed costs its own place alone: a
        `ClipFailure` stands there, with the reason.

        Args:
            recordings: A path of this machine, the bytes of a file (wav, flac, mp3, ogg), or samples: an array, a
                tensor or a list, from -1 to 1 or of 16-bit numbers, (samples,) or (channels, samples). For many:
                anything that gives such, one after the other. A recording has 7.9 MiB at most.
            model: Its name.
            version: 0: the newest.
            words: With the times of the words, in seconds.
            hotwords: Words and phrases that are likely to be said, and are favoured.
            hotword_weight: How much, in nats for each letter; None: 1.
            sample_rate: Of samples, a second.
            timeout: Seconds for all of it; None: ten minutes for one, as long as it takes for many.

        Raises:
            UnknownModel: there is no such model or version.
            NotFound, AudioError: the one recording is not there, or cannot be used.
            Unavailable: there is nobody who transcribes.
            TimedOut: it was not done in that time.
        """
        from thanosql.transcribing import ONE_SECONDS, is_one, transcribe_many, transcribe_one

        one = is_one(recordings)
        priority = Priority.INTERACTIVE if one else Priority.BULK
        favoured = (hotwords,) if isinstance(hotwords, str) else tuple(hotwords)
        start = TranscribeStart(model, version, 0, words, priority, favoured, hotword_weight or 0.0)
        client = self._live_connection().client
        if not one:
            return transcribe_many(client, start, recordings, sample_rate, timeout)
        try:
            return transcribe_one(client, start, recordings, sample_rate, ONE_SECONDS if timeout is None else timeout)
        except ThanoSQLError as error:
            raise error.with_traceback(None) from None
        except KeyboardInterrupt:
            raise Cancelled("interrupted: the recording is not transcribed") from None

    @property
    def tokens(self) -> Tokens:
        """Gives, lists and revokes tokens; for administrators."""
        return Tokens(lambda: self._live_connection().client)

    def attach(
        self,
        id: str,
        next_event: int = 0,
        *,
        timeout: float | None = None,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Result:
        """Takes up statements that were sent before, by this program or another, and returns the result of the last.

        They go on whether anybody follows them or not, and so they do when Ctrl-C ends this; `cancel` stops them. A
        training is taken up too where its statement is gone, as after a new start of the server.

        Args:
            id: As LIST JOBS shows it, or `Result.id`; the first characters are enough.
            next_event: Number of the event to begin with; what came before it is not in the result.
            timeout: Seconds to wait; None: as long as it takes.
            progress: As in `sql`.
            on_event: As in `sql`.

        Raises:
            NotFound: the server knows no such statement or training (any more); the hint says what can be done.
            TimedOut: they have not ended in that time; they go on.
            ThanoSQLError: how they end, where they fail.
        """
        return _last(self.follow(id, next_event, timeout=timeout, progress=progress, on_event=on_event))

    def follow(
        self,
        id: str,
        next_event: int = 0,
        *,
        timeout: float | None = None,
        progress: bool = True,
        on_event: Callable[[Event], None] | None = None,
    ) -> Iterator[Result]:
        """Takes up statements that were sent before, and yields the result of each as it ends; see `attach`."""
        return self._results(
            lambda client: take_up(client, id, next_event, self._describe, timeout), _goes_on(id), progress, on_event
        )

    def events_of(self, id: str, next_event: int = 0) -> Iterator[Event]:
        """Takes up statements that were sent before, and yields what happens in them; see `attach` and `events`."""
        return self._events(lambda client: take_up(client, id, next_event, self._describe), _goes_on(id), Silence())

    def _describe(self, id: str) -> dict[str, str | None]:
        return Job(self, id).status().properties

    def cancel(self, id: str) -> Result:
        """Stops a statement or a training, whoever has started it: CANCEL JOB.

        Raises:
            NotFound: there is none of that id.
        """
        return self.sql("CANCEL JOB :id", {"id": id}, progress=False)

    def stop(self, id: str) -> bool:
        """Stops statements at once, and the training that they started; False: they had ended, or are not known.

        Args:
            id: The whole id.
        """
        return self._live_connection().client.cancel(id)

    def stream(
        self, text: str, parameters: GivenParameters | None = None, *, timeout: float | None = None
    ) -> RowStream:
        """Runs one statement and gives its rows as they come, for results that are too large to hold.

        A caller that stops early stops the statement.
        """
        return RowStream(self._events(_starter(text, parameters, timeout), INTERRUPTED, Silence()))

    def events(
        self,
        text: str,
        parameters: GivenParameters | None = None,
        *,
        timeout: float | None = None,
        progress: bool = True,
    ) -> Generator[Event]:
        """Runs the statements of `text` and yields what happens as it comes, rows too; nothing of it is held.

        A caller that stops early stops the statement.
        """
        display = suitable_display() if progress else Silence()
        return self._events(_starter(text, parameters, timeout), INTERRUPTED, display)

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
        # Closed at once where the caller, or the rows that find no room, end it: the statement is stopped then.
        with closing(self._events(start, interrupted, display)) as events:
            for event in events:
                if on_event is not None:
                    on_event(event)
                if isinstance(event.event, StatementStarted):
                    collector = Collector(event.event)
                elif (result := collector.add(event)) is not None:
                    yield result

    def _events(
        self, start: Callable[[QueryClient], Generator[Event]], interrupted: str, display: Display
    ) -> Generator[Event]:
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
        except CLOSED:
            if self._connection is connection:
                raise
            raise Cancelled(
                "the session was closed while the statement ran",
                hint="In local mode it has ended with the services; on a server it goes on: LIST JOBS shows it.",
            ) from None

    def _live_connection(self) -> Connection:
        if self._connection is None:
            raise ThanoSQLError("the session is closed", hint="Open another with thanosql.connect().")
        if not self._connection.is_alive():
            self._connection.close()
            self._connection = self._open()
        return self._connection


def _starter(
    text: str, parameters: GivenParameters | None, timeout: float | None
) -> Callable[[QueryClient], Generator[Event]]:
    given = read_parameters(parameters)
    return lambda client: follow(client, text, given, timeout=timeout)


def _goes_on(id: str) -> str:
    return f"left: the statement goes on. CANCEL JOB {id} stops it"


def _last(results: Iterator[Result]) -> Result:
    result = None
    for result in results:  # noqa: B007 - the last one is wanted
        pass
    if result is None:
        raise DataError("there is no statement in the text", hint='For a start: session.sql("LIST TABLE")')
    return result
