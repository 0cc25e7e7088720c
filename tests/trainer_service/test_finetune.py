"""The training learns, hides no trouble, and ends with the weights that were best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from thanosql.errors import JobFailed
from thanosql.modelstore import ModelDescription
from thanosql.types import Progress
from trainer_service.checkpoints import Checkpoint, load_folder
from trainer_service.dataset import Utterance
from trainer_service.export import describe, new_description
from trainer_service.features import FeatureStore
from trainer_service.finetune import Outcome, ctc_losses, fine_tune, score
from trainer_service.graph import SpeechGraph, Waveform
from trainer_service.recipe import Recipe

RECIPE = Recipe(epochs=3, batch_rows=2, learning_rate=1e-3, seed=1)
CPU = torch.device("cpu")
Fit = Callable[..., tuple[Outcome, SpeechGraph, list[Progress]]]


def utterance(row: int, seconds: float, tokens: tuple[int, ...] = (5, 6, 7)) -> Utterance:
    return Utterance(row, f"{row}.wav", Path(f"{row}.wav"), int(seconds * 16_000), tokens, "ETA")


def read(each: Utterance) -> Waveform:
    return np.random.default_rng(each.row).standard_normal(each.samples, np.float32)


TRAIN = [utterance(row, 0.5 + row / 4) for row in range(5)]
HELD_OUT = [utterance(9, 0.7)]


def load(folder: Path) -> tuple[Checkpoint, ModelDescription]:
    checkpoint = load_folder(folder)
    return checkpoint, describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))


@pytest.fixture(params=["group", "layer"])
def fit(request: pytest.FixtureRequest, small_checkpoints: dict[str, Path]) -> Fit:
    """Trains a small model of either kind."""

    def run(
        recipe: Recipe = RECIPE, train: list[Utterance] = TRAIN, held_out: list[Utterance] = HELD_OUT
    ) -> tuple[Outcome, SpeechGraph, list[Progress]]:
        checkpoint, description = load(small_checkpoints[request.param])
        told: list[Progress] = []
        graph = checkpoint.graph()
        outcome = fine_tune(
            graph, train, held_out, recipe, description=description, read=read, tell=told.append, device=CPU
        )
        return outcome, graph, told

    return run


def test_the_loss_goes_down(fit: Fit) -> None:
    outcome, _, told = fit(replace(RECIPE, epochs=40))
    losses = [each.figures["loss"] for each in told if each.phase == "train"]
    assert losses[-1] < 0.7 * losses[0]
    assert outcome.loss == losses[-1]
    assert outcome.steps == 40 * 3


def test_the_same_seed_gives_the_same_model_and_another_seed_another(fit: Fit) -> None:
    first, second, other = (fit(replace(RECIPE, seed=seed))[1].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_convolutional_encoder_stays_as_it_was(fit: Fit, small_checkpoints: dict[str, Path]) -> None:
    trained = fit()[1].model.state_dict()
    changed = {
        name
        for base in small_checkpoints.values()
        if (weights := load_folder(base).model.state_dict()).keys() == trained.keys()
        for name, weight in weights.items()
        if torch.equal(weight, trained[name]) and "feature_extractor" in name
    }
    assert changed == {name for name in trained if "feature_extractor" in name}


def test_nothing_held_out_is_no_trouble(fit: Fit) -> None:
    outcome, _, _ = fit(held_out=[])
    assert (outcome.before, outcome.after, outcome.best_epoch) == (None, None, 3)


def test_clips_shorter_than_a_mask_are_learned_from(fit: Fit) -> None:
    """The library's own masking ends a training whose longest clip in a batch has under 3,280 samples."""
    outcome, _, _ = fit(train=[utterance(0, 0.1, (5,)), utterance(1, 0.15, (6,))])
    assert np.isfinite(outcome.loss)


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_row(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, description = load(small_checkpoints["layer"])

    def read_badly(each: Utterance) -> Waveform:
        return np.full(each.samples, np.nan if each.row == 3 else 0.1, np.float32)

    with pytest.raises(JobFailed, match=r"row 4 \('3.wav'\)") as caught:
        fine_tune(
            checkpoint.graph(),
            TRAIN,
            [],
            RECIPE,
            description=description,
            read=read_badly,
            tell=lambda _: None,
            device=CPU,
            precision=torch.float32,
        )
    assert "learning_rate" in caught.value.hint


def test_the_weights_at_the_end_are_those_of_the_best_epoch(small_checkpoints: dict[str, Path]) -> None:
    # A rate that makes an epoch as unlike the one before as can be.
    for seed in range(3):
        checkpoint, description = load(small_checkpoints["layer"])
        graph = checkpoint.graph()
        recipe = replace(RECIPE, learning_rate=0.1, epochs=4, seed=seed)
        outcome = fine_tune(
            graph, TRAIN, HELD_OUT, recipe, description=description, read=read, tell=lambda _: None, device=CPU
        )
        features = FeatureStore(graph, read, torch.float32, CPU, 0)
        assert score(graph, features, HELD_OUT, description, CPU, lambda _: None, "") == outcome.after


def test_early_stopping_stops_when_nothing_gets_better(fit: Fit) -> None:
    outcome, _, _ = fit(replace(RECIPE, learning_rate=1e-9, epochs=20, early_stopping=True, patience=2))
    assert outcome.best_epoch == 1
    assert outcome.epochs == 3


def test_features_are_the_same_whether_kept_or_computed_when_asked(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, _ = load(small_checkpoints["group"])
    graph = checkpoint.graph()
    kept = FeatureStore(graph, read, torch.float32, CPU, 1 << 30)
    kept.fill(TRAIN, lambda _: None)
    computed = FeatureStore(graph, read, torch.float32, CPU, 0)
    computed.fill(TRAIN, lambda _: None)
    for batch in (TRAIN[:2], TRAIN[3:], [TRAIN[4], TRAIN[0]]):
        (left, left_frames), (right, right_frames) = kept.batch(batch), computed.batch(batch)
        assert left_frames.equal(right_frames)
        torch.testing.assert_close(left, right, atol=1e-4, rtol=0)


def test_losses_are_of_each_row_alone() -> None:
    log_probs = torch.randn(2, 30, 8).log_softmax(-1)
    frames = torch.tensor([30, 12])
    batch = [utterance(0, 1.0, (1, 2, 3)), utterance(1, 1.0, (4, 4))]
    together = ctc_losses(log_probs, frames, batch, blank=0)
    for row, each in enumerate(batch):
        alone = ctc_losses(log_probs[row : row + 1, : frames[row]], frames[row : row + 1], [each], blank=0)
        torch.testing.assert_close(alone[0], together[row])
