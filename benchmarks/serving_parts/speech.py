"""What is transcribed, and with which models: LibriSpeech's recordings, a base-size model and a light one."""

from __future__ import annotations

import csv
import multiprocessing
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving_parts.report import tell

CHECKOUT = Path(__file__).resolve().parents[2]
TABLES = (
    ("../shared/data/librispeech/test.csv", "../shared/data/librispeech/train.csv"),
    ("tutorial_data/librispeech_data/librispeech_test.csv", "tutorial_data/librispeech_data/librispeech_train.csv"),
)
BASE = "base"
"""wav2vec2-base."""
LIGHT = "light"
"""A Wav2Vec2 that is some seventy times faster, for what depends on the number of clips and not on their cost."""
SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Recording:
    """A file to transcribe."""

    path: str
    """Relative to the workspace."""
    seconds: float


@dataclass(frozen=True)
class Speech:
    """The recordings, in an order that is random and always the same."""

    workspace: Path
    recordings: tuple[Recording, ...]

    def take(self, count: int) -> list[Recording]:
        """So many recordings, the same ones again and again where there are fewer, each time in another order."""
        shuffle, taken = random.Random(1), list[Recording]()
        while len(taken) < count:
            taken += shuffle.sample(self.recordings, len(self.recordings))
        return taken[:count]

    def near(self, seconds: float, count: int) -> list[Recording]:
        """The recordings whose lengths are nearest to `seconds`."""
        return sorted(self.recordings, key=lambda each: abs(each.seconds - seconds))[:count]

    def read(self, recording: Recording) -> Any:
        """Its samples, float32."""
        import soundfile

        samples, rate = soundfile.read(self.workspace / recording.path, dtype="float32")
        if rate != SAMPLE_RATE:
            raise SystemExit(f"{recording.path} has {rate} samples a second; these measurements need {SAMPLE_RATE}")
        return samples


def find_speech(tables: list[Path] | None = None) -> Speech:
    """The recordings of csv tables with a column audio_path; by default, of the first set that is there."""
    import soundfile

    if not tables:
        there = (names for names in TABLES if (CHECKOUT / names[0]).exists())
        tables = [CHECKOUT / name for name in next(there) if (CHECKOUT / name).exists()]
    paths: list[str] = []
    for table in tables:
        with table.open(encoding="utf-8", newline="") as file:
            paths += [row["audio_path"] for row in csv.DictReader(file)]
    workspace = next((each for each in tables[0].resolve().parents if (each / paths[0]).exists()), None)
    if workspace is None:
        raise SystemExit(f"{tables[0]}: {paths[0]} is in no folder above it")
    recordings = [Recording(path, soundfile.info(workspace / path).duration) for path in sorted(set(paths))]
    return Speech(workspace, tuple(recordings))


def make_models(state: Path, names: set[str]) -> None:
    """Writes the models that are not there yet to the model store of `state`, in a process of its own."""
    for name in sorted(names):
        if not (state / "models" / name / "1").exists():
            tell(f"exporting the {name} model")
            maker = multiprocessing.get_context("spawn").Process(target=_make_model, args=(state, name))
            maker.start()
            maker.join()
            if maker.exitcode:
                raise RuntimeError(f"the {name} model could not be made; the messages are above")


def _make_model(state: Path, name: str) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    from trainer_service.bases.checkpoints import Checkpoint
    from trainer_service.export.export import new_description, write_version

    bundled = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"
    torch.manual_seed(0)
    # The defaults of the configuration are wav2vec2-base; random weights are as fast as trained ones.
    light: dict[str, Any] = {
        "conv_dim": (32,) * 7,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 2,
    }
    model: Any = Wav2Vec2ForCTC(Wav2Vec2Config(**({} if name == BASE else light)))
    parts = Checkpoint(
        model.float(),
        Wav2Vec2CTCTokenizer.from_pretrained(bundled),
        Wav2Vec2FeatureExtractor.from_pretrained(bundled),
    )
    write_version(state / "models", parts, new_description(name, 1, class_name="Benchmark", base=name, report={}))
