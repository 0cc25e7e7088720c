"""Reads one statement from left to right: words, names, paths, OPTIONS, and the query at the end."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlglot.tokenizer_core import Token, TokenType

from query_service.language.binding import A_VALUE
from query_service.language.inner_query import Query, read_query
from query_service.language.nested import Nesting
from query_service.language.options import Given, Name, read_options
from query_service.language.source import Source, nearest
from query_service.language.statements import Statement
from query_service.language.tokens import PARAMETER, word_of
from thanosql.errors import StatementSyntaxError
from thanosql.parameters import Value

_NAMELESS = ("DESCRIBE", "DROP", "DELETE")
"""Statements that some write with a name alone, as other databases have them."""


class Reader:
    """Reads one statement from left to right."""

    def __init__(self, source: Source, tokens: Sequence[Token], nesting: Nesting) -> None:
        self.source = source
        self.tokens = tokens
        self.nesting = nesting
        """Reads the statements inside this one."""
        self.next = 0
        self.form = ""

    def peek(self) -> str:
        """The next word in capitals; empty at the end and before anything else."""
        return word_of(self.tokens[self.next]) if self.next < len(self.tokens) else ""

    def at(self) -> int:
        """Where the next token begins, or where the statement ends."""
        return self.tokens[self.next].start if self.next < len(self.tokens) else self.tokens[-1].end + 1

    def take(self, kind: TokenType) -> Token | None:
        """The next token, if it is of this kind."""
        if self.next < len(self.tokens) and self.tokens[self.next].token_type == kind:
            self.next += 1
            return self.tokens[self.next - 1]
        return None

    def take_word(self, *words: str) -> str:
        """The next word, if it is one of these; else empty."""
        word = self.peek()
        if word not in words:
            return ""
        self.next += 1
        return word

    def expect_word(self, *words: str) -> str:
        """The next word, which must be one of these."""
        word = self.take_word(*words)
        if word:
            return word
        wanted = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
        near = nearest(self.peek(), words, at_least=0.8) if self.peek() else None
        hint = f"Did you mean {near}?" if near else ""
        if self.peek() == "OPTIONS":
            hint = "OPTIONS (…) stands further behind."
        elif not near and self.next == 1 == len(self.tokens) - 1 and word_of(self.tokens[0]) in _NAMELESS:
            hint = f"Did you mean {word_of(self.tokens[0])} {words[0]} {self.written(self.tokens[1])}?"
        raise self.expected(wanted, hint)

    def written(self, token: Token) -> str:
        """A token as the user wrote it."""
        return self.source.text[token.start : token.end + 1]

    def expected(self, what: str, hint: str = "") -> StatementSyntaxError:
        """The error that something else stands at this place than what the statement needs."""
        if self.next < len(self.tokens):
            message = f"{what} is expected here, not {self.written(self.tokens[self.next])!r}"
        else:
            message = f"{what} is expected here, where the statement ends"
        return self.fail(message, self.at(), hint)

    def fail(self, message: str, at: int, hint: str = "") -> StatementSyntaxError:
        """A syntax error that shows the statement's form."""
        form = f"The form is: {self.form}" if self.form else ""
        return self.source.error(StatementSyntaxError, message, at, f"{hint} {form}".strip())

    def begin(self, statement: type[Statement], *words: str) -> None:
        """Takes the words that a statement begins with, and remembers its form for hints."""
        self.form = statement.FORM
        for word in words:
            self.expect_word(word)

    def end(self, statement: type[Statement], **values: Any) -> Statement:
        """The statement, which must end here."""
        if self.next < len(self.tokens):
            hint = "OPTIONS (…) stands further in front." if self.peek() == "OPTIONS" else ""
            raise self.fail(
                f"the statement should end before {self.written(self.tokens[self.next])!r}", self.at(), hint
            )
        start = self.tokens[0].start
        text = self.source.text[start : self.tokens[-1].end + 1]
        return statement(at=start, text=text, **values)

    def read_name(self, what: str, *, folded: bool = True, quoted_text: bool = False) -> Name:
        """A bare name, folded to lower case, or one in double quotes, as it stands."""
        at = self.at()
        word = self.peek()
        if word and word not in ("OPTIONS", "USING", "AS", "FROM", "TO"):
            token = self.tokens[self.next]
            self.next += 1
            written = self.written(token)
            self._refuse_punctuation(what)
            return Name(written.lower() if folded else written, at)
        if parameter := self.take(PARAMETER):
            if not quoted_text:
                raise self.fail(f"{parameter.text} cannot stand for {what}", at, A_VALUE)
            return self._text_of(parameter, what)
        quoted = self.take(TokenType.IDENTIFIER) or (self.take(TokenType.STRING) if quoted_text else None)
        if quoted is None:
            wrong = self.next < len(self.tokens) and self.tokens[self.next].token_type == TokenType.STRING
            raise self.expected(what, "Names stand bare or in double quotes." if wrong else "")
        self._refuse_punctuation(what)
        if not quoted.text.strip():
            raise self.fail(f"{what} is empty", at)
        return Name(quoted.text, at)

    def _refuse_punctuation(self, what: str) -> None:
        follows = self.tokens[self.next : self.next + 1]
        if follows and follows[0].text in ".-/:" and follows[0].start == self._gone():
            hint = f"A name with {follows[0].text!r} in it stands in double quotes."
            raise self.fail(f"{what} cannot hold {follows[0].text!r}", follows[0].start, hint)

    def _gone(self) -> int:
        return self.tokens[self.next - 1].end + 1

    def read_path(self) -> Name:
        """A path, in either quotes."""
        at = self.at()
        if parameter := self.take(PARAMETER):
            return self._text_of(parameter, "the path")
        token = self.take(TokenType.STRING) or self.take(TokenType.IDENTIFIER)
        if token is None:
            raise self.expected("a path in quotes")
        if not token.text.strip():
            raise self.fail("the path is empty", at)
        return Name(token.text, at)

    def read_job_id(self) -> Name:
        """The id of a job, or its beginning: bare or in quotes. It may begin with a digit, unlike a name."""
        at = self.at()
        if parameter := self.take(PARAMETER):
            return self._text_of(parameter, "the id of a job")
        quoted = self.take(TokenType.STRING) or self.take(TokenType.IDENTIFIER)
        if quoted is not None:
            text = quoted.text.strip()
            if not text:
                raise self.fail("the id of a job is empty", at, "LIST JOBS shows them.")
        else:
            first = self.next
            while self.next < len(self.tokens) and (self.next == first or self.at() == self._gone()):
                self.next += 1
            text = self.source.text[at : self._gone()] if self.next > first else ""
            if text and not text.replace("-", "").replace("_", "").isalnum():
                self.next = first
                raise self.expected("the id of a job", "LIST JOBS shows them.")
        if not text:
            raise self.expected("the id of a job", "LIST JOBS shows them.")
        return Name(text, at)

    def _text_of(self, parameter: Token, what: str) -> Name:
        """The text that is given for a parameter."""
        value = self.nesting.values[parameter.text]
        if not isinstance(value, str) or not value.strip():
            raise self.fail(f"{what} is a text, and {parameter.text} is not", parameter.start)
        return Name(value, parameter.start)

    def read_if_exists(self) -> bool:
        """Whether IF EXISTS stands here."""
        if not self.take_word("IF"):
            return False
        self.expect_word("EXISTS")
        return True

    def read_options(self, statement: type[Statement]) -> dict[str, Any]:
        """OPTIONS (…), where it stands here, as fields of the statement."""
        if not self.take_word("OPTIONS"):
            if nearest(self.peek(), ("OPTIONS",), at_least=0.8) and self.peek() not in ("AS", "FROM", "USING"):
                raise self.expected("OPTIONS", "Did you mean OPTIONS?")
            follows = self.tokens[self.next + 1 : self.next + 2]
            if self.peek() == "WITH" and follows and follows[0].token_type == TokenType.L_PAREN:
                raise self.expected("OPTIONS", "Did you mean OPTIONS?")
            return {}
        given: list[Given] = []
        if not self.take(TokenType.L_PAREN):
            raise self.expected("( after OPTIONS")
        while not self.take(TokenType.R_PAREN):
            if given and not self.take(TokenType.COMMA):
                raise self.expected("a comma or the closing ) of OPTIONS")
            given.append(self.read_option())
        values, weak = read_options(self.source, statement.KIND, statement.OPTIONS, tuple(given))
        return {**values, "weak": weak}

    def read_option(self) -> Given:
        """One `name = value`."""
        at = self.at()
        if not self.peek():
            raise self.expected("the name of an option")
        name = self.peek().lower()
        self.next += 1
        if not self.take(TokenType.EQ):
            raise self.expected(f"= after {name}")
        value_at = self.at()
        bare = bool(self.peek()) and self.peek() not in ("TRUE", "FALSE")
        return Given(name, self.read_value(name), bare, at, value_at)

    def read_value(self, name: str) -> Any:
        """A single value, or a list of them in brackets or from a parameter."""
        if self.next < len(self.tokens) and self.tokens[self.next].token_type == PARAMETER:
            value = self.nesting.values[self.tokens[self.next].text]
            if isinstance(value, tuple):
                self.next += 1
                return [self._option_value(each) for each in value]
        if not self.take(TokenType.L_BRACKET):
            return self.read_single_value(f"a value of {name}")
        values: list[Any] = []
        while not self.take(TokenType.R_BRACKET):
            if values and not self.take(TokenType.COMMA):
                raise self.expected("a comma or the closing ] of the list")
            values.append(self.read_single_value(f"a value in the list of {name}"))
        return values

    @staticmethod
    def _option_value(value: Value) -> Any:
        """A parameter's value as an option takes it; one that makes no sense is refused when the option is known."""
        return float(value) if isinstance(value, Decimal) else value

    def read_single_value(self, what: str) -> Any:
        """A number, True or False, a text in either quotes, a bare name, or a parameter's value."""
        if parameter := self.take(PARAMETER):
            return self._option_value(self.nesting.values[parameter.text])
        text = self.take(TokenType.STRING) or self.take(TokenType.IDENTIFIER)
        if text is not None:
            return text.text
        word = self.take_word("TRUE", "FALSE")
        if word:
            return word == "TRUE"
        if self.peek():
            self.next += 1
            return self.written(self.tokens[self.next - 1]).lower()
        return self.read_number(what)

    def read_number(self, what: str) -> int | float:
        """A number, with or without a sign."""
        at = self.at()
        start = self.next
        self.take(TokenType.DASH) or self.take(TokenType.PLUS)
        while self.take(TokenType.DOT) or self.take(TokenType.NUMBER):
            pass
        written = self.source.text[at : self._gone()] if self.next > start else ""
        for kind in (int, float):
            try:
                return kind(written)
            except (ValueError, OverflowError):
                continue
        self.next = start
        raise self.expected(what)

    def read_query(self, word: str = "AS") -> Query:
        """AS and the query behind it, to the end of the statement."""
        self.expect_word(word)
        return self.read_rest_as_query()

    def read_rest_as_query(self) -> Query:
        """The query that the rest of the statement is."""
        if self.next >= len(self.tokens):
            raise self.expected("a query")
        tokens = self.tokens[self.next :]
        self.next = len(self.tokens)
        return read_query(self.source, tokens, self.nesting)

    def read_rest_as_statement(self) -> Statement:
        """The statement that the rest of this one is."""
        if self.next >= len(self.tokens):
            raise self.expected("a statement")
        tokens = self.tokens[self.next :]
        self.next = len(self.tokens)
        return self.nesting.read_statement(tokens)
