"""The specification of the dialect by pairs: right statements with their plans, wrong ones with their messages."""

from __future__ import annotations

import pytest

from query_service.language.dialect import parse
from query_service.language.source import Source
from query_service.planning.analyze import analyze
from query_service.planning.explain import explain


@pytest.mark.pairs("plans.txt")
def test_a_right_statement_has_this_plan(pair, snapshot):
    text, expectation = pair
    plans = [explain(analyze(statement, snapshot, Source(text))) for statement in parse(text)]
    assert "\n".join(plans) == expectation


@pytest.mark.pairs("compositions.txt")
def test_a_statement_inside_another_has_this_plan(pair, snapshot):
    test_a_right_statement_has_this_plan(pair, snapshot)


@pytest.mark.pairs("changes.txt")
def test_a_change_of_a_table_has_this_plan(pair, snapshot):
    test_a_right_statement_has_this_plan(pair, snapshot)


@pytest.mark.pairs("changes_mistakes.txt")
def test_a_mistake_inside_another_statement_or_in_a_change_has_this_message(pair, message_of):
    test_a_wrong_statement_has_this_message(pair, message_of)


@pytest.mark.pairs("mistakes.txt")
def test_a_wrong_statement_has_this_message(pair, message_of):
    text, expectation = pair
    assert message_of(text) == expectation


@pytest.mark.pairs("slips.txt")
def test_a_slip_has_this_message(pair, message_of):
    test_a_wrong_statement_has_this_message(pair, message_of)
