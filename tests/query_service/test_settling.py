"""Statements that write, cut off from the catalog: each ends well, or says that nothing was changed."""

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
from thanosql.types import StatementDone, Table


@dataclass
class Cut:
    """A query service whose way to the catalog can be cut, beside one whose way cannot."""

    services: Any
    proxy: Proxy
    client: QueryClient
    events: list[Any] = field(default_factory=list)
    error: ThanoSQLError | None = None

    def table(self, name: str) -> Table | None:
        """The table, as the catalog has it."""
        return next((each for each in self.services.catalog.get_snapshot().tables if each.name == name), None)

    def rows(self, name: str) -> int | None:
        """How many it has; None: there is none."""
        found = self.table(name)
        return None if found is None else found.rows

    def run_without_answer(self, text: str, asked: str, is_done: Callable[[], bool]) -> None:
        """Runs a text: what the catalog says to a question with `asked` in it is lost, though it `is_done`."""
        self.proxy.hold_answer(asked.encode())
        self._run(text, is_done)

    def run_without_question(self, text: str, asked: str) -> None:
        """Runs a text: a question with `asked` in it does not reach the catalog."""
        self.proxy.hold_question(asked.encode())
        began = time.monotonic()
        self._run(text, lambda: time.monotonic() - began > 0.5)

    def done(self) -> StatementDone:
        """How the statement ended."""
        assert self.error is None, self.error
        (done,) = (event for event in self.events if isinstance(event, StatementDone))
        return done

    def _run(self, text: str, is_done: Callable[[], bool]) -> None:
        self.events, self.error = [], None

        def follow() -> None:
            try:
                for event in self.client.execute(text):
                    self.events.append(event.event)
            except ThanoSQLError as error:
                self.error = error

        thread = threading.Thread(target=follow)
        thread.start()
        deadline = time.monotonic() + 60
        while not is_done() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.proxy.cut(0.3)
        thread.join(90)
        assert not thread.is_alive(), self.events


@pytest.fixture
def cut(services: Any) -> Iterator[Cut]:
    """Its query service goes to the catalog through a proxy."""
    (port,) = find_ports(1)
    proxy = Proxy(port, int(services.config.catalog.rpartition(":")[2]))
    yield Cut(services, proxy, services.another(catalog=f"127.0.0.1:{port}"))
    proxy.close()


NUMBERS = "id\n1\n2\n3\n"


def test_a_table_that_was_made_ends_well_though_its_answer_is_lost(cut: Cut) -> None:
    cut.services.table("settled_source", NUMBERS)
    text = "CREATE TABLE settled_made AS SELECT id, id + 1 AS next FROM settled_source"
    cut.run_without_answer(text, "settled_made", lambda: cut.rows("settled_made") == 3)
    assert cut.done().rows == 3


def test_rows_that_were_inserted_are_counted_though_the_answer_is_lost(cut: Cut) -> None:
    cut.services.table("settled_grown", NUMBERS)
    cut.run_without_answer(
        "INSERT INTO settled_grown SELECT id + 3 AS id FROM settled_grown WHERE id < 3",
        "settled_grown",
        lambda: cut.rows("settled_grown") == 5,
    )
    assert cut.done().rows == 2


def test_rows_that_were_changed_are_counted_though_the_answer_is_lost(cut: Cut) -> None:
    cut.services.table("settled_changed", NUMBERS)
    before = cut.table("settled_changed")
    cut.run_without_answer(
        "UPDATE settled_changed SET id = 7 WHERE id > 1",
        "settled_changed",
        lambda: cut.table("settled_changed") != before,
    )
    assert cut.done().rows == 2


def test_a_file_that_was_copied_is_counted_though_the_answer_is_lost(cut: Cut) -> None:
    (cut.services.workspace / "settled.csv").write_text(NUMBERS, "utf-8")
    cut.run_without_answer(
        "COPY settled_copied FROM 'settled.csv'", "settled_copied", lambda: cut.rows("settled_copied") == 3
    )
    assert cut.done().rows == 3


def test_a_table_that_was_dropped_is_gone_though_the_answer_is_lost(cut: Cut) -> None:
    cut.services.table("settled_dropped", NUMBERS)
    cut.run_without_answer(
        "DROP TABLE settled_dropped", "settled_dropped", lambda: cut.table("settled_dropped") is None
    )
    cut.done()


def test_a_table_that_was_renamed_has_its_new_name_though_the_answer_is_lost(cut: Cut) -> None:
    cut.services.table("settled_old", NUMBERS)
    cut.run_without_answer(
        "ALTER TABLE settled_old RENAME TO settled_new", "settled_old", lambda: cut.rows("settled_new") == 3
    )
    cut.done()


@pytest.mark.parametrize(
    "text",
    [
        "CREATE OR REPLACE TABLE settled_left AS SELECT 1 AS id",
        "INSERT INTO settled_left SELECT 4 AS id",
        "DELETE FROM settled_left WHERE id = 1",
        "COPY settled_left OPTIONS (if_exists='append') FROM 'settled_left.csv'",
        "DROP TABLE settled_left",
        "ALTER TABLE settled_left RENAME TO settled_right",
        "ALTER TABLE settled_left RENAME COLUMN id TO number",
    ],
)
def test_what_never_reached_the_catalog_says_that_nothing_was_changed(cut: Cut, text: str) -> None:
    cut.services.table("settled_left", NUMBERS)
    before = cut.table("settled_left")
    cut.run_without_question(text, "settled_left")
    assert isinstance(cut.error, Unavailable)
    assert "settled_left" in cut.error.message
    assert "Nothing was changed: run the statement again." in cut.error.hint
    assert cut.table("settled_left") == before


def test_a_table_that_another_statement_wrote_meanwhile_is_to_be_looked_at(cut: Cut) -> None:
    cut.services.table("settled_shared", NUMBERS)

    def write() -> bool:
        cut.services.run("INSERT INTO settled_shared SELECT 9 AS id")
        return True

    cut.proxy.hold_question(b"settled_shared")
    cut._run("INSERT INTO settled_shared SELECT 4 AS id", write)
    assert isinstance(cut.error, Unavailable)
    assert "it is not known whether table 'settled_shared' was written" in cut.error.message
    assert "it has 4 rows now" in cut.error.hint
