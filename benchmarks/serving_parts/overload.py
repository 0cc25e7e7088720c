"""How many requests are answered in time when many more arrive than can be served."""

from __future__ import annotations

from serving_parts import calls
from serving_parts.bulk import load
from serving_parts.calls import INTERACTIVE, run_apart
from serving_parts.report import Table, percentile, tell
from serving_parts.servers import run_service
from serving_parts.settings import Settings
from serving_parts.speech import BASE

CLIP_SECONDS = 5.0
CLIPS = 20
CALLERS = 8
TIMES = (1, 2, 5, 10)
LEAST_SHARE = 0.9
DEADLINE = 8.0
"""In service times: what a request takes while all callers of the closed loop are waiting, a worker to each core."""


def measure(settings: Settings) -> Table:
    """First the most that a closed loop gets, then arrivals at random at multiples of that."""
    settings.need(BASE)
    clips = settings.speech.near(CLIP_SECONDS, CLIPS)
    samples = [settings.speech.read(each) for each in clips]
    seconds = float(settings.of(16, 6))
    table = Table(f"overload: answers in time a second, single clips of about {CLIP_SECONDS:g} s, base-size model")
    with run_service(settings.state, settings.speech.workspace) as server:
        tell(f"overload: loaded in {load(server.address, BASE, clips):.1f} s")
        requests = [calls.make_request(BASE, each, priority=INTERACTIVE) for each in samples]
        single = run_apart(calls.closed_loop, server.address, requests, callers=1, count=8, warm_up=1)
        deadline = max(1.0, DEADLINE * percentile(single.latencies, 0.5))
        closed = run_apart(calls.closed_loop, server.address, requests, callers=CALLERS, seconds=seconds, warm_up=2)
        peak = len(closed.answered) / closed.seconds
        note = f"{CALLERS} callers, p50 {percentile(closed.latencies, 0.5):.2f} s"
        table.add("closed loop", peak, "1/s", note=note)
        requests = [calls.make_request(BASE, each, priority=INTERACTIVE, timeout=deadline) for each in samples]
        rates = {}
        for times in TIMES:
            tell(f"overload: {times} × {peak:.2f} requests a second, deadline {deadline:.1f} s")
            cpu = server.cpu_seconds
            sent = run_apart(
                calls.open_loop, server.address, requests, rate=times * peak, seconds=seconds, deadline=deadline
            )
            # Until the last answer: what had arrived by the end is still worked off.
            lasted = max((call.sent + call.seconds for call in sent.answered), default=seconds)
            rates[times] = len(sent.answered) / max(seconds, lasted)
            note = f"of {len(sent.calls)} requests: {sent.refusals or 'all'}; {server.cpu_seconds - cpu:.0f} CPU s"
            table.add(f"{times} × as many arrive", rates[times], "1/s", note=note)
        best = max(peak, *rates.values())
        share = rates[TIMES[-1]] / best
        note = f"deadline {deadline:.1f} s, peak {best:.2f}/s, server {server.peak_megabytes:.0f} MB at most"
        table.add(f"{TIMES[-1]} × against the peak", share, "", at_least=LEAST_SHARE, note=note)
    return table
