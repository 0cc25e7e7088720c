"""Tokens for colleagues, as an administrator's session gives, lists and revokes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from thanosql.errors import InvalidOption
from thanosql.types import Role, TokenInfo

if TYPE_CHECKING:
    from thanosql.clients import QueryClient

NEVER = "never"
_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made."""

    info: TokenInfo
    secret: str = field(repr=False)
    """What its owner sends. It can be had this once."""


class Tokens:
    """The tokens of a server, for its administrators: `session.tokens`.

    Args:
        client: Gives the client of the session's connection.
    """

    def __init__(self, client: Callable[[], QueryClient]) -> None:
        self._client = client

    def create(
        self, name: str, role: Role | str = Role.READER, *, workspace: str = "", expires: str | float = "90d"
    ) -> NewToken:
        """Makes a token.

        Args:
            name: Whose it is, or what for; LIST JOBS shows it.
            role: "reader", "writer" or "admin".
            workspace: To which it opens the way; empty: that of the session. One that is not there yet is made.
            expires: How long it holds: seconds, or "12h", "90d", "never".

        Raises:
            PermissionDenied: the session's own token is no administrator's.
            InvalidOption: there is no such role, or no such span of time.
        """
        info, secret = self._client().create_token(name, read_role(role), workspace, read_seconds(expires))
        return NewToken(info, secret)

    def list(self, workspace: str = "") -> list[TokenInfo]:
        """The tokens of a workspace, or of all; the newest first, expired and revoked ones too."""
        return self._client().list_tokens(workspace)

    def revoke(self, token: str) -> TokenInfo:
        """Ends a token, within some seconds; statements that run go on, and CANCEL JOB stops them.

        Args:
            token: Its id, the first characters of it, or a name that one token has.
        """
        return self._client().revoke_token(token)


def read_role(role: Role | str) -> Role:
    """The role of that name.

    Raises:
        InvalidOption: there is none.
    """
    try:
        return Role(str(role).lower())
    except ValueError:
        raise InvalidOption(f"there is no role {role!r}", hint=f"Choose {', '.join(Role)}.") from None


def read_seconds(span: str | float) -> float:
    """A span of time in seconds; 0: without an end.

    >>> [read_seconds(each) for each in ("90d", "1.5h", 60, "never")]
    [7776000.0, 5400.0, 60.0, 0.0]

    Raises:
        InvalidOption: it is none.
    """
    text = str(span).strip().lower()
    if text == NEVER:
        return 0.0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw]?)", text)
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if not seconds:
        raise InvalidOption(f"{span!r} is no span of time", hint="Give 90d, 12h, 30m, or never.")
    return seconds


def describe_state(token: TokenInfo, now: datetime | None = None) -> str:
    """Whether a token holds, in a word."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= (now or datetime.now(UTC)):
        return "expired"
    return "valid"
