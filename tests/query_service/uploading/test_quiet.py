"""Senders from whom nothing comes any more."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from query_service.uploading.quiet import while_heard


def stream(waiting):
    """What is put into a queue, until None is."""
    while (each := waiting.get()) is not None:
        yield each


def test_a_stream_is_ended_when_nothing_comes_any_more():
    waiting = queue.Queue()
    waiting.put("first")
    assert list(while_heard(stream(waiting), lambda: waiting.put(None), seconds=0.05)) == ["first"]


def test_a_stream_that_ends_by_itself_is_not_ended_again():
    ended = threading.Event()
    assert list(while_heard("abc", ended.set, seconds=0.02)) == ["a", "b", "c"]
    assert not ended.wait(0.1)


def test_the_time_that_its_taker_takes_does_not_count():
    ended = threading.Event()
    for _ in while_heard("abc", ended.set, seconds=0.02):
        time.sleep(0.05)
    assert not ended.is_set()


def test_what_goes_wrong_in_a_stream_is_told():
    def broken():
        yield 1
        raise OSError("gone")

    requests = while_heard(broken(), lambda: None)
    assert next(requests) == 1
    with pytest.raises(OSError, match="gone"):
        next(requests)
