"""Finds the parameters of a text, `:name` and `?`, and what was given for each."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.source import Source, nearest
from query_service.language.tokens import PARAMETER, word_of
from thanosql.errors import StatementError
from thanosql.parameters import Parameter, Value

_NAME = re.compile(r"[^\W\d]\w*")
_OPERANDS = (
    *(TokenType.NUMBER, TokenType.STRING, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.R_BRACKET, PARAMETER),
    TokenType.VAR,
)
"""What a value may end with."""
_BEFORE_VALUES = ("TO", "JOB", "AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "BETWEEN", "LIKE", "ILIKE", "IN", "IS")
"""Words that a value follows."""
_GIVE = (
    "Values are given beside the text: session.sql(text, {'name': value}), thanosql sql --param name=value, or "
    "\\set name value in the shell; a list of them for ?."
)


def take_parameters(
    source: Source, tokens: Sequence[Token], given: Sequence[Parameter]
) -> tuple[list[Token], Mapping[str, Value]]:
    """The tokens with one in place of each parameter, and the values by the texts of those tokens.

    What stands in texts, quoted names and comments is no parameter, nor is a cast (`::`), the colon of a slice
    (`list[1:n]`), or `?` behind a value, which asks whether JSON has a key.

    Raises:
        StatementError: a value is missing, is there for nothing, or was given by place for a name.
    """
    named = {each.name: each.value for each in given if each.name}
    placed = [each.value for each in given if not each.name]
    kept: list[Token] = []
    found: dict[str, Value] = {}
    brackets: list[TokenType] = []
    number, skip = 0, False
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if skip:
            skip = False
            continue
        before = kept[-1] if kept else None
        if token.token_type in (TokenType.L_BRACKET, TokenType.L_PAREN):
            brackets.append(token.token_type)
        elif token.token_type in (TokenType.R_BRACKET, TokenType.R_PAREN) and brackets:
            brackets.pop()
        name = _name_behind(source, token, after)
        in_slice = brackets[-1:] == [TokenType.L_BRACKET] and _ends_value(before)
        if name and after is not None and not in_slice:
            if name not in named and brackets[-1:] == [TokenType.L_BRACKET] and before is not None:
                in_slice = before.token_type == TokenType.L_BRACKET  # list[:n]
            if not in_slice:
                found[f":{name}"] = _named(source, token, name, named, bool(placed))
                kept.append(Token(PARAMETER, f":{name}", token.line, token.col, token.start, after.end))
                skip = True
                continue
        if token.token_type == TokenType.PLACEHOLDER and not _ends_value(before):
            number += 1
            found[f"?{number}"] = _placed(source, token, number, placed, bool(named))
            token = Token(PARAMETER, f"?{number}", token.line, token.col, token.start, token.end)
        kept.append(token)
    _check_unused(named, len(placed), found)
    return kept, found


def _name_behind(source: Source, colon: Token, after: Token | None) -> str:
    """The name of the parameter that begins with a colon; empty: none does."""
    if colon.token_type != TokenType.COLON or after is None or after.start != colon.end + 1 or not word_of(after):
        return ""
    written = source.text[after.start : after.end + 1]
    return written if _NAME.fullmatch(written) else ""


def _ends_value(token: Token | None) -> bool:
    return token is not None and token.token_type in _OPERANDS and word_of(token) not in _BEFORE_VALUES


def _named(source: Source, token: Token, name: str, named: Mapping[str, Value], by_place: bool) -> Value:
    if name in named:
        return named[name]
    if by_place:
        hint = "Give a dictionary, {'" + name + "': value}, or write ? in the text."
        raise source.error(StatementError, f":{name} has no value: those given have no names", token.start, hint)
    near = nearest(name, named, at_least=0.6)
    hint = f"Did you mean :{near}?" if near else _GIVE.replace("name", name)
    raise source.error(StatementError, f"no value is given for :{name}", token.start, hint)


def _placed(source: Source, token: Token, number: int, placed: Sequence[Value], by_name: bool) -> Value:
    if number <= len(placed):
        return placed[number - 1]
    if by_name:
        hint = "Write :name in the text, or give a list."
        raise source.error(StatementError, "? has no value: those given have names", token.start, hint)
    message = f"no value is given for the {number}. ?" if placed else "no value is given for ?"
    raise source.error(StatementError, message, token.start, _GIVE)


def _check_unused(named: Iterable[str], placed: int, found: Collection[str]) -> None:
    for name in named:
        if f":{name}" not in found:
            there_are = [each for each in found if each.startswith(":")]
            near = nearest(f":{name}", there_are, at_least=0.6)
            hint = f"Did you mean {near}?" if near else f"Write :{name} where it shall stand, or do not give it."
            raise StatementError(f"a value is given for :{name}, which does not stand in the text", hint=hint)
    count = sum(each.startswith("?") for each in found)
    if placed > count:
        hint = "One value is given for each ?; a ? in quotes is a part of the text there."
        raise StatementError(f"{placed} values are given for {count or 'no'} ? in the text", hint=hint)
