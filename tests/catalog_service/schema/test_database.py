"""Opening the metadata: new, old, newer, damaged, somebody else's."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from catalog_service.schema.database import Database, found_workspace, open_database
from catalog_service.schema.definitions import HEAD, metadata
from catalog_service.schema.jobs import Jobs
from catalog_service.schema.migrate import migrations, upgrade
from catalog_service.schema.models import Models
from catalog_service.schema.transcripts import Transcripts
from thanosql.errors import DataError, Unavailable
from thanosql.types import AudioKey, CachedTranscript, JobKind, JobSpec, ModelState

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'metadata.sqlite'}"


def differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def keep_something(connection: sa.Connection, *, has_decoding: bool) -> None:
    """As an older release would."""
    moment = "'2025-03-01 00:00:00'"
    connection.exec_driver_sql("INSERT INTO model_names VALUES ('m', 3)")
    connection.exec_driver_sql(
        f"INSERT INTO models VALUES ('m', 1, 'Wav2Vec2En', 'base', 'ready', NULL, NULL, {moment}, '')"
    )
    connection.exec_driver_sql(
        "INSERT INTO jobs (number, id, spec, state, owner, lease_expires_at, attempts, created_at, updated_at, error) "
        """VALUES (4, 'job', '{"kind": "build", "model": "m", "base": "b"}', 'queued', '', """
        f"{moment}, 0, {moment}, {moment}, '')"
    )
    more = (", decoding", ", ''") if has_decoding else ("", "")
    connection.exec_driver_sql(
        "INSERT INTO transcripts (model, version, path, size, modified_ns, text, confidence, words, audio_seconds, "
        f"used_at{more[0]}) VALUES ('m', 1, 'a.wav', 10, 20, '안녕', 0.5, '[]', 1.5, {moment}{more[1]})"
    )


def check_what_was_kept(database: Database) -> None:
    """Whether it is there, in the first workspace and in no other."""
    found_workspace(database, "research", NOW)
    key = AudioKey("a.wav", 10, 20)
    (found,) = Transcripts(database, "default", limit=100).lookup("m", 1, [key], NOW)
    assert found.text == "안녕"
    assert Transcripts(database, "research", limit=100).lookup("m", 1, [key], NOW) == ()
    assert [job.id for job in Jobs(database, "default").newest_first()] == ["job"]
    assert Jobs(database, "research").newest_first() == ()
    assert [model.name for model in Models(database, "default").served()] == ["m"]
    assert [model.name for model in Models(database, "research").served()] == ["tutorial_audio_recognition"]
    assert Models(database, "default").reserve_version("m") == 4
    assert Models(database, "research").reserve_version("m") == 1
    assert not found_workspace(database, "default", NOW)
    Jobs(database, "default").create("next", JobSpec(JobKind.BUILD, "m", "Wav2Vec2En"), NOW)
    Models(database, "default").delete("m", if_exists=False)
    assert Transcripts(database, "default", limit=100).lookup("m", 1, [key], NOW) == ()  # they hang on their model


def test_the_newest_migration_is_the_head_that_the_program_names() -> None:
    assert ScriptDirectory.from_config(migrations()).get_current_head() == HEAD


def test_the_migrations_make_the_tables_that_the_program_uses(tmp_path: Path) -> None:
    engine = sa.create_engine(url(tmp_path))
    with engine.begin() as connection:
        upgrade(connection)
        assert differences(connection) == []
    engine.dispose()


def test_transcripts_of_the_first_release_are_kept_as_the_models_own(tmp_path: Path, now: datetime) -> None:
    engine = sa.create_engine(url(tmp_path))
    with engine.begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO models VALUES ('m', 1, 'Wav2Vec2En', 'base', 'ready', NULL, NULL, '2025-03-01 00:00:00', '{}')"
        )
        connection.exec_driver_sql(
            "INSERT INTO transcripts VALUES ('m', 1, 'a.wav', 10, 20, 'hello', 0.5, '[]', 1.5, '2025-03-01 00:00:00')"
        )
    engine.dispose()
    database = open_database(url(tmp_path), NOW)
    transcripts = Transcripts(database, "default", limit=100)
    key = AudioKey("a.wav", 10, 20)
    assert transcripts.lookup("m", 1, [key], now) == (CachedTranscript(key, "hello", 0.5, "[]", 1.5),)
    assert transcripts.lookup("m", 1, [key], now, "hotwords") == ()
    transcripts.store("m", 1, [CachedTranscript(replace(key, content="ab12"), "hello")], now)
    assert transcripts.lookup("m", 1, [AudioKey("b.wav", 1, 2, "ab12")], now)[0].text == "hello"
    Models(database, "default").delete("m", if_exists=False)
    assert transcripts.lookup("m", 1, [key], now) == ()  # the rows still hang on their model
    database.close()


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004"])
def test_what_an_older_release_kept_belongs_to_the_first_workspace(tmp_path: Path, revision: str) -> None:
    engine = sa.create_engine(url(tmp_path))
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        config = migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        keep_something(connection, has_decoding=revision != "0001")
    engine.dispose()
    database = open_database(url(tmp_path), NOW)
    with database.read() as connection:
        assert differences(connection) == []
    check_what_was_kept(database)
    database.close()


def test_a_new_database_is_as_the_migrations_would_make_it(database: Database) -> None:
    with database.read() as connection:
        assert differences(connection) == []
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD


def test_a_new_database_starts_with_the_model_of_the_tutorial(database: Database) -> None:
    (model,) = Models(database, "default").served()
    assert (model.name, model.version, model.state) == ("tutorial_audio_recognition", 1, ModelState.PENDING)


def test_a_deleted_first_model_stays_deleted(tmp_path: Path) -> None:
    first = open_database(url(tmp_path), NOW)
    Models(first, "default").delete("tutorial_audio_recognition", if_exists=False)
    first.close()
    second = open_database(url(tmp_path), NOW)
    assert Models(second, "default").served() == ()
    second.close()


def test_a_database_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_database(url(tmp_path), NOW).close()
    with closing(sqlite3.connect(tmp_path / "metadata.sqlite")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DataError, match="newer release: its revision is 9999") as caught:
        open_database(url(tmp_path), NOW)
    assert "Install the newer release" in caught.value.hint
    with closing(sqlite3.connect(tmp_path / "metadata.sqlite")) as newer:
        assert newer.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "metadata.sqlite")) as other, other:
        other.execute("CREATE TABLE bookmarks (id INTEGER)")
    with pytest.raises(DataError, match="bookmarks"):
        open_database(url(tmp_path), NOW)


def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "metadata.sqlite").write_text("no database at all, only text that goes on for a while" * 50)
    with pytest.raises(DataError, match="damaged"):
        open_database(url(tmp_path), NOW)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"missing/metadata.sqlite cannot be used: unable to open"):
        open_database(f"sqlite:///{tmp_path}/missing/metadata.sqlite", NOW)


@pytest.mark.parametrize("wrong", ["nonsense", "nodatabase://x"])
def test_a_url_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(Unavailable, match="cannot be used"):
        open_database(wrong, NOW)


def test_opening_a_current_database_does_not_load_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from datetime import datetime, UTC\n"
        "from catalog_service.schema.database import open_database\n"
        f"for _ in range(2): open_database({url(tmp_path)!r}, datetime.now(UTC)).close()\n"
        "assert 'alembic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
