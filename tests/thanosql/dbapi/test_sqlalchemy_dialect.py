"""SQLAlchemy, its ORM and pandas over `thanosql://`, with a session in local mode behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry

from catalog_service.__main__ import start as start_catalog
from catalog_service.config import CatalogConfig
from query_service.__main__ import start as start_query
from query_service.config import QueryConfig
from tests.certificates import make_authority
from thanosql import Session
from thanosql.sqlalchemy_dialect.addresses import read_address

registry.register("thanosql", "thanosql.sqlalchemy_dialect", "ThanoSQLDialect")


@pytest.fixture(scope="module")
def engine(session: Session, workspace: Path) -> Iterator[sa.Engine]:
    """An engine that joins the services of the session."""
    engine = sa.create_engine(f"thanosql:///{workspace}")
    yield engine
    engine.dispose()


def test_a_data_frame_comes_back_as_it_went(engine: sa.Engine) -> None:
    frame = pd.DataFrame(
        {"id": [1, 2], "text": ["가 ':x", "it's"], "a b": [0.5, 1.5], "a_b": [7, 8], "2-x%": ["p", "q"]}
    )
    frame.to_sql("frames", engine, index=False, if_exists="replace")
    pd.testing.assert_frame_equal(pd.read_sql("frames", engine), frame, check_dtype=False)
    found = pd.read_sql(sa.text("SELECT text FROM frames WHERE id = :id"), engine, params={"id": 2})
    assert list(found["text"]) == ["it's"]


def test_a_table_of_sqlalchemy_is_made_filled_joined_and_changed(engine: sa.Engine) -> None:
    metadata = sa.MetaData()
    people = sa.Table(
        "People", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(9))
    )
    metadata.drop_all(engine)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(people), [{"id": 1, "name": "Änne"}, {"id": 2, "name": "Bo"}])
        assert connection.execute(sa.update(people).where(people.c.id == 2).values(name="Ben")).rowcount == 1
        other = people.alias()
        joined = sa.select(people.c.name).join(other, other.c.id == people.c.id).where(people.c.name.ilike("b%"))
        assert connection.execute(joined.order_by(people.c.id).limit(5).offset(0)).all() == [("Ben",)]


def test_tables_and_columns_are_reflected(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)
    assert inspector.has_table("librispeech_train")
    assert not inspector.has_table("librispeech_trial")
    assert inspector.get_pk_constraint("librispeech_train")["constrained_columns"] == []
    assert {each["name"]: str(each["type"]) for each in inspector.get_columns("librispeech_train")}["text"] == "TEXT"
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("librispeech_trial")


def test_a_column_with_a_server_default_is_refused(engine: sa.Engine) -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer, server_default="1"))
    with pytest.raises(sa.exc.CompileError, match="values by itself"):
        table.create(engine)


def test_predict_is_read_by_pandas(engine: sa.Engine) -> None:
    text = "PREDICT USING tutorial_audio_recognition AS SELECT audio_path FROM librispeech_test LIMIT 1"
    assert list(pd.read_sql(sa.text(text), engine).columns) == ["audio_path", "predicted"]


@pytest.fixture(params=["duckdb", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a server with TLS and a token, whose tables are in either store."""
    tables = ""
    if request.param == "postgres":
        tables = request.getfixturevalue("postgres_database")().render_as_string(hide_password=False)
    authority = make_authority(tmp_path / "authority")
    certificate, key = authority.sign("server")
    common = {"port": 0, "token": "secret", "workspace": tmp_path / "files", "state": tmp_path / "state", "grace": 0.5}
    common["workspace"].mkdir()
    with ExitStack() as opened:
        catalog = start_catalog(CatalogConfig(**common, tables=tables))
        opened.callback(catalog.stop)
        query = start_query(QueryConfig(**common, catalog=catalog.address, tls_certificate=certificate, tls_key=key))
        opened.callback(query.stop)
        yield f"thanosql://:{{token}}@localhost:{query.port}?ca={authority.certificate}"


def test_a_server_is_reached_through_tls_by_its_token(server: str) -> None:
    engine = sa.create_engine(server.format(token="secret"))
    frame = pd.DataFrame({"id": [1, 2], "text": ["가 ':x", "it's"], "seconds": [0.5, 1.5]})
    frame.to_sql("frames", engine, index=False)
    pd.testing.assert_frame_equal(pd.read_sql("SELECT * FROM frames ORDER BY id", engine), frame, check_dtype=False)
    found = pd.read_sql(sa.text("SELECT text FROM frames WHERE text = :text"), engine, params={"text": "가 ':x"})
    assert list(found["text"]) == ["가 ':x"]
    assert sa.inspect(engine).get_table_names() == ["frames"]
    engine.dispose()
    stranger = sa.create_engine(server.format(token="wrong"))
    with pytest.raises(sa.exc.OperationalError, match="token"):
        stranger.connect()


def test_an_address_names_host_token_workspace_and_tls() -> None:
    url = sa.make_url("thanosql://:secret@host:9000/calls?tls=true&ca=a.pem")
    expected = {"address": "host:9000", "token": "secret", "workspace": "calls", "tls": True, "ca": "a.pem"}
    assert read_address(url) == expected
    with pytest.raises(sa.exc.ArgumentError, match="behind a colon"):
        read_address(sa.make_url("thanosql://secret@host"))
