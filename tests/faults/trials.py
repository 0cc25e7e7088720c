"""The statements under test, each with what its tables or models are before it, and after it, and never between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.faults.installation import Installation
from tests.faults.speech import BASE, CLIPS, HEARER, Recordings, write_base
from thanosql import Result, Session
from thanosql.clients import CatalogClient, InferenceClient
from thanosql.errors import UnknownTable
from thanosql.types import AudioKey, JobState

ABSENT = "no table"
SOME = 60
"""Recordings of a statement that also writes a table."""


@dataclass
class Bench:
    """What trials are made with."""

    installation: Installation
    session: Session
    observer: Session
    """Another one, which looks while the first one's statement runs."""
    catalog: CatalogClient
    inference: InferenceClient
    recordings: Recordings
    bundled: Path
    """The checkpoint that is shipped."""
    numbers: int
    """Rows of the table of that name."""
    texts: Sequence[str | None] = ()
    """What the model says of the recordings when nothing is in its way."""
    salt: int = 0

    def run(self, text: str) -> Result:
        """Runs a statement that nothing is in the way of."""
        return self.observer.sql(text, progress=False)

    def renew_recordings(self, count: int = CLIPS) -> None:
        """Makes recordings that nobody has transcribed."""
        self.salt += 1
        self.recordings.write(self.salt, count)

    def count_heard(self) -> int:
        """Clips that the model has transcribed since inference_service started."""
        return sum(each.clips for each in self.inference.get_statistics(HEARER))

    def count_kept(self, count: int = CLIPS) -> int:
        """Recordings whose transcript is kept."""
        workspace = self.installation.workspace
        keys = []
        for number in range(count):
            path = f"clips/{number:04d}.wav"
            status = (workspace / path).stat()
            keys.append(AudioKey(path, status.st_size, status.st_mtime_ns))
        return len(self.catalog.lookup_transcripts(HEARER, 1, keys, only_looks=True))


class Trial(Protocol):
    """A statement, and how it is judged."""

    name: str
    text: str
    seconds: float
    """That it takes, about; mended as it is seen."""
    concerned: Sequence[str]
    """Services that have a part in it."""

    def prepare(self, bench: Bench) -> None:
        """Makes everything as it is before the statement."""

    def look(self, bench: Bench) -> object:
        """What there is now, to compare with `before` and `after`."""

    def judge(self, bench: Bench, result: Result) -> Sequence[str]:
        """What is wrong with the result of a statement that went well."""

    before: object
    after: object


@dataclass
class TableTrial:
    """A statement that writes a table."""

    name: str
    text: str
    table: str
    after: object
    before: object = ABSENT
    make: Sequence[str] = ()
    rows: int = 0
    """That the statement says it wrote."""
    columns: str = "count(*) AS n, count(DISTINCT id) AS ids, sum(value) AS total"
    seconds: float = 0.5
    concerned: Sequence[str] = ("catalog", "query")
    fresh: int = 0
    """Recordings that are to be new."""

    def prepare(self, bench: Bench) -> None:
        bench.run(f"DROP TABLE IF EXISTS {self.table}")
        for text in self.make:
            bench.run(text)
        if self.fresh:
            bench.renew_recordings(self.fresh)

    def look(self, bench: Bench) -> object:
        try:
            return tuple(next(iter(bench.run(f"SELECT {self.columns} FROM {self.table}"))))
        except UnknownTable:
            return ABSENT

    def judge(self, bench: Bench, result: Result) -> Sequence[str]:
        return [] if result.rows == self.rows else [f"it tells of {result.rows} rows, not of {self.rows}"]


@dataclass
class PredictTrial:
    """PREDICT over a thousand rows, whose transcripts nobody knows."""

    name: str = "PREDICT"
    text: str = (
        f"PREDICT USING {HEARER} OPTIONS (audio_col='audio_path') AS SELECT id, audio_path FROM clips ORDER BY id"
    )
    seconds: float = 5.0
    concerned: Sequence[str] = ("catalog", "inference", "query")
    before: object = "rows"
    after: object = "rows"

    def prepare(self, bench: Bench) -> None:
        bench.renew_recordings()

    def look(self, bench: Bench) -> object:
        return "rows"

    def judge(self, bench: Bench, result: Result) -> Sequence[str]:
        rows = list(result)
        if [row[0] for row in rows] != list(range(CLIPS)):
            missing = sorted(set(range(CLIPS)) - {row[0] for row in rows})
            return [f"{len(rows)} rows came; {len(missing)} of {CLIPS} are missing, as {missing[:5]}"]
        wrong = [row[0] for row in rows if bench.texts and row[-1] != bench.texts[row[0]]]
        return [f"{len(wrong)} rows have another transcript: {wrong[:5]}"] if wrong else []


@dataclass
class BuildTrial:
    """BUILD MODEL: a training, its export, its registration."""

    name: str = "BUILD"
    model: str = "built"
    text: str = (
        f"BUILD MODEL built USING './{BASE}' OPTIONS (audio_col='audio_path', text_col='text', epochs=3, "
        "batch_size=4, overwrite=True) AS SELECT * FROM learn"
    )
    seconds: float = 20.0
    concerned: Sequence[str] = ("catalog", "trainer", "query", "child")
    before: object = 0
    after: object = 1
    _known: set[str] = field(default_factory=set)

    def prepare(self, bench: Bench) -> None:
        base = bench.installation.workspace / BASE
        if not base.exists():
            write_base(bench.bundled, base)
        self._known = {job.id for job in bench.catalog.list_jobs()}

    def look(self, bench: Bench) -> object:
        """Versions that were made since: of jobs that have succeeded."""
        jobs = [job for job in bench.catalog.list_jobs() if job.id not in self._known]
        return sum(job.state is JobState.SUCCEEDED for job in jobs)

    def judge(self, bench: Bench, result: Result) -> Sequence[str]:
        if len(result) != 1:
            return [f"{len(result)} rows tell of the model"]
        served = bench.catalog.get_model(self.model).version
        made = result.to_arrow().to_pylist()[0]["version"]
        return [] if made == served else [f"version {made} was made, and {served} is served"]


def make_trials(numbers: int) -> tuple[Trial, ...]:
    """Every statement under test."""
    total = sum(number % 1000 for number in range(numbers))
    plain = (numbers, numbers, total)
    copied = "CREATE TABLE {} AS SELECT id, value FROM numbers"
    return (
        TableTrial("COPY", "COPY copied FROM 'numbers.csv'", "copied", plain, rows=numbers, seconds=1.0),
        TableTrial(
            "COPY, overwrite",
            "COPY copied_over OPTIONS (overwrite=True) FROM 'numbers.csv'",
            "copied_over",
            plain,
            before=(1, 1, 5),
            make=("CREATE TABLE copied_over AS SELECT 7 AS id, 5 AS value",),
            rows=numbers,
            seconds=1.0,
        ),
        TableTrial(
            "COPY, append",
            "COPY appended OPTIONS (if_exists='append') FROM 'numbers.csv'",
            "appended",
            (2 * numbers, numbers, 2 * total),
            before=plain,
            make=(copied.format("appended"),),
            rows=numbers,
            seconds=1.0,
        ),
        TableTrial(
            "CREATE TABLE AS",
            "CREATE TABLE made AS SELECT id, value + 1 AS value FROM numbers ORDER BY md5(id::text)",
            "made",
            (numbers, numbers, total + numbers),
            rows=numbers,
        ),
        TableTrial(
            "INSERT",
            f"INSERT INTO grown SELECT id + {numbers}, value FROM numbers ORDER BY md5(id::text)",
            "grown",
            (2 * numbers, 2 * numbers, 2 * total),
            before=plain,
            make=(copied.format("grown"),),
            rows=numbers,
        ),
        TableTrial(
            "UPDATE",
            "UPDATE changed SET value = value + 1 WHERE md5(md5(id::text)) <> ''",
            "changed",
            (numbers, numbers, total + numbers),
            before=plain,
            make=(copied.format("changed"),),
            rows=numbers,
        ),
        TableTrial(
            "DELETE",
            "DELETE FROM thinned WHERE md5(md5(id::text)) <> '' AND id % 2 = 0",
            "thinned",
            (numbers - (numbers + 1) // 2, numbers // 2, sum(n % 1000 for n in range(1, numbers, 2))),
            before=plain,
            make=(copied.format("thinned"),),
            rows=(numbers + 1) // 2,
        ),
        TableTrial(
            "CREATE TABLE AS PREDICT",
            f"CREATE TABLE heard AS PREDICT USING {HEARER} OPTIONS (audio_col='audio_path') AS "
            f"SELECT id, audio_path, 1 AS value FROM clips WHERE id < {SOME}",
            "heard",
            (SOME, SOME, SOME),
            rows=SOME,
            seconds=1.0,
            concerned=("catalog", "inference", "query"),
            fresh=SOME,
        ),
        PredictTrial(),
        BuildTrial(),
    )
