"""The window of calls: how many are under way, what is made again, and when."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from thanosql.call_window import LONGEST_PAUSE, MOST_BYTES, MOST_CALLS, PATIENCE, SHORTEST_PAUSE, CallWindow
from thanosql.errors import Overloaded


class Server:
    """Keeps every call open until a test answers it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Future[object]]] = []
        self.now = 0.0

    def call(self, request: str) -> Future[object]:
        self.calls.append((request, Future()))
        return self.calls[-1][1]

    def answer(self, index: int) -> None:
        self.calls[index][1].set_result(f"heard {self.calls[index][0]}")

    def window(self) -> CallWindow[str]:
        return CallWindow(self.call, clock=lambda: self.now)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Server:
    return Server()


def test_answers_come_in_the_order_in_which_calls_end(server: Server) -> None:
    window = server.window()
    for request in "abc":
        window.send(request, 1)
    for index in (2, 0, 1):
        server.answer(index)
    ended = [window.wait() for _ in range(3)]
    assert [each[0].request for each in ended if each] == ["c", "a", "b"]
    assert window.is_empty


def test_there_is_room_for_so_many_calls(server: Server) -> None:
    window = server.window()
    for number in range(MOST_CALLS):
        assert window.has_room
        window.send(str(number), 1)
    assert not window.has_room
    server.answer(0)
    window.wait()
    assert window.has_room


def test_there_is_room_for_so_many_bytes_and_always_for_one_call(server: Server) -> None:
    window = server.window()
    assert window.has_room
    window.send("large", 2 * MOST_BYTES)
    assert not window.has_room
    server.answer(0)
    window.wait()
    assert window.has_room


def test_a_refused_call_is_made_again_when_the_server_said(server: Server) -> None:
    window = server.window()
    window.send("a", 1)
    server.answer(0)
    ended = window.wait()
    assert ended is not None
    window.refuse(ended[0], Overloaded("later", retry_after=3.0))
    assert not window.has_room, "others wait behind it"
    assert not window.is_empty
    server.now = 3.0
    assert window.wait() is None
    assert [request for request, _ in server.calls] == ["a", "a"]


def test_the_pause_doubles_where_the_server_names_none(server: Server) -> None:
    window = server.window()
    window.send("a", 1)
    pauses = []
    for index in range(8):
        server.answer(index)
        ended = window.wait()
        assert ended is not None
        window.refuse(ended[0], Overloaded("later"))
        pauses.append(window.due - server.now)
        server.now = window.due
        assert window.wait() is None
    assert pauses == pytest.approx([min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**number) for number in range(8)])


def test_a_refusal_halves_the_number_of_calls_and_answers_bring_it_back(server: Server) -> None:
    window = server.window()
    for number in range(10):
        window.send(str(number), 1)
    server.answer(0)
    refused = window.wait()
    assert refused is not None
    window.refuse(refused[0], Overloaded("later", retry_after=0.5))
    server.now = 0.5
    for index in range(1, 6):
        server.answer(index)
        assert window.wait() is not None
    assert window.wait() is None, "with four under way the refused one is made again"
    assert not window.has_room, "five are half of ten"
    for _ in range(MOST_CALLS * MOST_CALLS):
        window.succeed()
    for number in range(5, MOST_CALLS):
        assert window.has_room, f"only {number} calls may be under way"
        window.send(str(number), 1)
    assert not window.has_room


def test_patience_ends(server: Server) -> None:
    window = server.window()
    window.send("a", 1)
    server.answer(0)
    ended = window.wait()
    assert ended is not None
    server.now = PATIENCE + 1
    with pytest.raises(Overloaded, match="later"):
        window.refuse(ended[0], Overloaded("later"))


def test_cancel_ends_what_is_under_way(server: Server) -> None:
    window = server.window()
    for request in "ab":
        window.send(request, 1)
    server.answer(0)
    window.wait()
    window.cancel()
    assert server.calls[1][1].cancelled()
