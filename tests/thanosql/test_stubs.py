"""The committed stubs are those that the protos give."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="regenerating the stubs needs grpcio-tools (the extra `dev`)")

from thanosql.v1.generate import generate

PACKAGES = ("v1", "oip")


def test_the_committed_stubs_are_what_the_protos_generate(checkout: Path, tmp_path: Path) -> None:
    generate(tmp_path)
    for package in PACKAGES:
        generated = {file.name: file.read_text() for file in (tmp_path / "thanosql" / package).iterdir()}
        committed = {
            file.name: file.read_text()
            for file in (checkout / "thanosql" / package).iterdir()
            if "_pb2" in file.name and file.suffix in (".py", ".pyi")
        }
        assert generated == committed
