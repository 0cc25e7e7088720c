"""The SQL query inside a statement: read by sqlglot as PostgreSQL, refused where it is not one plain query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.binding import A_VALUE, bind_parameters
from query_service.language.clauses import check_clauses
from query_service.language.foreign_parts import refuse_foreign_parts
from query_service.language.grouping import check_grouping
from query_service.language.nested import Nested, Nesting, replace_nested
from query_service.language.source import Source, nearest, place_of
from query_service.language.tokens import PARAMETER, StatementDialect, open_parser, word_of
from thanosql.errors import NotSupported, StatementSyntaxError

_BEGINNINGS = ("SELECT", "WITH", "VALUES")
_CLAUSES = (
    *("SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "UNION", "JOIN", "LEFT"),
    *("INNER", "USING", "BETWEEN", "LIKE", "AND", "CASE", "WHEN", "THEN", "ELSE", "END"),
)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read."""

    text: str
    """As the user wrote it."""
    at: int = field(compare=False, repr=False)
    """Where it begins in the user's text."""
    tree: exp.Query = field(compare=False, repr=False)
    """Never changed: passes copy it."""
    length: int = field(default=0, compare=False, repr=False)
    """In tokens."""
    nested: tuple[Nested, ...] = field(default=(), repr=False)
    """Statements that stand in it as tables do; its tree has their relations instead. Inner ones are in theirs."""


def read_query(source: Source, tokens: Sequence[Token], nesting: Nesting) -> Query:
    """Reads the tokens of a query; there is at least one.

    Raises:
        StatementSyntaxError: they are not a query; the place and the word that was probably meant are given.
        NotSupported: a query, but one that holds what cannot be run here.
    """
    start, end = tokens[0].start, tokens[-1].end + 1
    tree, length, nested = parse_tokens(source, tokens, nesting, check=_check_beginning)
    if isinstance(tree, exp.Values):
        tree = exp.select("*").from_(exp.alias_(tree, "rows", table=True))
    if nested:
        tree = _select_from(tree, nested)
    if not isinstance(tree, exp.Query):
        raise _no_query(source, tree, start)
    check_parts(source, tree, start)
    return Query(source.text[start:end], start, tree, length, nested)


def parse_tokens(
    source: Source,
    tokens: Sequence[Token],
    nesting: Nesting,
    check: Callable[[Source, Sequence[Token]], None] = lambda *_: None,
) -> tuple[exp.Expr | None, int, tuple[Nested, ...]]:
    """What sqlglot makes of some tokens, how many there were, and the statements inside, which relations stand for.

    Args:
        source: The user's text.
        tokens: At least one.
        nesting: Reads the statements inside.
        check: Looks at the tokens that are left when those are taken out.

    Raises:
        StatementSyntaxError: they are no SQL; the place and the word that was probably meant are given.
    """
    start = tokens[0].start
    _check_parentheses(source, tokens)
    tokens, nested = replace_nested(source, tokens, nesting)
    check(source, tokens)
    check_clauses(source, tokens)
    parser = open_parser()
    try:
        trees = parser.parse(tokens, source.text)
    except ParseError as error:
        raise _syntax_error(source, tokens, error) from error
    except RecursionError as error:
        hint = "Split it with WITH … AS (…), or put long lists of values into a table."
        raise source.error(StatementSyntaxError, "the query is nested too deeply", start, hint) from error
    except Exception as error:  # sqlglot trips over some texts that are no SQL
        raise source.error(StatementSyntaxError, "the query cannot be understood", start) from error
    tree = trees[0] if len(trees) == 1 else None
    if nesting.values and tree is not None:
        tree = bind_parameters(source, tree, nesting.values, start)
    return tree, len(tokens), nested


def check_parts(source: Source, tree: exp.Query, at: int) -> None:
    """Refuses a query that holds what changes something, or what cannot be run here.

    Raises:
        StatementSyntaxError, NotSupported: it does.
    """
    _refuse_side_effects(source, tree, at)
    refuse_foreign_parts(source, tree, at)
    check_grouping(source, tree, at)


def _no_query(source: Source, tree: exp.Expr | None, at: int) -> NotSupported:
    if isinstance(tree, (exp.Update, exp.Delete, exp.Insert)):
        word = tree.key.upper()
        forms = {
            "UPDATE": "UPDATE table SET … FROM (query) AS name WHERE …",
            "DELETE": "DELETE FROM table USING (query) AS name WHERE …",
            "INSERT": "INSERT INTO table WITH … AS (…) SELECT …",
        }
        hint = f"The query goes into the statement: {forms[word]}."
        return source.error(NotSupported, f"WITH … {word} is not supported", at, hint)
    return source.error(NotSupported, "only a query can stand here: SELECT …, WITH … or VALUES …", at)


def _select_from(tree: exp.Expr | None, nested: tuple[Nested, ...]) -> exp.Expr | None:
    """The rows of one statement, with what stands around it in the form of a SELECT … FROM (…).

    `(PREDICT …) ORDER BY … LIMIT …` and `WITH … PREDICT …` are those of `SELECT * FROM (PREDICT …)`.
    """
    parts = {
        part: tree.args[part]
        for part in ("with_", "order", "limit", "offset")
        if tree is not None and tree.args.get(part) is not None
    }
    inner = tree.this if isinstance(tree, exp.Subquery) else tree if "with_" in parts else None
    if not isinstance(inner, exp.Select) or not isinstance(inner.args["from_"].this, exp.Table):
        return tree
    if inner.args["from_"].this.name not in {each.relation for each in nested}:
        return tree
    inner.set("with_", None)
    around = exp.select("*").from_(exp.Subquery(this=inner))
    for part, value in parts.items():
        around.set(part, value)
    return around


def _check_beginning(source: Source, tokens: Sequence[Token]) -> None:
    first = next((token for token in tokens if token.token_type != TokenType.L_PAREN), tokens[0])
    if word_of(first) in _BEGINNINGS:
        return
    word = source.text[first.start : first.end + 1]
    near = nearest(word, _BEGINNINGS)
    hint = f"Did you mean {near}?" if near else "A query begins with SELECT, WITH or VALUES."
    if not near and len(tokens) == 1:
        hint = f"All rows of a table: SELECT * FROM {word}."
    raise source.error(StatementSyntaxError, f"a query is expected here, not {word!r}", first.start, hint)


def _check_parentheses(source: Source, tokens: Sequence[Token]) -> None:
    opened: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.L_PAREN:
            opened.append(token)
        elif token.token_type == TokenType.R_PAREN and not opened:
            raise source.error(StatementSyntaxError, "the ) here closes nothing", token.start)
        elif token.token_type == TokenType.R_PAREN:
            opened.pop()
    if opened:
        raise source.error(StatementSyntaxError, "the ( here is not closed", opened[-1].start)


def _refuse_side_effects(source: Source, tree: exp.Query, at: int) -> None:
    for node in tree.walk():
        if isinstance(node, exp.Into):
            place = place_of(node, at)
            hint = "CREATE TABLE table AS SELECT … keeps the rows of a query."
            raise source.error(NotSupported, "SELECT … INTO is not supported: a query changes nothing", place, hint)
        if isinstance(node, exp.Lock):
            raise source.error(NotSupported, "FOR UPDATE and FOR SHARE are not supported: a query locks nothing", at)
        if isinstance(node, exp.CTE) and not isinstance(node.this, (exp.Query, exp.Values, exp.DML)):
            raise source.error(StatementSyntaxError, "a query is expected in WITH … AS (…)", place_of(node.this, at))
        if isinstance(node, (exp.DML, exp.DDL, exp.Command)) and not isinstance(node, exp.Query):
            raise source.error(
                NotSupported, f"{node.key.upper()} inside a query is not supported: a query changes nothing", at
            )
        if isinstance(node, (exp.Placeholder, exp.Parameter)):
            hint = (
                "A parameter is written :name; its value is given beside the text: session.sql(text, {'name': value})."
            )
            message = "parameters of another form than :name and ? are not supported"
            raise source.error(NotSupported, message, place_of(node, at), hint)


def _syntax_error(source: Source, tokens: Sequence[Token], error: ParseError) -> StatementSyntaxError:
    """sqlglot's error, at its place in the user's text, with the word that was probably meant."""
    detail = error.errors[0] if error.errors else {}
    place = (detail.get("line"), detail.get("col"))
    index = next((i for i, token in enumerate(tokens) if (token.line, token.col) == place), len(tokens) - 1)
    options = next((token for token in tokens if word_of(token) == "OPTIONS"), None)
    if options is not None:
        hint = "OPTIONS (…) stands before AS."
        return source.error(StatementSyntaxError, "OPTIONS cannot stand in or behind the query", options.start, hint)
    if tokens[index].token_type == PARAMETER:
        token = tokens[index]
        return source.error(StatementSyntaxError, f"{token.text!r} cannot stand here", token.start, A_VALUE)
    for token in reversed(tokens[max(0, index - 2) : index + 1]):
        meant = _meant_by(word_of(token))
        if meant:
            message = f"{token.text!r} cannot stand here"
            return source.error(StatementSyntaxError, message, token.start, f"Did you mean {meant}?")
    token = tokens[index]
    written = source.text[token.start : token.end + 1]
    description = str(detail.get("description", ""))
    for beginning, message, before in _DESCRIPTIONS:
        if description.startswith(beginning):
            at = token.start if before and index < len(tokens) - 1 else token.end + 1
            return source.error(StatementSyntaxError, message.format(written), at)
    in_list = index and tokens[index - 1].token_type == TokenType.VAR and _clause_around(tokens, index) == "SELECT"
    hint = "Is a comma missing before it?" if in_list else ""
    return source.error(StatementSyntaxError, f"{written!r} cannot stand here", token.start, hint)


def _clause_around(tokens: Sequence[Token], index: int) -> str:
    words = (word_of(token) for token in reversed(tokens[:index]))
    return next((word for word in words if word in _CLAUSES), "")


_DESCRIPTIONS = (
    # What sqlglot's description begins with, what is said instead, and whether it is said of the place before the word.
    ("Expecting )", "a closing ) is missing", True),
    ("Expecting (", "an opening ( is missing", True),
    ("Expected table name", "the name of a table is missing", False),
    ("Expected END after CASE", "END is missing after CASE", False),
    ("Required keyword", "something is missing after {}", False),
)


def _meant_by(word: str) -> str | None:
    """The keyword that a word is, but for one slip: a letter too few, too many, wrong, or two exchanged."""
    if word in ("GROUP", "ORDER", "GROUPBY", "ORDERBY"):
        return f"{word[:5]} BY"
    if len(word) < 3 or word in StatementDialect.Tokenizer.KEYWORDS:
        return None
    return next((keyword for keyword in _CLAUSES if _is_slip(word, keyword)), None)


def _is_slip(word: str, keyword: str) -> bool:
    if abs(len(word) - len(keyword)) > 1:
        return False
    if sorted(word) == sorted(keyword):
        return True
    same = 0
    while same < min(len(word), len(keyword)) and word[same] == keyword[same]:
        same += 1
    rests = (word[same + 1 :], keyword[same + 1 :])
    return rests[0] == rests[1] or word[same:] == rests[1] or rests[0] == keyword[same:]
