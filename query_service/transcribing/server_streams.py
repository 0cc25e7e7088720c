"""The streams of a step to the servers that transcribe: one to each that is there, through their coming and going."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from query_service.running.services import Services
from query_service.transcribing.clip_shares import ClipShares, Share
from query_service.transcribing.server_losses import given_up, none_left, tell_gone, tell_waiting
from thanosql.errors import Cancelled, DataError, InternalError, ThanoSQLError, TimedOut, Unavailable
from thanosql.types import ClipFailure, TranscribeStart, Transcript

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks which servers there are, and how they are."""
ANSWER_SECONDS = 2.0
"""In which a server must say how it is."""
SILENT_SECONDS = 20.0
"""After which one that says nothing, though it is connected, is left, where there are others."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds before a server that went away is asked again; they double."""
TELL_SECONDS = 2.0
"""For which there may be no server before the user is told."""
STOP_SECONDS = 2.0
"""For which the threads of streams that were cut off are waited for."""

GONE = (Unavailable, InternalError, TimedOut, Cancelled)
"""What a stream ends with whose server has gone, said by gRPC; `Unavailable` it says itself too, when it stops."""

_turn = itertools.count()
"""A statement of few recordings begins with another server than the one before it."""


@dataclass(eq=False)
class _Server:
    """One that transcribes, as the step sees it."""

    address: str
    services: Services
    """Channels of its own: to close them cuts off its stream, and nothing else."""
    thread: threading.Thread | None = None
    share: Share | None = None
    """While a stream is open, or about to be."""
    is_up: bool = True
    """It has not failed since it last answered, as far as anybody knows."""
    is_cut: bool = False
    """It was left because it was silent."""
    has_left: threading.Event = field(default_factory=threading.Event)
    """DNS knows it no more, or the step is over."""
    silent_since: float | None = None


class ServerStreams:
    """Has recordings transcribed by whatever servers there are, until all are answered.

    Args:
        services: Where the servers are; used to open channels of their own.
        start: Opens each stream.
        shares: The recordings.
        hear: Takes the first answer to each, in any thread.
        tell: Tells the user something, once.
        patience: Seconds to wait for a server where there is none.
        clock: Gives seconds.
    """

    def __init__(
        self,
        services: Services,
        start: TranscribeStart,
        shares: ClipShares,
        hear: Callable[[Transcript | ClipFailure], None],
        tell: Callable[[str], None],
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self._services, self._start, self._shares, self._hear = services, start, shares, hear
        self._tell, self._patience, self._clock = tell, patience, clock
        self._lock = threading.Lock()
        self._servers: dict[str, _Server] = {}
        self._news = threading.Event()
        self._is_stopped = False
        self._failure: Exception | None = None
        """What the step fails with."""
        self._last: ThanoSQLError | None = None
        """Why there is no server."""
        self._none_since: float | None = None
        """Since when there is none, or none that answers anything."""

    def run(self) -> None:
        """Returns when all are answered, or `stop` was called.

        Raises:
            Unavailable: there is no server, and has been none for as long as the patience goes.
            DataError: a server ended its stream though recordings were unanswered.
            ThanoSQLError: what else a server refused the stream with.
        """
        try:
            self._find()
            looked_at = self._clock()
            while not (self._is_stopped or self._failure or self._shares.is_over):
                self._news.wait(LOOK_SECONDS if self._has_one else FIRST_PAUSE)
                self._news.clear()
                now = self._clock()
                if self._services.has_replicas and now - looked_at >= LOOK_SECONDS:
                    looked_at = now
                    self._find()
                    self._ask(now)
                self._wait_for_one(now)
        finally:
            self.stop()
            for server in self._servers.values():
                if server.thread is not None:
                    server.thread.join(STOP_SECONDS)
                server.services.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Cuts off every stream, from any thread."""
        with self._lock:
            self._is_stopped = True
            servers = list(self._servers.values())
        self._shares.stop()
        for server in servers:
            server.has_left.set()
            share = server.share
            # A stream that has nothing left to answer ends by itself, at once.
            if share is None or share.given or share.strays or not self._shares.is_over:
                server.services.close()
        self._news.set()

    @property
    def _has_one(self) -> bool:
        return any(each.is_up for each in list(self._servers.values()))

    def _find(self) -> None:
        """Takes up servers that have come, and lets go of those that are neither known nor answer."""
        try:
            found = self._services.find_inference()
        except Unavailable as error:
            self._last = error
            found = ()
        turn = next(_turn) % len(found) if found else 0
        with self._lock:
            if self._is_stopped:
                return
            for address in (*found[turn:], *found[:turn]):
                if address not in self._servers:
                    self._take_up(_Server(address, self._services.another()))
            for server in [each for each in self._servers.values() if each.address not in found and not each.is_up]:
                server.has_left.set()
                del self._servers[server.address]
        self._expect()

    def _take_up(self, server: _Server) -> None:
        self._servers[server.address] = server
        run = copy_context().run  # the calls go under the name of the statement
        server.thread = threading.Thread(target=run, args=(self._attend, server), name="clips", daemon=True)
        server.thread.start()

    def _expect(self) -> None:
        self._shares.expect(sum(server.is_up for server in self._servers.values()))

    def _attend(self, server: _Server) -> None:
        """Keeps a stream to a server, whenever it serves, until the step is over; runs in a thread of its own."""
        must_ask = self._services.has_replicas
        pause = FIRST_PAUSE
        while not (server.has_left.is_set() or self._shares.is_over):
            serves = not must_ask or _ask_health(server)() is True
            if serves and self._stream(server):
                break
            must_ask = True
            pause = FIRST_PAUSE if serves else min(2 * pause, LONGEST_PAUSE)
            server.is_up = False
            self._expect()
            self._news.set()
            server.has_left.wait(pause)
        server.services.close()

    def _stream(self, server: _Server) -> bool:
        """One stream, to its end; False: the server went away, or takes no more."""
        server.is_up = True
        share = server.share = self._shares.join()
        failure: Exception | None = None
        try:
            clips = iter(partial(self._shares.take, share), None)
            first = next(clips, None)
            # A server loads no model where all turn out to be known by their content.
            if first is not None:
                client = server.services.inference_at(server.address)
                for answer in client.transcribe(self._start, chain([first], clips)):
                    self._take_answer(share, answer)
        except Exception as error:
            failure = error
        unanswered = len(share.given)
        is_asked_to_end = share.is_closed
        by_transport = isinstance(failure, GONE) and failure.by_transport
        went_away = by_transport or isinstance(failure, Unavailable)
        died = by_transport and not (server.is_cut or self._is_stopped)
        for number in self._shares.leave(share, died=died):
            self._hear(given_up(number))
        server.share = None
        self._news.set()
        if self._is_stopped or self._shares.is_over:
            return True
        if failure is None and not is_asked_to_end:
            failure = DataError(
                "inference_service ended the stream before it had answered all recordings",
                hint="Run the statement again: the transcripts that are done are kept.",
            )
        if failure is not None and not went_away and not server.is_cut:
            self._failure = failure
            return True
        self._lose(server, failure, unanswered)
        return False

    def _take_answer(self, share: Share, answer: Transcript | ClipFailure) -> None:
        self._none_since = None
        seconds = answer.audio_seconds if isinstance(answer, Transcript) else 0.0
        if self._shares.answer(share, answer.id, seconds):
            self._hear(answer)
        if self._shares.is_over:
            self._news.set()

    def _lose(self, server: _Server, failure: Exception | None, unanswered: int) -> None:
        """Remembers why a server was lost, and lets it be found anew."""
        if isinstance(failure, ThanoSQLError):
            self._last = failure
        why = failure.message if isinstance(failure, ThanoSQLError) else "it takes no more"
        log.warning("%s is left with %d recordings unanswered: %s", server.address, unanswered, why)
        server.is_up = False
        with self._lock:
            if self._is_stopped:
                return
            server.services.close()
            server.services, server.is_cut, server.silent_since = self._services.another(), False, None
        if unanswered and any(each.share is not None for each in list(self._servers.values())):
            self._tell(tell_gone(server.address, unanswered))

    def _ask(self, now: float) -> None:
        """Has servers take no more that say so, and leaves those that say nothing at all."""
        with self._lock:
            streaming = [each for each in self._servers.values() if each.share is not None]
        asked = [(each, _ask_health(each)) for each in streaming]
        for server, answer in asked:
            serves, share = answer(), server.share
            if serves is not None:
                server.silent_since = None
            elif server.silent_since is None:
                server.silent_since = now
            if share is None:
                continue
            if serves is False:
                self._shares.close(share)
            elif server.silent_since is not None and now - max(server.silent_since, share.heard_at) >= SILENT_SECONDS:
                self._cut(server, streaming)

    def _cut(self, server: _Server, streaming: Sequence[_Server]) -> None:
        """Leaves a server that is connected and silent, where another one is not."""
        if any(each.silent_since is None for each in streaming):
            server.is_cut = True
            server.services.close()

    def _wait_for_one(self, now: float) -> None:
        """Fails the step when there has been no server for too long."""
        if self._has_one:
            return
        if self._none_since is None:
            self._none_since = now
        waited = now - self._none_since
        if waited >= self._patience:
            self._failure = none_left(self._last, self._patience, self._shares.left)
        elif waited >= TELL_SECONDS:
            self._tell(tell_waiting(self._last, self._patience))


def _ask_health(server: _Server) -> Callable[[], bool | None]:
    """Asks a server how it is; see `InferenceClient.ask_health`."""
    try:
        return server.services.inference_at(server.address).ask_health(ANSWER_SECONDS)
    except ThanoSQLError:  # its channels were closed meanwhile
        return lambda: None
