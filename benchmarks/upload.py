"""How fast do files come into a workspace?

    python benchmarks/upload.py [--megabytes 1000] [--files 2000] [--runs 3]

One large file, and many small ones (20 kB), go from this process to a query service in another over loopback, by
`session.upload`: the client reads each file twice (SHA-256 first), the service checks it and has it on the disk before
it answers. Beside it: a second upload of the same files, where nothing is sent; the same files by a plain copy with
fsync on the same disk; and the bytes of the large file through a bare gRPC stream to a process that throws them away.
Each figure is the median of the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import grpc

import thanosql

TOKEN = "of this benchmark"
SMALL = 20_000
CHUNK = 512 << 10

DISCARD = """
import grpc, sys
from concurrent.futures import ThreadPoolExecutor

class Discard(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.stream_unary_rpc_method_handler(lambda chunks, context: str(sum(map(len, chunks))).encode())

server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
server.add_generic_rpc_handlers((Discard(),))
server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
"""


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1_000, help="of the large file")
    parser.add_argument("--files", type=int, default=2_000, help="small ones")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: that of temporary files")
    parser.add_argument("--json", type=Path, default=Path("upload.json"), help="file to write the figures to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures = _measure(Path(folder), arguments.megabytes, arguments.files, arguments.runs)
    megabytes, files = arguments.megabytes, arguments.files
    print(f"one file of {megabytes:,} MB")
    for name in ("upload", "same file again", "bare gRPC stream", "copy and fsync"):
        seconds = statistics.median(figures["large"][name])
        print(f"  {name:<28}{megabytes / seconds:10,.0f} MB/s")
    print(f"{files:,} files of {SMALL // 1000} kB")
    for name in ("upload", "same files again", "copy and fsync"):
        seconds = statistics.median(figures["small"][name])
        print(f"  {name:<28}{files / seconds:10,.0f} files/s")
    arguments.json.write_text(json.dumps({"megabytes": megabytes, "files": files, **figures}, indent=1) + "\n", "utf-8")


def _measure(folder: Path, megabytes: int, files: int, runs: int) -> dict[str, dict[str, list[float]]]:
    large, small = folder / "large.wav", folder / "small"
    block = os.urandom(1_000_000)
    with large.open("wb") as file:
        for _ in range(megabytes):
            file.write(block)
    for number in range(files):
        place = small / str(number % 20) / f"{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(number.to_bytes(4, "big") + block[: SMALL - 4])
    of_large: dict[str, list[float]] = {}
    of_small: dict[str, list[float]] = {}
    for run in range(runs):
        root = folder / f"workspace {run}"
        root.mkdir()
        with _query_service(root) as address, thanosql.connect(address, TOKEN) as session:
            for name in ("upload", "same file again"):
                _take(of_large, name, partial(_upload, session, large, "large.wav"))
            for name in ("upload", "same files again"):
                _take(of_small, name, partial(_upload, session, small, "small"))
        with _discarding() as address:
            _take(of_large, "bare gRPC stream", partial(_stream, address, large))
        _take(of_large, "copy and fsync", partial(_copy, large, root / "copy.wav"))
        _take(of_small, "copy and fsync", partial(_copy_folder, small, root / "copies"))
        shutil.rmtree(root)
    return {"large": of_large, "small": of_small}


def _take(figures: dict[str, list[float]], name: str, action: Callable[[], None]) -> None:
    began = time.perf_counter()
    action()
    figures.setdefault(name, []).append(time.perf_counter() - began)


def _upload(session: thanosql.Session, path: Path, to: str) -> None:
    report = session.upload(path, to=to, progress=False)
    if report.refused:
        raise SystemExit(str(report))


def _stream(address: str, file: Path) -> None:
    def chunks() -> Iterator[bytes]:
        with file.open("rb", buffering=0) as source:
            while chunk := source.read(CHUNK):
                yield chunk

    with grpc.insecure_channel(address) as channel:
        received = channel.stream_unary("/of.a.Benchmark/Discard")(chunks())
    if int(received) != file.stat().st_size:
        raise SystemExit("the bare stream lost bytes")


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _copy_folder(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*.wav")):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        _copy(file, place)


@contextmanager
def _query_service(root: Path) -> Iterator[str]:
    """Of its own: to take files in, it needs no other service."""
    options = ["--workspace", str(root), "--state", str(root / ".thanosql"), "--upload-spare-bytes", "0"]
    with _process(["-m", "query_service", "--log-level", "WARNING", *options], "--port") as address:
        yield address


@contextmanager
def _discarding() -> Iterator[str]:
    with _process(["-c", DISCARD], "") as address:
        yield address


@contextmanager
def _process(arguments: list[str], option: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"127.0.0.1:{port}"
    command = [sys.executable, *arguments, *([option, str(port)] if option else [address])]
    process = subprocess.Popen(command, env={**os.environ, "THANOSQL_TOKEN": TOKEN})
    try:
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield address
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
