"""Where in a statement the thing stands that an error of the table store names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.source import NO_PLACE, Source
from query_service.language.tokens import read_tokens
from thanosql.errors import ThanoSQLError

_NAMED = re.compile(
    r"""
      (?: column | expression | name | table | function | relation ) [ ] ["'] (?P<quoted> [^"']+ ) ["']
    | string [ ] (?P<value> ["'][^"']+["'] )
    | : [ ] (?P<called> \w+ | [-+*/%<>=|]+ ) [ ] does [ ] not [ ] take
    | source [ ] column [ ] (?P<column> \w+ )
    | function [ ] (?P<function> \w+ ) \(
    | operator [ ] does [ ] not [ ] exist: [ ] [\w ]+? [ ] (?P<operator> [-+*/%<>=|]+ ) [ ]
    """,
    re.VERBOSE,
)


def place_by_name(source: Source, at: int, length: int, error: ThanoSQLError) -> ThanoSQLError:
    """The same error, with a place where it names something that stands in the statement once, and has no place yet.

    Args:
        source: The user's text.
        at: Where the statement begins in it.
        length: Of the statement, in characters.
        error: As the table store gave it.
    """
    if error.line:
        return error
    named = {name.lower() for name in _names(error.message)}
    tokens = (token for token in read_tokens(source, longest=len(source.text)) if at <= token.start < at + length)
    places = [token.start for token in tokens if _written(token) in named]
    return source.placed(error, places[0] if len(places) == 1 else NO_PLACE)


def _written(token: Token) -> str:
    text = token.text.lower()
    return f"'{text}'" if token.token_type == TokenType.STRING else text


def _names(message: str) -> Iterator[str]:
    for found in _NAMED.finditer(message):
        yield from (
            name.replace('"', "'") if kind == "value" else name for kind, name in found.groupdict().items() if name
        )
