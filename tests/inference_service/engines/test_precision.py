"""Which engine and precision serve a model: the fastest whose transcripts stay as good as those of fp32."""

from __future__ import annotations

import pytest

from inference_service.engines.precision import LIMIT, Judgement, Pace, decide, judge, rank

FP32 = Pace("onnxruntime", "fp32", 1.0)
FAST = Pace("openvino", "bf16", 2.2)
FASTER = Pace("onnxruntime", "int8", 2.5)
SLOW = Pace("openvino", "fp32", 0.9)
GOOD, BAD = Judgement(True, "the same"), Judgement(False, "worse")
THOUSAND = [f"{'word ' * 999}word"]


def make_mistakes(number: int) -> list[str]:
    return [" ".join(["word"] * (1_000 - number) + ["wrong"] * number)]


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


def test_a_word_error_rate_within_the_limit_passes() -> None:
    assert LIMIT == 0.003
    assert judge(THOUSAND, make_mistakes(10), make_mistakes(13)).passes
    assert not judge(THOUSAND, make_mistakes(10), make_mistakes(14)).passes


def test_a_lower_word_error_rate_passes_whatever_else_is_heard() -> None:
    assert judge(["one two three"], ["one too three"], ["one two three"]).passes


def test_where_it_is_not_known_what_a_clip_says_the_texts_must_be_the_same() -> None:
    assert judge([None, None], ["a", "b"], ["a", "b"]).passes
    assert not judge([None, None], ["a", "b"], ["a", "c"]).passes
    assert not judge(["a", None], ["a", "b"], ["a", "c"]).passes


def test_a_judgement_says_what_was_counted() -> None:
    assert judge(["one two", None], ["one two", "a"], ["one too", "a"]).reason == (
        "word error rate 50.00% against 0.00% over 2 words, beyond the limit of 0.3 points, "
        "0 of 1 texts without a reference differ"
    )


@pytest.mark.parametrize("heard", ["", "word " * 5_000])
def test_a_precision_that_hears_nothing_or_too_much_does_not_pass(heard: str) -> None:
    assert not judge(THOUSAND, THOUSAND, [heard]).passes
