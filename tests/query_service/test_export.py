"""EXPORT MODEL through a real catalog, a played trainer and a played inference service."""

from __future__ import annotations

from thanosql.errors import NameTaken
from thanosql.types import JobKind, Model, ModelState, Notice, StatementDone


def test_the_newest_version_is_exported_and_the_answer_says_where_and_how_large(services, ready_model):
    version = services.catalog.get_model(ready_model).version
    events = services.run(f"EXPORT MODEL {ready_model} TO 'triton'")
    assert services.inference.exports == [(ready_model, version, "triton")]
    done = events[-1]
    assert isinstance(done, StatementDone)
    assert done.message == f"Success: triton/{ready_model}, 12345 bytes"
    assert f"triton/{ready_model}/README.md says how Triton serves it." in [
        event.text for event in events if isinstance(event, Notice)
    ]


def test_a_model_that_nobody_has_used_yet_is_made_ready_first(services):
    version = services.catalog.reserve_model_version("unused")
    services.catalog.register_model(Model("unused", version, "Wav2Vec2En", "", ModelState.PENDING))
    services.run("EXPORT MODEL unused TO 'triton'")
    assert [(spec.kind, spec.model) for spec in services.trainer.specs] == [(JobKind.EXPORT, "unused")]
    made = services.catalog.get_model("unused")
    assert made.state is ModelState.READY
    assert services.inference.exports == [("unused", made.version, "triton")]


def test_a_taken_name_is_shown_at_the_path(services, ready_model):
    statement = f"EXPORT MODEL {ready_model} TO 'triton'"
    services.run(statement)
    error = services.fails(statement)
    assert isinstance(error, NameTaken)
    assert (error.line, error.column) == (1, statement.index("'") + 1)
    assert error.hint == "Choose another folder."
