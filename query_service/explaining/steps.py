"""The step that explains, carried out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from query_service.planning import steps as p
from query_service.planning.explain import explain
from query_service.running.arrow import make_rows
from query_service.running.walk import StepRunner
from query_service.running.work import Outcome, Steps, Work


def _explain_plan(step: p.ExplainPlan, work: Work) -> Steps:  # noqa: ARG001
    lines = explain(step.plan).splitlines()
    yield make_rows({"plan": pa.string()}, [(line,) for line in lines])
    return Outcome(len(lines))


STEPS: dict[type[Any], StepRunner] = {
    p.ExplainPlan: _explain_plan,
}
