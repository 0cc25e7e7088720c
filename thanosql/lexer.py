"""A Pygments lexer of the dialect: the colours of statements in the shell, in notebooks and on pages."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups, include, words
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Whitespace

LEADING = (
    *("ALTER", "BUILD", "CANCEL", "COPY", "CREATE", "DELETE", "DESCRIBE", "DROP", "EVALUATE", "EXPLAIN", "EXPORT"),
    *("FIT", "GET", "INSERT", "LIST", "PREDICT", "PRINT", "RESUME", "SELECT", "UPDATE", "UPLOAD", "WITH"),
)
"""Words that statements begin with."""
SPEECH = ("AUDIO", "BASE", "DATASET", "JOB", "JOBS", "MODEL", "MODELS", "OPTIONS", "TABLES", "THANOSQL", "TO", "USING")
"""Words of the dialect that a query has not, or seldom."""
QUERY = (
    *("ALL", "AND", "ANY", "AS", "ASC", "BETWEEN", "BY", "CASE", "CAST", "COLUMN", "CROSS", "CURRENT", "DESC"),
    *("DISTINCT", "ELSE", "END", "EXCEPT", "EXISTS", "FILTER", "FIRST", "FOLLOWING", "FROM", "FULL", "GROUP"),
    *("HAVING", "IF", "ILIKE", "IN", "INNER", "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN", "LAST", "LATERAL"),
    *("LEFT", "LIKE", "LIMIT", "NATURAL", "NOT", "NULLS", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER"),
    *("PARTITION", "PRECEDING", "RANGE", "RECURSIVE", "RENAME", "REPLACE", "RIGHT", "ROW", "ROWS", "SET", "SIMILAR"),
    *("TABLE", "THEN", "UNBOUNDED", "UNION", "USING", "VALUES", "WHEN", "WHERE", "WINDOW"),
)
"""Words of queries."""
TYPES = (
    *("BIGINT", "BOOLEAN", "BYTEA", "CHAR", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "INT", "INTEGER", "JSON", "NUMERIC"),
    *("PRECISION", "REAL", "SMALLINT", "TEXT", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "UUID", "VARCHAR"),
)

_NAME = r"[^\W\d]\w*"
_groups: Any = bygroups  # its stubs leave its arguments untyped


class ThanoSQLLexer(RegexLexer):
    """Statements of ThanoSQL's speech dialect, with `:name` parameters and the shell's commands."""

    name = "ThanoSQL"
    aliases: ClassVar[list[str]] = ["thanosql"]
    filenames: ClassVar[list[str]] = ["*.thanosql"]
    mimetypes: ClassVar[list[str]] = ["text/x-thanosql"]
    flags = re.IGNORECASE | re.MULTILINE

    tokens: ClassVar[dict[str, list[Any]]] = {
        "root": [
            (r"\s+", Whitespace),
            (r"--[^\n]*", Comment.Single),
            (r"^[ \t]*\#(?!>)[^\n]*", Comment.Single),
            (r"^\\[^\s;]*", Name.Builtin.Pseudo),
            (r"/\*", Comment.Multiline, "comment"),
            (r"e'(?:[^'\\]|\\.|'')*'", String.Single),
            (r"'(?:[^']|'')*'", String.Single),
            (r"(?s)\$(\w*)\$.*?\$\1\$", String.Heredoc),
            (r"'[^']*\Z", String.Single),  # still open, while it is typed
            (r'"(?:[^"]|"")*"', Name.Quoted),
            (r"::", Operator),
            (rf":{_NAME}", Name.Variable),
            (r"\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?", Number),
            (words(("TRUE", "FALSE", "NULL"), suffix=r"\b"), Keyword.Constant),
            (r"(OPTIONS)(\s*)(\()", _groups(Keyword, Whitespace, Punctuation), "options"),
            (words(LEADING, suffix=r"\b"), Keyword.Declaration),
            (words((*SPEECH, *QUERY), suffix=r"\b"), Keyword),
            (words(TYPES, suffix=r"\b"), Keyword.Type),
            (rf"{_NAME}(?=\s*\()", Name.Function),
            (_NAME, Name),
            (r"[-+*/<>=~!@#%^&|?]+", Operator),
            (r"[;:()\[\],.{}\\]", Punctuation),
        ],
        "options": [
            (r"\)", Punctuation, "#pop"),
            (rf"({_NAME})(\s*)(=)", _groups(Name.Attribute, Whitespace, Operator)),
            include("root"),
        ],
        "comment": [
            (r"/\*", Comment.Multiline, "#push"),
            (r"\*/", Comment.Multiline, "#pop"),
            (r"[^/*]+|[/*]", Comment.Multiline),
        ],
    }
