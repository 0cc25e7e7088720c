"""Analyses of the statements that show what there is."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.language.source import Source
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis
from query_service.planning.analyses.names import check_table, find_model
from thanosql.types import Snapshot


def _describe_table(statement: s.DescribeTable, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    check_table(statement.table, snapshot, source)
    return (p.ShowTable(statement.table),)


def _describe_model(statement: s.DescribeModel, snapshot: Snapshot, source: Source) -> tuple[p.Step, ...]:
    find_model(statement.model, snapshot, source)
    return (p.ShowModel(statement.model),)


ANALYSES: dict[type[s.Statement], Analysis] = {
    s.DescribeTable: _describe_table,
    s.DescribeModel: _describe_model,
    s.ListTables: lambda *_: (p.ShowTables(),),
    s.ListModels: lambda *_: (p.ShowModels(),),
    s.ListBaseModels: lambda *_: (p.ShowBaseModels(),),
    s.ListPrebuiltModels: lambda *_: (p.ShowPrebuiltModels(),),
    s.ListDatasets: lambda *_: (p.ShowDatasets(),),
    s.ListJobs: lambda *_: (p.ShowJobs(),),
    s.DescribeJob: lambda statement, *_: (p.ShowJob(statement.job),),
}
