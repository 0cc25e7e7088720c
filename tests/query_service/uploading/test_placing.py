"""Where a file of an upload has its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from query_service.uploading.placing import Places


@pytest.mark.parametrize(("owner", "look"), [(Path, "is_dir"), (os.path, "lexists")])
def test_a_folder_that_another_upload_makes_meanwhile_is_in_nobodys_way(tmp_path, monkeypatch, owner, look):
    places, found_by = Places(tmp_path, []), getattr(owner, look)

    def find_and_make(path):
        found = found_by(path)
        if Path(path).name == "calls":
            Path(path).mkdir(exist_ok=True)
        return found

    monkeypatch.setattr(owner, look, find_and_make)
    assert places.find("calls/1.wav") == tmp_path / "calls" / "1.wav"
