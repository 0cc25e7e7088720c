"""Carries out the statements of a text, and tells of the one that is wrong where it stands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from thanosql.errors import Cancelled, ThanoSQLError
from thanosql.interrupts import describe_end
from thanosql.result import read_batches
from thanosql.shell.output import Output
from thanosql.shell.script import Piece
from thanosql.shell.values import Value
from thanosql.statement_text import find_parameters, split
from thanosql.types import Clip, Event, Rows, StatementDone, StatementStarted

if TYPE_CHECKING:
    from thanosql.session import Session

FAILED, INTERRUPTED = 1, 130
"""Exit codes."""


def run_text(
    session: Session,
    piece: Piece,
    output: Output,
    *,
    parameters: Mapping[str, Value],
    source: str = "",
    one_by_one: bool = False,
    goes_on: bool = False,
) -> int:
    """Runs the statements of `piece`; what they give goes to `output`, and a failure to standard error.

    Args:
        session: That carries them out.
        piece: Their text.
        output: Takes rows and clips.
        parameters: Values of `:name`s; those that the text does not name are left out.
        source: Name of the file that the text is from.
        one_by_one: Whether each statement is sent when the one before has ended. Otherwise none runs where one cannot
            be read.
        goes_on: Whether those behind a failure run too, one by one.

    Returns:
        The exit code: 0, 1 where one has failed, 130 where one was cancelled.
    """
    if not one_by_one:
        return _run(session, piece, output, parameters, source)
    code = 0
    for statement in split(piece.text):
        each = Piece(statement.text, piece.line + statement.line - 1)
        ended = _run(session, each, output, parameters, source)
        if ended == INTERRUPTED or (ended and not goes_on):
            return ended
        code = code or ended
    return code


def pass_on(events: Iterable[Event], output: Output) -> Iterator[StatementStarted]:
    """Gives what happens to `output`; yields each statement that begins."""
    for event in events:
        what = event.event
        if isinstance(what, StatementStarted):
            output.begin(what)
            yield what
        elif isinstance(what, Rows):
            for batch in read_batches(what):
                output.add_rows(batch)
        elif isinstance(what, Clip):
            output.add_clip(what)
        elif isinstance(what, StatementDone):
            output.end(what)


def _run(session: Session, piece: Piece, output: Output, parameters: Mapping[str, Value], source: str) -> int:
    named = {each.name for each in find_parameters(piece.text)}
    used = {name: value for name, value in parameters.items() if name in named}
    begun = 0
    try:
        for started in pass_on(session.events(piece.text, used or None), output):
            begun = started.index
    except (Cancelled, KeyboardInterrupt) as end:
        print(describe_end(end), file=sys.stderr)
        return INTERRUPTED
    except ThanoSQLError as error:
        print(f"error: {describe_failure(error, piece, source, begun)}", file=sys.stderr)
        return FAILED
    return 0


def describe_failure(error: ThanoSQLError, piece: Piece, source: str, index: int) -> str:
    """What went wrong, with the file and line where it did, where the text is from a file.

    Args:
        error: The failure.
        piece: The text that was sent.
        source: Name of the file that it is from; empty: it was typed.
        index: Which statement of the text was at work.
    """
    error.line += piece.line - 1 if error.line else 0
    statements = split(piece.text)
    line = error.line
    if not line and index < len(statements):
        line = statements[index].line + piece.line - 1
    if source and line:
        return f"{source}:{line}: {error}"
    return str(error)
