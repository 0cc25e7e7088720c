"""One statement is found by its ids in the logs of the four services."""

from __future__ import annotations

from typing import Any

import pytest

from tests.telemetry.conftest import Observed


@pytest.fixture(scope="module")
def lines(observed: Observed) -> dict[str, list[dict[str, Any]]]:
    return {name: service.lines() for name, service in observed.running.services.items()}


def find_ids(observed: Observed, statement: str) -> tuple[str, str]:
    """Query id and trace id of a statement."""
    span = observed.collector.wait_for(lambda each: each.name == statement)
    return str(span.attributes["thanosql.query_id"]), span.trace


@pytest.mark.parametrize(
    ("statement", "services"),
    [("BUILD MODEL", {"query", "catalog", "trainer"}), ("PREDICT", {"query", "catalog", "inference"})],
)
def test_every_service_names_query_and_trace_in_what_it_logs_for_a_statement(
    statement: str, services: set[str], observed: Observed, lines: dict[str, list[dict[str, Any]]]
) -> None:
    query_id, trace_id = find_ids(observed, statement)
    told = {name: [each for each in log if each.get("trace_id") == trace_id] for name, log in lines.items()}
    assert {name for name, log in told.items() if log} == services
    for log in told.values():
        for line in log:
            assert line["request_id"] == query_id
            assert len(line["span_id"]) == 16
            # The call that brings a query is there before the query is.
            is_of_query = line["service"] != "query"
            assert line.get("query_id") == query_id or not is_of_query


def test_the_log_of_the_trainer_has_what_the_process_of_a_job_logs_under_the_jobs_ids(
    observed: Observed, lines: dict[str, list[dict[str, Any]]]
) -> None:
    query_id, trace_id = find_ids(observed, "BUILD MODEL")
    of_job = [each for each in lines["trainer"] if each.get("query_id") == query_id]
    from_child = [each for each in of_job if each["message"].startswith("process ")]
    epochs = [each for each in from_child if ": epoch " in each["message"]]
    assert len(epochs) == 2
    for line in from_child:
        assert (line["query_id"], line["trace_id"], line["level"]) == (query_id, trace_id, "INFO")


def test_every_line_of_every_log_is_one_object_with_its_service(lines: dict[str, list[dict[str, Any]]]) -> None:
    for name, log in lines.items():
        assert {each["service"] for each in log} == {name}
        assert all(each["request_id"] for each in log)
