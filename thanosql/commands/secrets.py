"""`thanosql secrets`: makes the secrets that compose.yaml hands to the services, a file each."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from thanosql.errors import ThanoSQLError

LOGIN, HOST = "thanosql", "postgres"
"""The login that deploy/postgres/make_databases.sh makes, and the server's name in compose.yaml."""
METADATA, TABLES = "metadata", "tables"
"""Its databases."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = (
        "Makes the secrets of an installation: the token that its services send one another, and the passwords and "
        "addresses of its databases. Files that are there already are left as they are."
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="where they are written; compose.yaml reads secrets"
    )


def run(options: argparse.Namespace) -> int:
    """Says which were made."""
    made = make_secrets(options.folder)
    print(f"{options.folder}: " + (f"made {', '.join(made)}" if made else "everything is there already"))
    return 0


def make_secrets(folder: Path) -> list[str]:
    """Writes what is missing; the names of the new files.

    Nobody else on the machine may enter the folder. The files themselves can be read by all, since each is mounted
    alone into a container whose user is none of this machine's.

    Raises:
        ThanoSQLError: the folder or a file cannot be written.
    """
    made = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

        def keep(name: str, text: str) -> str:
            file = folder / name
            if not file.exists():
                file.write_text(text, "utf-8")
                file.chmod(0o444)
                made.append(name)
            return file.read_text("utf-8")

        keep("token", secrets.token_urlsafe(32))
        keep("postgres_password", secrets.token_urlsafe(32))
        password = keep("database_password", secrets.token_urlsafe(32))
        for database in (METADATA, TABLES):
            keep(f"{database}_url", f"postgresql+psycopg://{LOGIN}:{password}@{HOST}/{database}")
    except OSError as error:
        raise ThanoSQLError(
            f"the secrets cannot be written to {folder}: {error.strerror}", hint="Name a folder that you may write to."
        ) from error
    return made
