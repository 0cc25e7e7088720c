"""Serves models by name and version: loads them when asked for, keeps those used last, loads changed ones anew."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from pathlib import Path

from inference_service.config import InferenceConfig
from inference_service.engines.engine import candidates, choose_device, count_cores
from inference_service.models.loaded_model import Key, LoadedModel
from inference_service.models.loading import Loader
from inference_service.models.memory import SHARE, count_memory
from inference_service.models.opener import Opener
from inference_service.models.reports import Reports
from inference_service.models.shelf import Problem, Shelf, Version
from inference_service.models.superseded import GONE_SECONDS, free_superseded
from inference_service.models.versions import Files, identify_files, list_versions, unknown_model
from inference_service.scheduling.batcher import BatchTracer
from thanosql.errors import DataError, ThanoSQLError, Unavailable, UnknownModel, stopping
from thanosql.types import ServingState
from thanosql.workspace import DEFAULT_WORKSPACE, check_name

__all__ = ["LoadedModel", "Models"]

log = logging.getLogger(__name__)

OnChange = Callable[[str, int, ServingState], None]
"""Told the name, version and state of a model, in order, under a lock: it must neither block nor call back."""

RETRY_SECONDS = 60.0
"""After so long a version is tried again that failed for another reason than its files: memory, a library."""


class Models:
    """The models of one workspace; `of` gives those of another, with which they share the memory.

    All methods may be called from any thread, and none but `enter` and `close` waits.

    Each version is loaded in a thread of its own, so nobody waits for another model's loading. A request that names a
    version gets what stands under it now, and waits for it if need be: its answers may be kept under that version. A
    request that names none gets the newest version that is ready while a newer one is loaded, or cannot be.

    Args:
        config: The settings.
        clock: Gives seconds.
        on_change: Is told of the states of the versions in the first workspace: health checks carry no secret.
        tracer: Is told of every batch.

    Raises:
        InvalidOption: the device, engine or precision that the settings name is not to be had.
    """

    def __init__(
        self,
        config: InferenceConfig,
        clock: Callable[[], float] = time.monotonic,
        on_change: OnChange = lambda name, version, state: None,  # noqa: ARG005
        tracer: BatchTracer | None = None,
    ) -> None:
        self._clock, self._tracer = clock, tracer
        self._device = choose_device(config.device)
        self._first = self
        self._others: dict[str, Models] = {}
        # Said now, not when the first model is loaded.
        if (config.engine, config.precision) != ("auto", "fp32"):
            candidates(self._device, config.engine, config.precision)
        bound = config.model_memory * 2**30 or SHARE * count_memory() or float("inf")

        def tell(key: Key, state: ServingState) -> None:
            workspace, name, version = key
            if workspace == DEFAULT_WORKSPACE:
                on_change(name, version, state)

        self._shelf = Shelf(bound, clock, tell)
        self._take_up(config, DEFAULT_WORKSPACE)

    def of(self, workspace: str) -> Models:
        """The models of a workspace.

        Raises:
            Unavailable: the workspaces' folders do not lie apart.
        """
        first = self._first
        if workspace == DEFAULT_WORKSPACE:
            return first
        with self._shelf.lock:
            if workspace not in first._others:
                other = copy(first)
                other._take_up(first._config.of(workspace), workspace)
                first._others[workspace] = other
            return first._others[workspace]

    def _take_up(self, config: InferenceConfig, workspace: str) -> None:
        self._config, self._store, self.workspace = config, config.models, workspace
        self._loader = Loader(
            config,
            device=self._device,
            cores=count_cores(),
            clock=self._clock,
            is_stopping=lambda: self._shelf.is_closed,
        )
        self._opener = Opener(config, workspace, self._loader, self._shelf, self._clock, self._tracer)

    @property
    def store(self) -> Path:
        """The model store."""
        return self._store

    @property
    def root(self) -> Path:
        """The root of the workspace's files."""
        return self._config.workspace

    def each_known(self) -> tuple[Models, ...]:
        """The models of every workspace for which a call has come."""
        with self._shelf.lock:
            return (self._first, *self._first._others.values())

    def preload(self) -> None:
        """Begins to load the models that the settings name: `name`, or `workspace/name`."""
        for wanted in filter(None, (each.strip() for each in self._config.preload.split(","))):
            workspace, _, name = wanted.rpartition("/")
            try:
                models = self.of(check_name(workspace or DEFAULT_WORKSPACE))
            except ThanoSQLError as error:
                log.error("model %s cannot be loaded: %s", wanted, error)
            else:
                models.request(name, 0).add_done_callback(partial(models._end_preload, wanted))

    def enter(self, name: str, version: int) -> LoadedModel:
        """The model, loaded where it is not yet (which takes seconds); it stays until `leave`.

        Args:
            name: Of the model.
            version: 0: the newest that can be served.

        Raises:
            UnknownModel: the store has no such version.
            DataError: its files are damaged.
        """
        return self.request(name, version).result()

    def request(self, name: str, version: int) -> Future[LoadedModel]:
        """`enter`, as a future; cancelled before its time, it enters nothing."""
        future: Future[LoadedModel] = Future()
        self._answer(future, name, version)
        return future

    @asynccontextmanager
    async def use(self, name: str, version: int) -> AsyncIterator[LoadedModel]:
        """`enter` and `leave` around a block, for callers on an event loop, which loading does not hold up."""
        entering = self.request(name, version)
        try:
            model = entering.result() if entering.done() else await asyncio.wrap_future(entering)
        except asyncio.CancelledError:
            # Where it has been entered all the same, it is given back.
            entering.add_done_callback(self._give_back)
            raise
        try:
            yield model
        finally:
            self.leave(model)

    def leave(self, model: LoadedModel) -> None:
        """The caller of `enter` has no more work for the model."""
        self._shelf.leave(model)

    @property
    def reports(self) -> Reports:
        """What the versions are, have done and wait for."""
        return Reports(self._shelf, self._loader, self._store, self.workspace)

    def close(self) -> None:
        """Frees every model; whoever still waits for one, or for its answers, gets `Unavailable`."""
        self._shelf.close()

    # --- which version ------------------------------------------------------------------------------------------------

    def _answer(self, future: Future[LoadedModel], name: str, version: int) -> None:
        try:
            self._check_open()
            model = self._find(future, name, version) if version else self._find_newest(future, name)
        except ThanoSQLError as error:
            _fail(future, error)
        else:
            if model is not None:
                self._deliver(future, model)

    def _deliver(self, future: Future[LoadedModel], model: LoadedModel) -> None:
        """Gives a model that was entered for the future."""
        if future.set_running_or_notify_cancel():
            future.set_result(model)
        else:
            self.leave(model)

    def _find(self, future: Future[LoadedModel], name: str, version: int) -> LoadedModel | None:
        """The version as its files are now; None where it is being loaded, and the future will be answered."""
        try:
            files = identify_files(self._store, name, version)
        except UnknownModel:
            self._shelf.retire((self.workspace, name, version))
            raise
        with self._shelf.lock:
            known = self._shelf.versions.setdefault((self.workspace, name, version), Version())
            if known.model and known.model.files == files:
                return self._shelf.use(known.model, is_seen=True)
            if problem := self._problem_of(known, files):
                raise _again(problem.error)
            self._load_for(future, name, version, lambda error: _fail(future, error))
        return None

    def _find_newest(self, future: Future[LoadedModel], name: str) -> LoadedModel | None:
        """Likewise, of the newest version that can be served; the newest in memory while that one is being loaded."""
        problem = None
        for version in list_versions(self._store, name):
            try:
                files = identify_files(self._store, name, version)
            except UnknownModel:  # deleted since, or half written by hand
                continue
            with self._shelf.lock:
                known = self._shelf.versions.setdefault((self.workspace, name, version), Version())
                if known.model and known.model.files == files:
                    return self._shelf.use(known.model, is_seen=True)
                found = self._problem_of(known, files)
                if found is None:
                    if ready := self._shelf.newest_ready(self.workspace, name):
                        self._load_for(None, name, version, _ignore)
                        return self._shelf.use(ready)
                    # A version that turns out to be broken is passed over the next time.
                    self._load_for(future, name, version, lambda _: self._answer(future, name, 0))
                    return None
                problem = problem or found
        with self._shelf.lock:
            ready = self._shelf.newest_ready(self.workspace, name)
            # What was there a moment ago may be about to be replaced.
            if ready and (problem or self._clock() - ready.seen_at <= GONE_SECONDS):
                return self._shelf.use(ready)
        if problem is None:
            for key in [key for key in self._shelf.versions if key[:2] == (self.workspace, name)]:
                self._shelf.retire(key)
            raise unknown_model(name, 0)
        raise _again(problem.error)

    def _problem_of(self, known: Version, files: Files) -> Problem | None:
        """Why these very files cannot be loaded; None where it is worth trying."""
        problem = known.problem
        is_known = problem is not None and problem.files == files and self._clock() < problem.retry_at
        return problem if is_known else None

    # --- loading ------------------------------------------------------------------------------------------------------

    def _load_for(
        self,
        future: Future[LoadedModel] | None,
        name: str,
        version: int,
        on_failure: Callable[[ThanoSQLError], None],
    ) -> None:
        """Loads a version, or joins whoever does; the future gets it, or `on_failure` what went wrong."""
        known = self._shelf.versions[self.workspace, name, version]
        is_first = known.loading is None
        waiting = known.loading = [] if known.loading is None else known.loading

        def tell(outcome: LoadedModel | ThanoSQLError) -> None:
            if isinstance(outcome, ThanoSQLError):
                on_failure(_again(outcome))
            elif future is not None:
                with self._shelf.lock:
                    self._shelf.use(outcome)
                self._deliver(future, outcome)

        waiting.append(tell)
        if is_first:
            self._shelf.start_thread(f"load-{name}-{version}", lambda: self._load(name, version, known))

    def _load(self, name: str, version: int, known: Version) -> None:
        """Loads a version, again where its files change meanwhile, and tells who waits for it."""
        outcome: LoadedModel | ThanoSQLError
        files: Files = ()
        while True:
            retry_at = float("inf")
            try:
                files = identify_files(self._store, name, version)
                outcome = self._opener.open(name, version, files, known.figures)
            except ThanoSQLError as error:
                outcome = error
            except Exception as error:
                log.info("version %d of model %s cannot be loaded", version, name, exc_info=True)
                retry_at = self._clock() + RETRY_SECONDS
                outcome = DataError(
                    f"version {version} of model {name!r} cannot be loaded: {type(error).__name__}",
                    hint=f"The log of inference_service says more; it is tried again in {RETRY_SECONDS:g} s.",
                )
            if self._shelf.is_closed or self._is_unchanged(name, version, files):
                break
            if isinstance(outcome, LoadedModel):
                outcome.free()
        with self._shelf.lock:
            if self._shelf.is_closed and isinstance(outcome, LoadedModel):
                self._shelf.free(outcome)
                outcome = stopping("inference")
            waiting, known.loading = known.loading or [], None
            if isinstance(outcome, LoadedModel):
                # In use until all that wait are told, so that it is not freed before.
                outcome.users += 1
                self._shelf.put(known, outcome)
            elif files and not isinstance(outcome, Unavailable | UnknownModel):
                log.warning("version %d of model %s cannot be served: %s", version, name, outcome.message)
                known.problem = Problem(files, outcome, retry_at)
                if known.model is None:
                    self._shelf.on_change((self.workspace, name, version), ServingState.BROKEN)
        for tell in waiting:
            tell(outcome)
        if isinstance(outcome, LoadedModel):
            self.leave(outcome)
            free_superseded(self._shelf, self._store, outcome, self._clock())

    def _is_unchanged(self, name: str, version: int, files: Files) -> bool:
        """Whether the files are still those that were read; or are gone, which the next request will find."""
        try:
            return identify_files(self._store, name, version) == files
        except UnknownModel:
            return True

    def _check_open(self) -> None:
        if self._shelf.is_closed:
            raise stopping("inference")

    def _give_back(self, entered: Future[LoadedModel]) -> None:
        if not entered.cancelled() and entered.exception() is None:
            self.leave(entered.result())

    def _end_preload(self, name: str, entered: Future[LoadedModel]) -> None:
        self._give_back(entered)
        if error := entered.exception():
            log.error("model %s cannot be loaded: %s", name, error)


def _again(error: ThanoSQLError) -> ThanoSQLError:
    """The same, for somebody else: an exception that is raised twice mixes up its tracebacks."""
    return type(error)(error.message, hint=error.hint)


def _fail(future: Future[LoadedModel], error: ThanoSQLError) -> None:
    if future.set_running_or_notify_cancel():
        future.set_exception(error)


def _ignore(error: ThanoSQLError) -> None:
    """It is kept, logged, and shown by the statistics."""
