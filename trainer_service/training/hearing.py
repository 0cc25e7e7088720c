"""What a network hears in utterances while it is trained: as it will be served, in float32, decoded greedily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from thanosql.ctc import decode_text
from thanosql.modelstore import ModelDescription
from thanosql.types import Progress
from trainer_service.data.dataset import Tell
from trainer_service.export.graph import SpeechGraph
from trainer_service.training.augmentation import Clip
from trainer_service.training.batches import choose_waste_limit, split_step
from trainer_service.training.features import FeatureStore

AT_ONCE = 60.0
"""Padded seconds of audio that are computed together."""


def transcribe(
    graph: SpeechGraph,
    features: FeatureStore,
    clips: Sequence[Clip],
    description: ModelDescription,
    device: torch.device,
    tell: Tell,
    phase: str,
) -> dict[int, str]:
    """The text of each clip, by row; a row whose recording is gone is left out."""
    return {
        row: decode_text(log_probs.argmax(-1), description)
        for row, log_probs in log_probabilities(graph, features, clips, description, device, tell, phase)
    }


@torch.inference_mode()
def log_probabilities(
    graph: SpeechGraph,
    features: FeatureStore,
    clips: Sequence[Clip],
    description: ModelDescription,
    device: torch.device,
    tell: Tell,
    phase: str,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Row and log-probabilities float32 `[frames, vocabulary]` of each clip, longest first."""
    was_training = graph.training
    graph.eval()
    graph.model.set_attn_implementation("sdpa")
    seconds = [clip.samples / description.sample_rate for clip in clips]
    done = 0
    for part in split_step(range(len(clips)), seconds, AT_ONCE, choose_waste_limit(device.type)):
        there, values, frames = features.batch([clips[row] for row in part])
        if there:
            computed: Tensor = graph.classify(values.float(), frames.to(device)).cpu()
            for clip, row, count in zip(there, computed, frames.tolist(), strict=True):
                yield clip.utterance.row, row[:count].numpy()
        done += len(part)
        tell(Progress(phase, done, len(clips), "clips"))
    graph.train(was_training)
