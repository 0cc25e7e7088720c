"""What EXPLAIN shows: a tree of steps, drawn as lines of text, what stands further in comes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

INDENT = "  "
ARROW = "→ "


@dataclass(frozen=True, slots=True)
class Branch:
    """A step of a plan, with what there is to say of it."""

    title: str
    lines: tuple[str, ...] = ()
    below: tuple[Branch, ...] = ()
    """The steps whose rows it takes."""


def draw(branches: Iterable[Branch], depth: int = 1) -> Iterator[str]:
    """The lines of a tree.

    >>> for line in draw([Branch("write table t", ("new",), (Branch("fetch rows"),))]):
    ...     print(line)
      → write table t
          new
        → fetch rows
    """
    for branch in branches:
        yield f"{INDENT * depth}{ARROW}{branch.title}"
        yield from (f"{INDENT * (depth + 2)}{line}" for line in branch.lines)
        yield from draw(branch.below, depth + 1)
