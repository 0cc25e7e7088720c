"""`thanosql up`: the four services as processes of their own."""

from __future__ import annotations

import argparse
from pathlib import Path

from thanosql.commands.arguments import add_workspace

PORTS = {"query": 8470, "catalog": 8471, "trainer": 8472, "inference": 8473}


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    add_workspace(parser)
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="folder for tables and models (default: .thanosql in the workspace)",
    )
    for service, port in PORTS.items():
        parser.add_argument(
            f"--{service}-port", type=int, default=port, metavar="PORT", help=f"{service}_service's (default: {port})"
        )
    parser.add_argument(
        "--http-port", type=int, metavar="PORT", help="run the HTTP gateway too, on this port; usual: 8480"
    )


def run(options: argparse.Namespace) -> int:
    """Runs them until Ctrl-C."""
    from thanosql.connection import ClientSettings
    from thanosql.up import run as run_up
    from thanosql.workspace import STATE_FOLDER

    settings = ClientSettings.from_env()
    workspace = options.workspace or settings.workspace
    state = options.state or settings.state or workspace / STATE_FOLDER
    ports = {service: getattr(options, f"{service}_port") for service in PORTS}
    return run_up(workspace, state, ports, token=settings.token, http_port=options.http_port)
