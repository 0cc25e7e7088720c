"""What is remembered of tokens, and for how long, with time that the test passes in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from query_service.callers.known_tokens import FRESH_SECONDS, WITHOUT_CATALOG_SECONDS, KnownTokens
from thanosql.errors import ThanoSQLError, Unauthenticated, Unavailable
from thanosql.types import Role, TokenInfo

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Catalog:
    """Answers as a test wants it, at the time that it says."""

    def __init__(self) -> None:
        self.asked = 0
        self.seconds = 0.0
        self.answer: TokenInfo | ThanoSQLError = TokenInfo("a", "kim", Role.READER, "default")
        self.tokens = KnownTokens(self._ask, lambda: self.seconds, lambda: NOW + timedelta(seconds=self.seconds))

    def _ask(self, secret: str) -> TokenInfo:
        self.asked += 1
        if isinstance(self.answer, ThanoSQLError):
            raise self.answer
        return self.answer


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


def test_a_token_is_asked_about_once_in_some_seconds(catalog: Catalog) -> None:
    for seconds in (0.0, 1.0, FRESH_SECONDS - 0.1):
        catalog.seconds = seconds
        assert catalog.tokens.find("s").name == "kim"
    assert catalog.asked == 1
    catalog.seconds = FRESH_SECONDS
    catalog.tokens.find("s")
    assert catalog.asked == 2


def test_a_token_that_is_revoked_elsewhere_ends_within_seconds(catalog: Catalog) -> None:
    catalog.tokens.find("s")
    catalog.answer = Unauthenticated("revoked")
    catalog.tokens.find("s")
    catalog.seconds = FRESH_SECONDS
    with pytest.raises(Unauthenticated, match="revoked"):
        catalog.tokens.find("s")


def test_one_that_is_revoked_here_ends_at_once(catalog: Catalog) -> None:
    catalog.tokens.find("s")
    catalog.answer = Unauthenticated("revoked")
    catalog.tokens.forget()
    with pytest.raises(Unauthenticated):
        catalog.tokens.find("s")


def test_a_wrong_token_costs_the_catalog_one_question_in_some_seconds(catalog: Catalog) -> None:
    catalog.answer = Unauthenticated("nobody's", hint="ask")
    for _ in range(5):
        with pytest.raises(Unauthenticated, match="nobody's") as caught:
            catalog.tokens.find("s")
        assert caught.value.hint == "ask"
    assert catalog.asked == 1


def test_a_known_token_goes_on_for_a_while_without_the_catalog(catalog: Catalog) -> None:
    catalog.tokens.find("s")
    catalog.answer = Unavailable("catalog_service is away")
    catalog.seconds = WITHOUT_CATALOG_SECONDS - 1
    assert catalog.tokens.find("s").name == "kim"
    catalog.seconds = WITHOUT_CATALOG_SECONDS
    with pytest.raises(Unavailable, match="cannot be checked: catalog_service is away"):
        catalog.tokens.find("s")


def test_an_unknown_token_is_not_called_wrong_without_the_catalog(catalog: Catalog) -> None:
    catalog.answer = Unavailable("catalog_service is away")
    with pytest.raises(Unavailable, match="cannot be checked") as caught:
        catalog.tokens.find("s")
    assert caught.value.retry_after == 2.0


def test_a_token_that_expires_between_two_questions_ends_on_time(catalog: Catalog) -> None:
    catalog.answer = TokenInfo("a", "kim", Role.READER, "default", expires_at=NOW + timedelta(seconds=1))
    catalog.tokens.find("s")
    catalog.seconds = 1.0
    with pytest.raises(Unauthenticated, match="'kim' has expired"):
        catalog.tokens.find("s")
    assert catalog.asked == 1


def test_no_more_is_remembered_than_there_is_room_for(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("query_service.callers.known_tokens.MOST_KNOWN", 3)
    for secret in ("a", "b", "c", "a", "d", "a"):
        catalog.tokens.find(secret)
    assert catalog.asked == 4
    catalog.tokens.find("b")
    assert catalog.asked == 5
