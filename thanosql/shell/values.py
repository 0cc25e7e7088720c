r"""Values of `:name` parameters, as they are typed: `\set day 2026-01-01`, `--param "names=['Kim', 'Lee']"`."""

from __future__ import annotations

import ast
import re

from thanosql.errors import InvalidOption

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]

NAME = re.compile(r"[^\W\d]\w*")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


def read_value(text: str) -> Value:
    """A value as it was typed: a number, true, false, null, 'text', [a list of them]; anything else is a text.

    >>> [read_value(each) for each in ("5", "-1.5", "true", "null", "'5'", "it's", "[1, 'two']", "007")]
    [5, -1.5, True, None, '5', "it's", [1, 'two'], '007']
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r"[+-]?(0|[1-9]\d*)", text):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=e))(e[+-]?\d+)?", text, re.IGNORECASE):
        return float(text)
    if text.startswith("[") and text.endswith("]"):
        return _read_list(text)
    return text


def read_setting(text: str) -> tuple[str, Value]:
    """Name and value of `name=value`.

    Raises:
        InvalidOption: it is none.
    """
    name, equals, value = text.partition("=")
    if not equals or not NAME.fullmatch(name.strip()):
        raise InvalidOption(f"{text!r} is no parameter", hint="It is name=value, for :name in the statements.")
    return name.strip(), read_value(value)


def _read_list(text: str) -> Value:
    # As JSON and SQL write the three words.
    python = re.sub(r"'[^']*'|\b(true|false|null)\b", lambda w: str(_WORDS[w[1].lower()]) if w[1] else w[0], text)
    try:
        values = ast.literal_eval(python)
    except (ValueError, SyntaxError):
        values = None
    if not isinstance(values, list) or not all(
        isinstance(each, (bool, int, float, str, type(None))) for each in values
    ):
        raise InvalidOption(f"{text} is no list of values", hint="A list is written as ['Kim', 'Lee'] or [1, 2].")
    return values
