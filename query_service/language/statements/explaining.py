"""The statement that tells what another one would do: EXPLAIN."""

from __future__ import annotations

from dataclasses import dataclass

from query_service.language.statements.statement import Statement
from thanosql.types import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain(Statement):
    """Tells what a statement would do, how much there is to do, and what of it would be refused. Nothing runs.

        EXPLAIN PREDICT USING my_model AS SELECT * FROM calls

    Gives: a column plan with lines of text; what stands further in comes first. The steps, with their SQL. For
    PREDICT, EVALUATE, BUILD, FIT and PRINT AUDIO, wherever they stand: rows, distinct files and seconds of audio,
    read from the headers (of 2,000 files at the most, which stand for the others), files whose transcripts are
    cached, batches, the time that it is expected to take on this machine, and rows that could not be used, with the
    reasons. For statements that change a table: what would be replaced, added or deleted.

    Errors: those of the statement itself, for it is checked as if it ran. EXPLAIN ANALYZE is not supported.
    """

    KIND = "EXPLAIN"
    FORM = "EXPLAIN statement"
    ROLE = Role.READER

    explained: Statement
