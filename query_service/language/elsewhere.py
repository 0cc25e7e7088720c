"""Statements of PostgreSQL, DuckDB, MySQL and their kin that are not part of the dialect, and what to do instead."""

from __future__ import annotations

_ONE_BY_ONE = "A script is not a transaction: each statement is done, whole or not at all, before the next begins."
_ONE_USER = "There is one user: whoever holds the server's token."
_SERVER = "Statements that change the database server are not part of the dialect."
_STORED = "Nothing that runs later is kept in the database: send the statements from Python, session.sql(…)."
_SPEECH_ONLY = "This product is about speech: PRINT AUDIO, PREDICT, EVALUATE, BUILD MODEL, FIT MODEL."
_SHOWN = "LIST TABLES, LIST MODELS, LIST JOBS, DESCRIBE TABLE table and DESCRIBE MODEL model show what there is."
_WHOLE = "A query is run whole, and its rows are streamed: SELECT … or, for a part of them, SELECT … LIMIT 10."
_DELETED = "DELETE FROM table deletes all rows, DROP TABLE table the table."
_MERGED = (
    "Change rows with UPDATE table SET …, delete them with DELETE FROM table, add them with INSERT INTO table SELECT …."
)
_KEPT = "Keep the rows of a query in a table: CREATE TABLE table AS SELECT …."
_TABLES = (
    "A table's name can be changed (ALTER TABLE table RENAME TO name); for all else make it anew: CREATE TABLE … AS."
)
_NO_SCHEMA = "All tables stand in one place, and have no schema: CREATE TABLE table AS SELECT …."

OBJECTS: dict[str, tuple[str, ...]] = {
    _KEPT: ("VIEW", "MATERIALIZED VIEW", "RULE"),
    "Nothing needs an index here: tables are read by columns.": ("INDEX", "STATISTICS"),
    _NO_SCHEMA: ("DATABASE", "SCHEMA", "TABLESPACE"),
    "Number rows in a query: SELECT row_number() OVER () AS id, * FROM table.": ("SEQUENCE",),
    "Write the types in the query: CAST(column AS type).": ("TYPE", "DOMAIN", "CAST", "TRANSFORM"),
    _ONE_USER: (
        *("ROLE", "USER MAPPING", "USER", "GROUP", "POLICY", "OWNED", "DEFAULT PRIVILEGES", "SECRET"),
        "PERSISTENT SECRET",
    ),
    _STORED: (
        *("FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "MACRO", "TRIGGER", "EVENT TRIGGER", "EVENT"),
        *("OPERATOR CLASS", "OPERATOR FAMILY", "OPERATOR", "LANGUAGE"),
    ),
    "A file of the workspace is read into a table: COPY table FROM 'path'.": (
        *("FOREIGN TABLE", "EXTERNAL TABLE", "FOREIGN DATA WRAPPER", "SERVER", "STAGE", "LARGE OBJECT"),
    ),
    _SERVER: (
        *("ACCESS METHOD", "COLLATION", "CONVERSION", "EXTENSION", "PUBLICATION", "SUBSCRIPTION", "SYSTEM"),
        *("TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE"),
    ),
}
"""What CREATE, ALTER and DROP are said of, by what to do instead."""

BESIDE_THE_OBJECT: frozenset[str] = frozenset(
    (
        *("OR", "REPLACE", "GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED", "UNIQUE", "RECURSIVE", "TRUSTED"),
        *("PROCEDURAL", "CONSTRAINT", "DEFAULT"),
    )
)
"""Words that may stand between CREATE and the object."""

STATEMENTS: dict[str, tuple[str, ...]] = {
    _ONE_BY_ONE: (
        *("ABORT", "BEGIN", "COMMIT", "COMMIT PREPARED", "END", "PREPARE TRANSACTION", "RELEASE", "ROLLBACK"),
        *("ROLLBACK PREPARED", "SAVEPOINT", "SET TRANSACTION", "SET CONSTRAINTS", "START TRANSACTION", "START"),
        *("LOCK", "UNLOCK"),
    ),
    _ONE_USER: (
        *("GRANT", "REVOKE", "REASSIGN OWNED", "SET ROLE", "SET SESSION AUTHORIZATION", "RESET ROLE"),
        *("RESET SESSION AUTHORIZATION", "SECURITY LABEL"),
    ),
    _WHOLE: ("CLOSE", "DECLARE", "FETCH", "MOVE", "PREPARE", "EXECUTE", "EXEC", "DEALLOCATE", "HANDLER"),
    _SHOWN: ("SHOW", "DESC", "HELP"),
    _DELETED: ("TRUNCATE",),
    _MERGED: ("MERGE", "REPLACE", "UPSERT"),
    _KEPT: ("REFRESH",),
    _STORED: ("CALL", "DO", "DELIMITER", "IF", "WHILE"),
    "ALTER TABLE table RENAME TO name changes a table's name.": ("RENAME",),
    "DESCRIBE TABLE table shows its columns; min, max, avg, count and others tell of their values.": ("SUMMARIZE",),
    "A query begins with SELECT: SELECT * FROM table.": ("FROM", "TABLE"),
    "Use GROUP BY, with count(*) FILTER (WHERE …) for each new column.": ("PIVOT", "PIVOT_WIDER"),
    "Write a SELECT for each column, with UNION ALL between them.": ("UNPIVOT", "PIVOT_LONGER"),
    "A remark is not kept with a table: write it into a column, or into the notebook.": ("COMMENT",),
    "A file of the workspace is read into a table: COPY table FROM 'path'.": (
        *("IMPORT", "LOAD DATA", "COPY FROM DATABASE"),
    ),
    "Rows go to Python, session.sql(…).to_pandas(); a model to Triton, EXPORT MODEL model TO 'folder'.": (
        *("EXPORT DATABASE", "EXPORT TABLE", "UNLOAD"),
    ),
    _NO_SCHEMA: ("USE", "ATTACH", "DETACH"),
    "CANCEL JOB id stops a statement; LIST JOBS shows them.": ("KILL", "STOP"),
    _SERVER: (
        *("ANALYZE", "ANALYSE", "CHECKPOINT", "FORCE", "CLUSTER", "DISCARD", "FLUSH", "INSTALL", "LISTEN", "LOAD"),
        *("NOTIFY", "OPTIMIZE", "PRAGMA", "REINDEX", "RESET", "SET", "UNLISTEN", "VACUUM", "UNINSTALL"),
    ),
    # What somebody who comes from elsewhere may call our own statements.
    "BUILD MODEL model USING base AS query makes a model.": ("CREATE MODEL", "TRAIN", "LEARN"),
    "FIT MODEL model USING model AS query goes on training it.": ("FINETUNE", "FINE", "RETRAIN", "ALTER MODEL"),
    "PREDICT USING model AS query transcribes recordings.": ("TRANSCRIBE", "RECOGNIZE", "INFER", "RUN"),
    "EVALUATE USING model AS query scores a model.": ("TEST", "SCORE"),
    "PRINT AUDIO AS query plays recordings.": ("PLAY",),
    _SPEECH_ONLY: ("SEARCH", "CONVERT", "VECTORIZE"),
}
"""Other statements by what to do instead, each by its first words."""
