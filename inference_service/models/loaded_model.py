"""A version of a model in memory, and what becomes of it when it is not used any more."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from inference_service.engines.engine import Engine
from inference_service.models.versions import Files
from inference_service.monitoring.figures import Figures, ModelFigures, Outcome
from inference_service.planning.calibration import Calibration
from inference_service.scheduling.batcher import Batcher
from thanosql.freed_memory import give_back_memory
from thanosql.language_model import LanguageModel, Weights
from thanosql.modelstore import ModelDescription
from thanosql.types import ModelStatistics, ServingPlan, ServingState
from thanosql.workspace import DEFAULT_WORKSPACE

log = logging.getLogger(__name__)

Key = tuple[str, str, int]
"""The workspace, name and version of a model: the same name stands for another model elsewhere."""


@dataclass(eq=False)
class LoadedModel:
    """A model in memory, and what it has done."""

    description: ModelDescription
    batcher: Batcher
    figures: ModelFigures
    plan: ServingPlan
    engine: Engine
    calibration: Calibration | None
    """What batches cost; None: not measured."""
    memory_bytes: int
    language: tuple[LanguageModel, Weights] | None
    """Its language model, and how much that counts."""
    files: Files
    """Which files it was loaded from: a model that is deleted and made anew may have the same name and version."""
    workspace: str = DEFAULT_WORKSPACE
    """To whose store it belongs."""
    users: int = 0
    """Streams and calls that use it."""
    used: int = 0
    """Counts up with each use of any model; the least was used longest ago."""
    seen_at: float = 0.0
    """When its files were last seen in the store."""

    @property
    def key(self) -> Key:
        """Its workspace, name and version."""
        return self.workspace, self.description.name, self.description.version

    def free(self) -> None:
        """Computes no further batch; when those that are running have ended, the memory is free."""
        self.batcher.close()
        self.batcher.join()
        self.engine.close()
        give_back_memory()
        log.info("freed version %d of model %s", self.description.version, self.description.name)


def make_statistics(
    name: str,
    version: int,
    sums: Figures,
    model: LoadedModel | None = None,
    *,
    plan: ServingPlan | None = None,
    problem: str = "",
) -> ModelStatistics:
    """What is told of a version.

    Args:
        name: Of the model.
        version: Of the model.
        sums: What it has done.
        model: None: it is not in memory.
        plan: How it would be served, where it is not.
        problem: Why its files, as they are now, could not be loaded.
    """
    if model is not None:
        state, plan = ServingState.READY, model.plan
    else:
        state = ServingState.BROKEN if problem else ServingState.IDLE
    return ModelStatistics(
        model=name,
        version=version,
        state=state,
        problem=problem,
        plan=plan,
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
        waiting_seconds=model.batcher.waiting_seconds if model is not None else 0.0,
        memory_bytes=model.memory_bytes if model is not None else 0,
    )
