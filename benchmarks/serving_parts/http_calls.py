"""A closed loop of HTTP requests, for the peers that speak nothing else; from a process of its own."""

from __future__ import annotations

import http.client
import threading
import time

from serving_parts.calls import Call, Load, cpu_of


def closed_loop(
    port: int, path: str, body: bytes, *, callers: int, seconds: float, warm_up: float, server: int
) -> Load:
    """Like `calls.closed_loop`, with `body`, which is sent back, as the request."""
    calls: list[Call] = []
    moment = time.perf_counter()
    begin, until = moment + warm_up, moment + warm_up + seconds

    def caller() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Content-Type": "application/json"}
        while (sent := time.perf_counter()) < until:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            is_whole = response.status == 200 and len(answer) >= 0.99 * len(body)
            status = "OK" if is_whole else f"HTTP {response.status}"
            if sent >= begin:
                calls.append(Call(sent - begin, time.perf_counter() - sent, status))
        connection.close()

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for thread in threads:
        thread.start()
    time.sleep(max(0.0, begin - time.perf_counter()))
    cpu = cpu_of(server)
    for thread in threads:
        thread.join()
    return Load(time.perf_counter() - begin, calls, cpu_of(server) - cpu)


def is_ready(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
