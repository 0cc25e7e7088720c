"""What is known of the versions of models, and which of them are in memory: used, replaced, freed to make room."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from inference_service.models.loaded_model import Key, LoadedModel
from inference_service.models.versions import Files
from inference_service.monitoring.figures import ModelFigures
from thanosql.errors import ThanoSQLError
from thanosql.types import ServingState

OnChange = Callable[[Key, ServingState], None]
"""Told of the state of each version as it changes, in order, under a lock: it must neither block nor call back."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a version could not be loaded."""

    files: Files
    error: ThanoSQLError
    retry_at: float


@dataclass(slots=True, eq=False)
class Version:
    """What is known of one version."""

    model: LoadedModel | None = None
    """In memory; the files it was loaded from may be gone since."""
    problem: Problem | None = None
    loading: list[Callable[[LoadedModel | ThanoSQLError], None]] | None = None
    """Told how the loading ended; None: it is not being loaded."""
    figures: ModelFigures = field(default_factory=ModelFigures)


class Shelf:
    """The versions that were asked for, of all workspaces. Whoever looks at them, or changes them, holds `lock`.

    Args:
        bound: Bytes that models may take.
        clock: Gives seconds.
        on_change: Is told of the states of the versions.
    """

    def __init__(self, bound: float, clock: Callable[[], float], on_change: OnChange) -> None:
        self._bound, self._clock, self.on_change = bound, clock, on_change
        self.lock = threading.RLock()
        self.versions: dict[Key, Version] = {}
        self.is_closed = False
        self._uses = itertools.count(1)
        self._threads: set[threading.Thread] = set()
        self._orphans: set[LoadedModel] = set()
        """Replaced or dropped, and still in use."""

    def newest_ready(self, workspace: str, name: str) -> LoadedModel | None:
        """The newest version of a model that is in memory."""
        ready = [each.model for key, each in self.versions.items() if key[:2] == (workspace, name) and each.model]
        return max(ready, key=lambda model: model.description.version, default=None)

    def use(self, model: LoadedModel, *, is_seen: bool = False) -> LoadedModel:
        """One more user; `is_seen`: the files that it was loaded from stand in the store at this moment."""
        model.users += 1
        if is_seen:
            model.seen_at = self._clock()
        model.used = next(self._uses)
        return model

    def leave(self, model: LoadedModel) -> None:
        """One user less; a model that was replaced meanwhile is freed after its last."""
        with self.lock:
            model.users -= 1
            if model in self._orphans and not model.users:
                self._orphans.remove(model)
                self.free(model)
            elif not self.is_closed:
                self.make_room()

    def put(self, known: Version, model: LoadedModel) -> None:
        """New requests go to the model from now on; an older one of the version is freed after its last user."""
        stale, known.model, known.problem = known.model, model, None
        model.used, model.seen_at = next(self._uses), self._clock()
        if stale:
            self._let_go(stale)
        self.on_change(model.key, ServingState.READY)

    def retire(self, key: Key) -> None:
        """The version's files are gone."""
        with self.lock:
            if known := self.versions.get(key):
                known.problem = None
                if known.model:
                    self.drop(known)

    def make_room(self, needed: int = 0) -> None:
        """Frees what was used longest ago and is not in use, until there is room for so many bytes more.

        The last used one stays, if nothing more is needed: a model larger than the bound is served all the same.
        """
        with self.lock:
            loaded = sorted(
                (m for m in (each.model for each in self.versions.values()) if m), key=lambda model: model.used
            )
            taken = needed + sum(model.memory_bytes for model in loaded)
            for model in loaded if needed else loaded[:-1]:
                if taken > self._bound and not model.users:
                    taken -= model.memory_bytes
                    self.drop(self.versions[model.key])

    def drop(self, known: Version) -> None:
        """The version is not in memory any more, or only until its last user has gone."""
        model, known.model = known.model, None
        if model is not None:
            self.on_change(model.key, ServingState.IDLE)
            self._let_go(model)

    def _let_go(self, model: LoadedModel) -> None:
        if model.users:
            self._orphans.add(model)
        else:
            self.free(model)

    def free(self, model: LoadedModel) -> None:
        """In a thread, because batches may be running that nobody waits for."""
        model.batcher.close()
        self.start_thread(f"free-{model.description.name}", model.free)

    def start_thread(self, name: str, work: Callable[[], None]) -> None:
        """Runs `work` in a thread that `close` waits for."""

        def run() -> None:
            try:
                work()
            finally:
                with self.lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=name, daemon=True)
        with self.lock:
            self._threads.add(thread)
        thread.start()

    def _any_thread(self) -> threading.Thread | None:
        with self.lock:
            return next(iter(self._threads), None)

    def close(self) -> None:
        """Frees every model, used or not, and returns when all threads have ended."""
        with self.lock:
            self.is_closed = True
            loaded = [*self._orphans, *(each.model for each in self.versions.values() if each.model)]
            self._orphans.clear()
            for version in self.versions.values():
                version.model = None
            for model in loaded:
                self.free(model)
        while thread := self._any_thread():
            thread.join()
