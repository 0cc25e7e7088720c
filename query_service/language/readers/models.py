"""Reads the statements about models."""

from __future__ import annotations

from collections.abc import Callable

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.statements import Statement


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


def _read_get(r: Reader) -> Statement:
    r.form = "GET THANOSQL {MODEL | DATASET} name [OPTIONS (…)]"
    r.expect_word("GET")
    r.expect_word("THANOSQL")
    if r.expect_word("MODEL", "DATASET") == "MODEL":
        r.form = s.GetModel.FORM
        name = r.read_name("the name of a pre-built model", folded=False, quoted_text=True)
        if r.peek() == "AS":
            raise r.fail("AS cannot stand here", r.at(), "OPTIONS (model_name='…') gives it another name.")
        return r.end(s.GetModel, name=name, **r.read_options(s.GetModel))
    r.form = s.GetDataset.FORM
    name = r.read_name("the name of a data set", folded=False, quoted_text=True)
    return r.end(s.GetDataset, name=name, **r.read_options(s.GetDataset))


def _read_upload(r: Reader) -> Statement:
    r.begin(s.UploadModel, "UPLOAD", "MODEL")
    model = r.read_name("the name of a model")
    values = r.read_options(s.UploadModel)
    r.expect_word("FROM")
    return r.end(s.UploadModel, model=model, path=r.read_path(), **values)


def _read_export(r: Reader) -> Statement:
    r.begin(s.ExportModel, "EXPORT", "MODEL")
    model = r.read_name("the name of a model")
    r.expect_word("TO")
    return r.end(s.ExportModel, model=model, path=r.read_path())


READERS: dict[str, Callable[[Reader], Statement]] = {
    "BUILD": _read_build,
    "FIT": _read_fit,
    "GET": _read_get,
    "UPLOAD": _read_upload,
    "EXPORT": _read_export,
}
"""By the word that a statement begins with."""
