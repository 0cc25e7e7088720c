"""The model store: whether it can be written is known before anything is computed; what is left over goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from thanosql.errors import JobFailed
from thanosql.modelstore import delete_version, require_writable


def test_a_store_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("there", "new"):
        require_writable(tmp_path, name)
        require_writable(tmp_path / "deep" / "down", name)
    assert [each.name for each in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize("place", ["models", "models/m"])
def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, place: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(exist_ok=True)
    file.touch()
    with pytest.raises(JobFailed, match=rf"model 'm' cannot be stored in .*: {file} is not a folder") as caught:
        require_writable(tmp_path / "models", "m")
    assert "Nothing was computed yet" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JobFailed, match="cannot be written: Permission denied"):
        require_writable(tmp_path, "m")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
def test_a_folder_that_takes_no_files_is_named() -> None:
    with pytest.raises(JobFailed, match="/proc cannot be written: "):
        require_writable(Path("/proc"), "m")


def test_a_version_is_deleted_with_what_was_left_of_writing_it_and_no_other(tmp_path: Path) -> None:
    for name in ("1", "2", ".2-abc", ".21-abc"):
        (tmp_path / "m" / name).mkdir(parents=True)
    delete_version(tmp_path, "m", 2)
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == [".21-abc", "1"]
    delete_version(tmp_path, "never", 1)
    (tmp_path / "n" / "1").mkdir(parents=True)
    delete_version(tmp_path, "n", 1)
    assert not (tmp_path / "n").exists()
