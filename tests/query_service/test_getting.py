"""GET THANOSQL MODEL, GET THANOSQL DATASET and UPLOAD MODEL through a real catalog and a played trainer."""

from __future__ import annotations

import pytest

from thanosql.errors import NameTaken, NotFound, NotSupported, PathRefused, UnknownBaseModel, UnknownModel
from thanosql.types import JobKind, Model, ModelState, Notice, Progress, StatementDone


def test_a_pre_built_model_becomes_a_model_by_a_job_of_the_trainer(services):
    statement = "GET THANOSQL MODEL wav2vec2en OPTIONS (model_name='english', overwrite=True)"
    for version in (1, 2):
        done = services.run(statement)[-1]
        assert isinstance(done, StatementDone)
        assert done.message == f"Success: model english, version {version}"
    spec = services.trainer.specs[-1]
    assert (spec.kind, spec.model, spec.base, spec.new_version) == (JobKind.EXPORT, "english", "Wav2Vec2En", True)
    assert spec.statement == statement


def test_its_own_name_is_in_lower_case_so_that_it_is_found_bare(services):
    services.run("GET THANOSQL MODEL Wav2Vec2En")
    assert services.catalog.get_model("wav2vec2en").state is ModelState.READY


def test_the_tutorial_s_model_is_made_of_its_base_under_another_name(services):
    services.run("GET THANOSQL MODEL tutorial_audio_recognition OPTIONS (model_name='the_tutorial_s')")
    assert [(spec.model, spec.base) for spec in services.trainer.specs] == [("the_tutorial_s", "Wav2Vec2En")]


def test_a_model_that_was_not_needed_yet_is_made_ready_without_an_option(services):
    version = services.catalog.reserve_model_version("waits")
    services.catalog.register_model(Model("waits", version, "Wav2Vec2En", "", ModelState.PENDING))
    done = services.run("GET THANOSQL MODEL Wav2Vec2En OPTIONS (model_name='waits')")[-1]
    assert isinstance(done, StatementDone)
    assert done.message == "Success"
    assert [spec.new_version for spec in services.trainer.specs] == [False]


def test_another_model_in_its_place_is_told(services):
    services.trainer.fallback_notice = "The bundled model takes its place."
    events = services.run("GET THANOSQL MODEL Wav2Vec2En OPTIONS (model_name='weak')")
    assert "The bundled model takes its place." in [each.text for each in events if isinstance(each, Notice)]


def test_an_unknown_pre_built_model_brings_the_nearest(services):
    error = services.fails("GET THANOSQL MODEL Wav2VecEn")
    assert isinstance(error, UnknownModel)
    assert (error.line, error.column) == (1, 20)
    assert error.hint.startswith("Did you mean Wav2Vec2En?")
    assert services.trainer.specs == []


def test_a_repository_that_the_trainer_does_not_find_is_placed(services):
    error = services.fails("GET THANOSQL MODEL 'some/thing'")
    assert isinstance(error, UnknownBaseModel)
    assert (error.line, error.column) == (1, 20)


def test_a_folder_becomes_a_model(services):
    (services.workspace / "checkpoints" / "mine").mkdir(parents=True)
    done = services.run("UPLOAD MODEL uploaded FROM 'checkpoints/../checkpoints/mine/'")[-1]
    assert isinstance(done, StatementDone)
    assert done.message == "Success: model uploaded, version 1"
    spec = services.trainer.specs[-1]
    assert (spec.kind, spec.model, spec.base, spec.new_version) == (
        JobKind.EXPORT,
        "uploaded",
        "./checkpoints/mine",
        True,
    )


@pytest.mark.parametrize(
    ("path", "kind", "says"),
    [
        ("nothing", NotFound, "does not exist"),
        ("a_file.txt", NotFound, "is a file, not a folder"),
        ("../elsewhere", PathRefused, "leads out of the workspace"),
    ],
)
def test_what_is_no_folder_of_the_workspace_is_placed(services, path, kind, says):
    (services.workspace / "a_file.txt").write_text("x")
    error = services.fails(f"UPLOAD MODEL uploaded_never FROM '{path}'")
    assert isinstance(error, kind)
    assert says in error.message
    assert (error.line, error.column) == (1, 34)
    assert services.trainer.specs == []


def test_a_folder_is_uploaded_and_not_got(services):
    error = services.fails("GET THANOSQL MODEL './checkpoints/mine' OPTIONS (model_name='got')")
    assert isinstance(error, NotSupported)
    assert error.hint == "UPLOAD MODEL got FROM './checkpoints/mine' makes a model of it."


def test_a_data_set_comes_with_progress_and_says_where_it_is(services):
    events = services.run("GET THANOSQL DATASET librispeech_data OPTIONS (overwrite=True)")
    done = events[-1]
    assert isinstance(done, StatementDone)
    assert done.message == "Success: tutorial_data/librispeech_data, 2 files, 1234 bytes"
    assert any(isinstance(each, Progress) and each.phase == "write files" for each in events)
    assert services.trainer.datasets == [("librispeech_data", True)]


@pytest.mark.parametrize(("name", "kind"), [("other_data", NameTaken), ("unknown_data", NotFound)])
def test_a_data_set_that_cannot_be_got_is_placed(services, name, kind):
    error = services.fails(f"GET THANOSQL DATASET {name}")
    assert isinstance(error, kind)
    assert (error.line, error.column) == (1, 22)


def test_the_list_of_models_says_by_what_names_they_are_here(services):
    version = services.catalog.reserve_model_version("as_it_is")
    services.catalog.register_model(Model("as_it_is", version, "Wav2Vec2En", "a/b@c"))
    version = services.catalog.reserve_model_version("trained")
    services.catalog.register_model(Model("trained", version, "Wav2Vec2En", "a/b@c", wer=0.5))
    rows = {row["name"]: row for row in services.rows("LIST THANOSQL MODEL")}
    assert list(rows) == ["Wav2Vec2En", "tutorial_audio_recognition"]
    assert "as_it_is" in rows["Wav2Vec2En"]["models"].split(", ")
    assert "trained" not in rows["Wav2Vec2En"]["models"].split(", ")
    assert rows["tutorial_audio_recognition"]["models"] == "tutorial_audio_recognition"
    assert (rows["Wav2Vec2En"]["language"], rows["Wav2Vec2En"]["source"]) == ("en", "cached")


def test_the_list_of_data_sets_says_which_are_there(services):
    assert [(row["name"], row["path"], row["is_there"]) for row in services.rows("LIST THANOSQL DATASET")] == [
        ("librispeech_data", "tutorial_data/librispeech_data", False),
        ("other_data", "other_data", True),
    ]


def test_a_list_may_stand_in_a_query(services):
    rows = services.rows("SELECT name FROM (LIST THANOSQL DATASET) AS sets WHERE is_there")
    assert rows == [{"name": "other_data"}]


def test_a_folder_of_recordings_is_copied_and_predicted_as_it_stands(services, ready_model):
    for name in ("b.wav", "a.wav"):
        services.recordings(name, folder="said_aloud")
    (services.workspace / "said_aloud" / "a.txt").write_text("what a says")
    events = services.run("COPY said_aloud OPTIONS (audio_col='recording', overwrite=True) FROM 'said_aloud'")
    assert events[-1].rows == 2
    assert any("transcripts beside 1 of 2" in each.text for each in events if isinstance(each, Notice))
    assert services.rows(
        f"PREDICT USING {ready_model} OPTIONS (audio_col='recording') AS SELECT recording, text FROM said_aloud"
    ) == [
        {"recording": "said_aloud/a.wav", "text": "what a says", "predicted": "a"},
        {"recording": "said_aloud/b.wav", "text": None, "predicted": "b"},
    ]


def test_mistakes_in_the_options_of_copy_are_placed(services):
    services.recordings("a.wav", folder="spoken")
    error = services.fails("COPY never OPTIONS (audio_col='seconds') FROM 'spoken'")
    assert (error.line, error.column) == (1, 31)
    error = services.fails("COPY never OPTIONS (sheet='x') FROM 'spoken'")
    assert (error.line, error.column) == (1, 27)
    error = services.fails("COPY never FROM 'nowhere'")
    assert isinstance(error, NotFound)
    assert (error.line, error.column) == (1, 17)
