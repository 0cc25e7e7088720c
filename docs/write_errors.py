"""Writes docs/errors.md from thanosql/errors.py, with what real statements answered: `python docs/write_errors.py`."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from inspect import cleandoc
from pathlib import Path

import thanosql
from thanosql import errors
from thanosql.errors import ThanoSQLError
from thanosql.rpc.status import CODES
from thanosql.running import read_note

FILE = Path(__file__).with_name("errors.md")
TUTORIAL_DATA = Path(__file__).parents[1] / "tutorial_data"

HEAD = """# Errors

<!-- Written by docs/write_errors.py from thanosql/errors.py and from a server's answers; a test compares them. -->

Every failure is one of these exceptions of `thanosql.errors`; all are a `ThanoSQLError`. Each says what is wrong,
where in your text, and what to do: `error.message`, `error.line` and `error.column` (from 1; 0 where there is no
place), `error.excerpt` (that line), `error.hint`, `error.retry_after` (seconds), `error.request_id`. A notebook and
the command line show them without a traceback.

Over gRPC an error is a status, whose details (`grpc-status-details-bin`) hold a `thanosql.v1.ErrorDetail` with the
exception's name and the rest of it.

```python
from thanosql import errors

try:
    session.sql("SELECT * FROM librispech_train")
except errors.UnknownTable as error:
    print(error.message)  # there is no table librispech_train
```
"""

STATEMENTS: dict[str, str] = {
    "StatementSyntaxError": "SELECT audio_path, text FORM librispeech_train",
    "InvalidOption": "BUILD MODEL mine USING Wav2Vec2En OPTIONS (epoch=3) AS SELECT * FROM librispeech_train",
    "UnknownTable": "SELECT * FROM librispech_train",
    "UnknownColumn": "PREDICT USING tutorial_audio_recognition AS SELECT text FROM librispeech_train",
    "UnknownModel": "PREDICT USING tutorial_audio_recogniton AS SELECT * FROM librispeech_train",
    "UnknownBaseModel": "BUILD MODEL mine USING Wav2Vec2 AS SELECT * FROM librispeech_train",
    "NotSupported": "CREATE INDEX i ON librispeech_train (text)",
    "NotFound": "COPY calls FROM 'recordings/calls.csv'",
    "NameTaken": "COPY librispeech_train FROM 'tutorial_data/librispeech_data/librispeech_train.csv'",
    "PathRefused": "COPY calls FROM '../calls.csv'",
    "DataError": "BUILD MODEL mine USING Wav2Vec2EnTiny AS SELECT 'a.flac' AS audio_path, 'good morning' AS text",
}
"""Statements that a user might write, by the error that they end with."""

SHOWN_WORKSPACE = "/home/kim/speech"
SHOWN_ADDRESS = "localhost:8470"


def make_workspace(folder: Path) -> Path:
    """Puts the tutorial's data into a folder."""
    shutil.copytree(TUTORIAL_DATA, folder / "tutorial_data")
    return folder


def text(workspace: Path) -> str:
    """The whole page; the statements run in services of this process, in a workspace that `make_workspace` has made."""
    examples = _examples(workspace)
    parts = [HEAD]
    for kind, code in CODES.items():
        name = kind.__name__
        parts += [f"## {name}", "", cleandoc(kind.__doc__ or ""), "", f"gRPC status: `{code.name}`.", ""]
        if name in examples:
            parts += ["```", *examples[name], "```", ""]
    return "\n".join(parts).rstrip() + "\n"


def _examples(workspace: Path) -> dict[str, list[str]]:
    with thanosql.connect(workspace=workspace) as session:
        session.sql(
            "COPY librispeech_train FROM 'tutorial_data/librispeech_data/librispeech_train.csv'", progress=False
        )
        running = read_note(workspace / ".thanosql")
        assert running is not None
        token = session.tokens.create("kim", "reader", expires="1h")

        def drop_as_reader() -> None:
            with thanosql.connect(running.address, token=token.secret) as readers:
                readers.sql("DROP TABLE librispeech_train", progress=False)

        answers = {
            name: _answer(name, partial(session.sql, statement, progress=False))
            for name, statement in STATEMENTS.items()
        }
        answers["Unauthenticated"] = _answer(
            "Unauthenticated", lambda: thanosql.connect(running.address, token="thanosql_wrong")
        )
        answers["PermissionDenied"] = _answer("PermissionDenied", drop_as_reader)
        answers["Unavailable"] = _answer("Unavailable", lambda: thanosql.connect("localhost:1"))
    hidden = {
        str(workspace.resolve()): SHOWN_WORKSPACE,
        str(workspace): SHOWN_WORKSPACE,
        running.address: SHOWN_ADDRESS,
    }
    return {name: list(_lines(answer, hidden)) for name, answer in answers.items()}


def _answer(name: str, action: Callable[[], object]) -> str:
    """What a failure of that name says."""
    kind: type[ThanoSQLError] = getattr(errors, name)
    try:
        action()
    except kind as error:
        return f"{name}: {error}"
    raise RuntimeError(f"{name} was expected, and nothing failed")


def _lines(answer: str, hidden: dict[str, str]) -> Iterator[str]:
    for found, shown in hidden.items():
        answer = answer.replace(found, shown)
    answer = re.sub(r"request id \w+", "request id …", answer)
    yield from answer.splitlines()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(text(make_workspace(Path(folder))), "utf-8")
