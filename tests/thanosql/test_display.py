"""Progress and notices, in a log and in a terminal; the notebook's are in test_notebook.py."""

from __future__ import annotations

import io
import re
import time
from typing import Any

import pytest
from rich.console import Console

from thanosql.display import LineDisplay, TerminalDisplay, detail
from thanosql.notebook import progress as html
from thanosql.types import Event, Notice, Progress, Severity, StatementDone, StatementStarted


def show(display: Any, *values: Any) -> None:
    for number, value in enumerate(values):
        display.show(Event(number, value))


START = StatementStarted("", 0, "PREDICT", "PREDICT …")


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (
            Progress("", 40, 80, "clips", 12.345, 3.24, {"wer": 0.61234}),
            "40 of 80 clips · 12.3 clips/s · 3.2 s left · WER 61.2%",
        ),
        (Progress("", 1500, 0, "rows"), "1,500 rows"),
        (Progress("", 0.5, 2, "s", figures={"learning_rate": 5e-5}), "0.5 of 2 s · learning rate 5e-05"),
        (
            Progress(
                "",
                1,
                4,
                "steps",
                0.25,
                figures={"memory_bytes": 1.53e9, "base_wer": 0.5, "audio_seconds_per_second": 5.46, "loss": 0.76554},
            ),
            "1 of 4 steps · 0.25 steps/s · loss 0.766 · base WER 50.0% · 5.5 × real time · 1.5 GB of memory",
        ),
        (Progress("", 0, 1), ""),
        (Progress("", 80, 80, "rows", seconds_left=0), "80 of 80 rows"),
        (Progress(""), ""),
    ],
)
def test_progress_is_put_into_words(progress, text):
    assert detail(progress) == text


def test_a_log_gets_a_line_for_a_new_phase_and_then_every_ten_seconds():
    now = [0.0]
    lines: list[str] = []
    display = LineDisplay(lines.append, lambda: now[0], patience=0)
    show(display, START, Progress("training", 0, 100, "steps"))
    while not lines:
        time.sleep(0.01)
    for second in range(1, 25):
        now[0] = second
        show(display, Progress("training", second, 100, "steps"))
    show(display, Progress("exporting"))
    assert lines == [
        "training: 0 of 100 steps",
        "training: 10 of 100 steps",
        "training: 20 of 100 steps",
        "exporting",
    ]


def test_a_log_gets_no_progress_of_a_quick_statement():
    lines: list[str] = []
    display = LineDisplay(lines.append, patience=0.3)
    show(display, START, Progress("transcribing", 80, 80, "clips"), StatementDone(0, 80, 0.1))
    time.sleep(0.5)
    display.close()
    assert lines == []


def test_a_log_hears_of_a_slow_step_that_reports_nothing_more():
    lines: list[str] = []
    display = LineDisplay(lines.append, patience=0.2)
    show(display, START, Progress("loading", 0, 1))
    time.sleep(0.5)
    display.close()
    assert lines == ["loading"]


def test_a_log_gets_notices_at_once():
    lines: list[str] = []
    show(LineDisplay(lines.append), START, Notice("3 rows failed", Severity.WARNING), Notice("cached: 2"))
    assert lines == ["warning: 3 rows failed", "cached: 2"]


def terminal() -> tuple[TerminalDisplay, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, color_system=None)
    return TerminalDisplay(console, patience=60), file


def test_a_terminal_shows_a_bar_and_removes_it():
    display, file = terminal()
    show(display, START, Progress("transcribing", 40, 80, "clips", 10, 4))
    show(display, Progress("transcribing", 80, 80, "clips", 10, 0), StatementDone(0, 80, 8.0))
    display.close()
    output = file.getvalue()
    assert "transcribing" in output
    assert "80 of 80 clips" in output
    assert re.search(r"\x1b\[2K[^\w]*$", output), "the last thing written clears the bar's line"
    assert output.endswith("\x1b[2K") or "\x1b[?25h" in output, "the cursor is shown again"


def test_a_quick_statement_draws_nothing():
    display, file = terminal()
    show(display, START, StatementDone(0, 1, 0.01))
    display.close()
    assert file.getvalue() == ""


def test_a_notice_stays_in_the_terminal_and_is_not_obeyed():
    display, file = terminal()
    show(display, START, Notice("look: \x1b[2Jhere [bold]x[/bold]", Severity.WARNING))
    display.close()
    assert "warning: look: \\x1b[2Jhere [bold]x[/bold]" in file.getvalue()


def test_an_unknown_total_is_no_division_by_zero():
    display, file = terminal()
    show(display, START, Progress("loading"), Progress("loading", 3), Progress("loading", 3, 0, "files"))
    display.close()
    assert "loading" in file.getvalue()


def test_several_statements_follow_each_other():
    display, file = terminal()
    for phase in ("first", "second"):
        show(display, START, Progress(phase, 1, 2), StatementDone(0, 1, 0.1))
    display.close()
    assert "second" in file.getvalue()


@pytest.mark.parametrize("severity", Severity)
def test_a_notebook_shows_a_notice_in_its_lines(severity):
    shown = html.notice(Notice("80 of 80 rows\n  seconds <▁▂█>", severity))
    assert "white-space:pre-wrap" in shown
    assert "80 of 80 rows\n  seconds &lt;▁▂█&gt;</div>" in shown
