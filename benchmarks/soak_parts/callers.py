"""The callers of the soak: people who read, transcribe, change tables, train, leave, and mistype."""

from __future__ import annotations

import random
import shutil
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import soundfile

import thanosql
from soak_parts.installation import Installation
from thanosql.errors import Cancelled, NotFound, Overloaded, StatementError

MODEL = "tutorial_audio_recognition"


class Callers:
    """Threads with a session each; what they did, how long it took and what failed.

    Args:
        installation: Where to.
        seed: Of what they choose by chance.
        training_every: Seconds from one training to the next.
    """

    def __init__(self, installation: Installation, seed: int, training_every: float) -> None:
        self._installation, self._seed, self._training_every = installation, seed, training_every
        self.running = installation.running
        self._begin = time.monotonic()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.done: dict[str, list[tuple[float, float]]] = defaultdict(list)
        """For each kind of statement: when it began, and how long it took, in seconds."""
        self.failed: list[str] = []
        """What should have gone well."""
        self.held_back = 0
        """Statements that were refused because too many ran, and tried again."""
        self._threads = [
            threading.Thread(target=self._call, args=(number, behaviour), daemon=True)
            for number, behaviour in enumerate((_read, _read, _transcribe, _change, _leave, _train))
        ]

    def start(self) -> None:
        """They begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """They finish what they do."""
        self._stop.set()
        for thread in self._threads:
            thread.join(300)
            if thread.is_alive():
                self.failed.append(f"{thread.name} has not come back after 300 s")

    def _call(self, number: int, behaviour: Callable[[Caller], None]) -> None:
        chance = random.Random(f"{self._seed} {number}")
        with thanosql.connect(self._installation.running.address, self._installation.running.token) as session:
            caller = Caller(session, self, chance, self._installation.workspace, number, self._training_every)
            while not self._stop.is_set():
                try:
                    behaviour(caller)
                except Exception as error:  # a soak tells of everything, and goes on
                    with self._lock:
                        self.failed.append(f"{behaviour.__name__}: {type(error).__name__}: {error}")

    def note(self, kind: str, begin: float, seconds: float) -> None:
        """One statement is done."""
        with self._lock:
            self.done[kind].append((begin - self._begin, seconds))

    def wait(self, seconds: float) -> bool:
        """Does nothing for a while; whether it is over."""
        return self._stop.wait(seconds)


class Caller:
    """One of them."""

    def __init__(
        self,
        session: thanosql.Session,
        callers: Callers,
        chance: random.Random,
        workspace: Path,
        number: int,
        training_every: float,
    ) -> None:
        self.session, self.callers, self.chance = session, callers, chance
        self.workspace, self.number, self.training_every = workspace, number, training_every
        self.round = 0

    def sql(self, kind: str, text: str) -> thanosql.Result:
        """Runs a statement, and notes how long it took."""
        while True:
            begin = time.monotonic()
            try:
                result = self.session.sql(text, progress=False)
            except Overloaded as error:
                self.callers.held_back += 1
                time.sleep(error.retry_after or 1.0)
                continue
            self.callers.note(kind, begin, time.monotonic() - begin)
            return result


def _read(caller: Caller) -> None:
    kind, text = caller.chance.choice(
        (
            ("SELECT", "SELECT * FROM librispeech_train LIMIT 5"),
            ("SELECT", "SELECT count(*), max(length(text)) FROM librispeech_test"),
            ("SELECT 100,000 rows", "SELECT * FROM many"),
            ("LIST", "LIST JOBS"),
            ("LIST", "LIST MODELS"),
            ("LIST", f"DESCRIBE MODEL {MODEL}"),
            ("EXPLAIN", f"EXPLAIN PREDICT USING {MODEL} AS SELECT * FROM librispeech_test"),
            ("PRINT AUDIO", "PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 1"),
            ("PREDICT, cached", f"PREDICT USING {MODEL} AS SELECT * FROM librispeech_test"),
            ("EVALUATE, cached", f"EVALUATE USING {MODEL} OPTIONS (text_col='text') AS SELECT * FROM librispeech_test"),
            ("a mistake", f"PREDICT USING {MODEL}x AS SELECT * FROM librispeech_test"),
        )
    )
    if kind == "a mistake":
        begin = time.monotonic()
        try:
            caller.session.sql(text, progress=False)
        except StatementError:
            caller.callers.note(kind, begin, time.monotonic() - begin)
        return
    caller.sql(kind, text)
    caller.callers.wait(caller.chance.uniform(0.05, 0.5))


def _transcribe(caller: Caller) -> None:
    """PREDICT over recordings that nobody has heard before."""
    caller.round += 1
    folder = caller.workspace / f"new_{caller.round}"
    folder.mkdir()
    names = caller.chance.sample(range(100), 10)
    for name in names:
        samples, rate = soundfile.read(
            caller.workspace / f"tutorial_data/librispeech_data/{name:03}.flac", dtype="int16"
        )
        samples[caller.chance.randrange(len(samples))] ^= 1 + caller.chance.randrange(100)
        soundfile.write(folder / f"{name}.flac", samples, rate)
    table = f"new_{caller.number}"
    caller.sql("COPY of a folder", f"COPY {table} OPTIONS (overwrite=True) FROM '{folder.name}'")
    result = caller.sql("PREDICT, 10 new recordings", f"PREDICT USING {MODEL} AS SELECT * FROM {table}")
    if len(result) != len(names) or any(not row[-1] for row in result):
        raise AssertionError(f"{len(result)} rows of {len(names)}, or one without a transcript")
    shutil.rmtree(folder)
    caller.callers.wait(caller.chance.uniform(0.0, 2.0))


def _change(caller: Caller) -> None:
    table, other = f"changed_{caller.number}", f"renamed_{caller.number}"
    source = "tutorial_data/librispeech_data/librispeech_test.csv"
    caller.sql("DROP", f"DROP TABLE IF EXISTS {other}")
    caller.sql("COPY", f"COPY {table} OPTIONS (overwrite=True) FROM '{source}'")
    caller.sql("INSERT", f"INSERT INTO {table} SELECT * FROM {table}")
    caller.sql("UPDATE", f"UPDATE {table} SET text = upper(text) WHERE length(text) > 20")
    caller.sql("DELETE", f"DELETE FROM {table} WHERE length(text) < 20")
    caller.sql("ALTER", f"ALTER TABLE {table} RENAME TO {other}")
    heard = f"PREDICT USING {MODEL} AS SELECT * FROM librispeech_test"
    caller.sql("CREATE TABLE AS PREDICT, cached", f"CREATE TABLE {table} AS {heard}")
    if (rows := caller.sql("SELECT", f"SELECT count(*) FROM {table}").to_arrow().column(0)[0].as_py()) != 20:
        raise AssertionError(f"{rows} rows of 20")
    caller.sql("DROP", f"DROP TABLE {table}")
    caller.callers.wait(caller.chance.uniform(0.0, 2.0))


def _leave(caller: Caller) -> None:
    """Starts statements and goes away, or stops them, or comes back."""
    from thanosql.clients import QueryClient
    from thanosql.rpc.channel import open_channel

    id = str(uuid.uuid4())
    running = caller.callers.running
    text = "SELECT a.i FROM many AS a, many AS b WHERE a.i * b.i = -1"
    begin = time.monotonic()
    channel = open_channel(running.address, running.token)
    client = QueryClient(channel)
    events = client.execute(text, id)
    next(events)
    if caller.chance.random() < 0.5:
        channel.close()  # as a kernel that dies does
        time.sleep(0.2)
        caller.session.cancel(id)
        caller.callers.note("left, then cancelled", begin, time.monotonic() - begin)
    else:
        client.cancel(id)
        try:
            for _ in events:
                pass
        except Cancelled:
            caller.callers.note("cancelled", begin, time.monotonic() - begin)
        channel.close()
    try:
        caller.session.attach(str(uuid.uuid4()), progress=False)
    except NotFound:
        caller.callers.note("attach to nothing", begin, time.monotonic() - begin)
    caller.callers.wait(caller.chance.uniform(0.5, 4.0))


def _train(caller: Caller) -> None:
    caller.round += 1
    build = (
        "BUILD MODEL soaked USING Wav2Vec2En OPTIONS (audio_col='audio_path', text_col='text', epochs=1, batch_size=4, "
        "overwrite=True) AS SELECT * FROM librispeech_train LIMIT 20"
    )
    caller.sql("BUILD, 20 rows", build)
    caller.sql("PREDICT, 20 rows, the new model", "PREDICT USING soaked AS SELECT * FROM librispeech_test")
    if caller.round % 3 == 0:
        caller.sql("DELETE MODEL", "DELETE MODEL soaked")
    caller.callers.wait(caller.training_every)


def prepare(session: thanosql.Session) -> None:
    """The tables that they share."""
    for name in ("librispeech_train", "librispeech_test"):
        path = f"tutorial_data/librispeech_data/{name}.csv"
        session.sql(f"COPY {name} OPTIONS (overwrite=True) FROM '{path}'", progress=False)
    session.sql(
        "CREATE TABLE many AS SELECT i, 'row ' || i AS word FROM generate_series(1, 100000) AS s(i)", progress=False
    )
    session.sql(f"PREDICT USING {MODEL} AS SELECT * FROM librispeech_test", progress=False)
