"""The training learns, hides no trouble, and ends with the weights that were best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from thanosql.errors import AudioError, JobFailed
from thanosql.modelstore import ModelDescription
from thanosql.scoring import word_errors
from thanosql.types import Notice, Progress
from trainer_service.bases.checkpoints import Checkpoint, load_folder
from trainer_service.data.dataset import Utterance
from trainer_service.export.export import describe, new_description
from trainer_service.export.graph import SpeechGraph, Waveform
from trainer_service.training.augmentation import Clip
from trainer_service.training.course import Outcome
from trainer_service.training.curves import read_points
from trainer_service.training.features import FeatureStore
from trainer_service.training.finetune import FineTuning, Stopped
from trainer_service.training.hearing import transcribe
from trainer_service.training.loss import Objective, ctc_losses
from trainer_service.training.recipe import Recipe

RECIPE = Recipe(epochs=3, step_rows=2, learning_rate=1e-3, seed=1)
CPU = torch.device("cpu")
Told = list[Progress | Notice]
Fit = Callable[..., tuple[Outcome, SpeechGraph, Told]]


def utterance(row: int, seconds: float, tokens: tuple[int, ...] = (5, 6, 7)) -> Utterance:
    return Utterance(row, f"{row}.wav", Path(f"{row}.wav"), int(seconds * 16_000), tokens, "ETA")


class Noise:
    """Recordings that are made up; those of the rows in `bad` are no numbers, those in `gone` cannot be read."""

    def __init__(self, bad: Iterable[int] = (), gone: Iterable[int] = ()) -> None:
        self._bad, self._gone = set(bad), set(gone)

    def expect(self, utterances: Iterable[Utterance]) -> None:
        list(utterances)

    def read(self, utterance: Utterance) -> Waveform:
        if utterance.row in self._gone:
            raise AudioError(f"{utterance.audio_path} is gone", reason="missing")
        samples = np.random.default_rng(utterance.row).standard_normal(utterance.samples, np.float32)
        return np.full_like(samples, np.nan) if utterance.row in self._bad else samples


TRAIN = [utterance(row, 0.5 + row / 4) for row in range(5)]
ALIKE = [utterance(row, 0.6 + row / 1000) for row in range(5)]
HELD_OUT = [utterance(9, 0.7)]


def load(folder: Path) -> tuple[Checkpoint, ModelDescription]:
    checkpoint = load_folder(folder)
    return checkpoint, describe(checkpoint, new_description("m", 1, class_name="", base="", report={}))


@pytest.fixture(params=["group", "layer"])
def fit(request: pytest.FixtureRequest, small_checkpoints: dict[str, Path], tmp_path: Path) -> Fit:
    """Trains a small model of either kind."""
    count = 0

    def run(
        recipe: Recipe = RECIPE,
        train: list[Utterance] = TRAIN,
        held_out: list[Utterance] = HELD_OUT,
        folder: Path | None = None,
        recordings: Noise | None = None,
        drops: bool = True,
        **others: object,
    ) -> tuple[Outcome, SpeechGraph, Told]:
        nonlocal count
        count += 1
        checkpoint, description = load(small_checkpoints[request.param])
        told: Told = []
        graph = checkpoint.graph()
        if not drops:
            leave_out_dropout(graph)
        training = FineTuning(
            graph,
            train,
            held_out,
            recipe,
            description=description,
            features=store(graph, 1 << 30, recordings or Noise()),
            folder=folder or tmp_path / f"state-{count}",
            tell=told.append,
            device=CPU,
            **others,  # type: ignore[arg-type]
        )
        return training.run(), graph, told

    return run


def leave_out_dropout(graph: SpeechGraph) -> None:
    """Leaves no chance in the network but masks."""
    graph.model.config.layerdrop = 0.0
    for module in graph.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0


def differ(left: SpeechGraph, right: SpeechGraph) -> list[str]:
    """The names of weights that are not the same, bit by bit."""
    others = right.state_dict()
    return [name for name, weight in left.state_dict().items() if not torch.equal(weight, others[name])]


def stopping_after(calls: int) -> Callable[[], bool]:
    """Says so once it was asked so many times."""
    left = [calls]

    def is_stopping() -> bool:
        left[0] -= 1
        return left[0] < 0

    return is_stopping


def losses_told(told: Told) -> list[float]:
    return [each.figures["loss"] for each in told if isinstance(each, Progress) and each.phase == "train"]


def test_the_loss_goes_down(fit: Fit) -> None:
    outcome, _, told = fit(replace(RECIPE, epochs=40))
    assert outcome.losses[-1] < 0.7 * outcome.losses[0]
    assert outcome.losses[-1] == losses_told(told)[-1]
    assert (outcome.steps, len(outcome.losses)) == (40 * 3, 40)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(fit: Fit) -> None:
    first, second, other = (fit(replace(RECIPE, seed=seed, speeds=(0.9, 1.0, 1.1)))[1] for seed in (3, 3, 4))
    assert differ(first, second) == []
    assert differ(first, other) != []


def test_the_convolutional_encoder_stays_as_it_was(fit: Fit, small_checkpoints: dict[str, Path]) -> None:
    trained = fit()[1].model.state_dict()
    same = {
        name
        for base in small_checkpoints.values()
        if (weights := load_folder(base).model.state_dict()).keys() == trained.keys()
        for name, weight in weights.items()
        if torch.equal(weight, trained[name]) and "feature_extractor" in name
    }
    assert same == {name for name in trained if "feature_extractor" in name}


@pytest.mark.parametrize("stop_after", [1, 5, 9, 14])
def test_a_training_that_was_stopped_and_taken_up_again_ends_as_if_it_had_not_been(
    fit: Fit, tmp_path: Path, stop_after: int
) -> None:
    recipe = replace(RECIPE, speeds=(0.9, 1.0, 1.1), channel_mask=0.1)
    outcome, whole, _ = fit(recipe, folder=tmp_path / "whole")
    with pytest.raises(Stopped):
        fit(recipe, folder=tmp_path / "parted", is_stopping=stopping_after(stop_after))
    resumed, parted, told = fit(recipe, folder=tmp_path / "parted")
    assert len(losses_told(told)) <= resumed.steps - stop_after // 3
    assert differ(whole, parted) == []
    assert (resumed.losses, resumed.best_epochs, resumed.after) == (outcome.losses, outcome.best_epochs, outcome.after)
    # The curves are those of one training, too.
    points = [
        [(each.step, each.figures.get("loss")) for each in read_points(tmp_path / of)] for of in ("whole", "parted")
    ]
    assert points[0] == points[1]


def test_a_training_that_was_killed_loses_the_steps_since_its_last_checkpoint_and_no_more(
    fit: Fit, tmp_path: Path
) -> None:
    _, whole, _ = fit(folder=tmp_path / "whole")
    folder = tmp_path / "killed"

    class Killed(Exception):
        pass

    def kill_in_epoch_two(left: list[int]) -> Callable[[], bool]:
        def is_stopping() -> bool:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return False

        return is_stopping

    with pytest.raises(Killed):
        fit(folder=folder, is_stopping=kill_in_epoch_two([9]))
    # The newest checkpoint is half written, as by a machine that lost its power: the one before it serves.
    newest = max(folder.glob("checkpoint-*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    _, resumed, _ = fit(folder=folder)
    assert differ(whole, resumed) == []


def test_a_training_that_had_ended_is_not_done_again(fit: Fit, tmp_path: Path) -> None:
    outcome, graph, _ = fit(folder=tmp_path / "state")
    again, same, told = fit(folder=tmp_path / "state")
    assert again == outcome
    assert differ(graph, same) == []
    assert losses_told(told) == []


def test_the_state_of_another_training_is_not_gone_on_from(fit: Fit, tmp_path: Path) -> None:
    fit(folder=tmp_path / "state")
    other = replace(RECIPE, learning_rate=1e-4)
    expected, clean, _ = fit(other)
    outcome, graph, _ = fit(other, folder=tmp_path / "state")
    assert outcome == replace(expected, audio_seconds_per_second=outcome.audio_seconds_per_second)
    assert differ(clean, graph) == []


def test_how_a_step_is_parted_changes_nothing(fit: Fit) -> None:
    """Gradients of parts add up to those of the step, whatever memory holds at once."""
    recipe = replace(RECIPE, step_rows=5)
    whole, graph, _ = fit(recipe, train=ALIKE, drops=False)
    parted, other, _ = fit(recipe, train=ALIKE, drops=False, at_once=1.3)
    assert parted.losses == pytest.approx(whole.losses, rel=1e-4)
    weights = other.state_dict()
    for name, weight in graph.state_dict().items():
        torch.testing.assert_close(weight, weights[name], atol=2e-3, rtol=0)


def test_gradients_of_parts_add_up_to_those_of_the_whole(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, description = load(small_checkpoints["group"])
    graph = checkpoint.graph().eval()  # without dropout
    objective = Objective(graph, RECIPE, description.blank, CPU, torch.float32)
    features = store(graph)
    labels = sum(len(each.tokens) for each in TRAIN)

    def gradients(parts: list[list[Utterance]]) -> dict[str, Tensor]:
        graph.zero_grad()
        for part in parts:
            clips, values, frames = features.batch([Clip(each) for each in part])
            torch.autograd.backward(objective.losses(clips, values, frames, 1).sum() / labels)
        return {name: weight.grad.clone() for name, weight in graph.named_parameters() if weight.grad is not None}

    whole = gradients([TRAIN])
    parted = gradients([TRAIN[:2], TRAIN[2:4], TRAIN[4:]])
    assert len(whole) > 20
    for name, gradient in whole.items():
        torch.testing.assert_close(parted[name], gradient, atol=1e-4, rtol=1e-3)


def test_a_step_that_runs_out_of_memory_is_taken_again_in_halves(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    enough = 1.5
    losses = Objective.losses

    def scarce(self: Objective, clips: list[Clip], features: Tensor, *rest: object, **named: object) -> Tensor:
        if features.shape[0] * features.shape[1] / 50 > enough:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return losses(self, clips, features, *rest, **named)  # type: ignore[arg-type]

    recipe = replace(RECIPE, step_rows=5)
    plenty, _, _ = fit(recipe, train=ALIKE, drops=False)
    monkeypatch.setattr(Objective, "losses", scarce)
    outcome, _, told = fit(recipe, train=ALIKE, drops=False)
    assert outcome.losses == pytest.approx(plenty.losses, rel=1e-4)
    warnings = [each.text for each in told if isinstance(each, Notice) and "Memory ran out" in each.text]
    assert warnings
    assert "batch_size=" in warnings[0]


def test_a_clip_that_alone_is_too_much_for_the_memory_is_named(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object, **__: object) -> Tensor:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(Objective, "losses", none_left)
    with pytest.raises(JobFailed, match=r"single recording of 1\.[05] s: row \d") as caught:
        fit(replace(RECIPE, step_rows=1), train=[utterance(1, 1.0), utterance(2, 1.0)])
    assert "Leave out recordings" in caught.value.hint


def test_nothing_held_out_is_no_trouble(fit: Fit) -> None:
    outcome, _, _ = fit(held_out=[])
    assert (outcome.before, outcome.after, outcome.best_epochs) == ((), (), (3,))


def test_clips_shorter_than_a_mask_are_learned_from(fit: Fit) -> None:
    """The library's own masking ends a training whose longest clip in a batch has under 3,280 samples."""
    outcome, _, _ = fit(replace(RECIPE, speeds=(1.1,)), train=[utterance(0, 0.1, (5,)), utterance(1, 0.15, (6,))])
    assert np.isfinite(outcome.losses).all()


def test_a_clip_is_not_played_faster_than_its_labels_allow(fit: Fit) -> None:
    # 24 frames for 23 labels; at 1.1 times the speed there would be 21.
    outcome, _, _ = fit(replace(RECIPE, speeds=(1.1,)), train=[utterance(0, 0.5, tuple(5 + n % 2 for n in range(23)))])
    assert np.isfinite(outcome.losses).all()


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_row(fit: Fit) -> None:
    with pytest.raises(JobFailed, match=r"step \d the loss .* in row 4 \('3.wav'\)") as caught:
        fit(recordings=Noise(bad=[3]), precision=torch.float32, held_out=[])
    assert "learning_rate" in caught.value.hint
    assert "row 3" not in caught.value.message


def test_a_recording_that_is_gone_in_the_middle_costs_its_row(fit: Fit) -> None:
    outcome, _, _ = fit(recordings=Noise(gone=[2, 9]))
    assert outcome.lost.keys() == {2, 9}
    assert outcome.after == ("",)
    assert np.isfinite(outcome.losses).all()


def test_the_weights_at_the_end_are_those_that_were_best(small_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    # A rate that makes an epoch as unlike the one before as can be.
    for seed in range(3):
        checkpoint, description = load(small_checkpoints["layer"])
        graph = checkpoint.graph()
        told: Told = []
        recipe = replace(RECIPE, learning_rate=0.1, epochs=4, seed=seed)
        outcome = FineTuning(
            graph, TRAIN, HELD_OUT, recipe, description=description, features=store(graph),
            folder=tmp_path / str(seed), tell=told.append, device=CPU,
        ).run()  # fmt: skip
        clips = [Clip(each) for each in HELD_OUT]
        heard = transcribe(graph, store(graph), clips, description, CPU, lambda _: None, "")
        assert tuple(heard[each.row] for each in HELD_OUT) == outcome.after
        rate = word_errors([each.text for each in HELD_OUT], outcome.after).rate
        assert rate <= min(each.figures["wer"] for each in told if isinstance(each, Progress) and "wer" in each.figures)


def test_adapters_train_few_weights_and_are_folded_into_the_model(fit: Fit, small_checkpoints: dict[str, Path]) -> None:
    outcome, graph, _ = fit(replace(RECIPE, lora_rank=4, epochs=20, learning_rate=1e-2))
    assert outcome.losses[-1] < outcome.losses[0]
    (base,) = (
        weights
        for folder in small_checkpoints.values()
        if (weights := load_folder(folder).model.state_dict()).keys() == graph.model.state_dict().keys()
    )
    changed = {name for name, weight in graph.model.state_dict().items() if not torch.equal(weight, base[name])}
    # A plain model again, in which the linear layers of the transformer and the head have learned.
    assert {name.rsplit(".", 2)[-2] for name in changed} == {
        *("q_proj", "k_proj", "v_proj", "out_proj", "intermediate_dense", "output_dense", "lm_head")
    }
    assert not any(name.endswith("bias") for name in changed if "lm_head" not in name)


def test_a_new_head_is_trained_alone_at_first(fit: Fit, tmp_path: Path) -> None:
    recipe = replace(RECIPE, frozen=0.5, epochs=4, averaged=1)
    with pytest.raises(Stopped):
        fit(recipe, folder=tmp_path / "state", is_stopping=stopping_after(7), held_out=[])
    (checkpoint,) = (tmp_path / "state").glob("checkpoint-*.pt")
    _, graph, _ = fit(replace(recipe, epochs=1, frozen=0.0, learning_rate=1e-12), held_out=[])
    start = graph.state_dict()
    weights = torch.load(checkpoint, weights_only=True)["weights"]
    moved = {name for name, weight in weights.items() if not torch.allclose(weight, start[name], atol=1e-6)}
    assert moved == {"model.lm_head.weight", "model.lm_head.bias"}


def test_early_stopping_stops_when_nothing_gets_better(fit: Fit) -> None:
    outcome, _, told = fit(replace(RECIPE, learning_rate=1e-9, epochs=20, early_stopping=True, patience=2))
    assert outcome.epochs == 3
    assert any(isinstance(each, Notice) and "Stopped early" in each.text for each in told)


def test_a_full_disk_costs_the_checkpoints_and_not_the_training(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    outcome, _, told = fit(folder=tmp_path / "state")
    assert outcome.best_epochs == (3,)
    assert len(outcome.after) == 1
    notices = [each.text for each in told if isinstance(each, Notice)]
    assert sum("a checkpoint" in text and "No space left" in text for text in notices) == 1


def test_features_are_the_same_whether_kept_or_computed_when_asked(small_checkpoints: dict[str, Path]) -> None:
    checkpoint, _ = load(small_checkpoints["group"])
    graph = checkpoint.graph()
    clips = [Clip(each, speed) for each in TRAIN for speed in (0.9, 1.0)]
    kept, computed = store(graph, 1 << 30), store(graph, 0)
    for each in (kept, computed):
        each.fill(clips, lambda _: None)
    for batch in (clips[:3], clips[3:], [clips[4], clips[0]]):
        (_, left, left_frames), (_, right, right_frames) = kept.batch(batch), computed.batch(batch)
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


def test_where_memory_runs_out_in_the_encoder_clips_go_through_it_in_halves(
    small_checkpoints: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = load(small_checkpoints["group"])[0].graph().eval()
    clips = [Clip(each) for each in TRAIN]
    _, expected, _ = store(graph).batch(clips)
    rows: list[int] = []
    compute = graph.features

    def run_out(waveform: Tensor, lengths: Tensor) -> Tensor:
        rows.append(len(waveform))
        if len(waveform) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 340.00 MiB.")
        return compute(waveform, lengths)

    monkeypatch.setattr(graph, "features", run_out)
    _, values, _ = store(graph).batch(clips)
    assert rows == [5, 2, 3, 1, 2]
    torch.testing.assert_close(values, expected)


def test_the_loss_that_gpus_compute_has_the_gradients_of_the_plain_one() -> None:
    raw = torch.randn(2, 30, 8)
    frames = torch.tensor([30, 12])
    batch = [utterance(0, 1.0, (1, 2, 2)), utterance(1, 1.0, (4, 4))]
    gradients = []
    for is_repeatable in (False, True):
        values = raw.clone().requires_grad_()
        log_probs = values.log_softmax(-1)
        losses = ctc_losses(log_probs, frames, batch, blank=0, is_repeatable=is_repeatable)
        assert losses.dtype is torch.float32
        (losses.sum() / 5).backward()  # type: ignore[no-untyped-call]
        assert values.grad is not None
        gradients.append(values.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def store(graph: SpeechGraph, budget: int = 0, recordings: Noise | None = None) -> FeatureStore:
    return FeatureStore(
        graph, recordings or Noise(), sample_rate=16_000, precision=torch.float32, device=CPU, budget=budget
    )
