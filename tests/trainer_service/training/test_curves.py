"""The curves of a training: what TensorBoard reads, what a resumed training has of them, and their picture."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path

import pytest

from trainer_service.training.curves import Curves, Point, points_file, read_points
from trainer_service.training.picture import HEIGHT, WIDTH, draw_picture


def train(folder: Path, steps: range, from_step: int = 0) -> Curves:
    """Curves with a loss for each step, which tells the step."""
    curves = Curves(folder, from_step, clock=lambda: 1_700_000_000.0)
    for step in steps:
        curves.add(step, {"loss": 10.0 / step, "learning_rate": 1e-5 * step, "memory": 7.0})
    return curves


def read_board(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of each scalar in the event files, by tag, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    read = defaultdict(list)
    for tag in events.Tags()["scalars"]:
        read[tag] = [(each.step, each.value) for each in events.Scalars(tag)]
    return dict(read)


def test_tensorboard_reads_the_figures_under_their_tags(tmp_path: Path) -> None:
    curves = train(tmp_path, range(1, 4))
    curves.add(3, {"wer": 0.25, "base_wer": 0.5})
    curves.close()
    board = read_board(tmp_path)
    assert board["train/loss"] == [(1, 10.0), (2, 5.0), (3, pytest.approx(10 / 3))]
    assert board["held-out/wer"] == [(3, 0.25)]
    assert board["held-out/base_wer"] == [(3, 0.5)]
    assert board["other/memory"] == [(step, 7.0) for step in (1, 2, 3)]


def test_a_resumed_training_has_the_curves_of_an_uninterrupted_one(tmp_path: Path) -> None:
    train(tmp_path / "whole", range(1, 9)).close()
    train(tmp_path / "resumed", range(1, 7)).close()  # it went on to step 6, and was killed: the checkpoint is of 4
    train(tmp_path / "resumed", range(5, 9), from_step=4).close()
    assert list(read_points(tmp_path / "resumed")) == list(read_points(tmp_path / "whole"))
    assert read_board(tmp_path / "resumed") == read_board(tmp_path / "whole")


def test_a_training_that_begins_anew_has_no_old_points(tmp_path: Path) -> None:
    train(tmp_path, range(1, 7)).close()
    train(tmp_path, range(1, 3)).close()
    assert [point.step for point in read_points(tmp_path)] == [1, 2]
    assert len(read_board(tmp_path)["train/loss"]) == 2


def test_a_killed_training_loses_no_point_but_a_half_written_one(tmp_path: Path) -> None:
    curves = train(tmp_path, range(1, 4))
    with points_file(tmp_path).open("a") as file:
        file.write('{"step": 4, "ti')
    assert [point.step for point in read_points(tmp_path)] == [1, 2, 3]
    curves.close()
    train(tmp_path, range(4, 5), from_step=3).close()
    assert [point.step for point in read_points(tmp_path)] == [1, 2, 3, 4]


def test_figures_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    curves = Curves(tmp_path, clock=lambda: 5.0)
    curves.add(1, {"loss": float("nan"), "learning_rate": 1.0})
    curves.close()
    assert list(read_points(tmp_path)) == [Point(1, {"learning_rate": 1.0}, 5.0)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_logged_once_and_the_training_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    curves = Curves(tmp_path)
    assert curves._lines is not None
    curves._lines.close()
    curves._lines = Path("/dev/full").open("a")  # noqa: SIM115 (the curves close it)
    with caplog.at_level(logging.WARNING):
        for step in range(1, 5):
            curves.add(step, {"loss": 1.0})
        curves.close()
    assert [record.message for record in caplog.records] == [
        "the curves are not kept: [Errno 28] No space left on device"
    ]
    assert len(read_board(tmp_path)["train/loss"]) == 4


def test_a_folder_that_cannot_be_made_is_logged_and_the_training_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    curves = Curves(tmp_path / "file" / "state")
    curves.add(1, {"loss": 1.0})
    curves.close()
    assert curves.draw("nothing") == b""
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def evaluated(steps: int) -> list[Point]:
    points = [
        Point(step, {"loss": 3.0 / step, "learning_rate": 1e-4, "epoch": 1 + step // 5}) for step in range(1, steps)
    ]
    return [Point(0, {"wer": 0.5, "base_wer": 0.5}), *points, Point(steps, {"wer": 0.25, "cer": 0.1})]


@pytest.mark.parametrize(
    "points",
    [evaluated(40), evaluated(9_000), evaluated(40)[1:-1], evaluated(1)[:1], [Point(1, {"loss": 0.0})], []],
    ids=["some steps", "many steps", "nothing held out", "base only", "a loss of zero", "nothing"],
)
def test_the_picture_is_a_png_of_the_stated_size(points: list[Point], tmp_path: Path) -> None:
    from matplotlib.image import imread

    (tmp_path / "picture.png").write_bytes(draw_picture(points, "a model"))
    height, width, _ = imread(tmp_path / "picture.png").shape
    assert (width, height) == (WIDTH, HEIGHT)


def test_the_picture_says_which_epoch_was_best_and_how_the_base_did() -> None:
    from matplotlib.figure import Figure

    from trainer_service.training.picture import _draw_errors

    axes = Figure().subplots()
    points = evaluated(12)
    _draw_errors(axes, [point for point in points if "wer" in point.figures], points)
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["WER", "CER", "WER of the base: 50.0 %", "best: 25.0 % after epoch 3"]
