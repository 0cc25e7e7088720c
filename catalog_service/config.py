"""Settings of catalog_service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from thanosql.configuration import ServiceConfig, setting


@dataclass(frozen=True, kw_only=True)
class CatalogConfig(ServiceConfig):
    """Keeps tables, models, jobs and transcripts."""

    service: ClassVar[str] = "catalog"

    port: int = setting(8471, "port to listen on; 0: chosen by the system")
    database: str = setting("", "URL of the metadata, postgresql://…; empty: metadata.sqlite in the state folder")
    tables: str = setting("", "URL of the users' tables, postgresql://…, or a DuckDB file; empty: state/tables.duckdb")
    memory_limit: str = setting("1GB", "memory that queries over tables may take together; beyond it they use the disk")
    workspace_memory_limit: str = setting("256MB", "the same for the tables of each workspace but the first")
    open_workspaces: int = setting(16, "workspaces, but the first, whose tables are open at once")
    query_threads: int = setting(0, "threads that queries over tables may take; 0: one for each core")
    transcripts: int = setting(1_000_000, "transcripts that each workspace keeps; beyond it the longest unused ones go")

    @property
    def database_url(self) -> str:
        """SQLAlchemy's URL of the metadata."""
        return self.database or f"sqlite:///{self.state / 'metadata.sqlite'}"

    @property
    def tables_on_server(self) -> bool:
        """Whether the users' tables are in a database server, and not in a file."""
        return "://" in self.tables

    @property
    def tables_file(self) -> Path:
        """The DuckDB file of the users' tables."""
        return Path(self.tables) if self.tables else self.state / "tables.duckdb"

    def of(self, workspace: str) -> Self:
        """Where the tables are in files, each workspace has one in its own folder."""
        bound = super().of(workspace)
        if bound is self:
            return self
        tables = self.tables if self.tables_on_server else ""
        return replace(bound, tables=tables, memory_limit=self.workspace_memory_limit)
