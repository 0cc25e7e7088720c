"""Decides about tokens: what one may be called, how long it holds, and which of them is meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from thanosql.errors import DataError, NotFound, PermissionDenied, Unauthenticated
from thanosql.types import Role, TokenInfo
from thanosql.workspace import check_name

LONGEST_NAME = 100
"""Characters of a token's name."""
LONGEST_SECONDS = 3650 * 86_400.0
LEAST_CHARACTERS = 4
"""Of an id that make it known, where no other begins with them."""
USED_WITHIN = 60.0
"""Seconds within which another use is not written down: most calls must not cost a write."""


def make_token(id: str, name: str, role: Role, workspace: str, seconds: float, now: datetime) -> TokenInfo:
    """A new token.

    Args:
        id: Which no other token has.
        name: Whose it is, or what for: one line.
        role: What it allows.
        workspace: Where.
        seconds: How long it holds; 0: until it is revoked.
        now: The moment.

    Raises:
        DataError: the name cannot be shown in a line, or the time makes no sense.
        InvalidOption: that is no name of a workspace.
    """
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        raise DataError(
            f"{name[:LONGEST_NAME]!r} cannot be the name of a token",
            hint=f"Say whose it is or what for, in one line of at most {LONGEST_NAME} characters.",
        )
    if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_SECONDS:
        raise DataError(
            f"a token cannot hold for {seconds:g} seconds", hint="Give up to ten years, or 0: until it is revoked."
        )
    expires_at = now + timedelta(seconds=seconds) if seconds else None
    return TokenInfo(id, name.strip(), role, check_name(workspace), created_at=now, expires_at=expires_at)


def check(token: TokenInfo | None, now: datetime) -> TokenInfo:
    """The token, where it holds.

    Raises:
        Unauthenticated: it is none, has expired, or was revoked.
    """
    if token is None:
        raise Unauthenticated("the token is wrong: this server has given none like it", hint=ASK)
    if token.revoked_at is not None:
        raise Unauthenticated(f"the token {token.name!r} was revoked on {_day(token.revoked_at)}", hint=ASK)
    if token.expires_at is not None and token.expires_at <= now:
        raise Unauthenticated(f"the token {token.name!r} has expired on {_day(token.expires_at)}", hint=ASK)
    return token


ASK = "Ask an administrator for another (thanosql token create), and give it with %thanosql API_TOKEN=… or token=…."


def check_grant(giver: Role, given: Role) -> None:
    """Raises `PermissionDenied` where who has the one role would give the other away."""
    if not giver.includes(given):
        raise PermissionDenied(f"the role {giver.value} gives no tokens of the role {given.value}")


def is_use_news(token: TokenInfo, now: datetime) -> bool:
    """Whether a use is to be written down."""
    return token.used_at is None or (now - token.used_at).total_seconds() >= USED_WITHIN or now < token.used_at


def find_meant(text: str, tokens: Sequence[TokenInfo]) -> TokenInfo:
    """The token whose id is `text`, or begins so, or which alone of those not revoked has this name.

    Raises:
        NotFound: there is none, or more than one.
    """
    exact = [each for each in tokens if each.id == text]
    begins = [each for each in tokens if len(text) >= LEAST_CHARACTERS and each.id.startswith(text)]
    named = [each for each in tokens if each.name == text]
    living = [each for each in named if each.revoked_at is None]
    meant = exact or living or named or begins
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise NotFound(f"there is no token {text!r}", hint="thanosql token list shows them: give the id or the name.")
    ids = ", ".join(each.id for each in meant[:5])
    raise NotFound(f"{len(meant)} tokens are called {text!r}, or begin so", hint=f"Give the id of one: {ids}.")


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
