"""Speech recognition through SQL.

    >>> import thanosql
    >>> session = thanosql.connect()                                      # doctest: +SKIP
    >>> session.sql("SELECT 1 AS one").to_pandas()                        # doctest: +SKIP

`connect` opens a `Session`, `Session.sql` gives a `Result`, and what goes wrong is a `ThanoSQLError`
(`thanosql.errors`). In a notebook: `%load_ext thanosql`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from thanosql.errors import Cancelled, ThanoSQLError

if TYPE_CHECKING:
    from thanosql.connection import connect
    from thanosql.result import Result
    from thanosql.session import Session

__all__ = ["Cancelled", "Result", "Session", "ThanoSQLError", "connect", "load_ipython_extension"]

# Loaded when first named, so that `import thanosql` costs next to nothing (gRPC and Arrow are behind them).
_LATER = {"connect": "thanosql.connection", "Result": "thanosql.result", "Session": "thanosql.session"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'thanosql' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(ipython: Any) -> None:
    """Called by `%load_ext thanosql`: adds `%thanosql` and `%%thanosql`."""
    from thanosql.notebook.magic import load

    load(ipython)
