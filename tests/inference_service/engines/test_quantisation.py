"""The int8 graph: made once, whole or not at all, wherever it can be kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inference_service.engines.engine import EngineChoice, open_engine
from inference_service.engines.quantisation import choose_places, quantised_graph
from thanosql.audio import read_audio
from thanosql.errors import DataError, InvalidOption
from thanosql.modelstore import GRAPH, read_description
from thanosql.quantisation import FOLDER


def test_in_int8_a_clip_says_nearly_the_same_by_a_smaller_graph(own_store: Path, checkout: Path) -> None:
    folder = own_store / "tiny" / "1"
    description = read_description(folder)
    clip = read_audio(checkout / "tutorial_data" / "librispeech_data" / "000.flac")
    (exact,) = open_engine(folder, description, EngineChoice()).run([clip])
    (rough,) = open_engine(folder, description, EngineChoice(precision="int8")).run([clip])
    assert (exact.tokens == rough.tokens).mean() > 0.9
    assert not np.array_equal(exact.scores, rough.scores)
    size = (folder / f"{GRAPH}.data").stat().st_size
    assert (folder / FOLDER / f"{GRAPH}.data").stat().st_size < 0.7 * size


def test_many_who_need_it_at_once_get_one_graph_and_nothing_is_left_over(own_store: Path) -> None:
    folder = own_store / "grouped" / "1"
    before = {each.name for each in folder.iterdir()}
    with ThreadPoolExecutor(3) as pool:
        files = set(pool.map(lambda _: make(folder, folder / FOLDER), range(3)))
    assert files == {folder / FOLDER / GRAPH}
    assert {each.name for each in folder.iterdir()} == before | {FOLDER}
    assert {each.name for each in (folder / FOLDER).iterdir()} == {GRAPH, f"{GRAPH}.data"}


def test_it_is_made_once_and_in_the_first_place_that_can_be_written(own_store: Path, tmp_path: Path) -> None:
    folder = own_store / "grouped" / "1"
    (tmp_path / "file").touch()  # no folder can be made in a file
    places = (tmp_path / "file" / "int8", tmp_path / "cache" / "int8")
    assert make(folder, *places) == tmp_path / "cache" / "int8" / GRAPH
    (folder / GRAPH).unlink()  # there would be nothing to make it of
    assert make(folder, *places) == tmp_path / "cache" / "int8" / GRAPH


def test_where_it_can_be_kept_nowhere_the_reason_is_told(own_store: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidOption, match=r"version 1 of model 'grouped' can be kept nowhere: .*File exists"):
        make(own_store / "grouped" / "1", tmp_path / "file" / "int8")


def test_a_cached_graph_is_not_taken_for_that_of_a_later_model_of_the_same_name(
    own_store: Path, tmp_path: Path
) -> None:
    tiny, grouped = own_store / "tiny" / "1", own_store / "grouped" / "1"
    description = read_description(tiny)
    before = choose_places(tiny, description, tmp_path)
    (grouped / GRAPH).replace(tiny / GRAPH)
    after = choose_places(tiny, description, tmp_path)
    assert before[0] == after[0] == tiny / FOLDER  # it goes and comes with the version's folder
    assert before[1] != after[1]


def test_a_damaged_graph_is_named_and_nothing_is_left_over(own_store: Path) -> None:
    folder = own_store / "grouped" / "1"
    (folder / GRAPH).write_bytes(b"noise" * 500)
    before = {each.name for each in folder.iterdir()}
    with pytest.raises(DataError, match="version 1 of model 'grouped' cannot be quantised"):
        make(folder, folder / FOLDER)
    assert {each.name for each in folder.iterdir()} == before


def make(folder: Path, *places: Path) -> Path:
    return quantised_graph(folder / GRAPH, read_description(folder), places)
