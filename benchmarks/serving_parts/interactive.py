"""How long an interactive caller waits, alone and beside a bulk stream."""

from __future__ import annotations

from inference_service.scheduling.batching import Sharing
from serving_parts import calls
from serving_parts.bulk import bulk_load, describe_plan, get_statistics, load
from serving_parts.calls import INTERACTIVE, Load, run_apart
from serving_parts.report import Table, percentile, tell
from serving_parts.servers import run_service
from serving_parts.settings import Settings
from serving_parts.speech import BASE

CLIP_SECONDS = 5.0
CLIPS = 20
IN_FLIGHT = 256


def measure(settings: Settings) -> Table:
    """One caller, who sends the next clip when the last one is answered."""
    settings.need(BASE)
    clips = settings.speech.near(CLIP_SECONDS, CLIPS)
    requests = [calls.make_request(BASE, settings.speech.read(each), priority=INTERACTIVE) for each in clips]
    table = Table(f"interactive: one call at a time, clips of about {CLIP_SECONDS:g} s, base-size model")
    with run_service(settings.state, settings.speech.workspace) as server:
        tell(f"interactive: loaded in {load(server.address, BASE, clips):.1f} s")

        def call(count: int, seconds: float) -> Load:
            return run_apart(
                calls.closed_loop, server.address, requests, callers=1, count=count, seconds=seconds, warm_up=2
            )

        alone = call(settings.of(60, 10), settings.of(30, 10))
        _add(table, "alone", alone)
        before = get_statistics(server.address, BASE)
        with bulk_load(server.address, BASE, settings.speech.take(1000), in_flight=IN_FLIGHT):
            beside = call(settings.of(150, 10), settings.of(60, 15))
        after = get_statistics(server.address, BASE)
    padded = after.padded_seconds - before.padded_seconds
    cost = (after.compute_seconds - before.compute_seconds) / padded
    # A bulk batch is capped while interactive calls are about; a row that is longer than the cap runs alone.
    cap = Sharing().bulk_cap * after.plan.batch_seconds if after.plan else 0.0
    longest = max(cap, *(each.seconds for each in settings.speech.recordings))
    note = f"{longest:.1f} padded s at {cost * 1e3:.0f} ms, as measured meanwhile; {describe_plan(after)}"
    table.add("one capped batch", longest * cost * 1e3, "ms", note=note)
    most = 2 * percentile(alone.latencies, 0.99) + longest * cost
    _add(table, f"{IN_FLIGHT} bulk rows in flight", beside, at_most=most * 1e3)
    bulk = (after.audio_seconds - before.audio_seconds) / beside.seconds
    table.add("bulk goes on meanwhile with", bulk, "audio s/s", note="the interactive clips counted in")
    return table


def _add(table: Table, name: str, load: Load, *, at_most: float | None = None) -> None:
    if not load.answered:
        raise RuntimeError(f"no interactive call was answered: {load.refusals}")
    note = f"{len(load.answered)} calls" + (f"; {load.refusals}" if load.refusals else "")
    table.add(f"{name}, p50", percentile(load.latencies, 0.5) * 1e3, "ms", note=note)
    note = "target: 2 × alone + one capped batch" if at_most else ""
    table.add(f"{name}, p99", percentile(load.latencies, 0.99) * 1e3, "ms", at_most=at_most, note=note)
