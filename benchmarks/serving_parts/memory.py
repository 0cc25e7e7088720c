"""Resident memory of the service's process alone: under bulk load, and over ten thousand requests."""

from __future__ import annotations

import threading
import time

import numpy as np

from serving_parts import calls
from serving_parts.bulk import describe_plan, get_statistics, load, transcribe
from serving_parts.calls import run_apart
from serving_parts.loops import openvino_precision
from serving_parts.report import Table, tell
from serving_parts.servers import Server, run_service
from serving_parts.settings import Settings
from serving_parts.speech import BASE, LIGHT, SAMPLE_RATE

MOST_MEGABYTES = 1536
MOST_GROWTH = 100.0
"""kB for 1,000 requests: 0.1 kB a request is less than any message."""
REQUESTS, WARM_UP = 10_000, 2_000
CLIP_SECONDS = 1.0


def measure(settings: Settings) -> Table:
    """The base-size model on each engine in fp32, then many short requests with the light model."""
    settings.need(BASE, LIGHT)
    table = Table("memory: resident, of the service's process alone")
    for engine in ("onnxruntime", "openvino"):
        if engine == "openvino" and openvino_precision() is None:
            table.add("openvino", None, "MB", note="not installed: pip install openvino")
            continue
        _measure_bulk(table, settings, engine)
    _measure_growth(table, settings)
    return table


def _measure_bulk(table: Table, settings: Settings, engine: str) -> None:
    """The longest recordings twice over: every batch is as large as the plan lets it be."""
    longest = sorted(settings.speech.recordings, key=lambda each: -each.seconds)[: settings.of(4, 3)]
    recordings = [*settings.speech.take(settings.of(12, 3)), *longest]
    with run_service(settings.state, settings.speech.workspace, engine=engine, precision="fp32") as server:
        tell(f"memory: {engine}: loaded in {load(server.address, BASE, recordings):.1f} s")
        loaded = server.megabytes
        transcribe(server.address, BASE, recordings)
        time.sleep(1)
        note = f"{loaded:.0f} MB when loaded, {server.megabytes:.0f} MB after"
        note += f"; {describe_plan(get_statistics(server.address, BASE))}"
        name = f"base-size fp32 under bulk load, {engine}, peak"
        table.add(name, server.peak_megabytes, "MB", at_most=MOST_MEGABYTES, note=note)


def _measure_growth(table: Table, settings: Settings) -> None:
    clip = settings.speech.read(settings.speech.near(CLIP_SECONDS, 1)[0])[: int(CLIP_SECONDS * SAMPLE_RATE)]
    count = settings.of(REQUESTS, REQUESTS // 5)
    with run_service(settings.state, settings.speech.workspace) as server:
        load(server.address, LIGHT, settings.speech.take(2))
        points: list[tuple[int, float]] = []
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(server, points, over))
        watcher.start()
        try:
            request = calls.make_request(LIGHT, clip)
            sent = run_apart(calls.closed_loop, server.address, [request], callers=16, count=count)
        finally:
            over.set()
            watcher.join()
    if len(sent.answered) < count:
        raise RuntimeError(f"of {count} requests only {len(sent.answered)} were answered: {sent.refusals}")
    first = count * WARM_UP // REQUESTS
    later = [(number, megabytes) for number, megabytes in points if number >= first]
    slope = float(np.polyfit([n for n, _ in later], [megabytes * 1024 * 1000 for _, megabytes in later], 1)[0])
    note = (
        f"of the last {count - first} of {count} requests: {later[0][1]:.0f} MB, then {later[-1][1]:.0f} MB; "
        f"{count / sent.seconds:.0f} requests/s"
    )
    table.add("growth for 1,000 requests, light model", slope, "kB", at_most=MOST_GROWTH, note=note)


def _watch(server: Server, points: list[tuple[int, float]], over: threading.Event) -> None:
    """Notes the memory by the number of requests that were answered."""
    while not over.wait(0.25):
        points.append((get_statistics(server.address, LIGHT).clips, server.megabytes))
