"""Each error has an HTTP status, and a body that OpenAI's clients understand."""

from __future__ import annotations

import json

from thanosql import errors
from thanosql.gateway.failures import STATUSES, describe, respond, status_of
from thanosql.rpc.status import CODES


def test_every_error_has_a_status():
    assert STATUSES.keys() - {errors.ThanoSQLError} == CODES.keys()


def test_an_error_that_is_not_known_here_has_the_status_of_its_kind():
    class Newer(errors.NotFound):
        """Of a later release."""

    assert status_of(Newer("gone")) == 404


def test_place_and_hint_are_told():
    error = errors.UnknownTable("there is no table t", hint="Make it.", line=2, column=3, excerpt="  t")
    told = describe(error)
    assert told["message"] == "there is no table t. Make it."
    assert (told["code"], told["line"], told["column"], told["excerpt"]) == ("unknown_table", 2, 3, "  t")


def test_who_comes_too_often_is_told_when_to_come_again():
    response = respond(errors.Overloaded("full", retry_after=2.3))
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert json.loads(bytes(response.body))["error"]["code"] == "rate_limit_exceeded"


def test_why_a_recording_cannot_be_used_is_its_code():
    assert describe(errors.AudioError("hm", reason="too short"))["code"] == "too_short"
