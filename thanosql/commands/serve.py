"""`thanosql serve`: one service, or the gateway, whose own parser takes the options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from thanosql.errors import ThanoSQLError

SERVICES = ("catalog", "trainer", "inference", "query")
PROGRAMS = {**{service: f"{service}_service" for service in SERVICES}, "gateway": "thanosql.gateway"}
"""What can be served, and the package of each."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.add_argument("service", choices=PROGRAMS, help="thanosql serve SERVICE --help shows its options")


def run(options: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C."""
    return serve(options.service, ())


def serve(service: str, arguments: Sequence[str]) -> int:
    """Serves, with the service's own arguments."""
    from importlib import import_module

    try:
        program = import_module(f"{PROGRAMS[service]}.__main__")
    except ModuleNotFoundError as error:
        raise ThanoSQLError(
            f"{PROGRAMS[service]} needs the package {error.name!r}, which is not installed",
            hint=f"pip install 'thanosql-speech[{service}]', or [all] for every service.",
        ) from None
    program.main(arguments)
    return 0
