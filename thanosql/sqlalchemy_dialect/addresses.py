"""What an address of SQLAlchemy says: `thanosql://:token@host:8470/workspace?tls=true`, `thanosql:///folder`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import URL

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_address(url: URL) -> dict[str, Any]:
    """The arguments of `thanosql.dbapi.connect`.

    With a host, what follows it is the name of the server's workspace. Without one it is the folder of a workspace in
    local mode: `thanosql:///calls` is the folder calls in the current one, `thanosql:////srv/calls` is /srv/calls.
    `thanosql://` alone goes where `thanosql.connect()` goes. In the query: `tls=true`, `ca=file`, `state=folder`,
    `timeout=seconds`.

    Raises:
        sqlalchemy.exc.ArgumentError: a part of it has no meaning.
    """
    if url.username:
        raise exc.ArgumentError(
            "a server knows callers by their tokens, not by names: put the token behind a colon, as in "
            "thanosql://:token@host:8470/workspace"
        )
    arguments: dict[str, Any] = {}
    if url.host:
        host = f"[{url.host}]" if ":" in url.host else url.host
        arguments["address"] = f"{host}:{url.port}" if url.port else host
    if url.password:
        arguments["token"] = str(url.password)
    if url.database:
        arguments["workspace"] = url.database
    for name, value in url.query.items():
        if not isinstance(value, str) or name not in ("tls", "ca", "state", "timeout"):
            raise exc.ArgumentError(
                f"{name!r} has no meaning in the address; there are tls, ca, state and timeout, each once"
            )
        arguments[name] = _read(name, value)
    return arguments


def _read(name: str, value: str) -> str | bool | float:
    try:
        if name == "tls":
            return _TRUTHS[value.lower()]
        return float(value) if name == "timeout" else value
    except (KeyError, ValueError):
        wanted = "true or false" if name == "tls" else "a number of seconds"
        raise exc.ArgumentError(f"{name}={value} in the address: {wanted} is expected") from None
