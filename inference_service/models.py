"""Loads models from the store when they are first asked for, and keeps the last used ones."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from inference_service.batcher import Batcher
from inference_service.batching import Sharing
from inference_service.config import InferenceConfig
from inference_service.engine import EngineChoice, choose_device, count_cores, open_engine
from inference_service.figures import Figures, ModelFigures, Outcome
from inference_service.plan import make_limits, make_plan
from thanosql.errors import NotFound, Unavailable, UnknownModel
from thanosql.modelstore import GRAPH, ModelDescription, read_description, version_folder
from thanosql.types import ModelStatistics, ServingPlan

log = logging.getLogger(__name__)


@dataclass(eq=False)
class LoadedModel:
    """A model in memory, and what it has done."""

    description: ModelDescription
    batcher: Batcher
    figures: ModelFigures
    plan: ServingPlan
    files: tuple[int, ...]
    """Which files it was loaded from: a model that is deleted and made anew may have the same name and version."""
    users: int = 0
    """Streams and calls that use it."""
    used: int = 0
    """Counts up with each use of any model; the least was used longest ago."""

    @property
    def statistics(self) -> ModelStatistics:
        """What was done since the service started."""
        sums = self.figures.sums
        return ModelStatistics(
            model=self.description.name,
            version=self.description.version,
            plan=self.plan,
            clips=sums.count(Outcome.SUCCESS),
            failures=sums.count(Outcome.FAILED),
            rejected=sums.count(Outcome.REJECTED),
            cancelled=sums.count(Outcome.CANCELLED),
            late=sums.count(Outcome.LATE),
            batches=sums.batches,
            audio_seconds=sums.audio_seconds,
            padded_seconds=sums.padded_seconds,
            compute_seconds=sums.compute_seconds,
            queue_seconds=sums.queue_seconds,
            waiting_seconds=self.batcher.waiting_seconds,
        )


class Models:
    """The models of one store. All methods may be called from any thread.

    Raises:
        InvalidOption: the device that the settings name is not there.
    """

    def __init__(self, config: InferenceConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self._device = choose_device(config.device)
        self._loaded: dict[tuple[str, int], LoadedModel] = {}
        self._figures: dict[tuple[str, int], ModelFigures] = {}
        self._loading: dict[tuple[str, int], threading.Lock] = {}
        self._lock = threading.Lock()
        self._uses = itertools.count(1)
        self._closed = False

    def enter(self, name: str, version: int) -> LoadedModel:
        """The model, loaded where it is not yet (which takes seconds); it stays until `leave`.

        Args:
            name: Of the model.
            version: 0: the newest that can be served.

        Raises:
            UnknownModel: the store has no such version.
            DataError: its files are damaged.
        """
        version = version or _newest(self._config.models, name)
        key = (name, version)
        files = _identify(self._config.models, name, version)
        with self._lock:
            one_at_a_time = self._loading.setdefault(key, threading.Lock())
        with one_at_a_time:
            with self._lock:
                model = self._loaded.get(key)
            if model is None or model.files != files:
                model = self._load(name, version, files)
            with self._lock:
                if self._closed:
                    model.batcher.close()
                    raise Unavailable("inference_service is stopping", hint="Run the statement again when it is back.")
                stale = self._loaded.get(key)
                self._loaded[key] = model
                model.users += 1
                model.used = next(self._uses)
            if stale is not None and stale is not model and not stale.users:
                stale.batcher.close()
        self._evict()
        return model

    def leave(self, model: LoadedModel) -> None:
        """The caller of `enter` has no more work for the model. Does not block."""
        with self._lock:
            model.users -= 1
            # Another one stands under its name: the model was made anew while it was used.
            is_orphan = not model.users and model not in self._loaded.values()
        if is_orphan:
            model.batcher.close()
        self._evict()

    @asynccontextmanager
    async def use(self, name: str, version: int) -> AsyncIterator[LoadedModel]:
        """`enter` and `leave` around a block, for callers on an event loop, which loading does not hold up."""
        entering = asyncio.ensure_future(asyncio.to_thread(self.enter, name, version))
        try:
            model = await asyncio.shield(entering)
        except asyncio.CancelledError:
            # A thread cannot be cancelled: what it brings is given back at once.
            entering.add_done_callback(self._give_back)
            raise
        try:
            yield model
        finally:
            self.leave(model)

    def _give_back(self, entered: asyncio.Future[LoadedModel]) -> None:
        if not entered.cancelled() and entered.exception() is None:
            self.leave(entered.result())

    def statistics(self, name: str = "", version: int = 0) -> tuple[ModelStatistics, ...]:
        """Of the models that are loaded, the last used first: of all, of `name`, or of one `version` of it."""
        with self._lock:
            loaded = sorted(self._loaded.items(), key=lambda each: -each[1].used)
        return tuple(model.statistics for key, model in loaded if name in ("", key[0]) and version in (0, key[1]))

    def figures(self, name: str, version: int) -> Figures:
        """What one version has done since the service started; nothing, where it was never loaded."""
        with self._lock:
            counted = self._figures.get((name, version))
        return counted.sums if counted is not None else Figures()

    def close(self) -> None:
        """Frees every model; streams that still wait for one fail with `Unavailable`."""
        with self._lock:
            self._closed = True
            loaded, self._loaded = list(self._loaded.values()), {}
        for model in loaded:
            model.batcher.close()
        for model in loaded:
            model.batcher.join()

    def _load(self, name: str, version: int, files: tuple[int, ...]) -> LoadedModel:
        begin = self._clock()
        folder = version_folder(self._config.models, name, version)
        try:
            description = read_description(folder)
        except NotFound as error:
            raise _unknown(name, version) from error
        plan = make_plan(self._config, device=self._device, cores=count_cores())
        with self._lock:
            figures = self._figures.setdefault((name, version), ModelFigures())
        choice = EngineChoice(device=plan.device, workers=plan.workers, threads=plan.threads)
        engine = open_engine(folder, description, choice)
        batcher = Batcher(
            engine,
            sample_rate=description.sample_rate,
            limits=make_limits(plan),
            workers=plan.workers,
            clock=self._clock,
            name=f"batch-{name}-{version}",
            figures=figures,
            sharing=Sharing(bulk_share=self._config.bulk_share, delay_seconds=self._config.delay / 1000),
            audio_rate=plan.audio_rate,
        )
        log.info(
            "loaded version %d of model %s in %.1f s: %s, %d × %d threads, batches up to %g padded seconds and %d rows",
            *(version, name, self._clock() - begin, plan.device, plan.workers, plan.threads),
            *(plan.batch_seconds, plan.batch_rows),
        )
        return LoadedModel(description, batcher, figures, plan, files)

    def _evict(self) -> None:
        """Frees what was used longest ago and is not in use, above the number of models that are kept."""
        with self._lock:
            idle = sorted((m.used, key) for key, m in self._loaded.items() if not m.users)
            excess = max(0, len(self._loaded) - self._config.loaded_models)
            evicted = [self._loaded.pop(key) for _, key in idle[:excess]]
        for model in evicted:
            log.info("freed version %d of model %s", model.description.version, model.description.name)
            model.batcher.close()


def _identify(store: Path, name: str, version: int) -> tuple[int, ...]:
    """What tells the files of a version from those of another one under the same name.

    Raises:
        UnknownModel: there is none.
    """
    try:
        if Path(name).name != name:  # names come from callers, and shall not lead elsewhere
            raise _unknown(name, version)
        status = (version_folder(store, name, version) / GRAPH).stat()
    except (OSError, ValueError) as error:
        raise _unknown(name, version) from error
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _newest(store: Path, name: str) -> int:
    """The highest version of a model in the store.

    Raises:
        UnknownModel: there is none.
    """
    try:
        versions = [int(each.name) for each in (store / name).iterdir() if each.name.isdecimal()]
    except (OSError, ValueError) as error:
        raise _unknown(name, 0) from error
    if not versions or Path(name).name != name:
        raise _unknown(name, 0)
    return max(versions)


def _unknown(name: str, version: int) -> UnknownModel:
    return UnknownModel(
        f"the model store has no version {version} of a model {name!r}",
        hint="LIST MODEL shows the models. Do trainer_service and inference_service share one model store?",
    )
