"""Metadata in PostgreSQL: new, old and newer, and two services that write at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from catalog_service.schema.database import open_database
from catalog_service.schema.definitions import HEAD, metadata
from catalog_service.schema.jobs import JobQueue, Jobs
from catalog_service.schema.migrate import migrations, upgrade
from catalog_service.schema.models import Models
from tests.catalog_service.schema.test_database import check_what_was_kept, keep_something
from thanosql.errors import DataError, Unavailable
from thanosql.types import JobKind, JobSpec

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def engine_at(url: str) -> sa.Engine:
    return sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))


def differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def test_the_migrations_make_the_tables_that_the_program_uses(postgres_url: str) -> None:
    engine = engine_at(postgres_url)
    with engine.begin() as connection:
        upgrade(connection)
        assert differences(connection) == []
    engine.dispose()
    open_database(postgres_url, NOW).close()


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_metadata_of_an_older_release_is_kept(postgres_url: str, revision: str) -> None:
    engine = engine_at(postgres_url)
    with engine.begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        keep_something(connection, has_decoding=revision != "0001")
    engine.dispose()
    database = open_database(postgres_url, NOW)
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD
        assert differences(connection) == []
    check_what_was_kept(database)
    database.close()


def test_metadata_of_a_newer_release_is_refused_and_left_alone(postgres_url: str) -> None:
    open_database(postgres_url, NOW).close()
    engine = engine_at(postgres_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DataError, match="newer release: its revision is 9999") as caught:
        open_database(postgres_url, NOW)
    assert sa.make_url(postgres_url).password not in str(caught.value)
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "9999"
    engine.dispose()


def test_two_services_give_no_version_twice_and_no_job_to_two_trainers(postgres_url: str) -> None:
    first, second = open_database(postgres_url, NOW), open_database(postgres_url, NOW)
    jobs = Jobs(first, "default")
    for number in range(20):
        jobs.create(f"job{number}", JobSpec(JobKind.BUILD, "m", "Wav2Vec2En"), NOW)
    models = [Models(database, "default") for database in (first, second)]
    with ThreadPoolExecutor(8) as threads:
        versions = list(threads.map(lambda n: models[n % 2].reserve_version("m"), range(40)))
        claimed = list(threads.map(lambda n: JobQueue((first, second)[n % 2]).claim(f"t{n}", 60.0, NOW), range(24)))
    assert sorted(versions) == list(range(1, 41))
    ids = [job.id for job in claimed if job is not None]
    assert sorted(ids) == sorted({f"job{number}" for number in range(20)})
    first.close()
    second.close()


def test_two_services_that_start_at_once_make_one_set_of_tables(postgres_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: open_database(postgres_url, NOW), range(4)))
    assert [len(Models(database, "default").served()) for database in opened] == [1, 1, 1, 1]
    for database in opened:
        database.close()


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(Unavailable, match="cannot be used") as caught:
        open_database("postgresql://me:secret@127.0.0.1:1/metadata", NOW + timedelta(days=1))
    assert "secret" not in str(caught.value)
    assert "server" in caught.value.hint
