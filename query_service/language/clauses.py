"""Slips between the clauses of a query that sqlglot reads as something else: told at their place in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.source import Source
from query_service.language.tokens import word_of
from thanosql.errors import NotSupported, StatementSyntaxError

_ORDER = {
    TokenType.WHERE: 1,
    TokenType.GROUP_BY: 2,
    TokenType.HAVING: 3,
    TokenType.QUALIFY: 4,
    TokenType.ORDER_BY: 5,
    TokenType.LIMIT: 6,
    TokenType.OFFSET: 6,
}
_THE_ORDER = "The order is: SELECT … FROM … WHERE … GROUP BY … HAVING … ORDER BY … LIMIT …."
_SET_OPERATIONS = (TokenType.UNION, TokenType.INTERSECT, TokenType.EXCEPT)
_ENDS = (*_ORDER, *_SET_OPERATIONS, TokenType.FROM, TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.COMMA)
"""What nothing can be missing before: the end of a clause, a list or a query."""
_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET)


_OTHER_STATEMENTS = {
    **dict.fromkeys(("BUILD", "FIT", "EXPORT", "UPLOAD"), ("MODEL",)),
    **dict.fromkeys(("CANCEL", "RESUME"), ("JOB",)),
    **dict.fromkeys(("CREATE", "ALTER", "TRUNCATE"), ("TABLE",)),
    **dict.fromkeys(("COPY", "EXPLAIN", "SHOW", "SUMMARIZE"), ("",)),
    "DROP": ("TABLE", "MODEL"),
    "DESCRIBE": ("TABLE", "MODEL", "JOB", ""),
    "PRINT": ("AUDIO",),
    "GET": ("THANOSQL",),
}
"""Statements that cannot stand in a query, by their first and second words; behind an empty one, any word follows."""


@dataclass(slots=True)
class _Level:
    """What was read between two parentheses so far."""

    is_query: bool = False
    clause: Token | None = None
    """The last clause behind FROM."""
    joins: list[Token] = field(default_factory=list)
    """Joins whose condition has not come yet."""


def check_clauses(source: Source, tokens: Sequence[Token]) -> None:
    """Refuses what sqlglot would put into order, complete or leave out without a word.

    Raises:
        NotSupported: a form of other databases.
        StatementSyntaxError: a clause behind one that it belongs before, a comma too many, a JOIN without a condition.
    """
    levels = [_Level()]
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else None
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        kind, level = token.token_type, levels[-1]
        if before is not None and before.token_type in (TokenType.DOT, TokenType.ALIAS) and kind not in _OPENING:
            _check_alias(source, before, token, after)
            continue  # a name, whatever word it is
        if kind in _OPENING:
            _refuse_statement(source, tokens[i + 1 : i + 4])
            levels.append(_Level())
        elif kind in _CLOSING:
            _end_joins(source, level)
            if len(levels) > 1:
                levels.pop()
        elif kind == TokenType.SELECT:
            _end_joins(source, level)
            level.is_query, level.clause = True, None
            _check_select(source, token, tokens[i + 1 : i + 3])
        elif kind in _SET_OPERATIONS:
            _end_joins(source, level)
            level.clause = None
        elif kind in _ORDER and level.is_query:
            _end_joins(source, level)
            _check_order(source, level, token, after)
        elif kind == TokenType.COMMA:
            _end_joins(source, level)
            _check_comma(source, before, token, after)
        elif kind == TokenType.JOIN:
            _add_join(source, level, token, tokens[max(0, i - 3) : i])
        elif kind in (TokenType.ON, TokenType.USING) and level.joins:
            level.joins.pop()
        elif kind == TokenType.IN:
            _check_in(source, token, tokens[i + 1 : i + 3])
        elif kind == TokenType.VAR and token.text.upper() == "MATCH_RECOGNIZE" and after is not None:
            hint = "Window functions look at neighbouring rows: lag(…) OVER (ORDER BY …)."
            raise source.error(NotSupported, "MATCH_RECOGNIZE is not supported in a query", token.start, hint)
        elif kind == TokenType.ALIAS and after is None:
            raise source.error(StatementSyntaxError, "a name is missing after AS", token.end + 1)
    _end_joins(source, levels[-1])


def _refuse_statement(source: Source, follow: Sequence[Token]) -> None:
    """Refuses a statement of ours between parentheses that is none of those that give rows."""
    words = [word_of(token) for token in follow]
    if len(words) < 2 or not words[1]:
        return
    name = next((f"{words[0]} {each}" for each in _OTHER_STATEMENTS.get(words[0], ()) if each in ("", words[1])), "")
    if words[0] == "COPY" and words[2:] not in (["FROM"], ["OPTIONS"]):
        return
    if name:
        hint = "PREDICT, EVALUATE and LIST can, for they give rows; run the others by themselves."
        message = f"{name.strip()} cannot stand in a query"
        raise source.error(NotSupported, message, follow[0].start, hint)


def _check_alias(source: Source, as_: Token, name: Token, after: Token | None) -> None:
    ends = (TokenType.COMMA, *_CLOSING)
    # Any word may be a name behind AS: `AS limit`, even `AS from`.
    is_name = after is None or after.token_type in (*ends, TokenType.FROM)
    is_missing = name.token_type in ends or (name.token_type == TokenType.FROM and not is_name)
    if as_.token_type == TokenType.ALIAS and is_missing:
        raise source.error(StatementSyntaxError, "a name is missing after AS", as_.end + 1)


def _check_select(source: Source, select: Token, follow: Sequence[Token]) -> None:
    if follow and follow[0].token_type == TokenType.FROM:
        hint = "SELECT * FROM table shows all columns."
        raise source.error(StatementSyntaxError, "no column stands between SELECT and FROM", follow[0].start, hint)
    if len(follow) == 2 and follow[0].text.upper() == "TOP" and follow[1].token_type == TokenType.NUMBER:
        hint = f"Write LIMIT {follow[1].text} at the end of the query."
        raise source.error(NotSupported, "TOP is not supported", follow[0].start, hint)
    if not follow:
        raise source.error(StatementSyntaxError, "something is missing after SELECT", select.end + 1)


def _check_order(source: Source, level: _Level, token: Token, after: Token | None) -> None:
    written = " ".join(token.text.upper().split())
    if level.clause is not None:
        last, rank = level.clause, _ORDER[token.token_type]
        if rank < _ORDER[last.token_type]:
            earlier = " ".join(last.text.upper().split())
            message = f"{written} cannot stand behind {earlier}"
            raise source.error(StatementSyntaxError, message, token.start, _THE_ORDER)
        if token.token_type == last.token_type:
            hint = "Join conditions with AND or OR." if token.token_type == TokenType.WHERE else ""
            raise source.error(StatementSyntaxError, f"{written} stands twice", token.start, hint)
    if after is None or after.token_type in _ENDS:
        raise source.error(StatementSyntaxError, f"something is missing after {written}", token.end + 1)
    level.clause = token


def _check_comma(source: Source, before: Token | None, comma: Token, after: Token | None) -> None:
    if before is None or before.token_type in (*_OPENING, TokenType.SELECT):
        raise source.error(StatementSyntaxError, "something is missing before the comma", comma.start)
    if after is None or after.token_type in _ENDS:
        hint = "Take the comma away, or write what should follow."
        raise source.error(StatementSyntaxError, "something is missing behind the comma", comma.start, hint)


def _add_join(source: Source, level: _Level, join: Token, before: Sequence[Token]) -> None:
    words = [token.text.upper() for token in before]
    if words[-1:] == ["POSITIONAL"]:
        hint = "Give each table a number, row_number() OVER (), and join on it."
        raise source.error(NotSupported, "POSITIONAL JOIN is not supported", before[-1].start, hint)
    if words[-1:] != ["CROSS"] and "NATURAL" not in words:
        level.joins.append(join)


def _end_joins(source: Source, level: _Level) -> None:
    if level.joins:
        hint = "Write JOIN table ON condition; CROSS JOIN puts every row beside every other."
        raise source.error(StatementSyntaxError, "the JOIN has no condition", level.joins[-1].start, hint)


def _check_in(source: Source, in_: Token, follow: Sequence[Token]) -> None:
    first = follow[0].token_type if follow else None
    is_list = len(follow) == 2 and follow[1].token_type == TokenType.COMMA
    if first is None or first in _ENDS or first == TokenType.NUMBER or (first == TokenType.STRING and is_list):
        raise source.error(StatementSyntaxError, "a list in ( ) is missing after IN", in_.end + 1)
