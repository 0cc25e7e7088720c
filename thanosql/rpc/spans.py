"""Pieces of work as spans of the trace that a thread or task works for; nothing at all where nothing is traced.

`with span("parse"):` stands wherever there is work worth telling apart. Which tracing it goes to, if any, comes with
the call that the work is done for, so that it need not be passed along.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from thanosql.rpc.telemetry import Tracing

Value = str | int | float | bool

CURRENT: ContextVar[Tracing | None] = ContextVar("tracing", default=None)
"""Where the spans of this thread or task go; None: nowhere."""


class OpenSpan:
    """A piece of work that is being done."""

    def __init__(self, span: Span | None = None) -> None:
        self._span = span

    @property
    def is_recorded(self) -> bool:
        """Whether anybody is told of it: what is costly to find out need not be found out otherwise."""
        return self._span is not None and self._span.is_recording()

    def set(self, name: str, value: Value) -> None:
        """Something that is known of it now."""
        if self._span is not None:
            self._span.set_attribute(name, value)


_NOT_TRACED = OpenSpan()


@contextmanager
def span(name: str, attributes: Mapping[str, Value] | None = None) -> Iterator[OpenSpan]:
    """The work inside is a span of the current trace, and the parent of the spans in it.

    Of an error only the kind is told: messages may hold what users wrote.

    Args:
        name: Few values: "epoch", not "epoch 3".
        attributes: What tells it from others of its name.
    """
    tracing = CURRENT.get()
    if tracing is None:
        yield _NOT_TRACED
        return
    opened = tracing.begin_work(name, dict(attributes or {}))
    thread, token = threading.get_ident(), tracing.enter(opened)
    error: BaseException | None = None
    try:
        yield OpenSpan(opened)
    except BaseException as failure:
        error = failure
        raise
    finally:
        # A generator that nobody has read to its end may be closed by another thread, which has another context.
        if threading.get_ident() == thread:
            tracing.leave(token)
        tracing.end_work(opened, error)


@contextmanager
def continue_trace(tracing: Tracing | None, traceparent: str) -> Iterator[None]:
    """The work inside belongs to a trace that began elsewhere, and goes on here, perhaps minutes later.

    Args:
        tracing: Where its spans go; None: nowhere.
        traceparent: As `current_traceparent` gave it; empty: the first span inside begins a trace.
    """
    if tracing is None:
        yield
        return
    before = CURRENT.set(tracing)
    token = tracing.enter_remote(traceparent)
    try:
        yield
    finally:
        tracing.leave(token)
        CURRENT.reset(before)


def current_traceparent() -> str:
    """The W3C header of the current span, for whoever goes on with its work later; empty: nothing is traced."""
    tracing = CURRENT.get()
    return "" if tracing is None else tracing.headers().get("traceparent", "")


def current_trace() -> tuple[str, str]:
    """Ids of the current trace and span, in hexadecimal; empty: nothing is traced."""
    tracing = CURRENT.get()
    return ("", "") if tracing is None else tracing.ids()
