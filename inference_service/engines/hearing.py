"""Chooses a model's engine and precision by listening to its held-out sample with each that can be had."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from inference_service.engines.engine import Engine, EngineChoice, Samples, candidates, open_engine
from inference_service.engines.precision import Decision, Pace, decide, rank
from thanosql.ctc import decode_text
from thanosql.errors import DataError, ThanoSQLError, TimedOut
from thanosql.held_out import SampleClip, read_sample
from thanosql.modelstore import ModelDescription
from thanosql.precision import Judgement, judge

log = logging.getLogger(__name__)

PACE_SECONDS = 12.0
"""Audio that the pace is taken by."""
ROUNDS = 3
"""Of taking the pace, in turn with the reference; the fastest counts: nothing makes a machine faster by chance."""

Pair = tuple[str, str]
"""An engine's name and a precision."""


def choose_engine(
    folder: Path,
    description: ModelDescription,
    *,
    device: str,
    engine: str,
    precision: str,
    threads: int,
    budget_seconds: float,
    clock: Callable[[], float],
    cache: Path | None = None,
) -> Decision:
    """The engine and the precision that serve a version here, with a report in words where a choice was made.

    Args:
        folder: The version's folder in the model store.
        description: What its `model.json` says.
        device: "cpu" or "cuda".
        engine, precision: As the settings have them.
        threads: CPU threads to measure with.
        budget_seconds: For listening, opening engines included; what is not heard by then is not chosen.
        clock: Gives seconds.
        cache: As in `EngineChoice`.

    Raises:
        InvalidOption: what is asked for cannot be had here.
        DataError: the graph is damaged.
    """
    pairs = candidates(device, engine, precision)
    if precision != "auto":
        return Decision(*pairs[0], "")
    reference = next((pair for pair in pairs if pair[1] == "fp32"), pairs[0])
    others = [pair for pair in pairs if pair != reference]
    if not others:
        return Decision(*reference, f"{' in '.join(reference)} is all that there is on {device}")
    try:
        sample = read_sample(folder)
    except DataError as error:
        log.warning("%s", error)
        return Decision(*reference, f"precision fp32: {error.message}")
    if not sample:
        reason = "no held-out sample is stored with this version to tell what another precision would cost"
        return Decision(*reference, f"precision fp32: {reason}")

    def open_pair(name: str, bits: str) -> Engine:
        return open_engine(folder, description, EngineChoice(device, name, bits, threads=threads, cache=cache))

    decision = Hearing(open_pair, sample, description, budget_seconds, clock).decide(reference, others)
    log.info("version %d of model %s: %s", description.version, description.name, decision.report)
    return decision


class Hearing:
    """Takes the pace of engines, then hears the sample with the fastest, the next fastest, … until one is as good.

    Never more than two engines are open at once: each takes a model's memory.

    Args:
        open_pair: Opens an engine.
        sample: What is listened to.
        description: Of the model, for decoding.
        budget_seconds: What is not heard by then is not chosen.
        clock: Gives seconds.
    """

    def __init__(
        self,
        open_pair: Callable[[str, str], Engine],
        sample: Sequence[SampleClip],
        description: ModelDescription,
        budget_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._open, self._sample, self._description, self._clock = open_pair, sample, description, clock
        self._budget_seconds = budget_seconds
        self._ends = clock() + budget_seconds

    def decide(self, reference: Pair, others: Sequence[Pair]) -> Decision:
        """What serves the model: `reference`, or one of the `others`."""
        judgements: list[tuple[Pace, Judgement]] = []
        exact: list[str] = []
        with closing(self._open(*reference)) as exact_engine:
            paces = [self._take_pace(pair, exact_engine) for pair in others]
            for pace in rank(paces):
                judgements.append((pace, self._judge(pace, exact_engine, exact)))
                if judgements[-1][1].passes:
                    break
        return decide(Pace(*reference, 1.0), paces, judgements)

    def _take_pace(self, pair: Pair, exact_engine: Engine) -> Pace:
        try:
            self._require_time()
            with closing(self._open(*pair)) as engine:
                return Pace(*pair, self._compare(exact_engine, engine))
        except Exception as error:  # whatever an engine has against the model: another one serves it
            return Pace(*pair, problem=_explain(error))

    def _judge(self, pace: Pace, exact_engine: Engine, exact: list[str]) -> Judgement:
        """Judges one engine; `exact` is what the reference heard, and is filled when it is first needed."""
        try:
            exact += [] if exact else self._hear(exact_engine)
            with closing(self._open(pace.engine, pace.precision)) as engine:
                return judge([clip.text for clip in self._sample], exact, self._hear(engine))
        except Exception as error:
            return Judgement(False, _explain(error))

    def _hear(self, engine: Engine) -> list[str]:
        texts = []
        for clip in self._sample:
            self._require_time()
            texts.append(decode_text(engine.run([clip.samples])[0].tokens, self._description))
        return texts

    def _compare(self, exact_engine: Engine, engine: Engine) -> float:
        """Times as fast as the reference over the first clips, each in its fastest round."""
        clips: list[Samples] = []
        for clip in self._sample:
            if sum(map(len, clips)) < PACE_SECONDS * self._description.sample_rate:
                clips.append(clip.samples)
        fastest = {exact_engine: [math.inf] * len(clips), engine: [math.inf] * len(clips)}
        for number in range(ROUNDS + 1):
            for place, samples in enumerate(clips):
                for each, seconds in fastest.items():
                    self._require_time()
                    begin = self._clock()
                    each.run([samples])
                    if number:  # in the first round memory is taken and kernels are chosen
                        seconds[place] = min(seconds[place], self._clock() - begin)
        return sum(fastest[exact_engine]) / max(sum(fastest[engine]), 1e-9)

    def _require_time(self) -> None:
        if self._clock() >= self._ends:
            raise TimedOut(f"the {self._budget_seconds:g} s for listening were over before it was heard")


def _explain(error: Exception) -> str:
    if isinstance(error, ThanoSQLError):
        return error.message
    return f"it failed ({(str(error).strip().splitlines() or [type(error).__name__])[0][:200]})"
