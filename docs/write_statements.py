"""Writes docs/statements.md from the statements' docstrings and options: `python docs/write_statements.py`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

from query_service.language import statements as s
from query_service.language.functions import ALLOWED, COMMON
from query_service.language.options import Effect, Option
from query_service.language.statements import Statement
from thanosql.rpc.status import CODES

FILE = Path(__file__).with_name("statements.md")

HEAD = """# Statements

<!-- Written by docs/write_statements.py from the statements' docstrings and options; a test compares the two. -->

A text holds one or more statements, with `;` between them; they run in order, and the first that fails ends the text.
Keywords are the same in upper and lower case. Names fold to lower case unless they stand in double quotes. Comments are
`-- …`, `# …` at the beginning of a line, and `/* … */`. A query stands as it is (`AS SELECT …`) or in parentheses.

`OPTIONS (name=value, …)` takes numbers (`1e-4`, `-1`), `True` and `False`, texts in either quotes, and lists
(`['a', 'b']`). An unknown option is an error that names the nearest one; one that exists and does nothing here
(`epochs` of PREDICT) is taken, and a notice says so.

Paths are relative to the workspace; one that leads out of it is refused. The names of errors are explained in
[errors.md](errors.md), functions in [functions.md](functions.md). A *reader* may run what changes nothing, a *writer*
everything here ([security.md](security.md)).
"""

ROOMS: dict[str, tuple[type[Statement], ...]] = {
    "Recordings": (s.Predict, s.Evaluate, s.PrintAudio),
    "Models": (s.BuildModel, s.FitModel, s.GetModel, s.UploadModel, s.ExportModel, s.DeleteModel, s.GetDataset),
    "Tables": (
        *(s.Select, s.Copy, s.CreateTable, s.Insert, s.Update, s.Delete),
        *(s.DropTable, s.RenameTable, s.RenameColumn),
    ),
    "Jobs and plans": (s.ListJobs, s.DescribeJob, s.CancelJob, s.ResumeJob, s.Explain),
    "What there is": (
        *(s.ListTables, s.DescribeTable, s.ListModels, s.DescribeModel),
        *(s.ListBaseModels, s.ListPrebuiltModels, s.ListDatasets),
    ),
}
"""The parts of the page, in their order."""

TITLES: dict[type[Statement], str] = {
    s.RenameTable: "ALTER TABLE … RENAME TO",
    s.RenameColumn: "ALTER TABLE … RENAME COLUMN",
    s.ListTables: "LIST TABLES",
    s.ListModels: "LIST MODELS",
    s.Delete: "DELETE FROM",
}
"""Where the words that it begins with are not enough."""

# What the test of the page's examples does with them; see tests/docs/test_examples.py.
EXAMPLES: dict[type[Statement], str] = {
    **dict.fromkeys((s.BuildModel, s.FitModel, s.GetModel, s.DeleteModel), "explain"),  # minutes, the hub, or a loss
    **dict.fromkeys((s.CancelJob, s.ResumeJob, s.DescribeJob, s.UploadModel), "parse"),  # no such job or folder there
}

_CODE = re.compile(
    r"`[^`]*`|\*\.[\w.*]+|\w+(?:=(?:'[^']*'|\"[^\"]*\"|\[[^\]]*\]|True|False))|\w+\((?:[a-z_]+, [a-z_]+|…)\)"
    r"|\b[a-z0-9]+(?:_[a-z0-9]+)+\b"
)
_ERROR = re.compile(rf"\b(?:{'|'.join(each.__name__ for each in CODES)})\b")
_LABEL = re.compile(r"(Gives|Errors): ")


def text() -> str:
    """The whole page."""
    parts = [HEAD, *_contents()]
    for room, kinds in ROOMS.items():
        parts += ["", f"## {room}"]
        for kind in kinds:
            parts += ["", *_statement(kind)]
    return "\n".join([*parts, "", *_functions()]) + "\n"


def title(kind: type[Statement]) -> str:
    """The heading of a statement."""
    return TITLES.get(kind, kind.KIND)


def anchor(heading: str) -> str:
    """What a link to a heading ends in, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _contents() -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for room, kinds in ROOMS.items():
        links = ", ".join(f"[{title(each)}](#{anchor(title(each))})" for each in kinds)
        yield f"| {room} | {links} |"


def _statement(kind: type[Statement]) -> Iterator[str]:
    yield f"### {title(kind)}"
    yield ""
    yield f"```\n{kind.FORM}\n```"
    after_example = False
    for paragraph in cleandoc(kind.__doc__ or "").split("\n\n"):
        yield ""
        is_example = paragraph.startswith("    ")
        if is_example:
            mark = EXAMPLES.get(kind, "")
            yield f"```sql {mark}".rstrip()
            yield textwrap.dedent(paragraph)
            yield "```"
        else:
            if paragraph.startswith(("Gives: ", "Errors: ")) and kind.OPTIONS and not after_example:
                yield from _options(kind.OPTIONS)
                yield ""
                after_example = True
            words = _LABEL.sub(r"**\1:** ", _mark_code(paragraph), count=1)
            yield _ERROR.sub(lambda found: f"[{found[0]}](errors.md#{found[0].lower()})", words)
    if kind.OPTIONS and not after_example:
        yield ""
        yield from _options(kind.OPTIONS)
    yield ""
    yield f"**Who:** a {kind.ROLE}."


def _options(options: tuple[Option, ...]) -> Iterator[str]:
    yield "| option | takes | default | what it is |"
    yield "|---|---|---|---|"
    for each in options:
        words = _mark_code(each.meaning)
        if each.effect is Effect.NONE:
            words = f"is taken and does nothing: {each.remark}" if each.remark else "is taken and does nothing"
        elif each.remark:
            words += f". {each.remark.rstrip('.')}"
        yield f"| `{each.name}` | {_escape(each.range)} | {_default(each)} | {_escape(words)} |"


def _default(option: Option) -> str:
    default = option.default
    if default in (None, (), "") or option.effect is not Effect.FULL:
        return ""
    if option.values is not None:
        written = next((each for each, value in option.values.items() if value == default), default)
        return f"`{written!r}`"
    return f"`{default}`" if isinstance(default, (bool, int, float)) else f"`'{default}'`"


def _functions() -> Iterator[str]:
    yield "## What a query may call"
    yield ""
    yield (
        "`wer` and `cer`, and functions that compute from their arguments alone. Those that most queries need: "
        f"{', '.join(f'`{name}`' for name in COMMON)}."
    )
    yield ""
    yield f"<details><summary>{len(ALLOWED)} more, by name</summary>"
    yield ""
    yield ", ".join(f"`{name}`" for name in sorted(ALLOWED))
    yield ""
    yield "</details>"
    yield ""
    yield (
        "Functions that read files, settings or other databases are refused, and so is a function that the list does "
        "not name; the error says so, with the nearest name."
    )


def _mark_code(words: str) -> str:
    return _CODE.sub(lambda found: found[0] if found[0].startswith("`") else f"`{found[0]}`", words)


def _escape(words: str) -> str:
    return words.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
