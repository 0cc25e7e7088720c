"""The `thanosql` command."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from thanosql.errors import Cancelled, ThanoSQLError
from thanosql.interrupts import describe_end

if TYPE_CHECKING:
    from thanosql.result import Result

SERVICES = ("catalog", "trainer", "inference", "query")

DESCRIPTION = """Speech recognition through SQL.

New here? In a checkout of the project:  thanosql tutorial"""

ENVIRONMENT = """environment:
  THANOSQL_ADDRESS    host:port of a query service; not set: services of one's own are started
  THANOSQL_API_TOKEN  the secret that a server asks for
  THANOSQL_WORKSPACE  folder that paths in statements are relative to; default: the current folder
  THANOSQL_STATE      folder for tables and models; default: .thanosql in the workspace"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; ends the process with 0, 1 after a failure, 2 for a wrong call, 130 after Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["serve"] and given[1:2] and given[1] in SERVICES:
        # The service's own parser takes the rest, so that its --help shows its options.
        sys.exit(_guard(lambda: _serve(given[1], given[2:])))
    options = _parser().parse_args(given)
    if options.command != "up":  # which has its own way to stop
        _exit_on_signals()
    sys.exit(_guard(lambda: _run(options)))


def _guard(action: Callable[[], int]) -> int:
    """What `action` gives; a failure as one message on standard error."""
    try:
        return action()
    except (Cancelled, KeyboardInterrupt) as end:
        print(describe_end(end), file=sys.stderr)
        return 130
    except ThanoSQLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `thanosql sql … | head`: the reader has what it wanted
        sys.stderr.close()
        return 0


def _exit_on_signals() -> None:
    """Has SIGTERM, and the end of the terminal, stop the statement and the services in an orderly way."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, leave)


def _run(options: argparse.Namespace) -> int:
    if options.command == "up":
        return _up(options)
    if options.command == "sql":
        return _sql(options)
    if options.command == "shell":
        from thanosql.shell import run as run_shell

        return run_shell(options.address, options.workspace)
    if options.command == "tutorial":
        from thanosql.tutorial import run as run_tutorial

        return run_tutorial()
    raise AssertionError(options.command)


def _serve(service: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    try:
        program = import_module(f"{service}_service.__main__")
    except ModuleNotFoundError as error:
        raise ThanoSQLError(
            f"{service}_service needs the package {error.name!r}, which is not installed",
            hint=f"pip install 'thanosql-speech[{service}]', or [all] for every service.",
        ) from None
    program.main(arguments)
    return 0


def _up(options: argparse.Namespace) -> int:
    from thanosql.connection import ClientSettings
    from thanosql.up import run as run_up
    from thanosql.workspace import STATE_FOLDER

    settings = ClientSettings.from_env()
    workspace = options.workspace or settings.workspace
    state = options.state or settings.state or workspace / STATE_FOLDER
    ports = {service: getattr(options, f"{service}_port") for service in SERVICES}
    return run_up(workspace, state, ports, token=settings.token)


def _sql(options: argparse.Namespace) -> int:
    from thanosql.connection import connect
    from thanosql.tables import show, standard_output

    if options.file is not None:
        try:
            text = sys.stdin.read() if options.file == Path("-") else options.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ThanoSQLError(f"cannot read {options.file}: {error}") from None
    else:
        text = options.command_text
    console = standard_output()
    with connect(options.address, workspace=options.workspace) as session:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thanosql",
        description=DESCRIPTION,
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--address", metavar="HOST:PORT", help="query service to talk to [THANOSQL_ADDRESS]")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument(
        "--workspace",
        type=Path,
        metavar="FOLDER",
        help="folder that paths are relative to, for services of one's own [THANOSQL_WORKSPACE]",
    )

    commands.add_parser("tutorial", help="transcribe and fine-tune on the tutorial's speech data")
    commands.add_parser("shell", parents=[where, folder], help="type statements and see their results")

    sql = commands.add_parser("sql", parents=[where, folder], help="run statements and exit")
    text = sql.add_mutually_exclusive_group(required=True)
    text.add_argument("-c", dest="command_text", metavar="STATEMENTS", help="the statements, separated by ;")
    text.add_argument("-f", dest="file", type=Path, metavar="FILE", help="a file of statements; - reads standard input")
    text.add_argument("--attach", metavar="ID", help="take up a statement that LIST JOBS shows; it goes on without you")
    sql.add_argument("--csv", action="store_true", help="print rows as CSV, and nothing else")
    sql.add_argument(
        "--rows", type=int, metavar="N", help="rows of a result to print; 0: all (default: 60, or the first 20 of more)"
    )

    serve = commands.add_parser("serve", help="run one service: catalog, trainer, inference or query")
    serve.add_argument("service", choices=SERVICES, help="thanosql serve SERVICE --help shows its options")

    up = commands.add_parser("up", parents=[folder], help="run all four services until Ctrl-C")
    up.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="folder for tables and models (default: .thanosql in the workspace)",
    )
    for service, port in {"query": 8470, "catalog": 8471, "trainer": 8472, "inference": 8473}.items():
        up.add_argument(
            f"--{service}-port", type=int, default=port, metavar="PORT", help=f"{service}_service's (default: {port})"
        )
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"thanosql {version('thanosql-speech')}")
        except PackageNotFoundError:
            print("thanosql (not installed: run from its sources)")
        parser.exit()


if __name__ == "__main__":
    main()
