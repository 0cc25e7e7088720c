"""Finds out who calls, from the token that comes with a call."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import grpc

from query_service.callers.known_tokens import KnownTokens
from query_service.config import QueryConfig
from thanosql.clients import CatalogClient
from thanosql.errors import PermissionDenied, Unauthenticated
from thanosql.rpc.calls import is_same, read_token, refusal
from thanosql.rpc.channel import open_channel
from thanosql.rpc.identity import WORKSPACE_KEY, Identity, current_identity, read_workspace
from thanosql.rpc.telemetry import find_tracing
from thanosql.token_secrets import PREFIX, is_whole
from thanosql.types import Role, TokenInfo


class Callers:
    """Knows who calls. Where the installation has no secret, everybody may do everything.

    Args:
        config: The secret, and where the catalog is.
    """

    def __init__(self, config: QueryConfig) -> None:
        self._secret = config.token
        # A channel of its own: those that queries have are closed to stop them.
        self._channel = open_channel(config.catalog, config.token, find_tracing(config))
        self._catalog = CatalogClient(self._channel, config.catalog)
        self.tokens = KnownTokens(self._catalog.check_token, time.monotonic, lambda: datetime.now(UTC))

    def identify(self, details: grpc.HandlerCallDetails) -> Identity:
        """Who makes a call.

        Raises:
            Unauthenticated: no token, or one that is wrong, has expired or was revoked.
            PermissionDenied: the token is for another workspace than the call.
            Unavailable: the catalog does not answer, and the token is not known.
        """
        sent = read_token(details)
        if not self._secret or is_same(sent, self._secret):
            return Identity(read_workspace(details.invocation_metadata), is_peer=True)
        check_form(sent)
        token = self.tokens.find(sent)
        workspace = token.workspace
        if any(key == WORKSPACE_KEY for key, _ in details.invocation_metadata or ()):
            workspace = read_workspace(details.invocation_metadata)
            check_workspace(token.name, token.role, token.workspace, workspace)
        return Identity(workspace, token.role, token.id, token.name)

    def create(self, name: str, role: Role, workspace: str, seconds: float) -> tuple[TokenInfo, str]:
        """A new token and its secret; see `CatalogClient.create_token`."""
        return self._catalog.create_token(name, role, workspace or current_identity().workspace, seconds)

    def list(self, workspace: str) -> list[TokenInfo]:
        """The tokens of a workspace, or of all."""
        return self._catalog.list_tokens(workspace)

    def revoke(self, token: str) -> TokenInfo:
        """Ends a token, here at once, in other query services when they ask again."""
        revoked = self._catalog.revoke_token(token)
        self.tokens.forget()
        return revoked

    def close(self) -> None:
        """Closes the channel to the catalog."""
        self._channel.close()


def check_form(sent: str) -> None:
    """Turns away what cannot be a token of any server, without asking anybody.

    Raises:
        Unauthenticated: it is missing, of another kind, or mistyped.
    """
    if is_whole(sent):
        return
    if sent.startswith(PREFIX):
        raise Unauthenticated(
            "the token is mistyped or not whole: its last characters do not fit the others",
            hint=f"Copy all of it, from {PREFIX} to the end.",
        )
    raise refusal()


def check_workspace(name: str, role: Role, own: str, asked: str) -> None:
    """Returns where a token may be used for a workspace: its own, or any if it is an administrator's.

    Raises:
        PermissionDenied: it may not.
    """
    if asked != own and not role.includes(Role.ADMIN):
        raise PermissionDenied(
            f"the token {name!r} is for the workspace {own}, not for {asked}",
            hint="Leave the workspace out, or ask an administrator for a token of that one.",
        )
