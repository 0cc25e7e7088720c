"""From the user's text to tokens that know their place in it, and from tokens to statements."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import ErrorLevel, TokenError
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.source import Source
from thanosql.errors import StatementSyntaxError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence


# What sqlglot finds odd is refused by us, with a place and a hint, or left to the table store.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


PARAMETER = TokenType.SESSION_PARAMETER
"""One token for all of `:name`; in sqlglot a kind that PostgreSQL's SQL has no use for."""


class _Tokenizer(Postgres.Tokenizer):
    """PostgreSQL's tokens. No word swallows the rest of its statement, as SHOW does in sqlglot."""

    COMMANDS: set[TokenType] = set()  # type: ignore[misc]  # noqa: RUF012 (sqlglot's own spelling)


class _Parser(PostgresParser):
    """PostgreSQL's queries. Gives up where it goes back again and again, for which its time would be exponential.

    It tries what follows a name of a type as a type first: date ( date ( date ( … doubles the work with each one.
    """

    PRIMARY_PARSERS = {  # noqa: RUF012 (sqlglot's own spelling)
        **PostgresParser.PRIMARY_PARSERS,
        PARAMETER: lambda _, token: _placeholder(token),
    }
    _steps_back = 0

    def _retreat(self, index: int) -> None:
        self._steps_back += 1
        # Of usual queries it goes back twice for every token.
        if self._steps_back > 20 * self._tokens_size + 1_000:
            raise RecursionError("sqlglot has gone back too often")
        super()._retreat(index)


def _placeholder(token: Token) -> exp.Expr:
    node = exp.Placeholder(this=token.text)
    node.meta["start"] = token.start
    return node


class StatementDialect(Postgres):
    """PostgreSQL's SQL, as users write it."""

    Tokenizer = _Tokenizer
    Parser = _Parser


def open_parser() -> PostgresParser:
    """What makes trees of the tokens of one query.

    Raises:
        Unavailable: sqlglot's compiled build is installed, whose classes nobody can extend.
    """
    try:
        return StatementDialect().parser(error_level=ErrorLevel.IMMEDIATE)  # type: ignore[return-value]
    except TypeError as error:
        raise Unavailable(
            "the query service cannot read statements: sqlglot's compiled build (sqlglotc) is installed beside it, and "
            "does not let its parser be extended",
            hint="On the server's machine: pip uninstall sqlglotc, and start the server again.",
        ) from error


_UNSEEN = r"\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Characters without a width, which come along where text is copied; as good as a space."""
_STRAY = r"‘’‚‛“”„‟`´{}\\\0–—−，；：（）［］＝＜＞＊．、。「」"
"""Characters that stand in texts, in quoted names and in comments only."""

# What is skipped whole, and what must not stand outside it: a quote inside a comment is no quote.
_PIECES = re.compile(
    r"""
      (?P<line_comment> --[^\n]*+ | ^[ \t]*\#(?!>)[^\n]*+ )
    | (?P<block_comment> /\* )
    | (?P<escape> \b[eE]' (?: [^'\\]++ | \\. | '' )*+ (?P<escape_end>')? )
    | (?P<string> ' (?: [^']++ | '' )*+ (?P<string_end>')? )
    | (?P<name> " (?: [^"]++ | "" )*+ (?P<name_end>")? )
    | (?P<dollar> (?<![\w$]) \$ (?: [^\W\d]\w* )? \$ )
    """
    + rf"| (?P<unseen> [{_UNSEEN}] ) | (?P<stray> [{_STRAY}] )",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

_ANY_PIECE = re.compile(rf"[-#/'\"$]|[{_UNSEEN}]|[{_STRAY}]")
"""One of the characters that pieces begin with: many statements have none of them."""

_STRAY_HINTS = {
    **dict.fromkeys("‘’‚‛", "This is a typographic quote; texts stand in straight ones: 'text'."),
    **dict.fromkeys("“”„‟", "This is a typographic quote; use straight ones: 'text', or \"name\" for a name."),
    **dict.fromkeys("–—−", "This is a typographic dash; write -."),
    **{
        wide: f"This is a full-width character; write {plain}"
        for wide, plain in zip("，；：（）［］＝＜＞＊．", ",;:()[]=<>*.", strict=True)
    },
    "{": "OPTIONS stand in ( ), and so does a list of values.",
    "\\": "Commands of psql are not known here: LIST TABLES, DESCRIBE TABLE table.",
    "`": 'Names with capitals or spaces stand in double quotes: "My Table".',
}


def read_tokens(source: Source, *, longest: int) -> list[Token]:
    """The tokens of a text; `start` and `end` of each are offsets in the text as the user wrote it.

    Comments (`-- …`, `# …` at the start of a line, `/* … */`) are left out.

    Raises:
        StatementSyntaxError: the text is longer than `longest` characters, or a quote or comment is not closed.
    """
    if len(source.text) > longest:
        raise StatementSyntaxError(
            f"the text has {len(source.text):,} characters, more than the {longest:,} that this server takes",
            hint="Load the data with COPY, or send the statements one by one.",
        )
    plain = _blank_comments(source)
    try:
        return StatementDialect().tokenize(plain)
    except TokenError as error:
        at = min(error.start or 0, len(source.text))
        raise source.error(StatementSyntaxError, "the text cannot be read from here on", at) from error


def split(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens of each statement; statements are separated by `;`, and empty ones are left out."""
    statements: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            statements.append([])
        else:
            statements[-1].append(token)
    return [statement for statement in statements if statement]


_TEXT_TOKENS = (TokenType.STRING, TokenType.IDENTIFIER, TokenType.NUMBER, TokenType.HEREDOC_STRING)


def word_of(token: Token) -> str:
    """A bare word in capitals; empty for anything else (a quoted name is no keyword)."""
    if token.token_type in _TEXT_TOKENS or not (token.text[:1].isalpha() or token.text[:1] == "_"):
        return ""
    return token.text.upper()


def _blank_comments(source: Source) -> str:
    """The text with a space for each character of a comment, so that every offset keeps its meaning."""
    text = source.text
    if not _ANY_PIECE.search(text):
        return text
    plain: list[str] = []
    done = 0
    while found := _PIECES.search(text, done):
        start, end = found.span()
        kind = found.lastgroup or ""
        if kind == "stray":
            hint = _STRAY_HINTS.get(found.group(), "")
            raise source.error(StatementSyntaxError, f"the character {found.group()!r} cannot stand here", start, hint)
        if kind == "block_comment":
            end = _end_of_comment(source, start)
        elif kind == "dollar":
            end = text.find(found.group(), end) + len(found.group())
            if end < found.end():
                raise source.error(StatementSyntaxError, f"the text that {found.group()} opens is not closed", start)
        elif kind not in ("line_comment", "unseen") and found[f"{kind}_end"] is None:
            quote = '"' if kind == "name" else "'"
            hint = f"Add the closing {quote}; a {quote} inside is written twice: {quote}{quote}."
            raise source.error(StatementSyntaxError, "the quote that opens here is not closed", start, hint)
        piece = text[start:end]
        if kind in ("line_comment", "block_comment", "unseen"):
            piece = "".join(c if c == "\n" else " " for c in piece)
        plain += (text[done:start], piece)
        done = end
    plain.append(text[done:])
    return "".join(plain)


def _end_of_comment(source: Source, start: int) -> int:
    """Offset behind a block comment, which may hold others."""
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(source.text, start):
        depth += 1 if mark.group() == "/*" else -1
        if not depth:
            return mark.end()
    raise source.error(StatementSyntaxError, "the comment that opens here is not closed", start, "Add the closing */.")
