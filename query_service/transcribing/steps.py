"""The steps that transcribe, carried out."""

from __future__ import annotations

from typing import Any

from query_service.planning import steps as p
from query_service.running.walk import StepRunner
from query_service.transcribing.evaluate import score
from query_service.transcribing.predict import transcribe

STEPS: dict[type[Any], StepRunner] = {
    p.Transcribe: transcribe,
    p.Evaluate: score,
}
"""By the step."""
