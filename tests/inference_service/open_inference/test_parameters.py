"""The version and the parameters of a request of the Open Inference Protocol."""

from __future__ import annotations

import math

import pytest

from inference_service.open_inference.parameters import Schedule, read_schedule, read_version
from thanosql.errors import InvalidRequest
from thanosql.types import Priority

WRONG_PARAMETERS = (
    ({"prioritty": 1}, "there is no parameter 'prioritty'"),
    ({"priority": -1}, "the parameter 'priority' is -1"),
    ({"priority": "1"}, "the parameter 'priority' is '1'"),
    ({"priority": True}, "the parameter 'priority' is True"),
    ({"timeout": 0.5}, "the parameter 'timeout' is 0.5"),
    ({"timeout": None}, "the parameter 'timeout' is None"),
    ({"priority": 1, "timeout": -5}, "the parameter 'timeout' is -5"),
)


def test_a_request_without_parameters_is_interactive_and_has_all_the_time() -> None:
    assert read_schedule({}) == Schedule(Priority.INTERACTIVE, math.inf)


@pytest.mark.parametrize(("level", "priority"), [(0, "interactive"), (1, "interactive"), (2, "bulk"), (9, "bulk")])
def test_the_highest_priority_is_1_and_the_default(level: int, priority: str) -> None:
    assert read_schedule({"priority": level}).priority == priority


def test_a_timeout_is_in_microseconds_and_0_is_none() -> None:
    assert read_schedule({"timeout": 2_500_000}).timeout == 2.5
    assert read_schedule({"timeout": 0}).timeout == math.inf


def test_what_perf_analyzer_adds_changes_nothing() -> None:
    assert read_schedule({"triton_enable_empty_final_response": True}) == Schedule()


@pytest.mark.parametrize(("parameters", "message"), WRONG_PARAMETERS)
def test_a_parameter_that_makes_no_sense_is_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read_schedule(parameters)


def test_no_version_is_the_newest() -> None:
    assert (read_version(""), read_version("3"), read_version("0012")) == (0, 3, 12)


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "x", " 1", "²", "99999999999", "9" * 5000])
def test_a_version_is_a_number_from_1(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is no version of a model"):
        read_version(text)
