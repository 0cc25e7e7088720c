"""Translates between the messages of CatalogService and the stores behind it."""

# ruff: noqa: N802, ARG002 (names and arguments are gRPC's)
from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc

from catalog_service.catalog import choose_target
from catalog_service.schema.jobs import JobQueue
from catalog_service.schema.tokens import Tokens
from catalog_service.sql_requests import read_start
from catalog_service.steady_clock import start_steady_clock
from catalog_service.tables.copy_file import copy_file
from catalog_service.tables.record_batches import serialise
from catalog_service.tables.store import Change
from catalog_service.workspaces import Workspace, Workspaces
from thanosql import modelstore
from thanosql.convert import from_message, one_of, to_message
from thanosql.errors import Cancelled, UnknownTable
from thanosql.rpc.identity import current_identity
from thanosql.types import (
    AudioKey,
    CachedTranscript,
    IfExists,
    JobSpec,
    JobState,
    Model,
    Notice,
    Progress,
    RelationRows,
    Role,
    Snapshot,
    SqlStart,
)
from thanosql.v1 import catalog_pb2 as messages
from thanosql.v1 import types_pb2
from thanosql.v1.catalog_pb2_grpc import CatalogServiceServicer

log = logging.getLogger(__name__)


def utc_now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


class CatalogServicer(CatalogServiceServicer):
    """One method for each call; errors are raised as they are, and become statuses outside."""

    def __init__(
        self, workspaces: Workspaces, queue: JobQueue, tokens: Tokens, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._workspaces = workspaces
        self._queue = queue
        self._tokens = tokens
        self._now = now
        self._lease_now = start_steady_clock(now)

    @property
    def _here(self) -> Workspace:
        """The workspace that the call is made for."""
        return self._workspaces.of(current_identity().workspace)

    def GetSnapshot(self, request: messages.GetSnapshotRequest, context: grpc.ServicerContext) -> messages.Snapshot:
        """Every table and the served version of every model."""
        here = self._here
        with here.tables() as tables:
            snapshot = Snapshot(tables.tables(), here.models.served(), tables.sql_dialect)
        return to_message(snapshot, messages.Snapshot)

    def Query(self, request: messages.QueryRequest, context: grpc.ServicerContext) -> Iterator[types_pb2.Rows]:
        """Streams the rows of a query, which stops when the caller goes away."""
        with self._here.tables() as tables:
            query = tables.query(request.sql)
            if not context.add_callback(query.cancel):  # the caller has gone already
                return
            for batch in query:
                yield types_pb2.Rows(ipc=serialise(batch))

    def CopyTable(
        self, request: messages.CopyTableRequest, context: grpc.ServicerContext
    ) -> Iterator[messages.CopyTableEvent]:
        """Streams the progress of a COPY; the table is there when its result has come."""
        here = self._here
        with here.tables() as tables:
            events = copy_file(
                tables,
                here.config.workspace,
                request.table,
                request.path,
                IfExists[types_pb2.IfExists.Name(request.if_exists).removeprefix("IF_EXISTS_")],
                memory_limit=here.config.memory_limit,
                threads=here.config.query_threads,
                now=self._now(),
                clock=time.monotonic,
                audio_col=request.audio_col,
                sheet=request.sheet,
            )
            for event in events:
                if isinstance(event, Progress):
                    yield messages.CopyTableEvent(progress=to_message(event, types_pb2.Progress))
                elif isinstance(event, Notice):
                    yield messages.CopyTableEvent(notice=to_message(event, types_pb2.Notice))
                else:
                    yield messages.CopyTableEvent(result=to_message(event, messages.CopyTableResult))

    def QueryRelations(
        self, request_iterator: Iterator[messages.SqlRequest], context: grpc.ServicerContext
    ) -> Iterator[types_pb2.Rows]:
        """Streams the rows of a query over the tables and over rows that come with it."""
        start, relations = read_start(_translated(request_iterator))
        with self._here.tables() as tables:
            query = tables.query(start.sql, relations)
            if not context.add_callback(query.cancel):
                return
            for batch in query:
                yield types_pb2.Rows(ipc=serialise(batch))

    def WriteTable(
        self, request_iterator: Iterator[messages.SqlRequest], context: grpc.ServicerContext
    ) -> messages.WriteTableResponse:
        """Writes the rows of a query into a table; not if the caller goes away meanwhile."""
        start, relations = read_start(_translated(request_iterator))
        with self._here.tables() as tables:
            name, mode = choose_target(start.table, tables.tables(), start.if_exists)
            write = tables.write_query(name, start.sql, mode, self._now(), relations=relations, columns=start.columns)
            rows = _run(write, context)
        log.info("%d rows of a query went into %s: %s", rows, name, mode.value)
        return messages.WriteTableResponse(rows=rows)

    def ChangeTable(
        self, request_iterator: Iterator[messages.SqlRequest], context: grpc.ServicerContext
    ) -> messages.ChangeTableResponse:
        """Runs one UPDATE or DELETE; not if the caller goes away meanwhile."""
        start, relations = read_start(_translated(request_iterator))
        with self._here.tables() as tables:
            change = tables.change(start.sql, self._now(), relations)
            return messages.ChangeTableResponse(rows=_run(change, context))

    def RenameTable(
        self, request: messages.RenameTableRequest, context: grpc.ServicerContext
    ) -> messages.RenameTableResponse:
        """Gives a table another name."""
        with self._here.tables() as tables:
            tables.rename(request.name, request.new_name, self._now())
        return messages.RenameTableResponse()

    def RenameColumn(
        self, request: messages.RenameColumnRequest, context: grpc.ServicerContext
    ) -> messages.RenameColumnResponse:
        """Gives a column of a table another name."""
        with self._here.tables() as tables:
            tables.rename_column(request.table, request.name, request.new_name, self._now())
        return messages.RenameColumnResponse()

    def DropTable(
        self, request: messages.DropTableRequest, context: grpc.ServicerContext
    ) -> messages.DropTableResponse:
        """Drops a table, or says that there is none."""
        try:
            with self._here.tables() as tables:
                tables.drop(request.name)
        except UnknownTable:
            if not request.if_exists:
                raise
            return messages.DropTableResponse(dropped=False)
        return messages.DropTableResponse(dropped=True)

    def GetModel(self, request: messages.GetModelRequest, context: grpc.ServicerContext) -> types_pb2.Model:
        """One version of a model."""
        return to_message(self._here.models.get(request.name, request.version), types_pb2.Model)

    def ReserveModelVersion(
        self, request: messages.ReserveModelVersionRequest, context: grpc.ServicerContext
    ) -> messages.ReserveModelVersionResponse:
        """A version number that nobody else gets."""
        return messages.ReserveModelVersionResponse(version=self._here.models.reserve_version(request.name))

    def RegisterModel(self, request: messages.RegisterModelRequest, context: grpc.ServicerContext) -> types_pb2.Model:
        """Makes a version the one that is served."""
        model = self._here.models.register(from_message(request.model, Model), self._now())
        log.info("model %s, version %d is %s", model.name, model.version, model.state.value)
        return to_message(model, types_pb2.Model)

    def DeleteModel(
        self, request: messages.DeleteModelRequest, context: grpc.ServicerContext
    ) -> messages.DeleteModelResponse:
        """Deletes a model: its rows first, so that a crash leaves no rows without files."""
        here = self._here
        versions = here.models.delete(request.name, request.if_exists)
        if versions:
            modelstore.delete_model(here.config.models, request.name)
            log.info("model %s is deleted, with %d versions", request.name, versions)
        return messages.DeleteModelResponse(versions=versions)

    def CreateJob(self, request: messages.CreateJobRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """Queues a job."""
        job = self._here.jobs.create(request.id, from_message(request.spec, JobSpec), self._now())
        return to_message(job, types_pb2.Job)

    def GetJob(self, request: messages.GetJobRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """One job."""
        return to_message(self._here.jobs.get(request.id), types_pb2.Job)

    def ListJobs(self, request: messages.ListJobsRequest, context: grpc.ServicerContext) -> messages.ListJobsResponse:
        """Every job, newest first."""
        jobs = [to_message(job, types_pb2.Job) for job in self._here.jobs.newest_first()]
        return messages.ListJobsResponse(jobs=jobs)

    def ClaimJob(self, request: messages.ClaimJobRequest, context: grpc.ServicerContext) -> messages.ClaimJobResponse:
        """Hands a job of any workspace to a trainer, where there is one to do."""
        job = self._queue.claim(request.owner, request.lease_seconds, self._lease_now())
        return messages.ClaimJobResponse(job=None if job is None else to_message(job, types_pb2.Job))

    def RenewJobLease(self, request: messages.RenewJobLeaseRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """Lets a trainer hold its job for longer."""
        job = self._here.jobs.renew(request.id, request.owner, request.lease_seconds, self._lease_now())
        return to_message(job, types_pb2.Job)

    def FinishJob(self, request: messages.FinishJobRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """Ends a job."""
        state = JobState[types_pb2.JobState.Name(request.state).removeprefix("JOB_STATE_")]
        return to_message(self._here.jobs.finish(request.id, state, request.error, self._now()), types_pb2.Job)

    def ResumeJob(self, request: types_pb2.ResumeJobRequest, context: grpc.ServicerContext) -> types_pb2.Job:
        """Queues an ended job again."""
        return to_message(self._here.jobs.resume(request.id, self._now()), types_pb2.Job)

    def CreateToken(
        self, request: types_pb2.CreateTokenRequest, context: grpc.ServicerContext
    ) -> types_pb2.CreateTokenResponse:
        """A new token and its secret."""
        role = Role[types_pb2.Role.Name(request.role).removeprefix("ROLE_")]
        workspace = request.workspace or current_identity().workspace
        token, secret = self._tokens.create(request.name, role, workspace, request.seconds, self._now())
        return types_pb2.CreateTokenResponse(token=to_message(token, types_pb2.TokenInfo), secret=secret)

    def ListTokens(
        self, request: types_pb2.ListTokensRequest, context: grpc.ServicerContext
    ) -> types_pb2.ListTokensResponse:
        """The tokens of a workspace, or of all."""
        tokens = self._tokens.newest_first(request.workspace)
        return types_pb2.ListTokensResponse(tokens=[to_message(each, types_pb2.TokenInfo) for each in tokens])

    def RevokeToken(
        self, request: types_pb2.RevokeTokenRequest, context: grpc.ServicerContext
    ) -> types_pb2.RevokeTokenResponse:
        """Ends a token."""
        token = self._tokens.revoke(request.token, self._now())
        return types_pb2.RevokeTokenResponse(token=to_message(token, types_pb2.TokenInfo))

    def CheckToken(self, request: messages.CheckTokenRequest, context: grpc.ServicerContext) -> types_pb2.TokenInfo:
        """Whose a secret is."""
        return to_message(self._tokens.check(request.secret, self._now()), types_pb2.TokenInfo)

    def LookupTranscripts(
        self, request: messages.LookupTranscriptsRequest, context: grpc.ServicerContext
    ) -> messages.LookupTranscriptsResponse:
        """Transcripts that need not be computed again."""
        keys = [from_message(key, AudioKey) for key in request.keys]
        found = self._here.transcripts.lookup(
            request.model, request.version, keys, self._now(), request.decoding, only_looks=request.only_looks
        )
        return messages.LookupTranscriptsResponse(
            transcripts=[to_message(each, messages.CachedTranscript) for each in found]
        )

    def StoreTranscripts(
        self, request: messages.StoreTranscriptsRequest, context: grpc.ServicerContext
    ) -> messages.StoreTranscriptsResponse:
        """Keeps transcripts for later."""
        transcripts = [from_message(each, CachedTranscript) for each in request.transcripts]
        self._here.transcripts.store(request.model, request.version, transcripts, self._now(), request.decoding)
        return messages.StoreTranscriptsResponse()


_SQL_REQUESTS: dict[str, type[Any]] = {"start": SqlStart, "rows": RelationRows}


def _translated(requests: Iterator[messages.SqlRequest]) -> Iterator[SqlStart | RelationRows | None]:
    return (one_of(request, "request", _SQL_REQUESTS) for request in requests)


def _run(change: Change, context: grpc.ServicerContext) -> int:
    """Runs a change, which stops when the caller goes away."""
    if not context.add_callback(change.cancel):
        raise Cancelled("the caller has gone")
    return change.run()
