"""The n-gram models are those that KenLM's lmplz makes, and their probabilities sum to one."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer_service.language.kneser_ney import FALLBACK_DISCOUNTS, NgramModel, estimate, estimate_discounts

TUTORIAL = Path(__file__).parents[3] / "tutorial_data" / "librispeech_data" / "librispeech_train.csv"

Entries = dict[tuple[str, ...], tuple[float, float]]


def tutorial_sentences() -> list[list[str]]:
    with TUTORIAL.open(encoding="utf-8") as file:
        return [row["text"].split() for row in csv.DictReader(file)]


def read_arpa(model: NgramModel) -> Entries:
    """Probability and back-off of each n-gram, as they stand in the file."""
    entries = {}
    for line in model.arpa():
        fields = line.split("\t")
        if len(fields) > 1:
            backoff = float(fields[2]) if len(fields) > 2 else 0.0
            entries[tuple(fields[1].split())] = (10 ** float(fields[0]), 10**backoff)
    return entries


def ask(entries: Entries, history: tuple[str, ...], word: str) -> float:
    """The definition of a back-off model."""
    if (*history, word) in entries:
        return entries[*history, word][0]
    _, backoff = entries.get(history, (0.0, 1.0))
    return backoff * ask(entries, history[1:], word)


def sums(model: NgramModel) -> list[float]:
    """Of the probabilities of all words after each history that the model knows, and after one that it does not."""
    entries = read_arpa(model)
    histories = {gram for gram in entries if len(gram) < len(model.orders) and gram[-1] != "</s>"}
    words = [word for word in model.words if word != "<s>"]
    return [sum(ask(entries, history, word) for word in words) for history in [(), ("<unk>", "<unk>"), *histories]]


@pytest.mark.parametrize("prune", [(), (0, 0, 1), (0, 1, 2)])
def test_the_probabilities_after_any_history_sum_to_one(prune: tuple[int, ...]) -> None:
    for total in sums(estimate(tutorial_sentences()[:25], 4, prune=prune)):
        assert math.isclose(total, 1, abs_tol=1e-4)


@given(
    st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), min_size=1, max_size=8),
    st.integers(1, 4),
    st.sampled_from([(), (0, 1), (0, 0, 2)]),
)
@settings(max_examples=60, deadline=None)
def test_they_sum_to_one_for_any_text(text: list[list[str]], order: int, prune: tuple[int, ...]) -> None:
    for total in sums(estimate(text, order, prune=prune)):
        assert math.isclose(total, 1, abs_tol=1e-4)


# Of `lmplz -o 3` of KenLM 0.3.0 for the 80 transcripts of the tutorial: log10 of probability and back-off.
LMPLZ = {
    "<unk>": (-2.932768, 0.0),
    "</s>": (-1.0448061, 0.0),
    "the": (-1.5185351, -0.027656734),
    "he": (-1.9677722, -0.05300286),
    "<s> the": (-0.90777606, -0.023441331),
    "in the": (-0.44146886, -0.048672907),
    "of the": (-0.6186891, -0.011354741),
    "<s> i": (-1.0073582, -0.024976071),
}
# And with `--prune 0 0 1`.
LMPLZ_PRUNED = {
    "the heavens </s>": (-0.5669102, 0.0),
    "<s> you will": (-0.91645765, 0.0),
    "in the world": (-1.2903699, 0.0),
    "<s> i don't": (-1.3219849, 0.0),
    "of the": (-0.6186891, 0.0),
}


@pytest.mark.parametrize(
    ("prune", "counts", "known"), [((), [401, 768, 766], LMPLZ), ((0, 0, 1), [401, 768, 11], LMPLZ_PRUNED)]
)
def test_the_model_is_that_of_lmplz(
    prune: tuple[int, ...], counts: list[int], known: dict[str, tuple[float, float]]
) -> None:
    model = estimate(tutorial_sentences(), 3, prune=prune)
    assert [len(grams.word) for grams in model.orders] == counts
    entries = read_arpa(model)
    for gram, (log, backoff) in known.items():
        probability, factor = entries[tuple(gram.split())]
        assert math.log10(probability) == pytest.approx(log, abs=1e-5)
        assert math.log10(factor) == pytest.approx(backoff, abs=1e-5)


def test_the_discounts_are_those_of_lmplz() -> None:
    # The tutorial's transcripts, triples: counts of counts that give D1 = 0.974194, D2 = 1.70774, D3+ = 3.
    sentences = [["<s>", *sentence, "</s>"] for sentence in tutorial_sentences()]
    triples: dict[tuple[str, ...], int] = {}
    for sentence in sentences:
        for triple in zip(sentence, sentence[1:], sentence[2:], strict=False):
            triples[triple] = triples.get(triple, 0) + 1
    discounts = estimate_discounts(np.array(list(triples.values())))
    assert discounts == pytest.approx((0.974194, 1.70774, 3), abs=1e-5)


@pytest.mark.parametrize("counts", [[1, 1, 1], [1, 3, 3], [5, 6], [1, 2, *[3] * 10, 4]])
def test_counts_that_tell_no_discount_take_the_fallback(counts: list[int]) -> None:
    assert estimate_discounts(np.array(counts)) == FALLBACK_DISCOUNTS


def test_what_was_said_more_often_is_more_probable() -> None:
    model = read_arpa(estimate([*[["a", "b"]] * 5, ["a", "c"]], 2))
    assert ask(model, ("a",), "b") > ask(model, ("a",), "c") > ask(model, ("a",), "<unk>") > 0


def test_a_sentence_of_one_word_has_no_longer_grams_than_it_gives() -> None:
    model = estimate([["yes"]], 4)
    assert [len(grams.word) for grams in model.orders] == [4, 2, 1]


def test_no_gram_reaches_from_one_sentence_into_the_next() -> None:
    entries = read_arpa(estimate([["a"], ["b"]], 3))
    assert ("</s>", "<s>") not in entries
    assert ("a", "b") not in entries


@pytest.mark.parametrize("sentences", [[], [[]], [["a", "</s>"]], [["<s>"]], [["<unk>", "a"]]])
def test_a_text_without_words_is_refused_and_so_are_marks_in_it(sentences: list[list[str]]) -> None:
    with pytest.raises(ValueError, match=r"no word"):
        estimate(sentences, 3)
