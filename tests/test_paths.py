"""Paths that lead where they must not: every statement that takes one refuses it, reads nothing there, never hangs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from thanosql import Session
from thanosql.errors import ThanoSQLError

NASTY = {
    "climbs": "../outside/secret.csv",
    "climbs in the middle": "tutorial_data/../../outside/secret.csv",
    "absolute": "{outside}/secret.csv",
    "file URL": "file://{outside}/secret.csv",
    "other URL": "http://127.0.0.1:9/secret.csv",
    "encoded": "%2e%2e/outside/secret.csv",
    "encoded slashes": "..%2foutside%2fsecret.csv",
    "Windows": "..\\outside\\secret.csv",
    "drive": "C:\\outside\\secret.csv",
    "share": "//outside/secret.csv",
    "link to a file": "paths/link.csv",
    "link to a folder": "paths/folder/secret.csv",
    "link to a link": "paths/again.csv",
    "link to itself": "paths/loop.csv",
    "link to a recording": "paths/link.wav",
    "process": "/proc/self/environ",
    "process by a link": "paths/environ",
    "device": "/dev/zero",
    "device by a link": "paths/zero.wav",
    "pipe": "paths/pipe.csv",
    "pipe as a recording": "paths/pipe.wav",
    "own folder": ".thanosql/metadata.sqlite",
    "own folder in capitals": ".THANOSQL/metadata.sqlite",
    "own folder by a link": "paths/state/metadata.sqlite",
    "another workspace": ".thanosql/workspaces/other/files/secret.csv",
    "home": "~/secret.csv",
    "variable": "$HOME/secret.csv",
    "pattern": "paths/*",
    "very long": "a/" * 5_000 + "secret.csv",
    "long name": "x" * 5_000,
}
SECRET = "hunter2"

pytestmark = pytest.mark.timeout(60)  # a pipe or a device that was read would never end


@pytest.fixture(scope="module")
def outside(workspace: Path) -> Path:
    """A folder beside the workspace with what nobody may see, and links and other traps that lead to it."""
    outside = workspace.parent / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    outside.mkdir()
    (outside / "secret.csv").write_text(f"{SECRET},b\n{SECRET},2\n", "utf-8")
    shutil.copy(next((workspace / "tutorial_data").rglob("*.flac")), outside / "secret.wav")
    traps = workspace / "paths"
    traps.mkdir(exist_ok=True)
    links = {"link.csv": outside / "secret.csv", "folder": outside, "again.csv": traps / "link.csv"}
    links |= {"link.wav": outside / "secret.wav", "loop.csv": traps / "loop.csv", "environ": Path("/proc/self/environ")}
    links |= {"zero.wav": Path("/dev/zero"), "state": workspace / ".thanosql"}
    for name, target in links.items():
        (traps / name).unlink(missing_ok=True)
        (traps / name).symlink_to(target)
    for name in ("pipe.csv", "pipe.wav"):
        (traps / name).unlink(missing_ok=True)
        os.mkfifo(traps / name)
    return outside


@pytest.mark.parametrize("path", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize(
    "statement",
    [
        "COPY stolen OPTIONS (overwrite=True) FROM '{}'",
        "UPLOAD MODEL stolen FROM '{}'",
        "EXPLAIN BUILD MODEL stolen USING '{}' AS SELECT 'a' AS audio_path, 'b' AS text",
    ],
)
def test_a_statement_refuses_the_path(session: Session, outside: Path, statement: str, path: str) -> None:
    with pytest.raises(ThanoSQLError) as caught:
        session.sql(statement.format(path.format(outside=outside)), progress=False)
    assert type(caught.value).__name__ != "InternalError"
    assert SECRET not in str(caught.value)


def test_recordings_at_the_paths_are_not_played(session: Session, outside: Path) -> None:
    paths = [each.format(outside=outside).replace("secret.csv", "secret.wav") for each in NASTY.values()]
    values = ", ".join(f"('{each}')" for each in paths)
    result = session.sql(f"PRINT AUDIO AS SELECT * FROM (VALUES {values}) AS t (audio_path)", progress=False)
    assert len(result.clips) == len(paths)
    assert [clip.path for clip in result.clips if clip.audio or not clip.error] == []
