"""Writes down who did what: a line for each call and for each statement, without secrets and without literals."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from sqlglot import exp

from query_service.language.options import Name
from query_service.language.statements import Explain, Statement
from query_service.monitoring.hidden_literals import hide_literals
from thanosql.errors import Unavailable
from thanosql.rpc.identity import current_identity
from thanosql.rpc.logs import JsonFormatter, RequestFilter

log = logging.getLogger("thanosql.audit")

MOST_REFUSED = 10
"""Calls without a right token that are written down in a second; more are counted, so that guesses fill no disk."""


def open_audit(service: str, file: Path | None) -> Callable[[], None]:
    """Has the lines go to a file of their own, where one is given; gives what ends that.

    The file may be moved away while the service runs, as logrotate does: another is begun.

    Raises:
        Unavailable: it cannot be written.
    """
    log.setLevel(logging.INFO)
    if file is None:
        return lambda: None
    try:
        writer = WatchedFileHandler(file, encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            f"the audit log {file} cannot be written: {error.strerror}", hint="Choose another with --audit-log."
        ) from error
    writer.setFormatter(JsonFormatter(service))
    writer.addFilter(RequestFilter())
    log.addHandler(writer)

    def end() -> None:
        log.removeHandler(writer)
        writer.close()

    return end


class CallAudit:
    """Writes down the calls, refused ones too.

    Args:
        clock: Seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._second, self._refused = 0, 0

    def __call__(self, method: str, status: str, seconds: float) -> None:
        """A call has ended."""
        left_out = 0
        if status == "UNAUTHENTICATED":
            left_out = self._count_refused()
            if left_out < 0:
                return
        name = method.rsplit("/", 1)[-1]
        more = {"left_out": left_out} if left_out else {}
        _write(f"call {name}: {status}", method=name, outcome=status, seconds=round(seconds, 6), **more)

    def _count_refused(self) -> int:
        """How many were left out before this one; negative: it is left out too."""
        with self._lock:
            now = int(self._clock())
            if now == self._second:
                self._refused += 1
                return 0 if self._refused <= MOST_REFUSED else -1
            left_out = max(0, self._refused - MOST_REFUSED)
            self._second, self._refused = now, 1
            return left_out


@contextmanager
def audit_statement(statement: Statement, clock: Callable[[], float]) -> Iterator[None]:
    """The statement runs inside; its end is written down."""
    began, outcome = clock(), "OK"
    try:
        yield
    except BaseException as error:
        # A statement that nobody reads any more is closed.
        outcome = "Cancelled" if isinstance(error, GeneratorExit) else type(error).__name__
        raise
    finally:
        _write(
            f"statement {statement.KIND}: {outcome}",
            statement=statement.KIND,
            text=hide_literals(statement.text),
            names=list(names_in(statement)),
            outcome=outcome,
            seconds=round(clock() - began, 6),
        )


def names_in(statement: Statement) -> tuple[str, ...]:
    """The tables and models that a statement names, in the order of their first mention."""
    if isinstance(statement, Explain):
        return names_in(statement.explained)
    found = [value.text for each in ("table", "model") if isinstance(value := getattr(statement, each, None), Name)]
    query = getattr(statement, "query", None)
    if query is not None:
        found += [table.name for table in query.tree.find_all(exp.Table)]
    return tuple(dict.fromkeys(name for name in found if name))


def _write(message: str, **fields: Any) -> None:
    who = current_identity()
    log.info(
        *("%s", message),
        extra={
            "fields": {
                "token_id": who.token,
                "token": who.name,
                "role": who.role.value,
                "workspace": who.workspace,
                "peer": who.peer,
                **fields,
            }
        },
    )
