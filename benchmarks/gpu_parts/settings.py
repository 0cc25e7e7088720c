"""What a GPU is measured with: recordings, models of the sizes that people use, and how long it may look."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
BUNDLED = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
TABLES = ("../shared/data/librispeech/train.csv", "tutorial_data/librispeech_data/librispeech_train.csv")

SIZES: dict[str, dict[str, Any]] = {
    "base": {},
    "large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "feat_extract_norm": "layer",
        "conv_bias": True,
        "do_stable_layer_norm": True,
    },
    # For a look at whether everything runs, on a machine without a GPU.
    "small": {
        "hidden_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embedding_groups": 4,
    },
}
"""Where they differ from the defaults of `Wav2Vec2Config`, which are wav2vec2-base."""


@dataclass(frozen=True)
class Settings:
    """From the command line."""

    device: str
    """ "cuda", or "cpu" to see whether everything runs."""
    sizes: tuple[str, ...]
    workspace: Path
    rows: tuple[tuple[str, str], ...]
    """Path, relative to the workspace, and transcript."""
    scratch: Path
    """A folder for what is thrown away."""
    is_quick: bool

    def of(self, usual: int, quick: int) -> int:
        """A number that is smaller in a quick look."""
        return quick if self.is_quick else usual

    @property
    def table(self) -> Path:
        """A csv file of the rows, in the workspace."""
        return self.workspace / "rows.csv"

    def checkpoint(self, size: str) -> Path:
        """The folder of a checkpoint with random weights, made when it is first asked for."""
        folder = self.scratch / "checkpoints" / size
        if not (folder / "config.json").exists():
            make_checkpoint(size, folder)
        return folder


class Figures(dict[str, Any]):
    """Figures by name, each told as soon as it is known: what comes after may fail, or take too long."""

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        print(f"  {name}: {value}", flush=True)


def read_table(table: Path) -> tuple[Path, list[tuple[str, str]]]:
    """The folder that a table's paths are relative to, and its rows."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [(row["audio_path"], row["text"]) for row in csv.DictReader(file)]
    folder = next((each for each in table.resolve().parents if (each / rows[0][0]).exists()), None)
    if folder is None:
        raise SystemExit(f"{table}: {rows[0][0]} is in no folder above it")
    return folder, rows


def make_checkpoint(size: str, folder: Path) -> None:
    """Writes a Wav2Vec2 of that size with random weights, with the bundled model's alphabet."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    torch.manual_seed(0)
    config = Wav2Vec2Config(vocab_size=32, pad_token_id=0, layerdrop=0.05, ctc_zero_infinity=True, **SIZES[size])
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2CTCTokenizer.from_pretrained(BUNDLED).save_pretrained(folder)
    Wav2Vec2FeatureExtractor.from_pretrained(BUNDLED).save_pretrained(folder)


def describe_gpu(device: str) -> str:
    """The name of what is measured."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "no GPU"


def repeat_rows(rows: list[tuple[str, str]], source: Path, target: Path, count: int) -> list[tuple[str, str]]:
    """So many rows in a workspace of their own, as wav files; where there are fewer, again under other names."""
    import soundfile

    made: list[tuple[str, str]] = []
    (target / "clips").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path, text = rows[number % len(rows)]
        name = f"clips/{number:05d}.flac"
        if number < len(rows):
            samples, rate = soundfile.read(source / path, dtype="float32")
            soundfile.write(target / name, samples, rate)
        else:
            (target / name).write_bytes((target / f"clips/{number % len(rows):05d}.flac").read_bytes())
        made.append((name, text))
    with (target / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("audio_path", "text"), *made])
    return made
