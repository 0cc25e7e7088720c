"""What does BUILD gain on speech that the base does not understand well, and which recipe gains most?

    python benchmarks/accuracy.py                                       # the recipe as it is, three seeds
    python benchmarks/accuracy.py --recipes default plain --seeds 0     # two recipes, one seed

From the bundled base, on `librispeech/` (240 recordings of 12 speakers; tested on 80 of four others) and `accented/`
(90 recordings of learners of English, many of them children; tested on 30) of the test data, with the rows that BUILD
would hold out held out for choosing among epochs. The figures are of the test tables, which nothing was chosen by:
word error rate before and after, greedily decoded, with the 95 % interval of each and of their difference.

The encoder's features do not depend on recipe or seed; they are computed once and shared.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT))
DATA = CHECKOUT.parent / "shared" / "data"
BUNDLED = CHECKOUT / "trainer_service" / "bundled" / "wav2vec2-tiny-en"

from trainer_service.runner import ENVIRONMENT  # noqa: E402

os.environ |= ENVIRONMENT

import torch  # noqa: E402

from thanosql.audio import read_audio  # noqa: E402
from thanosql.comparison import compare  # noqa: E402
from thanosql.evaluation import Evaluation, evaluate  # noqa: E402
from thanosql.types import JobKind, JobSpec  # noqa: E402
from trainer_service.bases.checkpoints import load_folder  # noqa: E402
from trainer_service.bases.head import alphabet_of  # noqa: E402
from trainer_service.data.dataset import Limits, Row, Utterance, check_rows  # noqa: E402
from trainer_service.export.export import describe, new_description  # noqa: E402
from trainer_service.export.graph import SpeechGraph, Waveform, frame_count  # noqa: E402
from trainer_service.training.augmentation import Clip  # noqa: E402
from trainer_service.training.features import FeatureStore  # noqa: E402
from trainer_service.training.finetune import FineTuning  # noqa: E402
from trainer_service.training.hearing import transcribe  # noqa: E402
from trainer_service.training.machine import choose_precision  # noqa: E402
from trainer_service.training.recipe import SPEEDS, choose_recipe, hold_out  # noqa: E402

CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {"speeds": (1.0,), "time_mask": 0.0, "channel_mask": 0.0}
RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "plain": PLAIN,
    "plain 1e-4": {**PLAIN, "learning_rate": 1e-4},
    "plain 2e-4": {**PLAIN, "learning_rate": 2e-4},
    "masks 1e-4": {**PLAIN, "time_mask": 0.05, "learning_rate": 1e-4},
    "speeds 1e-4": {**PLAIN, "speeds": SPEEDS, "learning_rate": 1e-4},
    "augmented": {"speeds": SPEEDS, "time_mask": 0.05, "learning_rate": 1e-4},
    "paper's masks": {"speeds": SPEEDS, "time_mask": 0.65, "channel_mask": 0.25},
    "best epoch alone": {"averaged": 1},
    "adapters": {**PLAIN, "lora_rank": 32, "learning_rate": 1e-3},
}
"""What is other than in the recipe that BUILD chooses."""


class Disk:
    """Recordings that are read when they are asked for."""

    def expect(self, utterances: Iterable[Utterance]) -> None:
        """Nothing is read ahead."""

    def read(self, utterance: Utterance) -> Waveform:
        """The samples of one."""
        return read_audio(utterance.file)


@dataclass(frozen=True)
class Table:
    """A table of the test data, checked as BUILD checks it."""

    name: str
    train: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    hours: float
    store: FeatureStore


def load_table(name: str) -> Table:
    """Both tables of a folder, and their features."""
    checkpoint = load_folder(BUNDLED)
    model = describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))
    limits = Limits(16_000, 40.0, lambda samples: int(frame_count(checkpoint.model.config, samples)))

    def read(part: str, first: int) -> tuple[Utterance, ...]:
        with (DATA / name / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = [Row(row["audio_path"], row["text"], row["speaker"]) for row in csv.DictReader(file)]
        kept, _ = check_rows(rows, DATA, alphabet_of(model), "base", limits, lambda _: None)
        # Rows are counted through both tables: features are kept by row.
        return tuple(replace(each, row=each.row + first) for each in kept)

    train = read("train", 0)
    test = read("test", 1_000_000)
    hours = sum(each.samples for each in train) / 16_000 / 3600
    graph = checkpoint.graph().eval()
    store = FeatureStore(graph, Disk(), sample_rate=16_000, precision=choose_precision(CPU), device=CPU, budget=4 << 30)
    store.fill([Clip(each) for each in (*train, *test)], lambda _: None)
    return Table(name, train, test, hours, store)


def hear(graph: SpeechGraph, table: Table, model: Any) -> Evaluation:
    """What a network makes of the test table."""
    heard = transcribe(graph, table.store, [Clip(each) for each in table.test], model, CPU, lambda _: None, "")
    references = [each.text for each in table.test]
    texts = [heard[each.row] for each in table.test]
    return evaluate(references, texts, speakers=[each.speaker for each in table.test])


def run(table: Table, name: str, seed: int, epochs: int, batch_size: int) -> dict[str, Any]:
    """One training; its figures."""
    checkpoint = load_folder(BUNDLED)
    model = describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))
    spec = JobSpec(JobKind.BUILD, "m", "base", epochs=epochs, batch_size=batch_size, seed=seed)
    recipe = replace(choose_recipe(spec, table.hours, len(table.train)), **RECIPES[name])
    speakers = [each.speaker for each in table.train]
    places, how = hold_out([str(each.file) for each in table.train], speakers, None, seed)
    graph = checkpoint.graph()
    before = hear(graph, table, model)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = FineTuning(
            graph,
            [each for place, each in enumerate(table.train) if place not in set(places)],
            [table.train[place] for place in places],
            recipe,
            description=model,
            features=table.store,
            folder=Path(folder),
            tell=lambda _: None,
            device=CPU,
        ).run()
    seconds = time.perf_counter() - began
    after = hear(graph, table, model)
    comparison = compare(before, after)
    print(
        f"{table.name:12}{name:20}seed {seed}: WER {comparison.sentence}, CER {before.cer.score:.1%} → "
        f"{after.cer.score:.1%}, held out {how}, epochs {outcome.best_epochs}, {seconds:.0f} s",
        flush=True,
    )
    return {
        "table": table.name,
        "recipe": name,
        "seed": seed,
        "before": asdict(before.wer),
        "after": asdict(after.wer),
        "difference": asdict(comparison.difference),
        "cer_before": before.cer.score,
        "cer_after": after.cer.score,
        "epochs": outcome.best_epochs,
        "losses": outcome.losses,
        "seconds": seconds,
        "numbers": asdict(recipe),
    }


def main() -> None:
    """Runs every recipe with every seed on every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", default=["librispeech", "accented"])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["default"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, default=Path("accuracy.json"), help="where to write the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results: list[dict[str, Any]] = []
    for table in map(load_table, arguments.tables):
        for name in arguments.recipes:
            for seed in arguments.seeds:
                results.append(run(table, name, seed, arguments.epochs, arguments.batch_size))
                arguments.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
            mine = [each for each in results if (each["table"], each["recipe"]) == (table.name, name)]
            after = [100 * each["after"]["score"] for each in mine]
            spread = f" ± {statistics.stdev(after):.1f}" if len(after) > 1 else ""
            before = 100 * mine[0]["before"]["score"]
            print(
                f"{table.name:12}{name:20}{before:.1f} → {statistics.mean(after):.1f}{spread} over {len(after)} seeds"
            )


if __name__ == "__main__":
    main()
