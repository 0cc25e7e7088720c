"""The rows of the models."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from catalog_service.schema.database import Database
from catalog_service.schema.models import Models
from thanosql.errors import DataError, StatementError, UnknownModel
from thanosql.types import Model, ModelState


@pytest.fixture
def models(database: Database) -> Models:
    return Models(database, "default")


def model(version: int, state: ModelState = ModelState.READY) -> Model:
    return Model("mine", version, "Wav2Vec2En", "base@1", state, wer=0.25, cer=None, report='{"rows": 3}')


def test_a_registered_model_comes_back_as_it_was_with_its_time(models: Models, now: datetime) -> None:
    registered = models.register(model(1), now)
    assert registered == replace(model(1), updated_at=now)
    assert models.get("mine") == registered


def test_registering_a_version_again_replaces_it(models: Models, now: datetime) -> None:
    later = now + timedelta(hours=1)
    models.register(model(1, ModelState.PENDING), now)
    models.register(replace(model(1), wer=0.1), later)
    assert models.get("mine", 1) == replace(model(1), wer=0.1, updated_at=later)
    assert models.delete("mine", if_exists=False) == 1


def test_a_pending_version_does_not_take_the_place_of_a_ready_one(models: Models, now: datetime) -> None:
    models.register(model(1), now)
    models.register(model(2, ModelState.PENDING), now)
    assert models.get("mine").version == 1
    assert [m.version for m in models.served() if m.name == "mine"] == [1]


def test_version_numbers_are_never_given_twice_not_even_after_a_delete(models: Models, now: datetime) -> None:
    assert [models.reserve_version("mine"), models.reserve_version("mine")] == [1, 2]
    models.register(model(2), now)
    models.delete("mine", if_exists=False)
    assert models.reserve_version("mine") == 3


def test_a_registered_number_that_was_never_reserved_is_not_given_either(models: Models, now: datetime) -> None:
    models.register(model(7), now)
    models.register(model(3), now)
    assert models.reserve_version("mine") == 8


def test_the_first_model_has_used_its_number(models: Models) -> None:
    assert models.reserve_version("tutorial_audio_recognition") == 2


def test_numbers_reserved_at_the_same_time_differ(models: Models) -> None:
    given: list[int] = []
    threads = [
        threading.Thread(target=lambda: given.extend(models.reserve_version("mine") for _ in range(5)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 31))


def test_an_unsafe_name_gets_no_version(models: Models, now: datetime) -> None:
    with pytest.raises(StatementError):
        models.reserve_version("../evil")
    with pytest.raises(StatementError):
        models.register(replace(model(1), name="../evil"), now)


def test_version_zero_cannot_be_registered(models: Models, now: datetime) -> None:
    with pytest.raises(DataError, match="count from 1"):
        models.register(model(0), now)


def test_deleting_a_model_that_is_not_there_names_the_nearest(models: Models) -> None:
    with pytest.raises(UnknownModel) as caught:
        models.delete("tutorial_audio_recogniton", if_exists=False)
    assert caught.value.hint == "Did you mean 'tutorial_audio_recognition'?"
    assert models.delete("tutorial_audio_recogniton", if_exists=True) == 0


def test_a_name_is_another_model_in_another_workspace(models: Models, database: Database, now: datetime) -> None:
    there = Models(database, "research")
    models.register(model(1), now)
    there.register(replace(model(1), wer=0.75), now)
    assert (models.get("mine").wer, there.get("mine").wer) == (0.25, 0.75)
    assert (models.reserve_version("mine"), models.reserve_version("mine"), there.reserve_version("mine")) == (2, 3, 2)
    assert models.delete("mine", if_exists=False) == 1
    assert [each.name for each in there.served()] == ["mine"]
    with pytest.raises(UnknownModel) as caught:
        models.get("mine")
    assert "mine'?" not in caught.value.hint
