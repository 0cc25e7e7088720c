"""A TCP proxy of one service, which can cut its connections or let them hang."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

_CHUNK = 1 << 16


class Proxy:
    """Passes bytes between whoever connects and the service, until it is told otherwise.

    Args:
        port: Where it listens, on loopback.
        target: The service's port, on loopback; nothing need listen there.
    """

    def __init__(self, port: int, target: int) -> None:
        self._target = target
        self._asks, self._answers = threading.Event(), threading.Event()
        """Set while bytes flow to the service, and from it."""
        self._held: tuple[bytes, threading.Event] | None = None
        """What to wait for in what is asked, and what not to let through from then on."""
        self._let_flow()
        self._refuses_until = 0.0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._accept, name=f"proxy-{target}", daemon=True).start()

    def cut(self, seconds: float) -> None:
        """Ends every connection, and refuses others for a while."""
        self._refuses_until = time.monotonic() + seconds
        self._end_all()
        self._let_flow()

    def freeze(self, seconds: float) -> None:
        """Lets nothing through for a while, with every connection left open; returns when it flows again."""
        self._asks.clear()
        self._answers.clear()
        time.sleep(seconds)
        self._let_flow()

    def hold_question(self, text: bytes) -> None:
        """From the moment that something asked has this text in it, nothing reaches the service until it is cut."""
        self._held = (text, self._asks)

    def hold_answer(self, text: bytes) -> None:
        """From the moment that something asked has this text in it, nothing comes back until it is cut."""
        self._held = (text, self._answers)

    def close(self) -> None:
        """Ends everything."""
        self._let_flow()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_all()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            if time.monotonic() < self._refuses_until:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {near, far}
            for source, sink, flows in ((near, far, self._asks), (far, near, self._answers)):
                threading.Thread(target=self._pump, args=(source, sink, flows), daemon=True).start()

    def _let_flow(self) -> None:
        self._held = None
        self._asks.set()
        self._answers.set()

    def _pump(self, source: socket.socket, sink: socket.socket, flows: threading.Event) -> None:
        try:
            while data := source.recv(_CHUNK):
                if self._held is not None and flows is self._asks and self._held[0] in data:
                    self._held[1].clear()
                flows.wait()
                sink.sendall(data)
        except OSError:
            pass
        finally:
            self._end(source, sink)

    def _end(self, *sockets: socket.socket) -> None:
        with self._lock:
            ended = [each for each in sockets if each in self._open]
            self._open -= set(ended)
        for each in ended:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _end_all(self) -> None:
        with self._lock:
            every = list(self._open)
        self._end(*every)
