"""The files of one job: `rows.arrow`, `events.jsonl`, `attempts.json`, `product.json`, `failure.json`, `log.txt`, …

`state/` is the training's own, see `trainer_service.training.training_state`; here it is only looked at and removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from thanosql.errors import ThanoSQLError
from thanosql.types import BaseModel, BaseModelSource, Rows
from trainer_service.jobs.attempts import Attempts, Checkpoint, Reached
from trainer_service.jobs.job_events import JobEvents
from trainer_service.jobs.job_rows import write_rows
from trainer_service.jobs.jobs import Product, read_line, write_line

UNFINISHED = ".new-"
"""With what the name of a folder begins whose rows are not all there."""
BOARD = "tensorboard"
"""Folder of event files; in `state/` while the job goes on, beside it when it has succeeded."""


class JobFolder:
    """Where the rows of a job come from and what happens to it goes.

    One thread writes; any number may read.
    """

    def __init__(self, jobs: Path, job_id: str) -> None:
        self.path = jobs / job_id
        self.events = JobEvents(self.path / "events.jsonl")

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
        folder = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.path.parent))
        # Held for as long as this process lives and writes; see `remove_unfinished`.
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            count = write_rows(folder / "rows.arrow", rows)
            folder.rename(self.path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            os.close(held)
        return count

    def remove(self) -> None:
        """Removes everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def read_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint of the training; None: there is none."""
        if (self.state / "finished.pt").exists():
            return Checkpoint(0, is_end=True)
        names = (re.fullmatch(r"checkpoint-(\d+)\.pt", file.name) for file in self.state.glob("checkpoint-*.pt"))
        steps = [int(name[1]) for name in names if name]
        return Checkpoint(max(steps)) if steps else None

    def write_attempts(self, attempts: Attempts) -> None:
        """Keeps how often the job was begun without getting further."""
        _write_whole(self.path / "attempts.json", json.dumps(asdict(attempts)))

    def read_attempts(self) -> Attempts | None:
        """How often the job was begun without getting further; None: it was not begun yet."""
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            values = json.loads((self.path / "attempts.json").read_text("utf-8"))
            reached = values["reached"]
            checkpoint = Checkpoint(**reached["checkpoint"]) if reached["checkpoint"] else None
            return Attempts(**{**values, "reached": Reached(checkpoint, reached["phases"])})
        return None

    def write_version(self, version: int) -> None:
        """Keeps which version of its model the job makes, for a second attempt."""
        _write_whole(self.path / "version.txt", str(version))

    def read_version(self) -> int:
        """Which version the job makes; 0: not known yet."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int((self.path / "version.txt").read_text("utf-8"))
        return 0

    def write_base(self, base: BaseModel) -> None:
        """Keeps what the name of its base stood for, so that every attempt goes on from the same weights."""
        _write_whole(self.path / "base.json", json.dumps(asdict(base), ensure_ascii=False))

    def read_base(self) -> BaseModel | None:
        """What the name of its base stood for at the first attempt; None: there was none."""
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            values = json.loads((self.path / "base.json").read_text("utf-8"))
            return BaseModel(**{**values, "source": BaseModelSource(values["source"])})
        return None

    def write_product(self, product: Product) -> None:
        """Keeps what the job made, before the catalog is told of it."""
        _write_whole(self.path / "product.json", write_line(product))

    def read_product(self) -> Product | None:
        """What the job made; None: it has made nothing."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            product = read_line((self.path / "product.json").read_text("utf-8"))
            return product if isinstance(product, Product) else None
        return None

    def drop_product(self) -> None:
        """Forgets what the job made."""
        (self.path / "product.json").unlink(missing_ok=True)

    def write_failure(self, error: ThanoSQLError) -> None:
        """Keeps why the job failed."""
        _write_whole(self.path / "failure.json", write_line(error))

    def read_failure(self) -> ThanoSQLError | None:
        """Why the job failed; None: not known here."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            error = read_line((self.path / "failure.json").read_text("utf-8"))
            return error if isinstance(error, ThanoSQLError) else None
        return None

    def drop_failure(self) -> None:
        """Forgets why the job failed: it was resumed."""
        (self.path / "failure.json").unlink(missing_ok=True)

    def drop_rows_and_state(self) -> None:
        """Removes what only a job that may go on needs; what TensorBoard reads is small, and stays."""
        self.rows.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there is none
            (self.state / BOARD).rename(self.path / BOARD)
        shutil.rmtree(self.state, ignore_errors=True)


def remove_unfinished(jobs: Path) -> None:
    """Removes folders of jobs whose rows a trainer was writing when it was killed, and no others."""
    for folder in jobs.glob(f"{UNFINISHED}*"):
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:  # a trainer is writing it
            continue
        finally:
            os.close(held)


def _write_whole(file: Path, text: str) -> None:
    """Replaces a file by rename: a reader sees the old or the new one."""
    new = file.with_suffix(".new")
    new.write_text(text, "utf-8")
    new.replace(file)
