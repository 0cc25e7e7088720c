"""The files of one job: `rows.arrow`, `events.jsonl`, `product.json`, `failure.json`, `log.txt`."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from thanosql.errors import DataError, ThanoSQLError
from thanosql.types import JobEvent, Notice, Progress, Rows
from trainer_service.jobs import Product, read_line, write_line

COLUMNS = ("audio_path", "text", "speaker")


class JobFolder:
    """Where the rows of a job come from and its events go to.

    One thread writes events; any number may read them.
    """

    def __init__(self, jobs: Path, job_id: str) -> None:
        self.path = jobs / job_id
        self._events = self.path / "events.jsonl"
        self._is_mended = False

    @property
    def rows(self) -> Path:
        """The rows, as an Arrow file."""
        return self.path / "rows.arrow"

    @property
    def state(self) -> Path:
        """Folder of the training's own state: checkpoints, and what is drawn of them."""
        return self.path / "state"

    @property
    def log(self) -> Path:
        """What the child process wrote to its standard error."""
        return self.path / "log.txt"

    def create(self, rows: Iterable[Rows]) -> int:
        """Writes the rows, whole or not at all; how many they are.

        Raises:
            DataError: the columns `audio_path` and `text` are not there, or are no text.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".new-", dir=self.path.parent))
        try:
            count = _write_rows(folder / "rows.arrow", rows)
            folder.rename(self.path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return count

    def remove(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def append(self, event: Progress | Notice) -> None:
        """Adds an event."""
        if not self._is_mended:
            self._mend()
        with self._events.open("a", encoding="utf-8") as file:
            file.write(write_line(event) + "\n")

    def read_events(self, offset: int, number: int) -> tuple[list[JobEvent], int]:
        """The events from a place of the file on, the first of which has `number`; and the place after them."""
        try:
            with self._events.open("rb") as file:
                file.seek(offset)
                text = file.read()
        except FileNotFoundError:
            return [], offset
        whole = text[: text.rfind(b"\n") + 1]
        events: list[JobEvent] = []
        for line in whole.decode("utf-8").splitlines():
            event = read_line(line)
            assert isinstance(event, Progress | Notice)
            events.append(JobEvent(number + len(events), event))
        return events, offset + len(whole)

    def write_version(self, version: int) -> None:
        """Keeps which version of its model the job makes, for a second attempt."""
        _write_whole(self.path / "version.txt", str(version))

    def read_version(self) -> int:
        """Which version the job makes; 0: not known yet."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.path / "version.txt").read_text("utf-8"))
        return 0

    def write_product(self, product: Product) -> None:
        """Keeps what a job that succeeded made."""
        _write_whole(self.path / "product.json", write_line(product))

    def read_product(self) -> Product | None:
        """What the job made; None: it has made nothing."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            product = read_line((self.path / "product.json").read_text("utf-8"))
            return product if isinstance(product, Product) else None
        return None

    def write_failure(self, error: ThanoSQLError) -> None:
        """Keeps why a job failed."""
        _write_whole(self.path / "failure.json", write_line(error))

    def read_failure(self) -> ThanoSQLError | None:
        """Why the job failed; None: not known here."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            error = read_line((self.path / "failure.json").read_text("utf-8"))
            return error if isinstance(error, ThanoSQLError) else None
        return None

    def drop_rows(self) -> None:
        """Removes the rows, which nobody needs after the end of the job."""
        self.rows.unlink(missing_ok=True)

    def drop_state(self) -> None:
        """Removes the training's own state, which is large."""
        shutil.rmtree(self.state, ignore_errors=True)

    def _mend(self) -> None:
        """Cuts off a line that a crash left half written."""
        self._is_mended = True
        with contextlib.suppress(FileNotFoundError):
            text = self._events.read_bytes()
            if not text.endswith(b"\n"):
                os.truncate(self._events, text.rfind(b"\n") + 1)


def _write_rows(file: Path, rows: Iterable[Rows]) -> int:
    """Writes the columns that a training needs, as text."""
    count = 0
    with contextlib.ExitStack() as stack:
        writer: pa.RecordBatchFileWriter | None = None
        for part in rows:
            for batch in pa.ipc.open_stream(part.ipc):
                chosen = _choose(batch)
                if writer is None:
                    writer = stack.enter_context(pa.ipc.new_file(str(file), chosen.schema))
                writer.write_batch(chosen)
                count += batch.num_rows
    return count


def _choose(batch: pa.RecordBatch) -> pa.RecordBatch:
    names = [name for name in COLUMNS if name in batch.schema.names]
    if not {"audio_path", "text"} <= set(names):
        raise DataError(
            f"a training needs the columns audio_path and text, and got {', '.join(batch.schema.names)}",
            hint="Name the columns of your query in OPTIONS: audio_col='…', text_col='…'.",
        )
    columns = {}
    for name in names:
        try:
            columns[name] = batch.column(name).cast(pa.string())
        except pa.ArrowException as error:
            raise DataError(f"the column {name} holds {batch.column(name).type}, not text") from error
    return pa.RecordBatch.from_pydict(columns)


def _write_whole(file: Path, text: str) -> None:
    """Replaces a file by rename: a reader sees the old or the new one."""
    new = file.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(file)
