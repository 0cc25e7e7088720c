"""`thanosql shell`."""

from __future__ import annotations

import argparse

from thanosql.commands.arguments import add_address, add_workspace, open_session


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    add_address(parser)
    add_workspace(parser)


def run(options: argparse.Namespace) -> int:
    """Reads statements until the user leaves."""
    from thanosql.shell import run as run_shell

    return run_shell(lambda: open_session(options))
