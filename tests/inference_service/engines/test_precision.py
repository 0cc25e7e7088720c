"""Which engine and precision serve a model: the fastest whose transcripts stay as good as those of fp32."""

from __future__ import annotations

from inference_service.engines.precision import Pace, decide, rank
from thanosql.precision import Judgement

FP32 = Pace("onnxruntime", "fp32", 1.0)
FAST = Pace("openvino", "bf16", 2.2)
FASTER = Pace("onnxruntime", "int8", 2.5)
SLOW = Pace("openvino", "fp32", 0.9)
GOOD, BAD = Judgement(True, "the same"), Judgement(False, "worse")


def test_the_fastest_that_passed_is_chosen() -> None:
    decision = decide(FP32, [SLOW, FAST, FASTER], [(FASTER, GOOD)])
    assert (decision.engine, decision.precision) == ("onnxruntime", "int8")


def test_a_fast_one_that_hears_worse_gives_way_to_the_next() -> None:
    decision = decide(FP32, [SLOW, FAST, FASTER], [(FASTER, BAD), (FAST, GOOD)])
    assert (decision.engine, decision.precision) == ("openvino", "bf16")


def test_fp32_stays_where_nothing_passed() -> None:
    decision = decide(FP32, [FAST, FASTER], [(FASTER, BAD), (FAST, BAD)])
    assert (decision.engine, decision.precision) == ("onnxruntime", "fp32")


def test_the_report_says_what_was_measured_of_each() -> None:
    broken = Pace("openvino", "fp32", problem="it failed")
    report = decide(FP32, [broken, FAST, FASTER, SLOW], [(FASTER, BAD), (FAST, GOOD)]).report
    assert report == (
        "openvino in bf16 is chosen: onnxruntime in fp32 is the reference; "
        "onnxruntime in int8 computes 2.50 times as fast, worse; "
        "openvino in bf16 computes 2.20 times as fast, the same; "
        "openvino in fp32 computes 0.90 times as fast, which is not clearly faster; "
        "openvino in fp32: it failed"
    )


def test_only_what_is_clearly_faster_is_listened_to_the_fastest_first() -> None:
    broken = Pace("openvino", "fp32", problem="it failed")
    assert rank([SLOW, FAST, broken, FASTER, Pace("openvino", "fp32", 1.02)]) == (FASTER, FAST)
