"""Reads a script: keyword-led statements by their own rules, and the queries inside them by sqlglot."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token

from query_service.language.nested import Nesting
from query_service.language.parameters import take_parameters
from query_service.language.reader import Reader
from query_service.language.readers import READERS
from query_service.language.source import Source, nearest
from query_service.language.statements import Statement
from query_service.language.tokens import read_tokens, split, word_of
from query_service.language.unsupported import find_unsupported
from thanosql.errors import NotSupported, StatementSyntaxError
from thanosql.parameters import Parameter

LONGEST_TEXT = 100_000
"""Characters of a script, unless the server says otherwise."""


def parse(text: str, parameters: Sequence[Parameter] = (), *, longest: int = LONGEST_TEXT) -> list[Statement]:
    """The statements of a script, in order.

    Args:
        text: One or more, separated by `;`.
        parameters: What stands for `:name` and `?` in it.
        longest: Characters that it may have.

    Raises:
        StatementSyntaxError, InvalidOption, NotSupported: with the place in `text`.
        StatementError: a parameter has no value, or one that cannot stand where it is.
    """
    source = Source(text)
    tokens, values = take_parameters(source, read_tokens(source, longest=longest), parameters)
    scripts = split(tokens)
    if not scripts:
        hint = "Try LIST TABLES, or COPY table FROM 'file.csv'."
        raise StatementSyntaxError("there is no statement in this text", hint=hint)
    return [Nesting(source, _read_tokens, values).read_statement(tokens) for tokens in scripts]


def _read_tokens(source: Source, tokens: Sequence[Token], nesting: Nesting) -> Statement:
    return _read_statement(Reader(source, tokens, nesting))


def _read_statement(r: Reader) -> Statement:
    words = [word_of(token) for token in r.tokens[:8]]
    at = r.at()
    entry = find_unsupported(words)
    if entry is not None:
        raise r.source.error(NotSupported, entry.message, at, entry.instead)
    written = r.written(r.tokens[0])
    read = READERS.get(words[0] or written)
    if read is None:
        beginnings = sorted(name for name in READERS if name.isalpha())
        near = nearest(written, beginnings)
        hint = f"Did you mean {near}?" if near else f"Statements begin with {', '.join(beginnings)}."
        raise r.source.error(StatementSyntaxError, f"no statement begins with {written!r}", at, hint)
    return read(r)
