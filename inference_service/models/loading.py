"""Makes a version of a model ready to serve: opens its engine, measures or recalls what batches cost, warms it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from inference_service.config import InferenceConfig
from inference_service.engines.engine import ENGINES, Engine, EngineChoice, candidates, open_engine
from inference_service.engines.hearing import choose_engine
from inference_service.models.memory import ESTIMATE, Footprint, count_graph_bytes, resident_bytes
from inference_service.planning.calibration import Calibration, choose
from inference_service.planning.calibration_file import (
    CalibrationFiles,
    Facts,
    describe_graph,
    describe_machine,
    engine_version,
)
from inference_service.planning.exploration import Questions, Shape, explore
from inference_service.planning.plan import ask_about, make_plan
from inference_service.planning.trial import Trial
from thanosql.modelstore import ModelDescription
from thanosql.types import ServingPlan

log = logging.getLogger(__name__)

WARM_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A version that was opened and warmed."""

    engine: Engine
    plan: ServingPlan
    calibration: Calibration | None
    """None: not measured."""
    memory_bytes: int
    """What it takes, as measured, or estimated from its files."""


class Loader:
    """Opens versions of models on one machine.

    Args:
        config: The settings.
        device: "cpu" or "cuda".
        cores: CPU cores.
        clock: Gives seconds.
        is_stopping: Whether nobody waits any more.
    """

    def __init__(
        self,
        config: InferenceConfig,
        *,
        device: str,
        cores: int,
        clock: Callable[[], float],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._config, self._device, self._cores = config, device, cores
        self._clock, self._is_stopping = clock, is_stopping
        self._cache = config.state / "calibration"
        self._files = CalibrationFiles(self._cache)

    def load(self, folder: Path, description: ModelDescription, *, is_alone: bool) -> Ready:
        """Opens the version in `folder`, which takes seconds.

        Args:
            folder: In the model store.
            description: What its `model.json` says.
            is_alone: No other model computes meanwhile, as far as is known. Else, or where other programs take a part
                of the cores, what is measured serves until the next time, and is not kept.

        Raises:
            DataError: its files are damaged.
            Unavailable: the service is stopping.
        """
        choice, reason = self._choose(folder, description)
        facts = self._facts(folder, choice)
        calibration, memory_bytes = _read_result(self._files.recall(folder, facts))
        is_measured = calibration is not None
        before = resident_bytes()
        trial = Trial(
            lambda workers, threads: open_engine(
                folder, description, replace(choice, workers=workers, threads=threads)
            ),
            device=self._device,
            sample_rate=description.sample_rate,
            clock=self._clock,
            is_stopping=self._is_stopping,
        )
        with trial:
            if calibration is None and self._config.calibration_seconds:
                questions = self._ask(choice)
                figures = explore(
                    trial.measure, questions, self._config.calibration_seconds, lambda: trial.spent_seconds
                )
                calibration = choose(figures, questions)
            if calibration is not None and not is_measured:
                calibration = replace(calibration, measured_on=datetime.now(UTC).date().isoformat())
            plan = self._plan(choice, calibration, reason)
            largest = _warm(trial, plan, calibration if is_measured else None)
            engine = trial.take(plan.workers, plan.threads)
        if not memory_bytes and calibration is not None and is_alone:
            graph_bytes = count_graph_bytes(folder)
            footprint = Footprint(graph_bytes, max(0, resident_bytes() - before - graph_bytes), largest)
            memory_bytes = footprint.expect_bytes(plan.concurrent_seconds)
        memory_bytes = memory_bytes or self.estimate_bytes(folder)
        is_sure = is_alone and not trial.was_disturbed
        if calibration is not None and is_sure and not is_measured:
            self._files.keep(folder, facts, {"calibration": asdict(calibration), "memory_bytes": memory_bytes})
        return Ready(engine, plan, calibration, memory_bytes)

    def recall_plan(self, folder: Path) -> tuple[ServingPlan, Calibration] | None:
        """How the version would be served, and what was measured before; None where nothing ever was."""
        try:
            if (known := self._recall_choice(folder)) is None:
                return None
            choice, reason = known
            calibration, _ = _read_result(self._files.recall(folder, self._facts(folder, choice)))
        except FileNotFoundError:  # the version was deleted
            return None
        return None if calibration is None else (self._plan(choice, calibration, reason), calibration)

    def estimate_bytes(self, folder: Path) -> int:
        """What the version will take in memory: as measured before, or by its files."""
        memory_bytes = 0
        if known := self._recall_choice(folder):
            _, memory_bytes = _read_result(self._files.recall(folder, self._facts(folder, known[0])))
        return memory_bytes or round(ESTIMATE * count_graph_bytes(folder))

    def _choose(self, folder: Path, description: ModelDescription) -> tuple[EngineChoice, str]:
        """The engine and precision, and why: by listening, where the settings leave it to us."""
        if known := self._recall_choice(folder):
            return known
        decision = choose_engine(
            folder,
            description,
            device=self._device,
            engine=self._config.engine,
            precision=self._config.precision,
            threads=self._cores,
            budget_seconds=self._config.precision_seconds,
            clock=self._clock,
            cache=self._cache,
        )
        self._files.keep(folder, self._choice_facts(folder), asdict(decision))
        return self._choice(decision.engine, decision.precision), decision.report

    def _recall_choice(self, folder: Path) -> tuple[EngineChoice, str] | None:
        """What was chosen before; or the one thing that is asked for."""
        if self._asked is not None:
            return self._choice(*self._asked), ""
        result = self._files.recall(folder, self._choice_facts(folder)) or {}
        known = [result.get(name) for name in ("engine", "precision", "report")]
        if not all(isinstance(each, str) for each in known):
            return None
        engine, precision, reason = map(str, known)
        return self._choice(engine, precision), reason

    @cached_property
    def _machine(self) -> Facts:
        return describe_machine(self._device, self._cores)

    @cached_property
    def _asked(self) -> tuple[str, str] | None:
        """The engine and precision by the settings alone; None where they leave it to listening."""
        engine, precision = self._config.engine, self._config.precision
        if precision == "auto":
            return None
        if precision == "fp32" and engine != "openvino":
            return "onnxruntime", "fp32"  # the preferred one; OpenVINO is not imported to find out that it is there
        return candidates(self._device, engine, precision)[0]

    def _choice(self, engine: str, precision: str) -> EngineChoice:
        return EngineChoice(self._device, engine, precision, cache=self._cache)

    def _choice_facts(self, folder: Path) -> Facts:
        """What the choice of engine and precision depends on."""
        return {
            **self._machine,
            **describe_graph(folder),
            "asked": f"{self._config.engine} {self._config.precision}",
            "versions": " ".join(f"{engine} {engine_version(engine)}" for engine in ENGINES),
        }

    def _ask(self, choice: EngineChoice) -> Questions:
        return ask_about(self._config, device=self._device, cores=self._cores, max_rows=choice.max_rows)

    def _plan(self, choice: EngineChoice, calibration: Calibration | None, reason: str) -> ServingPlan:
        return make_plan(
            self._config,
            device=self._device,
            cores=self._cores,
            engine=choice.engine,
            precision=choice.precision,
            max_rows=choice.max_rows,
            calibration=calibration,
            reason=reason,
        )

    def _facts(self, folder: Path, choice: EngineChoice) -> Facts:
        """What the calibration depends on: another machine, engine or question, and it is made anew."""
        questions = self._ask(choice)
        return {
            **self._machine,
            **describe_graph(folder),
            "engine": choice.engine,
            "engine_version": engine_version(choice.engine),
            "precision": choice.precision,
            "workers": " ".join(f"{workers}x{threads}" for workers, threads in questions.workers),
            "most_rows": questions.most_rows,
            "concurrent_seconds": self._config.concurrent_seconds,
        }


def _warm(trial: Trial, plan: ServingPlan, known: Calibration | None) -> float:
    """Computes what will be computed, once; gives the most padded seconds that were computed at once."""
    clip = known.clip_seconds if known else WARM_SECONDS
    rows = max(1, min(plan.batch_rows, int(plan.batch_seconds / clip)))
    for number in sorted({1, rows}):
        trial.measure(Shape(plan.workers, plan.threads, number, clip))
    return trial.most_seconds


def _read_result(result: dict[str, Any] | None) -> tuple[Calibration | None, int]:
    """What `CalibrationFiles` kept; nothing where it is not as expected."""
    if result is None:
        return None, 0
    try:
        values = dict(result["calibration"])
        values["curve"] = tuple((float(padded), float(elapsed)) for padded, elapsed in values["curve"])
        return Calibration(**values), int(result["memory_bytes"])
    except (LookupError, TypeError, ValueError) as error:
        log.warning("a kept calibration cannot be read, and is made anew: %s", error)
        return None, 0
