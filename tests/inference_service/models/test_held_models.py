"""Models that short calls hold, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_service.config import InferenceConfig
from inference_service.models.held_models import HeldModels
from inference_service.models.models import LoadedModel, Models
from thanosql.errors import UnknownModel


@pytest.fixture
def models(store: Path, tmp_path: Path) -> Iterator[Models]:
    models = Models(InferenceConfig(state=store.parent, workspace=tmp_path, device="cpu", calibration_seconds=0.0))
    yield models
    models.close()


async def until_nobody_uses(model: LoadedModel) -> None:
    while model.users:
        await asyncio.sleep(0.001)


def test_many_calls_enter_a_model_once(models: Models) -> None:
    made: list[LoadedModel] = []

    async def call() -> None:
        held = HeldModels(models, lambda model: made.append(model) or model, seconds=0.0)
        taken = [held.take("tiny", 1) for _ in range(20)]
        (model,) = {await asyncio.shield(each.model) for each in taken}
        for each in taken:
            each.leave()
        await until_nobody_uses(model)

    asyncio.run(call())
    assert len(made) == 1


def test_a_model_is_held_until_the_last_call_has_ended(models: Models) -> None:
    async def call() -> None:
        held = HeldModels(models, lambda model: model, seconds=0.0)
        first = held.take("tiny", 1)
        model = await asyncio.shield(first.model)
        while (later := held.take("tiny", 1)) is first:  # the time is not over yet
            later.leave()
            await asyncio.sleep(0)
        await asyncio.shield(later.model)
        assert model.users
        first.leave()
        later.leave()
        await until_nobody_uses(model)

    asyncio.run(call())


def test_a_model_that_cannot_be_had_is_asked_for_again_the_next_time(models: Models, store: Path) -> None:
    async def call() -> None:
        held = HeldModels(models, lambda model: model, seconds=60.0)
        for _ in range(2):
            taken = [held.take("tiny", 9) for _ in range(3)]
            for each in taken:
                with pytest.raises(UnknownModel):
                    await asyncio.shield(each.model)
                each.leave()
        assert taken[0] is not held.take("tiny", 9)

    asyncio.run(call())


def test_a_caller_who_goes_while_the_model_is_loaded_leaves_it_to_the_others(models: Models) -> None:
    async def call() -> LoadedModel:
        held = HeldModels(models, lambda model: model, seconds=0.0)

        async def use() -> LoadedModel:
            taken = held.take("tiny", 1)
            try:
                return await asyncio.shield(taken.model)
            finally:
                taken.leave()

        one, other = asyncio.create_task(use()), asyncio.create_task(use())
        await asyncio.sleep(0)
        one.cancel()
        model = await other
        await until_nobody_uses(model)
        return model

    assert asyncio.run(call()).description.name == "tiny"
