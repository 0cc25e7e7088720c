"""The time that EXPLAIN expects a PREDICT to take, beside the time that it then takes."""

from __future__ import annotations

import re
import time

from serving_parts.report import Table
from serving_parts.speech import CHECKOUT

from sql_parts.services import add_model, run_services
from sql_parts.settings import Settings
from thanosql import Session

TUTORIAL_MODEL = "tutorial_audio_recognition"
FOLDER = "tutorial_data/librispeech_data"
ROWS, QUICK_ROWS = 160, 12
MOST_OFF = 30.0
"""Per cent by which the expectation may miss."""
_EXPECTED = re.compile(r"expected time: about ([\d.,]+) (s|min|h)\b")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def measure(settings: Settings) -> Table:
    """The tutorial's recordings with the bundled model, and LibriSpeech's with a base-size one; nothing is cached."""
    table = Table("EXPLAIN: expected and measured time of PREDICT")
    tutorial = [f"{FOLDER}/{number:03d}.flac" for number in range(settings.of(80, QUICK_ROWS))]
    with run_services(CHECKOUT, settings.scratch / "explain_tutorial") as (session, _):
        _compare(table, session, TUTORIAL_MODEL, tutorial, settings)
    folder = settings.scratch / "explain"
    add_model(folder, settings.model)
    recordings = [each.path for each in settings.speech.take(settings.of(ROWS, QUICK_ROWS))]
    with run_services(settings.speech.workspace, folder) as (session, _):
        _compare(table, session, settings.model, recordings, settings)
    return table


def _compare(table: Table, session: Session, model: str, paths: list[str], settings: Settings) -> None:
    """As calibrated, before anything but one recording was transcribed; and again when more is known of the model."""
    session.sql(_predict(model, paths[:1]), progress=False)  # the model is made ready, loaded and calibrated
    for number in range(max(2, settings.rounds)):
        expected, took = _expect(session, model, paths)
        begin = time.perf_counter()
        session.sql(_predict(model, paths), progress=False)
        measured = time.perf_counter() - begin
        off = 100 * abs(expected - measured) / measured
        how = "as calibrated" if not number else "with what was computed since"
        note = f"{expected:.1f} s expected {how}, {measured:.1f} s measured; EXPLAIN took {took:.2f} s"
        table.add(f"{model}, {len(paths)} rows: off by", off, "%", at_most=MOST_OFF, note=note)


def _expect(session: Session, model: str, paths: list[str]) -> tuple[float, float]:
    """Seconds that are expected, and that it took to say so."""
    begin = time.perf_counter()
    lines = session.sql(f"EXPLAIN {_predict(model, paths)}", progress=False).to_arrow()["plan"].to_pylist()
    took = time.perf_counter() - begin
    found = _EXPECTED.search("\n".join(lines))
    if found is None:
        raise RuntimeError("EXPLAIN expects no time:\n" + "\n".join(lines))
    return float(found[1].replace(",", "")) * _SECONDS[found[2]], took


def _predict(model: str, paths: list[str]) -> str:
    values = ", ".join(f"('{path}')" for path in paths)
    return f"PREDICT USING {model} OPTIONS (cache=False) AS SELECT * FROM (VALUES {values}) AS t (audio_path)"
