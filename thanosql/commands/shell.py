"""`thanosql shell`."""

from __future__ import annotations

import argparse

from thanosql.commands.arguments import add_address, add_workspace, open_session


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    add_address(parser)
    add_workspace(parser)
    parser.add_argument("--vi", action="store_true", help="edit with the keys of vi; F4 switches")


def run(options: argparse.Namespace) -> int:
    """Reads statements until the user leaves."""
    from thanosql.connection import ClientSettings
    from thanosql.shell.loop import run as run_shell

    settings = ClientSettings.from_env()
    is_local = not options.address and (options.workspace is not None or not settings.address)
    folder = (options.workspace or settings.workspace) if is_local else None
    return run_shell(lambda: open_session(options), folder, vi=options.vi)
