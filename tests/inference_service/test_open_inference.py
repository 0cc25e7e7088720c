"""The Open Inference Protocol over gRPC, with tritonclient as its client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from numpy.typing import NDArray

pytest.importorskip("tritonclient.grpc", reason="the client is tritonclient[grpc] (the extra `dev`)")

import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from inference_service.config import InferenceConfig
from inference_service.models.models import Models
from inference_service.oip_servicer import OpenInferenceServicer
from inference_service.speech.transcription import Transcribers
from thanosql.audio import read_audio
from thanosql.clients import InferenceClient
from thanosql.errors import AudioError, DataError, InvalidRequest, ThanoSQLError, UnknownModel
from thanosql.oip import grpc_service_pb2
from thanosql.rpc.server import RunningServer
from thanosql.rpc.status import to_error
from thanosql.types import TranscribeClip, TranscribeStart, Transcript

Samples = NDArray[np.float32]
Start = Callable[..., tuple[RunningServer, InferenceClient]]
Open = Callable[[RunningServer], triton.InferenceServerClient]

FOLDER = "tutorial_data/librispeech_data"
RATE = 16_000
SECOND = np.sin(np.linspace(0, 2000, RATE, dtype=np.float32))


@pytest.fixture
def open_client() -> Iterator[Open]:
    """Opens clients of a server."""
    clients: list[triton.InferenceServerClient] = []

    def open_one(server: RunningServer) -> triton.InferenceServerClient:
        clients.append(triton.InferenceServerClient(server.address))
        return clients[-1]

    yield open_one
    for each in clients:
        each.close()


@pytest.fixture
def client(start_service: Start, open_client: Open) -> triton.InferenceServerClient:
    """Of a service with the default settings."""
    return open_client(start_service()[0])


@pytest.fixture
def call(start_service: Start) -> Iterator[Callable[[Any], Any]]:
    """Sends a message as it is to a service that takes up to 20 s of audio; failures come as our errors."""
    server, _ = start_service(max_audio_seconds=20.0)
    with grpc.insecure_channel(server.address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        def send(request: Any) -> Any:
            try:
                return stub.ModelInfer(request)
            except grpc.RpcError as failure:
                raise to_error(failure, "inference_service") from failure

        yield send


def read(checkout: Path, number: int) -> Samples:
    return read_audio(checkout / FOLDER / f"{number:03d}.flac")


def as_waveform(samples: Samples) -> triton.InferInput:
    tensor = triton.InferInput("waveform", [len(samples)], "FP32")
    return tensor.set_data_from_numpy(samples)


def as_audio(file: bytes) -> triton.InferInput:
    tensor = triton.InferInput("audio", [1], "BYTES")
    return tensor.set_data_from_numpy(np.array([file], object))


def infer(
    client: triton.InferenceServerClient, given: triton.InferInput, *outputs: str, **options: Any
) -> triton.InferResult:
    wanted = [triton.InferRequestedOutput(name) for name in outputs]
    return client.infer("tiny", [given], outputs=wanted or None, **options)


def text(result: triton.InferResult) -> str:
    (transcript,) = result.as_numpy("transcript")
    return str(transcript.decode())


def message(raw: bytes = SECOND.tobytes(), shape: tuple[int, ...] = (RATE,), **others: Any) -> Any:
    """A request for "tiny" with a raw `waveform`, or with whatever `others` say."""
    given = service_pb2.ModelInferRequest.InferInputTensor(name="waveform", datatype="FP32", shape=shape)
    return service_pb2.ModelInferRequest(
        **{"model_name": "tiny", "inputs": [given], "raw_input_contents": [raw], **others}
    )


def of_audio(file: bytes) -> Any:
    given = service_pb2.ModelInferRequest.InferInputTensor(name="audio", datatype="BYTES", shape=[1])
    raw = len(file).to_bytes(4, "little") + file
    return message(inputs=[given], raw_input_contents=[raw])


def test_the_server_says_who_it_is_and_only_what_it_can(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata.name == "thanosql"
    assert list(metadata.extensions) == ["model_configuration", "schedule_policy", "statistics"]


def test_reflection_knows_the_protocol_and_the_own_api(start_service: Start) -> None:
    names = ("inference.GRPCInferenceService", "thanosql.v1.InferenceService")
    with grpc.insecure_channel(start_service()[0].address) as channel:
        found = ProtoReflectionDescriptorDatabase(channel)
        assert set(found.get_services()) >= set(names)
        files = [found.FindFileContainingSymbol(name).name for name in names]
    assert files == ["thanosql/oip/grpc_service.proto", "thanosql/v1/inference.proto"]


def test_a_server_that_stops_is_not_ready(tmp_path: Path) -> None:
    config = InferenceConfig(state=tmp_path, workspace=tmp_path, device="cpu")
    models = Models(config)
    with ThreadPoolExecutor(1) as readers:
        servicer = OpenInferenceServicer(config, models, Transcribers(config, readers), is_ready=lambda: False)
        answer = asyncio.run(_call(servicer.ServerReady))
    models.close()
    assert answer == grpc_service_pb2.ServerReadyResponse(ready=False)


async def _call(method: Callable[..., Any]) -> Any:
    return await method(grpc_service_pb2.ServerReadyRequest(), None)


def test_a_model_is_ready_if_it_can_be_loaded(start_service: Start, own_store: Path, open_client: Open) -> None:
    (own_store / "grouped" / "1" / "model.onnx").write_bytes(b"damaged")
    server, own = start_service(state=own_store.parent)
    client = open_client(server)
    assert client.is_model_ready("tiny", "1")
    assert [each.model for each in own.get_statistics()][:1] == ["tiny"]
    assert not client.is_model_ready("grouped")
    assert not client.is_model_ready("tiny", "2")
    assert not client.is_model_ready("nothing")


def test_metadata_and_configuration_describe_the_same_tensors(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("tiny")
    assert (metadata.name, list(metadata.versions), metadata.platform) == ("tiny", ["1"], "onnxruntime_onnx")
    described = {tensor.name: (tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs}
    assert described == {"waveform": ("FP32", [-1]), "audio": ("BYTES", [1])}
    config = client.get_model_config("tiny").config
    datatypes = {triton.model_config_pb2.TYPE_FP32: "FP32", triton.model_config_pb2.TYPE_STRING: "BYTES"}
    for tensors, configured in ((metadata.inputs, config.input), (metadata.outputs, config.output)):
        assert [(each.name, each.datatype, each.shape) for each in tensors] == [
            (each.name, datatypes[each.data_type], each.dims) for each in configured
        ]
    assert config.max_batch_size == 0
    assert (config.parameters["sample_rate"].string_value, config.platform) == ("16000", metadata.platform)
    # What a message can hold.
    assert 1_000 < float(config.parameters["longest_waveform_seconds"].string_value) < 64 * 2**20 / 4 / RATE


def test_every_way_of_sending_gives_the_transcript_of_the_own_api(
    start_service: Start, open_client: Open, checkout: Path
) -> None:
    server, own = start_service()
    client = open_client(server)
    start = TranscribeStart("tiny", 1, words=True)
    for number in range(3):
        clip = TranscribeClip(number, path=f"{FOLDER}/{number:03d}.flac")
        (expected,) = own.transcribe(start, [clip])
        assert isinstance(expected, Transcript)
        samples = read(checkout, number)
        by_samples = infer(client, as_waveform(samples), "words", "transcript", "confidence", request_id=f"{number}")
        by_file = infer(client, as_audio((checkout / clip.path).read_bytes()))  # type: ignore[operator]
        assert text(by_samples) == text(by_file) == expected.text
        assert [output.name for output in by_file.get_response().outputs] == ["transcript"]
        assert by_samples.get_response().id == f"{number}"
        assert by_samples.as_numpy("confidence") == pytest.approx([expected.confidence], abs=1e-4)
        (words,) = by_samples.as_numpy("words")
        assert [(word["word"], word["start"], word["end"]) for word in json.loads(words)] == [
            (word.word, word.start, word.end) for word in expected.words
        ]


def test_typed_contents_say_the_same_as_raw_ones(call: Callable[[Any], Any], checkout: Path) -> None:
    samples, file = read(checkout, 1), (checkout / FOLDER / "001.flac").read_bytes()
    raw = call(message(samples.tobytes(), (len(samples),)))
    typed = message(shape=(len(samples),), raw_input_contents=[])
    typed.inputs[0].contents.fp32_contents.extend(samples.tolist())
    typed_file = of_audio(file)
    typed_file.ClearField("raw_input_contents")
    typed_file.inputs[0].contents.bytes_contents.append(file)
    assert call(typed) == call(typed_file) == call(of_audio(file)) == raw
    assert len(raw.raw_output_contents[0]) > 20


def test_log_probabilities_are_the_same_alone_and_in_company(
    start_service: Start, open_client: Open, checkout: Path
) -> None:
    server, own = start_service(workers=1, batch_rows=16, batch_seconds=240.0, interactive_queue_seconds=600.0)
    client = open_client(server)
    # Of sixteen lengths.
    clips = [read(checkout, number % 6)[: RATE * (2 + number) // 2] for number in range(16)]

    def compute(samples: Samples) -> Samples:
        result = infer(client, as_waveform(samples), "log_probs").as_numpy("log_probs")
        assert isinstance(result, np.ndarray)
        return result

    alone = [compute(samples) for samples in clips]
    batches = own.get_statistics()[0].batches
    assert batches == 16
    with ThreadPoolExecutor(16) as callers:
        together = list(callers.map(compute, clips))
    assert own.get_statistics()[0].batches - batches < 16
    for one, other, samples in zip(alone, together, clips, strict=True):
        assert one.shape == other.shape == ((len(samples) - 400) // 320 + 1, 32)
        assert np.exp(one).sum(axis=1) == pytest.approx(1, abs=1e-3)
        assert np.abs(one - other).max() < 1e-4


@pytest.mark.parametrize("priority", [0, 1, 2, 7])
def test_a_request_of_any_priority_is_answered(
    priority: int, client: triton.InferenceServerClient, checkout: Path
) -> None:
    samples = read(checkout, 2)
    assert text(infer(client, as_waveform(samples), priority=priority)) == text(infer(client, as_waveform(samples)))


def test_a_request_that_cannot_be_answered_in_time_is_given_up(start_service: Start, open_client: Open) -> None:
    server, own = start_service()
    client = open_client(server)
    assert infer(client, as_waveform(SECOND), timeout=60_000_000).as_numpy("transcript") is not None
    with pytest.raises(InferenceServerException) as late:
        infer(client, as_waveform(SECOND), timeout=1)
    assert late.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert own.get_statistics()[0].late == 1
    with pytest.raises(InferenceServerException) as late:
        infer(client, as_waveform(SECOND), client_timeout=1e-4)
    # Refused, where the service knows by now that it takes longer.
    assert late.value.status() in ("StatusCode.DEADLINE_EXCEEDED", "StatusCode.RESOURCE_EXHAUSTED")
    assert infer(client, as_waveform(SECOND), client_timeout=60.0).as_numpy("transcript") is not None


def test_statistics_rise_with_every_request(client: triton.InferenceServerClient) -> None:
    def read_figures() -> Any:
        (figures,) = client.get_inference_statistics("tiny").model_stats
        return figures

    with pytest.raises(InferenceServerException, match="has not been loaded"):
        read_figures()
    for count in range(1, 4):
        infer(client, as_waveform(SECOND))
        figures = read_figures()
        assert (figures.name, figures.version) == ("tiny", "1")
        assert figures.inference_stats.success.count == count
        assert figures.inference_stats.queue.count == figures.inference_count == count
        assert figures.inference_stats.compute_infer.ns > 0
        assert sum(batch.compute_infer.count for batch in figures.batch_stats) == figures.execution_count
    with pytest.raises(InferenceServerException):
        infer(client, as_waveform(SECOND[:10]))
    assert read_figures().inference_stats.fail.count == 1
    assert [each.name for each in client.get_inference_statistics().model_stats] == ["tiny"]


def named(name: str, datatype: str = "FP32") -> Any:
    return service_pb2.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=[RATE])


def with_parameter(name: str, **value: Any) -> Any:
    return message(parameters={name: service_pb2.InferParameter(**value)})


def in_shared_memory() -> Any:
    request = message(raw_input_contents=[])
    request.inputs[0].parameters["shared_memory_region"].string_param = "region"
    return request


NOT_A_NUMBER = np.where(np.arange(RATE) == 700, np.float32("nan"), SECOND)

# What is wrong, the kind of the error, and what it says: with what to do, for clients that show nothing but this text.
MISTAKES: tuple[tuple[Any, type[ThanoSQLError], str], ...] = (
    (message(model_name="missing"), UnknownModel, r"no model 'missing'\. There is 'grouped', 'tiny'\."),
    (message(model_name=""), UnknownModel, "''"),
    (message(model_name="../tiny"), UnknownModel, r"'\.\./tiny'"),
    (message(model_version="7"), UnknownModel, r"no version 7 of a model 'tiny'\. Of 'tiny' there is version 1\."),
    (message(model_version="latest"), InvalidRequest, r"'latest' is no version of a model\. A version is a number"),
    (message(inputs=[], raw_input_contents=[]), InvalidRequest, r"this one has none\. 'waveform' is FP32 \[samples\]"),
    (message(inputs=[named("input__0")]), InvalidRequest, "there is no input 'input__0'"),
    (message(inputs=[named("waveform", "FP64")]), InvalidRequest, "is of datatype FP64, and has to be FP32"),
    (message(inputs=[named("waveform"), named("audio")]), InvalidRequest, "this one has 'waveform' and 'audio'"),
    (message(raw_input_contents=[SECOND.tobytes()] * 2), InvalidRequest, "one input, 2 raw_input_contents"),
    (message(raw_input_contents=[]), InvalidRequest, r"takes 16000 elements, and 0 came"),
    (message(shape=(1, RATE)), InvalidRequest, r"shape \[1, 16000\].* no dimension for a batch"),
    (message(b"", (0,)), InvalidRequest, "there is nothing in it"),
    (message(shape=(RATE + 1,)), InvalidRequest, "takes 64004 bytes, and 64000 came"),
    (message(shape=(2_700_000_000,)), InvalidRequest, "more than the 20 s that a request may have"),
    (message(outputs=[{"name": "text"}]), InvalidRequest, "there is no output 'text'. The outputs are transcript, "),
    (with_parameter("best_of", int64_param=3), InvalidRequest, "there is no parameter 'best_of'"),
    (with_parameter("timeout", string_param="1 s"), InvalidRequest, "the parameter 'timeout' is '1 s'"),
    (in_shared_memory(), InvalidRequest, "'shared_memory_region'.* there is neither shared memory"),
    (message(NOT_A_NUMBER.tobytes()), AudioError, "not"),
    (message(np.zeros(RATE, np.float32).tobytes()), AudioError, "silent"),
    (message(SECOND[:100].tobytes(), (100,)), AudioError, "0.1"),
    (of_audio(b"RIFF no wav at all"), AudioError, "audio"),
)


@pytest.mark.parametrize(("request_", "kind", "words"), MISTAKES, ids=[words for _, _, words in MISTAKES])
def test_a_wrong_request_is_told_what_is_wrong(
    request_: Any, kind: type[ThanoSQLError], words: str, call: Callable[[Any], Any]
) -> None:
    with pytest.raises(kind, match=words) as refused:
        call(request_)
    cause = refused.value.__cause__
    assert isinstance(cause, grpc.Call)
    assert cause.code().name in ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION")
    # Other clients show nothing but the details of the status.
    assert str(refused.value) == cause.details()


def test_a_recording_that_is_too_long_is_told_the_limit_in_seconds(call: Callable[[Any], Any], tmp_path: Path) -> None:
    import soundfile

    samples = np.tile(SECOND, 21)
    soundfile.write(tmp_path / "long.flac", samples, RATE)
    with pytest.raises(InvalidRequest, match="20 s"):
        call(message(samples.tobytes(), (len(samples),)))
    with pytest.raises(AudioError, match="20 s"):
        call(of_audio((tmp_path / "long.flac").read_bytes()))


def test_a_file_that_breaks_off_is_told_so(call: Callable[[Any], Any], checkout: Path) -> None:
    file = (checkout / FOLDER / "001.flac").read_bytes()
    with pytest.raises(DataError):
        call(of_audio(file[: len(file) // 2]))


def test_wrong_requests_disturb_no_others(start_service: Start, open_client: Open, checkout: Path) -> None:
    server, own = start_service(workers=1, batch_rows=16, batch_seconds=240.0, interactive_queue_seconds=600.0)
    client = open_client(server)
    clips = [read(checkout, number) for number in range(4)]
    expected = [text(infer(client, as_waveform(samples))) for samples in clips]

    def send(number: int) -> str:
        if number % 2:
            return text(infer(client, as_waveform(clips[number // 2 % 4])))
        with pytest.raises(InferenceServerException):
            infer(client, as_waveform(NOT_A_NUMBER))
        return ""

    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(send, range(32)))
    assert answers[1::2] == expected * 4
    assert own.get_statistics()[0].failures == 16


def test_a_token_is_asked_for_but_by_those_who_watch_the_server(start_service: Start, open_client: Open) -> None:
    server, _ = start_service(token="secret")
    client = open_client(server)
    assert client.is_server_live()
    assert client.is_server_ready()
    for refused in (client.get_server_metadata, lambda: client.is_model_ready("tiny")):
        with pytest.raises(InferenceServerException, match="token"):
            refused()
    with_token = {"authorization": "Bearer secret"}
    assert client.is_model_ready("tiny", headers=with_token)
    assert infer(client, as_waveform(SECOND), headers=with_token).as_numpy("transcript") is not None
