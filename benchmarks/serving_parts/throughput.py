"""A bulk stream over the service's own API against the best bare loop on the same engine."""

from __future__ import annotations

import statistics

from serving_parts.bulk import describe_plan, get_statistics, load, transcribe
from serving_parts.calls import run_apart
from serving_parts.loops import openvino_precision, run_loop
from serving_parts.report import Table, tell
from serving_parts.servers import run_service
from serving_parts.settings import Settings
from serving_parts.speech import BASE

LEAST_SHARE = 0.95


def measure(settings: Settings) -> Table:
    """Each engine that is here, in turns with its loops: what slows the machine for a while slows all of them."""
    settings.need(BASE)
    table = Table("throughput: seconds of audio a second of a bulk stream, base-size model")
    _compare(table, settings, "onnxruntime", "fp32", clips=settings.of(24, 6))
    precision = openvino_precision()
    if precision is None:
        table.add("openvino", None, "audio s/s", note="not installed: pip install openvino")
    else:
        _compare(table, settings, "openvino", precision, clips=settings.of(40, 6))
    return table


def _compare(table: Table, settings: Settings, engine: str, precision: str, *, clips: int) -> None:
    recordings = settings.speech.take(clips)
    files = [settings.speech.workspace / each.path for each in recordings]
    seconds = sum(each.seconds for each in recordings)
    name = f"{engine} {precision}"
    rates: dict[str, list[float]] = {}
    with run_service(settings.state, settings.speech.workspace, {"engine": engine, "precision": precision}) as server:
        tell(f"throughput: {name}: loaded in {load(server.address, BASE, recordings):.1f} s")
        told = get_statistics(server.address, BASE)
        plan = told.plan
        if plan is None:
            raise RuntimeError("the service tells no plan")
        cores = plan.workers * plan.threads
        shapes = dict.fromkeys([(plan.workers, plan.threads), (1, cores), (cores, 1)])
        for number in range(settings.of(2, 1)):
            answers = transcribe(server.address, BASE, recordings)
            rates.setdefault("service", []).append(answers.audio_seconds / answers.seconds)
            tell(f"throughput: {name}: round {number + 1}: service {rates['service'][-1]:.2f}")
            for workers, threads in shapes:
                loop = f"loop, {workers} × {threads} threads"
                taken, _ = run_apart(
                    run_loop,
                    settings.state / "models" / BASE / "1",
                    files,
                    engine=engine,
                    precision=precision,
                    workers=workers,
                    threads=threads,
                )
                rates.setdefault(loop, []).append(seconds / taken)
                tell(f"throughput: {name}: round {number + 1}: {loop} {rates[loop][-1]:.2f}")
    for contender, measured in rates.items():
        note = describe_plan(told) if contender == "service" else ""
        table.add(f"{name}, {contender}", statistics.median(measured), "audio s/s", note=note)
    # Round by round, for the same reason.
    best = [max(rates[loop][i] for loop in rates if loop != "service") for i in range(len(rates["service"]))]
    share = statistics.median(ours / theirs for ours, theirs in zip(rates["service"], best, strict=True))
    note = f"service against the best loop; server {server.peak_megabytes:.0f} MB at most"
    table.add(f"{name}, share", share, "", at_least=LEAST_SHARE, note=note)
