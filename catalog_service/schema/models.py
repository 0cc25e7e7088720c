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
    """The versions of all models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def served(self) -> tuple[Model, ...]:
        """The version of each model that is served, by name."""
        with self._database.read() as connection:
            return catalog.newest(_read(connection))

    def get(self, name: str, version: int = 0) -> Model:
        """A version of a model, or the one that is served where `version` is 0.

        Raises:
            UnknownModel: there is none.
        """
        with self._database.read() as connection:
            return catalog.find_model(name, version, _read(connection))

    def reserve_version(self, name: str) -> int:
        """The next version number of a name, never given twice.

        Raises:
            StatementError: it cannot be the name of a model.
        """
        catalog.check_model_name(name)
        with self._database.write() as connection:
            last = connection.scalar(sa.select(model_names.c.last_version).where(model_names.c.name == name))
            _note_version(connection, name, last, (last or 0) + 1)
            return (last or 0) + 1

    def register(self, model: Model, now: datetime) -> Model:
        """Adds a version, or replaces what was registered under its number.

        Raises:
            StatementError, DataError: it cannot be registered.
        """
        catalog.check_registration(model)
        registered = replace(model, updated_at=now)
        values = asdict(registered) | {"state": model.state.value}
        same = sa.and_(models.c.name == model.name, models.c.version == model.version)
        with self._database.write() as connection:
            last = connection.scalar(sa.select(model_names.c.last_version).where(model_names.c.name == model.name))
            if last is None or last < model.version:
                _note_version(connection, model.name, last, model.version)
            if connection.execute(sa.update(models).where(same).values(values)).rowcount == 0:
                connection.execute(sa.insert(models).values(values))
        return registered

    def delete(self, name: str, if_exists: bool) -> int:
        """Deletes the rows of every version, and their transcripts; how many versions there were.

        Raises:
            UnknownModel: there was none, and not `if_exists`.
        """
        with self._database.write() as connection:
            deleted = connection.execute(sa.delete(models).where(models.c.name == name)).rowcount
            if not deleted and not if_exists:
                raise catalog.unknown_model(name, connection.scalars(sa.select(models.c.name).distinct()))
            return deleted


def _note_version(connection: sa.Connection, name: str, last: int | None, version: int) -> None:
    if last is None:
        connection.execute(sa.insert(model_names).values(name=name, last_version=version))
    else:
        connection.execute(sa.update(model_names).where(model_names.c.name == name).values(last_version=version))


def _read(connection: sa.Connection) -> list[Model]:
    return [_model(row._mapping) for row in connection.execute(sa.select(models))]


def _model(row: Any) -> Model:
    return Model(**{**row, "state": ModelState(row["state"])})
