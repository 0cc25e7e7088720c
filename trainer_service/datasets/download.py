"""Loads a data set from the hub, in a process of its own: `python -m trainer_service.datasets.download`.

The hub's client cannot be stopped in the middle of a file; its process can.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

from thanosql.errors import Unavailable
from thanosql.types import Progress

LOOK_SECONDS = 0.5


def download(repository: str, revision: str, folder: Path, endpoint: str) -> Generator[Progress, None, None]:
    """Loads a repository into a folder; what an earlier attempt has left there is not loaded again.

    Args:
        repository: Its id.
        revision: The commit.
        folder: Where its files go.
        endpoint: Address of the hub.

    Raises:
        Unavailable: it could not be loaded whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "thanosql.child", str(os.getpid()), __name__, repository, revision, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "HF_ENDPOINT": endpoint,
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            },
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                yield Progress("download", _size(folder), unit="bytes")
                time.sleep(LOOK_SECONDS)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            said.seek(0)
            reason = next((line.strip() for line in reversed(said.readlines()) if line.strip()), "no reason was given")
            raise Unavailable(
                f"the download of {repository} broke off: {reason}",
                hint="Run the statement again: what was loaded so far is kept.",
            )


def main() -> None:
    """Loads what the arguments name: repository, revision, folder."""
    from huggingface_hub import snapshot_download

    repository, revision, folder = sys.argv[1:]
    snapshot_download(repository, repo_type="dataset", revision=revision, local_dir=folder)


def _size(folder: Path) -> int:
    size = 0
    for file in folder.rglob("*"):
        try:
            size += file.stat().st_size if file.is_file() else 0
        except OSError:  # files come and go
            continue
    return size


if __name__ == "__main__":
    main()
