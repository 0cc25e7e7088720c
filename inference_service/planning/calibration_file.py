"""Keeps what was measured of a model beside it, `calibration.json`, with an entry for each machine and setting."""

from __future__ import annotations

import json
import logging
import os
import platform
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from thanosql.modelstore import GRAPH

log = logging.getLogger(__name__)

FILE = "calibration.json"
FORMAT = 1
MOST_ENTRIES = 64
"""Of a file: those written last."""

Facts = Mapping[str, str | int | float]
"""What a measurement depends on. It is used again where all of them are the same."""

_PACKAGES = {"onnxruntime": ("onnxruntime-gpu", "onnxruntime"), "openvino": ("openvino",)}


class CalibrationFiles:
    """Remembers entries in the version's folder; in another one where that cannot be written, or in memory.

    Args:
        fallback: Folder for the files of versions whose own folders are read-only.
    """

    def __init__(self, fallback: Path) -> None:
        self._fallback = fallback
        self._lock = threading.Lock()
        self._unwritten: dict[Path, list[dict[str, Any]]] = {}

    def recall(self, folder: Path, facts: Facts) -> dict[str, Any] | None:
        """What was kept of the version in `folder` under the same facts."""
        with self._lock:
            entries = [*_read(folder / FILE), *_read(self._elsewhere(folder)), *self._unwritten.get(folder, ())]
        known = [each["result"] for each in entries if each["facts"] == facts]
        return known[-1] if known else None

    def keep(self, folder: Path, facts: Facts, result: Mapping[str, Any]) -> None:
        """Remembers `result`, which is what JSON can hold; one of the same facts is replaced."""
        entry = {"facts": dict(facts), "result": dict(result)}
        with self._lock:
            for file in (folder / FILE, self._elsewhere(folder)):
                try:
                    if file.parent != folder:
                        file.parent.mkdir(parents=True, exist_ok=True)
                    _write(file, [*(each for each in _read(file) if each["facts"] != facts), entry])
                except OSError as error:
                    log.info("the calibration cannot be kept in %s: %s", file, error)
                else:
                    return
            self._unwritten.setdefault(folder, []).append(entry)

    def _elsewhere(self, folder: Path) -> Path:
        return self._fallback / folder.parent.name / folder.name / FILE


def describe_machine(device: str, cores: int) -> dict[str, str | int]:
    """The facts of this machine that the speed depends on."""
    return {"cpu": _name_cpu(), "cores": cores, "device": device, "gpu": _name_gpu() if device == "cuda" else ""}


def describe_graph(folder: Path) -> dict[str, str | int]:
    """The facts of the files that are measured."""
    status = (folder / GRAPH).stat()
    return {"graph_bytes": status.st_size, "graph_modified_ns": status.st_mtime_ns}


@cache
def engine_version(engine: str) -> str:
    """Of an engine's package; it is not imported."""
    for package in _PACKAGES.get(engine, ()):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        values = json.loads(file.read_text("utf-8"))
        if values["format"] != FORMAT:
            return []
        entries = [each for each in values["entries"] if isinstance(each["facts"], dict)]
        return [each for each in entries if isinstance(each["result"], dict)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning("%s cannot be read, and is written anew: %s", file, error)
        return []


def _write(file: Path, entries: list[dict[str, Any]]) -> None:
    """Under a temporary name first: a reader sees the old file or the new one."""
    text = json.dumps({"format": FORMAT, "entries": entries[-MOST_ENTRIES:]}, ensure_ascii=False, indent=1)
    descriptor, name = tempfile.mkstemp(prefix=f".{FILE}-", dir=file.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        temporary.chmod(0o644)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _name_cpu() -> str:
    """The processor's name and number; virtual machines often call different ones by one name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").split("\n\n")[0].splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    wanted = ("model name", "cpu family", "model", "stepping")
    return " ".join(values[key] for key in wanted if key in values) or platform.machine()


def _name_gpu() -> str:
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in file.read_text("utf-8").splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return ""
