"""Carries out steps one after the other, whatever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from query_service.monitoring.watching import name_step
from query_service.planning import steps as p
from query_service.running.work import Outcome, Steps, Work
from thanosql.rpc.spans import span

StepRunner = Callable[[Any, Work], Steps]
"""Carries out a step of one kind."""


def walk(steps: Sequence[p.Step], work: Work) -> Steps:
    """Yields what happens in each step; returns what the last leaves."""
    outcome = Outcome()
    for step in steps:
        if isinstance(step, p.Transcribe | p.Evaluate | p.WriteRepository) and outcome.version:  # just made ready
            step = replace(step, version=outcome.version)
        with span(name_step(step)) as told:
            outcome = yield from work.runners[type(step)](step, work)
            told.set("thanosql.rows", outcome.rows)
    return outcome
