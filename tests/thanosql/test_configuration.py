"""Settings: from the command line, the environment and files, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from thanosql.configuration import ServiceConfig, parse_arguments, setting
from thanosql.errors import Unavailable


@dataclass(frozen=True, kw_only=True)
class Config(ServiceConfig):
    """A service."""

    service: ClassVar[str] = "query"
    share: float = setting(0.5, "a share")


def test_an_option_wins_over_a_variable_and_the_services_own_over_that_of_all(monkeypatch):
    monkeypatch.setenv("THANOSQL_HOST", "of-all")
    assert parse_arguments(Config, [], "thanosql").host == "of-all"
    monkeypatch.setenv("THANOSQL_QUERY_HOST", "of-query")
    assert parse_arguments(Config, [], "thanosql").host == "of-query"
    assert parse_arguments(Config, ["--host", "given"], "thanosql").host == "given"


def test_a_value_is_read_from_the_file_that_a_variable_names(tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("secret\n")
    assert Config.from_env({"THANOSQL_TOKEN_FILE": str(file)}).token == "secret"
    assert Config.from_env({"THANOSQL_TOKEN_FILE": str(file), "THANOSQL_TOKEN": "plain"}).token == "plain"
    own = tmp_path / "own"
    own.write_text("0.25")
    assert Config.from_env({"THANOSQL_QUERY_SHARE_FILE": str(own)}).share == 0.25


def test_a_file_that_is_not_there_is_told_with_its_variable(tmp_path: Path):
    with pytest.raises(ValueError, match=r"THANOSQL_TOKEN_FILE=.*cannot be read"):
        Config.from_env({"THANOSQL_TOKEN_FILE": str(tmp_path / "none")})


def test_the_value_of_a_secret_file_is_in_no_message(tmp_path: Path):
    file = tmp_path / "share"
    file.write_text("hidden words")
    with pytest.raises(ValueError, match="THANOSQL_QUERY_SHARE") as told:
        Config.from_env({"THANOSQL_QUERY_SHARE_FILE": str(file)})
    assert "hidden" not in str(told.value)


def test_a_wrong_value_is_told_with_its_variable():
    with pytest.raises(ValueError, match="THANOSQL_QUERY_SHARE='many'"):
        Config.from_env({"THANOSQL_QUERY_SHARE": "many"})


def test_the_first_workspace_has_the_plain_folders_and_others_have_their_own():
    config = Config(workspace=Path("w"), state=Path("s"))
    assert (config.folders("default").root, config.folders("default").models) == (Path("w"), Path("s/models"))
    others = [config.folders(name) for name in ("calls", "research")]
    folders = [folder for each in others for folder in (each.root, each.models)]
    assert len(set(folders)) == 4
    config = Config(workspace=Path("w"), workspaces=Path("x"))
    assert config.folders("calls").root == Path("x/calls")
    assert config.of("default") is config
    assert (config.of("calls").workspace, config.of("calls").models) == (
        Path("x/calls"),
        config.folders("calls").models,
    )


@pytest.mark.parametrize("workspaces", ["w/others", "w", "."])
def test_a_server_does_not_start_where_one_workspace_would_read_the_files_of_others(workspaces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if workspaces == ".":
        Config(workspace=Path("w"), workspaces=Path(workspaces))  # beside one another they lie apart
        with pytest.raises(Unavailable, match="do not lie apart"):
            Config(workspace=Path("w"), workspaces=Path(workspaces)).of("w")
    else:
        with pytest.raises(ValueError, match="do not lie apart"):
            Config(workspace=Path("w"), workspaces=Path(workspaces))


def test_another_workspace_is_refused_where_its_state_can_be_named_by_the_first_one(tmp_path):
    with pytest.raises(Unavailable, match="do not lie apart"):
        Config(workspace=tmp_path, state=tmp_path / "state").of("calls")
    Config(workspace=tmp_path, state=tmp_path / ".thanosql").of("calls")
