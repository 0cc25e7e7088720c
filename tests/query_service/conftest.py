"""A snapshot to check statements against, pairs of texts read from files, and services around a query service."""

# ruff: noqa: N802 (methods are named by gRPC)
from __future__ import annotations

import dataclasses
import hashlib
import struct
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest

from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from query_service.__main__ import start as start_query
from query_service.config import QueryConfig
from query_service.running.arrow import read_rows
from thanosql.clients import CatalogClient, QueryClient
from thanosql.convert import from_message, to_message
from thanosql.errors import Cancelled, DataError, JobFailed, NameTaken, NotFound, ThanoSQLError, UnknownBaseModel
from thanosql.rpc.channel import open_channel
from thanosql.rpc.status import to_status
from thanosql.types import (
    Column,
    Dataset,
    JobProgress,
    JobResult,
    JobSpec,
    JobState,
    Model,
    ModelState,
    Rows,
    Snapshot,
    Table,
)
from thanosql.v1 import inference_pb2, inference_pb2_grpc, trainer_pb2, trainer_pb2_grpc, types_pb2

HERE = Path(__file__).parent


def _table(name: str, /, **columns: str) -> Table:
    return Table(name, tuple(Column(*each) for each in columns.items()))


SNAPSHOT = Snapshot(
    tables=(
        _table("librispeech_train", audio_path="text", text="text"),
        _table("librispeech_test", audio_path="text", text="text"),
        _table("calls", id="bigint", recording="text", speaker="text", minutes="double precision"),
        _table("Old Calls", Path="text"),
    ),
    models=(
        Model("tutorial_audio_recognition", 1, "Wav2Vec2En", "", ModelState.PENDING),
        Model("my_model", 3, "Wav2Vec2En", "facebook/wav2vec2-base-960h"),
    ),
)


def read_pairs(name: str) -> Iterator[tuple[str, str, str]]:
    """Title, text and expectation of each `=== title`, text, `---`, expectation of a file."""
    for part in (HERE / name).read_text("utf-8").split("\n=== ")[1:]:
        title, rest = part.split("\n", 1)
        text, expectation = rest.split("\n---\n", 1)
        yield title, text, expectation.rstrip("\n")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `pair` and is marked with `pairs("file")` runs once for each pair of the file."""
    marker = metafunc.definition.get_closest_marker("pairs")
    if marker is not None:
        pairs = list(read_pairs(marker.args[0]))
        metafunc.parametrize("pair", [pair[1:] for pair in pairs], ids=[pair[0] for pair in pairs])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pairs(file): run once for each pair of a file")


@pytest.fixture(scope="session")
def snapshot() -> Snapshot:
    """Three tables with folded names, one without, a model that is exported and one that is not."""
    return SNAPSHOT


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Every right statement of the pairs."""
    return [text for _, text, _ in read_pairs("plans.txt")]


@pytest.fixture
def message_of() -> Callable[[str], str]:
    """Kind and message of the error that a text ends with before anything runs, as its user reads it."""
    from query_service.language.dialect import parse
    from query_service.language.source import Source
    from query_service.planning.analyze import analyze
    from thanosql.errors import ThanoSQLError

    def message_of(text: str) -> str:
        try:
            for statement in parse(text, longest=2_000):
                analyze(statement, SNAPSHOT, Source(text))
        except ThanoSQLError as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    return message_of


class PlayedInference(inference_pb2_grpc.InferenceServiceServicer):
    """An inference service that hears in each file its name, and what else a test tells it to."""

    def __init__(self) -> None:
        self.starts: list[inference_pb2.TranscribeStart] = []
        self.heard: list[str] = []
        self.failures: dict[str, tuple[str, str]] = {}
        """Reason and message by path."""
        self.seconds_per_clip = 0.0
        self.before_clip: Callable[[str], object] = lambda path: None
        """Is called with the path of each before it is heard."""
        self.dies_after: int | None = None
        self.refuses: ThanoSQLError | None = None
        """What the next stream is ended with."""
        self.backwards = False
        self.cancelled = threading.Event()
        self.precision = "fp32"
        """Of its models; empty: it tells none."""
        self.exports: list[tuple[str, int, str]] = []
        """Model, version and path of each."""
        self.estimated: list[inference_pb2.EstimateRequest] = []
        self.estimate: inference_pb2.TranscriptionEstimate | None = inference_pb2.TranscriptionEstimate(
            is_known=True, is_loaded=True, reason="calibrated on 2026-01-02", longest_seconds=3_600
        )
        """What it answers, for a batch for each recording and ten seconds of audio a second; None: nothing is known."""

    def GetStatistics(self, request, context):
        reason = f"measured {request.model} {request.version}"
        plan = inference_pb2.ServingPlan(device="cpu", precision=self.precision, workers=2, reason=reason)
        return inference_pb2.Statistics(
            models=[
                inference_pb2.ModelStatistics(
                    model=request.model, version=request.version, plan=plan if self.precision else None
                )
            ]
        )

    def Estimate(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.estimated.append(request)
        if self.estimate is None:
            return inference_pb2.TranscriptionEstimate(reason="it was never measured", longest_seconds=3_600)
        count = request.recordings or len(request.seconds)
        seconds = count * sum(request.seconds) / len(request.seconds)
        self.estimate.batches, self.estimate.elapsed_seconds = count, seconds / 10
        return self.estimate

    def ExportModel(self, request: Any, context: grpc.ServicerContext) -> Any:
        if any((model, path) == (request.model, request.path) for model, _, path in self.exports):
            context.abort_with_status(to_status(NameTaken("there is one", hint="Choose another folder.")))
        self.exports.append((request.model, request.version, request.path))
        return inference_pb2.ExportedModel(path=f"{request.path}/{request.model}", bytes=12_345)

    def Transcribe(self, requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.starts.append(next(requests).start)
        if self.refuses is not None:
            refusal, self.refuses = self.refuses, None
            context.abort_with_status(to_status(refusal))
        context.add_callback(self.cancelled.set)
        clips = (request.clip for request in requests)
        for count, clip in enumerate(reversed(list(clips)) if self.backwards else clips):
            if count == self.dies_after:
                context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
            time.sleep(self.seconds_per_clip)
            self.before_clip(clip.path)
            self.heard.append(clip.path)
            if clip.path in self.failures:
                reason, message = self.failures[clip.path]
                failure = inference_pb2.ClipFailure(id=clip.id, reason=reason, message=message)
                yield inference_pb2.TranscribeResponse(failure=failure)
                continue
            name = Path(clip.path).stem
            words = (
                [inference_pb2.Word(word=name, start=0.5, end=1.25, confidence=0.75)] if self.starts[-1].words else []
            )
            transcript = inference_pb2.Transcript(
                id=clip.id, text=name, confidence=0.75, words=words, audio_seconds=2.0
            )
            yield inference_pb2.TranscribeResponse(transcript=transcript)


DATASETS = (
    Dataset("librispeech_data", "tutorial_data/librispeech_data", "the tutorial's", is_there=False),
    Dataset("other_data", "other_data", "which is there", is_there=True),
)


class PlayedTrainer(trainer_pb2_grpc.TrainerServiceServicer):
    """A trainer whose jobs go as a test tells them to; an export registers its model."""

    def __init__(self, catalog: CatalogClient) -> None:
        self._catalog = catalog
        self.specs: list[JobSpec] = []
        self.rows: list[dict[str, Any]] = []
        self.columns: list[str] = []
        self.fallback_notice = ""
        self.fails = ""
        self.never_ends = False
        self.dies_before: set[int] = set()
        """Numbers of events before which the stream breaks, once each."""
        self.watched_from: list[int] = []
        self.cancelled: list[str] = []
        self.resumed: list[str] = []
        self.forgot = False
        """The rows of its jobs are not kept any more."""
        self.progress: dict[str, JobProgress] = {}
        self.planned: list[tuple[JobSpec, int, list[float]]] = []
        self.datasets: list[tuple[str, bool]] = []
        """Name and overwrite of each that was asked for."""

    def ListBaseModels(self, request: Any, context: grpc.ServicerContext) -> Any:
        models = [trainer_pb2.BaseModel(name="Wav2Vec2En", checkpoint="a/b", revision="c", language="en", source=1)]
        return trainer_pb2.ListBaseModelsResponse(models=models)

    def ResolveBaseModel(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.name.startswith("./"):
            return trainer_pb2.BaseModel(name=request.name[2:], checkpoint=request.name, source=3)
        if request.name != "Wav2Vec2En":
            error = UnknownBaseModel(f"no base model {request.name}", hint="LIST BASE MODELS shows them.")
            context.abort_with_status(to_status(error))
        return trainer_pb2.BaseModel(name=request.name, checkpoint="a/b", fallback_notice=self.fallback_notice)

    def ListDatasets(self, request: Any, context: grpc.ServicerContext) -> Any:
        return trainer_pb2.ListDatasetsResponse(datasets=[to_message(each, trainer_pb2.Dataset) for each in DATASETS])

    def GetDataset(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.datasets.append((request.name, request.overwrite))
        known = next((each for each in DATASETS if each.name == request.name), None)
        if known is None:
            context.abort_with_status(to_status(NotFound(f"there is no data set {request.name!r}")))
        elif known.is_there and not request.overwrite:
            context.abort_with_status(to_status(NameTaken(f"{known.path!r} has files already")))
        else:
            yield trainer_pb2.GetDatasetEvent(progress=types_pb2.Progress(phase="write files", done=1, total=2))
            yield trainer_pb2.GetDatasetEvent(
                result=trainer_pb2.GetDatasetResult(path=known.path, files=2, bytes=1_234)
            )

    def PlanTraining(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.planned.append((from_message(request.spec, JobSpec), request.rows, list(request.seconds)))
        held_out = request.rows // 10
        return trainer_pb2.TrainingPlan(
            train_rows=request.rows - held_out,
            held_out_rows=held_out,
            train_seconds=(request.rows - held_out) * sum(request.seconds) / len(request.seconds),
            epochs=request.spec.epochs,
            steps=3,
            step_rows=4,
            learning_rate=1e-4,
            longest_seconds=40,
        )

    def SubmitJob(self, requests: Any, context: grpc.ServicerContext) -> Any:
        self.specs.append(from_message(next(requests).spec, JobSpec))
        for request in requests:
            for batch in read_rows(Rows(request.rows.ipc)):
                self.columns = batch.schema.names
                self.rows += batch.to_pylist()
        return to_message(self._catalog.create_job(uuid.uuid4().hex, self.specs[-1]), types_pb2.Job)

    def WatchJob(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.watched_from.append(request.next_event)
        spec = self._catalog.get_job(request.id).spec
        yield from self._events(request.next_event, context)
        while self.never_ends:
            if not context.is_active():  # nobody listens: a thread that went on would keep Python from ending
                return
            if request.id in self.cancelled:
                context.abort_with_status(to_status(Cancelled("the job was cancelled")))
            time.sleep(0.02)
        if self.fails:
            context.abort_with_status(to_status(JobFailed(self.fails)))
        version = self._catalog.reserve_model_version(spec.model)
        self._catalog.register_model(Model(spec.model, version, spec.base, "a/b@c", wer=0.25))
        result = JobResult(spec.model, version, 0.25, None, 70, 2, 300.0, 12.0)
        yield trainer_pb2.JobEvent(number=5, result=to_message(result, trainer_pb2.JobResult))

    def _events(self, first: int, context: grpc.ServicerContext) -> Iterator[Any]:
        for number in range(first, 5):
            if number in self.dies_before:
                self.dies_before.discard(number)
                context.abort(grpc.StatusCode.UNAVAILABLE, "going down")
            if number == 2:
                notice = types_pb2.Notice(text="2 rows are dropped", severity=types_pb2.SEVERITY_WARNING)
                yield trainer_pb2.JobEvent(number=number, notice=notice)
            else:
                progress = types_pb2.Progress(phase="train", done=number, total=4, unit="steps", figures={"loss": 1.5})
                yield trainer_pb2.JobEvent(number=number, progress=progress)

    def CancelJob(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.cancelled.append(request.id)
        return to_message(self._catalog.finish_job(request.id, JobState.CANCELLED), types_pb2.Job)

    def ResumeJob(self, request: Any, context: grpc.ServicerContext) -> Any:
        if self.forgot:
            context.abort_with_status(to_status(DataError("its rows are not kept", hint="Run its statement again.")))
        self.resumed.append(request.id)
        try:
            return to_message(self._catalog.resume_job(request.id), types_pb2.Job)
        except ThanoSQLError as error:
            return context.abort_with_status(to_status(error))

    def GetJobProgress(self, request: Any, context: grpc.ServicerContext) -> Any:
        jobs = [self.progress[id] for id in request.ids if id in self.progress]
        return trainer_pb2.GetJobProgressResponse(jobs=[to_message(each, trainer_pb2.JobProgress) for each in jobs])


@dataclass
class Services:
    """A query service in front of a real catalog, a played trainer and a played inference service."""

    workspace: Path
    config: QueryConfig
    client: QueryClient
    catalog: CatalogClient
    trainer: PlayedTrainer
    inference: PlayedInference
    stop_trainer: Callable[[], None]
    stack: ExitStack

    def run(self, text: str) -> list[Any]:
        """What happens when a text is run, without numbers; a query id of its own."""
        return [event.event for event in self.client.execute(text)]

    def rows(self, text: str) -> list[dict[str, Any]]:
        """The rows of a text."""
        events = self.run(text)
        return [
            row
            for event in events
            if isinstance(event, Rows)
            for batch in read_rows(event)
            for row in batch.to_pylist()
        ]

    def fails(self, text: str) -> ThanoSQLError:
        """The error that a text ends with."""
        with pytest.raises(ThanoSQLError) as raised:
            self.run(text)
        return raised.value

    def table(self, name: str, csv: str) -> None:
        """A table with these rows."""
        (self.workspace / f"{name}.csv").write_text(csv, "utf-8")
        self.run(f"COPY {name} OPTIONS (overwrite=True) FROM '{name}.csv'")

    def recordings(self, *names: str, folder: str = "audio") -> list[str]:
        """Paths of new wav files of a second each, no two of the same content, to which nobody listens."""
        (self.workspace / folder).mkdir(exist_ok=True)
        for name in names:
            with wave.open(str(self.workspace / folder / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8_000)
                file.writeframes(b"".join(struct.pack("<h", 3_000 * (i % 40 < 20)) for i in range(8_000)))
                file.writeframes(hashlib.sha256(f"{folder}/{name}".encode()).digest())
        return [f"{folder}/{name}" for name in names]

    def another(self, **settings: Any) -> QueryClient:
        """A query service of its own before the same services."""
        server = start_query(dataclasses.replace(self.config, **settings))
        self.stack.callback(server.stop, 0)
        channel = open_channel(server.address, "secret")
        self.stack.callback(channel.close)
        return QueryClient(channel, server.address)


def _serve(stack: ExitStack, register: Callable[[grpc.Server], None]) -> tuple[str, Callable[[], None]]:
    """Address of a server that is stopped with the stack, or by the function that comes along."""
    server = grpc.server(ThreadPoolExecutor(8))
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def stop() -> None:
        server.stop(0).wait()

    stack.callback(stop)
    return f"127.0.0.1:{port}", stop


@pytest.fixture(scope="session")
def _catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogConfig]:
    workspace = tmp_path_factory.mktemp("workspace")
    config = CatalogConfig(port=0, token="secret", workspace=workspace, state=workspace / ".thanosql")
    server = start_catalog(config)
    yield dataclasses.replace(config, port=server.port)
    server.stop(0)


@pytest.fixture
def services(_catalog: CatalogConfig) -> Iterator[Services]:
    """The services of one test; tables and models are those of the session, so choose names of your own."""
    address = f"127.0.0.1:{_catalog.port}"
    with ExitStack() as stack:
        catalog_channel = open_channel(address, "secret")
        stack.callback(catalog_channel.close)
        catalog = CatalogClient(catalog_channel, address)
        inference, trainer = PlayedInference(), PlayedTrainer(catalog)
        inference_at, _ = _serve(stack, partial(inference_pb2_grpc.add_InferenceServiceServicer_to_server, inference))
        trainer_at, stop_trainer = _serve(
            stack, partial(trainer_pb2_grpc.add_TrainerServiceServicer_to_server, trainer)
        )
        config = QueryConfig(
            port=0,
            token="secret",
            workspace=_catalog.workspace,
            state=_catalog.state,
            catalog=address,
            inference=inference_at,
            trainer=trainer_at,
        )
        server = start_query(config)
        stack.callback(server.stop, 0)
        channel = open_channel(server.address, "secret")
        stack.callback(channel.close)
        client = QueryClient(channel, server.address)
        yield Services(_catalog.workspace, config, client, catalog, trainer, inference, stop_trainer, stack)


@pytest.fixture
def ready_model(services: Services) -> str:
    """The name of a model that is ready; its transcripts are known to nobody yet."""
    name = "ready"
    version = services.catalog.reserve_model_version(name)
    services.catalog.register_model(Model(name, version, "Wav2Vec2En", "a/b@c", wer=0.5))
    return name


@pytest.fixture
def pending_model(services: Services, request: pytest.FixtureRequest) -> str:
    """The name of a model that is registered and not exported yet."""
    name = f"pending_{request.node.name.removeprefix('test_')[:40]}"
    version = services.catalog.reserve_model_version(name)
    services.catalog.register_model(Model(name, version, "Wav2Vec2En", "", ModelState.PENDING))
    return name
