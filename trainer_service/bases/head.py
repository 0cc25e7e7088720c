"""Gives a base model the output layer and the tokenizer for a vocabulary that fits the transcripts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Wav2Vec2CTCTokenizer

from thanosql.alphabet import Alphabet
from thanosql.modelstore import ModelDescription
from thanosql.types import Notice
from trainer_service.bases.checkpoints import Checkpoint
from trainer_service.data.text import shorten
from trainer_service.data.vocabulary import Change, Choice, choose_vocabulary
from trainer_service.export.export import describe


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A checkpoint whose vocabulary spells the transcripts, as far as `vocabulary` makes it."""

    checkpoint: Checkpoint
    description: ModelDescription
    alphabet: Alphabet
    change: Change
    notice: Notice | None = None
    """Tells the user what was changed."""

    @property
    def is_new(self) -> bool:
        """Whether the output layer knows nothing yet: then the transformer is kept frozen for the first steps."""
        return self.change is Change.NEW


def fit_head(
    checkpoint: Checkpoint, description: ModelDescription, texts: Sequence[str], *, base: str, seed: int
) -> FittedHead:
    """Keeps, extends or makes anew the output layer, by the rules in `vocabulary`.

    Args:
        checkpoint: The base model; its network is changed in place, and must not be used with its old tokenizer then.
        description: Of the checkpoint.
        texts: All transcripts.
        base: The base model's name, for messages.
        seed: Of the new weights.

    Raises:
        DataError: the vocabulary does not fit, and none can be made of these transcripts.
    """
    alphabet = alphabet_of(description)
    choice = choose_vocabulary(texts, alphabet, base)
    if choice.change is Change.KEPT:
        return FittedHead(checkpoint, description, alphabet, Change.KEPT)
    config: Any = checkpoint.model.config
    if choice.change is Change.EXTENDED:
        spelled = {token: place for token, place in _vocabulary(checkpoint).items() if place < config.vocab_size}
        first, old = config.vocab_size, checkpoint.model.lm_head
    else:
        spelled = {token: place for place, token in enumerate(_special_tokens(checkpoint.tokenizer))}
        first, old = len(spelled), None
    spelled |= {letter: first + place for place, letter in enumerate(choice.letters)}
    tokenizer = _make_tokenizer(spelled, checkpoint.tokenizer)
    checkpoint.model.lm_head = _make_head(checkpoint.model.lm_head, first + len(choice.letters), old, seed, config)
    config.vocab_size = first + len(choice.letters)
    config.pad_token_id = tokenizer.pad_token_id
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    fitted = Checkpoint(checkpoint.model, tokenizer, checkpoint.feature_extractor)
    description = describe(fitted, description)
    notice = Notice(_tell(choice, base))
    return FittedHead(fitted, description, alphabet_of(description), choice.change, notice)


def alphabet_of(description: ModelDescription) -> Alphabet:
    """What a model can spell."""
    return Alphabet(description.vocabulary, description.word_delimiter, (description.blank, *description.special))


def _vocabulary(checkpoint: Checkpoint) -> Mapping[str, int]:
    tokenizer: Any = checkpoint.tokenizer
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    return vocabulary


def _special_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Blank, word delimiter, unknown, and the two that older checkpoints have besides; each once."""
    tokens = tokenizer.pad_token, tokenizer.word_delimiter_token, tokenizer.unk_token
    return tuple(dict.fromkeys(t for t in (*tokens, tokenizer.bos_token, tokenizer.eos_token) if t is not None))


def _make_tokenizer(vocabulary: Mapping[str, int], like: Any) -> Wav2Vec2CTCTokenizer:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.json"
        file.write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
        made: Wav2Vec2CTCTokenizer = type(like)(
            str(file),
            pad_token=like.pad_token,
            unk_token=like.unk_token,
            bos_token=like.bos_token,
            eos_token=like.eos_token,
            word_delimiter_token=like.word_delimiter_token,
            replace_word_delimiter_char=like.replace_word_delimiter_char,
            do_lower_case=like.do_lower_case,
        )
        return made


def _make_head(shaped: nn.Linear, size: int, old: nn.Linear | None, seed: int, config: Any) -> nn.Linear:
    """An output layer of `size` tokens as wav2vec 2.0 begins with, its first rows those of `old`."""
    head = nn.Linear(shaped.in_features, size)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        head.weight.normal_(0.0, config.initializer_range, generator=draw)
        head.bias.zero_()
        if old is not None:
            head.weight[: old.out_features] = old.weight
            head.bias[: old.out_features] = old.bias
    return head.to(shaped.weight.device)


def _tell(choice: Choice, base: str) -> str:
    if choice.change is Change.EXTENDED:
        return (
            f"The vocabulary of {base} lacks {shorten(choice.letters)}: its output layer is kept and extended by "
            f"{len(choice.letters)} letters, which begin untrained."
        )
    return (
        f"The transcripts are written in another alphabet than that of {base}: its output layer is replaced by a new "
        f"one of {len(choice.letters)} letters, which begins untrained: {shorten(choice.letters)}. What {base} has "
        f"learned of the sounds of speech is kept, but a new output layer wants far more audio than one that is kept."
    )
