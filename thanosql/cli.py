"""The `thanosql` command."""

from __future__ import annotations

import argparse
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from thanosql.commands import doctor, health, secrets, serve, shell, sql, token, tutorial, up, upload
from thanosql.errors import Cancelled, ThanoSQLError
from thanosql.interrupts import describe_end

COMMANDS: dict[str, tuple[Any, str]] = {
    "tutorial": (tutorial, "transcribe and fine-tune on the tutorial's speech data"),
    "shell": (shell, "type statements and see their results"),
    "sql": (sql, "run statements and exit"),
    "upload": (upload, "send files and folders into the workspace"),
    "serve": (serve, "run one service: catalog, trainer, inference or query, or the HTTP gateway"),
    "up": (up, "run all four services until Ctrl-C"),
    "token": (token, "give, list and revoke the tokens of colleagues"),
    "secrets": (secrets, "make the secrets of an installation in containers"),
    "health": (health, "ask a service whether it is well"),
    "doctor": (doctor, "look at what an installation needs, and say what to do about what is wrong"),
}
"""The subcommands, in the order in which `--help` shows them: their modules, with a word on each."""

DESCRIPTION = """Speech recognition through SQL.

New here? In a checkout of the project:  thanosql tutorial"""

ENVIRONMENT = """environment:
  THANOSQL_ADDRESS    host:port of a query service; not set: services of one's own are started
  THANOSQL_API_TOKEN  the secret that a server asks for, or THANOSQL_API_TOKEN_FILE with a file that holds it
  THANOSQL_CA         certificates of those who sign a server's; servers are called with TLS then
  THANOSQL_WORKSPACE  folder that paths in statements are relative to; default: the current folder
  THANOSQL_STATE      folder for tables and models; default: .thanosql in the workspace"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; ends the process with 0, 1 after a failure, 2 for a wrong call, 130 after Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["serve"] and given[1:2] and given[1] in serve.PROGRAMS:
        # The service's own parser takes the rest, so that its --help shows its options.
        sys.exit(_guard(lambda: serve.serve(given[1], given[2:])))
    options = _parser().parse_args(given)
    if options.command != "up":  # which has its own way to stop
        _exit_on_signals()
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    command, _ = COMMANDS[options.command]
    sys.exit(_guard(lambda: command.run(options)))


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="thanosql",
        description=DESCRIPTION,
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, (module, help) in COMMANDS.items():
        module.add(commands.add_parser(name, help=help))
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
