"""`thanosql upload`: files and folders into the workspace of a server."""

from __future__ import annotations

import argparse
import shlex
import sys

from thanosql.commands.arguments import add_address, add_workspace, open_session
from thanosql.errors import InvalidOption

DESCRIPTION = """Sends files and folders into the workspace, where statements name them by their paths.

  thanosql upload calls                    ./calls becomes calls/ of the workspace
  thanosql upload ../data/calls --to calls its contents go into calls/
  thanosql upload a.wav b.wav --to calls   calls/a.wav and calls/b.wav

What is there already is not sent again, and what broke off is gone on with: run the same command again."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    _add_files(parser, "+")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    add_address(parser)
    add_workspace(parser)


def parse(arguments: str) -> argparse.Namespace:
    """The files, `to` and `overwrite` of a line in a notebook, quoted as in a shell.

    Raises:
        InvalidOption: they are none.
    """
    parser = argparse.ArgumentParser(prog="%thanosql upload", add_help=False, exit_on_error=False)
    _add_files(parser, "*")
    try:
        options, unknown = parser.parse_known_args(shlex.split(arguments))
        if unknown or not options.paths:
            raise ValueError(f"unknown: {' '.join(unknown)}" if unknown else "no file or folder is given")
    except (ValueError, argparse.ArgumentError) as error:
        raise InvalidOption(
            f"%thanosql upload {arguments}: {error}",
            hint="It is upload PATH … [--to FOLDER] [--overwrite], with quotes around paths that have spaces.",
        ) from error
    return options


def _add_files(parser: argparse.ArgumentParser, number: str) -> None:
    parser.add_argument(
        "paths", nargs=number, metavar="PATH", help="file or folder; of a folder everything is sent that is not hidden"
    )
    parser.add_argument(
        "--to",
        default="",
        metavar="FOLDER",
        help="folder of the workspace to send it into; for a single file also its whole path (default: what lies below "
        "the current folder keeps its path from there, what lies elsewhere its name)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace other files that stand there")


def run(options: argparse.Namespace) -> int:
    """Sends them, and prints what has become of them; 1 where one was not sent."""
    with open_session(options) as session:
        report = session.upload(*options.paths, to=options.to, overwrite=options.overwrite, progress=not options.quiet)
    print(report, file=sys.stderr if report.refused else sys.stdout)
    return 1 if report.refused else 0
