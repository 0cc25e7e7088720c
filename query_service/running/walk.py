"""What carries out a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from query_service.running.work import Steps, Work

StepRunner = Callable[[Any, Work], Steps]
"""Carries out a step of one kind."""
