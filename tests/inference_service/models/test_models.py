"""Loading models when they are first asked for, and keeping the last used ones."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_service.config import InferenceConfig
from inference_service.engines.engine import count_cores
from inference_service.models.loading import Loader
from inference_service.models.memory import ESTIMATE, count_graph_bytes
from inference_service.models.models import RETRY_SECONDS, Models
from inference_service.models.superseded import GONE_SECONDS, SUPERSEDED_SECONDS
from thanosql.errors import DataError, Unavailable, UnknownModel
from thanosql.modelstore import DESCRIPTION, GRAPH, new_version, read_description, write_description
from thanosql.types import ServingState

SAMPLES = np.random.default_rng(1).standard_normal(16_000).astype(np.float32)


@pytest.fixture
def three(own_store: Path) -> InferenceConfig:
    """A store of three models, with room for two."""
    folder = Path(shutil.copytree(own_store / "tiny", own_store / "third")) / "1"
    write_description(folder, replace(read_description(folder), name="third"))
    tiny, grouped = (count_graph_bytes(own_store / name / "1") * ESTIMATE for name in ("tiny", "grouped"))
    room = max(2 * tiny, tiny + grouped) + min(tiny, grouped) / 2
    return InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0, model_memory=room / 2**30)


def names(models: Models) -> list[str]:
    return [each.model for each in models.reports.statistics()]


def test_the_models_used_last_are_kept(three: InferenceConfig) -> None:
    models = Models(three)
    for name in ("tiny", "grouped", "tiny", "third"):
        models.leave(models.enter(name, 1))
    assert names(models) == ["third", "tiny"]
    models.close()


def test_a_model_in_use_is_not_freed(three: InferenceConfig) -> None:
    models = Models(three)
    used = [models.enter(name, 1) for name in ("tiny", "grouped", "third")]
    assert len(models.reports.statistics()) == 3
    models.leave(used[1])
    assert len(models.reports.statistics()) == 2
    models.close()


def test_a_model_is_loaded_once_however_many_ask_at_once(three: InferenceConfig) -> None:
    models = Models(three)
    with ThreadPoolExecutor(4) as pool:
        entered = list(pool.map(lambda _: models.enter("tiny", 1), range(4)))
    assert len(set(map(id, entered))) == 1
    models.close()


@pytest.mark.parametrize(("name", "version"), [("none", 1), ("tiny", 2), ("none", 0), ("../models/tiny", 1), ("", 1)])
def test_an_unknown_model_is_named(name: str, version: int, store: Path) -> None:
    models = Models(InferenceConfig(state=store.parent, device="cpu", calibration_seconds=0))
    with pytest.raises(UnknownModel, match=f"no (version {version} of a )?model '{name}'"):
        models.enter(name, version)


def test_a_damaged_description_is_named_and_mended_by_a_good_one(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
    file = own_store / "tiny" / "1" / DESCRIPTION
    good = file.read_text("utf-8")
    file.write_text("{", "utf-8")
    with pytest.raises(DataError, match="damaged"):
        models.enter("tiny", 1)
    file.write_text(good, "utf-8")
    models.enter("tiny", 1)
    models.close()


def test_a_model_that_was_deleted_and_made_anew_is_loaded_anew(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
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
    models = Models(InferenceConfig(state=store.parent, device="cpu", calibration_seconds=0))
    models.close()
    with pytest.raises(Unavailable):
        models.enter("tiny", 1)


def test_a_request_without_a_version_gets_the_newest(two_versions: InferenceConfig) -> None:
    models = Models(two_versions)
    assert models.enter("tiny", 0).description.version == 2
    models.close()


def test_only_the_last_used_is_kept_where_there_is_no_room_at_all(three: InferenceConfig) -> None:
    models = Models(replace(three, model_memory=1e-9))
    for name in ("tiny", "grouped"):
        models.leave(models.enter(name, 1))
    assert names(models) == ["grouped"]
    models.close()


@pytest.fixture
def two_versions(own_store: Path) -> InferenceConfig:
    """A store whose model "tiny" has a second version, of another kind."""
    folder = Path(shutil.copytree(own_store / "grouped" / "1", own_store / "tiny" / "2"))
    write_description(folder, replace(read_description(folder), name="tiny", version=2))
    return InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0)


def wait_until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_newer_version_is_served_when_it_is_ready_and_the_old_one_until_then(two_versions: InferenceConfig) -> None:
    newer, aside = two_versions.models / "tiny" / "2", two_versions.state / "aside"
    newer.rename(aside)
    models = Models(two_versions)
    old = models.enter("tiny", 0)
    aside.rename(newer)
    served = models.enter("tiny", 0)
    assert served is old
    models.leave(served)

    def is_newer_served() -> bool:
        model = models.enter("tiny", 0)
        models.leave(model)
        return model.description.version == 2

    wait_until(is_newer_served)
    assert len(old.batcher.submit("a", SAMPLES).result(timeout=60).tokens)
    models.close()


def test_an_older_version_that_nobody_asks_for_is_freed_when_a_newer_one_is_loaded(
    two_versions: InferenceConfig,
) -> None:
    now = 0.0
    models = Models(two_versions, clock=lambda: now)
    models.leave(models.enter("tiny", 1))
    now = SUPERSEDED_SECONDS + 1.0
    models.leave(models.enter("tiny", 2))
    wait_until(
        lambda: [each.version for each in models.reports.statistics("tiny") if each.state is ServingState.READY] == [2]
    )
    models.close()


def test_an_older_version_that_was_asked_for_lately_stays_beside_a_newer_one(two_versions: InferenceConfig) -> None:
    models = Models(two_versions, clock=lambda: 0.0)
    for version in (1, 2):
        models.leave(models.enter("tiny", version))
    assert len([each for each in models.reports.statistics("tiny") if each.state is ServingState.READY]) == 2
    models.close()


def test_a_model_whose_files_are_gone_is_freed_when_another_one_is_loaded(own_store: Path) -> None:
    now = 0.0
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0), clock=lambda: now)
    models.leave(models.enter("tiny", 1))
    shutil.rmtree(own_store / "tiny")
    now = GONE_SECONDS + 1.0
    models.leave(models.enter("grouped", 1))
    # Freed by the thread that loaded the other one, after it has given that one to those who wait.
    wait_until(lambda: names(models) == ["grouped"])
    models.close()


def test_a_broken_newer_version_is_refused_with_its_reason_while_the_old_one_serves(
    two_versions: InferenceConfig,
) -> None:
    graph = two_versions.models / "tiny" / "2" / GRAPH
    good = graph.read_bytes()
    graph.write_bytes(good[:1000])
    states: list[tuple[str, int, ServingState]] = []
    models = Models(two_versions, on_change=lambda *state: states.append(state))
    assert models.enter("tiny", 0).description.version == 1
    for _ in range(2):
        with pytest.raises(DataError, match="version 2 of model 'tiny' cannot be loaded"):
            models.enter("tiny", 2)
    assert states == [("tiny", 2, ServingState.BROKEN), ("tiny", 1, ServingState.READY)]
    first, second = models.reports.statistics("tiny")
    assert (first.version, first.state, first.problem) == (1, ServingState.READY, "")
    assert (second.version, second.state) == (2, ServingState.BROKEN)
    assert "cannot be loaded" in second.problem
    assert models.reports.statistics() == (first, second)
    graph.write_bytes(good)
    assert models.enter("tiny", 2).description.version == 2
    assert states[-1] == ("tiny", 2, ServingState.READY)
    models.close()


def test_a_model_whose_every_version_is_broken_says_why(two_versions: InferenceConfig) -> None:
    for version in (1, 2):
        (two_versions.models / "tiny" / str(version) / DESCRIPTION).write_text("{", "utf-8")
    models = Models(two_versions)
    with pytest.raises(DataError, match=r"2/model.json is damaged"):
        models.enter("tiny", 0)
    models.close()


def test_a_version_that_became_broken_serves_from_memory_those_who_name_none(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
    old = models.enter("tiny", 0)
    (own_store / "tiny" / "1" / DESCRIPTION).write_text("{", "utf-8")
    with pytest.raises(DataError, match="damaged"):
        models.enter("tiny", 1)
    assert models.enter("tiny", 0) is old
    (figures,) = models.reports.statistics("tiny")
    assert figures.state is ServingState.READY
    assert "damaged" in figures.problem
    models.close()


def test_a_graph_that_cannot_be_computed_is_refused_when_it_is_loaded(own_store: Path) -> None:
    """It opens, and has the right names; but its rows are of a rank that no clip has."""
    from onnx import TensorProto, helper, save

    def value(name: str, kind: int) -> Any:
        return helper.make_tensor_value_info(name, kind, None)

    nodes = [helper.make_node("Identity", ["lengths"], [name]) for name in ("tokens", "frames")]
    nodes += [helper.make_node("MatMul", ["waveform", "waveform"], [name]) for name in ("scores", "log_probs")]
    inputs = [value("waveform", TensorProto.FLOAT), value("lengths", TensorProto.INT64)]
    outputs = [value(name, TensorProto.FLOAT) for name in ("scores", "log_probs")]
    outputs += [value(name, TensorProto.INT64) for name in ("tokens", "frames")]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10),
        own_store / "tiny" / "1" / GRAPH,
    )
    now = 0.0
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0), clock=lambda: now)
    with pytest.raises(DataError, match="version 1 of model 'tiny' cannot be loaded"):
        models.enter("tiny", 1)
    assert [each.state for each in models.reports.statistics()] == [ServingState.BROKEN]
    models.close()


def test_loading_one_model_does_not_hold_up_another(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
    models.leave(models.enter("tiny", 1))
    loading = models.request("grouped", 1)
    assert models.request("tiny", 1).done()
    assert loading.result(timeout=60).description.name == "grouped"
    models.close()


def test_a_request_that_is_given_up_leaves_nobody_in_the_model(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
    given_up, kept = models.request("tiny", 1), models.request("tiny", 1)
    assert given_up.cancel()
    model = kept.result(timeout=60)
    wait_until(lambda: model.users == 1)
    models.leave(model)
    assert model.users == 0
    models.close()


def test_models_are_loaded_at_the_start_where_they_are_named(own_store: Path) -> None:
    config = InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0, preload="tiny, none,grouped")
    models = Models(config)
    models.preload()
    wait_until(lambda: sorted(names(models)) == ["grouped", "tiny"])
    models.close()


def test_closing_while_a_model_is_loaded_ends_all_threads(own_store: Path) -> None:
    before = set(threading.enumerate())  # other services may share the process
    models = Models(InferenceConfig(state=own_store.parent, device="cpu"))
    loading = models.request("grouped", 1)
    models.close()
    with pytest.raises(Unavailable):
        loading.result(timeout=60)
    left = set(threading.enumerate()) - before
    assert not [each.name for each in left if each.name.startswith(("load-", "free-", "batch-"))]


def test_an_idle_model_shows_the_plan_that_was_kept(own_store: Path) -> None:
    config = InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0.3)
    models, folder = Models(config), own_store / "tiny" / "1"
    assert [each.plan for each in models.reports.statistics("tiny", 1)] == [None]
    assert models.reports.statistics("tiny", 7) == ()
    loader = Loader(
        config,
        device="cpu",
        cores=count_cores(),
        clock=lambda: time.process_time() / 2,  # on which nothing else takes the cores
        is_stopping=lambda: False,
    )
    kept = loader.load(folder, read_description(folder), is_alone=True)
    (shown,) = models.reports.statistics("tiny", 1)
    assert (shown.state, shown.plan) == (ServingState.IDLE, kept.plan)
    assert kept.plan.audio_rate > 0
    models.close()


def test_a_model_that_fails_for_another_reason_than_its_files_is_tried_again_after_a_while(own_store: Path) -> None:
    now, tried = 0.0, 0

    def tell(name: str, version: int, state: ServingState) -> None:
        nonlocal tried
        tried += state is ServingState.BROKEN

    config = InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0)
    models = Models(config, clock=lambda: now, on_change=tell)
    description = own_store / "tiny" / "1" / DESCRIPTION
    description.write_text('{"format": 1, "vocabulary": [], "special": [], "unheard_of": 1}', "utf-8")
    for now, expected in ((0.0, 1), (RETRY_SECONDS - 1, 1), (RETRY_SECONDS + 1, 2)):  # noqa: B007
        with pytest.raises(DataError, match="cannot be loaded: TypeError"):
            models.enter("tiny", 1)
        assert tried == expected
    models.close()


def test_what_waits_for_a_model_on_an_event_loop_does_not_hold_the_loop_up(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))

    async def use() -> int:
        turns = 0

        async def transcribe() -> int:
            async with models.use("tiny", 0) as model:
                return len((await asyncio.wrap_future(model.batcher.submit("a", SAMPLES))).tokens)

        work = asyncio.gather(*(transcribe() for _ in range(100)))
        while not work.done():
            turns += 1
            await asyncio.sleep(0.001)
        assert len(set(await work)) == 1
        return turns

    assert asyncio.run(use()) > 3
    (figures,) = models.reports.statistics()
    assert figures.batches
    models.close()


def test_a_model_that_is_made_anew_over_and_over_under_load_answers_everyone(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
    made_anew = threading.Event()
    failures: list[Exception] = []
    answers: list[int] = []

    def transcribe() -> None:
        while not made_anew.is_set():
            try:
                model = models.enter("tiny", 0)
                answers.append(len(model.batcher.submit("a", SAMPLES).result(timeout=60).tokens))
                models.leave(model)
            except Exception as error:
                failures.append(error)

    callers = [threading.Thread(target=transcribe) for _ in range(3)]
    for caller in callers:
        caller.start()
    try:
        for _ in range(3):
            with new_version(own_store, "tiny", 1) as folder:
                shutil.copytree(own_store / "grouped" / "1", folder, dirs_exist_ok=True)
            count = len(answers)
            wait_until(lambda count=count: len(answers) > count + 10)  # type: ignore[misc]
    finally:
        made_anew.set()
        for caller in callers:
            caller.join()
    assert failures == []
    models.close()


def test_closing_frees_a_model_that_was_replaced_while_it_was_used(own_store: Path) -> None:
    models = Models(InferenceConfig(state=own_store.parent, device="cpu", calibration_seconds=0))
    replaced = models.enter("tiny", 1)
    with new_version(own_store, "tiny", 1) as folder:
        shutil.copytree(own_store / "grouped" / "1", folder, dirs_exist_ok=True)
    assert models.enter("tiny", 1) is not replaced
    models.close()
    with pytest.raises(Unavailable):
        replaced.batcher.submit("a", SAMPLES)
    models.leave(replaced)
