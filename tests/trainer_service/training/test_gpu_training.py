"""Trainings on a GPU: the same seed gives the same model there too, after a stop as well, for every kind of network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainer_service.training.test_finetune import HELD_OUT, RECIPE, TRAIN, Noise, differ, load
from thanosql.types import Notice, Progress
from trainer_service.export.graph import SpeechGraph
from trainer_service.training.features import FeatureStore
from trainer_service.training.finetune import FineTuning, Stopped
from trainer_service.training.machine import choose_precision, compute_repeatably
from trainer_service.training.recipe import Recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")


def fit(checkpoint: Path, folder: Path, recipe: Recipe = RECIPE, stop_after: int = 0) -> tuple[SpeechGraph, list[str]]:
    """Trains as BUILD does; the network, and what was noticed on the way."""
    device = torch.device("cuda")
    loaded, description = load(checkpoint)
    graph = loaded.graph().to(device)
    precision = choose_precision(device)
    told: list[Progress | Notice] = []
    compute_repeatably(device)
    training = FineTuning(
        graph,
        TRAIN,
        HELD_OUT,
        recipe,
        description=description,
        features=FeatureStore(graph, Noise(), sample_rate=16_000, precision=precision, device=device),
        folder=folder,
        tell=told.append,
        device=device,
        precision=precision,
        is_stopping=lambda: 0 < stop_after <= sum(getattr(each, "phase", "") == "train" for each in told),
    )
    try:
        training.run()
    finally:
        torch.use_deterministic_algorithms(False)
    return graph, [each.text for each in told if isinstance(each, Notice)]


@pytest.mark.parametrize("kind", ["group", "layer", "hubert", "data2vec", "masked", "adapters"])
def test_the_same_seed_gives_the_same_model_on_a_gpu(
    kind: str, small_checkpoints: dict[str, Path], relatives: dict[str, Path], tmp_path: Path
) -> None:
    checkpoint = {**small_checkpoints, **relatives}.get(kind, small_checkpoints["group"])
    recipe = replace(
        RECIPE,
        time_mask=0.3 if kind == "masked" else 0.0,
        speeds=(0.9, 1.0, 1.1) if kind == "masked" else (1.0,),
        lora_rank=4 if kind == "adapters" else 0,
    )
    first, notices = fit(checkpoint, tmp_path / "first", recipe)
    second, _ = fit(checkpoint, tmp_path / "second", recipe)
    assert not [text for text in notices if "last bit" in text]
    assert differ(first, second) == []


def test_a_training_on_a_gpu_that_was_stopped_ends_as_one_that_was_not(
    small_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    whole, _ = fit(small_checkpoints["group"], tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(small_checkpoints["group"], tmp_path / "parts", stop_after=4)
    resumed, _ = fit(small_checkpoints["group"], tmp_path / "parts")
    assert differ(whole, resumed) == []
