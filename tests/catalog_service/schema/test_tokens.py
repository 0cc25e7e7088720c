"""Tokens in the metadata: given, found by their secret, revoked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from catalog_service.schema.database import Database
from catalog_service.schema.tokens import Tokens
from thanosql.errors import NotFound, Unauthenticated
from thanosql.types import Role


def test_a_secret_finds_its_token_and_no_other(database: Database, now: datetime) -> None:
    tokens = Tokens(database)
    kim, secret = tokens.create("kim", Role.READER, "default", 3_600, now)
    lee, other = tokens.create("lee", Role.WRITER, "team", 0, now)
    assert (tokens.check(secret, now).id, tokens.check(other, now).id) == (kim.id, lee.id)
    assert (lee.role, lee.workspace, lee.expires_at) == (Role.WRITER, "team", None)
    for wrong in ("", kim.id, secret[:-1], secret + " "):
        with pytest.raises(Unauthenticated):
            tokens.check(wrong, now)


def test_the_secret_stands_nowhere_in_the_metadata(database: Database, now: datetime) -> None:
    _, secret = Tokens(database).create("kim", Role.READER, "default", 0, now)
    with database.read() as connection:
        kept = [str(row) for row in connection.execute(sa.text("SELECT * FROM tokens"))]
    assert len(kept) == 1
    assert secret not in kept[0]


def test_a_revoked_token_ends_and_is_still_listed(database: Database, now: datetime) -> None:
    tokens = Tokens(database)
    kim, secret = tokens.create("kim", Role.READER, "default", 0, now)
    revoked = tokens.revoke("kim", now)
    assert revoked.revoked_at == now
    assert tokens.revoke(kim.id, now + timedelta(days=1)) == revoked  # the first end counts
    assert tokens.newest_first() == (revoked,)
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.check(secret, now)
    with pytest.raises(NotFound):
        tokens.revoke("nobody", now)


def test_an_expired_token_ends(database: Database, now: datetime) -> None:
    tokens = Tokens(database)
    _, secret = tokens.create("kim", Role.READER, "default", 60, now)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.check(secret, now + timedelta(seconds=60))


def test_about_when_a_token_was_used_is_kept(database: Database, now: datetime) -> None:
    tokens = Tokens(database)
    _, secret = tokens.create("kim", Role.READER, "default", 0, now)
    assert [each.used_at for each in tokens.newest_first()] == [None]
    for seconds in (0, 30, 90, 100):
        tokens.check(secret, now + timedelta(seconds=seconds))
    assert [each.used_at for each in tokens.newest_first()] == [now + timedelta(seconds=90)]


def test_the_newest_token_comes_first_and_a_workspace_has_its_own(database: Database, now: datetime) -> None:
    tokens = Tokens(database)
    for place, (name, workspace) in enumerate((("a", "default"), ("b", "team"), ("c", "default"))):
        tokens.create(name, Role.READER, workspace, 0, now + timedelta(seconds=place))
    assert [each.name for each in tokens.newest_first()] == ["c", "b", "a"]
    assert [each.name for each in tokens.newest_first("team")] == ["b"]
