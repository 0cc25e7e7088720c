"""Makes certificates for tests, with the program openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Authority:
    """Somebody who signs certificates."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """Whoever believes this one believes those that it signs."""
        return self.folder / "ca.pem"

    def sign(self, name: str, *, days: int = 2) -> tuple[Path, Path]:
        """A new certificate for localhost and 127.0.0.1, and its key, as `name`.pem and `name`.key."""
        certificate, key, request = (self.folder / f"{name}.{each}" for each in ("pem", "key", "csr"))
        names = self.folder / f"{name}.names"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", "utf-8")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request)
        given = ("-CA", self.certificate, "-CAkey", self.folder / "ca.key", "-CAcreateserial", "-extfile", names)
        _openssl("x509", "-req", "-in", request, *given, "-days", str(days), "-out", certificate)
        return certificate, key


def make_authority(folder: Path) -> Authority:
    """A new authority, whose files lie in `folder`."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl, which makes the certificates")
    folder.mkdir(parents=True, exist_ok=True)
    made = ("-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority", *made)
    return Authority(folder)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
