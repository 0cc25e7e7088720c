"""Translates between the Open Inference Protocol and the transcribers of the models."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version as installed_version
from typing import Any

from inference_service.config import InferenceConfig
from inference_service.models.held_models import Held, HeldModels
from inference_service.models.models import LoadedModel, Models
from inference_service.models.versions import say_what_exists
from inference_service.monitoring.figures import Outcome, RequestReport
from inference_service.open_inference.messages import (
    MOST_TENSOR_BYTES,
    read_input,
    read_outputs,
    read_parameters,
    write_answer,
    write_config,
    write_metadata,
    write_statistics,
)
from inference_service.open_inference.parameters import Schedule, read_schedule, read_version
from inference_service.open_inference.tensors import (
    LOG_PROBS,
    WAVEFORM,
    WORDS,
    Tensor,
    list_outputs,
    read_audio_file,
    read_waveform,
)
from inference_service.speech.transcription import Transcribed, Transcriber, Transcribers
from thanosql.errors import DataError, InvalidRequest, TimedOut, UnknownModel
from thanosql.oip import grpc_service_pb2 as oip
from thanosql.oip.grpc_service_pb2_grpc import GRPCInferenceServiceServicer
from thanosql.rpc.identity import current_identity

NAME = "thanosql"
EXTENSIONS = ("model_configuration", "schedule_policy", "statistics")
"""Of Triton's list; `schedule_policy` stands for the parameters `priority` and `timeout`."""

_DEFAULT_SCHEDULE = Schedule()


class _Served:
    """What calls need of a model, made once for as long as it is held."""

    def __init__(self, model: LoadedModel, transcriber: Transcriber, max_seconds: float) -> None:
        self.model, self._transcriber = model, transcriber
        description = model.description
        self.name, self.version = description.name, str(description.version)
        self.kinds = {kind.name: kind for kind in list_outputs(len(description.vocabulary))}
        self.longest_waveform = min(max_seconds, MOST_TENSOR_BYTES / 4 / description.sample_rate)
        """In seconds. A file may be longer, since it is compressed."""

    def read(self, tensor: Tensor) -> Callable[..., Awaitable[Transcribed]]:
        """What transcribes an input."""
        if tensor.name == WAVEFORM.name:
            rate = self.model.description.sample_rate
            samples = read_waveform(tensor, sample_rate=rate, max_seconds=self.longest_waveform)
            return partial(self._transcriber.transcribe_samples, samples)
        return partial(self._transcriber.transcribe_audio, read_audio_file(tensor))


class OpenInferenceServicer(GRPCInferenceServiceServicer):
    """Answers any client of the protocol (KServe V2): tritonclient, perf_analyzer, a query_service elsewhere.

    Args:
        config: The bounds.
        models: What transcribes, in each workspace.
        transcribers: Their transcribers, shared with the streams of the own API.
        is_ready: Whether new requests are wanted: the service is not about to stop.
        clock: The batchers'.
    """

    def __init__(
        self,
        config: InferenceConfig,
        models: Models,
        transcribers: Transcribers,
        *,
        is_ready: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._all_models, self._is_ready, self._clock = config, models, is_ready, clock
        self._transcribers = transcribers
        self._held_of: dict[str, HeldModels[_Served]] = {}
        """By workspace."""

    @property
    def _models(self) -> Models:
        """Those of the caller's workspace, which is the first one where it names none."""
        return self._all_models.of(current_identity().workspace)

    @property
    def _held(self) -> HeldModels[_Served]:
        """Likewise."""
        workspace = current_identity().workspace
        held = self._held_of.get(workspace)
        if held is None:
            held = self._held_of[workspace] = HeldModels(self._models, self._serve)
        return held

    def _serve(self, model: LoadedModel) -> _Served:
        return _Served(model, self._transcribers.of(model), self._config.max_audio_seconds)

    async def ServerLive(self, request: oip.ServerLiveRequest, context: Any) -> oip.ServerLiveResponse:  # noqa: ARG002, N802
        """True, for whoever gets an answer."""
        return oip.ServerLiveResponse(live=True)

    async def ServerReady(self, request: oip.ServerReadyRequest, context: Any) -> oip.ServerReadyResponse:  # noqa: ARG002, N802
        """Whether new requests are wanted."""
        return oip.ServerReadyResponse(ready=self._is_ready())

    async def ModelReady(self, request: oip.ModelReadyRequest, context: Any) -> oip.ModelReadyResponse:  # noqa: ARG002, N802
        """Whether the model can be served, which is found out by loading it."""
        try:
            async with self._use(request.name, request.version):
                return oip.ModelReadyResponse(ready=True)
        except (UnknownModel, DataError):
            return oip.ModelReadyResponse(ready=False)

    async def ServerMetadata(  # noqa: N802
        self,
        request: oip.ServerMetadataRequest,  # noqa: ARG002
        context: Any,  # noqa: ARG002
    ) -> oip.ServerMetadataResponse:
        """Which program this is, and what it knows beyond the core of the protocol."""
        release = installed_version("thanosql-speech")
        return oip.ServerMetadataResponse(name=NAME, version=release, extensions=EXTENSIONS)

    async def ModelMetadata(self, request: oip.ModelMetadataRequest, context: Any) -> oip.ModelMetadataResponse:  # noqa: ARG002, N802
        """The tensors of a model."""
        async with self._use(request.name, request.version) as served:
            return write_metadata(served.model.description)

    async def ModelConfig(self, request: oip.ModelConfigRequest, context: Any) -> oip.ModelConfigResponse:  # noqa: ARG002, N802
        """The tensors of a model as Triton's configuration has them, and what a caller has to know to fill them in."""
        async with self._use(request.name, request.version) as served:
            engine, longest = served.model.plan.engine, served.longest_waveform
            return write_config(served.model.description, engine=engine, longest_waveform=longest)

    async def ModelInfer(self, request: oip.ModelInferRequest, context: Any) -> oip.ModelInferResponse:  # noqa: N802
        """Transcribes one recording."""
        arrival = self._clock()
        schedule = read_schedule(read_parameters(request)) if request.parameters else _DEFAULT_SCHEDULE
        remaining = context.time_remaining()
        deadline = arrival + (schedule.timeout if remaining is None else min(schedule.timeout, remaining))
        held = self._held.take(request.model_name, read_version(request.model_version))
        try:
            served = held.model.result() if held.model.done() else await self._wait(held, request.model_name, deadline)
            try:
                outputs, transcribe = read_outputs(request), served.read(read_input(request))
            except InvalidRequest:
                seconds = self._clock() - arrival
                report = RequestReport(Outcome.FAILED, schedule.priority, seconds, "invalid request")
                served.model.figures.record_request(report)
                raise
            answer = await transcribe(
                priority=schedule.priority, deadline=deadline, words=WORDS in outputs, log_probs=LOG_PROBS in outputs
            )
        finally:
            held.leave()
        response = oip.ModelInferResponse(model_name=served.name, model_version=served.version, id=request.id)
        write_answer(response, outputs, answer, served.kinds)
        return response

    async def ModelStatistics(  # noqa: N802
        self,
        request: oip.ModelStatisticsRequest,
        context: Any,  # noqa: ARG002
    ) -> oip.ModelStatisticsResponse:
        """What the models have done since the service started."""
        reports = self._models.reports
        found = reports.statistics(request.name, read_version(request.version))
        if request.name and not found:
            raise UnknownModel(
                f"model {request.name!r} has not been loaded yet, or not in that version",
                hint="ModelReady and ModelInfer load a model.",
            )
        return oip.ModelStatisticsResponse(
            model_stats=[write_statistics(each, reports.figures(each.model, each.version)) for each in found]
        )

    async def _wait(self, held: Held[_Served], name: str, deadline: float) -> _Served:
        """The model, once it is loaded; a caller who goes, or whose time is over, leaves the others waiting for it."""
        try:
            async with asyncio.timeout(None if deadline == math.inf else max(0.0, deadline - self._clock())):
                return await asyncio.shield(held.model)
        except TimeoutError:
            raise TimedOut("the model was not loaded by the deadline") from None
        except UnknownModel as error:
            hint = await asyncio.to_thread(say_what_exists, self._models.store, name)
            raise UnknownModel(error.message, hint=hint) from error

    @asynccontextmanager
    async def _use(self, name: str, version: str) -> AsyncIterator[_Served]:
        """The model, for a call that asks about it."""
        held = self._held.take(name, read_version(version))
        try:
            yield await self._wait(held, name, math.inf)
        finally:
            held.leave()
