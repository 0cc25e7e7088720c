"""The language model of a training: what it is built from, and when it is kept."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from thanosql.alphabet import find_alphabet
from thanosql.errors import DataError, NotFound, NotSupported, PathRefused, ThanoSQLError
from thanosql.language_model import is_installed, read_language_model
from thanosql.modelstore import ModelDescription
from thanosql.types import Notice, Progress, Severity
from trainer_service.language.kneser_ney import NgramModel
from trainer_service.language.language_model import (
    FEWEST_WORDS,
    BuiltLanguageModel,
    LanguageModelReport,
    build_language_model,
    store_language_model,
)
from trainer_service.language.language_trials import (
    FEWEST_TRIALS,
    TRIALS,
    HeldOut,
    choose_language_model,
    cross_fit,
    draw_weights,
)

MODEL = ModelDescription(
    "m", 1, "Test", "test", ("<pad>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"), blank=0, word_delimiter=1
)
ROOT = Path(__file__).parents[3]
SENTENCES = ["the cat sat on the mat", "a cat and a dog", "the dog saw the cat", "the cat ran to the dog"]

pytestmark = pytest.mark.skipif(not is_installed(), reason="flashlight-text has no wheel for this Python")


def labels(*texts: str) -> list[tuple[int, ...]]:
    return [find_alphabet(MODEL).encode(text).tokens for text in texts]


class Told:
    """What the user would see."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.progress: list[Progress] = []

    def __call__(self, message: Progress | Notice) -> None:
        (self.notices if isinstance(message, Notice) else self.progress).append(message)  # type: ignore[arg-type]


def build(option: str, *texts: str, workspace: Path = ROOT) -> BuiltLanguageModel:
    built = build_language_model(option, labels(*texts), MODEL, workspace, Told())
    assert isinstance(built, BuiltLanguageModel)
    return built


def grams_of(built: BuiltLanguageModel) -> list[str]:
    assert isinstance(built.grams, NgramModel)
    return list(built.grams.arpa())


def refusal(option: str, *texts: str) -> str:
    report = build_language_model(option, labels(*texts), MODEL, ROOT, Told())
    assert isinstance(report, LanguageModelReport)
    assert not report.kept
    return report.reason


def heard(text: str, *, unsure: str = "", speaker: str | None = None) -> HeldOut:
    """A row as a network hears it that takes each first letter of `unsure` for an H by a hair."""
    frames = []
    for place, letter in enumerate(text.upper().replace(" ", "|")):
        frame = np.full(len(MODEL.vocabulary), 1e-6)
        begins = place == 0 or text[place - 1] == " "
        if begins and letter.lower() in unsure:
            frame[MODEL.vocabulary.index("H")], frame[MODEL.vocabulary.index(letter)] = 0.5, 0.49
        else:
            frame[MODEL.vocabulary.index(letter)] = 0.99
        blank = np.full(len(MODEL.vocabulary), 1e-6)
        blank[0] = 0.99
        frames += [frame, blank]
    return HeldOut(np.log(np.array(frames)).astype(np.float32), text, speaker)


def test_it_is_built_from_the_rows_that_are_learned_from_as_the_network_spells_them() -> None:
    built = build("true", "The cat’s mat", "A dog!")
    assert list(built.spellings) == ["THE", "CAT'S", "MAT", "A", "DOG"]
    assert (built.words, built.order, built.source) == (5, 4, "the transcripts")
    assert "CAT'S" in "\n".join(grams_of(built))


def test_by_itself_it_is_built_only_where_there_are_enough_words() -> None:
    assert refusal("", *SENTENCES) == f"22 words are too few for a language model; {FEWEST_WORDS} are enough"
    assert build("", *SENTENCES * (FEWEST_WORDS // 22 + 1)).words >= FEWEST_WORDS
    assert build("true", *SENTENCES).words == 22


def test_it_is_not_built_where_it_is_not_wanted() -> None:
    assert refusal("false", *SENTENCES * 100) == "language_model=False"


def test_it_can_be_built_from_a_text_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("Please hold the line.\n\nDie Straße 42\nThank you\n", "utf-8")
    built = build("text.txt", *SENTENCES, workspace=tmp_path)
    assert list(built.spellings) == ["PLEASE", "HOLD", "THE", "LINE", "THANK", "YOU"]
    assert (built.source, built.words) == ("text.txt", 6)


def test_n_grams_of_the_workspace_are_taken_as_they_are_and_respelled(tmp_path: Path) -> None:
    lower = "\n".join(grams_of(build("true", *SENTENCES))).replace("CAT", "cat").replace("DOG", "Dog") + "\n"
    (tmp_path / "mine.arpa").write_text(lower, "utf-8")
    built = build("mine.arpa", "anything", workspace=tmp_path)
    assert (built.spellings["cat"], built.spellings["Dog"], built.order) == ("CAT", "DOG", 4)
    assert built.grams == (tmp_path / "mine.arpa").resolve()


def test_of_words_that_are_spelled_alike_the_likelier_one_counts(tmp_path: Path) -> None:
    grams = "\\data\\\nngram 1=4\n\n\\1-grams:\n-9\t<unk>\n-2\tthe\n-1\tThe\n-3\tTHE\n\n\\end\\\n"
    (tmp_path / "mine.arpa").write_text(grams, "utf-8")
    assert build("mine.arpa", workspace=tmp_path).spellings == {"The": "THE"}


@pytest.mark.parametrize(
    ("file", "content", "error", "message"),
    [
        ("none.txt", None, NotFound, "'none.txt' does not exist"),
        ("../out.txt", None, PathRefused, "leads out of the workspace"),
        ("binary.bin", b"mmap lm http://kheafield.com/code format version 5\n\x00\xff\xfe", DataError, "is no text"),
        ("thai.txt", "สวัสดี\n".encode(), DataError, "no sentence that the vocabulary can spell"),
        ("broken.arpa", b"\\data\\\nngram 1=1\n\\1-grams:\nhalf\tthe\n", DataError, "is damaged"),
        ("other.arpa", "\\data\\\nngram 1=1\n\\1-grams:\n-1\tสวัสดี\n".encode(), DataError, "knows no word"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    file: str, content: bytes | None, error: type[ThanoSQLError], message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(error, match=message):
        build(file, *SENTENCES, workspace=tmp_path)


def test_where_there_is_no_word_it_is_refused_if_it_was_asked_for() -> None:
    with pytest.raises(DataError, match="no word to build a language model from"):
        build("true")


def test_where_flashlight_text_is_missing_it_is_refused_if_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder.kenlm", None)
    assert refusal("", *SENTENCES * 100) == "flashlight-text is not installed in the trainer"
    with pytest.raises(NotSupported, match="flashlight-text"):
        build("true", *SENTENCES)


def test_it_is_kept_where_it_mends_what_the_network_leaves_open(tmp_path: Path) -> None:
    told = Told()
    rows = [heard(text, unsure="cd") for text in SENTENCES * 3]
    choice = choose_language_model(build("true", *SENTENCES), rows, MODEL, told, seed=0, is_asked_for=False)
    report = choice.report
    assert report.kept
    assert report.wer_greedy == pytest.approx(7 / 22)
    assert report.wer == 0
    assert report.unknown_share == 0
    assert report.difference.startswith("31.8 → 0.0 (95 %: −")
    assert choice.texts == tuple(text.upper() for text in SENTENCES * 3)
    assert [notice.severity for notice in told.notices] == [Severity.INFO]
    assert told.progress[-1].done == told.progress[-1].total == report.trials == TRIALS
    assert report.to_json()["reason"].startswith("word error rate 31.8 → 0.0")


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_it_is_not_kept_where_greedy_decoding_is_right_already(is_asked_for: bool) -> None:
    told = Told()
    rows = [heard(text) for text in SENTENCES * 3]
    choice = choose_language_model(build("true", *SENTENCES), rows, MODEL, told, seed=0, is_asked_for=is_asked_for)
    assert not choice.report.kept
    assert choice.weights is None
    assert choice.texts == ()
    assert choice.report.reason.startswith("it does not help")
    assert ["is not kept" in notice.text for notice in told.notices] == [True] * is_asked_for


def test_it_is_not_kept_where_so_few_rows_may_be_chance() -> None:
    rows = [heard("the cat", unsure="c"), heard("the dog"), heard("a dog")]
    choice = choose_language_model(build("true", *SENTENCES), rows, MODEL, Told(), seed=0, is_asked_for=False)
    assert not choice.report.kept
    assert choice.report.wer is not None


def test_without_held_out_rows_it_is_not_kept_and_the_user_is_told() -> None:
    told = Told()
    choice = choose_language_model(build("true", *SENTENCES), [], MODEL, told, seed=0, is_asked_for=True)
    assert not choice.report.kept
    assert "held out" in told.notices[0].text
    assert told.notices[0].severity is Severity.WARNING


def test_the_same_seed_makes_the_same_choice() -> None:
    rows = [heard(text, unsure="cd", speaker=f"s{n % 3}") for n, text in enumerate(SENTENCES * 2)]
    built = build("true", *SENTENCES)
    choices = [choose_language_model(built, rows, MODEL, Told(), seed=5, is_asked_for=False) for _ in range(2)]
    assert choices[0].weights == choices[1].weights
    assert choices[0].texts == choices[1].texts


def test_what_was_chosen_is_what_a_version_is_decoded_with(tmp_path: Path) -> None:
    built = build("true", *SENTENCES)
    weights = draw_weights(0)[0]
    store_language_model(tmp_path, built, weights)
    found = read_language_model(tmp_path, MODEL)
    assert found is not None
    assert found[1] == weights
    assert found[0].words == len(built.spellings)


def test_a_row_is_judged_by_the_weights_that_were_best_on_others() -> None:
    errors = np.array([[0, 0, 5, 5], [3, 3, 0, 0]])
    # The first trial is perfect on the first rows, and is therefore what the last ones are judged by.
    assert cross_fit(errors, np.array([0, 0, 1, 1])) == [1, 1, 0, 0]


def test_the_weights_that_are_tried_are_as_many_as_told_and_follow_from_the_seed() -> None:
    assert len(draw_weights(1)) == TRIALS >= FEWEST_TRIALS
    assert draw_weights(1) == draw_weights(1) != draw_weights(2)


@pytest.mark.slow
def test_on_the_tutorials_speech_it_lowers_the_error_rate(bundled: Path) -> None:
    import torch

    from thanosql.audio import read_audio
    from thanosql.types import BaseModel, BaseModelSource
    from trainer_service.bases.checkpoints import load_checkpoint
    from trainer_service.export.export import describe, new_description

    checkpoint = load_checkpoint(BaseModel("tiny", str(bundled), source=BaseModelSource.FOLDER), lambda _: None)
    model = describe(checkpoint, new_description("m", 1, class_name="x", base="b", report={}))
    graph = checkpoint.graph().eval()
    folder = ROOT / "tutorial_data" / "librispeech_data"

    def read(name: str) -> list[dict[str, str]]:
        with (folder / f"librispeech_{name}.csv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    rows = []
    for row in read("test"):
        samples = read_audio(ROOT / row["audio_path"], sample_rate=16_000)
        with torch.inference_mode():
            output = graph(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        rows.append(HeldOut(output.log_probs[0].numpy(), row["text"]))
    alphabet = find_alphabet(model)
    sentences = [alphabet.encode(row["text"]).tokens for row in read("train")]
    built = build_language_model("", sentences, model, ROOT, Told())
    assert isinstance(built, BuiltLanguageModel)
    choice = choose_language_model(built, rows, model, Told(), seed=0, is_asked_for=False)
    # Measured: 61.5 % → 55.2 %.
    assert choice.report.kept
    assert choice.report.wer is not None
    assert choice.report.wer_greedy is not None
    assert choice.report.wer < choice.report.wer_greedy - 0.03
