"""`thanosql secrets`: what an installation in containers begins with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from thanosql import ThanoSQLError
from thanosql.commands.secrets import make_secrets


def test_the_addresses_of_the_databases_have_the_login_with_its_password(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    password = (tmp_path / "secrets" / "database_password").read_text("utf-8")
    for database in ("metadata", "tables"):
        url = sa.make_url((tmp_path / "secrets" / f"{database}_url").read_text("utf-8"))
        assert (url.username, url.password, url.host, url.database) == ("thanosql", password, "postgres", database)


def test_nobody_else_on_the_machine_may_enter_the_folder(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("mine", "utf-8")
    made = make_secrets(tmp_path)
    assert "token" not in made
    assert (tmp_path / "token").read_text("utf-8") == "mine"
    assert make_secrets(tmp_path) == []


def test_no_two_installations_have_the_same_secrets(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_secrets(tmp_path / name)
    for secret in ("token", "postgres_password", "database_password"):
        assert (tmp_path / "one" / secret).read_bytes() != (tmp_path / "two" / secret).read_bytes()


def test_a_folder_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ThanoSQLError, match="secrets cannot be written"):
        make_secrets(tmp_path / "file" / "secrets")
