"""Models of several workspaces in one process: the same name is another model in each, and the memory is shared."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from inference_service.config import InferenceConfig
from inference_service.models.memory import ESTIMATE, count_graph_bytes
from inference_service.models.models import Models
from tests.inference_service.conftest import Start
from thanosql.clients import InferenceClient
from thanosql.errors import UnknownModel
from thanosql.modelstore import read_description, write_description
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip.grpc_service_pb2_grpc import GRPCInferenceServiceStub
from thanosql.rpc.channel import open_channel
from thanosql.types import ServingState

OTHER = "research"


@pytest.fixture
def config(own_store: Path, tmp_path: Path) -> InferenceConfig:
    """In the other workspace "tiny" is what the first one calls "grouped"; it has no other model."""
    root = tmp_path / "files"
    root.mkdir()
    config = InferenceConfig(state=own_store.parent, workspace=root, device="cpu", calibration_seconds=0)
    folder = Path(shutil.copytree(own_store / "grouped", config.folders(OTHER).models / "tiny")) / "1"
    write_description(folder, replace(read_description(folder), name="tiny"))
    return config


def test_the_same_name_and_version_is_another_model_in_each_workspace(config: InferenceConfig) -> None:
    models = Models(config)
    here, there = models.enter("tiny", 1), models.of(OTHER).enter("tiny", 1)
    assert here is not there
    assert here.memory_bytes != there.memory_bytes
    models.leave(here)
    assert [each.state for each in models.of(OTHER).reports.statistics("tiny", 1)] == [ServingState.READY]
    with pytest.raises(UnknownModel):
        models.of(OTHER).enter("grouped", 1)
    assert models.of(OTHER).reports.statistics("grouped", 1) == ()
    models.close()


def test_a_model_that_is_deleted_in_one_workspace_is_served_in_the_other(config: InferenceConfig) -> None:
    models = Models(config)
    models.leave(models.enter("tiny", 1))
    there = models.of(OTHER)
    there.leave(there.enter("tiny", 0))
    shutil.rmtree(config.models / "tiny")
    with pytest.raises(UnknownModel):
        models.enter("tiny", 1)
    there.leave(there.enter("tiny", 1))
    models.close()


def test_models_of_all_workspaces_share_the_memory(config: InferenceConfig) -> None:
    sizes = [count_graph_bytes(config.models / name / "1") * ESTIMATE for name in ("tiny", "grouped")]
    models = Models(replace(config, model_memory=(max(sizes) + min(sizes) / 2) / 2**30))
    models.leave(models.enter("tiny", 1))
    there = models.of(OTHER)
    there.leave(there.enter("tiny", 1))
    assert [each.state for each in models.reports.statistics("tiny", 1)] == [ServingState.IDLE]
    assert [each.model for each in there.reports.statistics()] == ["tiny"]
    models.close()


def test_models_are_loaded_at_the_start_in_the_workspace_that_is_named(config: InferenceConfig) -> None:
    models = Models(replace(config, preload=f"grouped, {OTHER}/tiny, No Name/x"))
    models.preload()
    for each in (models, models.of(OTHER)):
        name = "grouped" if each is models else "tiny"
        each.leave(each.enter(name, 0))
        assert [known.model for known in each.reports.statistics()] == [name]
    models.close()


def test_health_tells_of_the_first_workspace_alone(config: InferenceConfig) -> None:
    told: list[str] = []
    models = Models(config, on_change=lambda name, version, state: told.append(name))
    there = models.of(OTHER)
    there.leave(there.enter("tiny", 1))
    assert told == []
    models.leave(models.enter("grouped", 1))
    assert told == ["grouped"]
    models.close()


def test_both_protocols_serve_the_model_of_the_workspace_that_a_call_is_for(
    config: InferenceConfig, start_service: Start
) -> None:
    server, _ = start_service(workspace=config.workspace, state=config.state)
    ready = {}
    for workspace in ("default", OTHER):
        with open_channel(server.address, workspace=workspace) as channel:
            stub = GRPCInferenceServiceStub(channel)
            ready[workspace] = stub.ModelReady(oip.ModelReadyRequest(name="grouped")).ready
            stub.ModelMetadata(oip.ModelMetadataRequest(name="tiny"))
            statistics = InferenceClient(channel, server.address).get_statistics("grouped", 1)
            assert bool(statistics) is ready[workspace]
    assert ready == {"default": True, OTHER: False}
