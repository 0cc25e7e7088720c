"""What other threads have to tell the one that carries out a statement, in order."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Letters for one reader, from any number of threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._letters: deque[T] = deque()
        self._closed = False

    def put(self, letter: T) -> None:
        """Adds a letter; never waits."""
        with self._changed:
            self._letters.append(letter)
            self._changed.notify_all()

    def take(self) -> T | None:
        """The next letter, which is waited for; None once the box is closed, whatever is in it."""
        with self._changed:
            while not self._letters and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            letter = self._letters.popleft()
            self._changed.notify_all()
            return letter

    def wait_for_room(self, most: int) -> bool:
        """Waits until fewer than so many letters lie unread; False once the box is closed."""
        with self._changed:
            while len(self._letters) >= most and not self._closed:
                self._changed.wait()
            return not self._closed

    def close(self) -> None:
        """Ends every wait, from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take_rest(self) -> list[T]:
        """What nobody has read."""
        with self._changed:
            rest = list(self._letters)
            self._letters.clear()
        return rest
