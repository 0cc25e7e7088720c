"""Arguments that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thanosql.session import Session


def add_address(parser: argparse.ArgumentParser) -> None:
    """Where the query service is."""
    parser.add_argument("--address", metavar="HOST:PORT", help="query service to talk to [THANOSQL_ADDRESS]")
    parser.add_argument("--tls", action="store_true", help="call it with TLS, as grpcs://HOST:PORT does")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates of those who sign the service's; with TLS [THANOSQL_CA]"
    )


def add_workspace(parser: argparse.ArgumentParser) -> None:
    """The folder of one's own services."""
    parser.add_argument(
        "--workspace",
        type=Path,
        metavar="FOLDER",
        help="folder that paths are relative to, for services of one's own [THANOSQL_WORKSPACE]; with --address: name "
        "of the server's workspace, for administrators",
    )


def open_session(options: argparse.Namespace) -> Session:
    """A session as `add_address` and `add_workspace` were answered."""
    from thanosql.connection import connect

    return connect(options.address, workspace=options.workspace, tls=options.tls or None, ca=options.ca)
