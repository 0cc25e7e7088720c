r"""The prompt: several lines with colours, completion, history and a bar that says where one is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, emacs_insert_mode, has_focus, vi_insert_mode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.styles import Style

from thanosql.lexer import ThanoSQLLexer
from thanosql.shell.commands import COMMANDS, WORDS
from thanosql.shell.completion import Item, match, suggest
from thanosql.shell.formats import FORMATS
from thanosql.shell.names import Names
from thanosql.shell.state import Shell
from thanosql.statement_text import ends_statement, is_blank

PROMPT, CONTINUATION = "thanosql> ", "      ... "

STYLE = Style.from_dict(
    {
        "pygments.keyword": "ansiblue bold",
        "pygments.keyword.declaration": "ansiblue bold",
        "pygments.keyword.type": "ansicyan",
        "pygments.literal.string": "ansigreen",
        "pygments.literal.number": "ansimagenta",
        "pygments.comment": "ansibrightblack",
        "pygments.name.variable": "ansiyellow",
        "pygments.name.attribute": "ansicyan",
        "pygments.name.builtin.pseudo": "ansiyellow bold",
        "bottom-toolbar": "noreverse ansibrightblack",
    }
)

_NAMES_FOLLOW = re.compile(
    r"\b(FROM|JOIN|USING|MODEL|JOB|INTO|LIST|DESCRIBE)\s+$|OPTIONS\s*\(\s*$|'$|=$|\.$", re.IGNORECASE
)
"""Behind these something is offered before its first letter is typed."""


def is_complete(text: str) -> bool:
    r"""Whether Enter sends `text`: its last statement has ended, or it is a `\command`, or nothing."""
    words = text.strip()
    return words.startswith("\\") or words.rstrip(";").lower() in WORDS or is_blank(text) or ends_statement(text)


class ShellCompleter(Completer):
    """Completes statements and commands from what the shell knows."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What may follow at the cursor."""
        before = document.text_before_cursor
        if before.lstrip().startswith("\\"):
            length, items = suggest_for_command(before.lstrip(), self._shell.names())
        else:
            length, items = suggest(before, self._shell.names(), self._shell.folder, after=document.text_after_cursor)
            if not length and not complete_event.completion_requested and not _NAMES_FOLLOW.search(before):
                return
        for item in items:
            if item.text != before[len(before) - length :]:
                yield Completion(item.text, -length, display_meta=item.meta)


def suggest_for_command(before: str, names: Names) -> tuple[int, tuple[Item, ...]]:
    """What may follow in a command; as `suggest`."""
    name, space, argument = before.partition(" ")
    if not space:
        found = [Item(each, command.meaning) for each, command in COMMANDS.items()]
        return len(name), tuple(item for item in found if item.text.startswith(name))
    kind = COMMANDS[name].completes if name in COMMANDS else ""
    if kind == "file":
        return _files(argument)
    sources: dict[str, Callable[[], Iterable[Item]]] = {
        "table": lambda: [Item(each, ", ".join(columns)) for each, columns in names.columns.items()],
        "model": lambda: [Item(each, what) for each, what in names.models.items()],
        "job": lambda: [Item(each, what) for each, what in names.jobs.items()],
        "format": lambda: [Item(each, "") for each in FORMATS],
        "switch": lambda: [Item("on", ""), Item("off", "")],
        "statement": _statements,
    }
    return len(argument), tuple(match(argument, sources[kind]())) if kind in sources else ()


def _statements() -> Iterable[Item]:
    from thanosql.manual import manual

    return [Item(each.kind, each.summary) for each in manual().statements]


def _files(typed: str) -> tuple[int, tuple[Item, ...]]:
    """Files of this machine."""
    folder, _, word = typed.rpartition("/")
    where = Path(f"{folder}/" if "/" in typed else ".").expanduser()
    try:
        entries = sorted(where.iterdir(), key=lambda each: each.name)
    except OSError:
        return 0, ()
    items = [Item(f"{each.name}/" if each.is_dir() else each.name, "") for each in entries if each.name[0] != "."]
    return len(word), tuple(match(word, items)[:200])


class Prompt:
    """Reads one text after the other: statements that have ended, or a command.

    Args:
        shell: Whose prompt it is.
        history: Keeps what was typed.
        vi: Whether the keys are those of vi.
        rest: Input and output, where they are not the terminal.
    """

    def __init__(self, shell: Shell, history: History, *, vi: bool = False, **rest: Any) -> None:
        self._shell = shell
        self.session: PromptSession[str] = PromptSession(
            PROMPT,
            lexer=PygmentsLexer(ThanoSQLLexer),
            style=STYLE,
            history=history,
            completer=ShellCompleter(shell),
            complete_in_thread=True,
            complete_while_typing=True,
            auto_suggest=AutoSuggestFromHistory(),
            multiline=True,
            prompt_continuation=CONTINUATION,
            bottom_toolbar=self._toolbar,
            key_bindings=_keys(),
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            enable_open_in_editor=True,
            tempfile_suffix=".sql",
            **rest,
        )

    def read(self, draft: str = "") -> str:
        """What the user sends.

        Args:
            draft: Stands there already.

        Raises:
            EOFError: Ctrl-D.
            KeyboardInterrupt: Ctrl-C; what was typed is dropped.
        """
        return self.session.prompt(default=draft)

    def redraw(self) -> None:
        """Shows what is known now, while somebody types; from any thread."""
        if self.session.app.is_running:
            self.session.app.invalidate()

    def _toolbar(self) -> StyleAndTextTuples:
        shell, names = self._shell, self._shell.names()
        parts = [shell.session.where]
        if names.running:
            parts.append(f"{names.running} {'job' if names.running == 1 else 'jobs'} running: \\dj")
        if shell.output.format != "table":
            parts.append(shell.output.format)
        if not shell.output.timing:
            parts.append("no times")
        parts.append("vi" if self.session.editing_mode == EditingMode.VI else "emacs")
        return [("", f" {' · '.join(parts)}")]


def _keys() -> KeyBindings:
    keys = KeyBindings()
    typing = has_focus("DEFAULT_BUFFER") & (vi_insert_mode | emacs_insert_mode)

    def chosen(buffer: Buffer) -> bool:
        return buffer.complete_state is not None and buffer.complete_state.current_completion is not None

    @keys.add("enter", filter=typing)
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if chosen(buffer):
            buffer.complete_state = None  # the text has it already
        elif is_complete(buffer.text) and is_blank(buffer.document.text_after_cursor):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    @keys.add("escape", "enter", filter=typing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("f4", filter=Condition(lambda: True))
    def _switch(event: KeyPressEvent) -> None:
        vi = event.app.editing_mode == EditingMode.VI
        event.app.editing_mode = EditingMode.EMACS if vi else EditingMode.VI

    return keys
