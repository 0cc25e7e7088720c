"""`thanosql sql`: statements from the command line, a file or standard input, for scripts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thanosql.commands.arguments import add_address, add_workspace, open_session
from thanosql.errors import InvalidOption, ThanoSQLError
from thanosql.shell.values import Value, read_setting

if TYPE_CHECKING:
    from thanosql.session import Session
    from thanosql.shell.output import Output

LONGEST_TEXT = 90_000
"""Characters that are sent at once; longer scripts go statement by statement."""

FORMATS = ("table", "csv", "json", "jsonl", "vertical", "markdown", "arrow", "parquet")

DESCRIPTION = """Runs statements, and prints their rows. Everything else (progress, notices, how many rows) goes to
standard error.

  thanosql sql -c "SELECT * FROM calls" --format csv > calls.csv
  thanosql sql -f nightly.sql --param day=2026-01-01 --on-error continue
  thanosql sql < nightly.sql
  thanosql sql -c "PREDICT USING m AS SELECT * FROM calls" --format parquet --output heard.parquet

Rows are printed as they come, in every format but table, so a result may be larger than the memory. A script is read
as a whole before its first statement runs; with --on-error continue, or where it is longer than 90,000 characters, its
statements are sent one by one."""

EPILOG = """exit codes:
  0    all went well
  1    a statement failed, or no server was reached
  2    the command itself was wrong
  130  Ctrl-C, or the statement was cancelled"""


@dataclass(frozen=True)
class Script:
    """What is to run."""

    text: str
    source: str = ""
    """The file that it is from; empty: the command line."""


def add(parser: argparse.ArgumentParser) -> None:
    """Describes the command."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(wrong=parser.error)
    add_address(parser)
    add_workspace(parser)
    text = parser.add_mutually_exclusive_group()
    text.add_argument("-c", dest="command_text", metavar="STATEMENTS", help="the statements, separated by ;")
    text.add_argument("-f", dest="file", type=Path, metavar="FILE", help="a file of statements; - reads standard input")
    text.add_argument("--attach", metavar="ID", help="take up a statement that LIST JOBS shows; it goes on without you")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how rows are printed (default: table)")
    parser.add_argument("--csv", dest="format", action="store_const", const="csv", help="the same as --format csv")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write rows to the file")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="the value of :NAME in the statements: a number, true, null, 'text', ['a', 'list']; else it is a text",
    )
    parser.add_argument(
        "--rows", type=int, metavar="N", help="rows of a table to print; 0: all (default: 60, or the first 20 of more)"
    )
    parser.add_argument("--timing", action="store_true", help="say how long each statement took")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say how many rows there were")
    parser.add_argument(
        "--on-error", choices=("stop", "continue"), default="stop", help="what a statement that fails does to the next"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the statements, and prints their results."""
    from thanosql.shell.formats import BINARY_FORMATS
    from thanosql.shell.output import Output

    wrong: Callable[[str], int] = options.wrong
    if options.rows is not None and options.rows < 0:
        return wrong("argument --rows: it is 0 or more")
    if options.format in BINARY_FORMATS and options.output is None and sys.stdout.isatty():
        return wrong(f"argument --format: {options.format} is nothing to read; give --output FILE")
    if not (options.command_text is not None or options.file or options.attach) and sys.stdin.isatty():
        return wrong("give statements: -c STATEMENTS, -f FILE, or a script on standard input")
    try:
        parameters = dict(read_setting(each) for each in options.param)
    except InvalidOption as error:
        return wrong(f"argument --param: {error}")
    output = Output(options.format, rows=options.rows, timing=options.timing, quiet=options.quiet)
    script = Script("") if options.attach else _read(options)
    _check_parameters(parameters, script, wrong)
    if options.output is not None:
        output.open(options.output)
    try:
        with open_session(options) as session:
            if options.attach:
                return _attach(session, options.attach, output)
            return _run(session, script, output, parameters, one_by_one=options.on_error == "continue")
    finally:
        output.close()


def _read(options: argparse.Namespace) -> Script:
    if options.command_text is not None:
        return Script(options.command_text)
    file: Path = options.file or Path("-")
    try:
        if file == Path("-"):
            return Script(sys.stdin.read(), "standard input")
        return Script(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ThanoSQLError(f"cannot read {file}: {error}") from None


def _check_parameters(parameters: dict[str, Value], script: Script, wrong: Callable[[str], int]) -> None:
    from thanosql.statement_text import find_parameters

    named = {each.name for each in find_parameters(script.text)}
    for name in parameters:
        if name not in named:
            wrong(f"argument --param: no statement has :{name}")


def _run(session: Session, script: Script, output: Output, parameters: dict[str, Value], *, one_by_one: bool) -> int:
    from thanosql.shell.script import Piece
    from thanosql.shell.statements import run_text

    return run_text(
        session,
        Piece(script.text, 1),
        output,
        parameters=parameters,
        source=script.source,
        one_by_one=one_by_one or len(script.text) > LONGEST_TEXT,
        goes_on=one_by_one,
    )


def _attach(session: Session, id: str, output: Output) -> int:
    from thanosql.shell.output import add_result

    for result in session.follow(id):
        add_result(output, result)
    return 0
