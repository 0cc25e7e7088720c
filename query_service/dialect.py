"""Reads a script: keyword-led statements by their own rules, and the queries inside them by sqlglot."""

from __future__ import annotations

from collections.abc import Callable

from query_service import statements as s
from query_service.inner_query import word_of
from query_service.reader import Reader
from query_service.source import Source, nearest
from query_service.statements import Statement
from query_service.tokens import read_tokens, split
from query_service.unsupported import UNSUPPORTED
from thanosql.errors import NotSupported, StatementSyntaxError

LONGEST_TEXT = 100_000
"""Characters of a script, unless the server says otherwise."""


def parse(text: str, *, longest: int = LONGEST_TEXT) -> list[Statement]:
    """The statements of a script, in order.

    Raises:
        StatementSyntaxError, InvalidOption, NotSupported: with the place in `text`.
    """
    source = Source(text)
    scripts = split(read_tokens(source, longest=longest))
    if not scripts:
        hint = "Try LIST TABLES, or COPY table FROM 'file.csv'."
        raise StatementSyntaxError("there is no statement in this text", hint=hint)
    return [_read_statement(Reader(source, tokens)) for tokens in scripts]


def _read_statement(r: Reader) -> Statement:
    words = tuple(word_of(token) for token in r.tokens[:3])
    at = r.at()
    for entry in UNSUPPORTED:
        if words[: len(entry.words)] == entry.words:
            raise r.source.error(NotSupported, entry.message, at, entry.instead)
    written = r.written(r.tokens[0])
    read = _READERS.get(words[0] or written)
    if read is None:
        beginnings = [name for name in _READERS if name.isalpha()]
        near = nearest(written, (*beginnings, *(entry.words[0] for entry in UNSUPPORTED)))
        meant = f"Did you mean {near}? " if near else ""
        hint = f"{meant}Statements begin with {', '.join(beginnings)}."
        raise r.source.error(StatementSyntaxError, f"no statement begins with {written!r}", at, hint)
    return read(r)


def _read_select(r: Reader) -> Statement:
    r.form = ""
    return r.end(s.Select, query=r.read_rest_as_query())


def _read_copy(r: Reader) -> Statement:
    r.begin(s.Copy, "COPY")
    table = r.read_name("the name of a table")
    values = r.read_options(s.Copy)
    if r.peek() == "TO":
        hint = "Keep the rows in Python: session.sql(…).to_pandas()."
        raise r.source.error(NotSupported, "COPY … TO is not supported", r.at(), hint)
    r.expect_word("FROM")
    return r.end(s.Copy, table=table, path=r.read_path(), **values)


def _read_print(r: Reader) -> Statement:
    r.begin(s.PrintAudio, "PRINT")
    if r.peek() in ("IMAGE", "VIDEO"):
        message = f"PRINT {r.peek()} is not supported"
        raise r.source.error(NotSupported, message, r.at(), "This product is about speech: PRINT AUDIO AS query.")
    r.expect_word("AUDIO")
    values = r.read_options(s.PrintAudio)
    return r.end(s.PrintAudio, query=r.read_query(), **values)


def _read_build(r: Reader) -> Statement:
    r.begin(s.BuildModel, "BUILD", "MODEL")
    model = r.read_name("the name of a model")
    r.expect_word("USING")
    base = r.read_name("the name of a base model", folded=False, quoted_text=True)
    values = r.read_options(s.BuildModel)
    return r.end(s.BuildModel, model=model, base=base, query=r.read_query(), **values)


def _read_fit(r: Reader) -> Statement:
    r.begin(s.FitModel, "FIT", "MODEL")
    model = r.read_name("the name of a model")
    r.expect_word("USING")
    base = r.read_name("the name of a model")
    values = r.read_options(s.FitModel)
    return r.end(s.FitModel, model=model, base=base, query=r.read_query(), **values)


def _read_predict(r: Reader) -> Statement:
    r.begin(s.Predict, "PREDICT", "USING")
    model = r.read_name("the name of a model")
    values = r.read_options(s.Predict)
    return r.end(s.Predict, model=model, query=r.read_query(), **values)


def _read_export(r: Reader) -> Statement:
    r.begin(s.ExportModel, "EXPORT", "MODEL")
    model = r.read_name("the name of a model")
    r.expect_word("TO")
    return r.end(s.ExportModel, model=model, path=r.read_path())


def _read_list(r: Reader) -> Statement:
    r.begin(s.ListTables, "LIST")
    kinds = {"TABLE": s.ListTables, "TABLES": s.ListTables, "MODEL": s.ListModels, "MODELS": s.ListModels}
    kinds |= {"JOB": s.ListJobs, "JOBS": s.ListJobs}
    word = r.expect_word(*kinds, "BASE")
    if word == "BASE":
        r.expect_word("MODELS", "MODEL")
        return r.end(s.ListBaseModels)
    return r.end(kinds[word])


def _read_describe(r: Reader) -> Statement:
    r.begin(s.DescribeTable, "DESCRIBE")
    word = r.expect_word("TABLE", "MODEL", "JOB")
    if word == "TABLE":
        return r.end(s.DescribeTable, table=r.read_name("the name of a table"))
    if word == "JOB":
        return r.end(s.DescribeJob, job=r.read_job_id())
    return r.end(s.DescribeModel, model=r.read_name("the name of a model"))


def _read_cancel(r: Reader) -> Statement:
    r.begin(s.CancelJob, "CANCEL", "JOB")
    return r.end(s.CancelJob, job=r.read_job_id())


def _read_resume(r: Reader) -> Statement:
    r.begin(s.ResumeJob, "RESUME", "JOB")
    return r.end(s.ResumeJob, job=r.read_job_id())


def _read_delete(r: Reader) -> Statement:
    r.begin(s.DeleteModel, "DELETE", "MODEL")
    if_exists = r.read_if_exists()
    return r.end(s.DeleteModel, model=r.read_name("the name of a model"), if_exists=if_exists)


def _read_drop(r: Reader) -> Statement:
    r.begin(s.DropTable, "DROP")
    r.form = "DROP {TABLE | MODEL} [IF EXISTS] name"
    word = r.expect_word("TABLE", "MODEL")
    if_exists = r.read_if_exists()
    if word == "MODEL":
        return r.end(s.DeleteModel, model=r.read_name("the name of a model"), if_exists=if_exists)
    return r.end(s.DropTable, table=r.read_name("the name of a table"), if_exists=if_exists)


_READERS: dict[str, Callable[[Reader], Statement]] = {
    "SELECT": _read_select,
    "WITH": _read_select,
    "VALUES": _read_select,
    "(": _read_select,
    "COPY": _read_copy,
    "PRINT": _read_print,
    "BUILD": _read_build,
    "FIT": _read_fit,
    "PREDICT": _read_predict,
    "EXPORT": _read_export,
    "LIST": _read_list,
    "DESCRIBE": _read_describe,
    "CANCEL": _read_cancel,
    "RESUME": _read_resume,
    "DELETE": _read_delete,
    "DROP": _read_drop,
}
