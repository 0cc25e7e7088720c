"""The disk of the state folder fills up under statements: a clear error, nothing half done, and all well with space."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.conftest import make_bench
from tests.faults.trials import Bench, make_trials
from thanosql.errors import InternalError, ThanoSQLError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

NUMBERS = 1_000_000
DISK_MIB = 200
SPARE_BYTES = 256 << 10
"""That are left when the disk is as good as full."""


@pytest.fixture(scope="module")
def bench(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Four services whose state folder is a small disk of its own."""
    folder = tmp_path_factory.mktemp("faults")
    state = folder / "state"
    state.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(state)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small disk: {mounted.stderr.strip()}")
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", "--lazy", str(state)], check=True)
        yield make_bench(stack, folder, checkout, NUMBERS, {})


@pytest.fixture
def full(bench: Bench) -> Iterator[Path]:
    """A file that fills the disk; with it the space is freed."""
    ballast = bench.installation.state / "ballast"
    yield ballast
    ballast.unlink(missing_ok=True)


def _fill(ballast: Path) -> None:
    free = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - SPARE_BYTES)))


@pytest.mark.parametrize("name", ["COPY", "COPY, append", "CREATE TABLE AS", "INSERT", "UPDATE"])
def test_a_table_is_as_it_was_when_the_disk_is_full_and_is_written_when_it_is_not(
    bench: Bench, full: Path, name: str
) -> None:
    (trial,) = (each for each in make_trials(NUMBERS) if each.name == name)
    trial.prepare(bench)
    _fill(full)
    with pytest.raises(ThanoSQLError) as caught:
        bench.session.sql(trial.text, progress=False)
    full.unlink()
    print(name, caught.value)
    assert not isinstance(caught.value, InternalError)
    assert "disk" in str(caught.value)
    assert caught.value.hint
    assert trial.look(bench) == trial.before
    assert not trial.judge(bench, bench.session.sql(trial.text, progress=False))
    assert trial.look(bench) == trial.after


def test_predict_goes_on_though_transcripts_cannot_be_kept(bench: Bench, full: Path) -> None:
    (trial,) = (each for each in make_trials(NUMBERS) if each.name == "PREDICT")
    trial.prepare(bench)
    _fill(full)
    full.write_bytes(full.read_bytes() + bytes(SPARE_BYTES // 2))
    result = bench.session.sql(trial.text, progress=False)
    assert not trial.judge(bench, result)
    print(result.notices, bench.count_kept())
