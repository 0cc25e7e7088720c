"""The commands of the shell, over a real connection to a service that plays back events."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

import thanosql
from thanosql.errors import InvalidOption, NotFound
from thanosql.shell.commands import COMMANDS, run_command, run_script
from thanosql.shell.formats import FORMATS
from thanosql.shell.loop import carry_out, loop
from thanosql.shell.output import Output
from thanosql.shell.state import Shell
from thanosql.types import Clip


@pytest.fixture
def shell(peer) -> Iterator[Shell]:
    with thanosql.connect(peer.address) as session:
        shell = Shell(session, Output(say=print), is_interactive=False)
        yield shell
        shell.output.close()


@pytest.mark.parametrize(
    ("command", "statement"),
    [
        ("\\d", "LIST TABLES"),
        ("\\dt;", "LIST TABLES"),
        ("\\d calls", "DESCRIBE TABLE calls"),
        ("\\dm", "LIST MODELS"),
        ("\\dm m", "DESCRIBE MODEL m"),
        ("\\db", "LIST BASE MODELS"),
        ("\\dj", "LIST JOBS"),
        ("\\dj 4f2e91ab", "DESCRIBE JOB 4f2e91ab"),
        ("\\cancel 4f2e91ab", "CANCEL JOB 4f2e91ab"),
    ],
)
def test_a_command_stands_for_a_statement(peer, shell, command, statement):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    run_command(shell, command)
    assert peer.player.executed == [statement]


def test_an_unknown_command_names_the_nearest(shell):
    with pytest.raises(NotFound, match=r"Did you mean \\timing"):
        run_command(shell, "\\timming")


def test_a_statement_that_is_taken_up_shows_its_results(peer, shell, capsys):
    peer.plays(*peer.statement(peer.rows(a=[1])), *peer.statement(peer.rows(b=[2, 3]), index=1))
    peer.player.cancelled["4f2e91ab"] = threading.Event()
    run_command(shell, "\\attach 4f2e91ab")
    shown = capsys.readouterr().out
    assert "1 row ·" in shown
    assert "2 rows ·" in shown
    assert peer.player.executed == []


def test_results_take_the_format_and_the_file(peer, shell, capsys, tmp_path):
    peer.plays(*peer.statement(peer.rows(a=[1, 2])))
    run_command(shell, "\\format csv")
    shell.run("SELECT 1")
    assert "a\n1\n2\n" in capsys.readouterr().out
    run_command(shell, f"\\o '{tmp_path / 'out.csv'}'")
    shell.run("SELECT 1")
    run_command(shell, "\\o")
    assert (tmp_path / "out.csv").read_text() == "a\n1\n2\n"
    assert "a\n1" not in capsys.readouterr().out


def test_a_file_is_not_emptied_by_a_statement_that_gives_no_rows(peer, shell, tmp_path):
    (tmp_path / "kept.csv").write_text("old")
    peer.plays(NotFound("no such thing"))
    run_command(shell, f"\\o {tmp_path / 'kept.csv'}")
    assert shell.run("SELECT 1") == 1
    run_command(shell, "\\o")
    assert (tmp_path / "kept.csv").read_text() == "old"


def test_an_unknown_format_names_the_nearest(shell):
    with pytest.raises(InvalidOption, match="Did you mean json"):
        run_command(shell, "\\format jsn")


def test_parameters_are_set_and_sent_where_they_are_named(peer, shell, capsys):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    for command in ("\\set day '2026-01-01'", "\\set n 5", "\\set"):
        run_command(shell, command)
    assert ":day = '2026-01-01'\n:n = 5\n" in capsys.readouterr().out
    assert shell.run("SELECT :n") == 0
    run_command(shell, "\\unset n")
    assert shell.parameters == {"day": "2026-01-01"}


def test_times_can_be_left_out(peer, shell, capsys):
    peer.plays(*peer.statement(peer.rows(a=[1])))
    run_command(shell, "\\timing off")
    shell.run("SELECT 1")
    assert capsys.readouterr().out.endswith("1 row\n")


def test_a_table_shows_as_many_rows_as_are_wanted(peer, shell, capsys):
    peer.plays(*peer.statement(peer.rows(a=list(range(100)))))
    run_command(shell, "\\rows 3")
    shell.run("SELECT 1")
    assert "100 rows, the first 3 shown" in capsys.readouterr().out


def test_a_script_stops_where_it_fails_and_says_where(peer, shell, capsys, tmp_path):
    peer.plays(NotFound("there is no file"))
    file = tmp_path / "script.sql"
    file.write_text("-- a script\n\\x on\nSELECT 1;\n\\timing off\n")
    run_command(shell, f"\\i {file}")
    assert f"error: {file}:3: there is no file" in capsys.readouterr().err
    assert shell.code == 1
    assert shell.output.timing


def test_a_wrong_command_of_a_script_is_told_with_its_line(shell, capsys):
    assert run_script(shell, "\n\\nothing\n", "a.sql") == 1
    assert "error: a.sql:2: there is no command \\nothing" in capsys.readouterr().err


def test_a_clip_that_nothing_here_plays_is_saved(peer, shell, capsys, monkeypatch):
    peer.plays(*peer.statement(Clip("a.wav", "audio/wav", b"RIFF", 1.0, ())))
    monkeypatch.setenv("PATH", "/nowhere")
    shell.run("PRINT AUDIO …")
    run_command(shell, "\\play 1")
    path = capsys.readouterr().out.rsplit(" ", 1)[1].strip()
    with open(path, "rb") as file:  # noqa: PTH123 - as its user would
        assert file.read() == b"RIFF"
    with pytest.raises(NotFound, match="no clip 2"):
        run_command(shell, "\\play 2")


def test_a_clip_is_played_where_there_is_a_player(peer, shell, capsys, monkeypatch, tmp_path):
    player = tmp_path / "ffplay"
    player.write_text(f'#!/bin/sh\nfor last; do :; done\ncp "$last" {tmp_path}/heard\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    peer.plays(*peer.statement(Clip("a.wav", "audio/wav", b"RIFF", 1.0, ())))
    shell.run("PRINT AUDIO …")
    run_command(shell, "\\play")
    assert (tmp_path / "heard").read_bytes() == b"RIFF"
    assert "played a.wav" in capsys.readouterr().out


def test_the_last_statement_is_edited_and_comes_back_as_a_draft(peer, shell, monkeypatch, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "-- more" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    peer.plays(*peer.statement(peer.rows(a=[1])))
    shell.run("SELECT 1;")
    run_command(shell, "\\e")
    assert shell.draft == "SELECT 1;-- more"


@pytest.mark.parametrize(
    ("words", "part"), [("", "PREDICT USING model"), ("predict", "hotwords"), ("list", "LIST JOBS")]
)
def test_help_explains_statements(shell, capsys, words, part):
    run_command(shell, f"\\h {words}")
    assert part in capsys.readouterr().out


def test_help_names_the_statement_that_was_meant(shell):
    with pytest.raises(NotFound, match="EVALUATE"):
        run_command(shell, "\\h evalute")


def test_help_lists_every_command(shell, capsys):
    run_command(shell, "\\?")
    shown = capsys.readouterr().out
    assert all(command.form in shown for command in COMMANDS.values())


def reader(*texts: str) -> Callable[[str], str]:
    waiting = iter(texts)
    return lambda _draft: next(waiting)


def test_a_failure_does_not_end_the_shell(peer, shell, capsys):
    peer.plays(NotFound("there is no such thing"))
    loop(shell, reader("SELECT 1;", "\\nothing", ";", "quit"))
    errors = capsys.readouterr().err
    assert "there is no such thing" in errors
    assert "there is no command \\nothing" in errors
    assert len(peer.player.executed) == 1


def test_another_server_is_connected_to(peer, shell, start_peer):
    other = start_peer()
    other.plays(*other.statement(other.rows(a=[1])))
    carry_out(shell, f"\\c {other.address}")
    shell.run("SELECT 1")
    assert len(other.player.executed) == 1
    assert peer.player.executed == []
    shell.session.close()


def test_the_page_names_every_command_and_format(checkout):
    page = (checkout / "docs" / "shell.md").read_text("utf-8")
    missing = [name for name in COMMANDS if f"`{name}" not in page]
    assert missing == []
    assert [name for name in FORMATS if f"`{name}`" not in page] == []
