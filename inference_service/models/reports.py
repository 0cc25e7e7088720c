"""What is known of the versions of a workspace's models: how they are served, what they did, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inference_service.models.loaded_model import make_statistics
from inference_service.models.loading import Loader
from inference_service.models.measured import Measured
from inference_service.models.shelf import Shelf, Version
from inference_service.models.versions import identify_files
from inference_service.monitoring.figures import Figures, Waiting
from thanosql.errors import UnknownModel
from thanosql.language_model import count_language_model_bytes
from thanosql.modelstore import version_folder
from thanosql.types import ModelStatistics, Priority, ServingPlan


@dataclass(frozen=True)
class Reports:
    """Reads the shelf and the store; loads nothing."""

    shelf: Shelf
    loader: Loader
    store: Path
    workspace: str

    def statistics(self, name: str = "", version: int = 0) -> tuple[ModelStatistics, ...]:
        """How models are served, and what they have done.

        Args:
            name: Empty: all that are loaded, the last used first, then those that could not be.
            version: 0: every version of `name` that was ever loaded, or could not be. Else also one that was not.
        """
        with self.shelf.lock:
            known = {
                key[1:]: (each.model, each.problem, each.figures.sums)
                for key, each in self.shelf.versions.items()
                if key[0] == self.workspace
            }
        if name and version and (name, version) not in known:
            try:
                identify_files(self.store, name, version)
            except UnknownModel:
                return ()
            known[name, version] = (None, None, Figures())
        chosen = [
            (model.used if model else 0, key, model, problem, sums)
            for key, (model, problem, sums) in known.items()
            if (key[0] == name and version in (0, key[1]) if name else model or problem)
        ]
        chosen.sort(key=lambda each: (-each[0], each[1]))
        return tuple(
            make_statistics(
                *key,
                sums,
                model,
                plan=None if model else self._recall_plan(*key),
                problem=problem.error.message if problem else "",
            )
            for _, key, model, problem, sums in chosen
        )

    def measured(self, name: str, version: int) -> Measured:
        """What is known of how fast a version is here.

        Raises:
            UnknownModel: the store has no such version.
        """
        identify_files(self.store, name, version)
        known = self._find(name, version)
        folder = version_folder(self.store, name, version)
        if known is not None and (model := known.model) is not None:
            return Measured(known.figures.sums, model.plan, model.calibration, True, model.language is not None)
        sums = known.figures.sums if known is not None else Figures()
        reads_with_language = count_language_model_bytes(folder) > 0
        plan, calibration = self.loader.recall_plan(folder) or (None, None)
        return Measured(sums, plan, calibration, False, reads_with_language)

    def figures(self, name: str, version: int) -> Figures:
        """What one version has done since the service started; nothing, where it was never loaded."""
        known = self._find(name, version)
        return known.figures.sums if known is not None else Figures()

    def waiting(self, name: str, version: int) -> dict[Priority, Waiting]:
        """What waits for one version now, by class; nothing, where it is not in memory."""
        known = self._find(name, version)
        model = known.model if known is not None else None
        return model.batcher.waiting if model is not None else {}

    def _find(self, name: str, version: int) -> Version | None:
        with self.shelf.lock:
            return self.shelf.versions.get((self.workspace, name, version))

    def _recall_plan(self, name: str, version: int) -> ServingPlan | None:
        known = self.loader.recall_plan(version_folder(self.store, name, version))
        return known[0] if known else None
