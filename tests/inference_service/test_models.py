"""Loading models when they are first asked for, and keeping the last used ones."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference_service.config import InferenceConfig
from inference_service.models import Models
from thanosql.errors import DataError, Unavailable, UnknownModel
from thanosql.modelstore import DESCRIPTION, read_description, write_description

SAMPLES = np.random.default_rng(1).standard_normal(16_000).astype(np.float32)


@pytest.fixture
def three(own_store: Path) -> InferenceConfig:
    """A store of three models of which each takes 1 GiB, as was measured; there is room for two."""
    folder = Path(shutil.copytree(own_store / "tiny", own_store / "third")) / "1"
    write_description(folder, replace(read_description(folder), name="third"))
    config = InferenceConfig(state=own_store.parent, device="cpu", model_memory=2.5, workers=1, threads=1)
    models = Models(config)
    for name in ("tiny", "grouped", "third"):
        models.leave(models.enter(name, 1))
        file = own_store / name / "1" / "calibration.json"
        file.write_text(re.sub(r'"memory_bytes": \d+', f'"memory_bytes": {2**30}', file.read_text("utf-8")), "utf-8")
    models.close()
    return config


def names(models: Models) -> list[str]:
    return [each.model for each in models.statistics()]


def test_the_models_used_last_are_kept(three: InferenceConfig) -> None:
    models = Models(three)
    for name in ("tiny", "grouped", "tiny", "third"):
        models.leave(models.enter(name, 1))
    assert names(models) == ["third", "tiny"]
    models.close()


def test_a_model_in_use_is_not_freed(three: InferenceConfig) -> None:
    models = Models(three)
    used = [models.enter(name, 1) for name in ("tiny", "grouped", "third")]
    assert len(models.statistics()) == 3
    models.leave(used[1])
    assert len(models.statistics()) == 2
    models.close()


def test_a_model_is_loaded_once_however_many_ask_at_once(three: InferenceConfig) -> None:
    models = Models(three)
    with ThreadPoolExecutor(4) as pool:
        entered = list(pool.map(lambda _: models.enter("tiny", 1), range(4)))
    assert len(set(map(id, entered))) == 1
    models.close()


@pytest.mark.parametrize(("name", "version"), [("none", 1), ("tiny", 2), ("none", 0), ("../models/tiny", 1), ("", 1)])
def test_an_unknown_model_is_named(name: str, version: int, store: Path) -> None:
    models = Models(InferenceConfig(state=store.parent, device="cpu"))
    with pytest.raises(UnknownModel, match=f"no (version {version} of a )?model '{name}'"):
        models.enter(name, version)


def test_a_damaged_description_is_named_and_mended_by_a_good_one(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu"))
    file = own_store / "tiny" / "1" / DESCRIPTION
    good = file.read_text("utf-8")
    file.write_text("{", "utf-8")
    with pytest.raises(DataError, match="damaged"):
        models.enter("tiny", 1)
    file.write_text(good, "utf-8")
    models.enter("tiny", 1)
    models.close()


def test_a_model_that_was_deleted_and_made_anew_is_loaded_anew(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu"))
    old = models.enter("tiny", 1)
    shutil.rmtree(own_store / "tiny")
    with pytest.raises(UnknownModel):
        models.enter("tiny", 1)
    shutil.copytree(own_store / "grouped", own_store / "tiny")
    new = models.enter("tiny", 1)
    assert new is not old
    old.batcher.submit("a", SAMPLES).result(timeout=10)
    models.leave(old)
    with pytest.raises(Unavailable):
        old.batcher.submit("a", SAMPLES)
    models.close()


def test_a_closed_store_loads_nothing(store: Path) -> None:
    models = Models(InferenceConfig(state=store.parent, device="cpu"))
    models.close()
    with pytest.raises(Unavailable):
        models.enter("tiny", 1)


def test_a_request_without_a_version_gets_the_newest(own_store: Path) -> None:
    folder = Path(shutil.copytree(own_store / "tiny" / "1", own_store / "tiny" / "2"))
    write_description(folder, replace(read_description(folder), version=2))
    models = Models(InferenceConfig(state=own_store.parent, device="cpu"))
    assert models.enter("tiny", 0).description.version == 2
    models.close()
