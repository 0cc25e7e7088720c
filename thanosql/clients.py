"""A typed client for each service: plain values in and out, our errors, a time-out on every call.

One function makes every call (`_Client._unary`, `_Client._stream`). The iterator of a streaming call
is a generator: closing it cancels the call on the server.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import grpc
from google.protobuf.message import Message

from thanosql.convert import from_message, one_of, to_message
from thanosql.errors import InternalError, ThanoSQLError
from thanosql.parameter_messages import to_parameters
from thanosql.parameters import Parameter
from thanosql.rpc.caller import CALLER_KEY, encode_caller
from thanosql.rpc.health_call import ask_health
from thanosql.rpc.logs import METADATA_KEY, is_sane
from thanosql.rpc.status import to_error
from thanosql.types import (
    AudioKey,
    BaseModel,
    CachedTranscript,
    Clip,
    ClipFailure,
    CopyTableResult,
    Dataset,
    EstimateRequest,
    Event,
    ExportedModel,
    GetDatasetResult,
    IfExists,
    Job,
    JobEvent,
    JobProgress,
    JobResult,
    JobSpec,
    JobState,
    Model,
    ModelStatistics,
    Notice,
    Progress,
    RelationRows,
    Role,
    Rows,
    Severity,
    Snapshot,
    SqlStart,
    StatementDone,
    StatementStarted,
    TokenInfo,
    TrainingPlan,
    TranscribeClip,
    TranscribeStart,
    Transcript,
    TranscriptionEstimate,
    UploadedFile,
    UploadFile,
    UploadStart,
    UploadState,
)
from thanosql.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
    trainer_pb2,
    trainer_pb2_grpc,
    types_pb2,
)

T = TypeVar("T")
M = TypeVar("M", bound=Message)

UNARY_SECONDS = 30.0
"""Time-out of a call with one answer; streams may last as long as their work."""
NEWER_SERVER = (
    "The server is a newer release than this program and tells something that this one does not know; it is left out. "
    "For all of it: pip install --upgrade thanosql-speech."
)
CANCEL_SECONDS = 5.0
"""Time-out of what is called when somebody wants to stop, and waits."""
CHECK_TOKEN_SECONDS = 5.0
"""Time-out of the question whose a token is, for which a user's call waits."""
FIND_UPLOADS_SECONDS = 600.0
"""Time-out of a call for which the server may have to read gigabytes."""

COPY_EVENTS: dict[str, type[Any]] = {"progress": Progress, "notice": Notice, "result": CopyTableResult}
DATASET_EVENTS: dict[str, type[Any]] = {"progress": Progress, "result": GetDatasetResult}
JOB_EVENTS: dict[str, type[Any]] = {"progress": Progress, "notice": Notice, "result": JobResult}
TRANSCRIBE_RESPONSES: dict[str, type[Any]] = {"transcript": Transcript, "failure": ClipFailure}
QUERY_EVENTS: dict[str, type[Any]] = {
    "started": StatementStarted,
    "rows": Rows,
    "progress": Progress,
    "notice": Notice,
    "clip": Clip,
    "done": StatementDone,
}
"""The fields of each oneof, by name; the servicers write what the clients read."""


class _Client:
    service: ClassVar[str]
    """Name of the service, for error messages."""

    def __init__(self, channel: grpc.Channel, address: str = "") -> None:
        self._peer = f"{self.service} at {address}" if address else self.service
        self._sent: list[tuple[str, str]] = []
        """Metadata of every stream."""
        self._channel = channel
        self._stub = self._make_stub(channel)

    def _make_stub(self, channel: grpc.Channel) -> Any:
        raise NotImplementedError

    def _unary(self, method: Callable[..., M], request: Any, timeout: float | None = UNARY_SECONDS) -> M:
        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as failure:
            raise to_error(failure, self._peer) from None

    def _stream(
        self,
        method: Callable[..., Any],
        request: Any,
        translate: Callable[[Any], T | None],
        request_id: str = "",
        timeout: float | None = None,
    ) -> Iterator[T]:
        """What `translate` makes of each message; None is left out."""
        metadata = [*self._sent, *([(METADATA_KEY, request_id)] if is_sane(request_id) else [])]
        call = method(request, timeout=timeout, metadata=metadata or None)
        try:
            for message in call:
                value = translate(message)
                if value is not None:
                    yield value
        except grpc.RpcError as failure:
            raise to_error(failure, self._peer) from None
        finally:
            call.cancel()

    def _transcribed(self, message: inference_pb2.TranscribeResponse) -> Transcript | ClipFailure:
        value: Transcript | ClipFailure = self._one_of(message, "response", TRANSCRIBE_RESPONSES)
        return value

    def _one_of(self, message: Message, group: str, kinds: dict[str, type[Any]]) -> Any:
        value = one_of(message, group, kinds)
        if value is None:
            raise InternalError(f"{self._peer} sent an empty {group}", hint="Is it a newer release than this program?")
        return value


def _clip_requests(
    start: TranscribeStart, clips: Iterable[TranscribeClip]
) -> Iterator[inference_pb2.TranscribeRequest]:
    yield inference_pb2.TranscribeRequest(start=to_message(start, inference_pb2.TranscribeStart))
    for clip in clips:
        yield inference_pb2.TranscribeRequest(clip=to_message(clip, inference_pb2.TranscribeClip))


class _SqlRequests:
    """The messages of a statement that rows come with; remembers why they did not all come, which gRPC does not say."""

    def __init__(self, start: SqlStart, relations: Iterable[Iterable[Rows]]) -> None:
        self._start, self._relations = start, relations
        self._failure: BaseException | None = None

    def __iter__(self) -> Iterator[catalog_pb2.SqlRequest]:
        try:
            yield from self._messages()
        except Exception as failure:
            self._failure = failure
            raise

    @contextmanager
    def telling_why(self) -> Iterator[None]:
        """Raises what the rows' own source raised, where the call failed for that."""
        try:
            yield
        except ThanoSQLError:
            if self._failure is not None:
                raise self._failure from None
            raise

    def _messages(self) -> Iterator[catalog_pb2.SqlRequest]:
        yield catalog_pb2.SqlRequest(start=to_message(self._start, catalog_pb2.SqlStart))
        for place, relation in enumerate(self._relations):
            for rows in relation:
                message = to_message(RelationRows(place, rows), catalog_pb2.RelationRows)
                yield catalog_pb2.SqlRequest(rows=message)


class _TokenCalls(_Client):
    """What the catalog and, for administrators, the query service know to do with tokens."""

    def create_token(self, name: str, role: Role, workspace: str = "", seconds: float = 0.0) -> tuple[TokenInfo, str]:
        """A new token, and its secret, which is told this once.

        Args:
            name: Whose it is, or what for.
            role: What it allows.
            workspace: Empty: the caller's own; made where it is not there.
            seconds: How long it holds; 0: until it is revoked.
        """
        number = types_pb2.Role.Value(f"ROLE_{role.name}")
        request = types_pb2.CreateTokenRequest(name=name, role=number, workspace=workspace, seconds=seconds)
        answer = self._unary(self._stub.CreateToken, request)
        return from_message(answer.token, TokenInfo), answer.secret

    def list_tokens(self, workspace: str = "") -> list[TokenInfo]:
        """The tokens of a workspace, or of all; the newest first, expired and revoked ones too."""
        answer = self._unary(self._stub.ListTokens, types_pb2.ListTokensRequest(workspace=workspace))
        return [from_message(token, TokenInfo) for token in answer.tokens]

    def revoke_token(self, token: str) -> TokenInfo:
        """Ends a token at once.

        Args:
            token: Its id, the first characters of it, or a name that one token has.

        Raises:
            NotFound: there is none, or more than one.
        """
        answer = self._unary(self._stub.RevokeToken, types_pb2.RevokeTokenRequest(token=token))
        return from_message(answer.token, TokenInfo)


class CatalogClient(_TokenCalls):
    """Tables, models, jobs and transcripts."""

    service = "catalog_service"
    _stub: catalog_pb2_grpc.CatalogServiceStub

    def _make_stub(self, channel: grpc.Channel) -> Any:
        return catalog_pb2_grpc.CatalogServiceStub(channel)

    def check_token(self, secret: str) -> TokenInfo:
        """Whose a token is.

        Raises:
            Unauthenticated: nobody's, or it has expired or was revoked.
        """
        request = catalog_pb2.CheckTokenRequest(secret=secret)
        return from_message(self._unary(self._stub.CheckToken, request, CHECK_TOKEN_SECONDS), TokenInfo)

    def get_snapshot(self) -> Snapshot:
        """Every table and the newest version of every model, as of one moment."""
        return from_message(self._unary(self._stub.GetSnapshot, catalog_pb2.GetSnapshotRequest()), Snapshot)

    def query(self, sql: str) -> Iterator[Rows]:
        """Runs one read-only query in the SQL of `Snapshot.sql_dialect`; at least one `Rows`, maybe empty, comes."""
        request = catalog_pb2.QueryRequest(sql=sql)
        return self._stream(self._stub.Query, request, lambda message: from_message(message, Rows))

    def query_relations(self, sql: str, relations: Mapping[str, Iterable[Rows]]) -> Iterator[Rows]:
        """Runs one read-only query over the tables, and over `relations`, which only it sees.

        Args:
            sql: In the SQL of `Snapshot.sql_dialect`.
            relations: The rows of each name in it that is no table: at least one `Rows`, maybe empty.
        """
        requests = _SqlRequests(SqlStart(sql, tuple(relations)), relations.values())
        with requests.telling_why():
            yield from self._stream(
                self._stub.QueryRelations, iter(requests), lambda message: from_message(message, Rows)
            )

    def write_table(
        self,
        table: str,
        sql: str,
        relations: Mapping[str, Iterable[Rows]],
        if_exists: IfExists,
        columns: Sequence[str] = (),
    ) -> int:
        """Writes the rows of a query into a table, all or nothing; how many there were.

        Args:
            table: Made where there is none, unless `if_exists` is APPEND.
            sql: In the SQL of `Snapshot.sql_dialect`.
            relations: See `query_relations`.
            if_exists: APPEND: INSERT, the table must be there.
            columns: Those of the table that the query's stand for, for an INSERT; empty: all, in their order.

        Raises:
            NameTaken, UnknownTable, UnknownColumn: as `if_exists` and `columns` say.
            DataError: the rows do not fit the table.
        """
        start = SqlStart(sql, tuple(relations), table, if_exists, tuple(columns))
        requests = _SqlRequests(start, relations.values())
        with requests.telling_why():
            return self._unary(self._stub.WriteTable, iter(requests), timeout=None).rows

    def change_table(self, sql: str, relations: Mapping[str, Iterable[Rows]]) -> int:
        """Runs one UPDATE or DELETE; how many rows it changed. See `query_relations`."""
        start = SqlStart(sql, tuple(relations))
        requests = _SqlRequests(start, relations.values())
        with requests.telling_why():
            return self._unary(self._stub.ChangeTable, iter(requests), timeout=None).rows

    def rename_table(self, name: str, new_name: str) -> None:
        """Gives a table another name.

        Raises:
            UnknownTable, NameTaken: there is none; another table has the name.
        """
        self._unary(self._stub.RenameTable, catalog_pb2.RenameTableRequest(name=name, new_name=new_name))

    def rename_column(self, table: str, name: str, new_name: str) -> None:
        """Gives a column of a table another name.

        Raises:
            UnknownTable, UnknownColumn, NameTaken: there is none; another column has the name.
        """
        request = catalog_pb2.RenameColumnRequest(table=table, name=name, new_name=new_name)
        self._unary(self._stub.RenameColumn, request)

    def copy_table(
        self, table: str, path: str, if_exists: IfExists, *, audio_col: str = "", sheet: str = ""
    ) -> Iterator[Progress | Notice | CopyTableResult]:
        """Reads a file, or a folder of recordings, under the workspace root into a table; ends with its result.

        Args:
            table: Made where there is none.
            path: Of the file or folder.
            if_exists: What becomes of a table that is there.
            audio_col: Of a folder: the column with the paths of the recordings; empty: audio_path.
            sheet: Of a workbook: the sheet that is read; empty: the first that is not hidden.
        """
        if_exists_number = types_pb2.IfExists.Value(f"IF_EXISTS_{if_exists.name}")
        request = catalog_pb2.CopyTableRequest(
            table=table, path=path, if_exists=if_exists_number, audio_col=audio_col, sheet=sheet
        )
        return self._stream(self._stub.CopyTable, request, lambda m: self._one_of(m, "event", COPY_EVENTS))

    def drop_table(self, name: str, if_exists: bool = False) -> bool:
        """Whether there was a table to drop.

        Raises:
            UnknownTable: there was none, and not `if_exists`.
        """
        return self._unary(self._stub.DropTable, catalog_pb2.DropTableRequest(name=name, if_exists=if_exists)).dropped

    def get_model(self, name: str, version: int = 0) -> Model:
        """A version of a model; 0: the newest.

        Raises:
            UnknownModel: there is none.
        """
        request = catalog_pb2.GetModelRequest(name=name, version=version)
        return from_message(self._unary(self._stub.GetModel, request), Model)

    def reserve_model_version(self, name: str) -> int:
        """The next version number of a name, never given twice."""
        request = catalog_pb2.ReserveModelVersionRequest(name=name)
        return self._unary(self._stub.ReserveModelVersion, request).version

    def register_model(self, model: Model) -> Model:
        """Makes a version, whose files stand in the model store, the one that is served."""
        request = catalog_pb2.RegisterModelRequest(model=to_message(model, types_pb2.Model))
        return from_message(self._unary(self._stub.RegisterModel, request), Model)

    def delete_model(self, name: str, if_exists: bool = False) -> int:
        """Deletes every version, files included; how many there were.

        Raises:
            UnknownModel: there was none, and not `if_exists`.
        """
        request = catalog_pb2.DeleteModelRequest(name=name, if_exists=if_exists)
        return self._unary(self._stub.DeleteModel, request).versions

    def create_job(self, id: str, spec: JobSpec) -> Job:
        """Queues a job."""
        request = catalog_pb2.CreateJobRequest(id=id, spec=to_message(spec, types_pb2.JobSpec))
        return from_message(self._unary(self._stub.CreateJob, request), Job)

    def get_job(self, id: str) -> Job:
        """A job by its id.

        Raises:
            NotFound: there is none.
        """
        return from_message(self._unary(self._stub.GetJob, catalog_pb2.GetJobRequest(id=id)), Job)

    def list_jobs(self) -> tuple[Job, ...]:
        """Every job, newest first."""
        response = self._unary(self._stub.ListJobs, catalog_pb2.ListJobsRequest())
        return tuple(from_message(job, Job) for job in response.jobs)

    def claim_job(self, owner: str, lease_seconds: float) -> Job | None:
        """The oldest job that waits, or whose lease has run out, now held by `owner`; None: nothing to do."""
        request = catalog_pb2.ClaimJobRequest(owner=owner, lease_seconds=lease_seconds)
        response = self._unary(self._stub.ClaimJob, request)
        return from_message(response.job, Job) if response.HasField("job") else None

    def renew_job_lease(self, id: str, owner: str, lease_seconds: float) -> Job:
        """Holds a job for longer.

        Raises:
            LeaseLost: the job has ended, or another trainer holds it.
        """
        request = catalog_pb2.RenewJobLeaseRequest(id=id, owner=owner, lease_seconds=lease_seconds)
        return from_message(self._unary(self._stub.RenewJobLease, request), Job)

    def finish_job(self, id: str, state: JobState, error: str = "") -> Job:
        """Ends a job; one that has ended stays as it is."""
        request = catalog_pb2.FinishJobRequest(
            id=id, state=types_pb2.JobState.Value(f"JOB_STATE_{state.name}"), error=error
        )
        return from_message(self._unary(self._stub.FinishJob, request), Job)

    def resume_job(self, id: str) -> Job:
        """Queues a failed or cancelled job again; one that waits or runs stays as it is.

        Raises:
            DataError: it has succeeded.
        """
        return from_message(self._unary(self._stub.ResumeJob, types_pb2.ResumeJobRequest(id=id)), Job)

    def lookup_transcripts(
        self, model: str, version: int, keys: Iterable[AudioKey], decoding: str = "", *, only_looks: bool = False
    ) -> tuple[CachedTranscript, ...]:
        """Those of the transcripts that are known, in no particular order.

        Args:
            model: Its name.
            version: Of the model.
            keys: Recordings.
            decoding: How they were decoded, where not as the model does by itself; none but those are found.
            only_looks: Nothing is noted of it: not that they were used, nor where a moved file stands now.
        """
        request = catalog_pb2.LookupTranscriptsRequest(
            model=model,
            version=version,
            keys=[to_message(key, catalog_pb2.AudioKey) for key in keys],
            decoding=decoding,
            only_looks=only_looks,
        )
        response = self._unary(self._stub.LookupTranscripts, request)
        return tuple(from_message(each, CachedTranscript) for each in response.transcripts)

    def store_transcripts(
        self, model: str, version: int, transcripts: Iterable[CachedTranscript], decoding: str = ""
    ) -> None:
        """Keeps transcripts, so that they need not be computed again. Arguments as of `lookup_transcripts`."""
        request = catalog_pb2.StoreTranscriptsRequest(
            model=model,
            version=version,
            transcripts=[to_message(each, catalog_pb2.CachedTranscript) for each in transcripts],
            decoding=decoding,
        )
        self._unary(self._stub.StoreTranscripts, request)


class TrainerClient(_Client):
    """Fine-tunes and exports models."""

    service = "trainer_service"
    _stub: trainer_pb2_grpc.TrainerServiceStub

    def _make_stub(self, channel: grpc.Channel) -> Any:
        return trainer_pb2_grpc.TrainerServiceStub(channel)

    def list_base_models(self) -> tuple[BaseModel, ...]:
        """The base models that have a name."""
        response = self._unary(self._stub.ListBaseModels, trainer_pb2.ListBaseModelsRequest())
        return tuple(from_message(each, BaseModel) for each in response.models)

    def resolve_base_model(self, name: str) -> BaseModel:
        """What a name after USING stands for here and now.

        Raises:
            UnknownBaseModel: neither a name, nor a repository id, nor a folder with a Wav2Vec2 CTC model.
            BaseModelUnavailable: it can be had neither from the hub nor from the disk.
        """
        request = trainer_pb2.ResolveBaseModelRequest(name=name)
        return from_message(self._unary(self._stub.ResolveBaseModel, request), BaseModel)

    def plan_training(self, spec: JobSpec, rows: int, seconds: Sequence[float]) -> TrainingPlan:
        """What a training would be like; nothing is queued for it.

        Args:
            spec: What it is to do.
            rows: That can be learned from; one at least.
            seconds: Lengths of their recordings, of all rows or of some that stand for the others.

        Raises:
            InvalidOption: a number of `spec` makes no sense.
        """
        request = trainer_pb2.PlanTrainingRequest(spec=to_message(spec, types_pb2.JobSpec), rows=rows, seconds=seconds)
        return from_message(self._unary(self._stub.PlanTraining, request), TrainingPlan)

    def submit_job(self, spec: JobSpec, rows: Iterable[Rows]) -> Job:
        """Queues a job over rows with the columns `audio_path`, `text` and, where there is one, `speaker`."""

        def requests() -> Iterator[trainer_pb2.SubmitJobRequest]:
            yield trainer_pb2.SubmitJobRequest(spec=to_message(spec, types_pb2.JobSpec))
            for each in rows:
                yield trainer_pb2.SubmitJobRequest(rows=to_message(each, types_pb2.Rows))

        return from_message(self._unary(self._stub.SubmitJob, requests(), timeout=600), Job)

    def watch_job(self, id: str, next_event: int = 0) -> Iterator[JobEvent]:
        """What happens in a job, from event number `next_event` on, until its end.

        Raises:
            JobFailed, Cancelled: how the job ended, where it did not succeed.
        """

        def translate(message: trainer_pb2.JobEvent) -> JobEvent:
            return JobEvent(message.number, self._one_of(message, "event", JOB_EVENTS))

        request = trainer_pb2.WatchJobRequest(id=id, next_event=next_event)
        return self._stream(self._stub.WatchJob, request, translate)

    def cancel_job(self, id: str) -> Job:
        """Stops a job; does nothing to one that has ended."""
        return from_message(self._unary(self._stub.CancelJob, trainer_pb2.CancelJobRequest(id=id)), Job)

    def resume_job(self, id: str) -> Job:
        """Takes a cancelled or failed job up again from its last checkpoint; one that waits or runs stays as it is.

        Raises:
            DataError: it has succeeded, or its rows are not kept any more.
        """
        return from_message(self._unary(self._stub.ResumeJob, types_pb2.ResumeJobRequest(id=id)), Job)

    def get_job_progress(self, ids: Iterable[str]) -> tuple[JobProgress, ...]:
        """How far jobs have come; jobs that this trainer does not know are left out."""
        response = self._unary(self._stub.GetJobProgress, trainer_pb2.GetJobProgressRequest(ids=ids))
        return tuple(from_message(each, JobProgress) for each in response.jobs)

    def list_datasets(self) -> tuple[Dataset, ...]:
        """The data sets that have a name, and whether they stand in the workspace."""
        response = self._unary(self._stub.ListDatasets, trainer_pb2.ListDatasetsRequest())
        return tuple(from_message(each, Dataset) for each in response.datasets)

    def get_dataset(self, name: str, *, overwrite: bool = False) -> Iterator[Progress | GetDatasetResult]:
        """Puts a data set under the workspace root; ends with its result.

        Args:
            name: Of `list_datasets`, or the id of a Hugging Face repository.
            overwrite: Files that are there are replaced.

        Raises:
            NotFound: there is no such data set.
            NameTaken: files of it are there, and not `overwrite`.
            Unavailable: the hub is out of reach.
        """
        request = trainer_pb2.GetDatasetRequest(name=name, overwrite=overwrite)
        return self._stream(self._stub.GetDataset, request, lambda m: self._one_of(m, "event", DATASET_EVENTS))


class InferenceClient(_Client):
    """Transcribes audio."""

    service = "inference_service"
    _stub: inference_pb2_grpc.InferenceServiceStub

    def _make_stub(self, channel: grpc.Channel) -> Any:
        return inference_pb2_grpc.InferenceServiceStub(channel)

    def transcribe(self, start: TranscribeStart, clips: Iterable[TranscribeClip]) -> Iterator[Transcript | ClipFailure]:
        """Transcribes clips; the answers come as they are done, in any order, by id.

        `clips` is read in a thread of gRPC's, no faster than the server takes them in.

        Raises:
            UnknownModel: there is no such model or version.
        """

        return self._stream(self._stub.Transcribe, _clip_requests(start, clips), self._transcribed)

    def ask_health(self, seconds: float) -> Callable[[], bool | None]:
        """Asks whether the server takes streams; what comes back waits for its answer: None where it gives none."""
        return ask_health(self._channel, seconds)

    def get_statistics(self, model: str = "", version: int = 0) -> tuple[ModelStatistics, ...]:
        """How models are served, and what they have done.

        Args:
            model: Its name; empty: those that are loaded, and those that could not be.
            version: Of `model`; 0: all that are or were loaded, or could not be.
        """
        request = inference_pb2.GetStatisticsRequest(model=model, version=version)
        response = self._unary(self._stub.GetStatistics, request)
        return tuple(from_message(each, ModelStatistics) for each in response.models)

    def estimate(self, request: EstimateRequest) -> TranscriptionEstimate:
        """What it will take to transcribe some recordings; nothing is loaded, measured or computed for it.

        Raises:
            UnknownModel: there is no such model or version.
        """
        message = to_message(request, inference_pb2.EstimateRequest)
        return from_message(self._unary(self._stub.Estimate, message), TranscriptionEstimate)

    def export_model(self, model: str, version: int, path: str) -> ExportedModel:
        """Writes a version as a model repository for Triton.

        Raises:
            UnknownModel: there is no such model or version.
            NameTaken: the repository holds a model of that name.
            PathRefused: `path` leaves the workspace root.
        """
        request = inference_pb2.ExportModelRequest(model=model, version=version, path=path)
        return from_message(self._unary(self._stub.ExportModel, request, timeout=600), ExportedModel)


class QueryClient(_TokenCalls):
    """Carries out statements.

    Args:
        channel: To query_service.
        address: Where that is, for messages.
        caller: Who sends the statements, for LIST JOBS; empty: the service names the address that they come from.
    """

    service = "query_service"
    _stub: query_pb2_grpc.QueryServiceStub

    def __init__(self, channel: grpc.Channel, address: str = "", caller: str = "") -> None:
        super().__init__(channel, address)
        self._sent = [(CALLER_KEY, encode_caller(caller))] if caller else []

    def _make_stub(self, channel: grpc.Channel) -> Any:
        return query_pb2_grpc.QueryServiceStub(channel)

    def execute(
        self, text: str, query_id: str = "", parameters: Sequence[Parameter] = (), *, timeout: float | None = None
    ) -> Iterator[Event]:
        """Runs the statements of `text` in order; the work goes on if the stream is closed.

        Raises:
            TimedOut: the events have not all come within `timeout` seconds; the work goes on.
        """
        request = query_pb2.ExecuteRequest(text=text, query_id=query_id, parameters=to_parameters(parameters))
        return self._stream(self._stub.Execute, request, _read_events(), query_id, timeout)

    def attach(self, query_id: str, next_event: int = 0, *, timeout: float | None = None) -> Iterator[Event]:
        """Follows a running or lately ended query from event number `next_event` on.

        Raises:
            TimedOut: its events have not all come within `timeout` seconds.
            NotFound: there is no such query any more, or its early events are gone.
        """
        request = query_pb2.AttachRequest(query_id=query_id, next_event=next_event)
        return self._stream(self._stub.Attach, request, _read_events(), query_id, timeout)

    def cancel(self, query_id: str) -> bool:
        """Stops a query, and the training job that it started; False: it had ended already."""
        request = query_pb2.CancelRequest(query_id=query_id)
        return self._unary(self._stub.Cancel, request, CANCEL_SECONDS).cancelled

    def transcribe(
        self, start: TranscribeStart, clips: Iterable[TranscribeClip], *, timeout: float | None = None
    ) -> Generator[Transcript | ClipFailure]:
        """Transcribes clips that are sent; the answers come as they are done, in any order, by id.

        `clips` is read in a thread of gRPC's, no faster than the server takes them in.

        Raises:
            UnknownModel: there is no such model or version.
            Unavailable: there is nobody who transcribes.
            TimedOut: the answers have not all come within `timeout` seconds.
        """
        requests = _clip_requests(start, clips)
        answers: Iterator[Transcript | ClipFailure] = self._stream(
            self._stub.Transcribe, requests, self._transcribed, timeout=timeout
        )
        yield from answers

    def find_uploads(self, files: Sequence[UploadFile], overwrite: bool = False) -> list[UploadState]:
        """How much of each file the server has already, in the order of `files`.

        It takes as long as the server needs to read those that stand in their places.
        """
        request = query_pb2.FindUploadsRequest(
            files=[to_message(each, query_pb2.UploadFile) for each in files], overwrite=overwrite
        )
        answer = self._unary(self._stub.FindUploads, request, timeout=FIND_UPLOADS_SECONDS)
        return [from_message(each, UploadState) for each in answer.files]

    def upload(self, requests: Iterable[UploadStart | bytes]) -> Iterator[UploadedFile]:
        """Sends files, one after the other: for each a start, then its bytes; what has become of each, as it is known.

        Args:
            requests: Iterated in another thread, as fast as the server takes them; may not raise.
        """

        def messages() -> Iterator[query_pb2.UploadRequest]:
            for each in requests:
                if isinstance(each, UploadStart):
                    yield query_pb2.UploadRequest(start=to_message(each, query_pb2.UploadStart))
                else:
                    yield query_pb2.UploadRequest(chunk=each)

        return self._stream(self._stub.Upload, messages(), lambda message: from_message(message, UploadedFile))


def _read_events() -> Callable[[query_pb2.Event], Event | None]:
    """Translates the events of a stream; that there are some which this release does not know is told once."""
    is_told = False

    def translate(message: query_pb2.Event) -> Event | None:
        nonlocal is_told
        what: Any = one_of(message, "event", QUERY_EVENTS)
        if what is None:
            if is_told:
                return None
            is_told = True
            what = Notice(NEWER_SERVER, Severity.WARNING)
        return Event(message.number, what)

    return translate
