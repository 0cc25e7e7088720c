"""The RPC that tells what a number of recordings will take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inference_service.models.measured import Measured, estimate_transcription
from inference_service.monitoring.figures import Figures
from inference_service.planning.calibration import Calibration
from thanosql.clients import InferenceClient
from thanosql.errors import InvalidOption, UnknownModel
from thanosql.rpc.server import RunningServer
from thanosql.types import EstimateRequest, ServingPlan, ServingState, TranscribeClip, TranscribeStart

Start = Callable[..., tuple[RunningServer, InferenceClient]]

TINY = EstimateRequest("tiny", 1, seconds=(2.0, 4.0, 6.0))


@pytest.fixture
def client(own_store: Path, start_service: Start) -> InferenceClient:
    """Of a service whose models nobody has used or measured."""
    for measured in own_store.rglob("calibration.json"):
        measured.unlink()
    return start_service(state=own_store.parent)[1]


def test_a_model_that_was_never_measured_has_no_estimate_and_is_not_loaded_for_one(client: InferenceClient) -> None:
    estimate = client.estimate(TINY)
    assert not estimate.is_known
    assert not estimate.is_loaded
    assert estimate.reason == "the model has never been measured on this machine; it is when it is first loaded"
    assert [each.state for each in client.get_statistics("tiny", 1)] == [ServingState.IDLE]


def test_a_model_that_has_worked_is_estimated_by_its_work(client: InferenceClient) -> None:
    path = "tutorial_data/librispeech_data/000.flac"
    for _ in client.transcribe(TranscribeStart("tiny", 1), iter([TranscribeClip(0, path=path)])):
        pass
    estimate = client.estimate(TINY)
    (figures,) = client.get_statistics("tiny", 1)
    assert estimate.is_known
    assert estimate.is_loaded
    assert estimate.measured_on == ""
    assert "from the 1 batches" in estimate.reason
    assert estimate.compute_seconds == pytest.approx(12 * figures.compute_seconds / figures.padded_seconds)


def test_a_calibrated_model_is_estimated_by_its_calibration_also_when_it_is_not_in_memory(
    own_store: Path, start_service: Start
) -> None:
    settings = {"state": own_store.parent, "calibration_seconds": 1.0}
    _, first = start_service(**settings)
    list(first.transcribe(TranscribeStart("tiny", 1), iter([TranscribeClip(0, audio=b"")])))
    loaded = first.estimate(TINY)
    assert loaded.is_known
    assert loaded.is_loaded
    assert len(loaded.measured_on) == len("2026-11-27")
    assert loaded.batches >= 1
    assert 0 < loaded.elapsed_seconds <= loaded.compute_seconds
    _, second = start_service(**settings)
    idle = second.estimate(TINY)
    if idle.is_known:  # on a busy machine a calibration is not kept
        assert not idle.is_loaded
        assert (idle.batches, idle.elapsed_seconds) == (loaded.batches, loaded.elapsed_seconds)
        assert idle.measured_on == loaded.measured_on


def test_a_model_that_is_not_there_has_no_estimate(client: InferenceClient) -> None:
    with pytest.raises(UnknownModel):
        client.estimate(EstimateRequest("nobody", 1, seconds=(1.0,)))


CALIBRATION = Calibration(1, 1, 1, 1.0, 10.0, ((1.0, 0.1), (10.0, 1.0)), 1.0, 0.0, "", measured_on="2026-01-02")
PLAN = ServingPlan("cpu", "onnxruntime", "fp32", 2, 1, 30.0, 1, 32.0, 10.0)
KNOWN = Measured(Figures(), PLAN, CALIBRATION, is_loaded=True, has_language_model=False)


def test_recordings_that_would_be_refused_for_their_length_cost_nothing(config) -> None:
    estimate = estimate_transcription(EstimateRequest("m", 1, seconds=(2.0, 0.01, 1e6)), KNOWN, config)
    assert estimate.batches == 1
    assert estimate.compute_seconds == pytest.approx(0.2)
    assert estimate.longest_seconds == config.max_audio_seconds


def test_a_sample_of_lengths_stands_for_all_recordings(config) -> None:
    estimate = estimate_transcription(EstimateRequest("m", 1, seconds=(2.0, 0.01), recordings=1000), KNOWN, config)
    assert estimate.batches == 500
    assert estimate.elapsed_seconds == pytest.approx(500 * 0.2 / 2)


def test_a_language_model_and_hotwords_take_time_to_read(config) -> None:
    request = EstimateRequest("m", 1, seconds=(10.0,) * 20)
    with_words = EstimateRequest("m", 1, seconds=(10.0,) * 20, hotwords=True)
    plain, favoured = (estimate_transcription(each, KNOWN, config) for each in (request, with_words))
    assert favoured.elapsed_seconds > plain.elapsed_seconds
    assert favoured.compute_seconds == plain.compute_seconds


def test_what_batches_took_so_far_corrects_the_calibration(config) -> None:
    def elapsed(batches: int, seconds_each: float) -> float:
        figures = Figures(
            batches=batches, rows=batches, padded_seconds=5.0 * batches, compute_seconds=seconds_each * batches
        )
        measured = Measured(figures, PLAN, CALIBRATION, is_loaded=True, has_language_model=False)
        return estimate_transcription(EstimateRequest("m", 1, seconds=(10.0,) * 20), measured, config).elapsed_seconds

    as_calibrated = elapsed(0, 0.0)
    assert elapsed(100, 0.5) == pytest.approx(as_calibrated)
    assert elapsed(100, 0.4) == pytest.approx(0.8 * as_calibrated)
    assert elapsed(5, 0.4) == as_calibrated  # too few to tell
    assert elapsed(100, 50.0) == pytest.approx(1.5 * as_calibrated)


@pytest.mark.parametrize("request_", [EstimateRequest("m", 1, seconds=(float("nan"),)), EstimateRequest("m", 1, -1)])
def test_what_makes_no_sense_is_refused(request_: EstimateRequest, config) -> None:
    with pytest.raises(InvalidOption):
        estimate_transcription(request_, KNOWN, config)


@pytest.fixture
def config(tmp_path: Path):
    from inference_service.config import InferenceConfig

    return InferenceConfig(workspace=tmp_path, state=tmp_path)
