"""What the statements under test work on: a thousand short recordings, a light model, a base to train, numbers."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from thanosql.modelstore import GRAPH, ModelDescription, new_version, write_description

CLIPS = 1_000
HEARER = "hearer"
"""The model that PREDICT uses."""
BASE = "base"
"""Folder of the checkpoint that BUILD starts from, in the workspace."""
LOUD = 0.05
"""Of a largest sample of 1: quieter pieces are taken for silent."""
LEARNT = 24
"""Rows that BUILD learns from."""
RATE, RECEPTIVE, STEP = 16_000, 400, 320
"""Samples a second, that a frame sees, and from one frame to the next."""
WIDTH, LAYERS = 512, 4
"""Of the model: how long it takes."""
VOCABULARY = ("<pad>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
WORDS = ("ONE", "TWO", "THREE", "FOUR", "FIVE")

SMALL = {
    "vocab_size": 32,
    "pad_token_id": 0,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "feat_extract_norm": "group",
}


def write_base(bundled: Path, folder: Path) -> None:
    """A checkpoint with random weights, trained and exported within seconds."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    torch.manual_seed(7)
    Wav2Vec2ForCTC(Wav2Vec2Config(**SMALL)).save_pretrained(folder)  # type: ignore[arg-type]
    for part in (Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor):
        part.from_pretrained(bundled).save_pretrained(folder)


def write_hearer(store: Path) -> None:
    """Version 1 of a model that hears something in every recording, and takes about as long as a small one does."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    random = np.random.default_rng(7)
    convolution = random.normal(size=(WIDTH, 1, RECEPTIVE)).astype(np.float32)
    layers = [random.normal(scale=WIDTH**-0.5, size=(WIDTH, WIDTH)).astype(np.float32) for _ in range(LAYERS)]
    last = random.normal(scale=WIDTH**-0.5, size=(WIDTH, len(VOCABULARY))).astype(np.float32)
    constants = {"one": np.array([1]), "receptive": np.array(RECEPTIVE), "step": np.array(STEP), "unit": np.array(1)}
    weights = {"convolution": convolution, "last": last, **{f"layer{i}": layer for i, layer in enumerate(layers)}}
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["channel"]),
        helper.make_node("Conv", ["channel", "convolution"], ["heard"], strides=[STEP], kernel_shape=[RECEPTIVE]),
        helper.make_node("Transpose", ["heard"], ["hidden0"], perm=[0, 2, 1]),
    ]
    for i in range(LAYERS):
        nodes.append(helper.make_node("MatMul", [f"hidden{i}", f"layer{i}"], [f"product{i}"]))
        nodes.append(helper.make_node("Tanh", [f"product{i}"], [f"hidden{i + 1}"]))
    nodes += [
        helper.make_node("MatMul", [f"hidden{LAYERS}", "last"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["log_probs"], axis=-1),
        helper.make_node("ArgMax", ["log_probs"], ["tokens"], axis=-1, keepdims=0),
        helper.make_node("ReduceMax", ["log_probs"], ["scores"], axes=[-1], keepdims=0),
        helper.make_node("Sub", ["lengths", "receptive"], ["beyond"]),
        helper.make_node("Div", ["beyond", "step"], ["steps"]),
        helper.make_node("Add", ["steps", "unit"], ["frames"]),
    ]
    floats, integers = TensorProto.FLOAT, TensorProto.INT64
    graph = helper.make_graph(
        nodes,
        "hearer",
        [
            helper.make_tensor_value_info("waveform", floats, ["batch", "samples"]),
            helper.make_tensor_value_info("lengths", integers, ["batch"]),
        ],
        [
            helper.make_tensor_value_info("log_probs", floats, ["batch", "time", len(VOCABULARY)]),
            helper.make_tensor_value_info("frames", integers, ["batch"]),
            helper.make_tensor_value_info("tokens", integers, ["batch", "time"]),
            helper.make_tensor_value_info("scores", floats, ["batch", "time"]),
        ],
        [numpy_helper.from_array(value, name) for name, value in (constants | weights).items()],
    )
    with new_version(store, HEARER, 1) as folder:
        save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / GRAPH)
        write_description(
            folder,
            ModelDescription(HEARER, 1, "Test", "test", VOCABULARY, blank=0, word_delimiter=1),
        )


def write_tables(workspace: Path, numbers: int) -> None:
    """`clips.csv` and `learn.csv`, whose recordings `Recordings` makes, and `numbers.csv` of so many rows."""
    with (workspace / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "audio_path"])
        writer.writerows([number, f"clips/{number:04d}.wav"] for number in range(CLIPS))
    with (workspace / "learn.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["audio_path", "text"])
        writer.writerows([f"learn/{number:04d}.wav", WORDS[number % len(WORDS)]] for number in range(LEARNT))
    with (workspace / "numbers.csv").open("w", newline="") as file:
        file.write("id,value\n")
        file.writelines(f"{number},{number % 1000}\n" for number in range(numbers))


class Recordings:
    """Short pieces of the tutorial's speech, new to every model after each `write`."""

    def __init__(self, speech: Path, workspace: Path) -> None:
        self._folder = workspace / "clips"
        files = sorted(speech.rglob("*.flac"))
        if not files:
            pytest.fail(f"no recordings in {speech}")
        speeches = [self._read(file) for file in files]
        pieces: list[bytes] = []
        turn = 0
        while len(pieces) < CLIPS:
            for number, samples in enumerate(speeches):
                length = RATE * (3 + number % 5) // 10
                part = samples[(400 + 1_300 * turn) % (len(samples) - length) :][:length]
                if abs(part).max() > LOUD:
                    pieces.append((part * 32767).astype("<i2").tobytes())
            turn += 1
        self._pieces = pieces[:CLIPS]
        self._folder.mkdir(exist_ok=True)
        (workspace / "learn").mkdir(exist_ok=True)
        for number in range(LEARNT):
            self._write(workspace / "learn" / f"{number:04d}.wav", self._pieces[number] * 2)

    def write(self, salt: int, count: int = CLIPS) -> None:
        """Writes the first recordings anew: they sound as before, and none has bytes that were there before."""
        for number in range(count):
            self._write(self._folder / f"{number:04d}.wav", self._pieces[number], f"{salt} {number}")

    def _read(self, file: Path) -> NDArray[np.float32]:
        samples, rate = soundfile.read(file, dtype="float32")
        return soxr.resample(samples, rate, RATE) if rate != RATE else samples

    def _write(self, file: Path, samples: bytes, note: str = "") -> None:
        """A wav file of 16 bits, with a chunk that readers pass over."""
        form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
        chunks = [(b"fmt ", form), (b"data", samples), (b"note", note.encode().ljust(16))]
        body = b"WAVE" + b"".join(name + struct.pack("<I", len(data)) + data for name, data in chunks)
        file.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
