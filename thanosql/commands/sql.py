"""`thanosql sql`: statements from the command line or a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from thanosql.commands.arguments import add_address, add_workspace, open_session
from thanosql.errors import ThanoSQLError

if TYPE_CHECKING:
    from thanosql.result import Result


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    add_address(parser)
    add_workspace(parser)
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("-c", dest="command_text", metavar="STATEMENTS", help="the statements, separated by ;")
    text.add_argument("-f", dest="file", type=Path, metavar="FILE", help="a file of statements; - reads standard input")
    text.add_argument("--attach", metavar="ID", help="take up a statement that LIST JOBS shows; it goes on without you")
    parser.add_argument("--csv", action="store_true", help="print rows as CSV, and nothing else")
    parser.add_argument(
        "--rows", type=int, metavar="N", help="rows of a result to print; 0: all (default: 60, or the first 20 of more)"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the statements, and prints their results."""
    from thanosql.tables import show, standard_output

    if options.file is not None:
        try:
            text = sys.stdin.read() if options.file == Path("-") else options.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ThanoSQLError(f"cannot read {options.file}: {error}") from None
    else:
        text = options.command_text
    console = standard_output()
    with open_session(options) as session:
        for result in session.follow(options.attach) if options.attach else session.run(text):
            if options.csv:
                _write_csv(result)
            else:
                show(result, console, limit=options.rows)
    return 0


def _write_csv(result: Result) -> None:
    import csv

    if result.batches:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(result.columns)
        writer.writerows(result)
