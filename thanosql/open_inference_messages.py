"""Writes requests for a model of another Open Inference server, and reads what it answers."""

from __future__ import annotations

import json
import struct
from typing import Any

from thanosql.errors import InternalError, NotSupported
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.types import Priority, TranscribeStart, Transcript, Word

AUDIO, TRANSCRIPT, CONFIDENCE, WORDS = "audio", "transcript", "confidence", "words"

LEVELS = {Priority.INTERACTIVE: 1, Priority.BULK: 2}
"""Triton's levels of priority; 1 is the highest."""


def prepare_request(start: TranscribeStart, metadata: oip.ModelMetadataResponse, peer: str) -> oip.ModelInferRequest:
    """A request that lacks nothing but the recording, as the model's `metadata` wants it.

    Raises:
        NotSupported: the model takes no recordings, or does not give what `start` wants.
    """
    audio = next((each for each in metadata.inputs if (each.name, each.datatype) == (AUDIO, "BYTES")), None)
    given = {each.name for each in metadata.outputs}
    wanted = [TRANSCRIPT, WORDS] if start.words else [TRANSCRIPT]
    lacking = [name for name in wanted if name not in given]
    if audio is None or lacking:
        lacks = "takes no recordings (an input `audio` of BYTES)" if audio is None else f"gives no {lacking[0]!r}"
        raise NotSupported(
            f"the model {start.model!r} of {peer} {lacks}", hint="EXPORT MODEL writes a model that does, for Triton."
        )
    outputs = [*wanted, CONFIDENCE] if CONFIDENCE in given else wanted
    # Servers that batch by themselves want a dimension for it, and others want none.
    tensor = oip.ModelInferRequest.InferInputTensor(name=AUDIO, datatype="BYTES", shape=[1] * len(audio.shape))
    prepared = oip.ModelInferRequest(
        model_name=start.model,
        model_version=write_version(start),
        inputs=[tensor],
        outputs=[oip.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs],
    )
    prepared.parameters["priority"].uint64_param = LEVELS[start.priority]
    return prepared


def write_version(start: TranscribeStart) -> str:
    """The version as the protocol names it; empty: the newest."""
    return str(start.version) if start.version else ""


def with_audio(prepared: oip.ModelInferRequest, audio: bytes) -> oip.ModelInferRequest:
    """The whole request for one recording."""
    request = oip.ModelInferRequest()
    request.CopyFrom(prepared)
    request.raw_input_contents.append(struct.pack("<I", len(audio)) + audio)
    return request


def read_transcript(response: oip.ModelInferResponse, clip: int, seconds: float, peer: str) -> Transcript:
    """The transcript of the recording `clip`, which is so many seconds long.

    Raises:
        InternalError: the response does not hold one.
    """
    try:
        values = {each.name: _read_element(response, index) for index, each in enumerate(response.outputs)}
        return Transcript(
            id=clip,
            text=values[TRANSCRIPT].decode(),
            confidence=values.get(CONFIDENCE, 0.0),
            words=tuple(Word(**each) for each in json.loads(values.get(WORDS, b"[]"))),
            audio_seconds=seconds,
        )
    except (LookupError, TypeError, ValueError, struct.error) as error:
        raise InternalError(
            f"{peer} answered with something else than a transcript", hint="Is it the model that was exported?"
        ) from error


def _read_element(response: oip.ModelInferResponse, index: int) -> Any:
    """The one element of an output: bytes, or a number."""
    output, raw = response.outputs[index], response.raw_output_contents
    is_bytes = output.datatype == "BYTES"
    if not raw:
        return (output.contents.bytes_contents if is_bytes else output.contents.fp32_contents)[0]
    if not is_bytes:
        return struct.unpack_from("<f", raw[index])[0]
    (length,) = struct.unpack_from("<I", raw[index])
    return raw[index][4 : 4 + length]
