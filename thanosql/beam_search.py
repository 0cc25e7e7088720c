"""Turns the log-probabilities of a CTC model into text with a language model, with hotwords, or with both.

Prefix beam search (Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition using bi-directional
recurrent DNNs"): the probability of a text is summed over its alignments; texts are compared by

    log P_ctc(text) + lm_weight · log P_lm(words) + word_score · words + hotwords

Letters are free: a word that the language model has never seen can come out, at the price of its `<unk>`. Over a
lexicon, flashlight-text's decoder cannot spell such a word; without one it asks the language model for each letter of
each hypothesis, in Python where words or hotwords are to count. Here the language model is asked once a word.

All hypotheses of a frame are computed at once, in numpy. Where the model is certain of a blank nothing can change, and
a frame costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from thanosql.ctc import Decoding, Run, decode_runs
from thanosql.hotwords import Hotwords
from thanosql.modelstore import ModelDescription

Reals = NDArray[np.float64]
Integers = NDArray[np.int64]

HYPOTHESES = 32
"""Texts that are followed at once."""
SCORE_MARGIN = 10.0
"""How far, in nats, a text may fall behind the best before it is given up."""
TOKEN_MARGIN = 5.0
"""How far, in nats, a token may lie below the most probable one of its frame and still be tried."""
_NEVER = -1e30
"""Of a logarithm: minus infinity with which one can compute."""


class LanguageScores(Protocol):
    """What the search asks of a language model. Places in words and histories are numbers of the model's own."""

    def start(self) -> int:
        """The history at the beginning of a recording."""

    def begin_word(self) -> int:
        """The place before the first letter of a word."""

    def spell(self, places: Integers, tokens: Integers) -> Integers:
        """`[n]`: the place after one more token; negative where no known word goes on like that."""

    def leave_words(self, history: int) -> float:
        """What it costs that the word after `history` is none of the known ones."""

    def end_word(self, history: int, place: int) -> tuple[int, float]:
        """The history after the word that ends at `place`, and what it adds to the score.

        At a negative place it is an unknown word, whose cost `leave_words` has told before.
        """

    def finish(self, history: int) -> float:
        """What the end of the recording adds."""


@dataclass(slots=True, eq=False)
class _Beam:
    """The hypotheses of a moment; a column of each array is one of them."""

    blank: Reals
    """Log-probability of the text, over the alignments that end in a blank."""
    label: Reals
    """Likewise, over those that end in its last token."""
    added: Reals
    """What language model and hotwords have added so far."""
    last: Integers
    """Last token; the word delimiter before the first."""
    identity: Integers
    """A number that stands for the text."""
    parent: Integers
    """The same for the text without its last token."""
    place: Integers
    """In the word, for the language model."""
    history: Integers
    """Of the language model: the words that are complete."""
    hot: Integers
    """In the hotwords."""

    def take(self, rows: Integers) -> _Beam:
        return _Beam(
            self.blank[rows],
            self.label[rows],
            self.added[rows],
            self.last[rows],
            self.identity[rows],
            self.parent[rows],
            self.place[rows],
            self.history[rows],
            self.hot[rows],
        )


_MIX = np.int64(0x9E3779B97F4A7C15 - (1 << 64))
"""An odd number without pattern; a text's number is multiplied with it at each token (Knuth's multiplicative hash)."""


def beam_search(
    log_probs: NDArray[np.floating],
    model: ModelDescription,
    *,
    language: LanguageScores | None = None,
    hotwords: Hotwords | None = None,
    hypotheses: int = HYPOTHESES,
) -> Decoding:
    """Text, and words with times and confidences, of `log_probs [frames, vocabulary]`.

    Times are those of the most probable alignment, confidences what the acoustic model alone gives the letters: see
    `thanosql.ctc`. Where neither language model nor hotwords change anything and the model is certain, the result is
    that of greedy decoding.

    Args:
        log_probs: Of every real frame.
        model: Vocabulary and timing.
        language: Scores words.
        hotwords: Favours words.
        hypotheses: Texts that are followed at once.
    """
    search = _Search(_fold(log_probs, model), model, language, hotwords, hypotheses)
    search.run()
    runs = _widen(search.best(), log_probs)
    scores = np.zeros(len(log_probs))
    for run in runs:
        scores[run.start : run.end] = log_probs[run.start : run.end, run.token]
    return decode_runs(runs, scores, model)


class _Search:
    def __init__(
        self,
        frames: Reals,
        model: ModelDescription,
        language: LanguageScores | None,
        hotwords: Hotwords | None,
        hypotheses: int,
    ) -> None:
        self._frames, self._language, self._hotwords = frames, language, hotwords
        self._blank, self._delimiter, self._most = model.blank, model.word_delimiter, hypotheses
        # Where each token stands among those that are tried; -1 between frames.
        self._column: Integers = np.full(frames.shape[1], -1)
        zero, none = np.zeros(1), np.zeros(1, np.int64)
        self._beam = _Beam(
            blank=zero,
            label=np.full(1, _NEVER),
            added=zero,
            last=np.full(1, self._delimiter),
            identity=none + 1,
            parent=none,
            place=np.full(1, language.begin_word() if language else 0),
            history=np.full(1, language.start() if language else 0),
            hot=none,
        )
        # Of each frame in which anything could change: which hypothesis each came from, and the token it took, or -1.
        self._steps: list[tuple[int, Integers, Integers]] = []

    def run(self) -> None:
        for frame, tokens in _candidates(self._frames, self._blank):
            if len(tokens):
                self._step(frame, tokens)
            else:
                beam, scores = self._beam, self._frames[frame]
                beam.blank, beam.label = (
                    np.logaddexp(beam.blank, beam.label) + scores[self._blank],
                    beam.label + scores[beam.last],
                )

    def best(self) -> list[tuple[int, int]]:
        """Token and frame of each label of the best text: the frame in which its most probable alignment takes it."""
        beam = self._beam
        scores = np.logaddexp(beam.blank, beam.label) + beam.added
        if self._hotwords is not None:
            scores = scores + self._hotwords.at_end[beam.hot]
        if self._language is not None:
            for row in range(len(scores)):
                history = int(beam.history[row])
                if beam.last[row] != self._delimiter:
                    history, score = self._language.end_word(history, int(beam.place[row]))
                    scores[row] += score
                scores[row] += self._language.finish(history)
        row = int(scores.argmax())
        labels: list[tuple[int, int]] = []
        for frame, sources, tokens in reversed(self._steps):
            if tokens[row] >= 0:
                labels.append((int(tokens[row]), frame))
            row = int(sources[row])
        return labels[::-1]

    def _step(self, frame: int, tokens: Integers) -> None:
        beam, scores = self._beam, self._frames[frame]
        count, width = len(beam.blank), len(tokens)
        total = np.logaddexp(beam.blank, beam.label)
        # The same text: one more blank, or its last token held on.
        blank = total + scores[self._blank]
        label = beam.label + scores[beam.last]
        # One more token. The last one over again needs a blank between, and a second delimiter is no new word.
        longer = total[:, None] + scores[tokens]
        at_boundary = beam.last == self._delimiter
        label[at_boundary] = total[at_boundary] + scores[self._delimiter]
        self._column[tokens] = np.arange(width)
        column = self._column[beam.last]
        delimiter = int(self._column[self._delimiter])
        self._column[tokens] = -1
        again = (column >= 0).nonzero()[0]
        longer[again, column[again]] = beam.blank[again] + scores[beam.last[again]]
        if delimiter >= 0:
            longer[at_boundary, delimiter] = _NEVER
        # A longer text that is among the hypotheses already is that one.
        sources = np.arange(count)
        taken = np.full(count, -1)
        whole = np.logaddexp(blank, label)
        shorter, met = (beam.identity[:, None] == beam.parent[again]).nonzero()
        if len(met):
            same = again[met]
            arriving = longer[shorter, column[same]]
            arrives = arriving > whole[same]
            sources[same[arrives]], taken[same[arrives]] = shorter[arrives], beam.last[same[arrives]]
            label[same] = np.logaddexp(label[same], arriving)
            whole[same] = np.logaddexp(whole[same], arriving)
            longer[shorter, column[same]] = _NEVER

        added = np.repeat(beam.added[:, None], width, 1)
        if self._hotwords is not None:
            added += self._hotwords.gain[beam.hot[:, None], tokens]
        stay = whole + beam.added
        grown = longer + added
        ends = np.full(count, -1)
        if self._language is not None and delimiter >= 0:
            cutoff = max(stay.max(), grown.max()) - SCORE_MARGIN
            for ending in (grown[:, delimiter] > cutoff).nonzero()[0].tolist():
                ends[ending], score = self._language.end_word(int(beam.history[ending]), int(beam.place[ending]))
                added[ending, delimiter] += score
                grown[ending, delimiter] += score
        every = np.concatenate((stay, grown.ravel()))
        kept = (every > every.max() - SCORE_MARGIN).nonzero()[0]
        if len(kept) > self._most:
            kept = kept[np.argpartition(every[kept], -self._most)[-self._most :]]
        grows = kept >= count
        grown_from = kept[grows] - count
        row, place = grown_from // width, grown_from % width
        row_of = kept.copy()
        row_of[grows] = row
        token = tokens[place]

        beam = beam.take(row_of)
        beam.blank, beam.label = blank[row_of], label[row_of]
        beam.blank[grows], beam.label[grows] = _NEVER, longer[row, place]
        beam.added[grows] = added[row, place]
        beam.last[grows] = token
        beam.parent[grows] = beam.identity[grows]
        beam.identity[grows] = (beam.identity[grows] * _MIX) ^ (token + 1)
        came = sources[row_of]
        took = taken[row_of]
        came[grows], took[grows] = row, token
        if self._hotwords is not None:
            beam.hot[grows] = self._hotwords.following[beam.hot[grows], token]
        if self._language is not None:
            self._follow_words(beam, grows, row, token, ends)
        self._beam = beam
        self._steps.append((frame, came.astype(np.int16), took.astype(np.int32)))

    def _follow_words(
        self, beam: _Beam, grows: NDArray[np.bool_], row: Integers, token: Integers, ends: Integers
    ) -> None:
        """Keeps the places in the words of the hypotheses that took a token."""
        assert self._language is not None
        ended = token == self._delimiter
        before = beam.place[grows]
        place = self._language.spell(before, token)
        place[ended] = self._language.begin_word()
        beam.place[grows] = place
        history = beam.history[grows]
        history[ended] = ends[row[ended]]
        beam.history[grows] = history
        left = ((place < 0) & (before >= 0)).nonzero()[0]
        if len(left):
            rows = grows.nonzero()[0][left]
            beam.added[rows] += [self._language.leave_words(each) for each in history[left].tolist()]


def _fold(log_probs: NDArray[np.floating], model: ModelDescription) -> Reals:
    """The frames with the tokens that never become text counted as blanks: what greedy decoding takes them for."""
    frames = np.maximum(np.asarray(log_probs, np.float64), _NEVER)
    if model.special:
        silent = [model.blank, *model.special]
        frames[:, model.blank] = np.logaddexp.reduce(frames[:, silent], axis=1)
        frames[:, list(model.special)] = _NEVER
    return frames


def _candidates(frames: Reals, blank: int) -> Iterator[tuple[int, Integers]]:
    """Of each frame the tokens, blank not among them, that are worth a try."""
    worth = frames > (frames.max(axis=1) - TOKEN_MARGIN)[:, None]
    worth[:, blank] = False
    rows, tokens = np.nonzero(worth)
    yield from enumerate(np.split(tokens, np.searchsorted(rows, np.arange(1, len(frames)))) if len(frames) else ())


def _widen(labels: list[tuple[int, int]], log_probs: NDArray[np.floating]) -> list[Run]:
    """The frames of each label: from where it comes, as long as the model holds it for the most probable token."""
    best = log_probs.argmax(axis=1).tolist()
    runs = []
    for number, (token, start) in enumerate(labels):
        limit = labels[number + 1][1] if number + 1 < len(labels) else len(best)
        end = start + 1
        while end < limit and best[end] == token:
            end += 1
        runs.append(Run(token, start, end))
    return runs
