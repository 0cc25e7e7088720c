"""Reads the statements that show what there is."""

from __future__ import annotations

from collections.abc import Callable

from query_service.language import statements as s
from query_service.language.reader import Reader
from query_service.language.statements import Statement


def _read_list(r: Reader) -> Statement:
    r.begin(s.ListTables, "LIST")
    kinds = {"TABLE": s.ListTables, "TABLES": s.ListTables, "MODEL": s.ListModels, "MODELS": s.ListModels}
    kinds |= {"JOB": s.ListJobs, "JOBS": s.ListJobs}
    word = r.expect_word(*kinds, "BASE", "THANOSQL")
    if word == "THANOSQL":
        word = r.expect_word("MODEL", "MODELS", "DATASET", "DATASETS")
        return r.end(s.ListPrebuiltModels if word.startswith("MODEL") else s.ListDatasets)
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


READERS: dict[str, Callable[[Reader], Statement]] = {
    "LIST": _read_list,
    "DESCRIBE": _read_describe,
}
"""By the word that a statement begins with."""
