"""Statements that show what there is: LIST, DESCRIBE."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.language.options import Name
from query_service.language.statements.statement import Statement
from thanosql.types import Role

LIST_FORM = "LIST {TABLE | MODEL | BASE MODELS | JOBS | THANOSQL MODEL | THANOSQL DATASET}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTables(Statement):
    """Shows the tables.

    LIST TABLES
    """

    KIND = "LIST TABLE"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListModels(Statement):
    """Shows the models, the newest version of each.

    LIST MODELS
    """

    KIND = "LIST MODEL"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBaseModels(Statement):
    """Shows the names that may stand after USING in BUILD MODEL.

    LIST BASE MODELS
    """

    KIND = "LIST BASE MODELS"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrebuiltModels(Statement):
    """Shows the models that GET THANOSQL MODEL makes ready, and by what names they are here already.

    LIST THANOSQL MODEL
    """

    KIND = "LIST THANOSQL MODEL"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDatasets(Statement):
    """Shows the data sets that GET THANOSQL DATASET puts under the workspace root, and where.

    LIST THANOSQL DATASET
    """

    KIND = "LIST THANOSQL DATASET"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs(Statement):
    """Shows what runs and what has ended, the newest first: trainings, exports and statements, how far they are, and
    who sent them.

    LIST JOBS

    A statement that trains is one row with its training. Of the statements that have ended, the last 20 are shown
    that took ten seconds or more, or whose result nobody has read yet; `session.attach('id')` reads it.
    """

    KIND = "LIST JOBS"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTable(Statement):
    """Shows the columns of a table and their types.

    DESCRIBE TABLE librispeech_train
    """

    KIND = "DESCRIBE TABLE"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"
    ROLE = Role.READER

    table: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeModel(Statement):
    """Shows what a model was made from and what its training reported.

    DESCRIBE MODEL my_model
    """

    KIND = "DESCRIBE MODEL"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"
    ROLE = Role.READER

    model: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeJob(Statement):
    """Shows what a training or a statement is to do, how far it is, and why it failed.

    DESCRIBE JOB 4f2e91ab

    The id is that of LIST JOBS, or of the statement that started the training; as many of its first characters as
    make it clear are enough, four at least.
    """

    KIND = "DESCRIBE JOB"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"
    ROLE = Role.READER

    job: Name
