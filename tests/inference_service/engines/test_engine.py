"""The engines, with real graphs: a clip gives the same alone and in any company, and by every engine."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from inference_service.engines.engine import (
    Engine,
    EngineChoice,
    Samples,
    Termination,
    candidates,
    choose_device,
    count_cores,
    open_engine,
)
from inference_service.engines.onnx_engine import providers
from thanosql.audio import read_audio
from thanosql.errors import Cancelled, DataError, InvalidOption
from thanosql.modelstore import GRAPH, read_description

Open = Callable[..., Engine]

ENGINES = [
    "onnxruntime",
    pytest.param(
        "openvino",
        marks=pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed"),
    ),
]
MODELS = ["tiny", "grouped"]


@pytest.fixture
def open_model(store: Path) -> Iterator[Open]:
    opened: list[Engine] = []

    def run(name: str, engine: str = "onnxruntime", precision: str = "fp32", within: Path = store) -> Engine:
        folder = within / name / "1"
        choice = EngineChoice(engine=engine, precision=precision, workers=2)
        opened.append(open_engine(folder, read_description(folder), choice))
        return opened[-1]

    yield run
    for engine in opened:
        engine.close()


@pytest.fixture
def clips(checkout: Path) -> list[Samples]:
    """Recordings of several lengths, the shortest of a single frame."""
    folder = checkout / "tutorial_data" / "librispeech_data"
    spoken = [read_audio(folder / f"{number:03d}.flac") for number in (0, 7, 3)]
    return [*spoken, spoken[0][:400], np.concatenate(spoken[:2])]


FIRST_RUNS = """
import sys, threading
from pathlib import Path
import numpy as np
from inference_service.engines.engine import EngineChoice, open_engine
from thanosql.modelstore import read_description
folder = Path(sys.argv[1])
engine = open_engine(folder, read_description(folder), EngineChoice(engine=sys.argv[2], workers=4))
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)
threads = [
    threading.Thread(target=lambda: (together.wait(), engine.run([np.zeros(4_000, np.float32)]))) for _ in range(4)
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_runs_of_a_process_may_come_from_several_threads_at_once(
    engine: str, store: Path, checkout: Path
) -> None:
    command = [sys.executable, "-c", FIRST_RUNS, str(store / "tiny" / "1"), engine]
    # OpenVINO's threads waited for each other for ever; however slow the machine is, this is long enough.
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=200)
    assert done.stdout == "done\n", done.stderr


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", MODELS)
def test_a_clip_gives_the_same_alone_and_in_any_company(
    name: str, engine: str, open_model: Open, clips: list[Samples]
) -> None:
    opened = open_model(name, engine)
    together = opened.run(clips, log_probs=True)
    for clip, in_company in zip(clips, together, strict=True):
        (alone,) = opened.run([clip], log_probs=True)
        assert len(alone.tokens) == (len(clip) - 400) // 320 + 1
        np.testing.assert_array_equal(alone.tokens, in_company.tokens)
        np.testing.assert_allclose(alone.log_probs, in_company.log_probs, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_openvino_says_what_onnx_runtime_says(name: str, open_model: Open, clips: list[Samples]) -> None:
    pytest.importorskip("openvino")
    expected = open_model(name, "onnxruntime").run(clips, log_probs=True)
    for ours, theirs in zip(expected, open_model(name, "openvino").run(clips, log_probs=True), strict=True):
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
        np.testing.assert_allclose(ours.log_probs, theirs.log_probs, atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_scores_are_those_of_the_most_probable_tokens(engine: str, open_model: Open, clips: list[Samples]) -> None:
    for row in open_model("tiny", engine).run(clips, log_probs=True):
        assert row.log_probs is not None
        np.testing.assert_array_equal(row.tokens, row.log_probs.argmax(-1))
        np.testing.assert_array_equal(row.scores, row.log_probs.max(-1))


@pytest.mark.parametrize("engine", ENGINES)
def test_log_probabilities_are_given_only_where_asked_for(engine: str, open_model: Open, clips: list[Samples]) -> None:
    (row,) = open_model("tiny", engine).run(clips[:1])
    assert row.log_probs is None


@pytest.mark.parametrize("engine", ENGINES)
def test_giving_memory_back_changes_nothing(engine: str, open_model: Open, clips: list[Samples]) -> None:
    opened = open_model("tiny", engine)
    expected = opened.run(clips[:1])
    np.testing.assert_array_equal(opened.run(clips[:1], free_memory=True)[0].scores, expected[0].scores)
    np.testing.assert_array_equal(opened.run(clips[:1])[0].scores, expected[0].scores)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_compute_at_once_without_mixing_their_clips(
    engine: str, open_model: Open, clips: list[Samples]
) -> None:
    opened = open_model("grouped", engine)
    expected = [opened.run([clip])[0].scores for clip in clips]
    wrong: list[int] = []

    def compute(order: range) -> None:
        for number in [*order] * 3:
            (row,) = opened.run([clips[number]], free_memory=True)
            wrong.extend([] if np.allclose(row.scores, expected[number], atol=1e-4) else [number])

    orders = (range(len(clips)), range(len(clips) - 1, -1, -1), range(1, len(clips)))
    threads = [threading.Thread(target=compute, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("engine", ENGINES)
def test_a_computation_is_stopped_and_the_next_one_runs(engine: str, open_model: Open, clips: list[Samples]) -> None:
    opened = open_model("tiny", engine)
    (expected,) = opened.run(clips[:1])
    termination = Termination()
    begun = threading.Event()
    stopped: list[Cancelled] = []

    def compute() -> None:
        begun.set()
        while not stopped:  # a machine that finishes it before it is stopped computes it again
            try:
                opened.run([clips[0]] * 40, termination=termination)
            except Cancelled as error:
                stopped.append(error)

    thread = threading.Thread(target=compute)
    thread.start()
    begun.wait()
    termination.request()
    thread.join()
    assert len(stopped) == 1
    np.testing.assert_array_equal(opened.run(clips[:1])[0].scores, expected.scores)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_nobody_waits_for_any_more_is_not_begun(engine: str, open_model: Open, clips: list[Samples]) -> None:
    termination = Termination()
    termination.request()
    with pytest.raises(Cancelled):
        open_model("tiny", engine).run(clips, termination=termination)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("damage", ["cut", "noise", "gone", "weights gone"])
def test_a_damaged_graph_is_named(damage: str, engine: str, own_store: Path, open_model: Open) -> None:
    file = own_store / "tiny" / "1" / GRAPH
    if damage == "gone":
        file.unlink()
    elif damage == "weights gone":
        file.with_name(f"{GRAPH}.data").unlink()
    else:
        file.write_bytes(file.read_bytes()[:1000] if damage == "cut" else b"noise" * 500)
    with pytest.raises(DataError, match="version 1 of model 'tiny' cannot be loaded"):
        open_model("tiny", engine, within=own_store)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_graph_of_another_kind_is_named(engine: str, own_store: Path, open_model: Open) -> None:
    from onnx import TensorProto, helper, save

    waveform = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "samples"])
    graph = helper.make_graph([helper.make_node("Identity", ["waveform"], ["logits"])], "g", [waveform], [logits])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    save(model, own_store / "tiny" / "1" / GRAPH)
    with pytest.raises(DataError, match=r"inputs \['waveform'\], outputs \['logits'\]"):
        open_model("tiny", engine, within=own_store)


def test_in_bf16_a_clip_says_nearly_the_same(open_model: Open, clips: list[Samples]) -> None:
    if ("openvino", "bf16") not in candidates("cpu", precision="auto"):
        pytest.skip("no OpenVINO, or a CPU without bf16")
    for ours, theirs in zip(
        (open_model("tiny").run([clip])[0] for clip in clips),
        (open_model("tiny", "openvino", "bf16").run([clip])[0] for clip in clips),
        strict=True,
    ):
        assert len(ours.tokens) == len(theirs.tokens)
        assert (ours.tokens == theirs.tokens).mean() > 0.9


def test_only_fp32_takes_rows_together_because_in_other_precisions_they_would_change_one_another() -> None:
    assert EngineChoice(precision="fp32").max_rows == 0
    assert [EngineChoice(precision=each).max_rows for each in ("bf16", "int8")] == [1, 1]


def test_cuda_does_not_tune_its_convolutions_anew_for_each_length() -> None:
    (name, options), cpu = providers("cuda")
    assert name == "CUDAExecutionProvider"
    assert options["cudnn_conv_algo_search"] == "HEURISTIC"
    assert [cpu] == providers("cpu")


def test_cuda_multiplies_in_float32_and_not_in_tf32_where_rows_would_change_one_another() -> None:
    (_, options), _ = providers("cuda")
    assert options["use_tf32"] == "0"


def test_fp32_of_onnx_runtime_is_to_be_had_everywhere() -> None:
    assert ("onnxruntime", "fp32") in candidates("cpu")
    assert candidates("cuda") == (("onnxruntime", "fp32"),)
    assert candidates("cpu", precision="int8") == (("onnxruntime", "int8"),)


@pytest.mark.parametrize(
    ("device", "engine", "precision"),
    [("cuda", "auto", "int8"), ("cuda", "openvino", "fp32"), ("cuda", "auto", "bf16"), ("cpu", "onnxruntime", "bf16")],
)
def test_what_cannot_be_had_is_refused_with_what_there_is(device: str, engine: str, precision: str) -> None:
    with pytest.raises(InvalidOption, match=f"engine '{engine}' with precision '{precision}'") as refused:
        candidates(device, engine, precision)
    assert "onnxruntime in fp32" in refused.value.hint


def test_an_unknown_engine_or_precision_is_refused() -> None:
    with pytest.raises(InvalidOption, match="engine 'tensorrt' is unknown"):
        candidates("cpu", "tensorrt")
    with pytest.raises(InvalidOption, match="precision 'fp8' is unknown"):
        candidates("cpu", precision="fp8")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InvalidOption, match="tpu"):
        choose_device("tpu")
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") in ("cpu", "cuda")


def test_there_is_a_core() -> None:
    assert count_cores() >= 1


def test_a_signal_can_be_handled_after_openvino_was_let_go_by_another_thread(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    code = textwrap.dedent(f"""
        import gc, os, signal, threading
        from pathlib import Path
        import numpy as np
        from inference_service.engines.engine import EngineChoice, open_engine
        from thanosql.modelstore import read_description

        folder = Path({str(store / "tiny" / "1")!r})
        held = [open_engine(folder, read_description(folder), EngineChoice(engine="openvino"))]
        held[0].run([np.zeros(16_000, np.float32)])

        def let_go():
            held.pop().close()
            gc.collect()

        thread = threading.Thread(target=let_go)
        thread.start()
        thread.join()
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            threading.Event().wait(30)
        except KeyboardInterrupt:
            print("interrupted")
    """)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
