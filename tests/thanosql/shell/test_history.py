"""What was typed is kept for its user alone, and secrets are not kept."""

from __future__ import annotations

import stat

import pytest

from thanosql.shell.history import PrivateHistory, holds_secret
from thanosql.token_secrets import make_secret


@pytest.mark.parametrize(
    "text",
    [
        "\\set api_token=abc",
        "SELECT 1; -- password: hunter2",
        "COPY t FROM 'https://kim:pw@host/a.csv';",
        " SELECT 1;",
    ],
)
def test_a_secret_is_not_kept(text, tmp_path):
    PrivateHistory(tmp_path / "history").append_string(text)
    assert (tmp_path / "history").read_text() == ""


def test_a_token_of_ours_is_not_kept(tmp_path):
    PrivateHistory(tmp_path / "history").append_string(f"\\set t {make_secret()}")
    assert (tmp_path / "history").read_text() == ""


def test_a_column_of_tokens_is_no_secret():
    assert not holds_secret("SELECT token_count, secret FROM t;")


def test_the_file_is_its_users_alone_even_when_it_was_not(tmp_path):
    file = tmp_path / "history"
    file.touch(0o644)
    history = PrivateHistory(file)
    history.append_string("SELECT\n1;")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(PrivateHistory(file).load_history_strings()) == ["SELECT\n1;"]


def test_a_folder_that_is_not_there_is_no_reason_not_to_type(tmp_path):
    history = PrivateHistory(tmp_path / "nowhere" / "history")
    history.append_string("SELECT 1;")
    assert history.get_strings() == ["SELECT 1;"]


def test_a_long_history_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("thanosql.shell.history.KEPT", 3)
    history = PrivateHistory(tmp_path / "history")
    for number in range(8):
        history.append_string(f"SELECT {number};")
    assert list(PrivateHistory(tmp_path / "history").load_history_strings()) == ["SELECT 7;", "SELECT 6;", "SELECT 5;"]
    assert (tmp_path / "history").read_text().count("SELECT") == 3
