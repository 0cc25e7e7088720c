"""What transformers does by itself that spoils a training or a transcript, and that nothing of it happens here.

Each test shows the library's way beside ours: when one of these fails for the library, it has been mended there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor

from thanosql.alphabet import Alphabet
from thanosql.ctc import decode_text
from trainer_service.bases.checkpoints import load_folder
from trainer_service.bases.head import alphabet_of
from trainer_service.export.export import describe, new_description
from trainer_service.export.graph import mask_of, normalise


def test_a_clip_is_normalised_over_its_own_samples_and_not_over_padding(bundled: Path) -> None:
    draw = np.random.default_rng(0)
    short, long = (draw.normal(0.2, 0.1, samples).astype(np.float32) for samples in (8_000, 32_000))
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(bundled, return_attention_mask=False)
    alone = extractor([short], sampling_rate=16_000, return_tensors="pt").input_values[0]
    theirs = extractor([short, long], sampling_rate=16_000, return_tensors="pt", padding=True).input_values[0, :8_000]
    assert (alone - theirs).abs().max() > 0.1
    batch = torch.zeros(2, 32_000)
    batch[0, :8_000], batch[1] = torch.from_numpy(short), torch.from_numpy(long)
    ours = normalise(batch, mask_of(torch.tensor([8_000, 32_000]), 32_000))[0, :8_000]
    torch.testing.assert_close(ours, alone, atol=1e-5, rtol=0)


@pytest.fixture(scope="module")
def tokenizer(bundled: Path) -> Wav2Vec2CTCTokenizer:
    return Wav2Vec2CTCTokenizer.from_pretrained(bundled)


@pytest.fixture(scope="module")
def alphabet(bundled: Path) -> Alphabet:
    return alphabet_of(describe(load_folder(bundled), new_description("m", 1, class_name="", base="", report={})))


def test_a_reference_keeps_its_double_letters(tokenizer: Wav2Vec2CTCTokenizer, alphabet: Alphabet) -> None:
    labels = alphabet.encode("hello book").tokens
    assert tokenizer.decode(labels) == "HELO BOK"
    assert alphabet.decode(labels) == tokenizer.decode(labels, group_tokens=False) == "HELLO BOOK"


def test_a_prediction_keeps_its_double_letters(
    bundled: Path, tokenizer: Wav2Vec2CTCTokenizer, alphabet: Alphabet
) -> None:
    description = describe(load_folder(bundled), new_description("m", 1, class_name="", base="", report={}))
    # Each letter for two frames, and a blank after it.
    frames = [each for label in alphabet.encode("hello book").tokens for each in (label, label, description.blank)]
    assert tokenizer.decode(frames, skip_special_tokens=True).replace(" ", "") == "HELOBOK"
    assert decode_text(np.array(frames), description) == "HELLO BOOK"
