"""Statements made from a grammar of the dialect, right and slightly wrong, end in a plan or in an error of ours."""

from __future__ import annotations

import importlib.util
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.planning.analyze import analyze
from thanosql.errors import ThanoSQLError
from thanosql.types import Snapshot

LONGEST_SECONDS = 60
"""Far above what any statement takes, so that only one that hangs is found."""

_specification = importlib.util.spec_from_file_location("grammar", Path(__file__).parent / "grammar.py")
assert _specification is not None
assert _specification.loader is not None
grammar = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(grammar)


def outcome_of(text: str, snapshot: Snapshot) -> str:
    """Kind of the error that a text ends with, or the kind of its first statement; raises whatever is not ours."""
    refusal = None
    try:
        statements = parse(text)
        for statement in statements:
            analyze(statement, snapshot, Source(text))
        return statements[0].KIND
    except ThanoSQLError as error:
        refusal = error
    assert refusal.message
    assert refusal.line <= text.count("\n") + 1
    assert refusal.excerpt.rstrip("…") in text
    return type(refusal).__name__


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(chance=st.randoms())
def test_a_statement_of_the_grammar_ends_in_a_plan_or_in_an_error_of_ours(chance, snapshot):
    outcome_of(grammar.Grammar(chance).script(), snapshot)


def test_the_grammar_reaches_every_statement_and_every_kind_of_error(snapshot):
    outcomes = Counter(outcome_of(grammar.Grammar(Random(number)).script(), snapshot) for number in range(500))
    wanted = {"SELECT", "PREDICT", "LIST TABLE", "LIST MODEL", "COPY", "DROP TABLE", "DELETE MODEL", "CANCEL JOB"}
    assert wanted <= set(outcomes)
    errors = {"StatementSyntaxError", "NotSupported", "InvalidOption", "UnknownTable", "UnknownColumn", "UnknownModel"}
    assert errors <= set(outcomes)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_many_statements_of_the_grammar_end_in_time(snapshot):
    for number in range(20_000):
        text = grammar.Grammar(Random(f"slow/{number}")).script()
        begin = time.thread_time()
        outcome_of(text, snapshot)
        assert time.thread_time() - begin < LONGEST_SECONDS, text
