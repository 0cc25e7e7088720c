"""Transcribes recordings that a caller sends, without a statement: nothing of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace

from query_service.config import QueryConfig
from query_service.running.peers import Peers
from query_service.running.queries import QueryRegistry
from query_service.running.services import Services
from thanosql.errors import Cancelled
from thanosql.rpc.identity import current_identity
from thanosql.types import ClipFailure, ModelState, TranscribeClip, TranscribeStart, Transcript


class SentSpeech:
    """Passes recordings on to who transcribes, with the model that is meant.

    Args:
        config: Where the services are.
        peers: Lends channels to them.
        queries: Runs the statement that makes a model ready.
    """

    def __init__(self, config: QueryConfig, peers: Peers, queries: QueryRegistry) -> None:
        self._config, self._peers, self._queries = config, peers, queries

    def transcribe(
        self, start: TranscribeStart, clips: Iterable[TranscribeClip], when_left: Callable[[Callable[[], None]], bool]
    ) -> Generator[Transcript | ClipFailure]:
        """What is said in recordings, as it is known; version 0 of a model is the newest.

        Args:
            start: How they are transcribed.
            clips: Taken in another thread, no faster than they can be held.
            when_left: Has something called when the caller goes away; False: it has gone.

        Raises:
            UnknownModel: there is no such model or version.
            Unavailable: there is nobody who transcribes.
        """
        services = Services(self._config.of(current_identity().workspace), self._peers)
        try:
            if not when_left(services.close):
                raise Cancelled("the caller has gone away")
            model = services.catalog.get_model(start.model, start.version)
            if model.state is ModelState.PENDING:
                self._make_ready(start.model)
                model = services.catalog.get_model(start.model)
            yield from services.inference.transcribe(replace(start, version=model.version), clips)
        finally:
            services.close()

    def _make_ready(self, model: str) -> None:
        """Waits until a model that comes with the product can be used, as PREDICT does."""
        name = model.replace('"', '""')
        nothing = "SELECT '' AS audio_path WHERE FALSE"
        with closing(self._queries.execute(f'PREDICT USING "{name}" AS {nothing}', who="transcribe")) as events:
            for _ in events:
                pass
