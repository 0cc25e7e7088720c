"""Translates between the messages of TrainerService and the worker, the job folders and the base models."""

# ruff: noqa: N802, ARG002 (names and arguments are gRPC's)

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import grpc

from thanosql.clients import CatalogClient
from thanosql.convert import from_message, to_message
from thanosql.errors import DataError, TimedOut, Unavailable
from thanosql.rpc.identity import current_identity
from thanosql.types import BaseModel, JobProgress, JobResult, JobSpec, Notice, Progress, Rows
from thanosql.v1 import trainer_pb2, trainer_pb2_grpc, types_pb2
from trainer_service.bases.base_models import BaseModels
from trainer_service.config import TrainerConfig
from trainer_service.datasets.datasets import Datasets
from trainer_service.jobs.job_folder import JobFolder
from trainer_service.jobs.jobs import check_spec
from trainer_service.jobs.origin import note_origin
from trainer_service.jobs.patience import insist
from trainer_service.jobs.turns import announce_turn
from trainer_service.jobs.watch import watch
from trainer_service.jobs.worker import Worker
from trainer_service.training.outlook import plan_training

_NAME = re.compile(r"[\w-]+")
"""A job's id, as the catalog takes it."""


class TrainerServicer(trainer_pb2_grpc.TrainerServiceServicer):
    """One method for each call; errors are raised as they are, and become statuses outside."""

    def __init__(
        self,
        config: TrainerConfig,
        catalog: CatalogClient,
        bases: BaseModels,
        worker: Worker,
        datasets: Callable[[str], Datasets],
    ) -> None:
        self._all, self._catalog, self._first_bases, self._worker = config, catalog, bases, worker
        self._datasets_of = datasets

    @property
    def _here(self) -> TrainerConfig:
        """The settings, with the folders of the caller's workspace."""
        return self._all.of(current_identity().workspace)

    @property
    def _bases(self) -> BaseModels:
        """Those that the caller's workspace sees."""
        return self._first_bases.under(self._here.workspace)

    def ListBaseModels(
        self, request: trainer_pb2.ListBaseModelsRequest, context: grpc.ServicerContext
    ) -> trainer_pb2.ListBaseModelsResponse:
        """The base models that have a name."""
        return trainer_pb2.ListBaseModelsResponse(models=map(_base_message, self._bases.list()))

    def ResolveBaseModel(
        self, request: trainer_pb2.ResolveBaseModelRequest, context: grpc.ServicerContext
    ) -> trainer_pb2.BaseModel:
        """What a name after USING stands for here and now."""
        return _base_message(self._bases.resolve(request.name))

    def PlanTraining(
        self, request: trainer_pb2.PlanTrainingRequest, context: grpc.ServicerContext
    ) -> trainer_pb2.TrainingPlan:
        """What a training would be like."""
        spec = from_message(request.spec, JobSpec)
        check_spec(spec)
        plan = plan_training(spec, request.rows, list(request.seconds))
        return to_message(replace(plan, longest_seconds=self._all.max_seconds), trainer_pb2.TrainingPlan)

    def SubmitJob(
        self, requests: Iterator[trainer_pb2.SubmitJobRequest], context: grpc.ServicerContext
    ) -> types_pb2.Job:
        """Queues a job: its rows are on the disk before the catalog knows it."""
        first = next(requests, None)
        if first is None or first.WhichOneof("part") != "spec":
            raise DataError("a job begins with its specification", hint="Send `spec` first, then `rows`.")
        spec = from_message(first.spec, JobSpec)
        check_spec(spec)
        folder = JobFolder(self._here.jobs, uuid.uuid4().hex)
        folder.create(from_message(request.rows, Rows) for request in requests)
        may_be_known = False
        try:
            note_origin(folder.path)
            ahead = [job for job in self._catalog.list_jobs() if not job.state.ended]
            if (notice := announce_turn(ahead)) is not None:
                folder.events.append(notice)
            may_be_known = True
            job = insist(lambda: self._catalog.create_job(folder.path.name, spec), lambda: not context.is_active())
        except BaseException as error:
            # The catalog may have the job, whose rows these are; if not, they are an orphan's and go in time.
            if not (may_be_known and isinstance(error, Unavailable | TimedOut)):
                folder.remove()
            raise
        self._worker.wake()
        return to_message(job, types_pb2.Job)

    def WatchJob(
        self, request: trainer_pb2.WatchJobRequest, context: grpc.ServicerContext
    ) -> Iterator[trainer_pb2.JobEvent]:
        """Follows a job to its end."""
        job = self._catalog.get_job(request.id)
        folder = JobFolder(self._here.jobs, job.id)
        for event in watch(job, request.next_event, folder, self._catalog, self._worker, context.is_active):
            message = trainer_pb2.JobEvent(number=event.number)
            match event.event:
                case Progress():
                    message.progress.CopyFrom(to_message(event.event, types_pb2.Progress))
                case Notice():
                    message.notice.CopyFrom(to_message(event.event, types_pb2.Notice))
                case JobResult():
                    message.result.CopyFrom(to_message(event.event, trainer_pb2.JobResult))
            yield message

    def CancelJob(self, request: trainer_pb2.CancelJobRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """Stops a job; does nothing to one that has ended."""
        return to_message(self._worker.cancel(request.id), types_pb2.Job)

    def ResumeJob(self, request: types_pb2.ResumeJobRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """Takes an ended job up again; does nothing to one that waits or runs."""
        return to_message(self._worker.resume(request.id), types_pb2.Job)

    def GetJobProgress(
        self, request: trainer_pb2.GetJobProgressRequest, context: grpc.ServicerContext
    ) -> trainer_pb2.GetJobProgressResponse:
        """How far jobs have come, of which there is a folder here."""
        response = trainer_pb2.GetJobProgressResponse()
        for id in request.ids:
            folder = JobFolder(self._here.jobs, id)
            if _NAME.fullmatch(id) and folder.path.is_dir():
                count, last = folder.events.look()
                progress = JobProgress(id, last, count, folder.rows.exists())
                response.jobs.append(to_message(progress, trainer_pb2.JobProgress))
        return response

    def ListDatasets(
        self, request: trainer_pb2.ListDatasetsRequest, context: grpc.ServicerContext
    ) -> trainer_pb2.ListDatasetsResponse:
        """The data sets that have a name."""
        datasets = [
            to_message(each, trainer_pb2.Dataset) for each in self._datasets_of(current_identity().workspace).list()
        ]
        return trainer_pb2.ListDatasetsResponse(datasets=datasets)

    def GetDataset(
        self, request: trainer_pb2.GetDatasetRequest, context: grpc.ServicerContext
    ) -> Iterator[trainer_pb2.GetDatasetEvent]:
        """Puts a data set into the workspace; it is there when its result has come."""
        datasets = self._datasets_of(current_identity().workspace)
        for event in datasets.get(request.name, overwrite=request.overwrite):
            if isinstance(event, Progress):
                yield trainer_pb2.GetDatasetEvent(progress=to_message(event, types_pb2.Progress))
            else:
                result = to_message(event, trainer_pb2.GetDatasetResult)
                yield trainer_pb2.GetDatasetEvent(result=result)


def _base_message(base: BaseModel) -> trainer_pb2.BaseModel:
    return to_message(base, trainer_pb2.BaseModel)
