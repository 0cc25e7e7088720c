"""The page about workspaces: what it says of removing one leaves nothing behind."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from catalog_service.schema.database import found_workspace, open_database
from catalog_service.schema.definitions import metadata
from catalog_service.schema.jobs import Jobs
from catalog_service.schema.models import Models
from catalog_service.schema.tokens import Tokens
from catalog_service.schema.transcripts import Transcripts
from thanosql.types import AudioKey, CachedTranscript, JobKind, JobSpec, Role

NOW = datetime(2025, 3, 1, tzinfo=UTC)
MODEL = "tutorial_audio_recognition"


def test_the_statements_that_remove_a_workspace_leave_no_row_of_it_and_all_of_the_others(
    tmp_path: Path, checkout: Path
) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'metadata.sqlite'}", NOW)
    for name in ("default", "calls"):
        found_workspace(database, name, NOW)
        Jobs(database, name).create("job", JobSpec(JobKind.BUILD, "m", "b"), NOW)
        Models(database, name).reserve_version("m")
        Transcripts(database, name, 100).store(MODEL, 1, [CachedTranscript(AudioKey("a.wav", 1, 2), "x")], NOW)
        Tokens(database).create("kim", Role.READER, name, 0, NOW)
    before = _count(database)
    page = (checkout / "docs" / "workspaces.md").read_text("utf-8")
    (script,) = re.findall(r"```sql parse\n(.*?)```", page, re.DOTALL)
    with database.write() as connection:
        for statement in script.strip().splitlines():
            connection.exec_driver_sql(statement.replace("NAME", "calls"))
    assert {name: rows for name, rows in _count(database).items() if name[1] == "calls"} == {}
    assert {name: rows for name, rows in before.items() if name[1] == "default"} == _count(database)
    assert {table for table, _ in before} == set(metadata.tables)
    assert found_workspace(database, "calls", NOW)
    database.close()


def _count(database: object) -> dict[tuple[str, str], int]:
    """Rows by table and workspace."""
    counts: dict[tuple[str, str], int] = {}
    with database.read() as connection:  # type: ignore[attr-defined]
        for table in metadata.tables.values():
            of = table.c.name if table.name == "workspaces" else table.c.workspace
            for workspace, rows in connection.execute(sa.select(of, sa.func.count()).group_by(of)):
                counts[table.name, workspace] = rows
    return counts
