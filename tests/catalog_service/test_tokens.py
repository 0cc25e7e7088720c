"""The rules of tokens: names, how long they hold, and which one is meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog_service import tokens as rules
from thanosql.errors import DataError, InvalidOption, NotFound, PermissionDenied, Unauthenticated
from thanosql.token_secrets import hash_secret, is_whole, make_secret
from thanosql.types import Role, TokenInfo

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOKEN = rules.make_token("4f2e91ab0c11", "kim", Role.READER, "default", 3_600, NOW)


def test_a_token_holds_until_the_second_at_which_it_expires() -> None:
    assert rules.check(TOKEN, NOW + timedelta(seconds=3_599)) is TOKEN
    with pytest.raises(Unauthenticated, match="'kim' has expired on 2026-03-01 13:00 UTC") as caught:
        rules.check(TOKEN, NOW + timedelta(hours=1))
    assert "thanosql token create" in caught.value.hint


def test_a_revoked_token_is_told_from_one_that_never_was() -> None:
    with pytest.raises(Unauthenticated, match="was revoked"):
        rules.check(replace(TOKEN, revoked_at=NOW), NOW)
    with pytest.raises(Unauthenticated, match="has given none like it"):
        rules.check(None, NOW)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "a\x1b[31m", "x" * 101])
def test_a_name_that_cannot_stand_in_one_line_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="cannot be the name"):
        rules.make_token("a", name, Role.READER, "default", 0, NOW)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e12])
def test_a_time_that_makes_no_sense_is_refused(seconds: float) -> None:
    with pytest.raises(DataError, match="cannot hold for"):
        rules.make_token("a", "kim", Role.READER, "default", seconds, NOW)


def test_a_workspace_has_a_name_that_can_be_a_folder() -> None:
    with pytest.raises(InvalidOption):
        rules.make_token("a", "kim", Role.READER, "../other", 0, NOW)


def test_nobody_gives_more_than_he_has() -> None:
    rules.check_grant(Role.ADMIN, Role.ADMIN)
    with pytest.raises(PermissionDenied):
        rules.check_grant(Role.WRITER, Role.ADMIN)


def test_uses_within_a_minute_are_written_down_once() -> None:
    used = replace(TOKEN, used_at=NOW)
    assert rules.is_use_news(TOKEN, NOW)
    assert not rules.is_use_news(used, NOW + timedelta(seconds=59))
    assert rules.is_use_news(used, NOW + timedelta(seconds=60))
    assert rules.is_use_news(used, NOW - timedelta(days=1))  # the clock was set back


def test_a_token_is_meant_by_its_id_the_beginning_of_that_or_its_name() -> None:
    tokens = [TOKEN, TokenInfo("4f2effff0000", "lee", Role.READER, "default")]
    assert [rules.find_meant(text, tokens).name for text in ("4f2e91ab0c11", "4f2e9", "kim")] == ["kim"] * 3
    with pytest.raises(NotFound, match="2 tokens"):
        rules.find_meant("4f2e", tokens)
    for text in ("4f2", "nobody", ""):
        with pytest.raises(NotFound, match="there is no token"):
            rules.find_meant(text, tokens)


def test_of_several_tokens_of_a_name_the_one_that_is_not_revoked_is_meant() -> None:
    old = replace(TOKEN, id="aaaabbbbcccc", revoked_at=NOW)
    assert rules.find_meant("kim", [old, TOKEN]) is TOKEN
    with pytest.raises(NotFound, match="2 tokens"):
        rules.find_meant("kim", [replace(TOKEN, id="aaaabbbbcccc"), TOKEN])


def test_secrets_differ_are_recognisable_and_tell_typing_errors() -> None:
    secret = make_secret()
    assert secret.startswith("thanosql_")
    assert secret != make_secret()
    assert is_whole(secret)
    cut, swapped = secret[:-1], secret[:12] + ("a" if secret[12] != "a" else "b") + secret[13:]
    assert not any(is_whole(each) for each in (cut, swapped, "", "secret", secret + "\n", secret.upper()))


def test_what_is_kept_of_a_secret_is_its_sha256() -> None:
    assert hash_secret("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
