"""The curves of a training: its figures by step, for TensorBoard, and drawn as a picture.

The points are kept in `curves.jsonl`, a line each, and everything else is made from them: the event files in
`tensorboard/` as they come, the picture when it is asked for. So a training that is taken up again from an earlier
step has the curves of one that was never interrupted.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from trainer_service.training.picture import draw_picture

log = logging.getLogger(__name__)

TAGS = {
    "loss": "train/loss",
    "learning_rate": "train/learning_rate",
    "audio_seconds_per_second": "train/audio_seconds_per_second",
    "epoch": "train/epoch",
    "wer": "held-out/wer",
    "cer": "held-out/cer",
    "base_wer": "held-out/base_wer",
}
"""What TensorBoard calls the figures; others stand under `other/`."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at a step."""

    step: int
    """Steps done by then."""
    figures: Mapping[str, float]
    """By name: "loss" (nats per label), "learning_rate", "epoch", "audio_seconds_per_second"; of an evaluation "wer",
    "cer", "base_wer", as fractions. All finite."""
    time: float = 0.0
    """Seconds since 1970."""


class Curves:
    """Takes the figures of a training as they come.

    It never fails the training: what goes wrong with its files (a full disk, a library that is not there) is logged
    once, and that file is left out from then on. A point of four figures costs 0.3 ms.

    Args:
        folder: Of the training's state; made where there is none.
        from_step: Steps that the training has behind it. Points after it, of a training that went further and was
            taken up again from here, are dropped; 0 begins anew.
        clock: Seconds since 1970.
    """

    def __init__(self, folder: Path, from_step: int = 0, clock: Callable[[], float] = time.time) -> None:
        self._folder, self._clock = folder, clock
        self._lines: TextIO | None = None
        self._board: Any = None
        kept = [point for point in read_points(folder) if point.step <= from_step] if from_step else []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            new = points_file(folder).with_suffix(".new")
            new.write_text("".join(map(_write_line, kept)), "utf-8")
            new.replace(points_file(folder))
            self._lines = points_file(folder).open("a", encoding="utf-8")
        except OSError as error:
            self._give_up("the curves are not kept", error)
        try:
            self._board = _open_board(folder / "tensorboard")
            for point in kept:
                self._show(point)
        except Exception as error:  # its thread hands on whatever it met
            self._give_up("TensorBoard gets no files", error)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds what was measured at a step.

        Args:
            step: Steps done by now; never less than before.
            figures: What was measured now: `wer` only with the evaluation that gave it, and not at each step after it.
                Figures that are not finite are left out.
        """
        finite = {name: float(figure) for name, figure in figures.items() if math.isfinite(figure)}
        point = Point(step, finite, round(self._clock(), 3))
        if self._lines is not None:
            try:
                self._lines.write(_write_line(point))
                self._lines.flush()  # a process that is killed loses none of them
            except OSError as error:
                self._give_up("the curves are not kept", error)
        if self._board is not None:
            try:
                self._show(point)
            except Exception as error:
                self._give_up("TensorBoard gets no more", error)

    def draw(self, title: str = "") -> bytes:
        """The picture of what is kept, as `draw_picture` gives it; empty where it cannot be drawn, which is logged."""
        try:
            return draw_picture(list(read_points(self._folder)), title)
        except Exception as error:  # matplotlib's, or that of a disk too full for its font cache
            log.warning("no picture of the training is drawn: %s", error)
            return b""

    def close(self) -> None:
        """Writes what is still in memory."""
        if self._lines is not None:
            try:
                self._lines.close()
            except OSError as error:
                self._give_up("the curves are not kept", error)
            self._lines = None
        if self._board is not None:
            try:
                self._board.close()
            except Exception as error:
                self._give_up("TensorBoard gets no more", error)
            self._board = None

    def _show(self, point: Point) -> None:
        for name, figure in point.figures.items():
            self._board.add_scalar(TAGS.get(name, f"other/{name}"), figure, point.step, walltime=point.time)

    def _give_up(self, what: str, error: Exception) -> None:
        log.warning("%s: %s", what, error)
        if what.startswith("TensorBoard"):
            board, self._board = self._board, None
            if board is not None:
                with suppress(Exception):  # it ends its thread, and fails once more
                    board.close()
            return
        lines, self._lines = self._lines, None
        if lines is not None:
            with suppress(OSError):
                lines.close()


def points_file(folder: Path) -> Path:
    """Where `Curves` keeps its points in a state folder."""
    return folder / "curves.jsonl"


def read_points(folder: Path) -> Iterator[Point]:
    """The points that are kept in a state folder, in their order; a line that was not written whole is left out."""
    with suppress(FileNotFoundError), points_file(folder).open(encoding="utf-8", errors="replace") as file:
        for line in file:
            with suppress(ValueError, TypeError, KeyError):
                values = json.loads(line)
                yield Point(values["step"], values["figures"], values["time"])


def _write_line(point: Point) -> str:
    return json.dumps({"step": point.step, "time": point.time, "figures": dict(point.figures)}) + "\n"


def _open_board(folder: Path) -> Any:
    """A writer of event files in a folder that has no others."""
    from torch.utils.tensorboard import SummaryWriter  # loads tensorboard: half a second

    shutil.rmtree(folder, ignore_errors=True)
    # A TensorBoard that is open on the old files drops at `purge_step` what it has read of them.
    return SummaryWriter(str(folder), purge_step=0)
