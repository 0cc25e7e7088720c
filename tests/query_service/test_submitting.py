"""Trainings that are queued while the trainer is cut off: each is queued once, and followed, or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.installation import find_ports
from tests.faults.proxy import Proxy
from thanosql.clients import QueryClient
from thanosql.errors import ThanoSQLError, Unavailable


@dataclass
class Cut:
    """A query service whose way to the trainer can be cut."""

    services: Any
    proxy: Proxy
    client: QueryClient
    events: list[Any] = field(default_factory=list)
    error: ThanoSQLError | None = None

    def jobs(self, model: str) -> list[Any]:
        """Those of a model, as the catalog has them."""
        return [job for job in self.services.catalog.list_jobs() if job.spec.model == model]

    def build(self, model: str, is_time: Callable[[], bool]) -> None:
        """Begins a training, and cuts the way when `is_time`."""
        text = f"BUILD MODEL {model} USING Wav2Vec2En OPTIONS (text_col='text') AS SELECT * FROM to_submit"

        def follow() -> None:
            try:
                self.events = [event.event for event in self.client.execute(text)]
            except ThanoSQLError as error:
                self.error = error

        thread = threading.Thread(target=follow)
        thread.start()
        deadline = time.monotonic() + 60
        while not is_time() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.proxy.cut(0.3)
        thread.join(90)
        assert not thread.is_alive()


@pytest.fixture
def cut(services: Any) -> Iterator[Cut]:
    """Its query service goes to the trainer through a proxy."""
    (path,) = services.recordings("submitted.wav")
    services.table("to_submit", f"audio_path,text\n{path},ONE\n")
    (port,) = find_ports(1)
    proxy = Proxy(port, int(services.config.trainer.rpartition(":")[2]))
    yield Cut(services, proxy, services.another(trainer=f"127.0.0.1:{port}"))
    proxy.close()


def test_a_training_that_was_queued_is_followed_though_the_answer_is_lost(cut: Cut) -> None:
    cut.proxy.hold_answer(b"submitted_model")
    cut.build("submitted_model", lambda: len(cut.jobs("submitted_model")) == 1)
    assert cut.error is None
    assert len(cut.jobs("submitted_model")) == 1


def test_a_training_that_was_not_queued_says_that_nothing_was_begun(cut: Cut) -> None:
    began = time.monotonic()
    cut.proxy.hold_question(b"left_model")
    cut.build("left_model", lambda: time.monotonic() - began > 1)
    assert isinstance(cut.error, Unavailable)
    assert "the job was not queued" in cut.error.message
    assert "Nothing was begun: run the statement again." in cut.error.hint
    assert cut.jobs("left_model") == []
