"""The rows of the models: each method is one transaction around a decision of `catalog`."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog_service import catalog
from catalog_service.schema.database import Database
from catalog_service.schema.definitions import model_names, models
from thanosql.types import Model, ModelState


class Models:
    """The versions of a workspace's models."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database = database
        self._workspace = workspace

    def served(self) -> tuple[Model, ...]:
        """The version of each model that is served, by name."""
        with self._database.read() as connection:
            return catalog.newest(self._read(connection))

    def get(self, name: str, version: int = 0) -> Model:
        """A version of a model, or the one that is served where `version` is 0.

        Raises:
            UnknownModel: there is none.
        """
        with self._database.read() as connection:
            return catalog.find_model(name, version, self._read(connection))

    def reserve_version(self, name: str) -> int:
        """The next version number of a name, never given twice.

        Raises:
            StatementError: it cannot be the name of a model.
        """
        catalog.check_model_name(name)
        with self._database.write() as connection:
            last = self._last_version(connection, name)
            self._note_version(connection, name, last, (last or 0) + 1)
            return (last or 0) + 1

    def register(self, model: Model, now: datetime) -> Model:
        """Adds a version, or replaces what was registered under its number.

        Raises:
            StatementError, DataError: it cannot be registered.
        """
        catalog.check_registration(model)
        registered = replace(model, updated_at=now)
        values = asdict(registered) | {"state": model.state.value, "workspace": self._workspace}
        same = sa.and_(self._of(model.name), models.c.version == model.version)
        with self._database.write() as connection:
            last = self._last_version(connection, model.name)
            if last is None or last < model.version:
                self._note_version(connection, model.name, last, model.version)
            if connection.execute(sa.update(models).where(same).values(values)).rowcount == 0:
                connection.execute(sa.insert(models).values(values))
        return registered

    def delete(self, name: str, if_exists: bool) -> int:
        """Deletes the rows of every version, and their transcripts; how many versions there were.

        Raises:
            UnknownModel: there was none, and not `if_exists`.
        """
        with self._database.write() as connection:
            deleted = connection.execute(sa.delete(models).where(self._of(name))).rowcount
            if not deleted and not if_exists:
                known = sa.select(models.c.name).where(models.c.workspace == self._workspace).distinct()
                raise catalog.unknown_model(name, connection.scalars(known))
            return deleted

    def _of(self, name: str) -> sa.ColumnElement[bool]:
        return sa.and_(models.c.workspace == self._workspace, models.c.name == name)

    def _read(self, connection: sa.Connection) -> list[Model]:
        rows = connection.execute(sa.select(models).where(models.c.workspace == self._workspace))
        return [_model(row._mapping) for row in rows]

    def _last_version(self, connection: sa.Connection, name: str) -> int | None:
        return connection.scalar(sa.select(model_names.c.last_version).where(self._is_named(name)))

    def _note_version(self, connection: sa.Connection, name: str, last: int | None, version: int) -> None:
        if last is None:
            values = {"workspace": self._workspace, "name": name, "last_version": version}
            connection.execute(sa.insert(model_names).values(values))
        else:
            connection.execute(sa.update(model_names).where(self._is_named(name)).values(last_version=version))

    def _is_named(self, name: str) -> sa.ColumnElement[bool]:
        return sa.and_(model_names.c.workspace == self._workspace, model_names.c.name == name)


def _model(row: Any) -> Model:
    values = {name: value for name, value in row.items() if name != "workspace"}
    return Model(**{**values, "state": ModelState(row["state"])})
