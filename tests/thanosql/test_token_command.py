"""`thanosql token`: as an administrator would use it, with services of one's own in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from thanosql.errors import InvalidOption
from thanosql.token_secrets import is_whole
from thanosql.tokens import NewToken, describe_state, read_role, read_seconds
from thanosql.types import Role, TokenInfo

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("THANOSQL_")}
    return subprocess.run(
        [sys.executable, "-m", "thanosql.cli", "token", *arguments, "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )


def test_a_token_is_made_listed_and_revoked_and_its_secret_shown_once(tmp_path: Path) -> None:
    made = command(tmp_path, "create", "kim", "--role", "writer", "--expires", "12h")
    secret = made.stdout.strip()
    assert is_whole(secret)
    assert "shown this once" in made.stderr
    assert secret not in made.stderr
    revoked = command(tmp_path, "revoke", "kim")
    assert revoked.stdout.startswith("The token 'kim'")
    listed = command(tmp_path, "list")
    heading, row = listed.stdout.splitlines()
    assert heading.split() == ["id", "name", "role", "workspace", "state", "expires", "used"]
    assert row.split()[1:5] == ["kim", "writer", "default", "revoked"]
    assert secret not in listed.stdout + revoked.stdout
    assert [file for file in tmp_path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()] == []


@pytest.mark.parametrize("span", ["", "soon", "-1d", "0", "1y", "nan"])
def test_what_is_no_span_of_time_is_refused(span: str) -> None:
    with pytest.raises(InvalidOption, match="no span of time"):
        read_seconds(span)


def test_roles_are_named_where_there_is_none_of_a_name() -> None:
    assert read_role("Writer") is Role.WRITER
    with pytest.raises(InvalidOption) as caught:
        read_role("owner")
    assert caught.value.hint == "Choose reader, writer, admin."


def test_the_state_of_a_token_is_a_word() -> None:
    token = TokenInfo("a", "kim", Role.READER, "default", expires_at=NOW)
    assert describe_state(token, NOW) == "expired"
    assert describe_state(TokenInfo("a", "kim", Role.READER, "default"), NOW) == "valid"
    assert describe_state(TokenInfo("a", "kim", Role.READER, "default", revoked_at=NOW), NOW) == "revoked"


def test_the_secret_of_a_new_token_is_not_shown_by_accident() -> None:
    assert "thanosql_x" not in repr(NewToken(TokenInfo("a", "kim", Role.READER, "default"), "thanosql_x"))
