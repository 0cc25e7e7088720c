"""From a statement to its plan: names, columns and options are checked against one snapshot before anything runs."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.options import Effect
from query_service.language.source import Source
from query_service.planning import steps as p
from query_service.planning.composition import compose
from query_service.planning.plan import Plan
from query_service.planning.statement_queries import queries_of
from thanosql.types import Notice, Snapshot


def analyze(statement: s.Statement, snapshot: Snapshot, source: Source) -> Plan:
    """The plan of a statement.

    Raises:
        StatementError: a name that is not there, a column that the query has not, a value that makes no sense.
        NameTaken: a table or model of that name exists, and the statement does not say that it may be replaced.
    """
    if isinstance(statement, s.Explain):
        explained = statement.explained
        plan = analyze(explained, snapshot, source)
        at = getattr(getattr(explained, "query", None), "at", explained.at)
        return Plan(statement.KIND, (p.ExplainPlan(plan, at),), plan.notices)
    steps = compose(statement, snapshot, source)
    return Plan(statement.KIND, steps, tuple(dict.fromkeys(_weak_options(statement))))


def _weak_options(statement: s.Statement) -> list[Notice]:
    """What is said of options without full effect, those of the statements inside first."""
    nested = [each.statement for _, query in queries_of(statement) for each in query.nested]
    notices = [notice for each in nested for notice in _weak_options(each)]
    for effect, says in ((Effect.NONE, "no effect"), (Effect.PARTIAL, "a limited effect")):
        options = [option for option in statement.weak if option.effect is effect and option.remark]
        for remark in dict.fromkeys(option.remark for option in options):
            names = " and ".join(option.name for option in options if option.remark == remark)
            verb = "have" if " and " in names else "has"
            notices.append(Notice(f"{names} {verb} {says} on {statement.KIND}. {remark}"))
    return notices
