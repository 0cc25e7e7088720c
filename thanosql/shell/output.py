"""Where results go, and how: rows in a format to a screen, a pager or a file; the line that sums a result up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from thanosql.errors import ThanoSQLError
from thanosql.result import Result
from thanosql.shell.formats import BINARY_FORMATS, TEXT_FORMATS, Writer
from thanosql.tables import PREVIEW_ROWS, WHOLE_KINDS, WHOLE_ROWS, count, duration, show_body, standard_output
from thanosql.types import Clip, StatementDone, StatementStarted

if TYPE_CHECKING:
    import pyarrow as pa

SCREEN_ROWS = 1000
"""Rows of a table that the pager gets, unless more are asked for."""


class Output:
    """Takes the parts of results as they come. Rows go to `file`, what is said beside them to `say`.

    Args:
        format: One of `thanosql.shell.formats.FORMATS`.
        rows: Most rows of a table; 0: all; None: as many as suit a screen.
        timing: Whether the summary tells the time.
        quiet: Whether there is no summary.
        say: Writes the line that sums a result up; None: to standard error.
        page: Shows a text that may be longer than the screen; None: it is written as it is.
    """

    def __init__(
        self,
        format: str = "table",
        *,
        rows: int | None = None,
        timing: bool = True,
        quiet: bool = False,
        say: Callable[[str], None] | None = None,
        page: Callable[[str], None] | None = None,
    ) -> None:
        self.format, self.rows, self.timing, self.quiet = format, rows, timing, quiet
        self.page = page
        self.clips: tuple[Clip, ...] = ()
        """Of the last result that had some."""
        self._say = say or (lambda text: print(text, file=sys.stderr, flush=True))
        self._path: Path | None = None
        self._file: IO[Any] | None = None
        self._writer: Writer | None = None
        self._writer_format = ""
        self._started = StatementStarted("", 0, "", "")
        self._kept: list[pa.RecordBatch] = []
        self._clips: list[Clip] = []
        self._rows = 0

    def open(self, path: Path) -> None:
        """Sends the rows that follow to a file. What stands in it is kept until the first of them comes.

        Raises:
            ThanoSQLError: there is no such folder.
        """
        self.close()
        if not path.parent.is_dir() or path.is_dir():
            raise ThanoSQLError(f"{path} cannot be written", hint="It is to be a file in a folder that exists.")
        self._path = path

    def close(self) -> None:
        """Ends the file, if there is one; what follows goes to standard output again."""
        self._writer, self._writer_format, self._path = None, "", None
        file, self._file = self._file, None
        if file is not None:
            file.close()

    @property
    def is_to_file(self) -> bool:
        """Whether a file takes the rows."""
        return self._path is not None

    def begin(self, started: StatementStarted) -> None:
        """A statement begins."""
        self._started, self._kept, self._clips, self._rows = started, [], [], 0

    def add_rows(self, batch: pa.RecordBatch) -> None:
        """Some of its rows."""
        before, self._rows = self._rows, self._rows + batch.num_rows
        if self.format != "table":
            self._rows_writer().write(batch)
        elif not self._kept or not self._most_kept or before < self._most_kept:
            # A slice would hold the whole batch in memory.
            part = batch if not self._most_kept else batch.slice(0, max(self._most_kept - before, 0))
            self._kept.append(part)

    def add_clip(self, clip: Clip) -> None:
        """A recording to play."""
        self._clips.append(clip)

    def end(self, done: StatementDone) -> None:
        """The statement has ended well: shows its table, and the line that sums it up."""
        has_rows = bool(self._kept) or self._rows > 0
        if self.format != "table" and self._writer is not None:
            self._writer.end()
        shown = self._rows
        if self._kept or self._clips:
            self.clips = tuple(self._clips) or self.clips
            shown = self._show_table()
        if self._file is not None:
            self._file.flush()
        elif self.format not in BINARY_FORMATS:
            sys.stdout.flush()
        if not self.quiet:
            self._say(self._summary(done, shown, has_rows))

    @property
    def _most_kept(self) -> int:
        """Rows of a table that are kept; 0: all."""
        if self._started.kind.startswith(WHOLE_KINDS) and self.rows is None:
            return 0
        if self.rows is not None:
            return self.rows
        return SCREEN_ROWS if self.page is not None else WHOLE_ROWS

    def _show_table(self) -> int:
        """Shows what was kept; how many rows."""
        shown = sum(batch.num_rows for batch in self._kept)
        limit = 0
        if self.rows is None and self.page is None and self._rows > shown:  # too long: the first ones are enough
            limit = shown = min(shown, PREVIEW_ROWS)
        result = Result(
            self._started.kind, self._started.statement, batches=tuple(self._kept), clips=tuple(self._clips)
        )
        self._kept = []
        if self._path is not None:
            from rich.console import Console

            show_body(result, Console(file=self._target(), width=120, color_system=None, highlight=False), limit=limit)
            return shown
        console = standard_output()
        if self.page is None:
            show_body(result, console, limit=limit)
            return shown
        with console.capture() as captured:
            show_body(result, console, limit=limit, scrolls=True)
        self.page(captured.get())
        return shown

    def _summary(self, done: StatementDone, shown: int, has_rows: bool) -> str:
        parts = [done.message] if done.message else []
        if has_rows:
            parts.append(count(self._rows, "row") + (f", the first {shown:,} shown" if shown < self._rows else ""))
        elif self._clips:
            parts.append(
                f"{count(len(self._clips), 'clip')}, {sum(clip.seconds for clip in self._clips):.1f} s of audio"
            )
            parts += ["\\play 1 plays the first"] if self.page is not None else []
        elif done.rows or not parts:
            parts.append(count(done.rows, "row"))
        return " · ".join([*parts, *([duration(done.seconds)] if self.timing else [])])

    def _target(self) -> IO[Any]:
        """The file, or standard output."""
        is_binary = self.format in BINARY_FORMATS
        if self._path is None:
            return sys.stdout.buffer if is_binary else sys.stdout
        if self._file is None:
            try:
                self._file = self._path.open("wb") if is_binary else self._path.open("w", encoding="utf-8")
            except OSError as error:
                raise ThanoSQLError(f"{self._path} cannot be written: {error.strerror}") from None
        return self._file

    def _rows_writer(self) -> Writer:
        if self._writer is None or self._writer_format != self.format:
            if self.format in BINARY_FORMATS:
                self._writer = BINARY_FORMATS[self.format](self._target())
            else:
                self._writer = TEXT_FORMATS[self.format](self._target())
            self._writer_format = self.format
        return self._writer


def add_result(output: Output, result: Result) -> None:
    """Gives a result that is at hand as a whole to an output."""
    output.begin(replace(StatementStarted("", 0, "", ""), kind=result.kind, statement=result.statement))
    for batch in result.batches:
        output.add_rows(batch)
    for clip in result.clips:
        output.add_clip(clip)
    output.end(StatementDone(0, result.rows, result.seconds, result.message))
