"""What the names of pre-built models stand for."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NAMED_HERE: Mapping[str, str] = MappingProxyType({"tutorial_audio_recognition": "Wav2Vec2En"})
"""Models that ThanoSQL's tutorial knows by names of their own, and the base models that they are made of."""


def base_of(name: str) -> str:
    """The base model that a pre-built model is made of.

    >>> base_of("Tutorial_Audio_Recognition"), base_of("Wav2Vec2Ko")
    ('Wav2Vec2En', 'Wav2Vec2Ko')
    """
    return NAMED_HERE.get(name.lower(), name)


def model_name_of(name: str) -> str:
    """The name that a model made of it has, where no other is given: in lower case, as bare names are read.

    >>> model_name_of("Wav2Vec2En"), model_name_of("someone/wav2vec2-german")
    ('wav2vec2en', 'wav2vec2-german')
    """
    return name.rpartition("/")[2].lower()
