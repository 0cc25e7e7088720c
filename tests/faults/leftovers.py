"""What lies about in the folders of an installation that no table, model or job owns."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.faults.trials import Bench
from thanosql.errors import ThanoSQLError, UnknownModel
from thanosql.types import JobState

CACHES = (".ses", "torchinductor_root")
"""In folders for temporary files: what libraries keep for the next time."""


def find_leftovers(bench: Bench) -> list[str]:
    """What lies about that no table, model or job owns."""
    state = bench.installation.state
    found: list[str] = []
    for name in sorted(each.name for each in (state / "models").glob("*")):
        versions = {each.name for each in (state / "models" / name).iterdir()}
        try:
            served = bench.catalog.get_model(name).version
        except UnknownModel:
            found.append(f"models/{name} of no model")
            continue
        for version in sorted(versions):
            with suppress(ThanoSQLError, ValueError):
                bench.catalog.get_model(name, int(version))
                continue
            found.append(f"models/{name}/{version} of no version; version {served} is served")
        if str(served) not in versions:
            found.append(f"models/{name}/{served} is served, and not there")
    jobs = {job.id: job for job in bench.catalog.list_jobs()}
    for folder in sorted((state / "jobs").glob("*")):
        job = jobs.get(folder.name)
        if job is None:
            found.append(f"jobs/{folder.name} of no job")
        elif job.state is JobState.SUCCEEDED:
            found += [f"jobs/{folder.name}/{name}" for name in ("rows.arrow", "state") if (folder / name).exists()]
    found += [str(each.relative_to(state)) for each in state.rglob("*.new")]
    found += [str(each.relative_to(state)) for each in state.glob("*") if _is_strange(each)]
    for name, folder in bench.installation.temporary.items():
        found += [f"{name}'s temporary {each.name}" for each in folder.glob("*") if each.name not in CACHES]
    return found


def _is_strange(path: Path) -> bool:
    known = ("metadata.sqlite", "metadata.sqlite-wal", "metadata.sqlite-shm", "tables.duckdb", "tables.duckdb.wal")
    return path.name not in (*known, "models", "jobs", "tables.duckdb.tmp", "downloads")
