"""Typing at the prompt: what Enter does, what is offered, how one leaves."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from thanosql.shell.names import Names
from thanosql.shell.output import Output
from thanosql.shell.prompt import Prompt, ShellCompleter, is_complete, suggest_for_command
from thanosql.shell.state import Shell

NAMES = Names(
    columns={"calls": ("audio_path", "text")}, models={"our_words": ""}, jobs={"4f2e91ab": "BUILD …"}, running=1
)


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


@pytest.fixture
def shell() -> Shell:
    place: Any = SimpleNamespace(where="local, workspace /speech")
    return Shell(place, Output(), names=lambda: NAMES)


def typed(keyboard: PipeInput, shell: Shell, keys: str, *history: str, **options: Any) -> str:
    keyboard.send_text(keys)
    return Prompt(shell, InMemoryHistory(list(history)), **options).read()


def test_enter_sends_a_statement_that_has_ended(keyboard, shell):
    assert typed(keyboard, shell, "SELECT 1;\r") == "SELECT 1;"


def test_enter_begins_a_line_in_a_statement_that_has_not(keyboard, shell):
    assert typed(keyboard, shell, "SELECT ';'\r, 1;\r") == "SELECT ';'\n, 1;"


def test_enter_in_the_midst_of_a_statement_begins_a_line(keyboard, shell):
    left = "\x1b[D" * 2
    assert typed(keyboard, shell, f"SELECT 1;{left}\r\x1b[F\r") == "SELECT \n1;"


def test_alt_enter_begins_a_line_behind_a_semicolon(keyboard, shell):
    assert typed(keyboard, shell, "SELECT 1;\x1b\rSELECT 2;\r") == "SELECT 1;\nSELECT 2;"


def test_a_pasted_script_is_sent_as_a_whole(keyboard, shell):
    script = "SELECT 1;\nSELECT 2;\n"
    assert typed(keyboard, shell, f"\x1b[200~{script}\x1b[201~\r") == script


def test_a_command_needs_no_semicolon(keyboard, shell):
    assert typed(keyboard, shell, "\\d calls\r") == "\\d calls"


def test_ctrl_d_leaves_and_ctrl_c_drops_what_was_typed(keyboard, shell):
    with pytest.raises(EOFError):
        typed(keyboard, shell, "\x04")
    with pytest.raises(KeyboardInterrupt):
        typed(keyboard, shell, "SELECT\x03")


def test_an_earlier_statement_comes_back_as_a_whole(keyboard, shell):
    assert typed(keyboard, shell, "\x1b[A\r", "SELECT\n1;") == "SELECT\n1;"


def test_the_keys_of_vi_are_had_by_f4(keyboard, shell):
    # Escape, then 0 and x: deletes the first character.
    assert typed(keyboard, shell, "\x1bOSXSELECT 1;\x1b0xA\r") == "SELECT 1;"


def test_what_is_typed_can_begin_with_a_draft(keyboard, shell):
    keyboard.send_text(" 1;\r")
    assert Prompt(shell, InMemoryHistory()).read("SELECT") == "SELECT 1;"


def test_the_bar_says_where_and_what_runs(keyboard, shell):
    prompt = Prompt(shell, InMemoryHistory())
    text = "".join(part[1] for part in prompt._toolbar())
    assert "local, workspace /speech" in text
    assert "1 job running" in text


def offered(shell: Shell, text: str, *, asked: bool = True) -> list[str]:
    event = CompleteEvent(completion_requested=asked, text_inserted=not asked)
    return [each.text for each in ShellCompleter(shell).get_completions(Document(text), event)]


def test_nothing_pops_up_behind_a_word_unless_names_follow_it(shell):
    assert offered(shell, "SELECT ", asked=False) == []
    assert offered(shell, "SELECT * FROM ", asked=False) == ["calls"]
    assert "audio_path" in offered(shell, "SELECT ")


def test_a_word_that_is_whole_is_not_offered_again(shell):
    assert "calls" not in offered(shell, "SELECT * FROM calls")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("\\fo", "\\format"),
        ("\\format js", "json"),
        ("\\d ca", "calls"),
        ("\\dm our", "our_words"),
        ("\\cancel ", "4f2e91ab"),
        ("\\h pre", "PREDICT"),
        ("\\timing ", "on"),
    ],
)
def test_commands_and_what_stands_behind_them_are_offered(text, first):
    assert suggest_for_command(text, NAMES)[1][0].text == first


@pytest.mark.parametrize(("text", "complete"), [("", True), ("help", True), ("-- x", True), ("SELECT", False)])
def test_enter_sends_what_is_nothing_to_go_on_with(text, complete):
    assert is_complete(text) is complete
