"""Turns a trained network into a version in the model store: checkpoint, ONNX graph, description, and a parity gate."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from thanosql.held_out import SampleClip, write_sample
from thanosql.modelstore import GRAPH, ModelDescription, new_version, write_description
from thanosql.rpc.spans import span
from thanosql.types import Progress
from trainer_service.bases.checkpoints import Checkpoint
from trainer_service.export.graph import SpeechGraph, Waveform, fold_weight_norm, frame_geometry
from trainer_service.export.int8 import write_int8
from trainer_service.export.parity import measure_parity, probe_clips, require_parity

OPSET = 20


def write_version(
    store: Path,
    checkpoint: Checkpoint,
    description: ModelDescription,
    *,
    clips: Sequence[Waveform] = (),
    sample: Sequence[SampleClip] = (),
    beside: Callable[[Path], None] = lambda _: None,
    tell: Callable[[Progress], None] | None = None,
) -> ModelDescription:
    """Writes a version folder: `config.json`, `model.safetensors`, tokenizer, `model.onnx`, `model.json`, a sample.

    Where there is a sample to hear it by, and it hears as well, the graph in int8 goes along, in `int8/`.

    Args:
        store: The model store.
        checkpoint: The model; its weight norm is folded into plain weights on the way, so train it no further.
        description: Name, version, base and report; what is read off the checkpoint is filled in here.
        clips: Recordings to measure parity on, besides the made ones.
        sample: Held-out recordings to store with the version.
        beside: Writes what else belongs to the version into its folder.
        tell: Takes the progress.

    Returns:
        The description as it stands in the folder; in its report are `parity` and `int8`, as they were measured.

    Raises:
        JobFailed: the exported graph does not say what the network says; nothing is written then.
    """
    tell = tell or (lambda _: None)
    with new_version(store, description.name, description.version) as folder:
        tell(Progress("export", 0, 1))
        with span("export"):
            torch.nn.Module.to(checkpoint.model, "cpu")
            checkpoint.model.train(False)
            checkpoint.model.save_pretrained(folder)
            checkpoint.tokenizer.save_pretrained(folder)
            checkpoint.feature_extractor.save_pretrained(folder)
            graph = checkpoint.graph().eval()
            export_graph(graph, folder / GRAPH)
        tell(Progress("export", 1, 1))
        tell(Progress("check the export", 0, 1))
        complete = describe(checkpoint, description)
        with span("parity gate") as gate:
            parity = measure_parity(graph, folder / GRAPH, [*probe_clips(), *clips], complete.sample_rate)
            gate.set("thanosql.parity.onnx", float(parity.onnx))
            gate.set("thanosql.parity.batch", float(parity.batch))
            require_parity(parity)
        tell(Progress("check the export", 1, 1))
        report = {**description.report, "parity": parity.to_json()}
        if sample:
            with span("quantise"):
                report["int8"] = write_int8(folder, complete, sample, tell)
        complete = replace(complete, parity=parity.to_json(), report=report)
        write_description(folder, complete)
        write_sample(folder, sample, complete.sample_rate)
        beside(folder)
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
    fold_weight_norm(graph)
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
