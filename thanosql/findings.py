"""What `thanosql doctor` finds out about an installation, and the checks that all services share.

Each service has a module `doctor` whose `examine(config)` yields findings about what it alone needs.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from thanosql.configuration import ServiceConfig
from thanosql.rpc.port import is_loopback

LITTLE_SPACE = 2 << 30
"""Bytes free on a disk under which a model or a table may not fit."""

OLDEST_PYTHON = (3, 11)


class Level(StrEnum):
    """How bad a finding is."""

    FINE = "fine"
    NOTE = "note"
    """It works, and less well than it might."""
    FAULT = "fault"
    """Something will not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    """What was looked at: "port 8470"."""
    text: str
    """How it is."""
    advice: str = ""
    """What to do about it; empty where it is fine."""


def fine(subject: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.FINE, subject, text)


def note(subject: str, text: str, advice: str) -> Finding:
    """It works, and less well than it might."""
    return Finding(Level.NOTE, subject, text, advice)


def fault(subject: str, text: str, advice: str) -> Finding:
    """Something will not work."""
    return Finding(Level.FAULT, subject, text, advice)


def examine_machine() -> Iterator[Finding]:
    """Python, cores and memory."""
    python = platform.python_version()
    if tuple(map(int, platform.python_version_tuple()[:2])) >= OLDEST_PYTHON:
        yield fine("Python", f"{python} on {platform.system()} {platform.machine()}")
    else:
        yield fault("Python", f"{python} is too old", "Install Python 3.11 or newer.")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = _memory()
    text = f"{cores} cores" + (f", {memory / 2**30:.1f} GiB of memory" if memory else "")
    if memory and memory < 4 << 30:
        yield note("machine", text, "A training of a base-size model wants 8 GiB; the bundled small one wants 2.")
    else:
        yield fine("machine", text)


def examine_packages(extra: str, packages: Mapping[str, str]) -> Iterator[Finding]:
    """The packages of a service.

    Args:
        extra: Which of this package's extras brings them.
        packages: By the name that is imported, the name that is installed.
    """
    missing = [installed for imported, installed in packages.items() if find_spec(imported) is None]
    if missing:
        yield fault("packages", f"missing: {', '.join(missing)}", f"pip install 'thanosql-speech[{extra}]'")
    else:
        yield fine("packages", ", ".join(f"{name} {_version(name)}" for name in packages.values()))


def examine_port(config: ServiceConfig) -> Iterator[Finding]:
    """Whether a service could listen on its port, or does."""
    if config.port == 0:
        yield fine("port", "any free one")
        return
    subject = f"port {config.port}"
    host = "127.0.0.1" if config.host in ("0.0.0.0", "::", "[::]") else config.host
    health = ask_health(f"{host}:{config.port}")
    if health == "SERVING":
        yield fine(subject, "a service listens there, and says that it is healthy")
        return
    if health:
        yield fault(subject, f"a service listens there, and says {health}", "Read its log, or end it and start again.")
        return
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host.strip("[]"), config.port))
    except OSError as error:
        yield fault(
            subject,
            f"cannot be had: {error.strerror or error}",
            f"Something else listens there that is not {config.service}_service: end it, or choose another port "
            f"(THANOSQL_{config.service.upper()}_PORT).",
        )
    else:
        yield fine(subject, "free: the service does not run now")


def examine_peer(subject: str, address: str, config: ServiceConfig) -> Iterator[Finding]:
    """Whether a service that another needs answers.

    Args:
        subject: Its name.
        address: Where it should be.
        config: Of the service that needs it: where that does not run either, on this machine, nothing is wrong.
    """
    health = ask_health(address)
    if health == "SERVING":
        yield fine(subject, f"{address} is healthy")
    elif not health and is_loopback(address.rsplit(":", 1)[0]) and not ask_health(f"{config.host}:{config.port}"):
        yield fine(subject, f"does not run now, nor does {config.service}_service")
    elif health:
        yield fault(subject, f"{address} says {health}", "Read its log: it may be starting, stopping or broken.")
    else:
        yield fault(
            subject,
            f"nothing answers at {address}",
            "Is it started, and is the address right? thanosql up starts all four; a service that is not up yet is "
            "found when it comes.",
        )


def ask_health(address: str, seconds: float = 2.0) -> str:
    """What a server says of itself: "SERVING", "NOT_SERVING", …; empty: it does not answer."""
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    # A proxy that the environment names is for the world outside.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=seconds)
        except grpc.RpcError:
            return ""
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def examine_folder(subject: str, folder: Path, *, writes: bool = True) -> Iterator[Finding]:
    """Whether a folder is there, or can be made, can be written, and has space."""
    there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), Path("/"))
    shown = folder if folder == there else f"{folder} (not there yet)"
    if not there.is_dir():
        yield fault(subject, f"{there} is not a folder", "Move that file away, or name another folder.")
        return
    if not writes:
        if os.access(there, os.R_OK | os.X_OK):
            yield fine(subject, f"{shown} can be read")
        else:
            yield fault(subject, f"{shown} cannot be read", "Let this user read it.")
        return
    try:
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=there):
            pass
    except OSError as error:
        yield fault(
            subject, f"{shown} cannot be written: {error.strerror}", "Let this user write it, or name another folder."
        )
        return
    free = shutil.disk_usage(there).free
    text = f"{shown}, {free / 2**30:.1f} GiB free"
    if free < LITTLE_SPACE:
        yield note(subject, text, "Free some space: a base-size model takes 0.8 GiB, and its training 3 GiB.")
    else:
        yield fine(subject, text)


def _version(package: str) -> str:
    for name in (package, f"{package}-gpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "(version unknown)"


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
