"""What became of a table, where the catalog went away while it wrote it: asked as soon as it answers again.

A call that breaks off does not tell whether it was carried out. The catalog notes with each table, in the transaction
that writes it, which query did so: a statement that was carried out ends well, though its answer was lost, and one that
was not says so. Nothing is written a second time by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from query_service.running.work import Work
from thanosql.errors import ThanoSQLError, TimedOut, Unavailable
from thanosql.types import Notice, Severity, Snapshot, Table

PATIENCE = 60.0
"""Seconds for which a catalog that went away is waited for."""
PAUSE = 0.5
"""Seconds between two questions."""
LOOK_AGAIN = 1.0
"""Seconds after which a table that was not written is looked at once more: a catalog that only could not be reached
ends a statement when it finds out, and may be committing it at that moment."""

Settled = Generator[Notice, None, int]


def write_once(table: str, work: Work, write: Callable[[], int]) -> Settled:
    """Does what `write` does to a table; gives how many rows it wrote.

    Raises:
        Unavailable: the catalog went away; says whether the table was written, or how to find out.
    """
    try:
        return write()
    except (Unavailable, TimedOut) as error:
        now = yield from _look_again(table, work, error, lambda snapshot: _is_by_this(find(snapshot, table), work))
        written, before = find(now, table), find(work.snapshot, table)
        if written is not None and _is_by_this(written, work):
            return written.written_rows
        if _is_same(before, written):
            raise _unchanged(f"table {table!r} was not written", error) from error
        raise Unavailable(
            f"it is not known whether table {table!r} was written: {error.message}",
            hint=f"Another statement has written it since; it has {written.rows if written else 'no'} rows now. Look "
            "at it before you run the statement again.",
        ) from error


def alter_once(what: str, work: Work, alter: Callable[[], None], is_done: Callable[[Snapshot], bool]) -> Settled:
    """Does what `alter` does; whether it was done can be told by the tables that there are.

    Raises:
        Unavailable: the catalog went away; says whether it was done, or how to find out.
    """
    try:
        alter()
    except (Unavailable, TimedOut) as error:
        now = yield from _look_again(what, work, error, is_done)
        if not is_done(now):
            raise _unchanged(f"{what} was left as it was", error) from error
    return 0


def find(snapshot: Snapshot, table: str) -> Table | None:
    """The table of that name, whatever the case of its letters; None: there is none."""
    return next((each for each in snapshot.tables if each.name.casefold() == table.casefold()), None)


def _look_again(
    what: str, work: Work, error: ThanoSQLError, is_done: Callable[[Snapshot], bool]
) -> Generator[Notice, None, Snapshot]:
    """The tables that there are when the catalog answers again."""
    work.cancellation.check()
    yield Notice(
        f"catalog_service went away while it wrote; waiting for it, {PATIENCE:g} seconds at most.", Severity.WARNING
    )
    until = work.clock() + PATIENCE
    while True:
        try:
            snapshot = work.services.catalog.get_snapshot()
            if not is_done(snapshot):
                work.cancellation.wait(LOOK_AGAIN)
                snapshot = work.services.catalog.get_snapshot()
            return snapshot
        except (Unavailable, TimedOut) as again:
            work.cancellation.check()
            if work.clock() > until:
                raise Unavailable(
                    f"it is not known whether {what} was written: {error.message}, and catalog_service has not "
                    f"answered for {PATIENCE:g} s since",
                    hint="All of it was done, or nothing. When catalog_service is back, look at the table: LIST TABLE "
                    "tells its rows, and when it was written. Run the statement again only if it was not done.",
                ) from again
            work.cancellation.wait(PAUSE)


def _is_by_this(table: Table | None, work: Work) -> bool:
    """Whether the statement at work is the one that has written the table."""
    before = None if table is None else find(work.snapshot, table.name)
    is_new = table is not None and (before is None or before.updated_at != table.updated_at)
    return table is not None and is_new and table.written_by == work.query_id


def _is_same(before: Table | None, now: Table | None) -> bool:
    if before is None or now is None:
        return before is now
    return (before.updated_at, before.written_by) == (now.updated_at, now.written_by)


def _unchanged(what: str, error: ThanoSQLError) -> Unavailable:
    return Unavailable(f"{what}: {error.message}", hint="Nothing was changed: run the statement again.")
