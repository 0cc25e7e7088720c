"""Which vocabulary transcripts want, by pairs of transcripts and a base model."""

from __future__ import annotations

import random

import pytest

from thanosql.alphabet import Alphabet
from thanosql.errors import DataError
from trainer_service.data.text import count_characters, require_known_characters
from trainer_service.data.vocabulary import LEAST_REPETITION, MOST_LETTERS, Change, Choice, choose_vocabulary


def alphabet(letters: str) -> Alphabet:
    return Alphabet(["<pad>", "|", *letters], 1, (0,))


ENGLISH = alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")
SYLLABLES = alphabet("가나다라마바사아자차카타파하")
JAMO = alphabet("\u1100\u1102\u1103\u1105\u1106\u1107\u1161\u1165\u1169\u11ab\u11bc")

GERMAN = ["Für die Übung müssen wir größere Räume öffnen", "Überall blühten schöne Bäume"] * 3
KOREAN = ["가나다 나다라 다라마", "마라다 나가 라마"] * 3
RUSSIAN = ["Съешь же ещё этих мягких булок", "да выпей чаю, съешь ещё булок"] * 4
PLAIN = ["the quick brown fox jumps over the lazy dog"] * 3


@pytest.mark.parametrize(
    ("base", "texts", "change", "letters"),
    [
        (ENGLISH, PLAIN, Change.KEPT, ""),
        (ENGLISH, [*PLAIN, "don't", "a café"], Change.KEPT, ""),
        (ENGLISH, GERMAN, Change.EXTENDED, "ÄÖÜ"),  # ß in capitals is SS
        (alphabet("abcdefghijklmnopqrstuvwxyz"), GERMAN, Change.EXTENDED, "ßäöü"),
        (alphabet("abcdefghijklmnopqrstuvwxyzäöüß"), GERMAN, Change.KEPT, ""),
        (ENGLISH, KOREAN, Change.NEW, "가나다라마"),
        (SYLLABLES, KOREAN, Change.KEPT, ""),
        (SYLLABLES, [*KOREAN, "강남 강남"], Change.EXTENDED, "강남"),
        (JAMO, KOREAN, Change.KEPT, ""),
        (SYLLABLES, PLAIN, Change.NEW, "".join(sorted(set("".join(PLAIN)) - {" "}))),
        (ENGLISH, RUSSIAN, Change.NEW, "".join(sorted(set("".join(RUSSIAN).upper()) - set(" ,")))),
        (ENGLISH, ["नमस्ते नमस्ते"] * 3, Change.NEW, "".join(sorted(set("नमस्ते")))),
        (ENGLISH, ["л'одка, 'так'"] * 3, Change.NEW, "'АДКЛОТ"),
        (ENGLISH, ["'так', 42 👍🏽"] * 3, Change.NEW, "АКТ"),
        # Digits and a few letters of another script are no reason for another vocabulary.
        (ENGLISH, [*PLAIN, "room 42 is on floor 17"], Change.KEPT, ""),
        (ENGLISH, [*PLAIN, "Привет", "Привет"], Change.KEPT, ""),
        (ENGLISH, ["나가 my new phone 가나", "가나다 라마", "the phone 나라"] * 2, Change.EXTENDED, "가나다라마"),
        (ENGLISH, [], Change.KEPT, ""),
        (ENGLISH, ["", "…"], Change.KEPT, ""),
    ],
)
def test_the_vocabulary_is_kept_extended_or_made_anew(
    base: Alphabet, texts: list[str], change: Change, letters: str
) -> None:
    assert choose_vocabulary(texts, base, "Test") == Choice(change, letters)


@pytest.mark.parametrize("texts", [[*PLAIN, "room 42 is on floor 17"], [*PLAIN, "Привет", "Привет"]])
def test_what_is_strewn_into_the_bases_alphabet_is_refused_with_its_characters(texts: list[str]) -> None:
    assert choose_vocabulary(texts, ENGLISH, "Test").change is Change.KEPT
    with pytest.raises(DataError, match=r"in the vocabulary of Test: '[417П2Р]' "):
        require_known_characters(count_characters(texts, ENGLISH), ENGLISH, "Test")


def test_digits_are_no_letters_of_a_new_vocabulary_either() -> None:
    texts = [*KOREAN, "가나 42"]
    choice = choose_vocabulary(texts, ENGLISH, "Test")
    assert choice == Choice(Change.NEW, "가나다라마")
    with pytest.raises(DataError, match="'4'"):
        require_known_characters(count_characters(texts, alphabet(choice.letters)), alphabet(choice.letters), "Test")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251"])
def test_utf_8_that_was_read_as_something_else_makes_no_letters(encoding: str) -> None:
    texts = [text.encode().decode(encoding) for text in (GERMAN if encoding != "cp1251" else ["хорошо, спасибо"])]
    with pytest.raises(DataError, match=r"are UTF-8 that was read in another encoding, .*should be '(Für|хорошо)"):
        choose_vocabulary(texts, ENGLISH, "Test")


def test_garbage_makes_no_letters() -> None:
    draw = random.Random(1)
    texts = ["".join(chr(draw.randrange(0x4E00, 0x9000)) for _ in range(40)) for _ in range(50)]
    with pytest.raises(DataError, match=r"different letters stand in a text of 2,000, so each is seen 1\.\d times"):
        choose_vocabulary(texts, ENGLISH, "Test")


def test_letters_that_come_again_often_enough_make_a_vocabulary_up_to_a_bound() -> None:
    def write(letters: int) -> list[str]:
        return ["".join(chr(0x4E00 + number) for number in range(letters))] * int(LEAST_REPETITION)

    assert len(choose_vocabulary(write(MOST_LETTERS), ENGLISH, "Test").letters) == MOST_LETTERS
    with pytest.raises(DataError, match="5,001 different letters, and a vocabulary has at most 5,000"):
        choose_vocabulary(write(MOST_LETTERS + 1), ENGLISH, "Test")
