"""Reads the pages that people read: their headings, links and blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

PAGES = tuple(
    sorted(path.relative_to(CHECKOUT).as_posix() for path in (*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")))
)
"""All pages, by their paths from the root of the checkout."""

_FENCE = re.compile(r"^ {0,3}```(?P<info>.*)$")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]*(?:\([^()]*\)[^()\s]*)*)\)")
_CODE_SPAN = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: str
    line: int
    """Of its first line of code, from 1."""
    language: str
    """The first word behind the fence: sql, python, or nothing."""
    mark: str
    """What follows it. "parse", "explain", "compile": it is not run, but looked at as far as that; see the tests."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read_blocks(page: str) -> Iterator[Block]:
    """The blocks of code of a page."""
    info: str | None = None
    lines: list[str] = []
    for number, line in enumerate((CHECKOUT / page).read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if fence and info is None:
            info, lines, begin = fence["info"].strip(), [], number + 1
        elif fence and info is not None:
            language, _, mark = info.partition(" ")
            yield Block(page, begin, language, mark.strip(), "\n".join(lines))
            info = None
        elif info is not None:
            lines.append(line)
    assert info is None, f"{page}: a block of code is not closed"


def read_prose(page: str) -> list[tuple[int, str]]:
    """The lines of a page outside of its blocks of code, with their numbers from 1."""
    prose: list[tuple[int, str]] = []
    inside = False
    for number, line in enumerate((CHECKOUT / page).read_text("utf-8").splitlines(), 1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            prose.append((number, line))
    return prose


def read_headings(page: str) -> list[tuple[int, str]]:
    """Level and text of each heading."""
    found = (re.match(r"(#{1,6}) +(.*?) *#*$", line) for _, line in read_prose(page))
    return [(len(each[1]), each[2]) for each in found if each]


def read_anchors(page: str) -> set[str]:
    """What links to the page's headings end in, as GitHub makes it of them."""
    anchors: set[str] = set()
    for _, heading in read_headings(page):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchor, count = plain, 0
        while anchor in anchors:
            count += 1
            anchor = f"{plain}-{count}"
        anchors.add(anchor)
    return anchors


def read_links(page: str) -> Iterator[tuple[int, str]]:
    """Line and target of each link and picture."""
    for number, line in read_prose(page):
        for link in _LINK.finditer(_CODE_SPAN.sub("``", line)):
            yield number, link["target"]
