"""Listening to the held-out sample, with real engines, and with engines of known speed and hearing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inference_service.engines.engine import Samples, Termination, candidates
from inference_service.engines.hearing import Hearing, choose_engine
from inference_service.engines.precision import Decision
from inference_service.speech.decode import FrameScores
from thanosql.audio import read_audio
from thanosql.errors import InvalidOption
from thanosql.held_out import SAMPLE, SampleClip, write_sample
from thanosql.modelstore import ModelDescription, read_description

MODEL = ModelDescription("m", 1, "Test", "test", ("<pad>", "|", "A", "B"), blank=0, word_delimiter=1)
CLIPS = [SampleClip(np.zeros(16_000, np.float32), "AB") for _ in range(3)]
FP32, BF16, INT8 = ("onnxruntime", "fp32"), ("openvino", "bf16"), ("onnxruntime", "int8")


class Clock:
    """Shows the time that the engines have spent."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class KnownEngine:
    """Takes a known time for each run and hears a known text."""

    def __init__(self, clock: Clock, seconds: float, text: str) -> None:
        self.clock, self.seconds, self.closed = clock, seconds, False
        self.tokens = np.array([MODEL.vocabulary.index(letter) for letter in text], np.int64)

    def run(
        self,
        rows: Sequence[Samples],
        *,
        log_probs: bool = False,
        free_memory: bool = False,
        termination: Termination | None = None,
    ) -> list[FrameScores]:
        self.clock.now += self.seconds
        return [FrameScores(self.tokens, np.zeros(len(self.tokens), np.float32)) for _ in rows]

    def close(self) -> None:
        self.closed = True


def decide(engines: dict[tuple[str, str], tuple[float, str]], budget: float = 1_000.0) -> Decision:
    """Of engines that take so many seconds for a clip and hear so; the first is the reference."""
    clock = Clock()
    opened: list[KnownEngine] = []

    def open_pair(name: str, bits: str) -> KnownEngine:
        assert sum(not engine.closed for engine in opened) < 2, "three engines are open at once"
        opened.append(KnownEngine(clock, *engines[name, bits]))
        return opened[-1]

    reference, *others = engines
    decision = Hearing(open_pair, CLIPS, MODEL, budget, clock).decide(reference, others)
    assert all(engine.closed for engine in opened)
    return decision


def test_the_fastest_that_hears_the_same_is_chosen() -> None:
    decision = decide({FP32: (1.0, "AB"), BF16: (0.5, "AB"), INT8: (0.25, "AB")})
    assert (decision.engine, decision.precision) == INT8
    assert "onnxruntime in int8 computes 4.00 times as fast, word error rate 0.00% against 0.00%" in decision.report


def test_the_next_is_heard_where_the_fastest_hears_worse() -> None:
    decision = decide({FP32: (1.0, "AB"), BF16: (0.5, "AB"), INT8: (0.25, "A")})
    assert (decision.engine, decision.precision) == BF16
    assert "word error rate 100.00% against 0.00%" in decision.report


def test_what_is_not_heard_in_time_is_not_chosen() -> None:
    # 12 s for taking the pace (four rounds of three clips, of both), 3 s and 1.5 s for hearing.
    assert decide({FP32: (1.0, "AB"), BF16: (0.5, "AB")}, budget=30.0).precision == "bf16"
    for budget in (1.0, 20.0, 22.0):
        decision = decide({FP32: (1.0, "AB"), BF16: (0.5, "AB")}, budget=budget)
        assert decision.precision == "fp32"
        assert f"the {budget:g} s for listening were over" in decision.report


def test_an_engine_that_fails_is_reported_and_not_chosen() -> None:
    clock = Clock()

    def open_pair(name: str, bits: str) -> KnownEngine:
        if bits == "int8":
            raise RuntimeError("no such instruction")
        return KnownEngine(clock, 1.0 if bits == "fp32" else 0.5, "AB")

    decision = Hearing(open_pair, CLIPS, MODEL, 1_000.0, clock).decide(FP32, [INT8, BF16])
    assert decision.precision == "bf16"
    assert "onnxruntime in int8: it failed (no such instruction)" in decision.report


def choose(folder: Path, *, precision: str = "auto", engine: str = "auto", device: str = "cpu") -> Decision:
    return choose_engine(
        folder,
        read_description(folder),
        device=device,
        engine=engine,
        precision=precision,
        threads=1,
        budget_seconds=600.0,
        clock=time.monotonic,
    )


def test_a_real_model_is_judged_by_its_own_sample(own_store: Path, checkout: Path) -> None:
    folder = own_store / "tiny" / "1"
    speech = read_audio(checkout / "tutorial_data" / "librispeech_data" / "000.flac")
    write_sample(folder, [SampleClip(speech, "SO IT SEEMS")], 16_000)
    decision = choose(folder)
    assert (decision.engine, decision.precision) in candidates("cpu", precision="auto")
    assert "onnxruntime in fp32 is the reference" in decision.report
    for engine, precision in candidates("cpu", precision="auto")[1:]:
        assert f"{engine} in {precision} computes" in decision.report


@pytest.mark.parametrize("damaged", [False, True])
def test_without_a_sample_a_model_stays_in_fp32_and_says_why(damaged: bool, own_store: Path) -> None:
    folder = own_store / "tiny" / "1"
    if damaged:
        write_sample(folder, [SampleClip(np.zeros(1_600, np.float32), "A")], 16_000)
        (folder / SAMPLE / "00.flac").write_bytes(b"noise")
    decision = choose(folder)
    assert (decision.engine, decision.precision) == FP32
    assert ("is damaged" if damaged else "no held-out sample is stored") in decision.report


def test_what_is_asked_for_by_name_is_not_measured(own_store: Path) -> None:
    folder = own_store / "tiny" / "1"
    assert choose(folder, precision="int8") == Decision(*INT8, "")
    assert choose(folder, precision="fp32", engine="onnxruntime") == Decision(*FP32, "")
    with pytest.raises(InvalidOption, match="'bf16' cannot be had"):
        choose(folder, precision="bf16", engine="onnxruntime")


def test_on_a_gpu_there_is_nothing_to_choose(own_store: Path) -> None:
    decision = choose(own_store / "tiny" / "1", device="cuda")
    assert (decision.engine, decision.precision) == FP32
    assert "all that there is on cuda" in decision.report
