"""Opens a version of a model for serving: makes room, loads it, puts a batcher before it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from inference_service.config import InferenceConfig
from inference_service.models.loaded_model import LoadedModel
from inference_service.models.loading import Loader
from inference_service.models.shelf import Shelf
from inference_service.models.versions import Files, unknown_model
from inference_service.monitoring.figures import ModelFigures
from inference_service.planning.plan import make_limits
from inference_service.scheduling.batcher import Batcher, BatchTracer
from inference_service.scheduling.batching import Sharing
from thanosql.errors import NotFound
from thanosql.language_model import count_language_model_bytes, read_language_model
from thanosql.modelstore import read_description, version_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opener:
    """Opens versions out of one workspace's store."""

    config: InferenceConfig
    workspace: str
    loader: Loader
    shelf: Shelf
    clock: Callable[[], float]
    """Gives seconds."""
    tracer: BatchTracer | None
    """Told of every batch."""

    def open(self, name: str, version: int, files: Files, figures: ModelFigures) -> LoadedModel:
        """The version, ready to compute, which takes seconds.

        Args:
            name: Of the model.
            version: Of it.
            files: Which they are now.
            figures: Count what the version does.

        Raises:
            UnknownModel: the store has no such version.
            DataError: its files are damaged.
            Unavailable: the service is stopping.
        """
        begin = self.clock()
        folder = version_folder(self.config.models, name, version)
        try:
            # The folder may have been copied by hand: it is called what callers call it.
            description = replace(read_description(folder), name=name, version=version)
        except NotFound as error:
            raise unknown_model(name, version) from error
        language_bytes = count_language_model_bytes(folder)
        needed = self.loader.estimate_bytes(folder) + language_bytes
        with self.shelf.lock:
            self.shelf.make_room(needed)
            is_alone = not any(each.model and each.model.users for each in self.shelf.versions.values())
        language = read_language_model(folder, description)
        ready = self.loader.load(folder, description, is_alone=is_alone)
        plan = ready.plan
        batcher = Batcher(
            ready.engine,
            sample_rate=description.sample_rate,
            limits=make_limits(plan),
            workers=plan.workers,
            clock=self.clock,
            name=f"batch-{name}-{version}",
            figures=figures,
            sharing=Sharing(bulk_share=self.config.bulk_share, delay_seconds=self.config.delay / 1000),
            audio_rate=plan.audio_rate,
            tracer=self.tracer,
        )
        log.info(
            "loaded version %d of model %s in %.1f s, %.0f MiB: %s in %s on %s, %d × %d threads, batches up to %g "
            "padded seconds and %d rows; %s",
            *(version, name, self.clock() - begin, ready.memory_bytes / 2**20, plan.engine, plan.precision),
            *(plan.device, plan.workers, plan.threads, plan.batch_seconds, plan.batch_rows, plan.reason),
        )
        return LoadedModel(
            description,
            batcher,
            figures,
            plan,
            ready.engine,
            ready.calibration,
            ready.memory_bytes + language_bytes,
            language,
            files,
            self.workspace,
        )
