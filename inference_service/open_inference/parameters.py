"""Reads the version and the parameters of a request of the Open Inference Protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from thanosql.errors import InvalidRequest
from thanosql.types import Priority

PRIORITY, TIMEOUT = "priority", "timeout"
OF_STREAMS = "triton_enable_empty_final_response"
"""perf_analyzer sends it with every request; it means something for streams of responses only."""

LEVELS = 2
"""Of priority: 1 is the highest, as in Triton, and interactive; what is lower is bulk."""
DEFAULT_LEVEL = 1

_LARGEST_VERSION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a request is computed."""

    priority: Priority = Priority.INTERACTIVE
    timeout: float = math.inf
    """Seconds after its arrival by which it has to be answered."""


def read_schedule(parameters: Mapping[str, object]) -> Schedule:
    """Triton's extension `schedule_policy`.

    Args:
        parameters: `priority`, from 1, the highest; 0 is the default. `timeout` in microseconds; 0: none.

    Raises:
        InvalidRequest: another parameter, or a value that makes no sense.
    """
    if not parameters:
        return Schedule()
    for name in parameters:
        if name not in (PRIORITY, TIMEOUT, OF_STREAMS):
            raise InvalidRequest(
                f"there is no parameter {name!r}", hint="The parameters are 'priority' and 'timeout' (microseconds)."
            )
    level = _read_count(parameters, PRIORITY) or DEFAULT_LEVEL
    microseconds = _read_count(parameters, TIMEOUT)
    return Schedule(
        priority=Priority.INTERACTIVE if level < LEVELS else Priority.BULK,
        timeout=microseconds / 1e6 if microseconds else math.inf,
    )


def read_version(text: str) -> int:
    """A model's version; 0, the newest that can be served, where none is given.

    Raises:
        InvalidRequest: it is not a number from 1.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:11]) <= _LARGEST_VERSION):
        shown = text if len(text) <= 40 else text[:40] + "…"
        raise InvalidRequest(
            f"{shown!r} is no version of a model",
            hint="A version is a number from 1; without one, the newest version is served.",
        )
    return int(text)


def _read_count(parameters: Mapping[str, object], name: str) -> int:
    value = parameters.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidRequest(
            f"the parameter {name!r} is {value!r}, and has to be a whole number from 0",
            hint="Send it as uint64_param or int64_param.",
        )
    return value
