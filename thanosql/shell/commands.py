r"""The commands of the shell, which begin with a backslash: `\d`, `\h`, `\format` and the others."""

from __future__ import annotations

import difflib
import getpass
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from thanosql.errors import InvalidOption, NotFound, ThanoSQLError, Unauthenticated
from thanosql.shell.formats import BINARY_FORMATS, FORMATS
from thanosql.shell.output import add_result
from thanosql.shell.pages import command_page, statement_page
from thanosql.shell.paging import page
from thanosql.shell.playing import play
from thanosql.shell.script import pieces
from thanosql.shell.state import Shell
from thanosql.shell.values import NAME, read_value

WATCH_EVERY = 2.0
"""Seconds between two runs of `\\watch`, unless it says otherwise."""


@dataclass(frozen=True)
class Command:
    """One of them."""

    form: str
    meaning: str
    run: Callable[[Shell, str], None]
    """Takes what stands behind the command's name."""
    completes: str = ""
    """What its argument is: "table", "model", "job", "statement", "format", "switch", "file" or "parameter"."""


def run_command(shell: Shell, text: str) -> None:
    r"""Carries out `\name arguments`; a `;` at its end is allowed.

    Raises:
        ThanoSQLError: there is no such command, or it failed.
    """
    name, _, arguments = text.strip().rstrip(";").strip().partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        near = difflib.get_close_matches(name, COMMANDS, 1, 0.5)
        hint = f"Did you mean {COMMANDS[near[0]].form}?" if near else ""
        raise NotFound(f"there is no command {name}", hint=f"{hint} \\? lists them.".strip())
    command.run(shell, arguments.strip())


def _say(shell: Shell, text: str) -> None:
    """Prints something to read."""
    if shell.is_interactive:
        page(text + "\n", folds=True)
    else:
        print(text)


def _describe_table(shell: Shell, name: str) -> None:
    shell.run(f"DESCRIBE TABLE {name}" if name else "LIST TABLES", keeps=False)


def _describe_model(shell: Shell, name: str) -> None:
    shell.run(f"DESCRIBE MODEL {name}" if name else "LIST MODELS", keeps=False)


def _describe_job(shell: Shell, id: str) -> None:
    shell.run(f"DESCRIBE JOB {id}" if id else "LIST JOBS", keeps=False)


def _list_bases(shell: Shell, _argument: str) -> None:
    shell.run("LIST BASE MODELS", keeps=False)


def _attach(shell: Shell, id: str) -> None:
    for result in shell.session.follow(_wanted(id, "\\attach 4f2e91ab", "LIST JOBS shows the ids.")):
        add_result(shell.output, result)
    shell.changed()


def _cancel(shell: Shell, id: str) -> None:
    shell.run(f"CANCEL JOB {_wanted(id, chr(92) + 'cancel 4f2e91ab', 'LIST JOBS shows the ids.')}", keeps=False)


def _wanted(argument: str, form: str, hint: str) -> str:
    if not argument:
        raise InvalidOption(f"something is missing: {form}", hint=hint)
    return argument


def _switched(argument: str, now: bool) -> bool:
    """What a switch is then: the other way round, or as it is told."""
    if argument.lower() not in ("", "on", "off"):
        raise InvalidOption(f"it is on or off, not {argument!r}")
    return not now if not argument else argument.lower() == "on"


def _time(shell: Shell, argument: str) -> None:
    shell.output.timing = _switched(argument, shell.output.timing)
    print(f"Times are {'shown' if shell.output.timing else 'not shown'}.")


def _stand_upright(shell: Shell, argument: str) -> None:
    upright = _switched(argument, shell.output.format == "vertical")
    _set_format(shell, "vertical" if upright else "table")


def _set_format(shell: Shell, argument: str) -> None:
    if argument:
        name = argument.lower()
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, 1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise InvalidOption(f"there is no format {argument!r}", hint=f"{hint}The formats are {', '.join(FORMATS)}.")
        if (name in BINARY_FORMATS) != (shell.output.format in BINARY_FORMATS):
            shell.output.close()
        shell.output.format = name
    print(f"Results are shown as {shell.output.format}.")
    if shell.output.format in BINARY_FORMATS and not shell.output.is_to_file:
        print("Say where to, before the next statement: \\o file")


def _limit_rows(shell: Shell, argument: str) -> None:
    if not argument.isdigit():
        raise InvalidOption(f"{argument!r} is no number of rows", hint="\\rows 500; \\rows 0 shows all.")
    shell.output.rows = int(argument)


def _set_pager(shell: Shell, argument: str) -> None:
    shell.output.page = page if _switched(argument, shell.output.page is not None) else None
    print(f"The pager is {'on' if shell.output.page else 'off'}.")


def _redirect(shell: Shell, argument: str) -> None:
    if argument:
        shell.output.open(Path(_unquoted(argument)).expanduser())
    else:
        shell.output.close()


def _include(shell: Shell, argument: str) -> None:
    file = Path(_unquoted(_wanted(argument, "\\i file", "A file of statements."))).expanduser()
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"cannot read {file}: {error}") from None
    run_script(shell, text, str(file))


def run_script(shell: Shell, text: str, source: str = "") -> int:
    r"""Carries out statements and `\commands` in their order, up to the first that fails; the exit code."""
    for piece in pieces(text):
        if not piece.is_command:
            if code := shell.run(piece.text, line=piece.line, source=source):
                return code
            continue
        try:
            run_command(shell, piece.text)
        except ThanoSQLError as error:
            where = f"{source}:{piece.line}: " if source else ""
            print(f"error: {where}{error}", file=sys.stderr)
            shell.code = 1
            return 1
        if shell.is_over:
            break
    return shell.code


def _edit(shell: Shell, argument: str) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="thanosql-") as folder:
        file = Path(folder) / "statement.sql"
        file.write_text(argument or shell.last, "utf-8")
        try:
            code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        except OSError as error:
            raise NotFound(f"the editor {editor!r} does not start: {error.strerror}", hint="Set EDITOR.") from None
        if not code:
            shell.draft = file.read_text("utf-8").strip()


def _play(shell: Shell, argument: str) -> None:
    if argument and not argument.isdigit():
        raise InvalidOption(f"{argument!r} is no clip", hint="\\play 1 plays the first of the last PRINT AUDIO.")
    print(play(shell.output.clips, int(argument or 1)))


def _set(shell: Shell, argument: str) -> None:
    name, _, value = argument.partition(" ")
    if not argument:
        for each, known in shell.parameters.items():
            print(f":{each} = {known!r}")
        return
    name = name.removeprefix(":")
    if not NAME.fullmatch(name) or not value.strip():
        raise InvalidOption(
            f"\\set {argument} sets nothing", hint="\\set day '2026-01-01' gives :day in statements that value."
        )
    shell.parameters[name] = read_value(value)


def _unset(shell: Shell, name: str) -> None:
    if name.removeprefix(":") not in shell.parameters:
        raise NotFound(f"no parameter {name!r} is set", hint="\\set shows them.")
    del shell.parameters[name.removeprefix(":")]


def _watch(shell: Shell, argument: str) -> None:
    try:
        seconds = float(argument or WATCH_EVERY)
    except ValueError:
        raise InvalidOption(f"{argument!r} is no number of seconds", hint="\\watch 5") from None
    _wanted(shell.last, "a statement to run again", "Run one first, then \\watch.")
    try:
        while not shell.run(shell.last):
            time.sleep(max(0.1, seconds))
    except KeyboardInterrupt:
        print()


def _connect(shell: Shell, argument: str) -> None:
    from thanosql.connection import ClientSettings, connect

    words = argument.split()
    if words:
        is_local = words[0] == "local"
        address = None if is_local else words[0]
        folder = ClientSettings.from_env().workspace if is_local else None
        try:
            session = connect(address, workspace=folder)
        except Unauthenticated:
            if not shell.is_interactive or is_local:
                raise
            session = connect(address, getpass.getpass("token (not shown): "))
        before, shell.session, shell.folder = shell.session, session, folder
        shell.moved()
        before.close()
    print(shell.session.where)


def _upload(shell: Shell, argument: str) -> None:
    from thanosql.commands.upload import parse

    options = parse(argument)
    print(shell.session.upload(*options.paths, to=options.to, overwrite=options.overwrite))


def _leave(shell: Shell, _argument: str) -> None:
    shell.is_over = True


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


COMMANDS: dict[str, Command] = {
    "\\d": Command("\\d [table]", "tables, or the columns of one", _describe_table, "table"),
    "\\dt": Command("\\dt", "tables", lambda shell, _: _describe_table(shell, "")),
    "\\dm": Command("\\dm [model]", "models, or one with its training report", _describe_model, "model"),
    "\\db": Command("\\db", "base models", _list_bases),
    "\\dj": Command("\\dj [id]", "jobs: statements and trainings at work, or one of them", _describe_job, "job"),
    "\\attach": Command("\\attach id", "takes up a statement; Ctrl-C leaves it, and it goes on", _attach, "job"),
    "\\cancel": Command("\\cancel id", "stops a job", _cancel, "job"),
    "\\play": Command("\\play [n]", "plays a clip of the last PRINT AUDIO", _play),
    "\\set": Command("\\set [name value]", "gives :name in statements a value; shows them", _set, "parameter"),
    "\\unset": Command("\\unset name", "takes it away", _unset, "parameter"),
    "\\format": Command("\\format [name]", f"how results are shown: {', '.join(FORMATS)}", _set_format, "format"),
    "\\x": Command("\\x [on|off]", "a line for each value, or a table", _stand_upright, "switch"),
    "\\rows": Command("\\rows n", "most rows of a table that are shown; 0: all", _limit_rows),
    "\\o": Command("\\o [file]", "results go to the file; without one, to the screen again", _redirect, "file"),
    "\\i": Command("\\i file", "runs the statements and commands of a file", _include, "file"),
    "\\e": Command("\\e", "edits the last statement in $EDITOR", _edit),
    "\\watch": Command("\\watch [seconds]", "runs the last statement again and again, until Ctrl-C", _watch),
    "\\timing": Command("\\timing [on|off]", "whether times are shown", _time, "switch"),
    "\\pager": Command("\\pager [on|off]", "whether long results go through $PAGER", _set_pager, "switch"),
    "\\upload": Command("\\upload path … [--to folder]", "sends files into the workspace", _upload, "file"),
    "\\c": Command("\\c [address|local]", "where statements go; connects elsewhere", _connect),
    "\\h": Command(
        "\\h [STATEMENT]", "the statements; what one does", lambda s, words: _say(s, statement_page(words)), "statement"
    ),
    "\\?": Command(
        "\\?", "this page", lambda s, _: _say(s, command_page([(c.form, c.meaning) for c in COMMANDS.values()]))
    ),
    "\\q": Command("\\q", "leaves", _leave),
}
WORDS = {"help": "\\?", "?": "\\?", "quit": "\\q", "exit": "\\q"}
"""What some type who come from elsewhere."""
