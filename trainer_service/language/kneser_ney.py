"""Estimates n-gram language models: interpolated modified Kneser-Ney, as `lmplz` of KenLM does it.

After Chen & Goodman (1999), "An empirical study of smoothing techniques for language modeling", section 4.1.6, and
Heafield et al. (2013), "Scalable modified Kneser-Ney language model estimation". Of what can be installed by name,
KenLM's wheels only query, and what trains in Python (arpabo 0.3) sets every back-off to one: its sums are not one.

An n-gram is a row of its order's table: the row of its first n-1 words in the table before, and its last word. So an
n-gram is one integer wherever it is counted, sorted or looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
_UNKNOWN, _BEGIN, _END = range(3)

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""Of n-grams seen once, twice, more often, where too few were counted to tell: as `lmplz --discount_fallback`."""

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Grams:
    """The n-grams of one order, in the order of their words' numbers."""

    prefix: Integers
    """`[grams]`: row, in the order below, of the n-gram without its last word; 0 for single words."""
    word: Integers
    """`[grams]`: number of the last word."""
    probability: Reals
    """`[grams]`: of the last word after the others, interpolated with the lower orders."""
    backoff: Reals
    """`[grams]`: what a probability of the lower order is multiplied with after these words."""


@dataclass(frozen=True, slots=True, eq=False)
class NgramModel:
    """A back-off language model."""

    words: tuple[str, ...]
    """By number; `<unk>`, `<s>` and `</s>` are the first three."""
    orders: tuple[Grams, ...]
    """Single words, pairs, and so on."""

    def arpa(self) -> Iterator[str]:
        """The lines of the model in the ARPA format, logarithms to base 10."""
        yield "\\data\\"
        for order, grams in enumerate(self.orders, start=1):
            yield f"ngram {order}={len(grams.word)}"
        names: list[str] = [""]
        for order, grams in enumerate(self.orders, start=1):
            yield ""
            yield f"\\{order}-grams:"
            spelled = [
                f"{names[prefix]} {self.words[word]}" if names[prefix] else self.words[word]
                for prefix, word in zip(grams.prefix.tolist(), grams.word.tolist(), strict=True)
            ]
            # Nothing is ever asked for the probability of a beginning: the format's zero is -99.
            with np.errstate(divide="ignore"):
                logs = np.maximum(np.log10(grams.probability), -99.0)
            for name, log, backoff in zip(spelled, logs.tolist(), np.log10(grams.backoff).tolist(), strict=True):
                yield f"{log:.7g}\t{name}" if order == len(self.orders) else f"{log:.7g}\t{name}\t{backoff:.7g}"
            names = spelled
        yield ""
        yield "\\end\\"


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    """What is counted of the n-grams of one order."""

    prefix: Integers
    word: Integers
    suffix: Integers
    """Row, in the order below, of the n-gram without its first word."""
    times: Integers
    """How often it stands in the text."""
    begins: NDArray[np.bool_]
    """Whether its first word is `<s>`."""


def estimate(sentences: Sequence[Sequence[str]], order: int, *, prune: Sequence[int] = ()) -> NgramModel:
    """The model of a text.

    Args:
        sentences: Words; none may be `<s>`, `</s>` or `<unk>`.
        order: Longest n-gram.
        prune: For each order from 1 on, n-grams that stand in the text no more often are left out; must not fall.
            Missing ones are as the last, and none at all leaves nothing out. Single words always stay.

    Raises:
        ValueError: there is no word, or a word is one of the three.
    """
    words, text, sentence_of = _number(sentences)
    counts = _count(text, sentence_of, order)
    orders: list[Grams] = []
    lower = np.array([1.0])  # Below the single words is the same share for each of them: see `_interpolate`.
    rows = np.zeros(1, np.int64)  # Where an n-gram of the order below stands among those that were kept.
    for number, grams in enumerate(counts):
        adjusted = grams.times
        if number + 1 < len(counts):
            above = counts[number + 1]
            # The words that it was seen behind. Nothing stands before <s>: what begins so is counted as often as it is.
            adjusted = np.where(grams.begins, grams.times, np.bincount(above.suffix, minlength=len(grams.word)))
        threshold = 0 if number == 0 or not prune else prune[min(number, len(prune) - 1)]
        kept = grams.times > threshold if number else np.ones(len(grams.word), bool)
        probability, share = _interpolate(grams, adjusted, kept, lower, len(words), is_lowest=number == 0)
        if orders:
            orders[-1] = Grams(orders[-1].prefix, orders[-1].word, orders[-1].probability, share[_is_kept(rows)])
        # A longer one that is kept has a shorter one that is kept: it was seen at least as often.
        orders.append(Grams(rows[grams.prefix[kept]], grams.word[kept], probability[kept], np.ones(kept.sum())))
        rows = np.where(kept, np.cumsum(kept) - 1, -1)
        lower = probability
    return NgramModel(words, tuple(orders))


def estimate_discounts(adjusted: Integers) -> tuple[float, float, float]:
    """What is taken off n-grams of count one, two, and three or more (Chen & Goodman, equation 26)."""
    seen = np.bincount(np.minimum(adjusted, 5), minlength=5)
    once, twice, thrice, four = (int(seen[times]) for times in range(1, 5))
    if not (once and twice and thrice):
        return FALLBACK_DISCOUNTS
    share = once / (once + 2 * twice)
    discounts = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice)
    if not all(0 <= discount <= most for most, discount in enumerate(discounts, start=1)):
        return FALLBACK_DISCOUNTS
    return discounts


def _number(sentences: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], Integers, Integers]:
    """The words by number, the text in numbers (`<s> … </s>` one after another), and the sentence of each place."""
    number: dict[str, int] = {UNKNOWN: _UNKNOWN, BEGIN: _BEGIN, END: _END}
    text: list[int] = []
    lengths: list[int] = []
    for sentence in sentences:
        if not sentence:
            continue
        text.append(_BEGIN)
        text += [number.setdefault(word, len(number)) for word in sentence]
        text.append(_END)
        lengths.append(len(sentence) + 2)
    if not lengths:
        raise ValueError("there is no word to make a language model from")
    if sum(word < 3 for word in text) != 2 * len(lengths):
        raise ValueError(f"{UNKNOWN}, {BEGIN} and {END} are no words")
    return tuple(number), np.array(text, np.int64), np.repeat(np.arange(len(lengths)), lengths)


def _count(text: Integers, sentence_of: Integers, order: int) -> list[_Counts]:
    """Every n-gram of each order; a sentence's words belong together, and nothing reaches over its end."""
    size = int(text.max()) + 1
    # <unk> and <s> are not in the text, or not to be predicted, and are words all the same.
    single = np.arange(size)
    begins = single == _BEGIN
    counts = [_Counts(np.zeros(size, np.int64), single, np.zeros(size, np.int64), np.bincount(text), begins)]
    row_at = text  # Of the n-gram that begins at each place.
    for length in range(2, order + 1):
        last = len(text) - length + 1
        if last <= 0:
            break
        fits = np.flatnonzero(sentence_of[:last] == sentence_of[length - 1 :])
        keys = row_at[fits] * size + text[fits + length - 1]
        unique, first, inverse, times = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        if not len(unique):
            break
        prefix, word = np.divmod(unique, size)
        counts.append(_Counts(prefix, word, row_at[fits[first] + 1], times, counts[-1].begins[prefix]))
        row_at = np.full(len(text), -1, np.int64)
        row_at[fits] = inverse
    return counts


def _interpolate(
    grams: _Counts, adjusted: Integers, kept: NDArray[np.bool_], lower: Reals, size: int, *, is_lowest: bool
) -> tuple[Reals, Reals]:
    """The probability of each n-gram, and for each n-gram below the share that is left to the lower order after it."""
    adjusted = np.where(is_lowest & grams.begins, 0, adjusted)  # <s> is never predicted
    discounts = np.array([0.0, *estimate_discounts(adjusted)])
    # Of what is left out, all goes to the lower order.
    taken = np.where(kept, discounts[np.minimum(adjusted, 3)], adjusted)
    contexts = 1 if is_lowest else int(grams.prefix.max(initial=0)) + 1
    contexts = max(contexts, len(lower))
    total = np.bincount(grams.prefix, adjusted, contexts)
    left = np.bincount(grams.prefix, taken, contexts)
    share = np.divide(left, total, out=np.ones(contexts), where=total > 0)
    if is_lowest:
        base = np.full(len(grams.word), 1 / (size - 1))
        base[_BEGIN] = 0.0
    else:
        base = lower[grams.suffix]
    return (adjusted - taken) / total[grams.prefix] + share[grams.prefix] * base, share


def _is_kept(rows: Integers) -> NDArray[np.bool_]:
    return rows >= 0
