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
MOST_GROWTH = 500.0
"""kB for 1,000 requests: what is kept of a request would be more."""
REQUESTS, WARM_UP = 10_000, 2_000
CALLERS = 16
CLIP_SECONDS = 1.0
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Has glibc give freed memory back at once. What it holds back otherwise goes up and down by tens of megabytes, and
hides what the service keeps."""


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
    with run_service(settings.state, settings.speech.workspace, {"engine": engine, "precision": "fp32"}) as server:
        tell(f"memory: {engine}: loaded in {load(server.address, BASE, recordings):.1f} s")
        loaded, while_loading = server.megabytes, server.start_peak()
        transcribe(server.address, BASE, recordings)
        time.sleep(1)
        note = f"{loaded:.0f} MB when loaded, {server.megabytes:.0f} MB after"
        note += f"; {describe_plan(get_statistics(server.address, BASE))}"
        name = f"base-size fp32, {engine}, peak"
        table.add(f"{name} under bulk load", server.peak_megabytes, "MB", at_most=MOST_MEGABYTES, note=note)
        table.add(f"{name} while it is loaded", while_loading, "MB", note="calibration counted in, where there is one")


def _measure_growth(table: Table, settings: Settings) -> None:
    """A line through the memory over the number of answered requests, the first ones left out."""
    clip = settings.speech.read(settings.speech.near(CLIP_SECONDS, 1)[0])[: int(CLIP_SECONDS * SAMPLE_RATE)]
    request = calls.make_request(LIGHT, clip)
    count, first = settings.of(REQUESTS, REQUESTS // 5), settings.of(WARM_UP, WARM_UP // 5)
    points: list[tuple[int, float]] = []
    over = threading.Event()
    with run_service(settings.state, settings.speech.workspace, variables=GIVE_BACK) as server:
        load(server.address, LIGHT, settings.speech.take(2))
        watcher = threading.Thread(target=_watch, args=(server, points, over))
        watcher.start()
        try:
            sent = run_apart(calls.closed_loop, server.address, [request], callers=CALLERS, count=count)
        finally:
            over.set()
            watcher.join()
    if len(sent.answered) < count:
        raise RuntimeError(f"of {count} requests only {len(sent.answered)} were answered: {sent.refusals}")
    numbers, megabytes = np.array([point for point in points if point[0] >= first]).T
    (slope, _), spread = np.polyfit(numbers / 1000, megabytes * 1024, 1, cov=True)
    fifth = max(1, len(megabytes) // 5)
    note = (
        f"± {spread[0, 0] ** 0.5:.0f}; from request {first} to {count}: "
        f"{megabytes[:fifth].mean():.0f} MB, then {megabytes[-fifth:].mean():.0f} MB; {count / sent.seconds:.0f}/s"
    )
    table.add("growth for 1,000 requests, light model", float(slope), "kB", at_most=MOST_GROWTH, note=note)


def _watch(server: Server, points: list[tuple[int, float]], over: threading.Event) -> None:
    """Notes the memory by the number of requests that were answered."""
    while not over.wait(0.1):
        points.append((get_statistics(server.address, LIGHT).clips, server.own_megabytes))
