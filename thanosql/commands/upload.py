"""`thanosql upload`: files and folders into the workspace of a server."""

from __future__ import annotations

import argparse
import sys

from thanosql.commands.arguments import add_address, add_workspace

DESCRIPTION = """Sends files and folders into the workspace, where statements name them by their paths.

  thanosql upload calls                    ./calls becomes calls/ of the workspace
  thanosql upload ../data/calls --to calls its contents go into calls/
  thanosql upload a.wav b.wav --to calls   calls/a.wav and calls/b.wav

What is there already is not sent again, and what broke off is gone on with: run the same command again."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="file or folder; of a folder everything is sent that is not hidden"
    )
    parser.add_argument(
        "--to",
        default="",
        metavar="FOLDER",
        help="folder of the workspace to send it into; for a single file also its whole path (default: what lies below "
        "the current folder keeps its path from there, what lies elsewhere its name)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace other files that stand there")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    add_address(parser)
    add_workspace(parser)


def run(options: argparse.Namespace) -> int:
    """Sends them, and prints what has become of them; 1 where one was not sent."""
    from thanosql.connection import connect

    with connect(options.address, workspace=options.workspace) as session:
        report = session.upload(*options.paths, to=options.to, overwrite=options.overwrite, progress=not options.quiet)
    print(report, file=sys.stderr if report.refused else sys.stdout)
    return 1 if report.refused else 0
