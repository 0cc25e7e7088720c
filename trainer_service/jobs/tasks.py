"""What the child process of a job is told: the same at each attempt, so that each goes on with the one before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from thanosql.clients import CatalogClient
from thanosql.errors import JobFailed, UnknownModel
from thanosql.modelstore import version_folder
from thanosql.types import BaseModel, BaseModelSource, Job, JobKind, ModelState
from trainer_service.bases.base_models import BaseModels
from trainer_service.config import TrainerConfig
from trainer_service.jobs.job_folder import JobFolder
from trainer_service.jobs.jobs import Task
from trainer_service.jobs.patience import insist


class Tasks:
    """Makes tasks of jobs.

    Args:
        config: Of the service.
        catalog: Knows the models.
        bases: Resolves base models.
    """

    def __init__(self, config: TrainerConfig, catalog: CatalogClient, bases: BaseModels) -> None:
        self._config, self._catalog, self._bases = config, catalog, bases

    def make(self, job: Job, folder: JobFolder, is_pointless: Callable[[], bool]) -> Task:
        """The task of a job; what it makes and from what is kept in its folder.

        Args:
            job: To be carried out.
            folder: Its files.
            is_pointless: Whether to wait for a catalog that is away.

        Raises:
            UnknownBaseModel, BaseModelUnavailable, PathRefused: what `BaseModels.resolve` says.
            UnknownModel, JobFailed: the model that FIT goes on from is not there, or has no files.
        """
        config = self._config.of(job.workspace)
        base = folder.read_base()
        if base is None:
            is_fit = job.spec.kind is JobKind.FIT
            if is_fit:
                base = self._find_model(job.spec.base, config.models, is_pointless)
            else:
                base = self._bases.under(config.workspace).resolve(job.spec.base)
            folder.write_base(base)
        folder.state.mkdir(exist_ok=True)
        return Task(
            job.id,
            job.spec,
            base,
            self._choose_version(job, folder),
            str(config.workspace.resolve()),
            str(config.models.resolve()),
            str(folder.rows.resolve()) if folder.rows.exists() else "",
            config.device,
            config.threads,
            config.max_seconds,
            str(folder.state.resolve()),
            config.torchrun,
        )

    def _find_model(self, name: str, store: Path, is_pointless: Callable[[], bool]) -> BaseModel:
        """The newest version of a model, as a base."""
        model = insist(lambda: self._catalog.get_model(name), is_pointless)
        folder = version_folder(store, model.name, model.version).resolve()
        if model.state is ModelState.PENDING or not folder.exists():
            raise JobFailed(
                f"model {model.name!r}, version {model.version}, is not in the model store",
                hint=f"PREDICT USING {model.name} makes it ready, where it has not been used yet."
                if model.state is ModelState.PENDING
                else f"Was {folder} removed by hand?",
            )
        return BaseModel(model.class_name, str(folder), source=BaseModelSource.FOLDER)

    def _choose_version(self, job: Job, folder: JobFolder) -> int:
        """The version to make: that of an earlier attempt, or of a model that waits for its export, or a new one."""
        version = folder.read_version()
        if not version and job.spec.kind is JobKind.EXPORT and not job.spec.new_version:
            with suppress(UnknownModel):
                version = self._catalog.get_model(job.spec.model).version
        version = version or self._catalog.reserve_model_version(job.spec.model)
        folder.write_version(version)
        return version
