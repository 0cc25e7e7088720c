r"""`thanosql shell`: statements typed at a prompt, each ended with `;`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from thanosql.errors import Cancelled, ThanoSQLError
from thanosql.interrupts import describe_end
from thanosql.result import Result
from thanosql.session import Session
from thanosql.tables import show, standard_output

HISTORY = Path("~/.thanosql_history")
HELP = r"""A statement may have several lines and ends with ;   Ctrl-C stops it, \q or Ctrl-D leaves.
  \attach 4f2e91ab takes up a statement that LIST JOBS shows; Ctrl-C leaves it, and it goes on.

  COPY t OPTIONS (overwrite=True) FROM 'folder/file.csv';        load a table
  SELECT * FROM t LIMIT 5;                                        any query
  CREATE TABLE u AS SELECT * FROM t;  INSERT INTO u SELECT * FROM t;  UPDATE u SET a = 1 WHERE b = 2;
  PRINT AUDIO AS SELECT audio_path FROM t LIMIT 3;                recordings
  PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path') AS SELECT * FROM t;
  SELECT * FROM (PREDICT USING m AS SELECT * FROM t) WHERE predicted LIKE '%refund%';
  EVALUATE USING m OPTIONS (text_col='text') AS SELECT * FROM t;  its word error rate
  EXPLAIN PREDICT USING m AS SELECT * FROM t;                     what it will take; nothing runs
  BUILD MODEL m USING Wav2Vec2En OPTIONS (audio_col='audio_path', text_col='text') AS SELECT * FROM t;
  FIT MODEL m USING m AS SELECT * FROM u;                         go on training it
  LIST JOBS;  CANCEL JOB 4f2e91ab;  RESUME JOB 4f2e91ab;          statements that run, and trainings
  EXPORT MODEL m TO 'folder';                                     a repository for Triton
  LIST TABLE;  LIST MODEL;  LIST BASE MODELS;  DESCRIBE MODEL m;  DROP TABLE t;  DELETE MODEL m;"""

_PIECES = re.compile(
    r"""(?P<closed>'(?:[^']|'')*'|"(?:[^"]|"")*")     # a string or quoted name: a `;` in it ends nothing
    |   (?P<comment>--[^\n]*|^[ \t]*\#[^\n]*|/\*.*?\*/)
    |   (?P<opened>['"]|/\*)                            # of which there is no end
    |   (?P<end>;)
    |   (?P<space>\s)
    |   .""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


def run(open: Callable[[], Session]) -> int:
    """Reads statements until the user leaves; the exit code.

    Args:
        open: Opens the session that they go to.
    """
    interactive = sys.stdin.isatty()
    with open() as session:
        if not interactive:
            return _show(session.run(sys.stdin.read()))
        print(f"thanosql shell ({session.where}). Type help for help.")
        with _history():
            _loop(session, input)
    return 0


def ends_statement(text: str) -> bool:
    """Whether `text` ends with a `;` that is not in a string, a quoted name or a comment."""
    ended = False
    for piece in _PIECES.finditer(text):
        if piece["opened"]:
            return False
        if not (piece["comment"] or piece["space"]):
            ended = piece["end"] is not None
    return ended


def _loop(session: Session, read: Callable[[str], str]) -> None:
    text = ""
    while True:
        try:
            text += read("thanosql> " if not text else "      ... ") + "\n"
        except KeyboardInterrupt:  # drops what was typed
            print()
            text = ""
            continue
        except EOFError:
            print()
            return
        command = text.strip().rstrip(";").strip().lower()
        if command in (r"\q", "quit", "exit"):
            return
        if command in ("help", r"\h", r"\?", "?"):
            print(HELP)
            text = ""
        elif not command:
            text = ""
        elif command.startswith(r"\attach "):
            text = ""
            _show(session.follow(command.split(maxsplit=1)[1]))
        elif ends_statement(text):
            statements, text = text, ""
            _show(session.run(statements))


@contextmanager
def _history() -> Iterator[None]:
    """Editing and history of the lines, where the platform has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    file = HISTORY.expanduser()
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(1000)
    try:
        yield
    finally:
        with suppress(OSError):
            readline.write_history_file(file)
            file.chmod(0o600)


def _show(results: Iterator[Result]) -> int:
    console = standard_output()
    try:
        for result in results:
            show(result, console)
    except (Cancelled, KeyboardInterrupt) as end:
        print(describe_end(end), file=sys.stderr)
        return 130
    except ThanoSQLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
