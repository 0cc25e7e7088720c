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

    Gives: name, rows, columns (their names), last_updated_utc; no rows where there are no tables.
    """

    KIND = "LIST TABLE"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListModels(Statement):
    """Shows the models, the newest version of each.

        LIST MODELS

    Gives: name, class_name (the base that it was made from), version, wer (of the rows held out from its training;
    NULL where it is not known), last_updated_utc.
    """

    KIND = "LIST MODEL"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBaseModels(Statement):
    """Shows the names that may stand after USING in BUILD MODEL.

        LIST BASE MODELS

    Gives: name, checkpoint and its revision, language, source (hub or bundled), description.
    """

    KIND = "LIST BASE MODELS"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrebuiltModels(Statement):
    """Shows the models that GET THANOSQL MODEL makes ready, and by what names they are here already.

        LIST THANOSQL MODEL

    Gives: name, language, source (hub or bundled), checkpoint, models (the names by which it is here), description.
    """

    KIND = "LIST THANOSQL MODEL"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDatasets(Statement):
    """Shows the data sets that GET THANOSQL DATASET puts under the workspace root, and where.

        LIST THANOSQL DATASET

    Gives: name, path, is_there, description.
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

    Gives: id, kind, model, state (queued, running, succeeded, failed, cancelled), progress, rate, seconds_left,
    attempts, created_utc, who, trainer, statement.
    """

    KIND = "LIST JOBS"
    FORM = LIST_FORM
    ROLE = Role.READER


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeTable(Statement):
    """Shows the columns of a table and their types.

        DESCRIBE TABLE librispeech_train

    Gives: column, type; one row for each column.

    Errors: UnknownTable.
    """

    KIND = "DESCRIBE TABLE"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"
    ROLE = Role.READER

    table: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeModel(Statement):
    """Shows what a model was made from and what its training reported.

        DESCRIBE MODEL my_model

    Gives: property, value: of a model that was trained here what became of the rows, every number of the recipe, the
    losses, the error rates with their intervals, the words that were confused and the worst rows; and, once it is
    loaded, how it is computed on this machine.

    Errors: UnknownModel.
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

    Gives: property, value.

    Errors: NotFound.
    """

    KIND = "DESCRIBE JOB"
    FORM = "DESCRIBE {TABLE table | MODEL model | JOB id}"
    ROLE = Role.READER

    job: Name
