"""Arguments that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_address(parser: argparse.ArgumentParser) -> None:
    """Where the query service is."""
    parser.add_argument("--address", metavar="HOST:PORT", help="query service to talk to [THANOSQL_ADDRESS]")


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """The folder of one's own services."""
    parser.add_argument(
        "--workspace",
        type=Path,
        metavar="FOLDER",
        help="folder that paths are relative to, for services of one's own [THANOSQL_WORKSPACE]",
    )
