"""`thanosql tutorial`: the tutorial's statements, one after the other, on real speech."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from thanosql.connection import connect
from thanosql.errors import NotFound
from thanosql.tables import count, duration, show, standard_output

if TYPE_CHECKING:
    from rich.console import Console

    from thanosql.result import Result

DATA = Path("tutorial_data/librispeech_data/librispeech_train.csv")
"""What a workspace must have for the tutorial."""
ROWS = 3
"""Rows that are shown of a result with more than a handful."""

BEFORE = (
    "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text') "
    "AS SELECT * FROM librispeech_test"
)
AFTER = BEFORE.replace("tutorial_audio_recognition", "my_speech_recognition_model")

STEPS = (
    (
        "Load a table of recordings: a path and a text in each row.",
        'COPY librispeech_train OPTIONS(overwrite = True) FROM "tutorial_data/librispeech_data/librispeech_train.csv"',
    ),
    ("Look at it.", "SELECT * FROM librispeech_train LIMIT 5"),
    (
        "Listen to some. A notebook shows players; here are the files.",
        "PRINT AUDIO AS SELECT audio_path FROM librispeech_train LIMIT 3",
    ),
    (
        "Transcribe all of them with a pre-trained model.",
        "PREDICT USING tutorial_audio_recognition OPTIONS (audio_col='audio_path', text_col='text', epochs=1, "
        "batch_size=8) AS SELECT * FROM librispeech_train",
    ),
    (
        "Now other voices, which the training below never hears.",
        'COPY librispeech_test OPTIONS(overwrite = True) FROM "tutorial_data/librispeech_data/librispeech_test.csv"',
    ),
    ("How well does the pre-trained model understand them?", BEFORE),
    (
        "Fine-tune a model of your own on the first table.",
        "BUILD MODEL my_speech_recognition_model USING Wav2Vec2En OPTIONS (audio_col='audio_path', text_col='text', "
        "epochs=1, batch_size=4, overwrite=True) AS SELECT * FROM librispeech_train",
    ),
    (
        "Transcribe the other voices with it.",
        "PREDICT USING my_speech_recognition_model OPTIONS (audio_col='audio_path') AS SELECT * FROM librispeech_test",
    ),
    ("How well does your model understand them?", AFTER),
)
"""What each statement is for, and the statement as it stands."""


def run() -> int:
    """Runs every step in services of this process; the exit code.

    Raises:
        NotFound: the tutorial's data is not there.
        ThanoSQLError: a statement failed.
    """
    from rich.text import Text

    console = standard_output()
    workspace = find_workspace(Path.cwd(), Path(__file__).parent.parent)
    began = time.monotonic()
    console.print(Text(f"Workspace: {workspace}. Starting the services …", style="dim"))
    results = {}
    with connect(workspace=workspace) as session:
        for number, (purpose, statement) in enumerate(STEPS, 1):
            console.print()
            console.print(Text(f"{number}. {purpose}", style="bold"))
            console.print(Text(statement, style="cyan"), soft_wrap=True)
            results[statement] = session.sql(statement)
            show(results[statement], console, limit=ROWS if len(results[statement]) > 5 else None)
    _close(console, word_error_rate(results[BEFORE]), word_error_rate(results[AFTER]), len(results[AFTER]), workspace)
    console.print(Text(f"All of it took {duration(time.monotonic() - began)}.", style="dim"))
    return 0


def find_workspace(current: Path, sources: Path) -> Path:
    """The folder with the tutorial's data: the current one, or the checkout that the package is installed from.

    Raises:
        NotFound: neither has it.
    """
    for folder in (current, sources):
        if (folder / DATA).is_file():
            return folder
    raise NotFound(
        f"the tutorial's data is not here: no {DATA} under {current}",
        hint='Get it first: thanosql sql -c "GET THANOSQL DATASET librispeech_data". '
        "Or run the command in a checkout of the project, which has the folder tutorial_data.",
    )


def word_error_rate(result: Result) -> float:
    """The word error rate of the column `predicted` against the column `text`; no transcript counts as an empty one."""
    from thanosql.scoring import word_errors

    table = result.to_arrow()
    references, hypotheses = ([text or "" for text in table[name].to_pylist()] for name in ("text", "predicted"))
    return word_errors(references, hypotheses).rate


def _close(console: Console, before: float, after: float, rows: int, workspace: Path) -> None:
    from rich.text import Text

    console.print()
    console.print(
        Text(f"Word error rate on {count(rows, 'recording')} of unheard voices: ")
        .append(f"{before:.1%} → {after:.1%}", style="bold green" if after < before else "bold yellow")
        .append(" after one pass over the training table.")
    )
    console.print(
        f"""
How to go on:
  cd {workspace}{_activation()}
  thanosql shell    the tables and your model are there: LIST TABLE;  LIST MODEL;
  jupyter lab       (pip install jupyterlab) open examples/tutorial.ipynb, or begin a
                    notebook of your own with %load_ext thanosql
  your recordings   make a csv with the columns audio_path,text; COPY it, then
                    BUILD MODEL from it, with epochs=5 or more for a better model
""",
        markup=False,
        soft_wrap=True,
    )


def _activation() -> str:
    """A line for who calls the program by its path, as the README does: what puts it on the shell's."""
    activate = Path(sys.executable).parent / "activate"
    return "" if shutil.which("thanosql") or not activate.is_file() else f"\n  . {activate}"
