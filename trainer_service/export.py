"""Turns a trained network into a version in the model store: checkpoint, ONNX graph, description, and a parity gate."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from thanosql.errors import JobFailed
from thanosql.held_out import SampleClip, write_sample
from thanosql.modelstore import GRAPH, ModelDescription, new_version, write_description
from thanosql.types import Progress
from trainer_service.checkpoints import Checkpoint
from trainer_service.graph import SpeechGraph, Waveform, fold_weight_norm, frame_geometry

ONNX_TOLERANCE = 1e-3
"""Largest difference of a log-probability between torch and ONNX Runtime (measured: about 1e-5)."""

BATCH_TOLERANCE = 1e-4
"""Largest difference of a log-probability between a clip alone and the same clip in a batch (measured: about 1e-5)."""

OPSET = 20


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest differences of log-probabilities over the probe clips."""

    onnx: float
    """Torch against ONNX Runtime, over one batch."""
    batch: float
    """ONNX Runtime alone against ONNX Runtime in a padded batch."""


def write_version(
    store: Path,
    checkpoint: Checkpoint,
    description: ModelDescription,
    *,
    clips: Sequence[Waveform] = (),
    sample: Sequence[SampleClip] = (),
    tell: Callable[[Progress], None] | None = None,
) -> ModelDescription:
    """Writes a version folder: `config.json`, `model.safetensors`, tokenizer, `model.onnx`, `model.json`, a sample.

    Args:
        store: The model store.
        checkpoint: The model; its weight norm is folded into plain weights on the way, so train it no further.
        description: Name, version, base and report; what is read off the checkpoint is filled in here.
        clips: Recordings to measure parity on, besides the made ones.
        sample: Held-out recordings to store with the version.
        tell: Takes the progress.

    Returns:
        The description as it stands in the folder, with the parity that was measured.

    Raises:
        JobFailed: the exported graph does not say what the network says; nothing is written then.
    """
    tell = tell or (lambda _: None)
    with new_version(store, description.name, description.version) as folder:
        tell(Progress("export", 0, 1))
        torch.nn.Module.to(checkpoint.model, "cpu")
        checkpoint.model.train(False)
        checkpoint.model.save_pretrained(folder)
        checkpoint.tokenizer.save_pretrained(folder)
        checkpoint.feature_extractor.save_pretrained(folder)
        graph = checkpoint.graph().eval()
        export_graph(graph, folder / GRAPH)
        tell(Progress("export", 1, 1))
        tell(Progress("check the export", 0, 1))
        parity = measure_parity(graph, folder / GRAPH, [*probe_clips(), *clips])
        require_parity(parity)
        tell(Progress("check the export", 1, 1))
        complete = replace(describe(checkpoint, description), parity=asdict(parity))
        write_description(folder, complete)
        write_sample(folder, sample, complete.sample_rate)
        for path in folder.rglob("*"):
            # Other services, perhaps under other users, read it; safetensors writes for its owner only.
            path.chmod(0o755 if path.is_dir() else 0o644)
    return complete


def new_description(
    name: str, version: int, *, class_name: str, base: str, report: Mapping[str, Any]
) -> ModelDescription:
    """A description whose model-dependent fields `write_version` fills in."""
    return ModelDescription(name, version, class_name, base, vocabulary=(), blank=0, word_delimiter=0, report=report)


def describe(checkpoint: Checkpoint, description: ModelDescription) -> ModelDescription:
    """Fills in the vocabulary, the special tokens and the geometry of the frames."""
    config: Any = checkpoint.model.config
    tokenizer: Any = checkpoint.tokenizer
    spelling = {index: token for token, index in tokenizer.get_vocab().items()}
    # A head may be wider or narrower than its tokenizer; what has no spelling never becomes text.
    vocabulary = tuple(spelling.get(index, f"<{index}>") for index in range(config.vocab_size))
    blank, delimiter = int(config.pad_token_id), int(tokenizer.word_delimiter_token_id)
    never_text = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token}
    special = (i for i in range(config.vocab_size) if vocabulary[i] in never_text or i not in spelling)
    receptive, step = frame_geometry(config)
    return replace(
        description,
        vocabulary=vocabulary,
        blank=blank,
        word_delimiter=delimiter,
        special=tuple(i for i in special if i not in (blank, delimiter)),
        sample_rate=int(checkpoint.feature_extractor.sampling_rate),
        frame_samples=step,
        receptive_samples=receptive,
    )


def export_graph(graph: SpeechGraph, file: Path) -> None:
    """Writes the ONNX graph, its weights beside it in `<file>.data`, for any batch and any number of samples."""
    # Written out, attention is seven plain nodes; torch's fused one is exported with twenty, NaN guards among them.
    graph.model.set_attn_implementation("eager")
    fold_weight_norm(graph.model)
    example = torch.zeros(2, 16_000), torch.tensor([16_000, 9_000])
    with torch.no_grad(), _quiet_exporter():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=["waveform", "lengths"],
            output_names=["log_probs", "frames", "tokens", "scores"],
            dynamic_shapes=({0: "batch", 1: "samples"}, {0: "batch"}),
            verbose=False,
        )
    assert program is not None
    # The exporter notes for each node where in which source file it came from.
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()
    # Weights in a file of their own are mapped into memory, and not read twice (once as protobuf).
    program.save(file, external_data=True)


def measure_parity(graph: SpeechGraph, file: Path, clips: Sequence[Waveform]) -> Parity:
    """Runs the clips through torch and ONNX Runtime, together and one by one."""
    session = open_session(file)
    lengths = np.array([len(clip) for clip in clips], np.int64)
    # The padding holds noise: nothing of it may come through.
    together = np.random.default_rng(0).standard_normal((len(clips), int(lengths.max())), np.float32)
    for row, clip in zip(together, clips, strict=True):
        row[: len(clip)] = clip
    with torch.no_grad():
        expected = graph(torch.from_numpy(together), torch.from_numpy(lengths))
    batched, frames = session.run(["log_probs", "frames"], {"waveform": together, "lengths": lengths})
    if not np.array_equal(frames, expected.frames.numpy()):
        raise JobFailed(
            f"export: the ONNX graph counts {frames.tolist()} frames where torch counts {expected.frames.tolist()}"
        )
    onnx, batch = [], []
    for row, clip in enumerate(clips):
        real = slice(int(frames[row]))
        (alone,) = session.run(["log_probs"], {"waveform": clip[None], "lengths": lengths[row : row + 1]})
        onnx.append(np.abs(batched[row, real] - expected.log_probs[row, real].numpy()).max(initial=0.0))
        batch.append(np.abs(batched[row, real] - alone[0]).max(initial=0.0))
    # numpy's maximum, unlike Python's, keeps a NaN.
    return Parity(float(np.max(onnx)), float(np.max(batch)))


def require_parity(parity: Parity) -> None:
    """The gate before a version is served.

    Raises:
        JobFailed: a figure is above its tolerance.
    """
    for name, figure, tolerance in (
        ("torch and ONNX Runtime", parity.onnx, ONNX_TOLERANCE),
        ("a clip alone and the same clip in a batch", parity.batch, BATCH_TOLERANCE),
    ):
        if not figure <= tolerance:
            raise JobFailed(
                f"export: log-probabilities of {name} differ by {figure:.2g}, more than {tolerance:g}",
                hint="The model is not registered. Has the training diverged? A smaller learning_rate may help.",
            )


def probe_clips() -> list[Waveform]:
    """Noise of four lengths and loudnesses, swelling like syllables, one clip with an offset; always the same."""
    random = np.random.default_rng(20)
    clips = []
    for samples, loudness in ((16_000, 0.1), (5_000, 0.01), (33_333, 0.3), (9_999, 1.0)):
        swell = np.abs(np.sin(np.arange(samples) * (2 * np.pi * 2 / 16_000)))
        clips.append((loudness * (swell * random.standard_normal(samples) + 0.1)).astype(np.float32))
    return clips


def open_session(file: Path) -> Any:
    """An ONNX Runtime session on the CPU, which is where the gate measures."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hides the exporter's remarks on packages and axis names that say nothing to a user."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
