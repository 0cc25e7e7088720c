"""`thanosql tutorial`, as a newcomer runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from thanosql import tutorial
from thanosql.errors import NotFound
from thanosql.tutorial import STEPS, find_workspace


@pytest.mark.slow
def test_the_tutorial_runs_from_the_first_statement_to_the_last(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout / "tutorial_data", tmp_path / "tutorial_data")
    run = subprocess.run(
        [sys.executable, "-m", "thanosql.cli", "tutorial"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    places = [run.stdout.index(f"\n{statement}\n") for _, statement in STEPS]
    assert places == sorted(places), "every statement is printed as it stands, in its order"
    (rates,) = re.findall(r"20 recordings of unheard voices: ([\d.]+)% → ([\d.]+)%", run.stdout)
    assert float(rates[1]) < float(rates[0]), "fine-tuning helps"
    assert "thanosql shell" in run.stdout
    assert "Traceback" not in run.stderr


def test_the_tutorial_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="the tutorial's data is not here"):
        find_workspace(tmp_path, tmp_path / "site-packages")


def test_the_tutorial_finds_its_data_here_or_in_the_checkout(tmp_path: Path, checkout: Path) -> None:
    assert find_workspace(tmp_path, checkout) == checkout
    assert find_workspace(checkout, tmp_path) == checkout


def test_who_calls_the_program_by_its_path_is_told_what_puts_it_on_the_shells(tmp_path, monkeypatch):
    (tmp_path / "activate").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert tutorial._activation() == f"\n  . {tmp_path / 'activate'}"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert tutorial._activation() == ""
