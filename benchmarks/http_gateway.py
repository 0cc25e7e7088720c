"""What the HTTP gateway costs: a short recording over gRPC and over HTTP, alone and eight at once.

    python benchmarks/http_gateway.py [--seconds 20] [--model tutorial_audio_recognition] [--json http.json]

Local mode's services and a gateway in one process: both ways share the machine with what computes, as on one server.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from shutil import copytree

import httpx

import thanosql
from thanosql.clients import QueryClient
from thanosql.gateway.__main__ import start
from thanosql.gateway.config import GatewayConfig
from thanosql.rpc.channel import open_channel
from thanosql.types import Priority, TranscribeClip, TranscribeStart

CHECKOUT = Path(__file__).parents[1]
AT_ONCE = (1, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement (default: 20)")
    parser.add_argument("--model", default="tutorial_audio_recognition")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        copytree(CHECKOUT / "tutorial_data", workspace / "tutorial_data")
        audio = (workspace / "tutorial_data/librispeech_data/000.flac").read_bytes()
        with thanosql.connect(workspace=workspace):
            note = json.loads((workspace / ".thanosql" / "local.json").read_text("utf-8"))
            server = start(GatewayConfig(port=0, query=note["address"]))
            try:
                with (
                    open_channel(note["address"], note["token"]) as channel,
                    httpx.Client(base_url=f"http://{server.address}", timeout=600, trust_env=False) as http,
                ):
                    http.headers["Authorization"] = f"Bearer {note['token']}"
                    ways = {
                        "gRPC": lambda: by_grpc(QueryClient(channel), options.model, audio),
                        "HTTP": lambda: by_http(http, options.model, audio),
                    }
                    texts = {way: ask() for way, ask in ways.items()}  # loads the model
                    if len(set(texts.values())) != 1:
                        raise SystemExit(f"the two ways disagree: {texts}")
                    for at_once in AT_ONCE:
                        for way, ask in ways.items():
                            figures.append(measure(way, ask, at_once, options.seconds))
                            print_row(figures[-1], is_first=len(figures) == 1)
            finally:
                server.stop(1)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def by_grpc(client: QueryClient, model: str, audio: bytes) -> str:
    """The text of a recording, by the call that the gateway makes too."""
    begun = TranscribeStart(model=model, version=0, priority=Priority.INTERACTIVE)
    with closing(client.transcribe(begun, iter([TranscribeClip(0, audio=audio)]))) as answers:  # type: ignore[type-var]
        for answer in answers:
            return answer.text
    raise SystemExit("there is no answer")


def by_http(http: httpx.Client, model: str, audio: bytes) -> str:
    answer = http.post("/v1/audio/transcriptions", files={"file": ("a.flac", audio)}, data={"model": model})
    answer.raise_for_status()
    return str(answer.json()["text"])


def measure(way: str, ask: Callable[[], str], at_once: int, seconds: float) -> dict[str, object]:
    """Asks from `at_once` threads for so long; milliseconds of each answer."""
    end = time.monotonic() + seconds
    ready = threading.Barrier(at_once)

    def times() -> Iterator[float]:
        ready.wait()
        while (begin := time.monotonic()) < end:
            ask()
            yield 1000 * (time.monotonic() - begin)

    begin = time.monotonic()
    with ThreadPoolExecutor(at_once) as threads:
        taken = [each for one in threads.map(lambda _: list(times()), range(at_once)) for each in one]
    elapsed = time.monotonic() - begin
    cuts = statistics.quantiles(taken, n=100) if len(taken) > 1 else [taken[0]] * 99
    return {
        "way": way,
        "at_once": at_once,
        "answers": len(taken),
        "per_second": len(taken) / elapsed,
        "p50_ms": cuts[49],
        "p95_ms": cuts[94],
    }


def print_row(row: dict[str, object], *, is_first: bool) -> None:
    if is_first:
        print(f"{'way':6} {'at once':>7} {'answers':>8} {'a second':>9} {'p50 ms':>8} {'p95 ms':>8}")
    print(
        f"{row['way']:6} {row['at_once']:7} {row['answers']:8} {row['per_second']:9.2f} "
        f"{row['p50_ms']:8.1f} {row['p95_ms']:8.1f}"
    )


if __name__ == "__main__":
    main()
