"""How long it takes to parse a statement of the tutorial, and to check and plan it against the tables there are."""

from __future__ import annotations

import statistics
import time

from serving_parts.report import Table

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.planning.analyze import analyze
from sql_parts.settings import Settings
from thanosql.types import Column, Model, Snapshot
from thanosql.types import Table as TableOfRows

MOST_MILLISECONDS = 5.0
_MINE = "my_speech_recognition_model"
DATA = "tutorial_data/librispeech_data"
STATEMENTS = (
    f'COPY librispeech_train OPTIONS(overwrite = True) FROM "{DATA}/librispeech_train.csv"',
    "SELECT * FROM librispeech_train LIMIT 5",
    "PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3",
    "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text', epochs=1, "
    "batch_size=8) AS SELECT * FROM librispeech_train",
    "BUILD MODEL my_speech_recognition_model USING Wav2Vec2En OPTIONS (audio_col='audio_path', text_col='text', "
    "epochs=1, batch_size=4, overwrite=True) AS SELECT * FROM librispeech_train",
    "PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_test",
)
"""The tutorial's."""
NESTED = (
    "SELECT speaker, count(*) FROM (PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') "
    "AS SELECT *, split_part(audio_path, '/', 3) AS speaker FROM librispeech_test) AS heard "
    "WHERE predicted LIKE '%refund%' GROUP BY speaker ORDER BY count(*) DESC"
)


def measure(settings: Settings) -> Table:
    """The median of many times for each statement; the target is for the slowest of them."""
    texts = tuple(Column(name, "text") for name in ("audio_path", "text"))
    snapshot = Snapshot(
        tables=tuple(TableOfRows(f"librispeech_{part}", texts) for part in ("train", "test")),
        models=tuple(Model(name, 1, "Wav2Vec2En", "") for name in ("tutorial_audio_recognition", _MINE)),
    )
    table = Table("parse and plan")
    medians = {text: _time(text, snapshot, settings.of(300, 30)) for text in STATEMENTS}
    for text, median in medians.items():
        table.add(" ".join(text.split()[:3]), median, "ms")
    slowest = max(medians, key=lambda text: medians[text])
    table.add("the slowest", medians[slowest], "ms", at_most=MOST_MILLISECONDS, note=f"{slowest[:60]} …")
    table.add("a nested one", _time(NESTED, snapshot, settings.of(100, 10)), "ms", note="the specification's example")
    return table


def _time(text: str, snapshot: Snapshot, count: int) -> float:
    """Milliseconds, the median of so many times."""
    milliseconds = []
    for _ in range(count):
        begin = time.perf_counter()
        for statement in parse(text):
            analyze(statement, snapshot, Source(text))
        milliseconds.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(milliseconds)
