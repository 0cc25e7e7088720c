"""What is known of how fast a version of a model is on this machine, and what it says of a number of recordings."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inference_service.config import InferenceConfig
from inference_service.monitoring.figures import Figures
from inference_service.planning.calibration import Calibration, expect_cost
from inference_service.planning.estimate import Cost, add_beam_search, estimate_effort
from inference_service.planning.plan import make_limits, waiting_seconds
from thanosql.audio import MINIMUM_SECONDS
from thanosql.errors import InvalidOption
from thanosql.types import EstimateRequest, ServingPlan, TranscriptionEstimate

LEAST_BATCHES = 20
"""Batches from which on they say more of the cost than its calibration."""
MOST_CORRECTION = 1.5
"""Times, up or down: beyond it something else was wrong with them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of how fast a version is."""

    figures: Figures
    """What it has done since the service started."""
    plan: ServingPlan | None
    """None: it is not in memory, and was never measured here."""
    calibration: Calibration | None
    """None: not measured."""
    is_loaded: bool
    has_language_model: bool


def estimate_transcription(
    request: EstimateRequest, measured: Measured, config: InferenceConfig
) -> TranscriptionEstimate:
    """What some recordings will take, those left out that would be refused for their length.

    Raises:
        InvalidOption: the request makes no sense.
    """
    if request.batch_size < 0 or not all(math.isfinite(each) for each in request.seconds):
        raise InvalidOption("a length is not a number of seconds, or batch_size is negative", hint="Mend the request.")
    lengths = [each for each in request.seconds if MINIMUM_SECONDS <= each <= config.max_audio_seconds]
    share = (request.recordings or len(request.seconds)) / max(1, len(request.seconds))
    plan, (cost, reason) = measured.plan, _find_cost(measured)
    longest = config.max_audio_seconds
    if plan is None or cost is None:
        return TranscriptionEstimate(is_loaded=measured.is_loaded, plan=plan, longest_seconds=longest, reason=reason)
    recordings = round(len(lengths) * share)
    effort = estimate_effort(
        lengths,
        recordings,
        cost=cost,
        limits=make_limits(plan),
        workers=plan.workers,
        waiting_seconds=(config.queue_seconds or waiting_seconds(plan)) + plan.concurrent_seconds,
        batch_rows=request.batch_size,
    )
    if measured.has_language_model or request.hotwords:
        cores = plan.workers * plan.threads
        effort = add_beam_search(effort, sum(lengths) * share, cores=cores, shares_cores=plan.device == "cpu")
    return TranscriptionEstimate(
        is_known=True,
        batches=effort.batches,
        compute_seconds=effort.compute_seconds,
        elapsed_seconds=effort.elapsed_seconds,
        measured_on=measured.calibration.measured_on if measured.calibration else "",
        is_loaded=measured.is_loaded,
        plan=plan,
        longest_seconds=longest,
        reason=reason,
    )


def _find_cost(measured: Measured) -> tuple[Cost | None, str]:
    """What a batch costs, and how that is known; or why it is not."""
    calibration, figures = measured.calibration, measured.figures
    if calibration is not None:
        factor = _correct(calibration, figures)
        reason = "calibrated on this machine" + (f" on {calibration.measured_on}" if calibration.measured_on else "")
        if factor != 1.0:
            reason += f", and corrected by the {figures.batches} batches that were computed since the service started"
        return lambda rows, seconds: factor * expect_cost(calibration, rows, seconds), reason
    if figures.compute_seconds > 0:
        each = figures.compute_seconds / figures.padded_seconds
        reason = f"not calibrated; from the {figures.batches} batches that were computed since the service started"
        return lambda rows, seconds: each * rows * seconds, reason
    return None, "the model has never been measured on this machine; it is when it is first loaded"


def _correct(calibration: Calibration, figures: Figures) -> float:
    """How many times as long as calibrated batches took so far; 1 where too few were computed.

    A calibration is some seconds of measuring, and what runs beside it makes it wrong. The batches are taken for as
    many of the mean size: the cost is nearly a straight line.
    """
    if figures.batches < LEAST_BATCHES:
        return 1.0
    rows, padded = figures.rows / figures.batches, figures.padded_seconds / figures.batches
    expected = figures.batches * expect_cost(calibration, max(1, round(rows)), padded / max(1, round(rows)))
    return min(max(figures.compute_seconds / expected, 1 / MOST_CORRECTION), MOST_CORRECTION)
