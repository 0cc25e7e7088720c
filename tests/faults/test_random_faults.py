"""Services are killed, stopped and cut off at random points of statements: nothing is lost, doubled or half done.

`THANOSQL_TEST_SEED=7 THANOSQL_TEST_ROUNDS=100 pytest -s -m slow tests/faults/test_random_faults.py` makes a hundred
rounds over files and a hundred over PostgreSQL, and prints each. A round that fails is had again by its seed, though
never at quite the same moment.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from tests.faults.rounds import Draw, Report, draw_round, measure_table, run_round
from tests.faults.trials import Bench, make_trials

SEED = int(os.environ.get("THANOSQL_TEST_SEED") or time.time_ns() % 1_000_000)
ROUNDS = int(os.environ.get("THANOSQL_TEST_ROUNDS", "100"))

SAMPLE = (
    ("CREATE TABLE AS", Draw(3, "catalog", "kill", 0.5, 0.0)),
    ("COPY, append", Draw(2, "query", "kill", 0.5, 0.0)),
    ("INSERT", Draw(4, "catalog", "cut", 0.5, 0.5)),
    ("PREDICT", Draw(8, "inference", "kill", 0.5, 0.0)),
    ("UPDATE", Draw(5, "catalog", "freeze", 0.5, 0.5)),
)


def test_each_kind_of_fault_leaves_all_or_nothing(bench: Bench) -> None:
    trials = make_trials(bench.numbers)
    reports = []
    for name, draw in SAMPLE:
        assert trials[draw.trial].name == name
        reports.append(run_round(bench, trials[draw.trial], draw))
        print(reports[-1])
    _expect_no_problem(reports)


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
def test_random_faults_leave_all_or_nothing(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    chooser = random.Random(SEED)
    trials = make_trials(bench.numbers)
    reports = []
    for number in range(ROUNDS):
        draw = draw_round(chooser, trials)
        reports.append(run_round(bench, trials[draw.trial], draw))
        with capfd.disabled():
            print(f"\n[seed {SEED}, round {number + 1}] {reports[-1]}", end="", flush=True)
    with capfd.disabled():
        print("\n" + "\n".join(measure_table(reports)))
    _expect_no_problem(reports)


def _expect_no_problem(reports: list[Report]) -> None:
    wrong = [f"round {number}: {report}" for number, report in enumerate(reports, 1) if report.problems]
    assert not wrong, f"seed {SEED}\n" + "\n".join(wrong)
