"""On whose behalf a call is made: a workspace and a role, from the query service through every service behind it.

The query service learns them from the caller's token. The services behind it believe what their peers say of the
workspace, because nobody else knows the installation's secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from thanosql.errors import InvalidOption
from thanosql.types import Role
from thanosql.workspace import DEFAULT_WORKSPACE, check_name

WORKSPACE_KEY = "thanosql-workspace"
"""Name of the workspace in the metadata of calls between services; absent: the default one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a call is made for."""

    workspace: str = DEFAULT_WORKSPACE
    role: Role = Role.ADMIN
    token: str = ""
    """Id of the token that was sent; empty: the installation's secret, or none was asked for."""
    name: str = ""
    """Name of that token."""
    is_peer: bool = False
    """Another service of the installation, or whoever else knows its secret."""
    peer: str = ""
    """The address that the call came from, as gRPC names it."""


_NOBODY_ELSE = Identity()
_current: ContextVar[Identity] = ContextVar("identity", default=_NOBODY_ELSE)


def current_identity() -> Identity:
    """Whom this thread or task works for."""
    return _current.get()


def set_identity(identity: Identity) -> None:
    """From here on, this thread or task works for that one."""
    _current.set(identity)


@contextmanager
def working_for(workspace: str) -> Iterator[None]:
    """Within it, this thread works for a workspace: what a service does on its own, such as a queued job."""
    before = _current.set(Identity(workspace or DEFAULT_WORKSPACE))
    try:
        yield
    finally:
        _current.reset(before)


def read_workspace(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The workspace that a call from another service is for.

    Raises:
        InvalidOption: what was sent is no name of a workspace.
    """
    for key, value in metadata or ():
        if key == WORKSPACE_KEY:
            if not isinstance(value, str):
                raise InvalidOption(f"{WORKSPACE_KEY} is not text")
            return check_name(value)
    return DEFAULT_WORKSPACE
