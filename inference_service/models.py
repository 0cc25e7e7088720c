"""Loads models from the store when they are first asked for, and keeps the last used ones."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from inference_service.batcher import Batcher
from inference_service.config import InferenceConfig
from inference_service.engine import EngineChoice, choose_device, count_cores, open_engine
from inference_service.plan import make_plan
from thanosql.errors import NotFound, Unavailable, UnknownModel
from thanosql.modelstore import GRAPH, ModelDescription, read_description, version_folder
from thanosql.types import ModelStatistics

log = logging.getLogger(__name__)


@dataclass(eq=False)
class LoadedModel:
    """A model in memory, and what it has done."""

    description: ModelDescription
    batcher: Batcher
    files: tuple[int, ...]
    """Which files it was loaded from: a model that is deleted and made anew may have the same name and version."""
    clips: int = 0
    failures: int = 0
    users: int = 0
    """Streams that use it."""
    used: int = 0
    """Counts up with each use of any model; the least was used longest ago."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, failed: bool) -> None:
        """A clip was answered."""
        with self.lock:
            self.clips += 1
            self.failures += failed

    @property
    def statistics(self) -> ModelStatistics:
        """What was done since the model was loaded."""
        figures = self.batcher.figures
        return ModelStatistics(
            model=self.description.name,
            version=self.description.version,
            clips=self.clips,
            failures=self.failures,
            batches=figures.batches,
            audio_seconds=figures.audio_seconds,
            padded_seconds=figures.padded_seconds,
            compute_seconds=figures.compute_seconds,
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
        self._loading: dict[tuple[str, int], threading.Lock] = {}
        self._lock = threading.Lock()
        self._uses = itertools.count(1)
        self._closed = False

    def enter(self, name: str, version: int) -> LoadedModel:
        """The model, loaded where it is not yet (which takes seconds); it stays until `leave`.

        Raises:
            UnknownModel: the store has no such version.
            DataError: its files are damaged.
        """
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

    def statistics(self) -> tuple[ModelStatistics, ...]:
        """Of the models that are loaded, the last used first."""
        with self._lock:
            loaded = sorted(self._loaded.values(), key=lambda model: -model.used)
        return tuple(model.statistics for model in loaded)

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
        choice = EngineChoice(device=plan.device, workers=plan.workers, threads=plan.threads)
        engine = open_engine(folder, description, choice)
        batcher = Batcher(
            engine,
            sample_rate=description.sample_rate,
            limits=plan.limits,
            workers=plan.workers,
            clock=self._clock,
            name=f"batch-{name}-{version}",
        )
        log.info(
            "loaded version %d of model %s in %.1f s: %s, %d × %d threads, batches up to %g padded seconds and %d rows",
            *(version, name, self._clock() - begin, plan.device, plan.workers, plan.threads),
            *(plan.limits.seconds, plan.limits.rows),
        )
        return LoadedModel(description, batcher, files)

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


def _unknown(name: str, version: int) -> UnknownModel:
    return UnknownModel(
        f"the model store has no version {version} of a model {name!r}",
        hint="LIST MODEL shows the models. Do trainer_service and inference_service share one model store?",
    )
