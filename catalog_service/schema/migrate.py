"""Upgrades an older metadata database with Alembic; loaded only when there is something to upgrade."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def migrations() -> Config:
    """Alembic's configuration: the migrations lie inside this package."""
    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def knows(revision: str) -> bool:
    """Whether `revision` is one of this release's."""
    script = ScriptDirectory.from_config(migrations())
    return any(each.revision == revision for each in script.walk_revisions())


def upgrade(connection: Connection) -> None:
    """Runs the migrations that `connection`'s database lacks, inside its transaction."""
    config = migrations()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
