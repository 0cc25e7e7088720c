"""Checkpoints for the trainer's tests: the bundled one, and small ones with random weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import trainer_service

# Read when torch is imported: on a busy machine, threads that spin while they wait make tests many times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "2")

BUNDLED = Path(trainer_service.__file__).parent / "bundled" / "wav2vec2-tiny-en"


@pytest.fixture(scope="session")
def bundled() -> Path:
    """The folder of the model that is shipped."""
    return BUNDLED


SMALL: dict[str, Any] = {
    "vocab_size": 32,
    "pad_token_id": 0,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (32,) * 7,
    "num_conv_pos_embedding_groups": 4,
}
"""Of a checkpoint with random weights."""


@pytest.fixture(scope="session")
def relatives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of checkpoints with random weights that are built much as Wav2Vec2 is: "hubert" and "data2vec"."""
    import torch
    from transformers import (
        Data2VecAudioConfig,
        Data2VecAudioForCTC,
        HubertConfig,
        HubertForCTC,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
    )

    torch.manual_seed(7)
    models = {
        "hubert": HubertForCTC(HubertConfig(**SMALL, num_conv_pos_embeddings=16)),
        "data2vec": Data2VecAudioForCTC(
            Data2VecAudioConfig(**SMALL, num_conv_pos_embeddings=3, conv_pos_kernel_size=9)
        ),
    }
    folders = {}
    for name, model in models.items():
        folders[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(folders[name])
        for part in (Wav2Vec2FeatureExtractor, Wav2Vec2CTCTokenizer):
            part.from_pretrained(BUNDLED).save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="session")
def small_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of checkpoints with random weights, by their norm: "group" as in wav2vec2-base, "layer" as in XLSR."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folders = {}
    processor = Wav2Vec2Processor(
        Wav2Vec2FeatureExtractor.from_pretrained(BUNDLED), Wav2Vec2CTCTokenizer.from_pretrained(BUNDLED)
    )
    for norm in ("group", "layer"):
        torch.manual_seed(7)
        config = Wav2Vec2Config(
            **SMALL,
            num_conv_pos_embeddings=16,
            feat_extract_norm=norm,
            do_stable_layer_norm=norm == "layer",
            conv_bias=norm == "layer",
        )
        folders[norm] = tmp_path_factory.mktemp(norm)
        Wav2Vec2ForCTC(config).save_pretrained(folders[norm])
        processor.save_pretrained(folders[norm])
    return folders
