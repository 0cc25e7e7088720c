"""One round: a statement runs, something happens to a service, it is mended, and everything is looked at."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.faults.installation import Service
from tests.faults.leftovers import find_leftovers
from tests.faults.trials import Bench, PredictTrial, Trial
from thanosql import Result
from thanosql.errors import InternalError, ThanoSQLError

ENDS_WITHIN = 240.0
"""Seconds after which a statement counts as hanging; only a fault of ours takes so long."""
FAULTS = ("kill", "kill", "kill", "stop", "stop and kill", "terminate", "cut", "freeze")
"""What happens to a service; to be killed, three times as often."""
LONGEST_PAUSE = 4.0
"""Seconds for which a service is stopped, or cannot be reached, at most."""


@dataclass(frozen=True)
class Draw:
    """What happens in a round."""

    trial: int
    """Number of the statement."""
    victim: str
    fault: str
    fraction: float
    """When, as a part of the time that the statement takes."""
    pause: float
    """Seconds for which a service that is not killed at once is away."""


@dataclass
class Report:
    """What was seen in a round."""

    statement: str
    draw: Draw
    outcome: str = ""
    problems: list[str] = field(default_factory=list)
    healthy_after: float | None = None
    """Seconds from the command to start the service to its health; None: it was not started anew."""
    good_after: float | None = None
    """Seconds from that command to the first statement that needs the service, and goes well."""
    whole: float = 0.0
    """Seconds from the fault until the statement had done its work, maybe by running it again."""

    def __str__(self) -> str:
        draw = self.draw
        healthy = "" if self.healthy_after is None else f", healthy after {self.healthy_after:.1f} s"
        good = "" if self.good_after is None else f", first statement after {self.good_after:.1f} s"
        what = f"{self.statement}: {draw.fault} {draw.victim} at {draw.fraction:.2f} ({draw.pause:.1f} s)"
        problems = "".join(f"\n    PROBLEM: {problem}" for problem in self.problems)
        return f"{what}{healthy}{good}, done after {self.whole:.1f} s: {self.outcome}{problems}"


def draw_round(chooser: random.Random, trials: Sequence[Trial]) -> Draw:
    """The next round."""
    number = chooser.randrange(len(trials))
    victim = chooser.choice(trials[number].concerned)
    fault = "kill" if victim == "child" else chooser.choice(FAULTS)
    return Draw(number, victim, fault, chooser.uniform(0.0, 1.1), chooser.uniform(0.2, LONGEST_PAUSE))


def run_round(bench: Bench, trial: Trial, draw: Draw) -> Report:
    """Runs one round; what is wrong stands in the report."""
    report = Report(trial.name, draw)
    trial.prepare(bench)
    running = Running(bench, trial.text)
    time.sleep(draw.fraction * trial.seconds)
    struck = time.monotonic()
    _strike(bench, draw, report)
    if not running.wait():
        report.problems.append(f"the statement hangs: {running.last_seen}")
        return report
    judge(bench, trial, running, report)
    report.whole = time.monotonic() - struck
    report.problems += [f"left over: {each}" for each in find_leftovers(bench)]
    report.problems += [f"LIST JOBS shows {row}" for row in _unfinished(bench)]
    return report


class Running:
    """A statement that runs in a thread of its own, as a user's."""

    def __init__(self, bench: Bench, text: str) -> None:
        self._session, self._text = bench.session, text
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.last_seen: object = None
        self.began = time.monotonic()
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self) -> bool:
        """Whether it has ended."""
        self._thread.join(ENDS_WITHIN)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._session.sql(self._text, progress=False, on_event=self._see)
        except BaseException as error:
            self.error = error
        self.seconds = time.monotonic() - self.began

    def _see(self, event: object) -> None:
        self.last_seen = event


def _strike(bench: Bench, draw: Draw, report: Report) -> None:
    """Does what the round is about, and mends it as a supervisor would."""
    if draw.victim == "child":
        _kill_child(bench.installation.services["trainer"])
        return
    service, proxy = bench.installation.services[draw.victim], bench.installation.proxies[draw.victim]
    if draw.fault == "cut":
        proxy.cut(draw.pause)
        time.sleep(draw.pause)
    elif draw.fault == "freeze":
        proxy.freeze(draw.pause)
    elif draw.fault == "stop":
        service.send(signal.SIGSTOP)
        time.sleep(draw.pause)
        service.send(signal.SIGCONT)
    else:
        if draw.fault == "stop and kill":
            service.send(signal.SIGSTOP)
            time.sleep(draw.pause)
        if draw.fault == "terminate":
            service.terminate()
        else:
            service.kill()
        began = time.monotonic()
        service.start()
        service.wait_until_healthy()
        report.healthy_after = time.monotonic() - began
        _wait_until_good(bench, draw.victim)
        report.good_after = time.monotonic() - began


def _kill_child(trainer: Service) -> None:
    """Kills the process that trains, where there is one."""
    with suppress(psutil.Error):
        for child in psutil.Process(trainer.pid).children():
            os.kill(child.pid, signal.SIGKILL)


PROBES = {
    "catalog": "SELECT count(*) AS n FROM clips",
    "query": "SELECT count(*) AS n FROM clips",
    "trainer": "LIST BASE MODELS",
    "inference": "PREDICT USING hearer OPTIONS (audio_col='audio_path', cache=False) AS "
    "SELECT 'learn/0001.wav' AS audio_path",
}
"""The first statement that needs the service."""


def _wait_until_good(bench: Bench, victim: str) -> None:
    deadline = time.monotonic() + ENDS_WITHIN
    while True:
        try:
            bench.run(PROBES[victim])
            return
        except ThanoSQLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def judge(bench: Bench, trial: Trial, running: Running, report: Report) -> None:
    """Looks at how the statement ended, and runs it again where it is not done."""
    _wait_for_trainings(bench, report)
    there = trial.look(bench)
    if running.result is not None:
        trial.seconds = 0.7 * trial.seconds + 0.3 * min(running.seconds, 2 * trial.seconds)
        report.outcome = "ended well"
        report.problems += trial.judge(bench, running.result)
        if there != trial.after:
            report.problems.append(f"it ended well, and there is {there}, not {trial.after}")
        return
    error = running.error
    report.outcome = " | ".join(f"{type(error).__name__}: {error}".splitlines())
    if not isinstance(error, ThanoSQLError) or isinstance(error, InternalError):
        report.problems.append(f"the error tells nothing: {error!r}")
    elif not error.hint:
        report.problems.append("the error does not say what to do")
    if there not in (trial.before, trial.after):
        report.problems.append(f"half done: there is {there}, neither {trial.before} nor {trial.after}")
        return
    says_unchanged = "othing was changed" in str(error) or "othing has changed" in str(error)
    if says_unchanged and there == trial.after != trial.before:
        report.problems.append("the error says that nothing was changed, and it was")
    if there == trial.before:
        _run_again(bench, trial, report)
    else:
        report.outcome += " (it is done)"


def _run_again(bench: Bench, trial: Trial, report: Report) -> None:
    """What was not done is done by the same statement; what was heard is not heard again."""
    is_predict = isinstance(trial, PredictTrial)
    kept = bench.count_kept() if is_predict else 0
    heard = bench.count_heard() if is_predict else 0
    running = Running(bench, trial.text)
    if not running.wait():
        report.problems.append("run again, the statement hangs")
        return
    if running.result is None:
        report.problems.append(f"run again, it fails: {running.error!r}")
        return
    report.problems += [f"run again: {problem}" for problem in trial.judge(bench, running.result)]
    if trial.look(bench) != trial.after:
        report.problems.append(f"run again, there is {trial.look(bench)}, not {trial.after}")
    if is_predict:
        again = bench.count_heard() - heard
        report.outcome += f" ({kept} were kept, {again} were heard in the second run)"
        if again + kept != len(running.result):
            report.problems.append(f"{kept} transcripts were kept, and {again} recordings were heard again")


def _wait_for_trainings(bench: Bench, report: Report) -> None:
    """Lets trainings that go on by themselves end."""
    deadline = time.monotonic() + ENDS_WITHIN
    while any(not job.state.ended for job in bench.catalog.list_jobs()):
        if time.monotonic() > deadline:
            report.problems.append("a training does not end")
            return
        time.sleep(0.1)


def _unfinished(bench: Bench) -> list[object]:
    """What LIST JOBS says is under way, when nothing is."""
    deadline = time.monotonic() + 10
    while rows := [
        row for row in bench.run("LIST JOBS").to_arrow().to_pylist() if row["state"] in ("running", "queued")
    ]:
        if time.monotonic() > deadline:
            return [{name: row[name] for name in ("id", "kind", "state", "progress", "statement")} for row in rows]
        time.sleep(0.2)
    return []


def measure_table(reports: Sequence[Report]) -> list[str]:
    """What recovery took, as the lines of a table."""
    lines = [
        "| service | what happened | times | healthy after (median s; most) | first statement after | all done after |",
        "|---|---|---|---|---|---|",
    ]
    kinds = sorted({(report.draw.victim, report.draw.fault) for report in reports})
    for victim, fault in kinds:
        those = [each for each in reports if (each.draw.victim, each.draw.fault) == (victim, fault)]
        cells = [_spread(those, read) for read in (_healthy, _good, _whole)]
        lines.append(f"| {victim} | {fault} | {len(those)} | {' | '.join(cells)} |")
    return lines


def _healthy(report: Report) -> float | None:
    return report.healthy_after


def _good(report: Report) -> float | None:
    return report.good_after


def _whole(report: Report) -> float | None:
    return report.whole


def _spread(reports: Sequence[Report], read: Callable[[Report], float | None]) -> str:
    values = sorted(value for report in reports if (value := read(report)) is not None)
    return f"{values[len(values) // 2]:.1f}, {values[-1]:.1f}" if values else "–"
