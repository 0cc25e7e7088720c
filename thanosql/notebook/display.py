"""What stands under a cell while its statement runs: progress, notices, and the curves of a training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from thanosql.display import detail
from thanosql.notebook import progress as html
from thanosql.notebook.curves import Curves, as_picture
from thanosql.tables import duration
from thanosql.types import Event, Notice, Progress, StatementDone, StatementStarted

UPDATE_EVERY = 0.2
"""Seconds between two updates."""
PICTURE_EVERY = 1.0
"""Seconds between two pictures of the curves."""


class NotebookDisplay:
    """One output that is updated in place, and shrinks to a line, and a training's picture, at the statement's end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin("")

    def show(self, event: Event) -> None:
        """Updates the bar, or displays a notice under it."""
        what = event.event
        if isinstance(what, StatementStarted):
            self._begin(what.kind)
        elif isinstance(what, Notice):
            _display(html.notice(what), what.text)
        elif isinstance(what, Progress):
            self._move(what)
        elif isinstance(what, StatementDone) and self._last is not None:
            self._end(f"{self._kind}: done in {duration(what.seconds)}")

    def close(self) -> None:
        """Says where a statement stopped that has not ended well."""
        if self._handle is not None and self._last is not None:
            self._end(f"{self._kind}: left off at {self._last.phase}, {detail(self._last)}")

    def _begin(self, kind: str) -> None:
        self._kind = kind
        self._handle: Any = None
        self._last: Progress | None = None
        self._next_update = self._next_picture = 0.0
        self._curves, self._picture = Curves(), ""

    def _move(self, moment: Progress) -> None:
        new_phase = self._last is None or self._last.phase != moment.phase
        self._last = moment
        is_training = self._curves.add(moment)
        now = self._clock()
        if not new_phase and now < self._next_update:
            return
        self._next_update = now + UPDATE_EVERY
        if is_training and now >= self._next_picture:
            self._next_picture = now + PICTURE_EVERY
            self._picture = as_picture(self._curves)
        fraction = min(1.0, moment.done / moment.total) if moment.total else None
        words = f"{self._kind}: {moment.phase}"
        self._update(html.bar(words, fraction, detail(moment), self._picture), f"{words} {detail(moment)}".rstrip())

    def _end(self, text: str) -> None:
        picture = as_picture(self._curves)
        said = f"{text}\n{self._curves.sentence}" if picture else text
        self._update(html.line(text, picture), said)
        self._handle = None

    def _update(self, markup: str, plain: str) -> None:
        if self._handle is None:
            self._handle = _display(markup, plain)
        else:
            self._handle.update({"text/html": markup, "text/plain": plain}, raw=True)


def _display(markup: str, plain: str) -> Any:
    from IPython.display import display

    return display({"text/html": markup, "text/plain": plain}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
