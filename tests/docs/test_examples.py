"""The examples of every page work: SQL and Python run, commands exist.

What cannot run in a test is marked behind the fence. ```` ```sql explain ```` is explained, not run (a training takes
minutes); ```` ```sql parse ```` is only read (it names a job or table of the reader's); ```` ```python compile ```` is
only compiled (it calls a server that is not there).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from query_service.language.dialect import parse
from tests.docs.conftest import TABLES
from tests.docs.pages import PAGES, Block, read_blocks, read_prose
from thanosql import Session
from thanosql.cli import COMMANDS, main
from thanosql.commands.serve import PROGRAMS
from thanosql.types import Role

BLOCKS = tuple(block for page in PAGES for block in read_blocks(page))
SQL = tuple(block for block in BLOCKS if block.language == "sql")
PYTHON = tuple(block for block in BLOCKS if block.language == "python")
MARKS = {"sql": ("", "explain", "parse"), "python": ("", "compile")}


@pytest.mark.parametrize("block", [*SQL, *PYTHON], ids=str)
def test_the_mark_of_an_example_is_one_that_there_is(block: Block) -> None:
    assert block.mark in MARKS[block.language]


@pytest.mark.parametrize("block", SQL, ids=str)
def test_sql_is_of_the_dialect(block: Block) -> None:
    assert parse(block.text)


@pytest.mark.parametrize("block", [block for block in SQL if block.mark != "parse"], ids=str)
def test_sql_runs(block: Block, documented: Session) -> None:
    # The reader's model, whichever it is; making another one takes a minute.
    statements = parse(block.text.replace("my_model", "tutorial_audio_recognition"))
    for statement in statements:
        # Explained, a statement is checked as if it ran: tables, columns, models, files and options.
        documented.sql(f"EXPLAIN {statement.text}" if block.mark == "explain" else statement.text, progress=False)
    if not block.mark and any(each.ROLE is not Role.READER for each in statements):
        documented.sql(TABLES, progress=False)


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_is_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("page", sorted({block.page for block in PYTHON if not block.mark}))
def test_python_runs(
    page: str, documented: Session, documented_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(documented_workspace)
    names: dict[str, object] = {"session": documented}
    for block in PYTHON:
        if block.page == page and not block.mark:
            exec(compile(block.text, str(block), "exec"), names)


def test_the_values_of_functions_are_those_that_the_page_says(documented: Session) -> None:
    rows = [re.match(r"\| `((?:wer|cer)\(.*\))` \| (\S+) \|$", line) for _, line in read_prose("docs/functions.md")]
    found = {row[1]: row[2] for row in rows if row}
    assert len(found) > 5
    for call, value in found.items():
        ((answer,),) = documented.sql(f"SELECT {call}", progress=False)
        assert ("NULL" if answer is None else str(round(answer, 3))) == value, call


def _commands() -> list[tuple[str, str]]:
    """Every call of the command line on the pages: place, and what stands behind `thanosql`."""
    found = []
    for block in BLOCKS:
        if block.language in ("", "sh", "bash", "console"):
            for number, line in enumerate(block.text.splitlines(), block.line):
                called = re.match(r"(?:\$ )?(?:\S*/)?thanosql ([a-z].*)", line)
                found += [(f"{block.page}:{number}", called[1])] if called else []
    for page in PAGES:
        for number, line in read_prose(page):
            found += [(f"{page}:{number}", each) for each in re.findall(r"`thanosql ([a-z][^`]*)`", line)]
    return found


@pytest.mark.parametrize(("place", "call"), _commands())
def test_a_command_has_the_options_that_a_page_names(place: str, call: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = _words(call)
    assert words[0] in COMMANDS, f"{place}: there is no thanosql {words[0]}"
    options = [word.partition("=")[0].rstrip(",.") for word in words if re.match(r"--?[a-z][a-z-]*[.,]?(=|$)", word)]
    path = words[:1]
    if words[0] in ("serve", "token") and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
        path = words[:2]
        assert words[0] != "serve" or words[1] in PROGRAMS, f"{place}: there is no service {words[1]}"
    with pytest.raises(SystemExit):
        main([*path, "--help"])
    help_text = capsys.readouterr().out
    missing = [option for option in options if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_text)]
    assert missing == [], f"{place}: thanosql {' '.join(path)} has no {', '.join(missing)}"


def _words(call: str) -> list[str]:
    call = re.split(r"\s+#|\s[|>&]|;", call)[0]
    try:
        return shlex.split(call)
    except ValueError:  # a quote that goes on in the next line
        return call.split()
