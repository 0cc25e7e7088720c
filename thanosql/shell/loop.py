r"""`thanosql shell`: reads a text, carries it out, and so on until the user leaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from thanosql.errors import Cancelled, ThanoSQLError
from thanosql.interrupts import describe_end
from thanosql.session import Session
from thanosql.shell.commands import WORDS, run_command, run_script
from thanosql.shell.output import Output
from thanosql.shell.paging import page
from thanosql.shell.state import Shell
from thanosql.statement_text import ends_statement, is_blank


def run(open: Callable[[], Session], folder: Path | None = None, *, vi: bool = False) -> int:
    """Reads statements until the user leaves; the exit code.

    Args:
        open: Opens the session that they go to.
        folder: Root of the paths in statements, where it is on this machine.
        vi: Whether the prompt has the keys of vi.
    """
    session = open()
    shell = Shell(session, Output(), folder, is_interactive=sys.stdin.isatty())
    try:
        if not shell.is_interactive:
            return run_script(shell, sys.stdin.read())
        shell.output = Output(say=_say, page=page if sys.stdout.isatty() else None)
        print(f"thanosql shell ({session.where}). Type \\? for help, \\q to leave.")
        with _reader(shell, vi) as read:
            loop(shell, read)
        return 0
    finally:
        shell.output.close()
        shell.session.close()


def loop(shell: Shell, read: Callable[[str], str]) -> None:
    """Carries out what `read` gives until the user leaves.

    Args:
        shell: What is known.
        read: Gives the next text; takes one that it begins with.
    """
    while not shell.is_over:
        draft, shell.draft = shell.draft, ""
        try:
            text = read(draft)
        except KeyboardInterrupt:
            continue
        except EOFError:
            print()
            return
        try:
            carry_out(shell, text)
        except (Cancelled, KeyboardInterrupt) as end:
            print(describe_end(end), file=sys.stderr)
        except ThanoSQLError as error:
            print(f"error: {error}", file=sys.stderr)


def carry_out(shell: Shell, text: str) -> None:
    """Runs the statements, or the command, that was typed."""
    word = text.strip().rstrip(";").strip()
    if word.startswith("\\") or word.lower() in WORDS:
        run_command(shell, WORDS.get(word.lower(), word))
    elif not is_blank(text.replace(";", " ")):
        shell.run(text)


@contextmanager
def _reader(shell: Shell, vi: bool) -> Iterator[Callable[[str], str]]:
    """The prompt, or on a terminal that can do nothing but lines, lines."""
    if os.environ.get("TERM") in ("dumb", "unknown") or not sys.stdout.isatty():
        yield read_lines
        return
    from thanosql.shell.history import FILE, PrivateHistory
    from thanosql.shell.names import NameReader
    from thanosql.shell.prompt import Prompt

    prompt = Prompt(shell, PrivateHistory(FILE.expanduser()), vi=vi)
    names = NameReader(lambda: shell.session, prompt.redraw)
    shell.names = lambda: names.names
    shell.changed, shell.moved = names.refresh, names.forget
    try:
        yield prompt.read
    finally:
        names.close()


def read_lines(_draft: str = "", read: Callable[[str], str] = input) -> str:
    """Lines up to the end of a statement, without a prompt's comforts."""
    text = ""
    while True:
        text += read("thanosql> " if not text else "      ... ") + "\n"
        words = text.strip()
        if words.startswith("\\") or words.rstrip(";").lower() in WORDS or is_blank(text) or ends_statement(text):
            return text


def _say(text: str) -> None:
    from rich.text import Text

    from thanosql.tables import standard_output

    standard_output().print(Text(text, style="dim"))
