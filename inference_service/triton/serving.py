"""Serves a model in Triton's Python backend: recordings in, transcripts out.

The recordings of all the requests that Triton brings together are cut, computed in batches of like lengths, joined and
read by the very code of inference_service, so the transcripts are the same. Each request is answered on its own: a
recording that cannot be used fails no other one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as backend
from numpy.typing import NDArray

from inference_service.engines.onnx_engine import OnnxEngine
from inference_service.open_inference.tensors import AUDIO, CONFIDENCE, LOG_PROBS, TRANSCRIPT, WAVEFORM, WORDS
from inference_service.speech.audio import Piece, Span, cut_pieces
from inference_service.speech.decode import FrameScores, blank_frames, join_frames, read_frames
from thanosql.audio import check_samples, is_silent, read_blocks
from thanosql.errors import AudioError, Cancelled, InvalidRequest, ThanoSQLError
from thanosql.modelstore import GRAPH, read_description
from thanosql.types import Transcript

Samples = NDArray[np.float32]

FOLDER = Path(__file__).parents[2]
"""The version's folder in the repository."""
BATCHES_AT_ONCE = 8
"""Batches whose pieces are held at one time: enough to find like lengths, and a bound for hour-long recordings."""


@dataclass(eq=False)
class Recording:
    """A recording of a request, at work."""

    request: Any
    blocks: Iterable[Samples]
    outputs: frozenset[str]
    """What is asked for."""
    spans: list[Span] = field(default_factory=list)
    frames: list[FrameScores] = field(default_factory=list)
    """What the model says of each piece, in the order of `spans`."""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A piece of a recording that is to be computed."""

    recording: Recording
    index: int
    samples: Samples


class TritonPythonModel:
    """One instance of the model: Triton runs `instance_group.count` of them, each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the graph. The parameters are those of `config.pbtxt`."""
        device = "cuda" if args["model_instance_kind"] == "GPU" else "cpu"
        if device == "cuda":
            # Of several GPUs this instance sees its own, as the first one.
            os.environ["CUDA_VISIBLE_DEVICES"] = args["model_instance_device_id"]
        given = json.loads(args["model_config"])["parameters"]
        parameters = {name: float(value["string_value"]) for name, value in given.items()}
        self._batch_seconds, self._batch_rows = parameters["batch_seconds"], int(parameters["batch_rows"])
        self._max_seconds = parameters["max_audio_seconds"]
        self._model = read_description(FOLDER)
        self._engine = OnnxEngine(FOLDER / GRAPH, self._model, device=device, threads=int(parameters["threads"]))

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answers requests, in their order."""
        opened = [self._open(request) for request in requests]
        recordings = [each for group in opened if isinstance(group, list) for each in group]
        pieces = self._cut(recordings)
        window_seconds = BATCHES_AT_ONCE * self._batch_seconds
        while window := list(self._take(pieces, window_seconds)):
            for batch in self._group(window):
                self._compute(batch)
        return [self._answer(group) for group in opened]

    def finalize(self) -> None:
        """Frees the weights."""
        self._engine.close()

    def _open(self, request: Any) -> list[Recording] | ThanoSQLError:
        """The recordings of a request: its rows, one where its caller does not batch."""
        outputs = frozenset(request.requested_output_names())
        tensors = [tensor for tensor in request.inputs() if tensor.name() in (WAVEFORM.name, AUDIO.name)]
        if len(tensors) != 1:
            return InvalidRequest(f"a request has one input, 'waveform' or 'audio'; this one has {len(tensors)}")
        read = self._check if tensors[0].name() == WAVEFORM.name else self._decode
        recordings = [Recording(request, read(row), outputs) for row in tensors[0].as_numpy()]
        if LOG_PROBS in outputs and len(recordings) > 1:
            return InvalidRequest("'log_probs' are given for one recording a request: they differ in length")
        return recordings

    def _decode(self, files: NDArray[np.object_]) -> Iterator[Samples]:
        audio: bytes = files[0]
        return read_blocks(audio, sample_rate=self._model.sample_rate, max_seconds=self._max_seconds)

    def _check(self, samples: Samples) -> Iterator[Samples]:
        check_samples(samples, sample_rate=self._model.sample_rate, max_seconds=self._max_seconds)
        yield samples

    def _cut(self, recordings: Iterable[Recording]) -> Iterator[Waiting]:
        """The pieces that have to be computed, of one recording after the other, read when they are asked for."""
        rate, step = self._model.sample_rate, self._model.frame_samples
        for recording in recordings:
            try:
                for piece in cut_pieces(recording.blocks, sample_rate=rate, frame_samples=step):
                    if recording.request.is_cancelled():
                        raise Cancelled("the request was cancelled")
                    index = len(recording.spans)
                    recording.spans.append(piece.span)
                    recording.frames.append(
                        blank_frames(piece.span, self._model, log_probs=_wants_log_probs(recording))
                    )
                    if recording.error is None and not self._is_silent(piece):
                        yield Waiting(recording, index, piece.samples)
            except ThanoSQLError as error:
                recording.error = error

    def _is_silent(self, piece: Piece) -> bool:
        return is_silent(piece.samples) or len(piece.samples) < self._model.minimum_samples

    def _take(self, pieces: Iterator[Waiting], seconds: float) -> Iterator[Waiting]:
        """So many seconds of them, at least one."""
        taken = 0.0
        for piece in pieces:
            yield piece
            taken += len(piece.samples) / self._model.sample_rate
            if taken >= seconds:
                return

    def _group(self, pieces: Iterable[Waiting]) -> Iterator[list[Waiting]]:
        """Batches of like lengths, the longest first: rows × longest row stay under the budget of padded seconds."""
        batch: list[Waiting] = []
        for piece in sorted(pieces, key=lambda each: -len(each.samples)):
            longest = len(batch[0].samples) / self._model.sample_rate if batch else 0.0
            if batch and (len(batch) == self._batch_rows or (len(batch) + 1) * longest > self._batch_seconds):
                yield batch
                batch = []
            batch.append(piece)
        if batch:
            yield batch

    def _compute(self, batch: Sequence[Waiting]) -> None:
        wants_log_probs = any(_wants_log_probs(piece.recording) for piece in batch)
        try:
            results = self._engine.run([piece.samples for piece in batch], log_probs=wants_log_probs)
        except Exception as error:
            if len(batch) == 1:
                batch[0].recording.error = error
            else:
                # One row may be to blame, or all of them together be too large: each gets its own chance.
                for piece in batch:
                    self._compute([piece])
            return
        for piece, frames in zip(batch, results, strict=True):
            piece.recording.frames[piece.index] = frames

    def _answer(self, group: list[Recording] | ThanoSQLError) -> Any:
        """The response to a request: its tensors, or the first error of its recordings."""
        if isinstance(group, ThanoSQLError):
            return _refuse(group)
        error = next((each.error for each in group if each.error is not None), None)
        if error is not None:
            return _refuse(error)
        try:
            rows = [self._read(each) for each in group]
        except ThanoSQLError as failure:
            return _refuse(failure)
        outputs = group[0].outputs
        return backend.InferenceResponse(
            [backend.Tensor(name, np.stack([row[name] for row in rows])) for name in rows[0] if name in outputs]
        )

    def _read(self, recording: Recording) -> dict[str, NDArray[Any]]:
        """The outputs of a recording, by name, without the dimension of the batch."""
        joined = join_frames(list(zip(recording.spans, recording.frames, strict=True)), self._model)
        seconds = recording.spans[-1].end / self._model.sample_rate
        transcript = read_frames(0, joined, seconds, self._model, words=True)
        values = {
            TRANSCRIPT: np.array([transcript.text.encode()], np.object_),
            CONFIDENCE: np.array([transcript.confidence], np.float32),
            WORDS: np.array([_write_words(transcript)], np.object_),
        }
        return values if joined.log_probs is None else {**values, LOG_PROBS: joined.log_probs}


def _wants_log_probs(recording: Recording) -> bool:
    return LOG_PROBS in recording.outputs


def _write_words(transcript: Transcript) -> bytes:
    return json.dumps([asdict(word) for word in transcript.words], ensure_ascii=False).encode()


def _refuse(error: Exception) -> Any:
    """The response of a request that failed. What is wrong with a recording begins with the word to count it by."""
    codes = backend.TritonError
    text = str(error)
    if isinstance(error, ThanoSQLError):
        text = f"{error.message}. {error.hint}" if error.hint else error.message
    if isinstance(error, AudioError):
        return backend.InferenceResponse(error=codes(f"{error.reason}: {text}", codes.INVALID_ARG))
    if isinstance(error, InvalidRequest):
        return backend.InferenceResponse(error=codes(text, codes.INVALID_ARG))
    code = codes.CANCELLED if isinstance(error, Cancelled) else codes.INTERNAL
    return backend.InferenceResponse(error=codes(text, code))
