"""What all statements have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from query_service.language.options import Option
from thanosql.types import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What all statements have."""

    KIND: ClassVar[str]
    FORM: ClassVar[str]
    OPTIONS: ClassVar[tuple[Option, ...]] = ()
    ROLE: ClassVar[Role]
    """What who sends it must be; a statement without it is refused to everybody."""

    at: int = field(default=0, compare=False, repr=False)
    """Where the statement begins in the user's text."""
    text: str = field(default="", compare=False, repr=False)
    """The statement as the user wrote it."""
    weak: tuple[Option, ...] = field(default=(), compare=False, repr=False)
    """Options that were given and have a partial effect or none; a notice says so."""
