"""Reads the statements about recordings."""

from __future__ import annotations

from collections.abc import Callable

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.statements import Statement
from thanosql.errors import NotSupported


def _read_print(r: Reader) -> Statement:
    r.begin(s.PrintAudio, "PRINT")
    if r.peek() in ("IMAGE", "VIDEO"):
        message = f"PRINT {r.peek()} is not supported"
        raise r.source.error(NotSupported, message, r.at(), "This product is about speech: PRINT AUDIO AS query.")
    r.expect_word("AUDIO")
    values = r.read_options(s.PrintAudio)
    return r.end(s.PrintAudio, query=r.read_query(), **values)


def _read_predict(r: Reader) -> Statement:
    r.begin(s.Predict, "PREDICT", "USING")
    model = r.read_name("the name of a model")
    values = r.read_options(s.Predict)
    return r.end(s.Predict, model=model, query=r.read_query(), **values)


def _read_evaluate(r: Reader) -> Statement:
    r.begin(s.Evaluate, "EVALUATE", "USING")
    model = r.read_name("the name of a model")
    values = r.read_options(s.Evaluate)
    return r.end(s.Evaluate, model=model, query=r.read_query(), **values)


READERS: dict[str, Callable[[Reader], Statement]] = {
    "PRINT": _read_print,
    "PREDICT": _read_predict,
    "EVALUATE": _read_evaluate,
}
"""By the word that a statement begins with."""
