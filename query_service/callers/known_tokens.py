"""Remembers for some seconds what the catalog has said of tokens, so that not every call asks it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from thanosql.errors import Overloaded, ThanoSQLError, TimedOut, Unauthenticated, Unavailable
from thanosql.token_secrets import hash_secret
from thanosql.types import TokenInfo

FRESH_SECONDS = 3.0
"""For so long an answer is believed: a token that is revoked elsewhere ends so much later."""
WITHOUT_CATALOG_SECONDS = 60.0
"""For so long a token that was known goes on while the catalog does not answer."""
MOST_KNOWN = 10_000
"""Answers that are remembered, each of some hundred bytes; beyond it the longest unused ones go."""
MOST_QUESTIONS = 4
"""Unknown tokens that the catalog is asked about at a time: guesses must not take all its threads."""


@dataclass(frozen=True, slots=True)
class _Answer:
    token: TokenInfo | Unauthenticated
    at: float


class KnownTokens:
    """Tokens by the hash of their secret. Any thread may ask.

    Args:
        ask: Asks the catalog whose a secret is; raises `Unauthenticated` where it is nobody's.
        clock: Seconds, never going back.
        now: The moment, in UTC.
    """

    def __init__(
        self, ask: Callable[[str], TokenInfo], clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self._ask, self._clock, self._now = ask, clock, now
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._questions = threading.BoundedSemaphore(MOST_QUESTIONS)

    def find(self, secret: str) -> TokenInfo:
        """Whose a secret is.

        Raises:
            Unauthenticated: nobody's, or it has expired or was revoked.
            Unavailable: it is not known, and the catalog does not answer.
            Overloaded: the catalog is being asked about too many already.
        """
        key = hash_secret(secret)
        with self._lock:
            known = self._answers.get(key)
            if known is not None:
                self._answers.move_to_end(key)
        if known is None or self._clock() - known.at >= FRESH_SECONDS:
            known = self._renew(key, secret, known)
        token = known.token
        if isinstance(token, Unauthenticated):
            raise Unauthenticated(token.message, hint=token.hint)  # one of its own, since tracebacks grow
        if token.expires_at is not None and token.expires_at <= self._now():
            raise Unauthenticated(f"the token {token.name!r} has expired", hint="Ask an administrator for another.")
        return token

    def forget(self) -> None:
        """The catalog is asked anew about every token: one was just revoked."""
        with self._lock:
            self._answers.clear()

    def _renew(self, key: str, secret: str, known: _Answer | None) -> _Answer:
        if not self._questions.acquire(timeout=1.0):
            raise Overloaded("too many tokens are being checked", hint="Try again.", retry_after=1.0)
        try:
            answer = self._question(secret, known)
        finally:
            self._questions.release()
        with self._lock:
            self._answers[key] = answer
            self._answers.move_to_end(key)
            while len(self._answers) > MOST_KNOWN:
                self._answers.popitem(last=False)
        return answer

    def _question(self, secret: str, known: _Answer | None) -> _Answer:
        begin = self._clock()
        try:
            return _Answer(self._ask(secret), begin)
        except Unauthenticated as error:
            if error.by_transport:  # the catalog refuses this service: nothing is said of the token
                raise Unavailable("tokens cannot be checked: the catalog does not believe this service") from error
            return _Answer(Unauthenticated(error.message, hint=error.hint), begin)
        except (Unavailable, TimedOut) as error:
            if known is not None and begin - known.at < WITHOUT_CATALOG_SECONDS:
                return known
            raise _cannot_check(error) from error


def _cannot_check(error: ThanoSQLError) -> Unavailable:
    return Unavailable(
        f"the token cannot be checked: {error.message}",
        hint="It may well be right. Try again when the catalog is back.",
        retry_after=2.0,
    )
