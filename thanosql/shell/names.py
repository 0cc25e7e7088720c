"""The names that the catalog has, for completion: fetched beside the typing, never in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thanosql.result import Result
    from thanosql.session import Session

JOBS_EVERY = 5.0
"""Seconds between two looks at the jobs, while some run."""


@dataclass(frozen=True)
class Names:
    """What there was when it was last looked."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each table, by its name."""
    models: Mapping[str, str] = field(default_factory=dict)
    """What each is trained from, by its name."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """What each base model is, by its name."""
    jobs: Mapping[str, str] = field(default_factory=dict)
    """The statements of jobs, by their ids."""
    running: int = 0
    """Jobs that wait or run."""


class NameReader:
    """Reads the names in a thread of its own.

    Args:
        session: Gives the session to ask; None while there is none.
        changed: Called when there are others, in that thread.
    """

    def __init__(self, session: Callable[[], Session | None], changed: Callable[[], None] = lambda: None) -> None:
        self.names = Names()
        self._session, self._changed = session, changed
        self._wanted, self._ends = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="thanosql-names", daemon=True)
        self._wanted.set()
        self._thread.start()

    def refresh(self) -> None:
        """Looks soon: something may have changed."""
        self._wanted.set()

    def forget(self) -> None:
        """Knows nothing any more: the session is another."""
        self.names = Names()
        self._wanted.set()

    def close(self, seconds: float = 1.0) -> None:
        """Looks no more. A look that is under way is waited for no longer than that."""
        self._ends.set()
        self._wanted.set()
        self._thread.join(seconds)

    def _work(self) -> None:
        while not self._ends.is_set():
            woken = self._wanted.wait(JOBS_EVERY if self.names.running else None)
            self._wanted.clear()
            if self._ends.is_set():
                return
            session = self._session()
            if session is None:
                continue
            before = self.names
            try:
                self.names = read_names(session, before, jobs_only=not woken)
            except Exception:
                # The user's own statements tell what is wrong; and a session that is closed in the midst of a call
                # fails in its own ways. Nothing is lost but names.
                continue
            if self.names != before:
                self._changed()


def read_names(session: Session, before: Names, *, jobs_only: bool = False) -> Names:
    """The names that a session's catalog has now.

    Args:
        session: Whose.
        before: What was known; base models are not asked for again.
        jobs_only: Whether the rest is taken from what was known.
    """
    jobs = _rows(session.sql("LIST JOBS", progress=False))
    names = replace(
        before,
        jobs={row["id"]: " ".join(str(row["statement"] or row["kind"]).split()) for row in jobs},
        running=sum(row["state"] in ("queued", "running") for row in jobs),
    )
    if jobs_only:
        return names
    tables, models = session.run("LIST TABLE; LIST MODEL", progress=False)
    names = replace(
        names,
        columns={row["name"]: tuple(row["columns"].split(", ")) for row in _rows(tables)},
        models={row["name"]: f"{row['class_name']}, version {row['version']}" for row in _rows(models)},
    )
    if not before.bases:
        bases = session.sql("LIST BASE MODELS", progress=False)
        names = replace(names, bases={row["name"]: str(row["description"]) for row in _rows(bases)})
    return names


def _rows(result: Result) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = result.to_arrow().to_pylist()
    return rows
