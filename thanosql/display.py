"""What is shown while a statement runs: progress and notices, in a notebook, a terminal or a log."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from thanosql.tables import duration, visible
from thanosql.types import Event, Notice, Progress, Severity, StatementDone, StatementStarted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

PATIENCE = 0.7
"""Seconds after which a terminal shows that a statement is still at work."""
LINE_PATIENCE = 2.0
"""Seconds after which a log does."""
LINE_EVERY = 10.0
"""Seconds between two lines of progress in a log."""


class Display(Protocol):
    """Shows the events of statements as they come."""

    def show(self, event: Event) -> None:
        """Takes in one event; rows and clips are left alone."""

    def close(self) -> None:
        """Takes down whatever moves. Called once, also after a failure."""


def suitable_display() -> Display:
    """The display for the place where this process runs."""
    if in_notebook():
        from thanosql.notebook.display import NotebookDisplay

        return NotebookDisplay()
    if sys.stderr.isatty() and threading.current_thread() is threading.main_thread():
        return TerminalDisplay()
    return LineDisplay()


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this code."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class Silence:
    """Shows nothing."""

    def show(self, event: Event) -> None:
        """Takes in one event."""

    def close(self) -> None:
        """Nothing to take down."""


class LineDisplay:
    """Occasional lines on standard error, for logs and pipes; a quick statement has none of progress."""

    def __init__(
        self,
        write: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = LINE_PATIENCE,
    ) -> None:
        self._write = write or (lambda text: print(text, file=sys.stderr, flush=True))
        self._clock = clock
        self._patience = patience
        self._alarm = Alarm()
        self._lock = threading.Lock()
        self._phase = ""
        self._waiting = ""
        self._next_line = math.inf

    def show(self, event: Event) -> None:
        """Writes a notice at once, and progress when its phase is new or the last line is a while ago."""
        what = event.event
        with self._lock:
            if isinstance(what, StatementStarted):
                self._phase = self._waiting = ""
                self._next_line = math.inf
                self._alarm.set(self._patience, self._begin)
            elif isinstance(what, StatementDone):
                self._waiting = ""
                self._next_line = math.inf
            elif isinstance(what, Notice):
                self._write(f"warning: {what.text}" if what.severity is Severity.WARNING else what.text)
            elif isinstance(what, Progress):
                words = detail(what)
                self._waiting = f"{what.phase}: {words}" if words else what.phase
                if self._next_line < math.inf and (what.phase != self._phase or self._clock() >= self._next_line):
                    self._write_progress()
                self._phase = what.phase

    def close(self) -> None:
        """Writes no more."""
        self._alarm.cancel()

    def _begin(self) -> None:
        with self._lock:
            self._next_line = self._clock()
            self._write_progress()

    def _write_progress(self) -> None:
        if self._waiting:
            self._write(self._waiting)
            self._waiting = ""
            self._next_line = self._clock() + LINE_EVERY


class Alarm:
    """Calls a function some time from now, unless it is set anew or cancelled before."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def set(self, seconds: float, action: Callable[[], None]) -> None:
        """Sets the alarm; one that was set before is off."""
        self.cancel()
        self._timer = threading.Timer(seconds, action)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Calls nothing."""
        if self._timer is not None:
            self._timer.cancel()


class TerminalDisplay:
    """A bar that goes away when its statement has ended; notices stay."""

    def __init__(self, console: Console | None = None, patience: float = PATIENCE) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._console = console or Console(stderr=True)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}", markup=False, style="dim"),
            console=self._console,
            transient=True,
        )
        self._patience = patience
        self._bar: TaskID | None = None
        self._alarm = Alarm()
        self._phase = ""
        self._at_work = False
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        """Moves the bar, or prints a notice above it."""
        from rich.text import Text

        what = event.event
        if isinstance(what, StatementStarted):
            self._at_work = True
            self._replace_bar(what.kind)
            self._alarm.set(self._patience, self._start)
        elif isinstance(what, StatementDone):
            self._clear()
        elif isinstance(what, Progress):
            self._start()
            phase = visible(what.phase)
            bar = self._bar if phase == self._phase and self._bar is not None else self._replace_bar(phase)
            self._bars.update(bar, completed=what.done, total=what.total or None, detail=detail(what))
        elif isinstance(what, Notice):
            warning = what.severity is Severity.WARNING
            text = "\n".join(visible(line) for line in what.text.splitlines())
            style = "bold yellow" if warning else "dim"
            self._console.print(Text(f"warning: {text}" if warning else text, style=style))

    def close(self) -> None:
        """Removes the bar."""
        self._clear()

    def _replace_bar(self, phase: str) -> TaskID:
        self._remove_bars()
        self._phase, self._bar = phase, self._bars.add_task(phase, total=None, detail="")
        return self._bar

    def _remove_bars(self) -> None:
        for bar in self._bars.task_ids:
            self._bars.remove_task(bar)
        self._bar = None

    def _start(self) -> None:
        with self._lock:
            if self._at_work:
                self._bars.start()

    def _clear(self) -> None:
        self._alarm.cancel()
        with self._lock:
            self._at_work = False
            self._bars.stop()
            self._remove_bars()


_FIGURES = ("epoch", "loss", "wer", "base_wer", "learning_rate", "audio_seconds_per_second", "memory_bytes")
"""The order in which figures are shown; others come after them."""


def detail(progress: Progress) -> str:
    """ "40 of 80 clips · 12.3 clips/s · 3.2 s left · loss 1.2"."""
    parts = []
    unit = progress.unit
    if progress.total == 1 and not unit:  # a step that is done or not
        pass
    elif progress.total:
        parts.append(f"{amount(progress.done)} of {amount(progress.total)} {unit}".strip())
    elif progress.done:
        parts.append(f"{amount(progress.done)} {unit}".strip())
    if progress.rate:
        parts.append(f"{amount(progress.rate)} {unit or 'per second'}{'/s' if unit else ''}")
    if progress.seconds_left is not None and progress.done < (progress.total or math.inf):
        parts.append(f"{duration(progress.seconds_left)} left")
    # A message from a server has them in no order.
    known = [name for name in _FIGURES if name in progress.figures]
    names = [*known, *sorted(progress.figures.keys() - set(known))]
    parts += [figure(name, progress.figures[name]) for name in names]
    return " · ".join(parts)


def figure(name: str, value: float) -> str:
    """A named figure of the moment: "loss 0.766", "WER 61.5%", "5.5 × real time"."""
    if name == "audio_seconds_per_second":
        return f"{value:.1f} × real time"
    if name == "memory_bytes":
        return f"{value / 1e9:.1f} GB of memory"
    words = name.replace("_", " ")
    if words.split()[-1] in ("wer", "cer"):
        return f"{words[:-3]}{words[-3:].upper()} {value:.1%}"
    return f"{words} {value:.3g}"


def amount(number: float) -> str:
    """ "80", "1,234", "0.52"."""
    if number == int(number) or abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"
