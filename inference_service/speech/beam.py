"""Decodes the frames of a recording with a model's language model, with a caller's hotwords, or with both."""

from __future__ import annotations

from dataclasses import dataclass

from inference_service.speech.decode import FrameScores, ReadFrames
from thanosql.beam_search import beam_search
from thanosql.ctc import Decoding
from thanosql.hotwords import WEIGHT, Hotwords, find_hotwords
from thanosql.language_model import LanguageModel, Weights
from thanosql.modelstore import ModelDescription


@dataclass(frozen=True, slots=True, eq=False)
class Beam:
    """Beam search over log-probabilities; any number of threads may decode at once."""

    model: ModelDescription
    language: tuple[LanguageModel, Weights] | None = None
    hotwords: Hotwords | None = None

    def __call__(self, frames: FrameScores) -> Decoding:
        """What the frames of a whole recording say; their log-probabilities were asked for."""
        assert frames.log_probs is not None
        words = None
        if self.language is not None:
            language, weights = self.language
            words = language.scores(weights)
        return beam_search(frames.log_probs, self.model, language=words, hotwords=self.hotwords)


def choose_decoder(
    model: ModelDescription,
    language: tuple[LanguageModel, Weights] | None,
    hotwords: tuple[str, ...] = (),
    weight: float = 0.0,
) -> ReadFrames | None:
    """How the frames of a model are to be read; None: greedily, from the most probable token of each.

    Args:
        model: The model.
        language: Its language model and the weights for it.
        hotwords: Words and phrases to favour.
        weight: Nats for each letter of them; 0: `thanosql.hotwords.WEIGHT`.

    Raises:
        InvalidOption: the model cannot spell a hotword, or they make no sense.
    """
    found = find_hotwords(hotwords, weight or WEIGHT, model)
    if language is None and found is None:
        return None
    return Beam(model, language, found)
