"""Every call of the three inner services: made for one workspace, it finds nothing of another.

Each is made for the other workspace first, naming things of the first one, and must not find them; then for the first
one, and must: so a call that never finds anything proves nothing. A call that is in no table fails the test.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pyarrow as pa
import pytest

import trainer_service.bases.base_models as bases
from catalog_service.tables.record_batches import serialise
from tests.workspaces.conftest import OTHER, Installation
from thanosql.convert import to_message
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from thanosql.types import AudioKey, CachedTranscript, IfExists, JobKind, JobSpec, Model
from thanosql.v1 import catalog_pb2, inference_pb2, trainer_pb2, types_pb2
from thanosql.v1.catalog_pb2_grpc import CatalogServiceStub
from thanosql.v1.inference_pb2_grpc import InferenceServiceStub
from thanosql.v1.trainer_pb2_grpc import TrainerServiceStub

MODEL, TABLE, FILE, JOB = "secret", "secret", "secret.csv", "secret-job"
SPEC = JobSpec(JobKind.BUILD, MODEL, "no-such-base")
KEY = AudioKey("secret.wav", 10, 20)

NOWHERE = grpc.StatusCode.NOT_FOUND


@dataclass(frozen=True)
class Caller:
    """Calls for a workspace, and looks at what the first one has afterwards."""

    catalog: Any
    trainer: Any
    inference: Any
    open_inference: Any
    first: Any
    """The catalog, for the first workspace."""


def _is_there(call: Callable[[], object]) -> bool:
    """Whether a call finds what it names: it may fail for another reason."""
    try:
        answer = call()
        if isinstance(answer, Iterator):
            list(answer)
    except grpc.RpcError as error:
        return error.code() is not NOWHERE
    return True


def _sql(text: str, table: str = "") -> Iterator[catalog_pb2.SqlRequest]:
    return iter([catalog_pb2.SqlRequest(start=catalog_pb2.SqlStart(sql=text, table=table))])


def _register(caller: Caller) -> bool:
    model = to_message(Model(MODEL, 1, "Wav2Vec2En", "base", wer=0.5), types_pb2.Model)
    caller.catalog.RegisterModel(catalog_pb2.RegisterModelRequest(model=model))
    return bool(caller.first.GetModel(catalog_pb2.GetModelRequest(name=MODEL)).wer == 0.5)


def _store(caller: Caller) -> bool:
    said = [to_message(CachedTranscript(KEY, "stored"), catalog_pb2.CachedTranscript)]
    caller.catalog.StoreTranscripts(catalog_pb2.StoreTranscriptsRequest(model=MODEL, version=1, transcripts=said))
    return [each.text for each in caller.first.LookupTranscripts(_lookup()).transcripts] == ["stored"]


def _lookup() -> catalog_pb2.LookupTranscriptsRequest:
    keys = [to_message(KEY, catalog_pb2.AudioKey)]
    return catalog_pb2.LookupTranscriptsRequest(model=MODEL, version=1, keys=keys)


def _create(caller: Caller) -> bool:
    spec = to_message(JobSpec(JobKind.BUILD, "another", "base"), types_pb2.JobSpec)
    return _is_taken(lambda: caller.catalog.CreateJob(catalog_pb2.CreateJobRequest(id=JOB, spec=spec)))


def _is_taken(call: Callable[[], object]) -> bool:
    try:
        call()
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.ALREADY_EXISTS
    return False


def _submit(caller: Caller) -> bool:
    def jobs() -> int:
        return len(caller.first.ListJobs(catalog_pb2.ListJobsRequest()).jobs)

    before = jobs()
    spec = to_message(JobSpec(JobKind.EXPORT, "unheard-of", "no-such-base"), types_pb2.JobSpec)
    caller.trainer.SubmitJob(iter([trainer_pb2.SubmitJobRequest(spec=spec), *_rows()]))
    return jobs() > before


def _rows() -> list[trainer_pb2.SubmitJobRequest]:
    batch = pa.RecordBatch.from_pydict({"audio_path": ["a.wav"], "text": ["a"]})
    return [trainer_pb2.SubmitJobRequest(rows=types_pb2.Rows(ipc=serialise(batch)))]


def _transcribe(start: Any) -> Iterator[inference_pb2.TranscribeRequest]:
    return iter([inference_pb2.TranscribeRequest(start=start)])


def _snapshot_has(snapshot: Any) -> bool:
    return TABLE in [each.name for each in snapshot.tables] or MODEL in [each.name for each in snapshot.models]


Finds = Callable[[Caller], bool]

CATALOG: dict[str, Finds] = {
    "GetSnapshot": lambda c: _snapshot_has(c.catalog.GetSnapshot(catalog_pb2.GetSnapshotRequest())),
    "Query": lambda c: _is_there(lambda: list(c.catalog.Query(catalog_pb2.QueryRequest(sql=f"SELECT * FROM {TABLE}")))),
    "QueryRelations": lambda c: _is_there(lambda: list(c.catalog.QueryRelations(_sql(f"SELECT * FROM {TABLE}")))),
    "CopyTable": lambda c: _is_there(
        lambda: list(c.catalog.CopyTable(catalog_pb2.CopyTableRequest(table="copied", path=FILE)))
    ),
    "WriteTable": lambda c: _is_there(lambda: c.catalog.WriteTable(_sql(f"SELECT * FROM {TABLE}", "written"))),
    "ChangeTable": lambda c: _is_there(lambda: c.catalog.ChangeTable(_sql(f"UPDATE {TABLE} SET n = n"))),
    "RenameColumn": lambda c: _is_there(
        lambda: c.catalog.RenameColumn(catalog_pb2.RenameColumnRequest(table=TABLE, name="n", new_name="k"))
    ),
    "RenameTable": lambda c: _is_there(
        lambda: c.catalog.RenameTable(catalog_pb2.RenameTableRequest(name=TABLE, new_name="found"))
    ),
    "DropTable": lambda c: c.catalog.DropTable(catalog_pb2.DropTableRequest(name="found", if_exists=True)).dropped,
    "GetModel": lambda c: _is_there(lambda: c.catalog.GetModel(catalog_pb2.GetModelRequest(name=MODEL))),
    "ReserveModelVersion": lambda c: (
        c.catalog.ReserveModelVersion(catalog_pb2.ReserveModelVersionRequest(name=MODEL)).version > 1
    ),
    "LookupTranscripts": lambda c: bool(c.catalog.LookupTranscripts(_lookup()).transcripts),
    "StoreTranscripts": _store,
    "GetJob": lambda c: _is_there(lambda: c.catalog.GetJob(catalog_pb2.GetJobRequest(id=JOB))),
    "ListJobs": lambda c: JOB in [each.id for each in c.catalog.ListJobs(catalog_pb2.ListJobsRequest()).jobs],
    "RenewJobLease": lambda c: _is_there(
        lambda: c.catalog.RenewJobLease(catalog_pb2.RenewJobLeaseRequest(id=JOB, owner="somebody", lease_seconds=1))
    ),
    "FinishJob": lambda c: _is_there(
        lambda: c.catalog.FinishJob(catalog_pb2.FinishJobRequest(id=JOB, state=types_pb2.JOB_STATE_FAILED))
    ),
    "ResumeJob": lambda c: _is_there(lambda: c.catalog.ResumeJob(types_pb2.ResumeJobRequest(id=JOB))),
    "CreateJob": _create,
    # The other one gets a model of its own by it, so these come last.
    "RegisterModel": _register,
    "DeleteModel": lambda c: (
        c.catalog.DeleteModel(catalog_pb2.DeleteModelRequest(name=MODEL, if_exists=True)).versions > 0
        and not _is_there(lambda: c.first.GetModel(catalog_pb2.GetModelRequest(name=MODEL)))
    ),
}

TRAINER: dict[str, Finds] = {
    "ResolveBaseModel": lambda c: _is_there(
        lambda: c.trainer.ResolveBaseModel(trainer_pb2.ResolveBaseModelRequest(name="./secret-base"))
    ),
    "WatchJob": lambda c: _is_there(lambda: list(c.trainer.WatchJob(trainer_pb2.WatchJobRequest(id=JOB)))),
    "GetJobProgress": lambda c: bool(c.trainer.GetJobProgress(trainer_pb2.GetJobProgressRequest(ids=[JOB])).jobs),
    "CancelJob": lambda c: _is_there(lambda: c.trainer.CancelJob(trainer_pb2.CancelJobRequest(id=JOB))),
    "ResumeJob": lambda c: _is_there(lambda: c.trainer.ResumeJob(types_pb2.ResumeJobRequest(id=JOB))),
    "SubmitJob": _submit,
    "ListDatasets": lambda c: any(
        each.is_there for each in c.trainer.ListDatasets(trainer_pb2.ListDatasetsRequest()).datasets
    ),
    "GetDataset": lambda c: _is_taken(
        lambda: list(c.trainer.GetDataset(trainer_pb2.GetDatasetRequest(name="librispeech_data")))
    ),
}


INFERENCE: dict[str, Finds] = {
    "Transcribe": lambda c: _is_there(
        lambda: list(c.inference.Transcribe(_transcribe(inference_pb2.TranscribeStart(model=MODEL, version=1))))
    ),
    "GetStatistics": lambda c: bool(
        c.inference.GetStatistics(inference_pb2.GetStatisticsRequest(model=MODEL, version=1)).models
    ),
    "Estimate": lambda c: _is_there(
        lambda: c.inference.Estimate(inference_pb2.EstimateRequest(model=MODEL, version=1, seconds=[1.0]))
    ),
    "ExportModel": lambda c: _is_there(
        lambda: c.inference.ExportModel(inference_pb2.ExportModelRequest(model=MODEL, version=1, path="repository"))
    ),
}

OPEN_INFERENCE: dict[str, Finds] = {
    "ModelMetadata": lambda c: _is_there(
        lambda: c.open_inference.ModelMetadata(oip.ModelMetadataRequest(name=MODEL, version="1"))
    ),
    "ModelConfig": lambda c: _is_there(
        lambda: c.open_inference.ModelConfig(oip.ModelConfigRequest(name=MODEL, version="1"))
    ),
    "ModelInfer": lambda c: _is_there(
        lambda: c.open_inference.ModelInfer(oip.ModelInferRequest(model_name=MODEL, model_version="1"))
    ),
    "ModelStatistics": lambda c: _is_there(
        lambda: c.open_inference.ModelStatistics(oip.ModelStatisticsRequest(name=MODEL, version="1"))
    ),
}

SAME_EVERYWHERE = {
    "ClaimJob": "hands trainers the jobs of all workspaces",
    "CreateToken": "tokens are the installation's, and say for which workspace they are",
    "ListTokens": "likewise",
    "RevokeToken": "likewise",
    "CheckToken": "likewise",
    "ListBaseModels": "what is shipped",
    "PlanTraining": "computes from what it is given",
    "ServerLive": "of the process",
    "ServerReady": "of the process",
    "ServerMetadata": "of the process",
    "ModelReady": "says no of a model that is not there and of one that is broken; test_models_of_workspaces has it",
}
"""Calls that name nothing of a workspace."""

SERVICES = {
    "catalog": (catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"], CATALOG),
    "trainer": (trainer_pb2.DESCRIPTOR.services_by_name["TrainerService"], TRAINER),
    "inference": (inference_pb2.DESCRIPTOR.services_by_name["InferenceService"], INFERENCE),
    "open_inference": (oip.DESCRIPTOR.services_by_name["GRPCInferenceService"], OPEN_INFERENCE),
}
# The catalog comes last: it deletes what the others name.
WALK = [(service, method) for service in reversed(SERVICES) for method in SERVICES[service][1]]


@pytest.fixture(scope="module")
def callers(installation: Installation) -> tuple[Caller, Caller]:
    """For the other workspace and for the first one, which alone has what the calls name."""
    folders = installation.folders("default")
    installation.write("default", FILE, "n\n1\n")
    shutil.copytree(bases.BUNDLED_FOLDER, folders.root / "secret-base")
    broken = folders.models / MODEL / "1"
    broken.mkdir(parents=True)
    for name in ("model.onnx", "model.json"):
        (broken / name).write_text("broken")
    (folders.state / "jobs" / JOB).mkdir(parents=True)
    catalog = installation.catalog("default")
    catalog.register_model(Model(MODEL, 1, "Wav2Vec2En", "base", wer=0.25))
    catalog.store_transcripts(MODEL, 1, [CachedTranscript(KEY, "secret")])
    catalog.create_job(JOB, SPEC)
    list(catalog.copy_table(TABLE, FILE, IfExists.FAIL))
    made = []
    for workspace in (OTHER, "default"):
        channels = {
            service: installation.channel(service, workspace) for service in ("catalog", "trainer", "inference")
        }
        inference = channels["inference"]
        made.append(
            Caller(
                CatalogServiceStub(channels["catalog"]),
                TrainerServiceStub(channels["trainer"]),
                InferenceServiceStub(inference),
                GRPCInferenceServiceStub(inference),
                CatalogServiceStub(installation.channel("catalog", "default")),
            )
        )
    list(made[1].trainer.GetDataset(trainer_pb2.GetDatasetRequest(name="librispeech_data", overwrite=True)))
    return made[0], made[1]


@pytest.mark.parametrize("service", SERVICES)
def test_every_call_is_in_a_table(service: str) -> None:
    descriptor, table = SERVICES[service]
    called = {*table, *SAME_EVERYWHERE}
    assert [method.name for method in descriptor.methods if method.name not in called] == []


@pytest.mark.parametrize(("service", "method"), WALK)
def test_a_call_finds_what_its_own_workspace_has_and_nothing_of_another(
    callers: tuple[Caller, Caller], service: str, method: str
) -> None:
    other, first = callers
    finds = SERVICES[service][1][method]
    assert not finds(other)
    assert finds(first)
