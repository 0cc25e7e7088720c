"""What is computed for padding while clips of mixed lengths wait in bulk."""

from __future__ import annotations

import json
from collections.abc import Sequence

from peers import triton

from serving_parts import calls
from serving_parts.bulk import describe_plan, get_statistics, load, transcribe
from serving_parts.report import Table, tell
from serving_parts.servers import run_server, run_service
from serving_parts.settings import Settings
from serving_parts.speech import LIGHT, Recording, Speech

MOST_PERCENT = 5.0
BATCH = {"batch_seconds": 60, "batch_rows": 64, "concurrent_seconds": 60, "workers": 1}
"""Batches as large as a GPU wants them, whatever pays on this machine."""

SHORT_QUEUE = 300
"""Seconds of audio: the more wait, the nearer in length are those that are computed together."""


def measure(settings: Settings) -> Table:
    """With the light model, so that thousands are soon done: which clips make a batch depends on lengths alone."""
    settings.need(LIGHT)
    recordings = settings.speech.take(settings.of(1500, 200))
    seconds = sum(each.seconds for each in recordings)
    table = Table(f"waste: padded over real seconds, {len(recordings)} clips, {seconds:.0f} s of audio, light model")
    _measure_service(table, "a plan that batches", settings, recordings, BATCH)
    short = {**BATCH, "queue_seconds": SHORT_QUEUE}
    _measure_service(table, "the same, with a shorter queue", settings, recordings, short, has_target=False)
    _measure_service(table, "the plan as calibrated", settings, recordings, {})
    if settings.triton is None:
        table.add("Triton, ragged batches, own padding", None, "%", note="not installed: give --triton")
        return table
    try:
        _measure_triton(table, settings, recordings[: settings.of(1000, 200)])
    except Exception as error:
        tell(f"waste: Triton failed: {error}")
        table.add("Triton, ragged batches, own padding", None, "%", note=f"failed: {str(error).splitlines()[0]}")
    return table


def _measure_service(
    table: Table,
    name: str,
    settings: Settings,
    recordings: Sequence[Recording],
    batch: dict[str, int],
    *,
    has_target: bool = True,
) -> None:
    with run_service(settings.state, settings.speech.workspace, batch) as server:
        tell(f"waste: {name}: loaded in {load(server.address, LIGHT, recordings):.1f} s")
        before = get_statistics(server.address, LIGHT)
        answers = transcribe(server.address, LIGHT, recordings)
        after = get_statistics(server.address, LIGHT)
    batches = after.batches - before.batches
    real, padded = after.audio_seconds - before.audio_seconds, after.padded_seconds - before.padded_seconds
    note = (
        f"{answers.clips / batches:.1f} clips and {padded / batches:.0f} padded s a batch, "
        f"{answers.audio_seconds / answers.seconds:.0f} audio s/s; {describe_plan(after)}"
    )
    table.add(name, 100 * (padded / real - 1), "%", at_most=MOST_PERCENT if has_target else None, note=note)


def _measure_triton(table: Table, settings: Settings, recordings: Sequence[Recording]) -> None:
    folder = settings.scratch / "triton-ragged"
    log = folder / "batches.jsonl"
    graph = settings.state / "models" / LIGHT / "1" / "model.onnx"
    triton.write_ragged(folder / "repository", graph, log, rows=BATCH["batch_rows"])
    peer = triton.prepare(settings.triton, folder / "repository")  # type: ignore[arg-type]
    with run_server("Triton", peer.command, calls.is_ready, environment=peer.environment) as server:
        seconds = calls.run_apart(_send, settings.speech, server.address, recordings)
    batches = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    real, padded = (sum(batch[key] for batch in batches) for key in ("samples", "padded"))
    audio_seconds = sum(each.seconds for each in recordings)
    note = (
        f"{len(recordings) / len(batches):.1f} clips and {padded / 16_000 / len(batches):.0f} padded s a batch, "
        f"{audio_seconds / seconds:.0f} audio s/s; batches of up to {BATCH['batch_rows']} rows"
    )
    table.add("Triton, ragged batches, own padding", 100 * (padded / real - 1), "%", note=note)


def _send(speech: Speech, address: str, recordings: Sequence[Recording]) -> float:
    """Keeps 256 requests in flight; how many seconds all took."""
    requests = []
    for recording in recordings:
        samples = speech.read(recording)
        requests.append(calls.make_request("ragged", samples, output="tokens", shape=(1, len(samples))))
    sent = calls.closed_loop(address, requests, callers=256, count=len(requests))
    if len(sent.answered) < len(requests):
        raise RuntimeError(f"Triton did not answer all: {sent.refusals}")
    return sent.seconds
