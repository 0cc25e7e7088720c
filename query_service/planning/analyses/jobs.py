"""Analyses of the statements about jobs."""

from __future__ import annotations

from query_service.language import statements as s
from query_service.planning import steps as p
from query_service.planning.analyses.analysis import Analysis

ANALYSES: dict[type[s.Statement], Analysis] = {
    s.CancelJob: lambda statement, *_: (p.StopJob(statement.job),),
    s.ResumeJob: lambda statement, *_: (p.TakeUpJob(statement.job),),
}
