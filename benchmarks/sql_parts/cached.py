"""PREDICT of recordings whose transcripts are cached, beside the run that filled the cache."""

from __future__ import annotations

import statistics
import time

from serving_parts.report import Table

from sql_parts.services import add_model, run_services
from sql_parts.settings import Settings
from thanosql import Session

ROWS, QUICK_ROWS = 320, 12
LEAST_TIMES = 100.0


def measure(settings: Settings) -> Table:
    """Once without a cache, several times with it. The model is loaded before."""
    folder = settings.scratch / "cached"
    recordings = settings.speech.take(settings.of(ROWS, QUICK_ROWS) + 1)
    add_model(folder, settings.model)
    table = Table(f"PREDICT of {len(recordings) - 1} rows")
    with run_services(settings.speech.workspace, folder) as (session, _):
        _predict(session, settings.model, [recordings[0].path])  # the model is loaded and calibrated
        paths = [each.path for each in recordings[1:]]
        uncached, first = _predict(session, settings.model, paths)
        cached = [_predict(session, settings.model, paths) for _ in range(max(3, settings.rounds))]
    if any(texts != first for _, texts in cached):
        raise RuntimeError("the cache gave other transcripts than the model")
    again = statistics.median(seconds for seconds, _ in cached)
    distinct = len(set(paths))
    table.add("without a cache", uncached, "s", note=f"{distinct} distinct recordings, the {settings.model} model")
    table.add("cached", again, "s", note=f"median of {len(cached)}; {len(paths) / again:,.0f} rows/s")
    table.add("cached is faster by", uncached / again, "times", at_least=LEAST_TIMES)
    return table


def _predict(session: Session, model: str, paths: list[str]) -> tuple[float, list[str]]:
    values = ", ".join(f"('{path}')" for path in paths)
    begin = time.perf_counter()
    result = session.sql(f"PREDICT USING {model} AS SELECT * FROM (VALUES {values}) AS t (audio_path)", progress=False)
    texts = result.to_arrow()["predicted"].to_pylist()
    return time.perf_counter() - begin, texts
