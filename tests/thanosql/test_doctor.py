"""`thanosql doctor`: what it says of an installation as it is, and of one in which something is wrong."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from catalog_service.config import CatalogConfig
from catalog_service.doctor import examine as examine_catalog
from catalog_service.schema.database import open_database
from inference_service.config import InferenceConfig
from inference_service.doctor import examine as examine_inference
from query_service.config import QueryConfig
from query_service.doctor import examine as examine_query
from query_service.language.dialect import parse
from query_service.language.tokens import StatementDialect
from thanosql.errors import Unavailable
from thanosql.findings import Finding, Level, examine_folder, examine_packages, examine_peer, examine_port
from thanosql.rpc.server import start_server


def by_subject(findings: object, subject: str) -> Finding:
    (found,) = [each for each in findings if each.subject == subject]  # type: ignore[attr-defined]
    return found


def test_the_command_says_what_is_there_and_ends_with_zero_where_nothing_is_wrong(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("THANOSQL_")}
    for service in ("CATALOG", "INFERENCE", "QUERY"):
        environment[f"THANOSQL_{service}_PORT"] = "0"
    run = subprocess.run(
        [sys.executable, "-m", "thanosql.cli", "doctor", "catalog", "inference", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert {line["place"] for line in lines} == {"this machine", "catalog_service", "inference_service"}
    assert list(tmp_path.iterdir()) == []  # it has looked, and changed nothing


def test_a_setting_that_cannot_be_used_is_told_with_its_variable(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "thanosql.cli", "doctor", "catalog"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "THANOSQL_CATALOG_PORT": "many"},
    )
    assert run.returncode == 1
    assert "FAULT settings: THANOSQL_CATALOG_PORT='many'" in run.stdout


def test_a_port_that_something_else_has_is_a_fault():
    with socket.create_server(("127.0.0.1", 0)) as other:
        config = CatalogConfig(port=other.getsockname()[1])
        (found,) = examine_port(config)
    assert found.level is Level.FAULT
    assert "THANOSQL_CATALOG_PORT" in found.advice


def test_a_service_that_listens_on_its_port_is_fine():
    server = start_server(CatalogConfig(port=0), {})
    try:
        (found,) = examine_port(CatalogConfig(port=server.port))
        (peer,) = examine_peer("catalog_service", server.address, QueryConfig(port=1))
    finally:
        server.stop(0)
    assert (found.level, peer.level) == (Level.FINE, Level.FINE)
    assert "healthy" in peer.text


def test_a_peer_that_is_away_is_a_fault_only_for_a_service_that_runs_or_for_another_machine():
    server = start_server(QueryConfig(port=0), {})
    try:
        (needed,) = examine_peer("catalog_service", "127.0.0.1:1", QueryConfig(port=server.port))
    finally:
        server.stop(0)
    (idle,) = examine_peer("catalog_service", "127.0.0.1:1", QueryConfig(port=2))
    (elsewhere,) = examine_peer("catalog_service", "catalog.invalid:8471", QueryConfig(port=2))
    assert [each.level for each in (needed, idle, elsewhere)] == [Level.FAULT, Level.FINE, Level.FAULT]


def test_a_missing_package_is_told_with_what_installs_it():
    (found,) = examine_packages("trainer", {"no_such_package_here": "no-such-package"})
    assert found.level is Level.FAULT
    assert "thanosql-speech[trainer]" in found.advice


def test_a_file_where_a_folder_should_be_is_a_fault(tmp_path: Path):
    (tmp_path / "state").write_text("")
    (found,) = examine_folder("state folder", tmp_path / "state" / "models")
    assert found.level is Level.FAULT


def test_the_metadata_is_told_as_new_up_to_date_older_newer_or_foreign(tmp_path: Path):
    config = CatalogConfig(state=tmp_path)
    assert by_subject(examine_catalog(config), "metadata").level is Level.FINE
    open_database(config.database_url, datetime.now(UTC)).close()
    assert "as this release wants it" in by_subject(examine_catalog(config), "metadata").text

    def set_revision(revision: str) -> Finding:
        with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
            database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        database.close()
        return by_subject(examine_catalog(config), "metadata")

    assert set_revision("0001").level is Level.NOTE
    assert set_revision("9999").level is Level.FAULT
    (tmp_path / "metadata.sqlite").unlink()
    with sqlite3.connect(tmp_path / "metadata.sqlite") as database:
        database.execute("CREATE TABLE others (a)")
    database.close()
    assert "others" in by_subject(examine_catalog(config), "metadata").text


def test_the_tables_server_is_told_with_its_release(postgres: sa.URL, tmp_path: Path):
    config = CatalogConfig(state=tmp_path, tables=postgres.render_as_string(hide_password=False))
    found = by_subject(examine_catalog(config), "tables")
    assert found.level is Level.FINE
    assert "PostgreSQL" in found.text


def test_a_tables_server_that_is_away_is_a_fault(tmp_path: Path):
    pytest.importorskip("psycopg")
    config = CatalogConfig(state=tmp_path, tables="postgresql://kim:secret@127.0.0.1:1/speech")
    found = by_subject(examine_catalog(config), "tables")
    assert found.level is Level.FAULT
    assert "secret" not in found.text


def test_a_damaged_model_is_noted_with_its_name(tmp_path: Path):
    folder = tmp_path / "models" / "calls" / "3"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{")
    found = by_subject(examine_inference(InferenceConfig(state=tmp_path)), "model calls, version 3")
    assert found.level is Level.NOTE


def test_a_parser_that_cannot_be_extended_is_a_fault_and_is_no_mistake_of_the_users(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise TypeError("interpreted classes cannot inherit from compiled")  # as beside sqlglotc

    monkeypatch.setattr(StatementDialect, "parser", refuse)
    found = by_subject(examine_query(QueryConfig()), "parser")
    assert found.level is Level.FAULT
    assert "pip uninstall sqlglotc" in found.advice
    with pytest.raises(Unavailable, match="sqlglotc"):
        parse("SELECT 1")


def test_a_certificate_that_is_not_there_is_a_fault(tmp_path: Path):
    config = QueryConfig(tls_certificate=tmp_path / "none.pem", tls_key=tmp_path / "none.key")
    assert by_subject(examine_query(config), "TLS").level is Level.FAULT


def test_a_public_port_without_tls_is_noted():
    assert by_subject(examine_query(QueryConfig(host="0.0.0.0")), "TLS").level is Level.NOTE
