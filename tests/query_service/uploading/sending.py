"""What is sent into a workspace, and by whom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from thanosql.clients import QueryClient
from thanosql.types import UploadedFile, UploadFile, UploadStart, UploadState


def describe(path: str, content: bytes) -> UploadFile:
    """A file as its sender tells of it."""
    return UploadFile(path, len(content), hashlib.sha256(content).hexdigest())


@dataclass
class Receiver:
    """A query service by itself, as no other is needed to take files in."""

    workspace: Path
    client: QueryClient
    another: Callable[..., Receiver]
    """A query service of its own for the same workspace, with other settings."""
    close: Callable[[], None]
    """Ends the connection, as a client does that dies."""

    def send(
        self, path: str, content: bytes, *, offset: int = 0, overwrite: bool = False, chunk: int = 10
    ) -> UploadedFile:
        """Sends a file; what has become of it."""
        return self.send_as(describe(path, content), content, offset=offset, overwrite=overwrite, chunk=chunk)

    def send_as(
        self, file: UploadFile, content: bytes, *, offset: int = 0, overwrite: bool = False, chunk: int = 10
    ) -> UploadedFile:
        """Sends bytes for a file that was described before."""
        (ended,) = self.client.upload(requests(file, content, offset, overwrite, chunk))
        return ended

    def find(self, path: str, content: bytes, *, overwrite: bool = False) -> UploadState:
        """What the service has of a file."""
        (state,) = self.client.find_uploads([describe(path, content)], overwrite)
        return state

    def unfinished(self) -> list[Path]:
        """The files that lie about."""
        return sorted((self.workspace / ".thanosql" / "uploads").glob("*"))


def requests(
    file: UploadFile, content: bytes, offset: int = 0, overwrite: bool = False, chunk: int = 10
) -> Iterable[UploadStart | bytes]:
    """What is sent of a file."""
    yield UploadStart(file, offset, overwrite)
    for begin in range(offset, len(content), chunk):
        yield content[begin : begin + chunk]
