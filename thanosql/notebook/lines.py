"""What `%thanosql` is told in a line: settings, an address, a command, or statements and where their result goes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SETTING = re.compile(r"(API_TOKEN|WORKSPACE|CA)\s*=\s*('[^']*'|\"[^\"]*\"|\S+)\s*", re.IGNORECASE)
_ADDRESS = re.compile(r"(?:(?:grpcs?|http)://)?(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}/?")
_ABOUT_JOBS = re.compile(r"(attach|cancel)\s+(?!job\b)'?([\w.:-]+)'?\s*;?", re.IGNORECASE)
# A word after it tells UPLOAD MODEL, a statement; a folder of that name is ./model.
_UPLOAD = re.compile(r"upload\s+(?!model\b)(.+)", re.IGNORECASE | re.DOTALL)
_TARGET = re.compile(r"\s*([^\W\d]\w*)\s*<<\s*")


@dataclass(frozen=True, slots=True)
class Command:
    """A word of the magic's own, and what follows it."""

    verb: str
    """"connect", "jobs", "attach", "cancel" or "upload"."""
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Statements:
    """Statements, and the variable that takes the result of the last."""

    text: str
    variable: str = ""
    """Empty: the result is shown."""


def take_settings(line: str) -> tuple[list[tuple[str, str]], str]:
    """The leading `NAME=value`s, and what follows them.

    >>> take_settings("WORKSPACE='my files' api_token=s3cret LIST TABLE")
    ([('WORKSPACE', 'my files'), ('API_TOKEN', 's3cret')], 'LIST TABLE')
    """
    settings = []
    while found := _SETTING.match(line):
        value = found[2]
        settings.append((found[1].upper(), value[1:-1] if value[:1] in "'\"" else value))
        line = line[found.end() :]
    return settings, line


def read_line(line: str) -> Command | Statements:
    """What a line asks for.

    >>> read_line("cancel 4f2e91ab")
    Command(verb='cancel', argument='4f2e91ab')
    >>> read_line("heard << PREDICT USING m AS SELECT * FROM t")
    Statements(text='PREDICT USING m AS SELECT * FROM t', variable='heard')
    """
    if _ADDRESS.fullmatch(line):
        return Command("connect", line)
    if line.rstrip("; ").lower() == "jobs":
        return Command("jobs")
    if about := _ABOUT_JOBS.fullmatch(line):
        return Command(about[1].lower(), about[2])
    if uploaded := _UPLOAD.fullmatch(line):
        return Command("upload", uploaded[1])
    return read_statements(line)


def read_statements(text: str) -> Statements:
    """Statements, as a line or a cell has them, with `name <<` before them or not."""
    found = _TARGET.match(text)
    return Statements(text[found.end() :], found[1]) if found else Statements(text)
