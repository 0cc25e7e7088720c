"""Which shapes of batches are worth measuring on a machine, in which order, and when to stop.

Nothing is measured here: it is given a function that computes a shape and says how long that took. So the rules are
tested with cost curves of CPUs and GPUs that are not there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CLEARLY = 1.05
"""What costs latency or memory, or is not the device's habit, has to be so many times as fast to be chosen."""
BATCHES_PAY = 1.1
"""Batches of clips have to be so many times as fast as single clips, or single clips are computed: on a busy machine
single clips were taken for 8 % slower than they are."""
WARM_UP_SECONDS = 0.5
MOST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Shape:
    """Batches that are computed at one time: one by each worker."""

    workers: int
    threads: int
    """CPU threads of each worker."""
    rows: int
    seconds: float
    """Length of each row."""

    @property
    def padded_seconds(self) -> float:
        """Of one of the batches."""
        return self.rows * self.seconds


Measure = Callable[[Shape], float]
"""Computes a shape: seconds from the begin of the first batch to the end of the last."""
Figures = dict[Shape, float]
"""The least seconds that a shape took."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What is to be found out."""

    workers: tuple[tuple[int, int], ...]
    """Pairs of workers and threads each; the first is taken where no other is clearly faster."""
    clip_seconds: float
    """Length of the clips that are measured; shorter where the model is too slow for them."""
    long_seconds: float
    """Length of the one clip that shows how the cost grows with the length."""
    most_seconds: float
    """Padded seconds of the largest batch."""
    most_rows: int = MOST_ROWS
    """1: batches are not in question."""


def choose_workers(singles: list[Shape], figures: Figures) -> Shape:
    """Of the same clip by different workers, the first, unless another is clearly faster."""
    fastest = max(singles, key=lambda shape: rate_of(shape, figures[shape]))
    is_clear = rate_of(fastest, figures[fastest]) >= CLEARLY * rate_of(singles[0], figures[singles[0]])
    return fastest if is_clear else singles[0]


def rate_of(shape: Shape, elapsed: float) -> float:
    """Seconds of audio a second, all workers together."""
    return shape.workers * shape.padded_seconds / max(elapsed, 1e-9)


def ask(device: str, cores: int, *, workers: int = 0, threads: int = 0, measures_rows: bool = True) -> Questions:
    """What to find out on a device.

    Up to four workers: each needs about half a gigabyte of working memory for a base-size model. The first pair is what
    was best where it was measured: a worker for each core on a CPU (wav2vec2-base, two Zen 4 cores: 12.7 s of audio a
    second as two one-thread workers, 11.9 as one of two threads), and on a GPU two, of which one copies while the other
    computes.

    Args:
        device: "cpu" or "cuda".
        cores: CPU cores.
        workers: Given by a setting; 0: asked.
        threads: Likewise.
        measures_rows: False where a setting or the engine says how large batches are.
    """
    usual = {min(cores, 4), min(cores, 2), 1} if device == "cpu" else {2}
    numbers = sorted({workers} if workers else usual, reverse=True)
    pairs = tuple((number, threads or max(1, cores // number)) for number in numbers)
    if device == "cpu":
        return Questions(pairs, 2.0, 8.0, 16.0, MOST_ROWS if measures_rows else 1)
    return Questions(pairs, 5.0, 20.0, 160.0, MOST_ROWS if measures_rows else 1)


def explore(
    measure: Measure, questions: Questions, budget_seconds: float, elapsed: Callable[[], float] | None = None
) -> Figures:
    """Measures what answers the questions, the most telling first, and ends where growing does not pay.

    Candidates are measured in turn, so that a noisy moment is not one candidate's alone, and again, because noise only
    ever adds. No measurement is begun that would probably end after the budget.

    Args:
        measure: Computes a shape.
        questions: What is to be found out.
        budget_seconds: For all measurements.
        elapsed: Seconds since the begin; None: the measurements say themselves how long they took.
    """
    measured = _Measured(measure, budget_seconds, elapsed)
    pairs = questions.workers
    for workers, threads in pairs:
        measured.take(Shape(workers, threads, 1, WARM_UP_SECONDS), is_warm_up=True)
    first = Shape(*pairs[0], 1, WARM_UP_SECONDS)
    measured.take(first)
    if first not in measured.figures:
        return measured.figures
    rate = rate_of(first, measured.figures[first])
    clip = min(questions.clip_seconds, max(WARM_UP_SECONDS, rate * budget_seconds / 16))
    singles = [Shape(*pair, 1, clip) for pair in pairs]
    for _ in range(2):
        for shape in singles:
            measured.take(shape, share=0.5)
    known = [shape for shape in singles if shape in measured.figures]
    if not known:
        return measured.figures
    best = choose_workers(known, measured.figures)
    _grow(measured, best, questions)
    measured.take(Shape(best.workers, best.threads, 1, min(questions.long_seconds, 4 * clip)))
    return measured.figures


class _Measured:
    """What was measured so far, and what may still be."""

    def __init__(self, measure: Measure, budget_seconds: float, elapsed: Callable[[], float] | None) -> None:
        self._measure, self._budget, self._spent = measure, budget_seconds, 0.0
        self._elapsed = elapsed or (lambda: self._spent)
        self.figures: Figures = {}

    def take(self, shape: Shape, *, share: float = 1.0, is_warm_up: bool = False) -> bool:
        """Measures the shape, if that will probably end within the share of the budget."""
        if self._elapsed() + self._expect(shape) > share * self._budget:
            return False
        elapsed = self._measure(shape)
        self._spent += elapsed
        if not is_warm_up:
            self.figures[shape] = min(elapsed, self.figures.get(shape, elapsed))
        return True

    def _expect(self, shape: Shape) -> float:
        if shape in self.figures:
            return self.figures[shape]
        rate = max((rate_of(each, elapsed) for each, elapsed in self.figures.items()), default=float("inf"))
        return shape.workers * shape.padded_seconds / rate


def _grow(measured: _Measured, single: Shape, questions: Questions) -> None:
    """Measures larger and larger batches, until twice the rows are hardly faster."""
    figures = measured.figures
    best = {1: rate_of(single, figures[single])}
    for rows in _row_numbers(questions.most_rows):
        shape = Shape(single.workers, single.threads, rows, single.seconds)
        if shape.padded_seconds > questions.most_seconds or not measured.take(shape, share=0.8):
            return
        if measured.take(shape, share=0.8) and rate_of(shape, figures[shape]) > CLEARLY * best[1] and rows == 2:
            # What pays is believed only when the single clip has had another chance too.
            measured.take(single)
            best[1] = rate_of(single, figures[single])
        best[rows] = rate_of(shape, figures[shape])
        half = max(rate for number, rate in best.items() if number <= rows / 2)
        if best[rows] < CLEARLY * half:
            return


def _row_numbers(most: int) -> list[int]:
    """2, 3, 4, 6, 8, 12, 16 …"""
    numbers = sorted({2**power for power in range(1, 8)} | {3 * 2**power for power in range(7)})
    return [number for number in numbers if number <= most]
