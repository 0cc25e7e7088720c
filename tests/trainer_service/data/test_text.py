"""Transcripts become labels by stated rules, and what cannot be spelled is counted."""

from __future__ import annotations

import pytest

from thanosql.alphabet import Alphabet
from thanosql.errors import DataError
from trainer_service.data.text import CharacterCount, count_characters, require_known_characters

ENGLISH = Alphabet(["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"], 4, (0, 1, 2, 3))
LOWER = Alphabet(["<pad>", "|", *"abcdefghijklmnopqrstuvwxyzäöüß-"], 1, (0,))
SYLLABLES = Alphabet(["<pad>", "|", *"안녕하세요"], 1, (0,))
JAMO = Alphabet(["<pad>", "|", *"\u110b\u1161\u11ab\u1102\u1167\u11bc"], 1, (0,))


def spell(alphabet: Alphabet, vocabulary: str, text: str) -> str:
    return "".join(vocabulary[token] for token in alphabet.encode(text).tokens)


def english(text: str) -> str:
    return spell(ENGLISH, "____|ABCDEFGHIJKLMNOPQRSTUVWXYZ'", text)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("hello world", "HELLO|WORLD"),
        ("Hello,   world!\n", "HELLO|WORLD"),
        ("don\u2019t", "DON'T"),
        ("well-known", "WELL|KNOWN"),
        ("café", "CAFE"),
        ("\ufb01ne", "FINE"),
        ("a | b", "A|B"),
        ("…", ""),
        ("", ""),
    ],
)
def test_english_is_spelled_in_the_vocabularys_case(text: str, labels: str) -> None:
    assert english(text) == labels
    assert ENGLISH.encode(text).unknown == ""


def test_a_vocabulary_with_umlauts_and_hyphens_keeps_them() -> None:
    assert spell(LOWER, "_|abcdefghijklmnopqrstuvwxyzäöüß-", "Müll-Straße, Ä!") == "müll-straße|ä"


def test_an_apostrophe_that_the_vocabulary_lacks_does_not_part_a_word() -> None:
    assert spell(LOWER, "_|abcdefghijklmnopqrstuvwxyzäöüß-", "don't") == "dont"


def test_korean_is_spelled_in_syllables_or_in_jamo() -> None:
    assert spell(SYLLABLES, "_|안녕하세요", "안녕, 하세요.") == "안녕|하세요"
    assert JAMO.encode("안녕").tokens == (2, 3, 4, 5, 6, 7)


def test_unknown_characters_are_kept_apart_and_counted() -> None:
    assert ENGLISH.encode("room 42, добро").unknown == "42ДОБРО"
    count = count_characters(["room 42, добро", "2"], ENGLISH)
    assert (count.total, count.unknown) == (4 + 3 + 5, {"4": 1, "2": 2, "Д": 1, "О": 2, "Б": 1, "Р": 1})
    assert count.unknown_share == 8 / 12


def test_what_was_lost_before_is_unknown() -> None:
    assert ENGLISH.encode("f\ufffdr").unknown == "\ufffd"


def test_letters_spelled_without_their_accents_are_counted() -> None:
    count = count_characters(["Ein Café für Zoë in Seoul"], ENGLISH)
    assert count.without_accents == {"É": 1, "Ü": 1, "Ë": 1}
    assert not count.unknown
    assert not count_characters(["안녕"], JAMO).without_accents


def test_vowel_signs_are_letters_and_accents_that_fit_any_script_are_not() -> None:
    assert set(count_characters(["नमस्ते 42 x\u0301"], ENGLISH).letters) == set("नमस्ते") | {"X"}


def test_labels_are_read_back_as_they_are_spelled() -> None:
    assert ENGLISH.decode(ENGLISH.encode("Don\u2019t  panic!").tokens) == "DON'T PANIC"


@pytest.mark.parametrize(("vocabulary", "folded"), [("AB", "AÄB"), ("ab", "aäb"), ("Ab", "aÄB"), ("가", "aäb")])
def test_letters_take_the_vocabularys_case(vocabulary: str, folded: str) -> None:
    assert Alphabet(["<pad>", "|", *vocabulary], 1, (0,)).fold("aÄB") == folded


def test_equal_neighbours_need_a_frame_more() -> None:
    assert ENGLISH.encode("book").frames_needed == 5
    assert ENGLISH.encode("aaa b").frames_needed == 7


def test_another_alphabet_is_refused_with_its_characters_and_the_vocabulary() -> None:
    with pytest.raises(DataError, match=r"50\.0% of the characters") as caught:
        require_known_characters(count("안녕하세요", "hello"), ENGLISH, "Wav2Vec2En")
    assert "'안' (1)" in caught.value.message
    assert "ABCDEFG" in caught.value.hint


def test_one_in_a_hundred_unknown_characters_is_let_through() -> None:
    require_known_characters(count("a" * 99 + "1"), ENGLISH, "x")
    with pytest.raises(DataError):
        require_known_characters(count("a" * 98 + "1"), ENGLISH, "x")


def count(*texts: str) -> CharacterCount:
    return count_characters(texts, ENGLISH)
