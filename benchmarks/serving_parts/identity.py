"""A model in the store whose graph gives its input back, 32 samples as the log-probabilities of a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

IDENTITY = "identity"
VOCABULARY = 32


def make_identity(store: Path) -> None:
    """Writes the model; its graph reshapes, and takes the arg-max as every graph of the store does."""
    import onnx
    from onnx import TensorProto, helper

    from thanosql.modelstore import GRAPH, ModelDescription, new_version, write_description

    nodes = [
        helper.make_node("Shape", ["waveform"], ["samples"], start=1),
        helper.make_node("Div", ["samples", "width"], ["most"]),
        helper.make_node("Mul", ["most", "width"], ["end"]),
        helper.make_node("Slice", ["waveform", "begin", "end", "axis"], ["whole"]),
        helper.make_node("Reshape", ["whole", "shape"], ["log_probs"]),
        helper.make_node("ArgMax", ["log_probs"], ["tokens"], axis=2, keepdims=0),
        helper.make_node("ReduceMax", ["log_probs", "last"], ["scores"], keepdims=0),
        helper.make_node("Div", ["lengths", "width"], ["frames"]),
    ]
    constants = {"width": [VOCABULARY], "begin": [0], "axis": [1], "last": [2], "shape": [0, -1, VOCABULARY]}
    inputs: dict[str, tuple[Any, list[str]]] = {
        "waveform": (TensorProto.FLOAT, ["batch", "samples"]),
        "lengths": (TensorProto.INT64, ["batch"]),
    }
    outputs: dict[str, tuple[Any, list[str | int]]] = {
        "log_probs": (TensorProto.FLOAT, ["batch", "frames", VOCABULARY]),
        "frames": (TensorProto.INT64, ["batch"]),
        "tokens": (TensorProto.INT64, ["batch", "frames"]),
        "scores": (TensorProto.FLOAT, ["batch", "frames"]),
    }
    graph = helper.make_graph(
        nodes,
        "identity",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [helper.make_tensor(name, TensorProto.INT64, [len(v)], v) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    description = ModelDescription(
        IDENTITY,
        1,
        class_name="Benchmark",
        base="none",
        vocabulary=("<pad>", "|", *(chr(ord("A") + i) for i in range(VOCABULARY - 2))),
        blank=0,
        word_delimiter=1,
        frame_samples=VOCABULARY,
        receptive_samples=VOCABULARY,
    )
    with new_version(store, IDENTITY, 1) as folder:
        onnx.save(model, str(folder / GRAPH))
        write_description(folder, description)


def make_samples(count: int) -> Any:
    """float32 `[count]` that the model takes for the log-probabilities of silence: decoding them costs little."""
    import numpy as np

    samples = np.random.default_rng(0).uniform(-8, -4, count).astype(np.float32)
    samples[::VOCABULARY] = -0.02
    return samples
