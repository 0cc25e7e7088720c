"""What traces and metrics cost a call: one of GetSnapshot, with each of them off and on, in turn.

The spans go to a collector in a process of its own, which keeps them and does nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from catalog_service import __main__ as catalog
from catalog_service.config import CatalogConfig
from thanosql.clients import CatalogClient
from thanosql.rpc.channel import open_channel
from thanosql.rpc.spans import continue_trace, span
from thanosql.rpc.telemetry import find_tracing

COLLECTOR = """
from tests.telemetry.collector import collecting
import sys
with collecting() as collector:
    print(collector.endpoint, flush=True)
    sys.stdin.read()
"""

CASES: dict[str, tuple[bool, bool]] = {"neither": (False, False), "metrics": (False, True), "traces": (True, False)}
"""Whether calls are traced, and counted."""


def measure(client: CatalogClient, calls: int, tracing: Any) -> float:
    """Microseconds of a call."""
    with continue_trace(tracing, ""), span("benchmark"):
        began = time.perf_counter()
        for _ in range(calls):
            client.get_snapshot()
        return (time.perf_counter() - began) / calls * 1e6


def measure_span(number: int) -> float:
    """Nanoseconds of a span where nothing is traced."""
    began = time.perf_counter()
    for _ in range(number):
        with span("nothing"):
            pass
    return (time.perf_counter() - began) / number * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with ExitStack() as stack:
        command = [sys.executable, "-c", COLLECTOR]
        collector = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(collector.terminate)
        assert collector.stdout is not None
        endpoint = collector.stdout.readline().strip()
        clients: dict[str, tuple[CatalogClient, Any]] = {}
        for name, (is_traced, is_counted) in CASES.items():
            config = CatalogConfig(
                port=0,
                state=Path(stack.enter_context(tempfile.TemporaryDirectory())),
                otlp_endpoint=endpoint if is_traced else "",
                metrics_port=0 if is_counted else None,
            )
            server = catalog.start(config)
            stack.callback(server.stop)
            tracing = find_tracing(config)
            channel = stack.enter_context(open_channel(server.address, tracing=tracing))
            clients[name] = (CatalogClient(channel), tracing)
            measure(clients[name][0], options.calls, tracing)
        figures: dict[str, list[float]] = {name: [] for name in clients}
        for _ in range(options.rounds):
            for name, (client, tracing) in clients.items():
                figures[name].append(measure(client, options.calls, tracing))
    medians = {name: statistics.median(values) for name, values in figures.items()}
    for name, median in medians.items():
        print(f"{name:8} {median:7.0f} µs a call  ({median - medians['neither']:+.0f})")
    nothing = measure_span(200_000)
    print(f"a span where nothing is traced: {nothing:.0f} ns")
    if options.json:
        options.json.write_text(json.dumps({"microseconds": figures, "span_nanoseconds": nothing}), "utf-8")


if __name__ == "__main__":
    main()
