"""Log lines that name their request: one id from the client through every service, in the text or as JSON.

The id comes with a call's metadata or is made where the call arrives, is sent back at its end, and goes along with
every call that is made on its behalf. What is done for a statement has the statement's query id for it, and says so in
a field of its own; where calls are traced, each line names its trace and span too.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from thanosql.errors import InvalidOption
from thanosql.rpc.spans import current_trace

if TYPE_CHECKING:
    from thanosql.configuration import ServiceConfig

METADATA_KEY = "x-request-id"
"""Name of the id in a call's metadata, both ways."""

QUERY_KEY = "thanosql-query-id"
"""Name of the query id in the metadata of calls between services."""

_SANE = re.compile(r"[A-Za-z0-9._:-]{1,100}")

_current: ContextVar[str] = ContextVar("request_id", default="")
_query: ContextVar[str] = ContextVar("query_id", default="")


def current_request_id() -> str:
    """The id of the request that this thread or task works for; empty: none."""
    return _current.get()


def set_request_id(request_id: str) -> None:
    """From here on, this thread or task works for that request; under a new id where that one is not sane."""
    _current.set(request_id if not request_id or is_sane(request_id) else new_request_id())


def current_query_id() -> str:
    """The id of the query that this thread or task works for; empty: none."""
    return _query.get()


def set_query_id(query_id: str) -> None:
    """From here on, this thread or task works for that query."""
    _query.set(query_id if is_sane(query_id) else "")


def read_query_id(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The id of the query that a call is made for; empty: none."""
    return next((str(value) for key, value in metadata or () if key == QUERY_KEY), "")


def is_sane(request_id: str) -> bool:
    """Whether an id can go with a call, and into the log: whatever is logged must stay one line."""
    return _SANE.fullmatch(request_id) is not None


def new_request_id() -> str:
    """An id that no other request has."""
    return os.urandom(6).hex()


def read_request_id(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The id that came with a call, where it is sane; else a new one."""
    for key, value in metadata or ():
        if key == METADATA_KEY and isinstance(value, str) and is_sane(value):
            return value
    return new_request_id()


class RequestFilter(logging.Filter):
    """Gives every line the fields of `IDS`; `request_id` is "-" where it belongs to none, the others are empty then."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every line through."""
        record.request_id = current_request_id() or "-"
        record.query_id = current_query_id()
        record.trace_id, record.span_id = current_trace()
        return True


IDS = ("request_id", "query_id", "trace_id", "span_id")
"""Fields of a line that say what it belongs to."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line.

    Args:
        service: Name of the service.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            **{name: value for name in IDS if (value := getattr(record, name, ""))},
            "message": record.getMessage(),
        }
        # What an access line is made of, for those who count and filter.
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(config: ServiceConfig) -> None:
    """Sends the log of this process to its standard error, as the settings want it.

    Raises:
        InvalidOption: there is no such format or level.
    """
    formats: dict[str, logging.Formatter] = {
        "text": logging.Formatter(f"%(asctime)s {config.service} %(levelname)s [%(request_id)s] %(message)s"),
        "json": JsonFormatter(config.service),
    }
    if config.log_format not in formats:
        raise InvalidOption(f"the log format {config.log_format!r} is unknown", hint="Choose text or json.")
    if config.log_level not in logging.getLevelNamesMapping():
        raise InvalidOption(
            f"the log level {config.log_level!r} is unknown", hint="Choose DEBUG, INFO, WARNING or ERROR."
        )
    writer = logging.StreamHandler()
    writer.setFormatter(formats[config.log_format])
    writer.addFilter(RequestFilter())
    logging.basicConfig(level=config.log_level, handlers=[writer], force=True)
