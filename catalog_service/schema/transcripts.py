"""The transcript cache: what a version of a model said of a recording, as long as the recording is the same."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog_service import transcripts as rules
from catalog_service.schema.database import Database
from catalog_service.schema.definitions import models, transcripts
from thanosql.types import AudioKey, CachedTranscript

_KEY = (transcripts.c.workspace, transcripts.c.model, transcripts.c.version, transcripts.c.path, transcripts.c.decoding)

_VALUES = tuple(
    transcripts.c[name]
    for name in ("path", "size", "modified_ns", "content", "text", "confidence", "words", "audio_seconds")
)

Conditions = tuple[sa.ColumnElement[bool], ...]


class Transcripts:
    """At most about `limit` transcripts of a workspace, those that were used last."""

    def __init__(self, database: Database, workspace: str, limit: int) -> None:
        self._database = database
        self._workspace = workspace
        self._limit = limit
        # Counting a million rows takes longer than storing a few: it is done after every hundredth part.
        self._stored_since_count = limit
        self._lock = threading.Lock()

    def lookup(
        self,
        model: str,
        version: int,
        keys: Sequence[AudioKey],
        now: datetime,
        decoding: str = "",
        *,
        only_looks: bool = False,
    ) -> tuple[CachedTranscript, ...]:
        """Those of the transcripts that are known, decoded so, and still true, in no particular order.

        What is found by its content only is kept under its new key too: the next time it is found without it. Where the
        caller `only_looks`, nothing is noted.
        """
        of_model = self._of(model, version, decoding)
        by_path, unused = self._select(of_model, transcripts.c.path, [key.path for key in keys], now)
        found = rules.still_true(by_path, keys)
        missing = rules.missing_with_content(found, keys)
        by_content, also_unused = self._select(of_model, transcripts.c.content, [key.content for key in missing], now)
        moved = rules.of_same_content(by_content, missing)
        if only_looks:
            return found + moved
        if unused or also_unused:
            with self._database.write() as connection:
                for paths in rules.chunks([*unused, *also_unused]):
                    used = sa.update(transcripts).where(*of_model, transcripts.c.path.in_(paths))
                    connection.execute(used.values(used_at=now))
        if moved:
            self.store(model, version, moved, now, decoding)
        return found + moved

    def store(
        self, model: str, version: int, values: Iterable[CachedTranscript], now: datetime, decoding: str = ""
    ) -> None:
        """Keeps transcripts. Those of a model that was deleted in the meantime are let go."""
        rows = [
            {
                "workspace": self._workspace,
                "model": model,
                "version": version,
                "path": each.key.path,
                "decoding": decoding,
                "size": each.key.size,
                "modified_ns": each.key.modified_ns,
                "content": each.key.content or None,
                "text": each.text,
                "confidence": each.confidence,
                "words": each.words,
                "audio_seconds": each.audio_seconds,
                "used_at": now,
            }
            for each in rules.newest_by_path(values)
        ]
        if not rows:
            return
        with self._database.write() as connection:
            is_meant = (models.c.workspace == self._workspace, models.c.name == model, models.c.version == version)
            known = sa.select(models.c.name).where(*is_meant)
            if connection.execute(known).first() is None:
                return
            connection.execute(_upsert(connection.dialect.name), rows)
            if self._is_time_to_count(len(rows)):
                self._make_room(connection)

    def _select(
        self, of_model: Conditions, column: sa.ColumnElement[str], values: Iterable[str], now: datetime
    ) -> tuple[list[CachedTranscript], list[str]]:
        """The transcripts with one of `values`, and the paths of those that have not been used for long."""
        found: list[CachedTranscript] = []
        unused: list[str] = []
        long_unused = transcripts.c.used_at < rules.touched_before(now)
        with self._database.read() as connection:
            for chunk in rules.chunks(dict.fromkeys(values)):
                selected = sa.select(*_VALUES, long_unused).where(*of_model, column.in_(chunk))
                rows: Sequence[Any] = connection.execute(selected).all()
                for path, size, modified_ns, content, text, confidence, words, audio_seconds, is_long_unused in rows:
                    key = AudioKey(path, size, modified_ns, content or "")
                    found.append(CachedTranscript(key, text, confidence, words, audio_seconds))
                    if is_long_unused:
                        unused.append(path)
        return found, unused

    def _is_time_to_count(self, stored: int) -> bool:
        with self._lock:
            self._stored_since_count += stored
            due = self._stored_since_count >= self._limit // 100
            if due:
                self._stored_since_count = 0
            return due

    def _make_room(self, connection: sa.Connection) -> None:
        here = transcripts.c.workspace == self._workspace
        count = connection.scalar(sa.select(sa.func.count()).select_from(transcripts).where(here)) or 0
        surplus = rules.surplus(count, self._limit)
        if surplus:
            oldest = sa.select(*_KEY).where(here).order_by(transcripts.c.used_at).limit(surplus)
            connection.execute(sa.delete(transcripts).where(sa.tuple_(*_KEY).in_(oldest)))

    def _of(self, model: str, version: int, decoding: str) -> Conditions:
        return (
            transcripts.c.workspace == self._workspace,
            transcripts.c.model == model,
            transcripts.c.version == version,
            transcripts.c.decoding == decoding,
        )


def _upsert(dialect: str) -> Any:
    """An insert that replaces the row of the same key; SQLite and PostgreSQL spell it alike."""
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    statement = insert(transcripts)
    keys = {column.name for column in _KEY}
    changes = {column.name: statement.excluded[column.name] for column in transcripts.c if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=_KEY, set_=changes)
