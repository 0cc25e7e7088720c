"""A base learns to write another alphabet, and what it knew of its own stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2CTCTokenizer

from thanosql.ctc import decode_text
from thanosql.errors import DataError
from thanosql.modelstore import ModelDescription, read_description
from trainer_service.bases.checkpoints import Checkpoint, load_folder
from trainer_service.bases.head import FittedHead, fit_head
from trainer_service.data.vocabulary import Change
from trainer_service.export.export import describe, new_description, write_version
from trainer_service.export.parity import open_session

KOREAN = ["안녕하세요 여러분", "여러분 안녕", "하세요"] * 4
GERMAN = ["für die Übung öffnen wir Räume"] * 4


def load(folder: Path) -> tuple[Checkpoint, ModelDescription]:
    checkpoint = load_folder(folder)
    return checkpoint, describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))


def fit(folder: Path, texts: list[str], seed: int = 0) -> FittedHead:
    return fit_head(*load(folder), texts, base="Small", seed=seed)


def spell(head: FittedHead, text: str) -> str:
    """What frames say that hold the labels of `text`, each for two frames and a blank."""
    frames = [each for token in head.alphabet.encode(text).tokens for each in (token, token, head.description.blank)]
    return decode_text(np.array(frames), head.description)


def test_a_vocabulary_that_fits_is_kept_as_it_is(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, description = load(small_checkpoints["layer"])
    before = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    head = fit_head(checkpoint, description, ["hello there"] * 3, base="Small", seed=0)
    assert (head.change, head.is_new, head.notice) == (Change.KEPT, False, None)
    assert head.checkpoint is checkpoint
    assert head.description is description
    assert all(torch.equal(before[name], value) for name, value in checkpoint.model.state_dict().items())


def test_another_alphabet_gets_a_new_output_layer(small_checkpoints: dict[str, Path]) -> None:
    head = fit(small_checkpoints["layer"], KOREAN)
    assert head.description.vocabulary == ("<pad>", "|", "<unk>", "<s>", "</s>", *sorted(set("안녕하세요여러분")))
    assert (head.description.blank, head.description.word_delimiter, head.description.special) == (0, 1, (2, 3, 4))
    assert head.is_new
    assert head.notice is not None
    assert "replaced by a new one of 8 letters" in head.notice.text
    assert head.checkpoint.model.lm_head.out_features == head.checkpoint.model.config.vocab_size == 13
    assert spell(head, "안녕, 하세요!") == "안녕 하세요"


def test_umlauts_extend_the_output_layer_and_leave_the_rest_of_it(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, description = load(small_checkpoints["layer"])
    old = checkpoint.model.lm_head.weight.detach().clone()
    head = fit_head(checkpoint, description, GERMAN, base="Small", seed=0)
    assert head.description.vocabulary == (*description.vocabulary, *"ÄÖÜ")
    assert (head.description.blank, head.description.word_delimiter) == (description.blank, description.word_delimiter)
    assert not head.is_new
    assert torch.equal(head.checkpoint.model.lm_head.weight[:32], old)
    assert spell(head, "Müll für Doof") == "MÜLL FÜR DOOF"


def test_a_seed_gives_the_same_output_layer_and_another_seed_another(small_checkpoints: dict[str, Path]) -> None:
    first, same, other = (fit(small_checkpoints["layer"], KOREAN, seed).checkpoint.model.lm_head for seed in (1, 1, 2))
    assert torch.equal(first.weight, same.weight)
    assert not torch.equal(first.weight, other.weight)


def test_it_is_stored_with_the_model_and_read_back(small_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    head = fit(small_checkpoints["group"], KOREAN)
    write_version(tmp_path, head.checkpoint, head.description)
    folder = tmp_path / "m" / "1"
    assert read_description(folder).vocabulary == head.description.vocabulary
    again = load_folder(folder)
    assert describe(again, head.description).vocabulary == head.description.vocabulary
    assert torch.equal(again.model.lm_head.weight, head.checkpoint.model.lm_head.weight)
    log_probs = open_session(folder / "model.onnx").run(
        ["log_probs"], {"waveform": np.zeros((1, 4_000), np.float32), "lengths": np.array([4_000])}
    )[0]
    assert log_probs.shape[2] == len(head.description.vocabulary)


@pytest.mark.parametrize("texts", [KOREAN, GERMAN])
def test_the_librarys_own_tokenizer_writes_the_same_text(
    small_checkpoints: dict[str, Path], tmp_path: Path, texts: list[str]
) -> None:
    head = fit(small_checkpoints["group"], texts)
    head.checkpoint.tokenizer.save_pretrained(tmp_path)
    labels = list(head.alphabet.encode(texts[0]).tokens)
    tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(tmp_path)
    assert tokenizer.decode(labels, group_tokens=False) == head.alphabet.decode(labels)


def test_garbage_is_refused_and_the_network_stays_as_it_was(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, description = load(small_checkpoints["layer"])
    head = checkpoint.model.lm_head
    with pytest.raises(DataError, match="each is seen 1"):
        fit_head(checkpoint, description, ["龘靐齉爩鱻麤"], base="Small", seed=0)
    assert checkpoint.model.lm_head is head
