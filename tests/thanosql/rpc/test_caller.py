"""Who calls: as its client names it, or by its address."""

from __future__ import annotations

import pytest

from thanosql.rpc.caller import CALLER_KEY, LONGEST, encode_caller, name_caller, read_caller


@pytest.mark.parametrize("name", ["kim@laptop", "김민수@노트북", "DOMAIN\\kim@desk", "a b%20c@d"])
def test_a_name_arrives_as_it_was_sent(name):
    value = encode_caller(name)
    assert value.isascii()
    assert read_caller([("other", "x"), (CALLER_KEY, value)], "ipv4:10.0.0.7:1") == name


def test_a_name_is_one_short_line_whatever_is_sent():
    assert read_caller([(CALLER_KEY, "kim%0A%1b[31m@x")], "") == "kim[31m@x"
    assert len(read_caller([(CALLER_KEY, "a" * 10_000)], "")) == LONGEST


@pytest.mark.parametrize(
    ("peer", "shown"),
    [("ipv4:10.0.0.7:51234", "10.0.0.7"), ("ipv6:%5B::1%5D:51234", "::1"), ("unix:/run/x.sock", "unix:/run/x.sock")],
)
def test_who_does_not_say_its_name_is_known_by_its_address(peer, shown):
    assert read_caller([], peer) == shown
    assert read_caller([(CALLER_KEY, " ")], peer) == shown


def test_a_process_has_a_name():
    assert "@" in name_caller()
