"""What was measured of a model is kept beside it, and used again where nothing has changed."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from inference_service.config import InferenceConfig
from inference_service.models.loading import Loader, Ready
from inference_service.planning.calibration_file import FILE, CalibrationFiles
from inference_service.planning.exploration import Shape
from inference_service.planning.trial import Trial
from thanosql.modelstore import read_description
from thanosql.types import ServingPlan

FACTS = {"cpu": "abacus", "cores": 2}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a version in a model store."""
    made = tmp_path / "state" / "models" / "digits" / "1"
    made.mkdir(parents=True)
    return made


def test_what_is_kept_is_recalled_by_another_process(folder: Path, tmp_path: Path) -> None:
    CalibrationFiles(tmp_path / "elsewhere").keep(folder, FACTS, {"rate": 1.5})
    assert CalibrationFiles(tmp_path / "elsewhere").recall(folder, FACTS) == {"rate": 1.5}
    assert [each.name for each in folder.iterdir()] == [FILE]


def test_each_machine_has_an_entry(folder: Path, tmp_path: Path) -> None:
    files, other = CalibrationFiles(tmp_path / "elsewhere"), {**FACTS, "cores": 64}
    files.keep(folder, FACTS, {"rate": 1})
    assert files.recall(folder, other) is None
    files.keep(folder, other, {"rate": 30})
    files.keep(folder, FACTS, {"rate": 2})
    assert (files.recall(folder, FACTS), files.recall(folder, other)) == ({"rate": 2}, {"rate": 30})
    assert len(json.loads((folder / FILE).read_text("utf-8"))["entries"]) == 2


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": 1, "entries": [{"facts": 1}]}', '{"format": 2}', "\0"])
def test_a_damaged_file_is_written_anew(text: str, folder: Path, tmp_path: Path) -> None:
    (folder / FILE).write_text(text, "utf-8")
    files = CalibrationFiles(tmp_path / "elsewhere")
    assert files.recall(folder, FACTS) is None
    files.keep(folder, FACTS, {"rate": 1})
    assert files.recall(folder, FACTS) == {"rate": 1}


def test_beside_a_store_that_cannot_be_written_it_is_kept_elsewhere(folder: Path, tmp_path: Path) -> None:
    (folder / FILE).mkdir()  # as root, a test may write into any folder; but not over this one
    files = CalibrationFiles(tmp_path / "elsewhere")
    files.keep(folder, FACTS, {"rate": 1})
    assert CalibrationFiles(tmp_path / "elsewhere").recall(folder, FACTS) == {"rate": 1}
    assert (tmp_path / "elsewhere" / "digits" / "1" / FILE).is_file()


def test_where_nothing_can_be_written_it_is_kept_in_memory(folder: Path, tmp_path: Path) -> None:
    (folder / FILE).mkdir()
    (tmp_path / "elsewhere").write_text("", "utf-8")
    files = CalibrationFiles(tmp_path / "elsewhere")
    files.keep(folder, FACTS, {"rate": 1})
    assert files.recall(folder, FACTS) == {"rate": 1}


def load(store: Path, name: str = "tiny", *, is_alone: bool = True, **settings: float) -> Ready:
    """Loads a model; two cores are never kept from it, as this clock has it."""
    config = InferenceConfig(state=store.parent, device="cpu", calibration_seconds=0.3, **settings)  # type: ignore[arg-type]
    loader = Loader(config, device="cpu", cores=2, clock=lambda: time.process_time() / 2, is_stopping=lambda: False)
    folder = store / name / "1"
    return loader.load(folder, read_description(folder), is_alone=is_alone)


def read_entries(store: Path, name: str = "tiny") -> list[dict[str, dict[str, object]]]:
    file = store / name / "1" / FILE
    entries: list[dict[str, dict[str, object]]] = (
        json.loads(file.read_text("utf-8"))["entries"] if file.exists() else []
    )
    return entries


def test_a_model_is_measured_once(own_store: Path) -> None:
    first = load(own_store)
    assert first.calibration is not None
    assert first.plan.audio_rate > 0
    (entry,) = read_entries(own_store)
    assert entry["facts"]["cores"] == 2
    second = load(own_store)
    assert second.calibration == first.calibration
    assert second.plan == first.plan
    assert second.memory_bytes == first.memory_bytes
    assert read_entries(own_store) == [entry]


def test_another_graph_is_measured_anew(own_store: Path) -> None:
    load(own_store)
    shutil.copytree(own_store / "grouped" / "1", own_store / "tiny" / "1", dirs_exist_ok=True)
    load(own_store)
    assert len(read_entries(own_store)) == 2


def test_what_is_set_otherwise_is_measured_anew(own_store: Path) -> None:
    load(own_store)
    plan: ServingPlan = load(own_store, workers=1, threads=1).plan
    assert (plan.workers, plan.threads) == (1, 1)
    assert len(read_entries(own_store)) == 2


def test_what_was_measured_in_company_is_not_kept(own_store: Path) -> None:
    assert load(own_store, is_alone=False).plan.audio_rate > 0
    assert read_entries(own_store) == []


@pytest.mark.parametrize(("computed_share", "threads", "expected"), [(1.0, 1, 4.0), (0.25, 1, 1.0), (0.25, 2, 4.0)])
def test_what_other_programs_take_of_the_cores_is_not_counted(
    computed_share: float, threads: int, expected: float
) -> None:
    clock = CountingClock(step=4.0)
    trial = Trial(
        lambda workers, threads: Idle(),
        device="cpu",
        sample_rate=16_000,
        clock=clock,
        cpu_clock=CountingClock(step=4.0 * computed_share),
    )
    with trial:
        assert trial.measure(Shape(1, threads, 1, 1.0)) == expected
        assert trial.was_disturbed is (computed_share < 0.5 and threads == 1)


class CountingClock:
    """Goes on by a step each time that it is looked at."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def __call__(self) -> float:
        self._now += self._step
        return self._now


class Idle:
    """An engine that says nothing."""

    def run(self, rows: object, **_: object) -> list[object]:
        return []

    def close(self) -> None:
        pass
