"""What does decoding with a language model and with hotwords cost, and what does it bring, beside greedy decoding?

    python benchmarks/decoding.py                          # the bundled model, 80 recordings of LibriSpeech
    python benchmarks/decoding.py --rows 20 --rounds 1     # a quick look
    python benchmarks/decoding.py --checkpoint FOLDER      # a trained model

The language model is made of the transcripts of train.csv, and the recordings are those of test.csv: other speakers,
other sentences. Its weights are the first that a training tries; nothing is chosen on the test set. All ways to decode
take the same frames, one recording after the other, in turn within each round; what is compared is CPU time of one
thread, which other programs disturb least. "hotwords" are 20 words of the recordings that do not stand in train.csv.

`flashlight` is flashlight-text's own decoder over the lexicon of the same language model, with the same weights: it
can only say words that it knows.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
DATA_SETS = ("../shared/data/librispeech", "tutorial_data/librispeech_data/librispeech_")
HOTWORDS = 20


@dataclass(frozen=True)
class Heard:
    """A recording as the network hears it, and what it says."""

    log_probs: np.ndarray
    text: str


@dataclass(frozen=True)
class Figures:
    """What one way to decode came to."""

    name: str
    audio_rate: float
    """Seconds of audio a second of CPU time."""
    cost: float
    """CPU seconds, as a share of what the network itself takes for the same audio."""
    word_error_rate: float
    hotwords_found: int
    hotwords_said: int
    hotwords_inserted: int
    threads_gain: float
    """Audio a second of two threads at once, against one: 1 where they wait for each other."""


def read_rows(name: str) -> tuple[list[dict[str, str]], Path]:
    """The rows of train or test, and the folder that their paths are relative to."""
    for data in DATA_SETS:
        folder = (CHECKOUT / data).resolve()
        file = folder / f"{name}.csv" if folder.is_dir() else folder.with_name(f"{folder.name}{name}.csv")
        if file.is_file():
            with file.open(encoding="utf-8") as lines:
                return list(csv.DictReader(lines)), folder.parent if folder.is_dir() else CHECKOUT
    raise SystemExit("there is no data to measure with")


def listen(checkpoint: Path, rows: Sequence[dict[str, str]], root: Path) -> tuple[list[Heard], Any, float, float]:
    """Log-probabilities of recordings, the model, seconds of audio, and CPU seconds that the network took."""
    import torch

    from thanosql.audio import read_audio
    from thanosql.types import BaseModel, BaseModelSource
    from trainer_service.bases.checkpoints import load_checkpoint
    from trainer_service.export.export import describe, export_graph, new_description
    from trainer_service.export.parity import open_session

    torch.set_num_threads(1)
    loaded = load_checkpoint(BaseModel("b", str(checkpoint), source=BaseModelSource.FOLDER), lambda _: None)
    model = describe(loaded, new_description("m", 1, class_name="", base="", report={}))
    heard, seconds, spent = [], 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        export_graph(loaded.graph().eval(), Path(folder) / "model.onnx")
        session = open_session(Path(folder) / "model.onnx")
        for row in rows:
            samples = read_audio(root / row["audio_path"], sample_rate=model.sample_rate)
            began = time.process_time()
            (log_probs,) = session.run(
                ["log_probs"], {"waveform": samples[None], "lengths": np.array([len(samples)], np.int64)}
            )
            spent += time.process_time() - began
            seconds += len(samples) / model.sample_rate
            heard.append(Heard(log_probs[0], row["text"]))
    return heard, model, seconds, spent


def flashlight(arpa: Path, words: Sequence[str], model: Any, weights: Any) -> Callable[[np.ndarray], str]:
    """flashlight-text's decoder over a lexicon."""
    from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    from thanosql.ctc import decode_text

    language = KenLM(str(arpa), Dictionary(["<unk>", *words]))
    trie = Trie(len(model.vocabulary), model.word_delimiter)
    start = language.start(False)
    for number, word in enumerate(words, start=1):
        _, score = language.score(start, number)
        trie.insert([*(model.vocabulary.index(letter) for letter in word), model.word_delimiter], number, score)
    trie.smear(SmearingMode.MAX)
    # KenLM's scores are to base 10.
    options = LexiconDecoderOptions(
        32, 12, 10.0, weights.lm_weight * np.log(10), weights.word_score, -np.inf, 0.0, False, CriterionType.CTC
    )
    decoder = LexiconDecoder(options, trie, language, model.word_delimiter, model.blank, 0, [], False)

    def decode(log_probs: np.ndarray) -> str:
        frames = np.ascontiguousarray(log_probs, np.float32)
        best = decoder.decode(frames.ctypes.data, *frames.shape)[0]
        return decode_text(np.array(best.tokens, np.int64), model)

    return decode


def ways(train: Sequence[str], hotwords: Sequence[str], model: Any, folder: Path) -> dict[str, Callable[..., str]]:
    """Every way to decode, from log-probabilities to text."""
    from thanosql.alphabet import find_alphabet
    from thanosql.beam_search import beam_search
    from thanosql.ctc import decode_text
    from thanosql.hotwords import WEIGHT, find_hotwords
    from thanosql.language_model import LanguageModel
    from trainer_service.language.kneser_ney import estimate
    from trainer_service.language.language_model import ORDER
    from trainer_service.language.language_trials import draw_weights

    alphabet = find_alphabet(model)
    grams = estimate([alphabet.decode(alphabet.encode(text).tokens).split() for text in train], ORDER)
    words = grams.words[3:]
    arpa = folder / "words.arpa"
    arpa.write_text("\n".join(grams.arpa()) + "\n", "utf-8")
    language = LanguageModel(arpa, {word: word for word in words}, model)
    weights = draw_weights(0)[0]
    favoured = find_hotwords(hotwords, WEIGHT, model)
    return {
        "greedy": lambda frames: decode_text(frames.argmax(-1), model),
        "beam": lambda frames: beam_search(frames, model).text,
        "language model": lambda frames: beam_search(frames, model, language=language.scores(weights)).text,
        "hotwords": lambda frames: beam_search(frames, model, hotwords=favoured).text,
        "both": lambda frames: beam_search(frames, model, language=language.scores(weights), hotwords=favoured).text,
        "flashlight": flashlight(arpa, words, model, weights),
    }


def gain_of_threads(decode: Callable[[np.ndarray], str], heard: Sequence[Heard]) -> float:
    """How much more two threads decode than one."""

    def run() -> None:
        for each in heard:
            decode(each.log_probs)

    began = time.perf_counter()
    run()
    alone = time.perf_counter() - began
    threads = [threading.Thread(target=run) for _ in range(2)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * alone / (time.perf_counter() - began)


def count_hotwords(hotwords: Sequence[str], heard: Sequence[Heard], texts: Sequence[str]) -> tuple[int, int, int]:
    """How many of the hotwords that are said were found, how many are said, and how many were heard elsewhere."""
    found = said = inserted = 0
    for row, text in zip(heard, texts, strict=True):
        wanted, got = Counter(row.text.upper().split()), Counter(text.upper().split())
        for word in hotwords:
            said += wanted[word]
            found += min(wanted[word], got[word])
            inserted += max(0, got[word] - wanted[word])
    return found, said, inserted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bundled = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
    parser.add_argument("--checkpoint", type=Path, default=bundled)
    parser.add_argument("--rows", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("decoding.json"))
    arguments = parser.parse_args()

    from thanosql.scoring import word_errors

    train = [row["text"] for row in read_rows("train")[0]]
    rows, root = read_rows("test")
    heard, model, seconds, network = listen(arguments.checkpoint, rows[: arguments.rows], root)
    known = {word for text in train for word in text.upper().split()}
    rare = sorted({word for each in heard for word in each.text.upper().split() if len(word) > 5} - known)
    hotwords = random.Random(0).sample(rare, min(HOTWORDS, len(rare)))
    spent: dict[str, list[float]] = {}
    texts: dict[str, list[str]] = {}
    gains: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        decoders = ways(train, hotwords, model, Path(folder))
        for _ in range(arguments.rounds):
            for name, decode in decoders.items():
                began = time.thread_time()
                texts[name] = [decode(each.log_probs) for each in heard]
                spent.setdefault(name, []).append(time.thread_time() - began)
        # flashlight's decoder keeps its hypotheses in itself, and serves one thread.
        gains = {name: gain_of_threads(each, heard[:20]) for name, each in decoders.items() if name != "flashlight"}
    figures = []
    for name, times in spent.items():
        took = statistics.median(times)
        errors = word_errors([each.text for each in heard], texts[name]).rate
        hits = count_hotwords(hotwords, heard, texts[name])
        figures.append(Figures(name, seconds / took, took / network, errors, *hits, gains.get(name, float("nan"))))
    print(
        f"{len(heard)} recordings, {seconds:.0f} s; the network takes {network:.1f} s of CPU: {seconds / network:.0f} ×"
    )
    print(f"{'':16} {'audio s/s':>10} {'of network':>10} {'WER':>7} {'hotwords':>9} {'inserted':>9} {'2 threads':>10}")
    for each in figures:
        found = f"{each.hotwords_found}/{each.hotwords_said}"
        print(
            f"{each.name:16} {each.audio_rate:10.0f} {each.cost:10.1%} {each.word_error_rate:7.1%} {found:>9} "
            f"{each.hotwords_inserted:9} {each.threads_gain:10.2f}"
        )
    arguments.output.write_text(json.dumps([asdict(each) for each in figures], indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
