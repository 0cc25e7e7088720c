"""What every store of tables must do. Each backend has a subclass of `StoreTests`, with a fixture `store`."""

from __future__ import annotations

from tests.catalog_service.tables.store_changes import ChangeTests, RenameTests, WriteQueryTests
from tests.catalog_service.tables.store_locks import LockTests
from tests.catalog_service.tables.store_queries import QueryTests, RelationTests
from tests.catalog_service.tables.store_scoring import ScoringTests
from tests.catalog_service.tables.store_types import TypeTests
from tests.catalog_service.tables.store_writing import WritingTests


class StoreTests(
    WritingTests,
    QueryTests,
    RelationTests,
    WriteQueryTests,
    ChangeTests,
    RenameTests,
    LockTests,
    ScoringTests,
    TypeTests,
):
    """All of it."""
