"""Plans the statements that stand inside another one: inner before outer, equal ones once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from query_service.language.inner_query import Query
from query_service.language.nested import Nested
from query_service.language.source import Source
from query_service.language.statements import Predict, Select, Statement
from query_service.planning.analyses import ANALYSES
from query_service.planning.definitions import carry_definitions
from query_service.planning.inner_columns import Known
from query_service.planning.narrowing import narrow
from query_service.planning.relations import Relation, Surroundings, columns_of
from query_service.planning.row_by_row import is_repeatable
from query_service.planning.scores import write_scores
from query_service.planning.statement_queries import change_queries, queries_of
from query_service.planning.steps import KeepRows, Step, StreamRows, TableQuery, Transcribe
from query_service.planning.streaming import find_flow, stream
from thanosql.errors import NotSupported
from thanosql.types import Snapshot


def compose(statement: Statement, snapshot: Snapshot, source: Source) -> tuple[Step, ...]:
    """The steps of a statement, those of the statements inside it first.

    Raises:
        StatementError: see `analyze`.
    """
    statement = write_scores(statement, source)
    composition = Composition(snapshot, source)
    steps = composition.plan(statement)
    narrowed = narrow(statement, composition.known)
    if narrowed is not statement:  # planned once to know all columns, and again with fewer rows in the inner ones
        statement, composition = narrowed, Composition(snapshot, source)
        steps = composition.plan(statement)
    steps = stream(composition.resolve(statement), composition.before, steps, composition.surroundings, source)
    return _needed(steps)


def _needed(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps without those that keep rows which nobody reads."""
    kept: list[Step] = []
    read: set[str] = set()
    for step in reversed(steps):
        if isinstance(step, KeepRows) and step.relation not in read:
            continue
        read |= set(_relations_read(step))
        kept.insert(0, step)
    return tuple(kept)


def _relations_read(step: Step) -> Iterator[str]:
    query = getattr(step, "query", None)
    if isinstance(query, TableQuery) and not isinstance(step, StreamRows):  # which reads its own rows only
        yield from query.relations
    for inner in getattr(step, "steps", ()):
        yield from _relations_read(inner)


class Composition:
    """The plan of one statement and of those inside it, while it is made.

    Args:
        snapshot: What there is.
        source: The user's text.
    """

    def __init__(self, snapshot: Snapshot, source: Source) -> None:
        self._snapshot = snapshot
        self._source = source
        self._kept: dict[str, KeepRows] = {}
        self._same: dict[str, str] = {}
        """The relation that holds the rows of each nested statement, by the one that the reader gave it."""
        self._inner: dict[str, tuple[str, ...] | None] = {}
        self._waiting: set[str] = set()

    @property
    def before(self) -> tuple[KeepRows, ...]:
        """What must be there when the statement's own steps begin."""
        return tuple(self._kept.values())

    @property
    def surroundings(self) -> Surroundings:
        """What a query may read: also the rows of the nested statements that are planned."""
        relations = tuple(Relation(kept.relation, columns_of(kept.steps)) for kept in self._kept.values())
        return Surroundings(self._snapshot.tables, self._snapshot.models, self._snapshot.sql_dialect, relations)

    @property
    def known(self) -> Known:
        """The columns of what there is, and of the queries inside each nested PREDICT."""
        # In PostgreSQL the case of a name matters where it is quoted; all others are spelt as the tables have them.
        ignores_case = self._snapshot.sql_dialect == "duckdb" or '"' not in self._source.text
        fold = str.lower if ignores_case else str
        tables = {fold(t.name): tuple(fold(c.name) for c in t.columns) for t in self._snapshot.tables}
        return Known(tables, self._inner, ignores_case)

    def plan(self, statement: Statement) -> tuple[Step, ...]:
        """The statement's own steps, to come after `before`, which they may add to."""
        statement = self.resolve(statement)
        if not isinstance(statement, Select):
            statement = change_queries(statement, self._stop_early)
        return ANALYSES[type(statement)](statement, self.surroundings, self._source)

    def resolve(self, statement: Statement) -> Statement:
        """The statement with the rows that others leave in place of the statements in it, which are planned."""
        return change_queries(statement, self._resolve)

    def _resolve(self, query: Query) -> Query:
        if not query.nested:
            return query
        tree = query.tree.copy()
        places = {table.name: table for table in tree.find_all(exp.Table)}
        self._waiting |= {nested.relation for nested in query.nested} - set(self._same)
        for nested in query.nested:
            place = places.get(nested.relation)
            if place is None:  # sqlglot forgets what a function that it knows is given too much
                message = f"{nested.statement.KIND} stands where nothing is read"
                hint = "It is behind the last argument that a function takes; put it into FROM, or leave it out."
                raise self._source.error(NotSupported, message, nested.at, hint)
            if nested.relation not in self._same:
                self._same[nested.relation] = self._keep(nested, place)
                self._waiting.discard(nested.relation)
            place.this.set("this", self._same[nested.relation])
        return replace(query, tree=tree, nested=())

    def _stop_early(self, query: Query) -> Query:
        """Where the rows with certain transcripts are wanted, and not all of them, those that come until then."""
        kept = next(reversed(self._kept.values()), None)
        flow = kept and find_flow(query, kept, self.surroundings, self._source)
        if kept is None or not flow or flow.limit is None:
            return query
        relation = f"{kept.relation}_part"
        self._kept[relation] = KeepRows(relation, (flow,), kept.at)
        return replace(query, tree=exp.select("*").from_(relation))

    def _keep(self, nested: Nested, place: exp.Table) -> str:
        """Plans a nested statement; the relation that holds its rows, which may be that of an equal one."""
        statement = change_queries(nested.statement, lambda query: carry_definitions(query, place))
        queries = [query for _, query in queries_of(statement)]
        self._refuse_circle(nested, queries)
        steps = self.plan(statement)
        if isinstance(statement, Predict) and isinstance(steps[-1], Transcribe):
            self._inner[nested.relation] = steps[-1].query.columns
        if all(is_repeatable(query.tree) for query in queries):
            same = next((kept.relation for kept in self._kept.values() if kept.steps == steps), None)
            if same is not None:
                return same
        at = queries[0].at if queries else nested.at
        self._kept[nested.relation] = KeepRows(nested.relation, steps, at)
        return nested.relation

    def _refuse_circle(self, nested: Nested, queries: Sequence[Query]) -> None:
        """What a nested statement reads must be there before it, so it may not be made of its own rows."""
        own = {each.relation for query in queries for each in query.nested}
        read = {table.name for query in queries for table in query.tree.find_all(exp.Table)}
        if read & (self._waiting - own):
            word = nested.statement.KIND
            message = f"{word} reads a name of WITH RECURSIVE that is made of its own rows, or defined behind it"
            hint = "Define the names in the order in which they are read, and without a circle."
            raise self._source.error(NotSupported, message, nested.at, hint)
