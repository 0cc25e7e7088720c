"""Translates between the messages of InferenceService and the values of `thanosql.types`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Any

from inference_service.config import InferenceConfig
from inference_service.models.measured import estimate_transcription
from inference_service.models.models import LoadedModel, Models
from inference_service.speech.beam import choose_decoder
from inference_service.speech.clips import ClipStream
from inference_service.speech.decode import ReadFrames
from inference_service.speech.transcription import Transcribers
from inference_service.triton.repository import export_model
from thanosql.convert import from_message, to_message
from thanosql.errors import DataError, InvalidOption
from thanosql.modelstore import version_folder
from thanosql.rpc.identity import current_identity
from thanosql.types import ClipFailure, EstimateRequest, TranscribeClip, TranscribeStart, TranscriptionEstimate
from thanosql.v1 import inference_pb2, inference_pb2_grpc

Requests = AsyncIterator[inference_pb2.TranscribeRequest]


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Takes streams of clips.

    Args:
        config: Bounds.
        models: What transcribes, in each workspace.
        readers: Threads that read and decode audio, `config.decode_threads` of them.
        transcribers: Keep the account of what waits for each model.
    """

    def __init__(self, config: InferenceConfig, models: Models, readers: Executor, transcribers: Transcribers) -> None:
        self._config, self._all_models, self._readers, self._transcribers = config, models, readers, transcribers

    @property
    def _models(self) -> Models:
        """Those of the caller's workspace."""
        return self._all_models.of(current_identity().workspace)

    async def Transcribe(  # noqa: N802
        self,
        request_iterator: Requests,
        context: Any,
    ) -> AsyncIterator[inference_pb2.TranscribeResponse]:
        """Answers clips as they are done. The call's deadline is that of its clips."""
        remaining = context.time_remaining()
        deadline = math.inf if remaining is None else time.monotonic() + remaining
        start = await _read_start(request_iterator)
        models = self._models
        async with models.use(start.model, start.version) as model:
            decoder = await self._choose_decoder(model, start)
            stream = ClipStream(
                model,
                self._transcribers.admissions(model)[start.priority],
                start,
                readers=self._readers,
                reader_count=self._config.decode_threads,
                workspace=models.root,
                max_seconds=self._config.max_audio_seconds,
                read=decoder,
                deadline=deadline,
            )
            async for answer in stream.transcribe(_read_clips(request_iterator)):
                if isinstance(answer, ClipFailure):
                    failure = to_message(answer, inference_pb2.ClipFailure)
                    yield inference_pb2.TranscribeResponse(failure=failure)
                else:
                    transcript = to_message(answer, inference_pb2.Transcript)
                    yield inference_pb2.TranscribeResponse(transcript=transcript)

    async def _choose_decoder(self, model: LoadedModel, start: TranscribeStart) -> ReadFrames | None:
        def choose() -> ReadFrames | None:
            return choose_decoder(model.description, model.language, start.hotwords, start.hotword_weight)

        # A thousand hotwords take a moment.
        return await asyncio.get_running_loop().run_in_executor(self._readers, choose) if start.hotwords else choose()

    async def GetStatistics(  # noqa: N802
        self,
        request: inference_pb2.GetStatisticsRequest,
        context: Any,  # noqa: ARG002
    ) -> inference_pb2.Statistics:
        """What the loaded models have done."""
        figures = await asyncio.to_thread(self._models.reports.statistics, request.model, request.version)
        return inference_pb2.Statistics(models=[to_message(each, inference_pb2.ModelStatistics) for each in figures])

    async def Estimate(  # noqa: N802
        self,
        request: inference_pb2.EstimateRequest,
        context: Any,  # noqa: ARG002
    ) -> inference_pb2.TranscriptionEstimate:
        """What some recordings will take."""
        asked = from_message(request, EstimateRequest)

        def estimate() -> TranscriptionEstimate:
            measured = self._models.reports.measured(asked.model, asked.version)
            return estimate_transcription(asked, measured, self._config)

        return to_message(await asyncio.to_thread(estimate), inference_pb2.TranscriptionEstimate)

    async def ExportModel(  # noqa: N802
        self,
        request: inference_pb2.ExportModelRequest,
        context: Any,  # noqa: ARG002
    ) -> inference_pb2.ExportedModel:
        """Writes a model repository for Triton, of a model that was found to load here."""
        models = self._models
        async with models.use(request.model, request.version) as model:
            exported = await asyncio.to_thread(
                export_model,
                version_folder(models.store, model.description.name, model.description.version),
                model.description,
                model.plan,
                workspace=models.root,
                path=request.path,
                max_audio_seconds=self._config.max_audio_seconds,
            )
        return to_message(exported, inference_pb2.ExportedModel)


async def _read_start(requests: Requests) -> TranscribeStart:
    async for request in requests:
        if request.HasField("start"):
            start = from_message(request.start, TranscribeStart)
            if start.batch_size < 0:
                raise InvalidOption(f"batch_size is {start.batch_size}", hint="Give the most rows of a batch, or 0.")
            return start
        break
    raise DataError("a stream of clips begins with `start`, which names the model and its version")


async def _read_clips(requests: Requests) -> AsyncIterator[TranscribeClip]:
    async for request in requests:
        if not request.HasField("clip"):
            raise DataError("after `start`, a stream of clips holds nothing but clips")
        yield from_message(request.clip, TranscribeClip)
