"""The steps over tables, carried out."""

from __future__ import annotations

from functools import partial
from typing import Any

from query_service.planning import steps as p
from query_service.running.arrow import count_rows
from query_service.running.progress import Pacer
from query_service.running.walk import StepRunner
from query_service.running.work import SUCCESS, Outcome, Steps, Work
from query_service.tables.changes import STEPS as CHANGES
from query_service.tables.relations import keep_rows, stream_rows
from query_service.tables.settling import alter_once, find, write_once
from thanosql.errors import (
    DataError,
    InternalError,
    InvalidOption,
    NotFound,
    NotSupported,
    PathRefused,
    ThanoSQLError,
    TimedOut,
    Unavailable,
)
from thanosql.types import CopyTableResult, Notice


def _fetch_rows(step: p.FetchRows, work: Work) -> Steps:
    count = 0
    for rows in work.query(step.query):
        count += count_rows(rows)
        yield rows
    return Outcome(count)


def _copy_file(step: p.CopyFile, work: Work) -> Steps:
    pacer = Pacer()
    options = {"audio_col": step.audio.text if step.audio else "", "sheet": step.sheet.text if step.sheet else ""}
    broken: Unavailable | TimedOut | None = None
    try:
        for event in work.services.catalog.copy_table(step.table.text, step.path.text, step.if_exists, **options):
            if isinstance(event, CopyTableResult):
                return Outcome(event.rows, SUCCESS)
            if isinstance(event, Notice) or pacer.lets_through(event, work.clock()):
                yield event
    except (Unavailable, TimedOut) as error:
        broken = error
    except InvalidOption as error:
        option = step.audio if error.message.startswith("audio_col") else step.sheet
        raise work.source.placed(error, option.at if option else step.path.at) from error
    except (NotFound, PathRefused, NotSupported, DataError) as error:
        raise work.source.placed(error, step.path.at) from error
    if broken is None:
        raise InternalError("catalog_service ended the COPY without a result", hint="Its log says why.")
    rows = yield from write_once(step.table.text, work, partial(_fail, broken))
    return Outcome(rows, SUCCESS)


def _fail(error: ThanoSQLError) -> int:
    raise error


def _remove_table(step: p.RemoveTable, work: Work) -> Steps:
    table, was_there = step.table.text, True

    def drop() -> None:
        nonlocal was_there
        was_there = work.services.catalog.drop_table(table, step.if_exists)

    yield from alter_once(f"table {table!r}", work, drop, lambda tables: find(tables, table) is None)
    if not was_there:
        yield Notice(f"There is no table {step.table}: nothing to drop.")
    return Outcome(message=SUCCESS)


STEPS: dict[type[Any], StepRunner] = {
    **CHANGES,
    p.FetchRows: _fetch_rows,
    p.KeepRows: keep_rows,
    p.StreamRows: stream_rows,
    p.CopyFile: _copy_file,
    p.RemoveTable: _remove_table,
}
