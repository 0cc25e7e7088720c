"""What Prometheus is told of the catalog: what it holds, its jobs by state, and its database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from catalog_service.schema.database import Database
from catalog_service.schema.definitions import jobs, models, transcripts, workspaces
from thanosql.errors import ThanoSQLError
from thanosql.monitoring.families import Metrics, Sample, gauge
from thanosql.types import JobState, ModelState

_UP = gauge("thanosql_database_up", "1: the metadata database answers; 0: it does not.")
_ANSWER = gauge("thanosql_database_answer_seconds", "How long the metadata database took for the figures of this page.")
_CONNECTIONS = gauge(
    "thanosql_database_connections", "Connections to the metadata database, in use and idle in the pool.", "state"
)
_WORKSPACES = gauge("thanosql_workspaces", "Workspaces that there are.")
_TABLES = gauge("thanosql_tables", "Tables of the first workspace, default.")
_MODELS = gauge("thanosql_models", "Versions of models, by state.", "state")
_TRANSCRIPTS = gauge("thanosql_transcripts", "Transcripts that are kept.")
_JOBS = gauge(
    "thanosql_jobs",
    "Trainings and exports that there are, by state, as LIST JOBS shows them; of all workspaces.",
    "state",
)

FAMILIES = (_UP, _ANSWER, _CONNECTIONS, _WORKSPACES, _TABLES, _MODELS, _TRANSCRIPTS, _JOBS)


def catalog_metrics(database: Database, count_tables: Callable[[], int]) -> Metrics:
    """The metrics of the catalog; everything is counted when it is asked for.

    Args:
        database: The metadata.
        count_tables: How many tables the first workspace has.
    """

    def collect() -> Iterator[Sample]:
        in_use, idle = database.connections
        yield _CONNECTIONS.sample(in_use, "in use")
        yield _CONNECTIONS.sample(idle, "idle")
        began = time.monotonic()
        try:
            with database.read() as connection:
                by_state = {table: _count_states(connection, table) for table in (jobs, models)}
                spaces = connection.scalar(sa.select(sa.func.count()).select_from(workspaces))
                kept = connection.scalar(sa.select(sa.func.count()).select_from(transcripts))
        except ThanoSQLError:
            yield _UP.sample(0)
            return
        yield _UP.sample(1)
        yield _ANSWER.sample(time.monotonic() - began)
        for state in JobState:
            yield _JOBS.sample(by_state[jobs].get(state.value, 0), state.value)
        for model_state in ModelState:
            yield _MODELS.sample(by_state[models].get(model_state.value, 0), model_state.value)
        yield _WORKSPACES.sample(spaces or 0)
        yield _TRANSCRIPTS.sample(kept or 0)
        yield _TABLES.sample(count_tables())

    return Metrics(FAMILIES, collect)


def _count_states(connection: sa.Connection, table: sa.Table) -> dict[str, int]:
    rows = connection.execute(sa.select(table.c.state, sa.func.count()).group_by(table.c.state))
    return {each[0]: each[1] for each in rows}
