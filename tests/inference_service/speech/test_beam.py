"""Decoding with a language model and with hotwords, on real speech, by the running service."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference_service.speech.audio import Span
from inference_service.speech.beam import choose_decoder
from inference_service.speech.decode import FrameScores, blank_frames, read_frames
from thanosql.clients import InferenceClient
from thanosql.errors import DataError, InvalidOption, NotSupported
from thanosql.language_model import FOLDER, Weights, is_installed, write_language_model
from thanosql.modelstore import ModelDescription
from thanosql.open_inference import OpenInferenceClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.server import RunningServer
from thanosql.types import TranscribeClip, TranscribeStart, Transcript
from trainer_service.language.kneser_ney import estimate

Start = Callable[..., tuple[RunningServer, InferenceClient]]

DATA = "tutorial_data/librispeech_data"
# Names and rare words of these recordings: greedy decoding hears none of them.
HOTWORDS = {5: "involuntarily", 32: "Widdowson", 35: "Hamlin", 16: "sagacity", 30: "nobleman"}
OTHERS = (0, 2, 3, 21, 25, 28, 31, 33)

needs_kenlm = pytest.mark.skipif(not is_installed(), reason="flashlight-text has no wheel for this Python")


def clips(*numbers: int) -> list[TranscribeClip]:
    return [TranscribeClip(number, path=f"{DATA}/{number:03d}.flac") for number in numbers]


def hear(client: InferenceClient, start: TranscribeStart, *numbers: int) -> dict[int, Transcript]:
    answers = {answer.id: answer for answer in client.transcribe(start, clips(*numbers))}
    assert all(isinstance(answer, Transcript) for answer in answers.values()), answers
    return answers  # type: ignore[return-value]


def words_of(transcript: Transcript) -> list[str]:
    return transcript.text.lower().split()


@pytest.fixture
def store_with_language_model(own_store: Path, checkout: Path) -> Path:
    """The state folder of a store whose "tiny" has a language model of the tutorial's training transcripts."""
    with (checkout / DATA / "librispeech_train.csv").open(encoding="utf-8") as file:
        sentences = [row["text"].upper().split() for row in csv.DictReader(file)]
    grams = estimate(sentences, 4)
    spellings = {word: word for word in grams.words[3:]}
    write_language_model(own_store / "tiny" / "1", grams.arpa(), spellings, Weights(0.4, 1.5, -1.0))
    return own_store.parent


def test_hotwords_bring_out_what_greedy_decoding_misses(client: InferenceClient) -> None:
    plain = hear(client, TranscribeStart("tiny", 1), *HOTWORDS)
    favoured = hear(client, TranscribeStart("tiny", 1, hotwords=tuple(HOTWORDS.values()), words=True), *HOTWORDS)
    for number, word in HOTWORDS.items():
        assert word.lower() not in words_of(plain[number])
        assert word.lower() in words_of(favoured[number])
        assert [each.word.lower() for each in favoured[number].words] == words_of(favoured[number])


def test_hotwords_that_are_not_said_are_not_inserted(client: InferenceClient) -> None:
    favoured = hear(client, TranscribeStart("tiny", 1, hotwords=tuple(HOTWORDS.values())), *OTHERS)
    said = {word.lower() for word in HOTWORDS.values()}
    assert [word for each in favoured.values() for word in words_of(each) if word in said] == []


def test_a_small_weight_does_less_than_a_large_one(client: InferenceClient) -> None:
    def found(weight: float) -> int:
        start = TranscribeStart("tiny", 1, hotwords=tuple(HOTWORDS.values()), hotword_weight=weight)
        heard = hear(client, start, *HOTWORDS)
        return sum(word.lower() in words_of(heard[number]) for number, word in HOTWORDS.items())

    assert found(0.01) < found(1.0) == len(HOTWORDS)


def test_a_hotword_that_the_model_cannot_spell_is_named(client: InferenceClient) -> None:
    with pytest.raises(InvalidOption, match="cannot spell the hotword 'Київ'"):
        hear(client, TranscribeStart("tiny", 1, hotwords=("Paris", "Київ")), 0)


@needs_kenlm
def test_a_version_with_a_language_model_is_decoded_with_it(
    store_with_language_model: Path, start_service: Start, checkout: Path
) -> None:
    _, client = start_service(state=store_with_language_model)
    plain = hear(start_service()[1], TranscribeStart("tiny", 1), *range(8))
    decoded = hear(client, TranscribeStart("tiny", 1), *range(8))
    with (checkout / DATA / "librispeech_train.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]

    def right(heard: dict[int, Transcript]) -> int:
        return sum(word in words_of(heard[number]) for number in heard for word in texts[number].split())

    # It was made of what these very recordings say: here is tested that it is used, not how much it helps.
    assert right(decoded) > right(plain) + 10
    (statistics,) = client.get_statistics("tiny", 1)
    assert (
        statistics.memory_bytes > (store_with_language_model / "models/tiny/1" / FOLDER / "words.arpa").stat().st_size
    )


@needs_kenlm
def test_single_requests_say_what_bulk_says(
    store_with_language_model: Path, start_service: Start, checkout: Path
) -> None:
    server, client = start_service(state=store_with_language_model)
    bulk = hear(client, TranscribeStart("tiny", 1), 1, 4)
    with open_channel(server.address) as channel:
        single = OpenInferenceClient(channel, server.address, checkout)
        answers = {answer.id: answer for answer in single.transcribe(TranscribeStart("tiny", 1), clips(1, 4))}
        with pytest.raises(NotSupported, match="no hotwords"):
            list(single.transcribe(TranscribeStart("tiny", 1, hotwords=("a",)), clips(1)))
    assert {number: answer.text for number, answer in answers.items()} == {n: t.text for n, t in bulk.items()}  # type: ignore[union-attr]


@needs_kenlm
def test_hotwords_and_a_language_model_work_together(store_with_language_model: Path, start_service: Start) -> None:
    shutil.rmtree(store_with_language_model / "models" / "grouped")
    _, client = start_service(state=store_with_language_model)
    heard = hear(client, TranscribeStart("tiny", 1, hotwords=("Kubernetes", "Widdowson")), 32, 33)
    assert "widdowson" in words_of(heard[32])
    assert "kubernetes" not in words_of(heard[33])


MODEL = ModelDescription("m", 1, "Test", "test", ("<pad>", "|", "A", "B"), blank=0, word_delimiter=1)


def test_without_language_model_and_hotwords_decoding_is_greedy() -> None:
    assert choose_decoder(MODEL, None) is None


def test_silence_says_nothing_whatever_is_favoured() -> None:
    decoder = choose_decoder(MODEL, None, ("AB",))
    frames = blank_frames(Span(0, 16_000, 0, 16_000, is_last=True), MODEL, log_probs=True)
    assert read_frames(0, frames, 1.0, MODEL, words=True, read=decoder).text == ""


def test_values_that_are_not_numbers_are_refused_before_they_are_searched() -> None:
    frames = FrameScores(np.zeros(3, np.int64), np.full(3, np.nan, np.float32), np.full((3, 4), np.nan, np.float32))
    with pytest.raises(DataError, match="not numbers"):
        read_frames(0, frames, 1.0, MODEL, words=False, read=choose_decoder(MODEL, None, ("AB",)))
