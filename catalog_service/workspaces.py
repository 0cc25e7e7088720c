"""What the catalog keeps of one workspace, put together when a call first needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from catalog_service.config import CatalogConfig
from catalog_service.schema.database import Database, found_workspace
from catalog_service.schema.jobs import Jobs
from catalog_service.schema.models import Models
from catalog_service.schema.transcripts import Transcripts
from catalog_service.tables.store import TableStore
from catalog_service.tables.workspace_tables import WorkspaceTables
from thanosql.errors import Unavailable


@dataclass(frozen=True)
class Workspace:
    """The stores of one workspace."""

    config: CatalogConfig
    """With the folders of this workspace."""
    tables: Callable[[], AbstractContextManager[TableStore]]
    """Lends the users' tables."""
    models: Models
    jobs: Jobs
    transcripts: Transcripts


class Workspaces:
    """Every workspace: one is made by the first call for it, which none but the other services can make.

    Args:
        config: Of the service.
        tables: The tables of all workspaces.
        database: The metadata of all workspaces.
        now: The moment.
    """

    def __init__(
        self, config: CatalogConfig, tables: WorkspaceTables, database: Database, now: Callable[[], datetime]
    ) -> None:
        self._config, self._tables, self._database, self._now = config, tables, database, now
        self._lock = threading.Lock()
        self._known: dict[str, Workspace] = {}

    def of(self, name: str) -> Workspace:
        """A workspace, by its checked name.

        Raises:
            Unavailable: its folders cannot be made, or would not lie apart from the first one's.
        """
        known = self._known.get(name)
        if known is None:
            with self._lock:
                known = self._known.get(name)
                if known is None:
                    known = self._known[name] = self._open(name)
        return known

    def _open(self, name: str) -> Workspace:
        config = self._config.of(name)
        if config is not self._config:
            _make_folder(config.state)
            _make_folder(config.workspace)
        found_workspace(self._database, name, self._now())
        return Workspace(
            config,
            lambda: self._tables.of(name),
            Models(self._database, name),
            Jobs(self._database, name),
            Transcripts(self._database, name, config.transcripts),
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} of a workspace cannot be made: {error.strerror}",
            hint="Let catalog_service write there, or choose other folders (--state, --workspaces).",
        ) from error
