"""Statements that are understood and not to be had: what they are called, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A statement recognised by its first words."""

    words: tuple[str, ...]
    instead: str
    later: bool = True
    """It belongs to the dialect and comes with a later release."""

    @property
    def message(self) -> str:
        """What to tell the user."""
        return f"{' '.join(self.words)} is not {'yet ' if self.later else ''}supported"


_FILES = "Put the files under the workspace root by hand, and read a csv with COPY table FROM 'path'."
_REPLACE = "Change the csv file, and read it again with COPY table OPTIONS (overwrite=True) FROM 'path'."
_ONE_BY_ONE = "A script is not a transaction: each statement is done, whole or not at all, before the next begins."

# Where two entries share their first words, the longer one stands first.
UNSUPPORTED: tuple[Unsupported, ...] = (
    Unsupported(("EVALUATE",), "PREDICT USING model OPTIONS (text_col='text') AS query reports the word error rate."),
    Unsupported(("EXPLAIN",), "Run the statement over a few rows (LIMIT 10) to see how long it takes."),
    Unsupported(
        ("GET", "THANOSQL", "MODEL"),
        "The model tutorial_audio_recognition is there from the start: LIST MODELS shows it; others: BUILD MODEL.",
    ),
    Unsupported(("GET", "THANOSQL", "DATASET"), f"The tutorial's data is in the folder tutorial_data. {_FILES}"),
    Unsupported(("UPLOAD", "MODEL"), "Name the folder as the base: BUILD MODEL model USING 'folder' AS query."),
    Unsupported(("LIST", "THANOSQL", "MODEL"), "LIST MODELS and LIST BASE MODELS show the models that are there."),
    Unsupported(("LIST", "THANOSQL", "DATASET"), "LIST TABLES shows the tables that are there."),
    Unsupported(("CREATE", "TABLE"), "Keep the result of a query in Python, or COPY a csv file into a table."),
    Unsupported(("INSERT", "INTO"), _REPLACE),
    Unsupported(("UPDATE",), _REPLACE),
    Unsupported(("DELETE", "FROM"), _REPLACE),
    Unsupported(("ALTER", "TABLE"), _REPLACE),
    Unsupported(("CREATE",), "Tables are made with COPY, models with BUILD MODEL.", later=False),
    Unsupported(("SHOW",), "LIST TABLES, LIST MODELS and LIST BASE MODELS show what there is.", later=False),
    Unsupported(("TRUNCATE",), "DROP TABLE table deletes a table.", later=False),
    Unsupported(("MERGE",), _REPLACE, later=False),
    Unsupported(("BEGIN",), _ONE_BY_ONE, later=False),
    Unsupported(("START",), _ONE_BY_ONE, later=False),
    Unsupported(("COMMIT",), _ONE_BY_ONE, later=False),
    Unsupported(("ROLLBACK",), _ONE_BY_ONE, later=False),
    Unsupported(("GRANT",), "There is one user: whoever holds the server's token.", later=False),
    Unsupported(("REVOKE",), "There is one user: whoever holds the server's token.", later=False),
    *(
        Unsupported((word,), "Statements that change the database server are not part of the dialect.", later=False)
        for word in (
            *("ATTACH", "DETACH", "INSTALL", "LOAD", "PRAGMA", "SET", "RESET", "USE", "VACUUM", "ANALYZE"),
            *("CALL", "DO", "EXECUTE", "EXEC", "PREPARE", "IMPORT", "CHECKPOINT", "COMMENT", "LOCK", "REFRESH"),
        )
    ),
)
