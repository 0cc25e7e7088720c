"""Statements that stand inside a query as tables do: (PREDICT …), (EVALUATE …), (LIST …)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.source import Source, nearest
from query_service.language.tokens import word_of
from thanosql.errors import StatementSyntaxError
from thanosql.parameters import Value

if TYPE_CHECKING:
    from query_service.language.statements.statement import Statement

_WORDS: dict[str, tuple[str, ...]] = {
    "PREDICT": ("USING",),
    "EVALUATE": ("USING",),
    "LIST": ("TABLE", "TABLES", "MODEL", "MODELS", "BASE", "JOB", "JOBS", "THANOSQL"),
}
"""What a statement that gives rows begins with: its first word, and what may be the second."""

DEEPEST = 20
"""How deep statements may stand in one another."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A statement whose rows a query reads as it reads a table's."""

    relation: str
    """What stands for it in the query's tree: a name that the user's text does not hold."""
    statement: Statement
    at: int = field(default=0, compare=False, repr=False)
    """Where it begins in the user's text."""


class Nesting:
    """Reads the statements that stand inside one statement, and names what each leaves.

    Args:
        source: The user's text.
        read: Reads the tokens of one statement, whatever it is.
        values: What was given for parameters, by the texts of their tokens.
    """

    def __init__(
        self,
        source: Source,
        read: Callable[[Source, Sequence[Token], Nesting], Statement],
        values: Mapping[str, Value] | None = None,
    ) -> None:
        self.values: Mapping[str, Value] = values or {}
        self._source = source
        self._read = read
        self._depth = 0
        self._count = 0

    def read_statement(self, tokens: Sequence[Token]) -> Statement:
        """A statement inside the one that is being read.

        Raises:
            StatementSyntaxError: it is none, or stands inside too many others.
        """
        if self._depth >= DEEPEST:
            hint = "Keep what the inner ones give in a table: CREATE TABLE table AS …."
            message = f"statements stand in one another more than {DEEPEST} deep"
            raise self._source.error(StatementSyntaxError, message, tokens[0].start, hint)
        self._depth += 1
        try:
            return self._read(self._source, tokens, self)
        finally:
            self._depth -= 1

    def read_nested(self, tokens: Sequence[Token]) -> Nested:
        """A statement that a query reads as a table."""
        statement = self.read_statement(tokens)
        self._count += 1
        relation = f"{word_of(tokens[0]).lower()}_{self._count}"
        while relation in self._source.text.lower():
            relation += "_"
        return Nested(relation, statement, tokens[0].start)


def replace_nested(source: Source, tokens: Sequence[Token], nesting: Nesting) -> tuple[list[Token], tuple[Nested, ...]]:
    """The tokens of a query with `SELECT * FROM relation` in place of each statement inside it, and those statements.

    A statement inside stands in parentheses; the first or last of the query may go without them, where nothing
    follows it: `AS PREDICT …`, `WITH name AS (…) PREDICT …`.

    Raises:
        StatementSyntaxError: one stands elsewhere, or is not right in itself.
    """
    kept: list[Token] = []
    found: list[Nested] = []
    closings = _closings(tokens)
    depth = next_ = 0
    while next_ < len(tokens):
        token = tokens[next_]
        end = None
        if _begins_nested(tokens, next_):
            if next_ and tokens[next_ - 1].token_type == TokenType.L_PAREN:
                end = closings[next_ - 1]
            elif not depth and (not next_ or _ends_with(tokens, next_)):
                end = len(tokens)
            elif word_of(token) != "LIST":
                word = word_of(token)
                hint = f"Put it in parentheses: ({word} USING model AS query)."
                raise source.error(StatementSyntaxError, f"{word} cannot stand here", token.start, hint)
        if end is not None:
            nested = nesting.read_nested(tokens[next_:end])
            found.append(nested)
            kept += _select_all(nested.relation, token)
            next_ = end
            continue
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        kept.append(token)
        next_ += 1
    return kept, tuple(found)


def _begins_nested(tokens: Sequence[Token], index: int) -> bool:
    """Whether a statement begins here, one with a slip in its first or second word included."""
    word = word_of(tokens[index])
    if not word or index + 1 >= len(tokens):
        return False
    second = word_of(tokens[index + 1])
    if second in _WORDS.get(word, ()):
        # JOIN predict USING (id) joins a table of that name.
        return tokens[min(index + 2, len(tokens) - 1)].token_type != TokenType.L_PAREN
    third = word_of(tokens[index + 2]) if index + 2 < len(tokens) else ""
    if word in ("PREDICT", "EVALUATE") and second and third in ("AS", "OPTIONS"):
        # USING was left out: (PREDICT model AS …), or AS PREDICT model AS … .
        return not index or tokens[index - 1].token_type == TokenType.L_PAREN
    if not second or (index and tokens[index - 1].token_type != TokenType.L_PAREN):
        return False
    if second == "USING":
        return nearest(word, ("PREDICT", "EVALUATE"), at_least=0.8) is not None
    if word == "LIST":
        return nearest(second, _WORDS["LIST"], at_least=0.8) is not None
    return word in ("PREDICT", "EVALUATE") and nearest(second, ("USING",), at_least=0.8) is not None


def _ends_with(tokens: Sequence[Token], index: int) -> bool:
    """Whether the definitions of a WITH end before this token, and the query would begin with it."""
    return word_of(tokens[0]) == "WITH" and tokens[index - 1].token_type == TokenType.R_PAREN


def _closings(tokens: Sequence[Token]) -> dict[int, int]:
    """Index of the closing parenthesis for each opening one; all are closed."""
    opened: list[int] = []
    closings: dict[int, int] = {}
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.L_PAREN:
            opened.append(index)
        elif token.token_type == TokenType.R_PAREN:
            closings[opened.pop()] = index
    return closings


def _select_all(relation: str, place: Token) -> list[Token]:
    """`SELECT * FROM relation`, all of it where the statement's first word stands."""
    words = (
        (TokenType.SELECT, "SELECT"),
        (TokenType.STAR, "*"),
        (TokenType.FROM, "FROM"),
        (TokenType.VAR, relation),
    )
    return [Token(kind, text, place.line, place.col, place.start, place.end) for kind, text in words]
