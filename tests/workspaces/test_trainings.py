"""Trainings of two workspaces by one trainer: each in the folders of its own, with the models of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from query_service.transcribing.content import hash_file
from tests.workspaces.conftest import OTHER, WORKSPACES, Installation
from thanosql.errors import NotFound, UnknownModel
from thanosql.types import AudioKey, CachedTranscript, JobState

ROWS = "SELECT audio_path, text FROM librispeech_train LIMIT 4"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_model_of_the_same_name_is_built_served_and_deleted_in_each_workspace(installation: Installation) -> None:
    sessions = {name: installation.session(name) for name in WORKSPACES}
    for name, session in sessions.items():
        session.sql("GET THANOSQL DATASET librispeech_data OPTIONS (overwrite=True)")
        path = "tutorial_data/librispeech_data/librispeech_train.csv"
        session.sql(f"COPY librispeech_train OPTIONS (overwrite=True) FROM '{path}'")
        options = f"OPTIONS (audio_col='audio_path', text_col='text', epochs=1, seed={len(name)})"
        session.sql(f"BUILD MODEL built USING Wav2Vec2EnTiny {options} AS {ROWS}")
    graphs = {}
    for name in WORKSPACES:
        folders = installation.folders(name)
        (job,) = [each for each in installation.catalog(name).list_jobs() if each.spec.model == "built"]
        assert (job.state, job.workspace) == (JobState.SUCCEEDED, name)
        assert (folders.state / "jobs" / job.id / "events.jsonl").is_file()
        graphs[name] = (folders.models / "built" / "1" / "model.safetensors").read_bytes()
        (other,) = set(WORKSPACES) - {name}
        with pytest.raises(NotFound):
            sessions[other].sql(f"RESUME JOB '{job.id}'")
    assert graphs["default"] != graphs[OTHER]
    predict = f"PREDICT USING built OPTIONS (audio_col='audio_path') AS {ROWS}"
    heard = {name: sessions[name].sql(predict).to_pandas()["predicted"].notna().sum() for name in WORKSPACES}
    assert heard == {"default": 4, OTHER: 4}
    for name in WORKSPACES:
        # The same bytes in both, known by them alone: they are looked up in a thread of gRPC's.
        file = installation.folders(name).root / "moved.wav"
        soundfile.write(file, np.linspace(-0.5, 0.5, 16_000), 16_000)
        key = hash_file(file, AudioKey("moved.wav", 0, 0))
        before = replace(key, path="before.wav", size=1, modified_ns=2)
        installation.catalog(name).store_transcripts("built", 1, [CachedTranscript(before, f"{name} heard it", 0.5)])
    for name in WORKSPACES:
        moved = "SELECT 'moved.wav' AS audio_path"
        result = sessions[name].sql(f"PREDICT USING built OPTIONS (audio_col='audio_path') AS {moved}")
        assert result.to_pandas()["predicted"].tolist() == [f"{name} heard it"]
    sessions["default"].sql("DELETE MODEL built")
    with pytest.raises(UnknownModel):
        sessions["default"].sql(predict)
    assert len(sessions[OTHER].sql(predict.replace("LIMIT 4", "LIMIT 6"))) == 6
