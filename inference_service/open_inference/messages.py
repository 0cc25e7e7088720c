"""Reads and writes the messages of the Open Inference Protocol; what is in them is decided elsewhere."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import asdict

from inference_service.monitoring.figures import Figures, Outcome
from inference_service.open_inference import tensors
from inference_service.open_inference.parameters import DEFAULT_LEVEL, LEVELS
from inference_service.open_inference.tensors import CONFIDENCE, INPUTS, LOG_PROBS, WORDS, Tensor, TensorKind
from inference_service.speech.transcription import Transcribed
from thanosql.errors import InvalidRequest
from thanosql.modelstore import ModelDescription
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.rpc.channel import MAX_MESSAGE_BYTES
from thanosql.types import ModelStatistics

MOST_TENSOR_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
"""In a message, which holds a little more than its tensors."""

PLATFORM = "onnxruntime_onnx"
"""Triton's word for a graph in ONNX, whatever computes it here."""

_MEMORY = {"cpu": "CPU", "cuda": "GPU"}
_TYPES = {"FP32": oip.TYPE_FP32, "BYTES": oip.TYPE_STRING}


def read_parameters(request: oip.ModelInferRequest) -> dict[str, object]:
    """The parameters as plain values; `None` where one has no value."""
    values: dict[str, object] = {}
    for name, parameter in request.parameters.items():
        choice = parameter.WhichOneof("parameter_choice")
        values[name] = choice and getattr(parameter, choice)
    return values


def read_outputs(request: oip.ModelInferRequest) -> tuple[str, ...]:
    """The names of the outputs that are wanted.

    Raises:
        InvalidRequest: there is no such output.
    """
    for output in request.outputs:
        if output.parameters:
            raise _unknown_parameters("output", output.name, output.parameters)
    return tensors.choose_outputs([output.name for output in request.outputs])


def read_input(request: oip.ModelInferRequest) -> Tensor:
    """The one input, as it came.

    Raises:
        InvalidRequest: there is none or more than one, or its contents do not belong to it.
    """
    name = tensors.choose_input([tensor.name for tensor in request.inputs])
    tensor, raw = request.inputs[0], request.raw_input_contents
    if tensor.parameters:
        raise _unknown_parameters("input", name, tensor.parameters)
    has_contents = tensor.HasField("contents")
    if len(raw) > 1 or (raw and has_contents):
        raise InvalidRequest(
            f"the request has one input, {len(raw)} raw_input_contents and {'' if has_contents else 'no '}contents",
            hint="An input comes either in `contents` or as one element of `raw_input_contents`.",
        )
    if raw:
        return Tensor(name, tensor.datatype, tuple(tensor.shape), raw[0])
    contents = tensor.contents
    elements = contents.fp32_contents if tensor.datatype == "FP32" else contents.bytes_contents
    return Tensor(name, tensor.datatype, tuple(tensor.shape), None, elements)


def _unknown_parameters(kind: str, name: str, parameters: Iterable[str]) -> InvalidRequest:
    return InvalidRequest(
        f"the {kind} {name!r} has the parameter {', '.join(map(repr, sorted(parameters)))}",
        hint="Tensors take no parameters here: there is neither shared memory nor classification.",
    )


def write_answer(
    response: oip.ModelInferResponse, outputs: Iterable[str], answer: Transcribed, kinds: dict[str, TensorKind]
) -> None:
    """Adds `outputs`, of the model's `kinds`, to a response.

    Raises:
        InvalidRequest: the log-probabilities are larger than a message.
    """
    for name in outputs:
        shape: tuple[int, ...] = kinds[name].shape
        if name == LOG_PROBS and answer.log_probs is not None:
            _check_size(answer.log_probs.nbytes, answer.transcript.audio_seconds)
            shape = answer.log_probs.shape
            contents = answer.log_probs.tobytes()
        elif name == CONFIDENCE:
            contents = struct.pack("<f", answer.transcript.confidence)
        elif name == WORDS:
            words = [asdict(word) for word in answer.transcript.words]
            contents = tensors.write_element(json.dumps(words, ensure_ascii=False))
        else:
            contents = tensors.write_element(answer.transcript.text)
        response.outputs.add(name=name, datatype=kinds[name].datatype, shape=shape)
        response.raw_output_contents.append(contents)


def _check_size(size: int, seconds: float) -> None:
    if size > MOST_TENSOR_BYTES:
        raise InvalidRequest(
            f"the log_probs of this recording of {seconds:.0f} s take {size} bytes; those of "
            f"{seconds * MOST_TENSOR_BYTES / size:.0f} s would fit into a message",
            hint="Send the recording in parts, or ask for the transcript only.",
        )


def write_metadata(description: ModelDescription) -> oip.ModelMetadataResponse:
    """The tensors of a model."""

    def describe(kinds: Iterable[TensorKind]) -> list[oip.ModelMetadataResponse.TensorMetadata]:
        make = oip.ModelMetadataResponse.TensorMetadata
        return [make(name=kind.name, datatype=kind.datatype, shape=kind.shape) for kind in kinds]

    return oip.ModelMetadataResponse(
        name=description.name,
        versions=[str(description.version)],
        platform=PLATFORM,
        inputs=describe(INPUTS),
        outputs=describe(tensors.list_outputs(len(description.vocabulary))),
    )


def write_config(description: ModelDescription, *, engine: str, longest_waveform: float) -> oip.ModelConfigResponse:
    """The tensors of a model as Triton's configuration has them, and what a caller has to know to fill them in."""
    facts = {
        "sample_rate": str(description.sample_rate),
        "longest_waveform_seconds": f"{longest_waveform:g}",
        "frame_samples": str(description.frame_samples),
        "vocabulary": json.dumps(description.vocabulary, ensure_ascii=False),
        "blank": str(description.blank),
    }
    config = oip.ModelConfig(
        name=description.name,
        platform=PLATFORM,
        backend=engine,
        max_batch_size=0,
        input=[
            oip.ModelInput(name=kind.name, data_type=_TYPES[kind.datatype], dims=kind.shape, optional=True)
            for kind in INPUTS
        ],
        output=[
            oip.ModelOutput(name=kind.name, data_type=_TYPES[kind.datatype], dims=kind.shape)
            for kind in tensors.list_outputs(len(description.vocabulary))
        ],
        dynamic_batching=oip.ModelDynamicBatching(priority_levels=LEVELS, default_priority_level=DEFAULT_LEVEL),
        parameters={name: oip.ModelParameter(string_value=fact) for name, fact in facts.items()},
        model_transaction_policy=oip.ModelTransactionPolicy(decoupled=False),
    )
    return oip.ModelConfigResponse(config=config)


def write_statistics(statistics: ModelStatistics, figures: Figures) -> oip.ModelStatistics:
    """What one version of a model has done."""
    succeeded = figures.count(Outcome.SUCCESS)
    failed = figures.requests.total() - succeeded
    device = statistics.plan.device if statistics.plan else "cpu"
    return oip.ModelStatistics(
        name=statistics.model,
        version=str(statistics.version),
        inference_count=figures.rows,
        execution_count=figures.batches,
        inference_stats=oip.InferStatistics(
            success=_duration(succeeded, figures.request_seconds),
            fail=oip.StatisticDuration(count=failed),
            queue=_duration(figures.rows, figures.queue_seconds),
            compute_input=oip.StatisticDuration(count=figures.rows),
            compute_infer=_duration(figures.rows, figures.row_compute_seconds),
            compute_output=oip.StatisticDuration(count=figures.rows),
        ),
        batch_stats=[
            _write_batches(rows, figures.batches_of[rows], seconds)
            for rows, seconds in sorted(figures.seconds_of.items())
        ],
        memory_usage=[oip.MemoryUsage(type=_MEMORY[device], id=0, byte_size=statistics.memory_bytes)],
    )


def _write_batches(rows: int, count: int, seconds: float) -> oip.InferBatchStatistics:
    return oip.InferBatchStatistics(
        batch_size=rows,
        compute_input=oip.StatisticDuration(count=count),
        compute_infer=_duration(count, seconds),
        compute_output=oip.StatisticDuration(count=count),
    )


def _duration(count: int, seconds: float) -> oip.StatisticDuration:
    return oip.StatisticDuration(count=count, ns=round(seconds * 1e9))
